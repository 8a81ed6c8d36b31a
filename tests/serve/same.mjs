// same.mjs URL FILE alone|company [SEED] - the same 200 requests (SAME_REQUESTS) of every kind, one after the other or in company and in an
// order drawn by SEED, with others among them that go away. Their bodies, ids and times aside, are FILE's; where there is
// no FILE yet, it is made. Prints "ok NAME" or "what-came NAME".
import fs from "node:fs";

const [url, file, how, seed] = process.argv.slice(2);
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 700) || "nothing"} ${name}`);
const REQUESTS = Number(process.env.SAME_REQUESTS ?? 200), AT_ONCE = 12;
function drawing(start) {
  let state = start * 2654435761 + 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

// ---- what is asked: always the same ----
const random = drawing(12);
const pick = (list) => list[random(list.length)];
const model = "bitnet-demo-i2_s";
const words = ["king", "house", "river", "the", "said", "old", "to him", "and then", "night", "a ship"];
const phrase = () => Array.from({ length: 2 + random(30) }, () => pick(words)).join(" ");
const schema = { type: "object", properties: { n: { type: "integer", minimum: 0, maximum: 999 }, ok: { type: "boolean" } }, required: ["n", "ok"], additionalProperties: false };
const parameters = { type: "object", properties: { city: { enum: ["Paris", "Oslo"] }, days: { type: "integer", minimum: 1, maximum: 9 } }, required: ["city", "days"], additionalProperties: false };
const tool = { type: "function", function: { name: "get_weather", strict: true, parameters } };
const systems = ["Be brief.", "You are an old sailor who knows many stories of ships and kings.", phrase(), phrase()];
const talk = () => {
  const messages = [{ role: "system", content: pick(systems) }, { role: "user", content: phrase() }];
  if (random(3) === 0) messages.push({ role: "assistant", content: phrase() }, { role: "user", content: phrase() });
  return messages;
};
const sampling = (i) => pick([
  { seed: i, temperature: 0 },
  { seed: i },
  { seed: i, temperature: 0.7, top_p: 0.9, top_k: 40 },
  { seed: i, min_p: 0.05, presence_penalty: 0.7, frequency_penalty: 0.4 },
  { seed: i, repeat_penalty: 1.3, logit_bias: { 5: 2, 17: -3 } },
]);
const ids = () => Array.from({ length: 1 + random(40) }, () => 10 + random(900));
const chat = (i, more) => ["/v1/chat/completions", { messages: talk(), max_tokens: 4 + random(12), ...sampling(i), ...more }];
const text = (i, more) => ["/v1/completions", { prompt: phrase(), max_tokens: 4 + random(12), ...sampling(i), ...more }];
const kinds = [
  (i) => chat(i),
  (i) => chat(i, { stream: true, stream_options: { include_usage: true } }),
  (i) => chat(i, { logprobs: true, top_logprobs: random(5) }),
  (i) => chat(i, { n: 2 + random(3), stop: ["e", "king"] }),
  (i) => chat(i, { max_tokens: 40, response_format: { type: "json_schema", json_schema: { name: "x", schema } } }),
  (i) => chat(i, { max_tokens: 60, tools: [tool], tool_choice: pick(["required", "auto"]) }),
  (i) => chat(i, { stream: true, n: 2, logprobs: true }),
  (i) => text(i),
  (i) => text(i, { prompt: [ids(), ids()], logprobs: 3, echo: true, max_tokens: random(3) }),
  (i) => text(i, { prompt: [phrase(), phrase()], n: 2, logprobs: 2 }),
  (i) => text(i, { stream: true }),
  (i) => text(i, { grammar: 'root ::= "yes" | "no" " "? [a-f]*' }),
  () => ["/v1/embeddings", { input: [phrase(), phrase()], encoding_format: pick(["float", "base64"]) }],
  (i) => ["/v1/responses", { input: talk(), max_output_tokens: 4 + random(12), seed: i, stream: random(2) === 0 }],
  (i) => ["/v1/messages", { model, max_tokens: 4 + random(12), seed: i, messages: talk().slice(1), stream: random(2) === 0 }],
  (i) => ["/api/chat", { model, messages: talk(), stream: random(2) === 0, options: { num_predict: 4 + random(12), seed: i } }],
];
const requests = Array.from({ length: REQUESTS }, (_, i) => kinds[i % kinds.length](i));

// ---- what comes: without what is of the moment ----
const moment = /^(id|item_id|created|created_at|completed_at|cached_tokens|input_tokens|cache_read_input_tokens|(total|load|prompt_eval|eval)_duration)$/;
const plain = (body) => JSON.stringify(body, (key, value) => (moment.test(key) ? undefined : value));
async function ask([path, body], signal) {
  const res = await fetch(url + path, { method: "POST", body: JSON.stringify(body), signal });
  const got = await res.text();
  if (res.status !== 200) return `${res.status} ${got}`;
  const type = res.headers.get("content-type");
  if (type.startsWith("application/json")) return plain(JSON.parse(got));
  const lines = got.split("\n").map((l) => l.replace(/^data: /, "")).filter((l) => l && l !== "[DONE]");
  return lines.map((l) => (l.startsWith("{") ? plain(JSON.parse(l)) : l)).sort().join("\n"); // choices are told as they come
}

const answers = new Array(REQUESTS);
const order = answers.fill(0).map((_, i) => i);
let given = 0;
if (how === "company") {
  const draw = drawing(Number(seed));
  for (let i = REQUESTS - 1; i > 0; i--) {
    const k = draw(i + 1);
    [order[i], order[k]] = [order[k], order[i]];
  }
  const worker = async () => {
    for (let at; (at = given++) < REQUESTS; ) {
      if (draw(4) === 0) {
        const leave = new AbortController(); // one that goes away again
        ask(requests[draw(REQUESTS)], leave.signal).catch(() => {});
        setTimeout(() => leave.abort(), draw(60));
      }
      answers[order[at]] = await ask(requests[order[at]]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
} else {
  for (const i of order) answers[i] = await ask(requests[i]);
}

if (!fs.existsSync(file)) {
  const refused = answers.findIndex((a) => /^\d/.test(a));
  report(`all ${REQUESTS} are answered`, refused < 0, `${refused}: ${answers[refused]}`);
  report("and hardly two alike", new Set(answers).size > REQUESTS * 0.8, new Set(answers).size);
  fs.writeFileSync(file, JSON.stringify(answers));
} else {
  const wanted = JSON.parse(fs.readFileSync(file, "utf8"));
  const other = answers.map((a, i) => i).filter((i) => answers[i] !== wanted[i]);
  const first = other[0];
  report(`${REQUESTS} equal bodies`, other.length === 0, `${other.length} differ; ${first} ${JSON.stringify(requests[first])}: ${answers[first]} not ${wanted[first]}`);
}
report("the end", true);
