// vocab_files.mjs - llama.cpp's own vocabulary files: the ids that stand beside each must come out.
//
//     node vocab_files.mjs MODELS TOKENIZE_LINES
//
// MODELS holds ggml-vocab-NAME.gguf, with NAME.gguf.inp (texts) and NAME.gguf.out (a line of ids for
// each). A file of a kind that is not ours (REFUSED) must be refused with the kind's name; one
// without texts must at least encode.
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';

const [models, program] = process.argv.slice(2);
const REFUSED = { 'bert-bge': "'bert'", 'nomic-bert-moe': "'t5'" };
const FAMILIES = 14; // that have texts and are ours, in the release that bundle.sh names

function ours(file, texts) {
    const input = texts.map((s) => `0 ${Buffer.from(s).toString('hex')}\n`).join('');
    const run = spawnSync(program, [file], { input, maxBuffer: 1 << 28 });
    return { status: run.status, lines: run.stdout.toString().split('\n'), stderr: run.stderr.toString() };
}

let passed = 0, failed = 0, families = 0;
function check(ok, what) {
    if (ok) passed++;
    else { failed++; console.log(`FAILED: ${what}`); }
}
for (const entry of fs.readdirSync(models).filter((f) => /^ggml-vocab-.*\.gguf$/.test(f)).sort()) {
    const name = entry.slice('ggml-vocab-'.length, -'.gguf'.length), file = path.join(models, entry);
    if (REFUSED[name]) {
        const { status, stderr } = ours(file, ['hello']);
        check(status !== 0 && stderr.includes(REFUSED[name]), `${name}: not refused by its kind: ${stderr}`);
        continue;
    }
    if (!fs.existsSync(`${file}.inp`)) {
        const { status, stderr } = ours(file, ['Hello world']);
        check(status === 0, `${name}: ${stderr}`);
        continue;
    }
    const texts = fs.readFileSync(`${file}.inp`, 'utf8').split('\n__ggml_vocab_test__\n').slice(0, -1);
    const wanted = fs.readFileSync(`${file}.out`, 'utf8').split('\n').slice(0, texts.length);
    const { lines, stderr } = ours(file, texts);
    if (stderr) console.log(`${name}: ${stderr}`);
    texts.forEach((text, i) => {
        const want = wanted[i].trim();
        check(want === lines[i], `${name}: ${JSON.stringify(text)}\n  wanted ${want}\n  got    ${lines[i]}`);
    });
    families++;
}
check(families === FAMILIES, `${families} families, not ${FAMILIES}`);
console.log(`${families} families of vocabularies`);
console.log(`vocabulary-files: ${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
