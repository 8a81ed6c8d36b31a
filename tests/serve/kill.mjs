// kill.mjs URL FILE - what a server that is killed must keep: checks that each receipt named in FILE is there, then asks for
// answers with receipts, whole and streamed, and adds the id of each answer that came to its end, until the server is
// gone. Prints "ok NAME" or "what-came NAME"; and "asking" on stderr once the first answer is there.
import fs from "node:fs";

const [url, file] = process.argv.slice(2);
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 200) || "nothing"} ${name}`);
const CLIENTS = 8;
const known = fs.existsSync(file) ? fs.readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
const lost = [];
for (const id of known) {
  const res = await fetch(`${url}/v1/receipts/${id}`);
  const receipt = await res.json().catch(() => null);
  if (res.status !== 200 || !receipt?.result) lost.push(`${id} ${res.status}`);
}
report(`${known.length} receipts are there`, lost.length === 0, lost);

let answered = 0, gone = false;
async function client(k) {
  for (let i = 0; !gone; i++) {
    const stream = (i + k) % 2 === 0;
    const body = { prompt: `The king said ${k} ${i}`, max_tokens: 1 + ((k * 5 + i) % 12), receipt: true, stream, n: 1 + (k % 2) };
    try {
      const text = await (await fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify(body) })).text();
      if (stream && !text.includes("data: [DONE]")) continue;
      const ids = text.match(/rcpt_[0-9a-f]{32}/g) ?? [];
      if (ids.length !== body.n) throw new Error(`${ids.length} receipts in ${text}`);
      fs.appendFileSync(file, ids.map((id) => `${id}\n`).join(""));
      if (answered++ === 0) console.error("asking");
    } catch (e) {
      if (!/fetch failed|terminated|other side closed|ECONN/.test(`${e.message} ${e.cause?.message}`)) report("an answer", false, e.message);
      gone = true;
    }
  }
}
await Promise.all(Array.from({ length: CLIENTS }, (_, k) => client(k)));
report("answers came until the server was gone", answered > 0, answered);
