// openai.mjs URL KEY - the openai package: chats, streams, texts, log-probabilities and errors.
import OpenAI from "openai";

const [url, key] = process.argv.slice(2);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 200) || "nothing"} ${name}`);
const models = await client.models.list();
const model = models.data[0].id;
report("one model is listed", models.data.length === 1);
report("and found", (await client.models.retrieve(model)).id === model);

// ---- conversations ----
const ask = { model, messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Tell me a story." }], max_tokens: 12, seed: 3 };
const reply = await client.chat.completions.create(ask);
const content = reply.choices[0].message.content;
report("a reply", reply.object === "chat.completion" && content.length > 0 && reply.choices[0].finish_reason === "length");
report("usage", reply.usage.completion_tokens === 12 && reply.usage.total_tokens === reply.usage.prompt_tokens + 12, JSON.stringify(reply.usage));
report("a fingerprint", /^bn_[0-9a-f]{20}$/.test(reply.system_fingerprint), reply.system_fingerprint);
report("again: the same", (await client.chat.completions.create(ask)).choices[0].message.content === content);
const parts = { ...ask, messages: [ask.messages[0], { role: "user", content: [{ type: "text", text: "Tell me a story." }] }] };
report("parts of text: the same", (await client.chat.completions.create(parts)).choices[0].message.content === content);
let streamed = "", chunks = 0, usage = null, finish = null, role = null;
for await (const chunk of await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } })) {
  chunks++;
  role ??= chunk.choices[0]?.delta.role;
  streamed += chunk.choices[0]?.delta.content ?? "";
  finish = chunk.choices[0]?.finish_reason ?? finish;
  usage = chunk.usage ?? usage;
}
report("streamed: the same", streamed === content, streamed);
report("in many chunks", chunks > 5, chunks);
report("with a role, an end and usage", role === "assistant" && finish === "length" && usage.completion_tokens === 12);
report("the SDK's own gathering", (await client.chat.completions.stream(ask).finalContent()) === content);
const three = await client.chat.completions.create({ ...ask, n: 3 });
report("three choices, the first as if alone", three.choices.length === 3 && three.choices[0].message.content === content);
report("the others draw by themselves", new Set(three.choices.map((c) => c.message.content)).size === 3);
const turns = [...ask.messages, { role: "assistant", content }, { role: "user", content: "And?" }];
const second = await client.chat.completions.create({ ...ask, messages: turns });
report("a second turn finds the first in memory", second.usage.prompt_tokens_details.cached_tokens > 8, JSON.stringify(second.usage));
const word = content.trim().split(/\s+/)[2];
const stopped = await client.chat.completions.create({ ...ask, stop: [word] });
report("a stop text", stopped.choices[0].finish_reason === "stop" && content.startsWith(stopped.choices[0].message.content) && !stopped.choices[0].message.content.includes(word), stopped.choices[0].message.content);

// ---- sampling ----
const greedy = await client.chat.completions.create({ ...ask, temperature: 0, logprobs: true, top_logprobs: 5 });
const logprobs = greedy.choices[0].logprobs.content;
report("log-probabilities of each token", logprobs.length === 12 && logprobs.every((t) => t.top_logprobs.length === 5 && t.logprob <= 0));
report("greedy takes the likeliest", logprobs.every((t) => t.top_logprobs[0].logprob === t.logprob && t.top_logprobs[0].token === t.token));
report("their bytes are the text", Buffer.from(logprobs.flatMap((t) => t.bytes)).toString() === greedy.choices[0].message.content);
const gathered = [];
for await (const chunk of await client.chat.completions.create({ ...ask, temperature: 0, logprobs: true, top_logprobs: 5, stream: true })) gathered.push(...(chunk.choices[0].logprobs?.content ?? []));
report("streamed: the same log-probabilities", JSON.stringify(gathered) === JSON.stringify(logprobs));
const post = (path, body) => fetch(`${url}${path}`, { method: "POST", headers: { authorization: `Bearer ${key}` }, body: JSON.stringify(body) }).then((r) => r.json());
const banned = (await post("/tokenize", { prompt: greedy.choices[0].message.content, add_special_tokens: false })).tokens[0];
const biased = await client.chat.completions.create({ ...ask, temperature: 0, logit_bias: { [banned]: -100 } });
report("a bias keeps a token out", biased.choices[0].message.content !== greedy.choices[0].message.content);
const plain = await client.completions.create({ model, prompt: "the", max_tokens: 60, temperature: 0 });
const fresh = await client.completions.create({ model, prompt: "the", max_tokens: 60, temperature: 0, presence_penalty: 2, frequency_penalty: 2 });
const distinct = (t) => new Set(t.split(/\s+/)).size / t.split(/\s+/).length;
report("penalties make words new", distinct(fresh.choices[0].text) > distinct(plain.choices[0].text), fresh.choices[0].text);

// ---- texts, as evaluation harnesses ask ----
const texts = ["The king said", "Once upon a time"];
const ids = await Promise.all(texts.map(async (prompt) => (await post("/tokenize", { prompt })).tokens));
const scored = await client.completions.create({ model, prompt: ids, max_tokens: 1, logprobs: 1, echo: true, temperature: 0, seed: 1234 });
report("lists of ids", scored.choices.length === 2 && scored.choices.every((c, i) => c.index === i));
for (const [i, c] of scored.choices.entries()) {
  const { tokens, token_logprobs, top_logprobs, text_offset } = c.logprobs;
  report(`scores of each token of prompt ${i}, and one more`, [tokens, token_logprobs, top_logprobs, text_offset].every((l) => l.length === ids[i].length + 1));
  report(`the first of prompt ${i} has none`, token_logprobs[0] === null && token_logprobs.slice(1).every((p) => p <= 0));
  const tops = top_logprobs.slice(1).map((t) => Math.max(...Object.values(t)));
  report(`the likeliest of prompt ${i} are no less likely`, tops.every((t, k) => t >= token_logprobs[k + 1]));
  report(`what was made of prompt ${i} was the likeliest`, tops.at(-1) === token_logprobs.at(-1));
  report(`prompt ${i} is echoed`, c.text.startsWith(texts[i]), c.text);
}
const alone = await client.completions.create({ model, prompt: texts[0], max_tokens: 1, logprobs: 1, echo: true, temperature: 0 });
report("a text gets the scores of its ids", JSON.stringify(alone.choices[0].logprobs) === JSON.stringify(scored.choices[0].logprobs));
report("and back", (await post("/detokenize", { tokens: ids[0].slice(1) })).prompt.trim() === texts[0]);

// ---- shapes ----
const person = { type: "object", properties: { name: { type: "string", maxLength: 8 }, age: { type: "integer", minimum: 0, maximum: 120 } },
  required: ["name", "age"], additionalProperties: false };
const shaped = { ...ask, max_tokens: 80, temperature: 1, response_format: { type: "json_schema", json_schema: { name: "person", strict: true, schema: person } } };
const formed = JSON.parse((await client.chat.completions.create(shaped)).choices[0].message.content);
report("an answer by a schema", Object.keys(formed).join() === "name,age" && Number.isInteger(formed.age) && formed.age <= 120, JSON.stringify(formed));
let flowing = "";
for await (const chunk of await client.chat.completions.create({ ...shaped, stream: true })) flowing += chunk.choices[0]?.delta.content ?? "";
report("the same in a stream", JSON.stringify(JSON.parse(flowing)) === JSON.stringify(formed), flowing);

// ---- errors ----
const fails = async (name, status, param, make) => {
  try {
    await make();
    report(name, false, "no error");
  } catch (e) {
    report(name, e.status === status && (param === undefined || e.param === param), `${e.status} ${e.param} ${e.message}`);
  }
};
await fails("a wrong key", 401, undefined, () => new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 }).models.list());
await fails("another model", 404, "model", () => client.chat.completions.create({ ...ask, model: "gpt-4" }));
await fails("tools", 400, "tools", () => client.chat.completions.create({ ...ask, tools: [{ type: "function", function: { name: "f" } }] }));
await fails("no messages", 400, "messages", () => client.chat.completions.create({ model, messages: [] }));
await fails("top_logprobs alone", 400, "top_logprobs", () => client.chat.completions.create({ ...ask, top_logprobs: 2 }));
await fails("a prompt beyond the context", 400, "prompt", () => client.completions.create({ model, prompt: "word ".repeat(3000) }));
await fails("a bias of a token that there is not", 400, undefined, () => client.chat.completions.create({ ...ask, logit_bias: { 99999999: 1 } }));

// ---- leaving ----
const leaving = await client.chat.completions.create({ ...ask, max_tokens: 400, stream: true });
for await (const chunk of leaving) if (chunk.choices[0]?.delta.content) break;
report("a stream that is left leaves the server whole", (await client.chat.completions.create(ask)).choices[0].message.content === content);
