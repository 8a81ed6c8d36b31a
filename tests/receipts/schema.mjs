// schema.mjs NPM BUILD MODEL RECEIPT... - receipts/schema.json against real receipts and wrong ones.
//
// Real receipts must pass. Then the first is taken apart: every member is removed, given values of
// other types, and joined by a stranger. The schema and the program's own checker (`bitnet verify
// --fast`: exit status 4 or 5 is a refusal) must agree on each, but for what a schema cannot say.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const [npm, build, model, ...receipts] = process.argv.slice(2);
const Ajv = createRequire(resolve(npm, "x.js"))("ajv/dist/2020").default;
const schema = JSON.parse(readFileSync(new URL("../../receipts/schema.json", import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), "bitnet-schema-"));
let passed = 0, failed = 0;

function expect(what, good, detail = "") {
    if (good) passed++;
    else {
        failed++;
        console.log(`FAILED: ${what}${detail ? ": " + detail : ""}`);
    }
}

const validate = new Ajv({ strict: true, allErrors: false }).compile(schema);

// Members that must agree with each other: the schema lets these pass, the program need not.
const BOUND = /^result(\.turns\[0\])?\.(output\.(ids|logits|hidden_chain|hidden_sha256)|keep)$/;

function programRefuses(receipt) {
    const file = join(folder, "receipt.json");
    writeFileSync(file, JSON.stringify(receipt));
    try {
        execFileSync(join(build, "bitnet"), ["verify", "--fast", "-m", model, file], { stdio: "ignore" });
        return false;
    } catch (e) {
        if (![4, 5, 10].includes(e.status)) throw e;
        return e.status !== 10;
    }
}

function compare(what, path, receipt) {
    const schemaRefuses = !validate(receipt);
    const refuses = programRefuses(receipt);
    if (!schemaRefuses && refuses && BOUND.test(path)) return passed++;
    expect(what, schemaRefuses === refuses, `schema ${schemaRefuses ? "refuses" : "takes"} it, the program not`);
}

function takeApart(whole, object, path) {
    for (const key of Object.keys(object)) {
        const here = path ? `${path}.${key}` : key;
        const was = object[key];
        if (path !== "field_sha256") { // a hundred of them, all alike
            delete object[key];
            compare(`${here} missing`, here, whole);
            for (const other of [null, true, 1, -7, "", "x", [], ["x"], [-1], {}, { x: 1 }]) {
                object[key] = other;
                compare(`${here} = ${JSON.stringify(other)}`, here, whole);
            }
            object[key] = was;
        }
        if (was && typeof was === "object" && !Array.isArray(was)) takeApart(whole, was, here);
    }
    object.stranger = 1;
    compare(`a stranger in ${path || "the receipt"}`, path, whole);
    delete object.stranger;
}

for (const file of receipts) {
    const receipt = JSON.parse(readFileSync(file));
    expect(`${file} is valid`, validate(receipt), JSON.stringify(validate.errors));
}
const first = JSON.parse(readFileSync(receipts[0]));
takeApart(first, first, "");
expect("it is whole again", validate(first) && !programRefuses(first));
// Of a conversation, its first turn; and no receipt is of a run and of a conversation.
const talk = receipts.map((file) => JSON.parse(readFileSync(file))).find((r) => r.result.turns);
takeApart(talk, talk.result.turns[0], "result.turns[0]");
for (const key of ["template_sha256", "template_date"]) {
    const was = talk.result[key];
    for (const other of [undefined, null, true, 1, "x", "2026-01-31", "2026-01-31x", {}]) {
        talk.result[key] = other;
        compare(`result.${key} = ${JSON.stringify(other)}`, `result.${key}`, talk);
    }
    talk.result[key] = was;
}
for (const name of ["prompt", "output"]) {
    talk.result[name] = first.result[name];
    compare(`turns and ${name}`, `result.${name} beside turns`, talk);
    delete talk.result[name];
}
for (const other of [null, [], {}, [{}], [1]]) {
    compare(`turns = ${JSON.stringify(other)}`, "result.turns",
        { ...talk, result: { ...talk.result, turns: other } });
}
expect("the conversation is whole again", validate(talk) && !programRefuses(talk));
expect("many were tried", passed > 1000);
rmSync(folder, { recursive: true });
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
