// schemas.mjs - JSON schemas as grammars, beside the official test suite and an independent validator.
//
//     node schemas.mjs PACKAGES SCHEMA_LINES SUITE SAMPLES
//
// Every schema of the suite's drafts 2020-12 and 7 (which those of the older one name) is refused by name or compiled. Of those that compile every valid instance is accepted, in each
// of the four layouts that docs/GRAMMARS.md names, and every invalid one is not; `unwritten` are the few that it says
// are not written. Only files of keywords that are known to be unsupported may have refusals. Then SAMPLES texts of
// each compiled schema, of each of schema_cases.mjs, and of each string that zod has a format for, are made by walking
// the automaton at random; ajv must find each of them valid, and zod those of its own.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { execFileSync } from 'node:child_process';
import { schemas as published } from './schema_cases.mjs';

const [packages, program, suite, samples] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(packages, 'node_modules'), 'schemas.mjs'));
const Ajv2020 = require('ajv/dist/2020').default, Ajv7 = require('ajv').default;
const formats = require('ajv-formats').default;
const { z } = require('zod');

// Files in which schemas may be refused, since their keyword is.
const refusable = new Set(['not', 'if-then-else', 'contains', 'dependencies', 'multipleOf', 'patternProperties',
    'propertyNames', 'uniqueItems', 'format', 'refRemote', 'id', 'unknownKeyword', 'infinite-loop-detection',
    'dependentRequired', 'dependentSchemas', 'dynamicRef', 'minContains', 'maxContains', 'unevaluatedItems',
    'unevaluatedProperties', 'vocabulary', 'anchor']);
// Single schemas of other files that need what is refused, and why; the reason is looked for in the message.
const refused = [
    ['additionalProperties', /patternProperties/], ['properties', /patternProperties/],
    ['additionalItems', /contains|items/], ['items', /\$id|definitions/], ['definitions', /\$ref|not a known draft|no such schema/],
    ['defs', /\$ref/],
    ['ref', /\$ref|\$id|no such|tilda~field/], ['oneOf', /exclude each other/], ['allOf', /multipleOf|oneOf/],
    ['anyOf', /multipleOf/], ['minProperties', /additionalProperties false/], ['const', /nothing/],
];
// Valid strings of a known format that docs/GRAMMARS.md says are not written.
const unwritten = { 'time': /leap second|case-?insensitive|lowercase/i, 'date-time': /leap second|case-?insensitive|lowercase/i,
    'email': /quoted string|address-literal/ };

const draft7 = 'http://json-schema.org/draft-07/schema#';
const named = (schema, draft) => draft.endsWith('draft7') && typeof schema === 'object' ? { $schema: draft7, ...schema } : schema;
const spaced = (v) => Array.isArray(v) ? `[${v.map(spaced).join(', ')}]`
    : v && typeof v === 'object' ? `{${Object.entries(v).map(([k, x]) => `${JSON.stringify(k)}: ${spaced(x)}`).join(', ')}}`
    : JSON.stringify(v);
const layouts = (v) => [JSON.stringify(v), spaced(v), JSON.stringify(v, null, 2), JSON.stringify(v, null, '\t')];

const cases = [], files = [];
for (const draft of ['draft2020-12', 'draft7'].map((name) => path.join(suite, name))) {
    files.push(...fs.readdirSync(draft).filter((f) => f.endsWith('.json')).sort().map((f) => ({ file: path.join(draft, f), draft })));
    for (const name of ['date', 'time', 'date-time', 'email', 'ipv4', 'ipv6', 'uuid', 'hostname', 'uri', 'duration']) {
        const file = path.join(draft, 'optional', 'format', `${name}.json`);
        if (fs.existsSync(file)) files.push({ file, draft });
    }
}
for (const { file, draft } of files)
    for (const group of JSON.parse(fs.readFileSync(file)))
        cases.push({ file: path.basename(file, '.json'), name: group.description, schema: named(group.schema, draft), tests: group.tests });
for (const schema of published) cases.push({ file: 'published', name: schema.title ?? JSON.stringify(schema).slice(0, 60), schema, tests: [] });

// Whatever zod makes of type string without being told more, as it is and with lengths.
const unknown = /format: '(credit_card|currency_code|emoji|iban|jwt)' is not supported|look-around is supported/;
const strings = ['', 'a', 'AbC', '-', '0', 'ff', 'c1234567', 'a@b.co', 'a..b@c.de', '.a@b.de', "o'x+y@sub.domain.org", 'a@b', '1.2.3.4', '01.2.3.4',
    '1.2.3.4/8', '1.2.3.4/33', '::', '::1', '1::2:3', '1:2:3:4:5:6:7:8', '::/0', '1::/128', '::1.2.3.4', '00:1A:2B:3C:4D:5E', '00:1a:2B:3C:4D:5E',
    '123e4567-e89b-42d3-a456-426614174000', '123E4567-E89B-62D3-C456-426614174000', '00000000-0000-0000-0000-000000000000', '2024-02-29', '2023-02-29',
    '12:30:00', '12:30', '2024-02-29T12:30:00Z', '2024-02-29T12:30:00.5+01:00', '+4930123456', '+0930123456', 'aGk=', 'aGk', 'aGkh', 'aG-_', 'aG+/',
    '01ARZ3NDEKTSV4RRFFQ69G5FAV', '81ARZ3NDEKTSV4RRFFQ69G5FAV', '9m4e2mr0ui3e8a215n4g', 'V1StGXR8_Z5jdHi6B-myT', '0ujtsYcgvSTl8PAuAdqWYSMnLOv',
    'https://example.org/a?b=c#d', 'mailto:a@b.co', '//x/y', 'http://[::1]:80/', 'http://[::1', 'http://a b/', 'http://u@h:99999/', 'urn:a:b%20c', 'urn:%2', 'www.example.com', 'a-', 'a_b'];
