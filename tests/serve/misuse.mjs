// misuse.mjs URL - what no client should do: malformed and cut requests, slow readers and writers, clients that go
// away, a thousand connections. Prints "ok NAME" or "what-came NAME" for each, and "ok the end".
import net from "node:net";

const url = new URL(process.argv[2]);
const completions = "/v1/completions";
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 80) || "nothing"} ${name}`);
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));

// Sends bytes, and resolves with all that comes back until the server closes, or until `until` is in it.
function raw(bytes, { end = false, until = null, timeout = 20000 } = {}) {
  return new Promise((resolve) => {
    let got = "";
    const socket = net.connect(Number(url.port), url.hostname, () => (end ? socket.end(bytes) : socket.write(bytes)));
    const done = () => {
      socket.destroy();
      resolve(got);
    };
    socket.setTimeout(timeout, done);
    socket.on("data", (d) => {
      got += d;
      if (until && got.includes(until)) done();
    });
    socket.on("end", done);
    socket.on("error", done);
    socket.on("close", () => resolve(got));
  });
}
const post = (body, more = "") => `POST ${completions} HTTP/1.1\r\nHost: ${url.host}\r\n${more}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
async function metric(name) {
  const text = await (await fetch(`${url}metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+-]+)`, "m").exec(text)?.[1] ?? NaN);
}
const works = async () => (await fetch(`${url}health`)).status === 200;

// ---- malformed ----
const malformed = [
  "\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\0\0\0\0", "GET /health HTTP/1.1\r\n\r\n", // no Host
  "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
  "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
  "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: abc\r\n\r\n",
  "POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  `GET /${"a".repeat(100000)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
  `GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${"b".repeat(100000)}\r\n\r\n`,
  `GET /health HTTP/1.1\r\n${"Y: c\r\n".repeat(20000)}\r\n`,
  "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", // TLS
];
for (const [i, got] of (await Promise.all(malformed.map((bytes) => raw(bytes, { timeout: 1000 })))).entries()) {
  const first = got.slice(0, got.indexOf("\r\n"));
  report(`malformed request ${i} is no success`, got === "" || /^HTTP\/1\.[01] (4\d\d|5\d\d)/.test(first), first);
}
// Cut at each byte, and each byte changed: 10,000 in all would take minutes; these are drawn by a fixed rule.
const good = post(JSON.stringify({ prompt: "a", max_tokens: 1 }));
let state = 12345;
const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
let odd = 0;
for (let i = 0; i < 300; i += 20) {
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => {
      const bytes = Buffer.from(good);
      for (let k = random(4); k >= 0; k--) bytes[random(bytes.length)] = random(256);
      return raw(bytes.subarray(0, random(2) ? bytes.length : random(bytes.length)), { timeout: 300, until: "\r\n\r\n" });
    }),
  );
  for (const got of replies) if (got && !/^HTTP\/1\.[01] [1245]\d\d/.test(got)) odd++;
}
report("300 damaged requests get a status or nothing", odd === 0, odd);
report("and harm nobody", await works());

// ---- keeping a connection ----
const twice = await raw(good + good, { until: '"text_completion"' });
report("two requests in one packet", twice.startsWith("HTTP/1.1 200"), twice.slice(0, 40));
const http10 = await raw(`POST ${completions} HTTP/1.0\r\nContent-Length: 41\r\n\r\n{"prompt":"a","max_tokens":2,"stream":true}`.replace("41", "43"));
report("a stream over HTTP/1.0", http10.includes("data: [DONE]"), http10.slice(0, 60));

