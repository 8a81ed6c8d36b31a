// schema_cases.mjs - schemas of the kinds that agents and SDK examples send, written anew.
//
// A tool is one line: its name, then its parameters, `!` behind those that must be there; a type is s, i, n, b, [type],
// a|list|of|words, {nested parameters}, or @format. Strict ones name all members and allow no others, as OpenAI's
// strict mode asks.
const types = { s: { type: 'string' }, i: { type: 'integer' }, n: { type: 'number' }, b: { type: 'boolean' } };

const split = (text) => { // at commas outside of brackets
    const out = [''];
    let depth = 0;
    for (const c of text) {
        depth += '{['.includes(c) ? 1 : '}]'.includes(c) ? -1 : 0;
        if (c === ',' && depth === 0) out.push('');
        else out[out.length - 1] += c;
    }
    return out.map((s) => s.trim()).filter(Boolean);
};
const typeOf = (t, strict) => t[0] === '[' ? { type: 'array', items: typeOf(t.slice(1, -1), strict) }
    : t[0] === '{' ? params(t.slice(1, -1), strict)
    : t[0] === '@' ? { type: 'string', format: t.slice(1) }
    : t.includes('|') ? { type: 'string', enum: t.split('|') }
    : types[t] ?? { $ref: `#/$defs/${t}` };
const params = (text, strict = false) => {
    const properties = {}, required = [];
    for (const field of split(text)) {
        const [, name, must, type] = field.match(/^([^:!]+)(!?):(.*)$/s);
        properties[name] = { description: `the ${name}`, ...typeOf(type.trim(), strict) };
        if (must || strict) required.push(name);
        if (strict && !must) properties[name] = { anyOf: [properties[name], { type: 'null' }] };
    }
    return { type: 'object', properties, required, ...(strict ? { additionalProperties: false } : {}) };
};

const tools = `
get_weather location!:s, unit:celsius|fahrenheit
get_current_temperature location!:s, unit!:Celsius|Fahrenheit
get_forecast latitude!:n, longitude!:n, days:i
get_n_day_weather_forecast location!:s, format!:celsius|fahrenheit, num_days!:i
get_delivery_date order_id!:s
get_stock_price symbol!:s, exchange:s
send_email to!:@email, subject!:s, body!:s, cc:[@email]
search_knowledge_base query!:s, options!:{num_results!:i, domain_filter:s, sort_by:relevance|date|popularity|alphabetical}
read_file path!:s, head:i, tail:i
read_multiple_files paths!:[s]
write_file path!:s, content!:s
edit_file path!:s, edits!:[{oldText!:s, newText!:s}], dryRun:b
create_directory path!:s
list_directory path!:s
directory_tree path!:s, excludePatterns:[s]
move_file source!:s, destination!:s
search_files path!:s, pattern!:s, excludePatterns:[s]
get_file_info path!:s
git_status repo_path!:s
git_diff repo_path!:s, target!:s, context_lines:i
git_commit repo_path!:s, message!:s
git_add repo_path!:s, files!:[s]
git_log repo_path!:s, max_count:i, start_timestamp:s
git_create_branch repo_path!:s, branch_name!:s, base_branch:s
git_checkout repo_path!:s, branch_name!:s
fetch url!:s, max_length:i, start_index:i, raw:b
create_entities entities!:[{name!:s, entityType!:s, observations!:[s]}]
create_relations relations!:[{from!:s, to!:s, relationType!:s}]
add_observations observations!:[{entityName!:s, contents!:[s]}]
delete_entities entityNames!:[s]
search_nodes query!:s
sequentialthinking thought!:s, nextThoughtNeeded!:b, thoughtNumber!:i, totalThoughts!:i, isRevision:b, revisesThought:i, branchId:s
get_current_time timezone!:s
convert_time source_timezone!:s, time!:s, target_timezone!:s
create_issue owner!:s, repo!:s, title!:s, body:s, assignees:[s], labels:[s], milestone:n
list_issues owner!:s, repo!:s, state:open|closed|all, sort:created|updated|comments, direction:asc|desc, since:@date-time, page:i
update_issue owner!:s, repo!:s, issue_number!:i, title:s, body:s, state:open|closed
create_pull_request owner!:s, repo!:s, title!:s, head!:s, base!:s, draft:b, maintainer_can_modify:b
merge_pull_request owner!:s, repo!:s, pull_number!:i, merge_method:merge|squash|rebase
push_files owner!:s, repo!:s, branch!:s, message!:s, files!:[{path!:s, content!:s}]
search_repositories query!:s, page:i, perPage:i
slack_post_message channel_id!:s, text!:s
slack_add_reaction channel_id!:s, timestamp!:s, reaction!:s
query sql!:s
browser_navigate url!:s
browser_click selector!:s, button:left|right|middle
browser_fill selector!:s, value!:s
browser_screenshot name!:s, selector:s, width:n, height:n
computer action!:key|type|mouse_move|left_click|screenshot, text:s, coordinate:[i]
bash command!:s, restart:b
str_replace_editor command!:view|create|str_replace|insert|undo_edit, path!:s, file_text:s, old_str:s, new_str:s, insert_line:i, view_range:[i]
web_search query!:s, num_results:i
calculator expression!:s
python code!:s
add a!:i, b!:i
multiply a!:n, b!:n
schedule_meeting attendees!:[@email], date!:@date, time!:@time, duration_minutes!:i, topic:s
create_calendar_event title!:s, start!:@date-time, end!:@date-time, location:s, attendees:[@email], all_day:b
set_thermostat temperature!:n, mode:heat|cool|auto|off
set_light room!:s, on!:b, brightness:i, color:s
play_music song!:s, artist:s, device:s
book_flight origin!:s, destination!:s, departure_date!:@date, return_date:@date, passengers!:i, class:economy|business|first
book_hotel city!:s, check_in!:@date, check_out!:@date, guests:i, max_price:n
find_restaurants city!:s, cuisine:s, price:$|$$|$$$, open_now:b
order_food items!:[{name!:s, quantity!:i, notes:s}], address!:{street!:s, city!:s, zip:s}
track_package tracking_number!:s, carrier:ups|fedex|usps|dhl
translate text!:s, source:s, target!:s
convert_currency amount!:n, from!:s, to!:s
transfer_to_agent agent!:sales|support|billing, reason:s
escalate_to_human reason!:s, priority:low|medium|high|urgent
lookup_customer customer_id:@uuid, email:@email, phone:s
process_refund order_id!:s, item_ids!:[s], reason!:s, amount:n
update_address customer_id!:@uuid, address!:{line1!:s, line2:s, city!:s, region:s, postal_code!:s, country!:s}
create_ticket subject!:s, description!:s, priority!:low|normal|high, tags:[s], requester:{name!:s, email!:@email}
ping_host host!:@ipv4, count:i
add_dns_record zone!:s, type!:A|AAAA|CNAME|TXT|MX, name!:s, value!:s, ttl:i
run_query database!:s, table_name!:orders|customers|products, columns!:[s], conditions!:[{column!:s, operator!:=|>|<|>=|<=|!=, value!:s}], order_by:asc|desc
extract_person name!:s, age:i, email:@email, address:{street:s, city:s}
classify_text label!:positive|negative|neutral, confidence!:n
summarize title!:s, bullets!:[s], sentiment:positive|negative|mixed
rate_movie title!:s, year:i, genres:[s], rating!:n
`.trim().split('\n').map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]);

