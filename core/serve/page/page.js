// page.js - the page of `bitnet serve`: conversations that stay in this browser, answers as they are made, and the proof
// of each. Asks the server it came from, and nobody else.
"use strict";

const $ = (id) => document.getElementById(id);
const make = (tag, attributes = {}, ...children) => {
  const e = Object.assign(document.createElement(tag), attributes);
  e.append(...children);
  return e;
};

// ---- what is kept ----

const defaults = { system: "", temperature: "0.7", top_p: "1", top_k: "0", max_tokens: "512", seed: "", schema: "", key: "", "form-of": "markdown", colours: "system" };
const load = (name, otherwise) => {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
};
const settings = { ...defaults, ...load("settings", {}) };
let talks = load("talks", []); // [{ id, title, messages: [{ role, content, receipt, schema, rate }] }], newest first
let talk = talks[0] ?? null;
let asking = null; // AbortController of the answer that is being made

function keep() {
  try {
    localStorage.setItem("talks", JSON.stringify(talks));
    localStorage.setItem("settings", JSON.stringify(settings));
  } catch {
    say("This browser has no more room: older conversations must go.", true);
  }
}

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
}

// ---- the server ----

const ask = async (path, body, signal) => {
  const headers = settings.key ? { authorization: `Bearer ${settings.key}` } : {};
  const r = await fetch(path, body ? { method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body), signal } : { headers, signal });
  if (r.ok) return r;
  const error = (await r.json().catch(() => null))?.error;
  throw Object.assign(new Error(error?.message ?? `status ${r.status}`), { status: r.status, param: error?.param });
};

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const data = block.replace(/^data: /, "");
      if (data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

function request(messages) {
  const number = (name) => (settings[name] === "" ? undefined : Number(settings[name]));
  const schema = settings.schema.trim() && JSON.parse(settings.schema);
  const system = settings.system.trim() ? [{ role: "system", content: settings.system }] : [];
  return {
    messages: [...system, ...messages.map(({ role, content }) => ({ role, content }))],
    stream: true,
    stream_options: { include_usage: true },
    receipt: true,
    ...(schema && { response_format: { type: "json_schema", json_schema: { name: "answer", schema } } }),
    ...Object.fromEntries(["temperature", "top_p", "top_k", "max_tokens", "seed"].map((name) => [name, number(name)])),
  };
}

// A conversation that no receipt can tell is answered without one.
async function openStream(body, signal) {
  try {
    return await ask("v1/chat/completions", body, signal);
  } catch (e) {
    if (e.param !== "receipt") throw e;
    return ask("v1/chat/completions", { ...body, receipt: false }, signal);
  }
}

// ---- showing ----

function fill(element, content) {
  element.classList.toggle("text", settings["form-of"] === "text");
  if (settings["form-of"] === "text") {
    element.textContent = content;
    return;
  }
  element.innerHTML = DOMPurify.sanitize(marked.parse(content), { FORBID_TAGS: ["style", "img", "form", "input", "video", "audio"], FORBID_ATTR: ["style"] });
  for (const a of element.querySelectorAll("a")) Object.assign(a, { target: "_blank", rel: "noopener noreferrer" });
}

function show(message, index) {
  const content = make("div", { className: "content" });
  const article = make("article", { className: message.role }, make("h2", { textContent: message.role === "user" ? "You" : "Answer" }), content);
  if (message.role === "user") content.classList.add("text");
  if (message.role === "user") content.textContent = message.content;
  else fill(content, message.content);
  const tools = make("div", { className: "tools" });
  const button = (text, onclick) => tools.append(make("button", { type: "button", textContent: text, onclick }));
  if (message.role === "assistant") {
    button("Copy", async () => {
      await navigator.clipboard.writeText(message.content);
      say("Copied.");
    });
    if (index === talk.messages.length - 1) button("Regenerate", regenerate);
    if (message.receipt) button("Verify", () => verify(message));
    if (message.rate) tools.append(make("span", { textContent: `${message.tokens} tokens, ${message.rate} tokens/s${message.cut ? ", cut" : ""}` }));
    article.append(tools);
  }
  return article;
}

function showTalk() {
  const log = $("log");
  log.replaceChildren(...(talk?.messages ?? []).map(show));
  log.scrollTop = log.scrollHeight;
  $("list").replaceChildren(
    ...talks.map((t) => {
      const go = make("button", { type: "button", textContent: t.title || "New conversation", onclick: () => choose(t) });
      if (t === talk) go.setAttribute("aria-current", "true");
      const away = make("button", { type: "button", textContent: "✕", onclick: () => remove(t) });
      away.setAttribute("aria-label", `Delete: ${t.title || "New conversation"}`);
      return make("li", {}, go, away);
    }),
  );
}

function choose(t) {
  asking?.abort();
  talk = t;
  menu(false);
  showTalk();
  $("input").focus();
}

function remove(t) {
  if (t === talk) asking?.abort();
  talks = talks.filter((other) => other !== t);
  if (t === talk) talk = talks[0] ?? null;
  keep();
  showTalk();
}

function fresh() {
  const t = { id: Date.now(), title: "", messages: [] };
  talks.unshift(t);
  choose(t);
  keep();
}

function menu(open) {
  $("side").classList.toggle("open", open);
  $("menu").setAttribute("aria-expanded", String(open));
}

// ---- asking ----

function busy(is) {
  $("send").hidden = is;
  $("stop").hidden = !is;
  $("log").setAttribute("aria-busy", String(is));
}

// An answer to the last message of `t`.
async function answer(t) {
  const controller = (asking = new AbortController());
  const message = { role: "assistant", content: "", tokens: 0 };
  let asked;
  try {
    asked = request(t.messages);
  } catch (e) {
    asking = null;
    showTalk();
    return say(`The schema of Settings is no JSON: ${e.message}`, true);
  }
  message.schema = asked.response_format?.json_schema.schema;
  t.messages.push(message);
  showTalk();
  busy(true);
  say("Waiting …");
  const article = $("log").lastElementChild;
  const started = performance.now();
  let first = 0, pending = false, trouble = "";
  const draw = () => {
    pending = false;
    if (t !== talk || !article.isConnected) return;
    const log = $("log"), end = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
    fill(article.querySelector(".content"), message.content);
    if (end) log.scrollTop = log.scrollHeight;
  };
  try {
    for await (const event of events(await openStream(asked, controller.signal))) {
      if (event.error) throw new Error(event.error.message);
      const choice = event.choices[0];
      if (choice?.delta.content) {
        first ||= performance.now();
        message.content += choice.delta.content;
        message.tokens++;
        if (!pending) (pending = true), requestAnimationFrame(draw);
        const seconds = (performance.now() - first) / 1000;
        if (seconds > 0.5) say(`${(message.tokens / seconds).toFixed(1)} tokens/s`);
      }
      if (choice?.receipt_id) message.receipt = choice.receipt_id;
      if (choice?.finish_reason === "length") message.cut = true;
      if (event.usage) message.tokens = event.usage.completion_tokens;
    }
  } catch (e) {
    if (e.name === "AbortError") message.cut = true;
    else trouble = e.status === 401 ? "The server wants an API key: Settings." : e.message;
  }
  const seconds = (performance.now() - (first || started)) / 1000;
  message.rate = seconds > 0 && message.tokens ? (message.tokens / seconds).toFixed(1) : null;
  if (trouble && !message.content) t.messages.pop();
  if (asking === controller) asking = null;
  if (!asking) busy(false);
  say(trouble || `Answer complete: ${message.tokens} tokens.`, Boolean(trouble));
  keep();
  if (t === talk) showTalk();
}

function send() {
  const content = $("input").value;
  if (!content.trim() || asking) return;
  if (!talk) fresh();
  talk.title ||= content.trim().slice(0, 60);
  talk.messages.push({ role: "user", content });
  $("input").value = "";
  keep();
  answer(talk);
}

function regenerate() {
  if (asking || talk?.messages.at(-1)?.role !== "assistant") return;
  talk.messages.pop();
  answer(talk);
}

// ---- proving ----

async function verify({ receipt: id, schema }) {
  $("verdict").textContent = "Computing it again …";
  $("verdict").className = "";
  $("checks").replaceChildren();
  $("receipt").textContent = "";
  $("with-schema").hidden = !schema;
  $("proof").showModal();
  try {
    const text = await (await ask(`v1/receipts/${id}`)).text();
    $("receipt").textContent = text;
    if ($("download").href.startsWith("blob:")) URL.revokeObjectURL($("download").href);
    $("download").href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const result = await (await ask("v1/verify", { receipt_id: id, ...(schema && { json_schema: schema }) })).json();
    $("verdict").textContent = result.verified ? `Yes: computed again, all ${result.steps} steps are the same.` : "No: it differs.";
    $("verdict").className = result.verified ? "" : "differs";
    $("checks").replaceChildren(...result.checks.map((c) => make("tr", { className: c.state === "differs" ? "differs" : "" }, make("th", { scope: "row", textContent: c.check }), make("td", { textContent: c.state }), make("td", { textContent: c.text }))));
  } catch (e) {
    $("verdict").textContent = e.message;
    $("verdict").className = "differs";
  }
}

// ---- the page ----

function settle() {
  document.documentElement.dataset.colours = settings.colours;
  for (const name of Object.keys(defaults)) $(name).value = settings[name];
}
for (const name of Object.keys(defaults))
  $(name).addEventListener("change", () => {
    settings[name] = $(name).value;
    settle();
    keep();
    if (name === "form-of") showTalk();
    if (name === "key") describe();
  });
$("open-settings").onclick = () => $("settings").showModal();
$("menu").onclick = () => menu(!$("side").classList.contains("open"));
$("new").onclick = fresh;
$("stop").onclick = () => asking?.abort();
$("form").onsubmit = (e) => {
  e.preventDefault();
  send();
};
$("input").onkeydown = (e) => {
  if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
  e.preventDefault();
  send();
};
document.addEventListener("keydown", (e) => {
  if (e.key === "Escape" && asking && !document.querySelector("dialog[open]")) asking.abort();
});

async function describe() {
  try {
    const { data } = await (await ask("v1/models")).json();
    $("model").textContent = data[0].id;
    document.title = `bitnet: ${data[0].id}`;
    say("");
  } catch (e) {
    say(e.status === 401 ? "The server wants an API key: Settings." : e.message, true);
  }
}
settle();
showTalk();
describe();
$("input").focus();