// ---- slow writers and readers ----
const slow = net.connect(Number(url.port), url.hostname);
for (const c of good.slice(0, 60)) {
  slow.write(c);
  await sleep(2);
}
report("a slow writer delays nobody", await works());
slow.destroy();
const greedy = net.connect(Number(url.port), url.hostname);
greedy.pause();
greedy.write(post(JSON.stringify({ prompt: "a", max_tokens: 300, ignore_eos: true, stream: true, n: 2 })));
await sleep(200);
const beside = await fetch(`${url}v1/completions`, { method: "POST", body: JSON.stringify({ prompt: "b", max_tokens: 4 }) });
report("a slow reader delays nobody", beside.status === 200, beside.status);
let late = "";
greedy.on("data", (d) => (late += d)).resume();
await new Promise((r) => {
  const t = setInterval(() => {
    if (late.includes("[DONE]")) (clearInterval(t), r());
  }, 20);
  setTimeout(() => (clearInterval(t), r()), 30000);
});
report("and gets all in the end", late.includes("[DONE]"));
greedy.destroy();

// ---- clients that go away ----
const long = { prompt: "a", max_tokens: 450, ignore_eos: true };
async function idle() {
  for (let i = 0; i < 100; i++) {
    if ((await metric("bitnet_requests_running")) === 0 && (await metric("bitnet_requests_waiting")) === 0) return true;
    await sleep(20);
  }
  return false;
}
for (const [name, body] of [["a stream", { ...long, n: 4, stream: true }], ["a whole reply", { ...long, n: 4 }]]) {
  const cancelled = await metric("bitnet_answers_cancelled_total");
  const gone = net.connect(Number(url.port), url.hostname);
  gone.on("error", () => {});
  gone.write(post(JSON.stringify(body)));
  for (let i = 0; i < 400 && (await metric("bitnet_requests_running")) === 0; i++) await sleep(5);
  gone.destroy();
  report(`who leaves ${name} gives the place up`, (await idle()) && (await metric("bitnet_answers_cancelled_total")) > cancelled, "not cancelled");
}

// The end comes with the last bytes, in one packet or two: the server must not keep the connection for its 60 seconds.
const closes = (bytes) =>
  new Promise((resolve) => {
    const socket = net.connect({ port: Number(url.port), host: url.hostname, allowHalfOpen: true }, () => socket.end(bytes));
    socket.setTimeout(30000, () => (socket.destroy(), resolve("kept open")));
    socket.on("data", () => {});
    socket.on("error", () => {});
    for (const event of ["end", "close"]) socket.on(event, () => (socket.destroy(), resolve("closed")));
  });
const ends = { nothing: "", "half a head": "POST /v1/comp", "half a body": good.slice(0, -5), "a whole request": "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "one that is computed": good };
for (const [name, bytes] of Object.entries(ends)) {
  const kept = (await Promise.all(Array.from({ length: 20 }, () => closes(bytes)))).filter((x) => x !== "closed");
  report(`who ends with ${name} is let go`, kept.length === 0, kept.length);
}

// ---- a full line ----
const many = await Promise.all(Array.from({ length: 12 }, () => fetch(`${url}v1/completions`, { method: "POST", body: JSON.stringify({ ...long, max_tokens: 60 }) })));
const statuses = many.map((r) => r.status);
report("a full line gives 429", statuses.includes(429) && statuses.every((s) => s === 200 || s === 429), statuses);
report("with Retry-After", many.find((r) => r.status === 429)?.headers.get("retry-after") === "1");
report("and takes the others", statuses.filter((s) => s === 200).length >= 4, statuses);

// ---- many connections ----
const sockets = [];
for (let i = 0; i < 500; i++) {
  const s = net.connect(Number(url.port), url.hostname);
  s.on("error", () => {});
  sockets.push(s);
}
await sleep(300);
for (const [i, s] of sockets.entries()) s.write(i % 2 ? "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" : "GET /hea");
let answers = 0;
for (const [i, s] of sockets.entries()) if (i % 2) s.once("data", (d) => (answers += String(d).startsWith("HTTP/1.1 200") ? 1 : 0));
for (let i = 0; i < 100 && answers < 250; i++) await sleep(50);
report("500 connections, half of them cut short", answers === 250, answers);
for (const s of sockets) s.destroy();
report("the end", await works());
