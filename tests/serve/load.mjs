// load.mjs URL PID ROUNDS MALFORMED ROOM_MB - a server (process PID) under load: ROUNDS times a thousand connections at
// once, among them slow and half-closed ones and clients that vanish, and MALFORMED damaged requests. No answer may be
// lost or changed, and memory and descriptors must come back. Prints "ok NAME" or "what-came NAME" for each.
import fs from "node:fs";
import http from "node:http";
import net from "node:net";

const url = new URL(process.argv[2]);
const [pid, rounds, malformed, room] = process.argv.slice(3).map(Number);
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 160) || "nothing"} ${name}`);
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const CONNECTIONS = 1000, PATIENCE = 300000, AT_ONCE = 50;
let state = 2463534242; // a fixed rule draws: a failure comes again
function random(n) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % n;
}
const pick = (list) => list[random(list.length)];

// ---- what the process holds ----
const descriptors = () => fs.readdirSync(`/proc/${pid}/fd`).length;
const resident = () => Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))[1]) / 1024;
const get = async (path) => (await fetch(url + path, { headers: { connection: "close" } })).text();
const metric = async (name) => Number(new RegExp(`^bitnet_${name} ([0-9.e+-]+)`, "m").exec(await get("metrics"))?.[1] ?? NaN);
async function settled(wanted) {
  for (let i = 0; i < 1200; i++) {
    const busy = (await metric("requests_running")) + (await metric("requests_waiting"));
    if (busy === 0 && descriptors() <= wanted) return true;
    await sleep(100);
  }
  return false;
}

// ---- well-formed requests ----
const bodies = Array.from({ length: 8 }, (_, i) => ({ prompt: `The king said ${i}`, max_tokens: 4 + i, seed: i }));
const textOf = (reply, stream) =>
  stream
    ? (reply.match(/^data: \{.*$/gm) ?? []).map((l) => JSON.parse(l.slice(6)).choices[0].text).join("") + (reply.includes("data: [DONE]") ? "" : " cut")
    : JSON.parse(reply).choices[0].text;
// The text of an answer, or what went wrong; slow: "write" or "read".
function ask(body, slow) {
  return new Promise((resolve) => {
    const text = JSON.stringify(body);
    const req = http.request(new URL("v1/completions", url), { method: "POST", agent: false, headers: { "content-length": Buffer.byteLength(text) } });
    req.setTimeout(PATIENCE, () => req.destroy(new Error("silence")));
    req.on("error", (e) => resolve(`${e.message} of ${text}`));
    req.on("response", (res) => {
      let got = "";
      if (slow === "read") {
        const beat = setInterval(() => (res.pause(), setTimeout(() => res.resume(), 30)), 40);
        res.on("close", () => clearInterval(beat));
      }
      res.on("data", (d) => (got += d));
      res.on("end", () => {
        try {
          resolve(textOf(got, body.stream));
        } catch {
          resolve(`${res.statusCode} ${got}`);
        }
      });
      res.on("error", (e) => resolve(e.message));
    });
    if (slow !== "write") return req.end(text);
    let at = 0;
    const beat = setInterval(() => {
      if (req.destroyed) return clearInterval(beat);
      req.write(text.slice(at, at + 3));
      if ((at += 3) >= text.length) (clearInterval(beat), req.end());
    }, 20);
  });
}
const raw = (body) => {
  const text = JSON.stringify(body);
  return `POST /v1/completions HTTP/1.1\r\nHost: ${url.host}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
};
function socket(bytes, { end = false, leaveAfter = null, reset = false } = {}) {
  return new Promise((resolve) => {
    const s = net.connect(Number(url.port), url.hostname, () => (end ? s.end(bytes) : s.write(bytes)));
    s.on("error", () => {});
    s.on("data", () => {});
    s.on("close", () => resolve(s));
    if (leaveAfter !== null) setTimeout(() => (reset ? s.resetAndDestroy() : s.destroy()), leaveAfter);
  });
}
const wanted = [];
for (const body of bodies) wanted.push(await ask(body));

async function crowd() {
  const answers = [], others = [];
  const long = { prompt: "a", max_tokens: 200, ignore_eos: true };
  for (let i = 0; i < CONNECTIONS; i++) {
    const k = random(bodies.length), body = bodies[k];
    const expect = (answer) => answers.push(answer.then((text) => (text === wanted[k] ? null : text)));
    switch (i % 10) {
      case 0: expect(ask(body)); break;
      case 1: expect(ask({ ...body, stream: true })); break;
      case 2: expect(ask(body, "write")); break;
      case 3: expect(ask({ ...body, stream: true }, "read")); break;
      case 4: others.push(socket(raw({ ...long, stream: true }), { end: true })); break; // half-closed: counts as gone
      case 5: others.push(socket(raw({ ...long, stream: i % 20 === 5 }), { leaveAfter: random(1500) })); break;
      case 6: others.push(socket(raw({ ...long, n: 2 }), { leaveAfter: random(1500), reset: true })); break;
      case 7: others.push(socket(raw(body).slice(0, 1 + random(90)), { leaveAfter: 2000 + random(1000) })); break; // never all of it
      case 8: others.push(socket("", { leaveAfter: 2000 + random(1000) })); break; // says nothing
      case 9: others.push(socket(raw(body).slice(0, 1 + random(90)), { end: true, leaveAfter: 3000 })); break;
    }
  }
  await sleep(500);
  const beside = (await fetch(`${url}health`)).status;
  const lost = (await Promise.all(answers)).filter((x) => x !== null);
  await Promise.all(others);
  return { beside, lost, asked: answers.length };
}

