// jinja.mjs - our Jinja beside the reference, over the chat templates of a llama.cpp release.
//
//     node jinja.mjs PACKAGES MODELS JINJA_LINES PYTHON REFERENCE [TEMPLATE...]
//
// Every conversation of jinja_cases.mjs through every template in MODELS/templates (and TEMPLATEs), and every
// expression of jinja_snippets.json: what Jinja itself renders (jinja_reference.py) comes out equal here, or is
// refused with a reason; nothing comes out differently. What Jinja refuses is refused here, too. Of the snippets
// none may be refused. @huggingface/jinja is asked as well, and counted.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { execFileSync } from 'node:child_process';
import { allValues } from './jinja_cases.mjs';

const [packages, models, program, python, reference, ...more] = process.argv.slice(2);
const require = createRequire(path.join(path.resolve(packages, 'node_modules'), 'jinja.mjs'));
const { Template } = require('@huggingface/jinja');
const TIME = 1790000000;

const folder = path.join(models, 'templates');
const files = [...fs.readdirSync(folder).filter((f) => f.endsWith('.jinja')).sort().map((f) => path.join(folder, f)), ...more];
const cases = [];
for (const file of files) {
    const first = cases.length;
    for (const { name, values } of allValues())
        cases.push({ name: `${path.basename(file)} ${name}`, file,
            template: cases.length === first ? fs.readFileSync(file, 'utf8') : first, time: TIME, values });
}
const snippets = JSON.parse(fs.readFileSync(new URL('jinja_snippets.json', import.meta.url)));
for (const template of snippets.templates)
    cases.push({ name: template, template, time: TIME, values: snippets.values });

const input = JSON.stringify(cases);
const lines = (command, args) => execFileSync(command, args, { input, maxBuffer: 1 << 30 })
    .toString().trimEnd().split('\n').map((line) => JSON.parse(line));
const ours = lines(program, []), theirs = lines(python, [reference]);
if (ours.length !== cases.length || theirs.length !== cases.length) throw new Error('not one line a case');

let passed = 0, failed = 0;
const counts = { equal: 0, loose: 0, refused: 0, both: 0, alone: 0, other: 0, npm: 0 };
const rendered = new Set(), refusing = new Map();
cases.forEach((c, i) => {
    const a = ours[i], b = theirs[i];
    if (a.status !== undefined && !/^BNT_E_(FORMAT|UNSUPPORTED|USAGE|LIMIT)$/.test(a.status)) {
        failed++;
        return console.log(`FAILED ${c.name}: ${a.status} ${a.error}`);
    }
    if (b.text === undefined) {
        counts[a.text === undefined ? 'both' : 'alone']++;
        if (a.text === undefined) return void passed++;
        failed++;
        return console.log(`FAILED ${c.name}: Jinja says ${b.error}, got ${JSON.stringify(a.text)}`);
    }
    if (a.text === undefined) {
        counts.refused++;
        if (!c.file) { failed++; return console.log(`FAILED ${c.name}: refused: ${a.error}`); }
        passed++;
        return refusing.set(a.error, (refusing.get(a.error) ?? new Set()).add(path.basename(c.file)));
    }
    if (a.text !== b.text) {
        failed++;
        console.log(`FAILED ${c.name}\n  got    ${JSON.stringify(a.text)}\n  wanted ${JSON.stringify(b.text)}`);
        return;
    }
    passed++;
    counts[b.loose ? 'loose' : 'equal']++;
    if (c.file) rendered.add(c.file);
});
const compiled = new Map();
cases.forEach((c, i) => { // the other interpreter
    if (!c.file || theirs[i].text === undefined) return;
    try {
        if (!compiled.has(c.file)) compiled.set(c.file, new Template(fs.readFileSync(c.file, 'utf8')));
        const text = compiled.get(c.file).render(structuredClone(c.values));
        counts[text === theirs[i].text ? 'npm' : 'other']++;
    } catch { counts.other++; }
});
for (const [why, where] of refusing) console.log(`refused: ${why} (${[...where].join(', ')})`);
console.log(`${files.length} templates, ${rendered.size} of them rendered; ${cases.length} renderings: ${counts.equal} equal, ` +
    `${counts.loose} equal where only the looser sandbox renders, ${counts.refused} refused here, ${counts.both} refused by both; ` +
    `@huggingface/jinja: ${counts.npm} equal, ${counts.other} not`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