const zod = [];
for (const [of, names] of [['', z], ['iso.', z.iso]])
    for (const [name, make] of Object.entries(names)) {
        let type, schema;
        try { type = make(); schema = z.toJSONSchema(type); } catch { continue; }
        if (name === 'file') continue; // no JSON is one
        if (name === 'httpUrl') type = z.url(); // what else it asks its schema does not say
        if (schema.type === 'string') zod.push([`${of}${name}`, type], ...(type.min ? [[`${of}${name}, lengths`, type.min(3).max(40)]] : []));
    }
for (const [name, type] of Object.entries({ startsWith: z.string().startsWith('ab'), endsWith: z.string().endsWith('0'), includes: z.string().includes('.'),
    lowercase: z.string().lowercase(), uppercase: z.string().uppercase().min(2), multipleOf: z.number().multipleOf(5) })) zod.push([name, type]);
if (zod.length < 50) throw new Error(`zod has ${zod.length} strings`);
for (const [name, type] of zod) cases.push({ file: 'zod', name, type, schema: z.toJSONSchema(type), tests: [] });

const input = [];
for (const c of cases) {
    input.push({ schema: c.schema, lenient: true, texts: c.type ? strings.map((s) => JSON.stringify(s)) : c.tests.flatMap((t) => layouts(t.data)) });
    input.push({ schema: c.schema, lenient: false, samples: c.file === 'published' ? 2 * samples : +samples, seed: input.length, texts: [] });
    input.push({ schema: c.schema, lenient: true, samples: +samples, seed: input.length, texts: [] });
}
const lines = execFileSync(program, [], { input: JSON.stringify(input), maxBuffer: 1 << 30 })
    .toString().trimEnd().split('\n').map((line) => JSON.parse(line));
if (lines.length !== input.length) throw new Error('not one line a case');

let passed = 0, failed = 0, made = 0, slowest = 0;
const reasons = new Map();
const fail = (c, what) => { failed++; console.log(`FAILED ${c.file}: ${c.name}: ${what}`); };
cases.forEach((c, i) => {
    const [exact, strict, loose] = lines.slice(3 * i, 3 * i + 3);
    if (exact.error) {
        const known = c.file === 'zod' ? unknown.test(exact.error) || (/^hostname/.test(c.name) && /too many states/.test(exact.error)) : c.file !== 'published' && (refusable.has(c.file) || refused.some(([f, r]) => f === c.file && r.test(exact.error)));
        if (!/^BNT_E_(UNSUPPORTED|FORMAT|LIMIT)$/.test(exact.status) || (!known && !/no text matches/.test(exact.error))) return fail(c, exact.error);
        if (/no text matches/.test(exact.error) && c.tests.some((t) => t.valid)) return fail(c, exact.error);
        reasons.set(exact.error.replace(/schema, [^:]*: /, ''), c.file);
        return void passed++;
    }
    slowest = Math.max(slowest, exact.ms);
    c.tests.forEach((t, k) => exact.accepts.slice(4 * k, 4 * k + 4).forEach((got, l) => {
        if (got !== (t.valid && !unwritten[c.file]?.test(t.description))) fail(c, `${t.description}: ${got ? 'accepts' : 'does not accept'} ${layouts(t.data)[l]}`);
        else passed++;
    }));
    const ajv = new (c.schema.$schema === draft7 ? Ajv7 : Ajv2020)({ logger: c.type ? false : console, strict: false, validateFormats: true, ownProperties: true });
    formats(ajv);
    let validate;
    try { validate = ajv.compile(c.schema); } catch (e) { return fail(c, `ajv: ${e.message}`); }
    for (const text of [...(strict.made ?? []), ...loose.made]) {
        let value;
        try { value = JSON.parse(text); } catch (e) { fail(c, `no JSON: ${text}`); continue; }
        if (validate(value) && (!c.type || c.type.safeParse(value).success)) { made++; passed++; } else fail(c, `ajv: ${JSON.stringify(validate.errors?.[0].message ?? 'valid')}, but not by zod: ${text.slice(0, 300)}`);
    }
    if (!c.type) return;
    strings.forEach((s, k) => {
        const valid = validate(s) && c.type.safeParse(s).success;
        if (exact.accepts[k] === valid) passed++; else fail(c, `${s}: ${valid ? 'does not accept' : 'accepts'}`);
    });
});
for (const [why, file] of reasons) console.log(`refused (${file}): ${why}`);
console.log(`${cases.length} schemas, the slowest compiled in ${slowest.toFixed(1)} ms; ${made} texts of the automata valid by ajv`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
