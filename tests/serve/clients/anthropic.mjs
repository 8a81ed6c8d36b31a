// anthropic.mjs URL KEY - Anthropic's package: messages, streams, counts and errors.
import Anthropic from "@anthropic-ai/sdk";

const [url, key] = process.argv.slice(2);
const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 200) || "nothing"} ${name}`);
const { data } = await (await fetch(`${url}/v1/models`, { headers: { "x-api-key": key } })).json();
const model = data[0].id;
const ask = { model, max_tokens: 12, system: "Be brief.", messages: [{ role: "user", content: "Tell me a story." }], temperature: 0 };

// ---- whole ----
const reply = await client.messages.create(ask);
const said = reply.content[0].text;
report("a message", reply.type === "message" && reply.role === "assistant" && reply.content.length === 1 && said.length > 0, JSON.stringify(reply));
report("cut at max_tokens", reply.stop_reason === "max_tokens" && reply.stop_sequence === null && reply.usage.output_tokens === 12, JSON.stringify(reply));
const parts = { ...ask, system: [{ type: "text", text: "Be brief." }], messages: [{ role: "user", content: [{ type: "text", text: "Tell me a story.", cache_control: { type: "ephemeral" } }] }] };
report("parts of text: the same", (await client.messages.create(parts)).content[0].text === said);
const word = said.trim().split(/\s+/)[2];
const stopped = await client.messages.create({ ...ask, stop_sequences: ["nowhere to be found", word] });
report("a stop sequence is named", stopped.stop_reason === "stop_sequence" && stopped.stop_sequence === word && !stopped.content[0].text.includes(word), JSON.stringify(stopped));
const drawn = { ...ask, temperature: 0.9, top_k: 40, top_p: 0.95, seed: 7 };
report("a seed repeats", (await client.messages.create(drawn)).content[0].text === (await client.messages.create(drawn)).content[0].text);
const second = await client.messages.create({ ...ask, messages: [...ask.messages, { role: "assistant", content: said }, { role: "user", content: "And?" }] });
report("a second turn finds the first in memory", second.usage.cache_read_input_tokens > 8, JSON.stringify(second.usage));
const openai = await (await fetch(`${url}/v1/chat/completions`, {
  method: "POST",
  headers: { authorization: `Bearer ${key}` },
  body: JSON.stringify({ messages: [{ role: "system", content: "Be brief." }, ...ask.messages], max_tokens: 12, temperature: 0 }),
})).json();
report("OpenAI's interface says the same", openai.choices[0].message.content === said, openai.choices[0].message.content);

// ---- streams ----
const events = [];
let streamed = "";
for await (const event of await client.messages.create({ ...ask, stream: true })) {
  events.push(event.type);
  if (event.type === "content_block_delta") streamed += event.delta.text;
}
report("streamed: the same", streamed === said, streamed);
const order = events.filter((e, i) => e !== events[i - 1]).join();
report("events in their order", order === "message_start,content_block_start,content_block_delta,content_block_stop,message_delta,message_stop", order);
report("in many deltas", events.length > 9, events.length);
const gathered = await client.messages.stream({ ...ask, stop_sequences: [word] }).finalMessage();
report("the SDK's own gathering", gathered.content[0].text === stopped.content[0].text && gathered.stop_reason === "stop_sequence" && gathered.usage.output_tokens === stopped.usage.output_tokens, JSON.stringify(gathered));
const stream = client.messages.stream({ ...ask, max_tokens: 400 });
stream.on("text", () => stream.abort());
report("a stream can be given up", await stream.done().then(() => false, (e) => e instanceof Anthropic.APIUserAbortError));

// ---- counting ----
const { max_tokens, temperature, ...counted } = ask;
const count = await client.messages.countTokens(counted);
report("tokens are counted", count.input_tokens === reply.usage.input_tokens + reply.usage.cache_read_input_tokens, JSON.stringify([count, reply.usage]));

// ---- errors ----
async function refused(name, status, pattern, change, as = client) {
  try {
    await as.messages.create({ ...ask, ...change });
    report(name, false, "taken");
  } catch (e) {
    report(name, e.status === status && pattern.test(e.message), `${e.status} ${e.message}`);
  }
}
await refused("another model", 404, /not_found_error.*the model that is served here/, { model: "claude-opus-4" });
await refused("no max_tokens", 400, /invalid_request_error.*max_tokens/, { max_tokens: undefined });
await refused("tools", 400, /no place for tools/, { tools: [{ name: "f", input_schema: { type: "object" } }] });
await refused("thinking", 400, /thinking/, { thinking: { type: "enabled", budget_tokens: 1024 } });
await refused("a picture", 400, /type text only/, { messages: [{ role: "user", content: [{ type: "image", source: {} }] }] });
await refused("an answer at the end", 400, /one to answer/, { messages: [...ask.messages, { role: "assistant", content: "I" }] });
await refused("a wrong key", 401, /authentication_error/, {}, new Anthropic({ baseURL: url, apiKey: "wrong", maxRetries: 0 }));
report("thinking that is disabled", (await client.messages.create({ ...ask, thinking: { type: "disabled" } })).content[0].text === said);
