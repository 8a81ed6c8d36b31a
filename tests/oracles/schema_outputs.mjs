// schema_outputs.mjs - texts that a model writes by a schema, beside an independent validator.
//
//     node schema_outputs.mjs PACKAGES BUILD NUMBER
//
// `bitnet batch` answers requests by the schemas of schema_cases.mjs with a model of random weights, at temperatures 0
// to 2, until NUMBER answers have ended by themselves; ajv must find every one of them valid. One that its length cut
// must say so. Quotation marks and brackets that close are made likelier, since random weights end no string for long.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { execFileSync } from 'node:child_process';
import { schemas } from './schema_cases.mjs';

const [packages, build, number] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(packages, 'node_modules'), 'schema_outputs.mjs'));
const Ajv = require('ajv/dist/2020').default;
const formats = require('ajv-formats').default;
const ajv = new Ajv({ strict: false, validateFormats: true, ownProperties: true });
formats(ajv);
const validators = schemas.map((s) => ajv.compile(s));

const ROUND = 5000; // requests of one run of the program
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'bitnet-outputs-'));
process.on('exit', () => fs.rmSync(folder, { recursive: true }));
const at = (name) => path.join(folder, name);
const quiet = { stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 28 };
execFileSync(path.join(build, 'bitnet-synth'), ['--like', 'tiny', '-o', at('m.gguf')], quiet);
const closing = ['"', '}', ']'].map((text) => JSON.parse(execFileSync(path.join(build, 'bitnet'),
    ['tokenize', '-m', at('m.gguf'), '--json', '--no-bos', text], quiet)).ids[0]);

let passed = 0, failed = 0, whole = 0, cut = 0, seed = 0;
const fail = (what) => { failed++; console.log(`FAILED ${what}`); };
while (whole < +number && !failed) {
    const requests = [];
    for (let i = 0; i < Math.min(ROUND, 2 * number); i++, seed++) {
        const temperature = (seed % 9) / 4;
        const logit_bias = Object.fromEntries(closing.map((id) => [id, 4 * Math.max(temperature, 0.25)]));
        requests.push(JSON.stringify({ custom_id: String(seed), method: 'POST', url: '/v1/chat/completions', body: {
            messages: [{ role: 'user', content: `case ${seed}` }], temperature, seed, max_tokens: 200, logit_bias,
            response_format: { type: 'json_schema', json_schema: { name: 's', schema: schemas[seed % schemas.length] } } } }));
    }
    fs.writeFileSync(at('in.jsonl'), requests.join('\n') + '\n');
    fs.rmSync(at('out.jsonl'), { force: true });
    execFileSync(path.join(build, 'bitnet'), ['batch', '-m', at('m.gguf'), '--chat-template=raw', at('in.jsonl'), '-o', at('out.jsonl')], quiet);
    const lines = fs.readFileSync(at('out.jsonl'), 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line));
    if (lines.length !== requests.length) fail(`${lines.length} lines for ${requests.length} requests`);
    for (const line of lines) {
        const choice = line.response?.body?.choices?.[0], text = choice?.message?.content;
        const schema = Number(line.custom_id) % schemas.length;
        if (choice?.finish_reason === 'length') { cut++; continue; }
        if (choice?.finish_reason !== 'stop') { fail(`${line.custom_id}: ${JSON.stringify(line).slice(0, 300)}`); continue; }
        let value;
        try { value = JSON.parse(text); } catch { fail(`${line.custom_id}: no JSON: ${text}`); continue; }
        if (validators[schema](value)) { whole++; passed++; } else fail(`${line.custom_id}: ${JSON.stringify(validators[schema].errors[0])}: ${text}`);
    }
}
console.log(`${schemas.length} schemas; ${whole} answers that ended, all looked at by ajv, and ${cut} that their length cut`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