const whole = [
    { title: 'math steps', type: 'object', properties: { steps: { type: 'array', items: params('explanation:s, output:s', false) }, final_answer: types.s },
        required: ['steps', 'final_answer'], additionalProperties: false },
    { title: 'calendar event', type: 'object', properties: { name: types.s, date: types.s, participants: { type: 'array', items: types.s } },
        required: ['name', 'date', 'participants'], additionalProperties: false },
    { title: 'ui', type: 'object', properties: { type: { type: 'string', enum: ['div', 'button', 'header', 'section', 'field', 'form'] }, label: types.s,
        children: { type: 'array', items: { $ref: '#' } }, attributes: { type: 'array', items: params('name!:s, value!:s') } },
        required: ['type', 'label', 'children', 'attributes'], additionalProperties: false },
    { title: 'linked list', type: 'object', properties: { linked_list: { $ref: '#/$defs/node' } }, required: ['linked_list'], additionalProperties: false,
        $defs: { node: { type: 'object', properties: { value: types.n, next: { anyOf: [{ $ref: '#/$defs/node' }, { type: 'null' }] } },
            required: ['value', 'next'], additionalProperties: false } } },
    { title: 'moderation', type: 'object', properties: { is_violating: types.b, category: { anyOf: [{ type: 'string', enum: ['violence', 'sexual', 'self_harm'] }, { type: 'null' }] },
        explanation_if_violating: { type: ['string', 'null'] } }, required: ['is_violating', 'category', 'explanation_if_violating'], additionalProperties: false },
    { title: 'union', type: 'object', properties: { item: { anyOf: [params('name:s, age:i', true), params('number:s, street:s, city:s', true)] } }, required: ['item'], additionalProperties: false },
    { title: 'events by kind', oneOf: [{ type: 'object', properties: { kind: { const: 'click' }, x: types.i, y: types.i }, required: ['kind', 'x', 'y'] },
        { type: 'object', properties: { kind: { const: 'key' }, code: types.s }, required: ['kind', 'code'] }] },
    { title: 'scores', type: 'array', items: { type: 'number', minimum: 0, maximum: 1 }, minItems: 1, maxItems: 10 },
    { title: 'user', type: 'object', properties: { username: { type: 'string', minLength: 3, maxLength: 20 }, age: { type: 'integer', minimum: 0, maximum: 150 },
        score: { type: 'number', exclusiveMinimum: 0, maximum: 99.5 }, id: { type: 'string', format: 'uuid' }, zip: { type: 'string', pattern: '^\\d{5}(-\\d{4})?$' } }, required: ['username', 'id'] },
    { title: 'pair', type: 'array', prefixItems: [types.s, types.i], items: false, minItems: 2 },
    { title: 'map of numbers', type: 'object', additionalProperties: { type: 'number' }, maxProperties: 5 },
    { title: 'settings', type: 'object', properties: { theme: { enum: ['dark', 'light', null] } }, additionalProperties: { type: ['boolean', 'integer'] } },
    { title: 'base and more', allOf: [{ $ref: '#/$defs/base' }, { properties: { extra: types.i }, required: ['extra'] }], $defs: { base: params('id!:s, created:@date-time') } },
    { title: 'addresses', type: 'object', properties: { v4: { format: 'ipv4', type: 'string' }, v6: { format: 'ipv6', type: 'string' }, mail: { format: 'email', type: 'string' } }, required: ['v4', 'v6', 'mail'] },
    { title: 'times', type: 'object', properties: { a: { type: 'string', format: 'date-time' }, b: { type: 'string', format: 'date' }, c: { type: 'string', format: 'time' } }, required: ['a', 'b', 'c'] },
    { title: 'expression', $ref: '#/$defs/e', $defs: { e: { anyOf: [types.n, { type: 'object', properties: { op: { enum: ['+', '-', '*', '/'] }, args: { type: 'array', items: { $ref: '#/$defs/e' }, minItems: 2, maxItems: 2 } },
        required: ['op', 'args'], additionalProperties: false }] } } },
    { title: 'pattern at one end', type: 'string', pattern: '[a-f]+$' },
    { title: 'words', type: 'string', pattern: '^(?:[A-Z][a-z]{2,8} ?){1,4}\\.$' },
    { title: 'escapes', type: 'string', pattern: '^[\\u0000-\\u001f"\\\\/]{1,6}$' },
    { title: 'constr', type: 'string', pattern: '^[a-z_]+$', minLength: 1, maxLength: 10 },
    { title: 'format and length', type: 'string', format: 'email', maxLength: 30 },
    { title: 'records', type: 'object', properties: { any: { type: 'object', propertyNames: { type: 'string' }, additionalProperties: types.n }, colours: { type: 'object', propertyNames: { $ref: '#/$defs/colour' }, additionalProperties: { type: 'integer', minimum: 0, maximum: 9 } },
        short: { type: 'object', propertyNames: { pattern: '^[a-z]+$', maxLength: 3 }, additionalProperties: types.b } }, required: ['any', 'colours', 'short'], $defs: { colour: { enum: ['red', 'green', 'blue'] } } },
    { title: 'enum and pattern', type: 'object', properties: { unit: { enum: ['kg', 'g', 'lb', 7, 'k"'], pattern: '^k' }, day: { type: 'string', format: 'date', enum: ['2024-02-29', 'never'] } }, required: ['unit', 'day'] },
    { title: 'one of strings', oneOf: [{ type: 'string', format: 'date' }, { type: 'string', format: 'date-time' }, { type: 'string', format: 'ipv4' }, { type: 'string', pattern: '^[A-Z]{2,5}$' }, { type: 'string', pattern: '^[A-Z]+$', minLength: 6, maxLength: 9 }] },
    { title: 'format and pattern', type: 'string', format: 'date-time', pattern: '(Z|\\+00:00)$' },
    { title: 'patterns', type: 'string', allOf: [{ pattern: '^[^]{4}' }, { pattern: '\\d' }, { pattern: '^[^\\u0000-\\u001f]*$' }], maxLength: 12 },
    { title: 'password', type: 'string', pattern: '^(?=.*[A-Z])(?=.*\\d)(?!.*\\s).{8,}$', maxLength: 20 },
    { title: 'escapes that are counted', type: 'string', pattern: '^["\\\\\\n\\u0001é🙂]*$', minLength: 3, maxLength: 5 },
    { title: 'even', type: 'string', pattern: '^(?:ab|cdé[^])*$', minLength: 7, maxLength: 9 },
    { title: 'multiples', type: 'object', properties: { step: { type: 'integer', multipleOf: 5 }, degrees: { type: 'number', multipleOf: 90, minimum: 0, exclusiveMaximum: 360 } }, required: ['step', 'degrees'], additionalProperties: false },
    { title: 'a set of an enum', type: 'array', uniqueItems: true, minItems: 1, items: { enum: ['red', 'green', 'reddish', 1] } },
    { title: 'large integers', type: 'integer', minimum: -9007199254740991, maximum: 9007199254740991 },
    { title: 'small numbers', type: 'number', exclusiveMinimum: -0.001, exclusiveMaximum: 0.0025 },
    { title: 'constants', enum: [1, 1.5, 'a"b\\c\n', { a: [1, null, true], b: {} }, [], null, false] },
];

const call = (name, parameters) => ({ type: 'object', properties: { name: { const: name }, arguments: parameters }, required: ['name', 'arguments'], additionalProperties: false });
export const schemas = [
    ...tools.map(([name, p]) => ({ title: name, ...params(p) })),
    ...tools.map(([name, p]) => ({ title: `${name}, strict`, ...params(p, true) })),
    ...whole,
    ...Array.from({ length: 16 }, (_, i) => ({ title: `tools ${i}`, anyOf: tools.slice(5 * i, 5 * i + 5).map(([name, p]) => call(name, params(p))) })),
];
