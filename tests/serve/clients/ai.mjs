// ai.mjs URL KEY - the ai package with its provider for servers that are compatible with OpenAI's.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, streamText } from "ai";

const [url, key] = process.argv.slice(2);
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 200) || "nothing"} ${name}`);
const { data } = await (await fetch(`${url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })).json();
const provider = createOpenAICompatible({ name: "bitnet", baseURL: `${url}/v1`, apiKey: key });
const ask = { model: provider(data[0].id), prompt: "Tell me a story.", maxOutputTokens: 12, seed: 4, maxRetries: 0 };
const { text, finishReason, usage } = await generateText(ask);
report("a text", text.length > 0 && finishReason === "length", finishReason);
report("usage", usage.outputTokens === 12, JSON.stringify(usage));
let streamed = "";
for await (const part of streamText(ask).textStream) streamed += part;
report("streamed: the same", streamed === text, streamed);
try {
  await generateText({ ...ask, model: provider("gpt-4") });
  report("another model is an error", false);
} catch (e) {
  report("another model is an error", e.statusCode === 404, e.message);
}
