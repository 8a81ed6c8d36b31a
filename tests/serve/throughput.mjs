// throughput.mjs BUILD MODEL [ROUNDS [THREADS]] - what `bitnet serve` gives eight clients against one and against
// `bitnet bench -B 8`, and how long a short prompt waits for its first token beside a prefill of 4090 tokens. Each round
// measures all of them, one after the other; the medians are of the rounds. No test: it prints what it found.
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";

const [build, model, rounds = "3", threads = "2"] = process.argv.slice(2);
const TOKENS = 64, LONG = 4090, PROBES = 4;
const ids = (n, from) => Array.from({ length: n }, (_, i) => 100 + ((i * 7919 + from * 104729) % 90000));
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
const seconds = () => performance.now() / 1000;

const args = ["serve", "-m", model, "--port", "0", "--json", "-t", threads, "--parallel", "9", "-c", "4096", "--prefix-cache", "0"];
const server = spawn(`${build}/bitnet`, args, { stdio: ["ignore", "pipe", "inherit"] });
process.on("exit", () => server.kill("SIGKILL"));
const url = await new Promise((resolve, reject) => {
  server.stdout.once("data", (d) => resolve(JSON.parse(d).url));
  server.once("exit", (status) => reject(new Error(`the server ended with ${status}`)));
});
// Seconds of CPU that the server has used.
function used() {
  const fields = fs.readFileSync(`/proc/${server.pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

// Streams an answer: when its first piece came, and its end. `signal` may end it before.
async function ask(prompt, max, signal) {
  const start = seconds();
  const body = { prompt, max_tokens: max, ignore_eos: true, temperature: 0, stream: true };
  const res = await fetch(`${url}/v1/completions`, { method: "POST", headers: { connection: "close" }, body: JSON.stringify(body), signal });
  if (res.status !== 200) throw new Error(await res.text());
  let first = null;
  for await (const bytes of res.body) first ??= bytes.length && seconds();
  return { start, first, end: seconds() };
}
// Tokens a second that n clients get together, and seconds of CPU for each token.
async function decode(n, from) {
  const cpu = used();
  const told = await Promise.all(Array.from({ length: n }, (_, k) => ask(ids(8, from + k), TOKENS)));
  return { rate: told.reduce((sum, t) => sum + (TOKENS - 1) / (t.end - t.first), 0), cpu: (used() - cpu) / (n * TOKENS) };
}
function bench() {
  const out = execFileSync(`${build}/bitnet`, ["bench", "-m", model, "-t", threads, "-p", "0", "-n", String(TOKENS), "-B", "8", "-r", "1", "--json"], { stdio: ["ignore", "pipe", "ignore"] });
  return JSON.parse(out).results[0].tok_s.median;
}
async function waits(from) {
  const leave = new AbortController(), list = [];
  let over = false;
  const long = ask(ids(LONG, from), 1, leave.signal).then(() => (over = true)).catch(() => {});
  await sleep(500);
  for (let i = 0; i < PROBES && !over; i++) {
    const { start, first } = await ask(ids(6, from + i + 1), 1);
    if (!over) list.push(first - start);
    await sleep(137);
  }
  leave.abort();
  await long;
  return list;
}

const results = [];
await decode(1, 0);
for (let i = 0; i < Number(rounds); i++) {
  const one = await decode(1, 100 * i), eight = await decode(8, 100 * i + 10), waited = await waits(100 * i + 50), beside = bench();
  const again = await decode(1, 100 * i + 30);
  const single = (one.rate + again.rate) / 2;
  results.push({ ratio: eight.rate / single, cpu: (one.cpu + again.cpu) / 2 / eight.cpu, bench: eight.rate / beside, wait: Math.max(...waited) });
  console.log(`one ${one.rate.toFixed(1)} and ${again.rate.toFixed(1)} tok/s, eight ${eight.rate.toFixed(1)}, bench -B 8 ${beside.toFixed(1)}; ` +
    `CPU ms a token: one ${(1000 * one.cpu).toFixed(1)}, eight ${(1000 * eight.cpu).toFixed(1)}; first token after ${waited.map((w) => w.toFixed(2)).join(" ")} s; load ${os.loadavg()[0].toFixed(1)}`);
}
server.removeAllListeners("exit");
server.kill("SIGTERM");
const of = (name) => `${median(results.map((r) => r[name])).toFixed(2)} (${results.map((r) => r[name].toFixed(2)).join(" ")})`;
console.log(`eight against one: ${of("ratio")}, by CPU time ${of("cpu")}; against bench -B 8: ${of("bench")}; longest wait for a first token: ${of("wait")} s`);
