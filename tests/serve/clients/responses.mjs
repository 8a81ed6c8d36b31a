// responses.mjs URL KEY - the openai package: responses and embeddings.
import OpenAI from "openai";

const [url, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 200) || "nothing"} ${name}`);
const model = (await client.models.list()).data[0].id;
async function refused(name, status, param, call) {
  try {
    await call();
    report(name, false, "taken");
  } catch (e) {
    report(name, e.status === status && e.param === param, `${e.status} ${e.message}`);
  }
}

// ---- responses ----
const ask = { model, instructions: "Be brief.", input: "Tell me a story.", max_output_tokens: 12, temperature: 0 };
const reply = await client.responses.create(ask);
const said = reply.output_text;
report("a response", reply.object === "response" && said.length > 0 && reply.output[0].role === "assistant", JSON.stringify(reply));
report("cut at its limit", reply.status === "incomplete" && reply.incomplete_details.reason === "max_output_tokens" && reply.usage.output_tokens === 12, JSON.stringify(reply));
const chat = await client.chat.completions.create({ model, messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Tell me a story." }], max_tokens: 12, temperature: 0 });
report("as a chat says", chat.choices[0].message.content === said, said);
const listed = { ...ask, instructions: undefined, input: [{ role: "developer", content: "Be brief." }, { type: "message", role: "user", content: [{ type: "input_text", text: "Tell me a story." }] }] };
report("a list of messages: the same", (await client.responses.create(listed)).output_text === said);
const events = [];
let streamed = "", last = null;
for await (const event of await client.responses.create({ ...ask, stream: true })) {
  events.push(event);
  if (event.type === "response.output_text.delta") streamed += event.delta;
  last = event;
}
report("streamed: the same", streamed === said, streamed);
report("events are numbered", events.every((e, i) => e.sequence_number === i));
const order = events.map((e) => e.type).filter((e, i, all) => e !== all[i - 1]).map((e) => e.replace("response.", "")).join();
report("and in their order", order === "created,in_progress,output_item.added,content_part.added,output_text.delta,output_text.done,content_part.done,output_item.done,incomplete", order);
report("the last has all of it", last.response.output[0].content[0].text === said && last.response.usage.output_tokens === 12, JSON.stringify(last));
const word = said.trim().split(/\s+/)[2]; // the SDK gathers what is completed
const ended = await client.responses.stream({ ...ask, stop: [word] }).finalResponse();
report("the SDK's own gathering", ended.status === "completed" && ended.output[0].content[0].text.length > 0 && said.startsWith(ended.output[0].content[0].text), JSON.stringify(ended));
const turn = await client.responses.create({ ...ask, input: [{ role: "user", content: "Tell me a story." }, ...reply.output, { role: "user", content: "And?" }] });
report("an output is put back as input", turn.usage.input_tokens_details.cached_tokens > 8, JSON.stringify(turn.usage));
await refused("tools, where the template has no place for them", 400, "tools", () => client.responses.create({ ...ask, tools: [{ type: "function", name: "f" }] }));
await refused("log-probabilities", 400, "include", () => client.responses.create({ ...ask, include: ["message.output_text.logprobs"] }));
report("what there is none of may be asked for", (await client.responses.create({ ...ask, include: ["reasoning.encrypted_content"], store: false })).output_text === said);
await refused("an earlier response", 400, "previous_response_id", () => client.responses.create({ ...ask, previous_response_id: reply.id }));
const schema = { type: "object", properties: { year: { type: "integer", minimum: 1900, maximum: 2100 } }, required: ["year"], additionalProperties: false };
const shaped = await client.responses.create({ ...ask, max_output_tokens: 60, text: { format: { type: "json_schema", name: "x", schema } } });
report("a schema shapes it", shaped.status === "completed" && JSON.parse(shaped.output_text).year >= 1900 && shaped.text.format.name === "x", JSON.stringify(shaped));
await refused("a format that is none", 400, "text", () => client.responses.create({ ...ask, text: { format: { type: "xml" } } }));
await refused("a picture", 400, "input", () => client.responses.create({ ...ask, input: [{ role: "user", content: [{ type: "input_image" }] }] }));
await refused("another model", 404, "model", () => client.responses.create({ ...ask, model: "gpt-5" }));

// ---- embeddings ----
const texts = ["The king said", "The queen said", "A cat sat on the mat"];
const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
const one = await client.embeddings.create({ model, input: texts[0] });
const vector = one.data[0].embedding;
report("a vector of length 1", Math.abs(dot(vector, vector) - 1) < 1e-5 && one.usage.prompt_tokens > 0, dot(vector, vector));
const all = await client.embeddings.create({ model, input: texts, encoding_format: "float" });
report("several, in their order", all.data.length === 3 && all.data.every((d, i) => d.index === i));
report("the first as if alone, numbers as base64", all.data[0].embedding.every((x, i) => x === vector[i]));
const ids = (await (await fetch(`${url}/tokenize`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: JSON.stringify({ prompt: texts[0] }) })).json()).tokens;
report("of ids: the same", (await client.embeddings.create({ model, input: [ids] })).data[0].embedding.every((x, i) => x === vector[i]));
await refused("other dimensions", 400, "dimensions", () => client.embeddings.create({ model, input: "a", dimensions: 3 }));
report("its own dimensions", (await client.embeddings.create({ model, input: "a", dimensions: vector.length })).data[0].embedding.length === vector.length);
await refused("no input", 400, "input", () => client.embeddings.create({ model, input: [] }));
