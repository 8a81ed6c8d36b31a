// harness.mjs URL IDS SCORES WINDOW - the form of lm-evaluation-harness' `local-completions`: log-likelihoods of 200
// continuations, asked for as batches of id lists. IDS: a text's ids, BOS before them; SCORES: what `bitnet perplexity
// --each --json -c WINDOW` says of it. Bit for bit the same. Prints "ok NAME" or "what-came NAME".
import fs from "node:fs";

const [url, idsFile, scoresFile, window] = process.argv.slice(2);
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 200) || "nothing"} ${name}`);
const CONTINUATIONS = 200, BATCH = 8;
const [bos, ...ids] = fs.readFileSync(idsFile, "utf8").trim().split(/[\s,]+/).map(Number);
const scores = JSON.parse(fs.readFileSync(scoresFile, "utf8"));
const size = Number(window) - 1; // beside the token that begins it
report("a score for each token", scores.each.length === ids.length && scores.tokens === ids.length, `${scores.each.length} ${ids.length}`);
report("whose sum is all of it", -scores.each.reduce((sum, x) => sum + x, 0) === scores.nats, scores.nats);

const info = await (await fetch(`${url}/tokenizer_info`)).json();
const { tokens } = await (await fetch(`${url}/tokenize`, { method: "POST", body: JSON.stringify({ prompt: info.bos_token, add_special_tokens: false, parse_special: true }) })).json();
report("the tokenizer says what begins and ends a text", tokens.length === 1 && tokens[0] === bos && typeof info.eos_token === "string", JSON.stringify(info).slice(0, 100));

let unequal = 0, notNull = 0, disorder = 0, greedy = 0, first = "";
const requests = Array.from({ length: CONTINUATIONS }, (_, i) => ({ at: i * size, context: 1 + ((i * 7) % (size - 1)) }));
for (let b = 0; b < CONTINUATIONS; b += BATCH) {
  const batch = requests.slice(b, b + BATCH);
  const prompt = batch.map(({ at }) => [bos, ...ids.slice(at, at + size)]);
  const res = await fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify({ model: info.model, prompt, max_tokens: 1, logprobs: 1, echo: true, temperature: 0, seed: 1234 }) });
  const reply = await res.json();
  if (res.status !== 200) throw new Error(JSON.stringify(reply));
  if (reply.choices.some((c, i) => c.index !== i)) disorder++;
  for (const [i, { at, context }] of batch.entries()) {
    const { token_logprobs, top_logprobs } = reply.choices[i].logprobs;
    if (token_logprobs[0] !== null) notNull++;
    const got = token_logprobs.slice(context, -1), wanted = scores.each.slice(at + context - 1, at + size);
    if (got.length !== wanted.length || got.some((x, k) => x !== wanted[k])) {
      unequal++;
      first ||= `${at}+${context}: ${got} not ${wanted}`;
    }
    for (const [k, top] of top_logprobs.slice(context, -1).entries()) {
      const best = Math.max(...Object.values(top));
      if (best === got[k]) greedy++;
      if (best < got[k]) unequal++;
    }
  }
}
report(`${CONTINUATIONS} log-likelihoods are those of perplexity, bit for bit`, unequal === 0, `${unequal} ${first}`);
report("the first of each is null", notNull === 0, notNull);
report("choices are in their order", disorder === 0, disorder);
report("some tokens are the likeliest, not all", greedy > 100 && greedy < CONTINUATIONS * size, greedy);
report("the end", true);
