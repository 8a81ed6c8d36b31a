// ollama.mjs URL KEY - ollama's package: chats, texts, streams, models and errors.
import { Ollama } from "ollama";

const [url, key] = process.argv.slice(2);
const client = new Ollama({ host: url, headers: { authorization: `Bearer ${key}` } });
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 200) || "nothing"} ${name}`);

// ---- models ----
const { models } = await client.list();
const model = models[0].name;
report("one model is listed", models.length === 1 && model.endsWith(":latest") && models[0].size > 0 && /^[0-9a-f]{64}$/.test(models[0].digest), JSON.stringify(models));
const shown = await client.show({ model });
report("and shown", shown.details.format === "gguf" && shown.model_info["general.architecture"] === shown.details.family && shown.capabilities.includes("completion"), JSON.stringify(shown));
report("it is loaded", (await client.ps()).models[0].name === model);
report("a version", /^\d+\.\d+/.test((await client.version()).version));

// ---- conversations ----
const options = { temperature: 0, num_predict: 12, repeat_penalty: 1 };
const ask = { model, messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Tell me a story." }], options };
const reply = await client.chat(ask);
report("a reply", reply.message.role === "assistant" && reply.message.content.length > 0 && reply.done && reply.done_reason === "length", JSON.stringify(reply));
report("counts", reply.eval_count === 12 && reply.prompt_eval_count > 5 && reply.total_duration > 0 && reply.eval_duration > 0, JSON.stringify(reply));
let streamed = "", pieces = 0, end = null;
for await (const part of await client.chat({ ...ask, stream: true })) {
  streamed += part.message.content;
  pieces++;
  if (part.done) end = part;
}
report("streamed: the same", streamed === reply.message.content, streamed);
report("in many pieces, the last with counts", pieces > 5 && end?.eval_count === 12, JSON.stringify(end));
const bare = await client.chat({ ...ask, model: model.replace(/:latest$/, "") });
report("the model without its tag", bare.message.content === reply.message.content);
const openai = await (await fetch(`${url}/v1/chat/completions`, {
  method: "POST",
  headers: { authorization: `Bearer ${key}` },
  body: JSON.stringify({ messages: ask.messages, max_tokens: 12, temperature: 0 }),
})).json();
report("OpenAI's interface says the same", openai.choices[0].message.content === reply.message.content);
const word = reply.message.content.trim().split(/\s+/)[2];
const stopped = await client.chat({ ...ask, options: { ...options, stop: [word] } });
report("a stop text", stopped.done_reason === "stop" && !stopped.message.content.includes(word), JSON.stringify(stopped));
const drawn = { ...ask, options: { num_predict: 12, seed: 5 } };
report("a seed repeats", (await client.chat(drawn)).message.content === (await client.chat(drawn)).message.content);

const schema = { type: "object", properties: { year: { type: "integer", minimum: 1900, maximum: 2100 } }, required: ["year"], additionalProperties: false };
const shaped = await client.chat({ ...ask, format: schema, options: { ...options, num_predict: 60 } });
report("a schema shapes it", shaped.done_reason === "stop" && JSON.parse(shaped.message.content).year >= 1900, JSON.stringify(shaped));

// ---- texts ----
const text = await client.generate({ model, prompt: "Tell me a story.", system: "Be brief.", options });
report("generate: a conversation of one message", text.response === reply.message.content, text.response);
const raw = await client.generate({ model, prompt: "The king said", raw: true, options });
const plain = await (await fetch(`${url}/v1/completions`, {
  method: "POST",
  headers: { authorization: `Bearer ${key}` },
  body: JSON.stringify({ prompt: "The king said", max_tokens: 12, temperature: 0 }),
})).json();
report("raw: gone on from as it is", raw.response === plain.choices[0].text, raw.response);
let rawStreamed = "";
for await (const part of await client.generate({ model, prompt: "The king said", raw: true, options, stream: true })) rawStreamed += part.response;
report("streamed: the same text", rawStreamed === raw.response, rawStreamed);
const lines = await fetch(`${url}/api/generate`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: JSON.stringify({ model, prompt: "Tell me a story.", options }) });
report("a stream unless told otherwise", lines.headers.get("content-type").startsWith("application/x-ndjson") && (await lines.text()).trim().split("\n").every((l) => JSON.parse(l).model === model));
report("nothing to answer: it is loaded", (await client.generate({ model, prompt: "" })).done_reason === "load");

// ---- vectors ----
const { embeddings } = await client.embed({ model, input: ["The king said", "A cat sat on the mat"] });
const openaiVector = await (await fetch(`${url}/v1/embeddings`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: JSON.stringify({ input: "The king said" }) })).json();
report("vectors, as OpenAI's interface gives them", embeddings.length === 2 && embeddings[0].every((x, i) => x === openaiVector.data[0].embedding[i]));

// ---- errors ----
async function refused(name, status, pattern, call) {
  try {
    await call();
    report(name, false, "taken");
  } catch (e) {
    report(name, e.status_code === status && pattern.test(e.message), `${e.status_code} ${e.message}`);
  }
}
await refused("another model", 404, /the model that is served here/, () => client.chat({ ...ask, model: "llama3" }));
await refused("a model that is not there is not shown", 404, /the model that is served here/, () => client.show({ model: "llama3" }));
const formed = JSON.parse((await client.chat({ ...ask, format: { type: "object", properties: { yes: { type: "boolean" } }, required: ["yes"] } })).message.content);
report("an answer in a format", typeof formed.yes === "boolean", JSON.stringify(formed));
await refused("tools", 400, /no place for tools/, () => client.chat({ ...ask, tools: [{ type: "function", function: { name: "f" } }] }));
await refused("a picture", 400, /images/, () => client.generate({ model, prompt: "a", images: ["aGk="] }));
await refused("a format", 400, /format: must be/, () => client.chat({ ...ask, format: "xml" }));
await refused("mirostat", 400, /mirostat/, () => client.chat({ ...ask, options: { mirostat: 2 } }));
await refused("a temperature", 400, /temperature: must be a number from 0/, () => client.chat({ ...ask, options: { temperature: -1 } }));
await refused("no key", 401, /API key/, () => new Ollama({ host: url }).list());
