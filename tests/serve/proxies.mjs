// proxies.mjs PROXY REPLICA PID - requests through a proxy at PROXY while one of the two replicas behind it, the process
// PID, is killed; REPLICA is the address of the other one. No answer may be lost, or be another than it would have been.
// Prints "ok NAME" or "what-came NAME".
import process from "node:process";

const [proxy, replica, pid] = process.argv.slice(2);
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 200) || "nothing"} ${name}`);
const REQUESTS = 64, AT_ONCE = 8, KILLED_AFTER = 24;
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0"; // a certificate of the test's own
process.removeAllListeners("warning");

async function ask(url, i) {
  const res = await fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify({ prompt: `The king said ${i}`, max_tokens: 20 + (i % 5) * 20, seed: i, ignore_eos: true }) });
  const text = await res.text();
  return res.status === 200 ? JSON.parse(text).choices[0].text : `${res.status} ${text}`;
}
const origin = await fetch(`${proxy}/v1/models`, { headers: { origin: "https://page.example" } });
report("the proxy lets in whom it lets in", origin.status === 200, origin.status);
let given = 0, answered = 0;
const answers = new Array(REQUESTS);
async function worker() {
  for (let i; (i = given++) < REQUESTS; ) {
    answers[i] = await ask(proxy, i).catch((e) => `${e.message} ${e.cause?.message}`);
    if (++answered === KILLED_AFTER) process.kill(Number(pid), "SIGKILL");
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, worker));
const other = [];
for (let i = 0; i < REQUESTS; i += i < KILLED_AFTER - AT_ONCE || i > KILLED_AFTER + 3 * AT_ONCE ? 5 : 1) // all around the kill
  if ((await ask(replica, i)) !== answers[i]) other.push(`${i}: ${answers[i]}`);
report(`${REQUESTS} answers, none lost or another`, other.length === 0, `${other.length}, ${other[0]}`);
report("each is one", answers.every((a) => a.length > 0 && !/^\d\d\d |failed/.test(a)), answers.find((a) => /^\d\d\d |failed/.test(a)));
let streamed = "";
const res = await fetch(`${proxy}/v1/completions`, { method: "POST", body: JSON.stringify({ prompt: "a", max_tokens: 5, seed: 1, stream: true }) });
for await (const bytes of res.body) streamed += Buffer.from(bytes);
report("a stream passes", streamed.includes("data: [DONE]"), streamed);
