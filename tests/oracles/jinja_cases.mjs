// jinja_cases.mjs - conversations that chat templates are given by jinja.mjs: plain ones, system texts,
// tools, thinking, answers begun for the model, contents in parts.
const user = (content) => ({ role: 'user', content });
const assistant = (content, more) => ({ role: 'assistant', content, ...more });
const system = (content) => ({ role: 'system', content });
const TOOLS = [
    { type: 'function', function: { name: 'get_weather', description: 'The weather "now", of a city.',
        parameters: { type: 'object', properties: {
            city: { type: 'string', description: 'Name of the city' },
            unit: { type: 'string', enum: ['celsius', 'fahrenheit'], default: 'celsius' },
            days: { type: 'integer', description: 'How many', minimum: 1 } },
        required: ['city'] } } },
    { type: 'function', function: { name: 'sum', description: 'Adds numbers.\nAll of them.',
        parameters: { type: 'object', properties: {
            numbers: { type: 'array', items: { type: 'number' }, description: 'What is added' },
            exact: { type: 'boolean' }, options: { type: 'object', properties: { base: { type: 'integer' } } } },
        required: ['numbers', 'exact'] } } },
];
const call = (name, args, id) => ({ id, type: 'function', function: { name, arguments: args } });
const asText = (c) => ({ ...c, function: { ...c.function, arguments: JSON.stringify(c.function.arguments) } });
const weather = call('get_weather', { city: 'Köln', days: 2 }, 'call00001');
const sum = call('sum', { numbers: [1, 2.5, -3], exact: true, options: null }, 'call00002');
const tool = (name, content, id) => ({ role: 'tool', name, content, tool_call_id: id });

export const TALKS = {
    plain: [user('Hello')],
    empty: [user('')],
    spaces: [user('  Hello \n\n there\t'), assistant('\n Yes. \n'), user(' x ')],
    unicode: [user('Zwölf 日本語 🙂 "q" \\ \'s\''), assistant('Ja: <b>1</b>'), user('{{ x }} {% y %} <|im_end|>')],
    three: [user('a'), assistant('b'), user('c'), assistant('d'), user('e')],
    system: [system('You answer in rhymes.'), user('Hello')],
    systemEmpty: [system(''), user('Hello')],
    systemLong: [system('Be short.\nBe kind. '), user('a'), assistant('b'), user('c')],
    developer: [{ role: 'developer', content: 'Be brief.' }, user('Hello')],
    thought: [user('a'), assistant('<think>\nfirst this\n</think>\n\nb'), user('c'),
        assistant('<think>then that</think>d'), user('e')],
    reasoned: [user('a'), assistant('b', { reasoning_content: 'first this' }), user('c'),
        assistant('d', { reasoning_content: 'then\nthat', thinking: 'then that' }), user('e')],
    parts: [user([{ type: 'text', text: 'Hello' }, { type: 'text', text: 'again' }]),
        assistant([{ type: 'text', text: 'Yes' }]), user([{ type: 'text', text: 'more' }])],
    nameless: [user('a'), assistant(null), user('b')],
    prefill: [user('Count.'), assistant('One, two,')],
    prefillThought: [user('Count.'), assistant('two', { reasoning_content: 'one' })],
    toolUse: [system('Use tools.'), user('Weather?'), assistant('', { tool_calls: [weather] }),
        tool('get_weather', '{"temperature": 21.5, "sky": "clear"}', 'call00001'), assistant('Clear.'), user('Thanks')],
    toolTwo: [user('Both?'), assistant(null, { tool_calls: [weather, sum], reasoning_content: 'two calls' }),
        tool('get_weather', '21', 'call00001'), tool('sum', '0.5', 'call00002')],
    toolText: [user('Weather?'), assistant('Let me see.', { tool_calls: [asText(weather)] }),
        tool('get_weather', 'clear', 'call00001')],
    toolWaits: [user('Weather?'), assistant('', { tool_calls: [weather] })],
    noUser: [system('Only this.')],
    twoUsers: [user('a'), user('b')],
};
const WITH = [
    {},
    { tools: TOOLS },
    { enable_thinking: true, thinking: true },
    { enable_thinking: false, thinking: false },
    { enable_thinking: true, tools: [TOOLS[0]], reasoning_effort: 'high', add_generation_prompt: true },
    { documents: [{ title: 'One', text: 'First.', doc_id: 1 }] },
];

// The values of every talk under every setting, with names.
export function allValues() {
    const all = [];
    for (const [name, messages] of Object.entries(TALKS))
        for (const [k, more] of WITH.entries())
            for (const prompt of name.startsWith('prefill') ? [false] : [true, false])
                all.push({ name: `${name}/${k}${prompt ? '' : '/no prompt'}`, values: {
                    messages, tools: null, documents: null, add_generation_prompt: prompt,
                    bos_token: '<s>', eos_token: '</s>', unk_token: '<unk>', pad_token: '<pad>', ...more } });
    return all;
}