// ---- damaged requests ----
const hello = [{ role: "user", content: "Hello" }];
const good = [
  ["/v1/chat/completions", { messages: hello, max_tokens: 2, seed: 1, stop: ["x"], logit_bias: { 5: 1 }, response_format: { type: "json_schema", json_schema: { name: "a", schema: { type: "object", properties: { n: { type: "integer" } } } } } }],
  ["/v1/completions", { prompt: [[1, 2, 3], [4]], max_tokens: 1, logprobs: 2, echo: true, n: 2, temperature: 0.5, top_p: 0.9 }],
  ["/v1/responses", { input: [{ type: "message", role: "user", content: [{ type: "input_text", text: "Hello" }] }], max_output_tokens: 2, text: { format: { type: "text" } } }],
  ["/v1/messages", { model: "bitnet-demo-i2_s", max_tokens: 2, system: "Be brief.", messages: hello, stop_sequences: ["x"] }],
  ["/v1/embeddings", { input: ["a", "b"], encoding_format: "base64" }],
  ["/api/chat", { model: "bitnet-demo-i2_s", messages: hello, stream: false, options: { num_predict: 2, temperature: 0 } }],
  ["/tokenize", { prompt: "Hello <|eot_id|>", add_special_tokens: true }],
  ["/detokenize", { tokens: [1, 2, 3] }],
  ["/v1/verify", { receipt: { version: 1, tokens: [1] } }],
];
const odd = [null, true, false, -1, 0, 1e308, 4294967296, -0.5, "", "x".repeat(5000), [], {}, [[]], [null], "\u0000\ud7ff\u{1f600}", { a: { b: {} } }];
// One value somewhere in it becomes another, or goes.
function damaged(value, depth = 0) {
  if (typeof value !== "object" || value === null || (depth && random(3) === 0)) return pick(odd);
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const keys = Object.keys(copy);
  if (keys.length === 0) return pick(odd);
  const key = pick(keys);
  if (random(8) === 0) delete copy[key];
  else copy[key] = damaged(copy[key], depth + 1);
  return copy;
}
function flipped(text) {
  const bytes = Buffer.from(text);
  for (let k = random(4); k >= 0; k--) bytes[random(bytes.length)] = random(256);
  return random(4) ? bytes : bytes.subarray(0, random(bytes.length));
}
function request(whole) {
  const [path, value] = pick(good);
  const body = random(2) ? Buffer.from(JSON.stringify(damaged(value))) : flipped(JSON.stringify(value));
  const head = `POST ${path} HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n`;
  return whole ? Buffer.concat([Buffer.from(head), body]) : Buffer.concat([flipped(head), body]);
}
// What comes back until the server closes or is silent for so long.
function exchange(bytes, silence) {
  return new Promise((resolve) => {
    let got = "";
    const s = net.connect(Number(url.port), url.hostname, () => s.write(bytes));
    s.setTimeout(silence, () => s.destroy());
    s.on("error", () => {});
    s.on("data", (d) => (got += d));
    s.on("close", () => resolve(got));
  });
}
async function malice() {
  const bad = [];
  let refused = 0;
  const one = async (i) => {
    const whole = i % 4 !== 0; // three of four have damaged bodies only, and must have an answer in JSON
    const bytes = request(whole);
    const got = await exchange(bytes, whole ? PATIENCE : 250);
    const status = /^HTTP\/1\.[01] (\d\d\d)/.exec(got)?.[1] ?? "";
    let fine = whole ? /^(200|400|404|413)$/.test(status) : got === "" || /^[1245]\d\d$/.test(status);
    if (status[0] === "4") refused++;
    if (whole && fine && !got.includes("\ndata: ") && !got.includes("x-ndjson")) {
      try {
        const end = got.indexOf("\r\n\r\n");
        if (!/transfer-encoding: chunked/i.test(got.slice(0, end))) JSON.parse(got.slice(end + 4));
      } catch {
        fine = false;
      }
    }
    if (!fine) bad.push(`${bytes.subarray(0, 4000)} -> ${got.slice(0, 200)}`);
  };
  for (let i = 0; i < malformed; i += AT_ONCE) await Promise.all(Array.from({ length: Math.min(AT_ONCE, malformed - i) }, (_, k) => one(i + k)));
  return { bad, refused };
}

// ---- rounds ----
const atStart = descriptors() + 2; // one or two of ours may be kept
const memory = [resident()];
for (let round = 1; round <= rounds; round++) {
  const { beside, lost, asked } = await crowd();
  report(`round ${round}: ${CONNECTIONS} connections: it answers beside them`, beside === 200, beside);
  report(`round ${round}: none of ${asked} answers is lost or changed`, lost.length === 0, `${lost.length}: ${lost[0]}`);
  report(`round ${round}: places and descriptors come back`, await settled(atStart), `${descriptors()} of ${atStart}`);
  const { bad, refused } = await malice();
  report(`round ${round}: ${malformed} damaged requests have each a status and JSON`, bad.length === 0, `${bad.length}: ${bad[0]}`);
  report(`round ${round}: most of them a refusal`, refused > malformed / 4, refused);
  report(`round ${round}: places and descriptors come back again`, await settled(atStart), `${descriptors()} of ${atStart}`);
  memory.push(resident());
}
// The first round fills caches and the allocator's arenas; those after it may add little.
report("memory is bounded", memory[1] - memory[0] < room, memory);
report("and grows no more", memory[rounds] - memory[1] < room / 4, memory);
const again = [];
for (const body of bodies) again.push(await ask(body));
report("the same answers as before", again.join() === wanted.join(), again);
console.error(`MB: ${memory.map((x) => x.toFixed(1)).join(" ")}, descriptors ${descriptors()}`);
report("the end", true);
