// response-tools.mjs URL KEY - the openai package: responses with tools, on a server whose template has a place for them.
// clients.sh gives it such a server.
import OpenAI from "openai";

const [url, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 300) || "nothing"} ${name}`);
const model = (await client.models.list()).data[0].id;
const parameters = { type: "object", properties: { city: { enum: ["Paris", "Oslo"] }, days: { type: "integer", minimum: 1, maximum: 9 } }, required: ["city", "days"], additionalProperties: false };
const weather = { type: "function", name: "get_weather", description: "The weather", strict: true, parameters };
const now = { type: "function", name: "now", parameters: null, strict: null };
const ask = { model, input: "Weather?", max_output_tokens: 80, seed: 5, tools: [weather, now], tool_choice: { type: "function", name: "get_weather" } };
const valid = (text) => {
  const { city, days } = JSON.parse(text);
  return ["Paris", "Oslo"].includes(city) && Number.isInteger(days) && days >= 1 && days <= 9;
};

// ---- calls that must be made ----
const reply = await client.responses.create(ask);
const call = reply.output[0];
report("the one that is named is called", reply.status === "completed" && reply.output.length === 1 && call.type === "function_call" && call.name === "get_weather" && call.status === "completed" && valid(call.arguments), JSON.stringify(reply));
report("nothing is said besides", reply.output_text === "");
report("what was asked is told", reply.tools.length === 2 && reply.tools[0].name === "get_weather" && reply.tool_choice.name === "get_weather" && reply.parallel_tool_calls === true, JSON.stringify(reply.tools));
const events = [];
for await (const event of await client.responses.create({ ...ask, stream: true })) events.push(event);
const order = events.map((e) => e.type.replace("response.", "")).join();
report("events in their order", order === "created,in_progress,output_item.added,function_call_arguments.delta,function_call_arguments.done,output_item.done,completed", order);
report("numbered", events.every((e, i) => e.sequence_number === i));
const last = events.at(-1).response;
const delta = events.find((e) => e.type === "response.function_call_arguments.delta"), done = events.find((e) => e.type === "response.function_call_arguments.done");
report("streamed: the same", delta.delta === call.arguments && done.arguments === call.arguments && last.output[0].arguments === call.arguments, JSON.stringify(last.output));
report("one id in all of them", last.output[0].id === delta.item_id && last.output[0].call_id === events.find((e) => e.type === "response.output_item.added").item.call_id, JSON.stringify(events));
const gathered = await client.responses.stream(ask).finalResponse();
report("the SDK's own gathering", gathered.output[0].arguments === call.arguments, JSON.stringify(gathered.output));
const required = await client.responses.create({ ...ask, tools: [weather], tool_choice: "required" });
report("one of them", required.output[0].type === "function_call" && valid(required.output[0].arguments), JSON.stringify(required.output));
const chat = await client.chat.completions.create({ model, messages: [{ role: "user", content: "Weather?" }], max_tokens: 80, seed: 5, tools: [{ type: "function", function: { name: "get_weather", description: "The weather", parameters, strict: true } }], tool_choice: "required" });
report("as a chat calls it", chat.choices[0].message.tool_calls[0].function.arguments === required.output[0].arguments, JSON.stringify(chat.choices[0]));

// ---- conversations with them ----
const second = { ...ask, tool_choice: "auto", tools: [now], max_output_tokens: 8, input: [{ role: "user", content: "Weather?" }, ...reply.output, { type: "function_call_output", call_id: call.call_id, output: "rain" }] };
const turn = await client.responses.create(second);
report("a call and its result go back", turn.output[0].type === "message" && turn.output_text.length > 0, JSON.stringify(turn));
const same = await client.chat.completions.create({
  model, max_tokens: 8, seed: 5, tools: [{ type: "function", function: { name: "now", parameters: null, strict: null } }],
  messages: [
    { role: "user", content: "Weather?" },
    { role: "assistant", content: null, tool_calls: [{ id: call.call_id, type: "function", function: { name: "get_weather", arguments: call.arguments } }] },
    { role: "tool", tool_call_id: call.call_id, content: "rain" },
  ],
});
report("as in a chat", same.choices[0].message.content === turn.output_text, `${same.choices[0].message.content} / ${turn.output_text}`);
let streamed = "";
const types = new Set();
for await (const event of await client.responses.create({ ...second, stream: true })) {
  types.add(event.type);
  if (event.type === "response.output_text.delta") streamed += event.delta;
  if (event.type === "response.output_text.done") report("a text beside tools is streamed, and whole at its end", event.text === streamed && streamed === turn.output_text, `${event.text} / ${streamed}`);
}
report("as a message", types.has("response.content_part.added") && types.has("response.content_part.done") && types.has("response.incomplete"), [...types]);
report("parts of a result", (await client.responses.create({ ...second, input: [...second.input.slice(0, 2), { ...second.input[2], output: [{ type: "input_text", text: "rain" }] }] })).output_text === turn.output_text);
const none = await client.responses.create({ ...ask, tool_choice: "none", max_output_tokens: 8 });
const plain = await client.responses.create({ ...ask, tools: undefined, tool_choice: undefined, max_output_tokens: 8 });
report("none where none may be called", none.output_text === plain.output_text, none.output_text);

// ---- errors ----
async function refused(name, param, change) {
  try {
    await client.responses.create({ ...ask, ...change });
    report(name, false, "taken");
  } catch (e) {
    report(name, e.status === 400 && e.param === param, `${e.status} ${e.message}`);
  }
}
await refused("a tool of theirs", "tools", { tools: [{ type: "web_search" }], tool_choice: "auto" });
await refused("a choice that is not there", "tool_choice", { tool_choice: { type: "function", name: "later" } });
await refused("a choice of another kind", "tool_choice", { tool_choice: { type: "allowed_tools", mode: "auto", tools: [] } });
await refused("a choice without tools", "tool_choice", { tools: undefined, tool_choice: "required" });
await refused("an item that is none", "input", { input: [{ type: "item_reference", id: "msg_1" }], tool_choice: "auto" });
await refused("a result that is none", "input", { input: [{ type: "function_call_output", call_id: "1" }], tool_choice: "auto" });
