// page.mjs URL KEY - the web page in headless Chromium: settings, an answer as it is made, its proof, stopping, keeping,
// deleting, keyboard and narrow screens; and what a model's text may not do.
import puppeteer from "puppeteer-core";

const [url, key] = process.argv.slice(2);
const report = (name, good, got = "not") => console.log(`${good ? "ok" : String(got).replace(/\s+/g, "_").slice(0, 200) || "nothing"} ${name}`);
const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"], protocolTimeout: 120000 });
const page = await browser.newPage();
page.setDefaultTimeout(60000);
const complaints = [], foreign = [];
page.on("console", (m) => m.type() === "error" && !/401|inline event handler/.test(m.text()) && complaints.push(m.text()));
page.on("pageerror", (e) => complaints.push(e.message));
page.on("request", (r) => !r.url().startsWith(url) && !r.url().startsWith("data:") && !r.url().startsWith("blob:") && foreign.push(r.url()));
const text = (selector) => page.$eval(selector, (e) => e.textContent);
const count = (selector) => page.$$eval(selector, (l) => l.length);
const until = (f, ...args) => page.waitForFunction(f, { polling: 50 }, ...args);
const set = (id, value) =>
  page.$eval(`#${id}`, (e, v) => {
    e.value = v;
    e.dispatchEvent(new Event("change"));
  }, value);
const press = (name) => page.evaluate((n) => [...document.querySelectorAll("article:last-child button")].find((b) => b.textContent === n).click(), name);
const idle = () => until(() => !document.getElementById("send").hidden);

const reply = await page.goto(url);
const policy = reply.headers()["content-security-policy"];
report("a strict policy", policy.includes("default-src 'none'") && !policy.includes("unsafe"), policy);
await until(() => document.getElementById("status").textContent.includes("API key"));
report("without a key it asks for one", true);
await page.click("#open-settings");
await set("key", key);
await set("max_tokens", "24");
await set("temperature", "0.5");
await set("seed", "5");
await page.keyboard.press("Escape");
await until(() => document.getElementById("model").textContent !== "");
report("the model is named", (await text("#model")).includes("bitnet"), await text("#model"));

// ---- an answer ----
await page.type("#input", "Tell me a story.");
await page.keyboard.press("Enter");
await until(() => document.querySelectorAll("article").length === 2);
await idle();
const first = await text("article:last-child .content");
report("an answer comes", first.trim().length > 0);
report("with its rate", /tokens\/s/.test(await text("article:last-child .tools")), await text("article:last-child .tools"));
report("and it is told", (await text("#status")).includes("complete"), await text("#status"));
await press("Verify");
await until(() => /^(Yes|No)/.test(document.getElementById("verdict").textContent));
report("it is proven", (await text("#verdict")).startsWith("Yes"), await text("#verdict"));
report("by all checks", (await count("#checks tr")) >= 5 && (await text("#checks")).includes("replay"));
report("with its receipt", JSON.parse(await text("#receipt")).result.output.ids.length > 0);
await page.$eval("#proof button", (b) => b.click());
report("the dialog closes", !(await page.$eval("#proof", (d) => d.open)));
await press("Regenerate"); // the page is busy when this returns
await idle();
report("the same seed, the same answer", (await text("article:last-child .content")) === first);

// ---- an answer by a schema ----
await set("schema", "{");
await press("Regenerate");
await until(() => document.getElementById("status").textContent.includes("no JSON"));
await set("schema", '{"type":"object","properties":{"n":{"type":"integer","minimum":0,"maximum":99.5}},"required":["n"],"additionalProperties":false}');
await page.type("#input", "A number");
await page.keyboard.press("Enter");
await until(() => document.querySelectorAll("article:last-child button").length > 1);
await idle();
report("it has its shape", /^\{"n": \d+\}$/.test((await text("article:last-child .content")).trim()), await text("article:last-child .content"));
await press("Verify");
await until(() => /^(Yes|No)/.test(document.getElementById("verdict").textContent));
report("and is proven", (await text("#verdict")).startsWith("Yes"), await text("#verdict"));
await page.$eval("#proof button", (b) => b.click());
await set("schema", "");
await page.click("#list li:first-child button:last-child");
await page.type("#input", "Tell me a story.");
await page.keyboard.press("Enter");
await until(() => document.querySelectorAll("article").length === 2);
await idle();

// ---- stopping ----
await page.click("#open-settings");
await set("max_tokens", "400");
await page.keyboard.press("Escape");
await page.type("#input", "Tell me more");
await page.keyboard.press("Enter");
await until(() => (document.querySelectorAll("article")[3]?.querySelector(".content")?.textContent.length ?? 0) > 10);
await page.keyboard.press("Escape");
await idle();
report("Escape stops it", true);

// ---- keeping ----
await page.reload();
await until(() => document.querySelectorAll("article").length === 4);
report("a reload keeps the conversation", (await text("article:nth-child(2) .content")) === first);
await page.click("#new");
report("a new one is empty", (await count("article")) === 0);
await page.type("#input", "Other");
await page.keyboard.down("Shift");
await page.keyboard.press("Enter");
await page.keyboard.up("Shift");
report("Shift+Enter is a new line", (await page.$eval("#input", (e) => e.value)) === "Other\n");
report("two are listed", (await count("#list li")) === 2);
await page.click("#list li:first-child button:last-child");
report("one is deleted", (await count("#list li")) === 1 && (await count("article")) === 4);

// ---- what a model may not do ----
await page.evaluate(() => {
  talk.messages.push({ role: "assistant", content: "**bold** <script>window.stolen = 1</script><img src=x onerror='window.stolen = 2'><a href='javascript:stolen = 3'>link</a>\n\n| a |\n|---|\n| b |" });
  showTalk();
});
await new Promise((r) => setTimeout(r, 300));
report("Markdown is shown", (await count("article:last-child strong")) === 1 && (await count("article:last-child td")) === 1);
report("no script, picture or script link", (await count("article:last-child :is(script, img)")) === 0 && (await page.$eval("article:last-child .content a", (a) => !a.href.startsWith("javascript"))) && (await page.evaluate(() => window.stolen === undefined)));
await set("form-of", "text");
report("plain text shows it as it is", (await text("article:last-child .content")).includes("<script>"));

// ---- for everybody ----
await page.setViewport({ width: 360, height: 640 });
report("it fits a phone", await page.evaluate(() => document.documentElement.scrollWidth <= 360));
await page.click("#menu");
report("where conversations are behind a button", await page.$eval("#side", (e) => getComputedStyle(e).display !== "none"));
const nameless = await page.evaluate(() => [...document.querySelectorAll("button, input, select, textarea")].filter((e) => !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length)).map((e) => e.id));
report("every control has a name", nameless.length === 0, nameless);
await set("colours", "dark");
const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
await set("colours", "light");
report("dark and light", dark !== (await page.evaluate(() => getComputedStyle(document.body).backgroundColor)), dark);
report("nothing is asked of others", foreign.length === 0, foreign);
report("and nothing is complained of", complaints.length === 0, complaints);
await browser.close();
