#!/bin/sh
# tools.sh BUILD - tools over `bitnet serve`: calls that must be made are made by their schema, in one reply and in
# streams, alone and in company; results go back into the conversation; what cannot be kept is refused.
set -u
build=$1
bitnet=$build/bitnet
here=${0%/*}
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/serve/lib.sh
. "$here/lib.sh"

start_server --parallel 2 --threads 1 --chat-template "$here/tools.jinja"
ask() { # BODY: the reply, and its status in $code
    code=$(curl -s -m 60 -o "$tmp/reply" -w '%{http_code}' -d "$1" "$url/v1/chat/completions")
    cat "$tmp/reply"
}
refused() { # NAME PATTERN BODY
    ask "$3" >/dev/null
    equal "$1" "$code" 400
    ok "$1: says why" grep -qE -- "$2" "$tmp/reply"
}
hello='"messages":[{"role":"user","content":"Weather?"}],"max_tokens":80,"seed":5'
# shellcheck disable=SC2016 # $ref and $defs are JSON
weather='{"type":"function","function":{"name":"get_weather","strict":true,"parameters":{"type":"object","properties":{"city":{"$ref":"#/$defs/city"},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"],"additionalProperties":false,"$defs":{"city":{"enum":["Paris","Oslo"]}}}}}'
now='{"type":"function","function":{"name":"now"}}'

# ---- calls that must be made ----
called='"tool_calls":\[\{"id":"call_[^"]+","type":"function","function":\{"name":"get_weather","arguments":"\{\\"city\\": \\"(Paris|Oslo)\\", \\"days\\": [1-9]\}"\}\}\]'
ask "{$hello,\"tools\":[$weather,$now],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}}" >"$tmp/one"
ok 'the one that is named' grep -qE "$called" "$tmp/one"
ok 'is all of the answer' grep -qE '"content":null,.*"finish_reason":"tool_calls"' "$tmp/one"
ask "{$hello,\"tools\":[$weather],\"tool_choice\":\"required\"}" >/dev/null
ok 'one of them' grep -qE "$called" "$tmp/reply"
ask "{$hello,\"tools\":[$now],\"tool_choice\":\"required\"}" >/dev/null
ok 'without parameters' grep -qF '"name":"now","arguments":"{}"' "$tmp/reply"
ask "{$hello,\"stream\":true,\"tools\":[$weather,$now],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}}" >/dev/null
ok 'in a stream' grep -qE '"delta":\{"tool_calls":\[\{"id":"call_[^"]+","type":"function","function":\{"name":"get_weather",.*"index":0\}\]\}' "$tmp/reply"
ok 'which says how it ended' grep -q '"finish_reason":"tool_calls"' "$tmp/reply"
arguments() { sed -nE 's/.*"arguments":"((\\.|[^"\\])*)".*/\1/p' "$1" | head -1; }
equal 'with the same arguments' "$(arguments "$tmp/reply")" "$(arguments "$tmp/one")"
(curl -s -m 60 -d "{$hello,\"n\":2}" "$url/v1/chat/completions" >/dev/null) &
ask "{$hello,\"tools\":[$weather,$now],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"get_weather\"}}}" >"$tmp/company"
wait $!
equal 'and in company' "$(arguments "$tmp/company")" "$(arguments "$tmp/one")"

# ---- conversations with them ----
ask "{\"messages\":[{\"role\":\"user\",\"content\":\"Weather?\"},{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"now\",\"arguments\":\"{\\\"a\\\": 1}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"noon\"}],\"max_tokens\":5,\"tools\":[$now]}" >/dev/null
equal 'a result goes back' "$code" 200
ask "{$hello,\"tools\":[$now],\"tool_choice\":\"auto\"}" >/dev/null
equal 'an answer may call none' "$code" 200
ask "{$hello,\"tools\":[$weather],\"tool_choice\":\"none\"}" >"$tmp/none"
ask "{$hello}" >"$tmp/plain"
text() { sed -E 's/.*"content":"((\\.|[^"\\])*)".*/\1/' "$1"; }
equal 'and none where none may be' "$(text "$tmp/none")" "$(text "$tmp/plain")"

# ---- strict, where a call may be made ----
# What the model says is led to the mark of a call: the mark's tokens by their biases, each once.
rain=$(printf 'rain and %.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30)
bias=$(curl -s -d '{"prompt":"<tool_call>","add_special_tokens":false}' "$url/tokenize" | sed -E 's/.*\[([0-9,]+)\].*/\1/' |
    tr ',' '\n' | awk '{ split("100 89 78 68 46 37 28", b, " "); printf "%s\"%s\":%s", (NR > 1 ? "," : ""), $1, b[NR] }')
led="\"messages\":[{\"role\":\"user\",\"content\":\"$rain\"}],\"max_tokens\":100,\"seed\":5,\"temperature\":0,\"repeat_penalty\":1000,\"logit_bias\":{$bias},\"parallel_tool_calls\":false"
ask "{$led,\"tools\":[$(printf %s "$weather" | sed 's/"strict":true/"strict":false/')]}" >/dev/null
ok 'without strict what follows the mark is no call' grep -qF '"content":"<tool_call>' "$tmp/reply"
ask "{$led,\"receipt\":true,\"tools\":[$weather]}" >"$tmp/strict"
ok 'with strict it is one, by the schema' grep -qE '"tool_calls":\[\{"id":"call_[^"]+","type":"function","function":\{"name":"get_weather","arguments":"\{\\"city\\": \\"(Paris|Oslo)\\", \\"days\\": [1-9]\}"\}\}\]' "$tmp/strict"
# shellcheck disable=SC2016 # $ref and $defs are JSON
calls='{"mark":"<tool_call>","end":"</tool_call>","list":false,"most":1,"call":{"anyOf":[{"type":"object","properties":{"name":{"const":"get_weather"},"arguments":{"type":"object","properties":{"city":{"$ref":"#/anyOf/0/properties/arguments/$defs/city"},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city","days"],"additionalProperties":false,"$defs":{"city":{"enum":["Paris","Oslo"]}}}},"required":["name","arguments"],"additionalProperties":false}]}}'
id=$(sed -nE 's/.*"receipt_id":"([^"]+)".*/\1/p' "$tmp/strict")
curl -s "$url/v1/receipts/$id" >"$tmp/calls.json"
ok 'its receipt names the calls' grep -qE '"constraint": ?\{"kind": ?"calls", ?"sha256": ?"'"$(printf 'calls\n%s' "$calls" | sha256sum | cut -c1-64)"'"\}' "$tmp/calls.json"
exits 'and is true' 0 '' "$bitnet" verify "$tmp/calls.json" --json-schema="$calls"
quoted=$(printf %s "$calls" | sed 's/"/\\"/g')
for given in '' ",\"json_schema\":$calls" ",\"json_schema\":\"$quoted\""; do
    ok "here, too, given ${given:-nothing}" sh -c "curl -s -d '{\"receipt_id\":\"$id\"$given}' '$url/v1/verify' | grep -q '\"verified\":true'"
done
exits 'on ref-scalar' 0 '' "$bitnet" verify "$tmp/calls.json" --json-schema="$calls" --backend=ref-scalar
digest=$(sed -nE 's/.*"kind": ?"calls", ?"sha256": ?"([0-9a-f]+)".*/\1/p' "$tmp/calls.json")
curl -s "$url/v1/constraints/$digest" >"$tmp/calls.text"
equal 'the server tells what they are' "$(cat "$tmp/calls.text")" "$calls"
exits 'which is enough' 0 '' "$bitnet" verify "$tmp/calls.json" --json-schema="$tmp/calls.text"
equal 'no other' "$(curl -s -o /dev/null -w '%{http_code}' "$url/v1/constraints/${digest#?}0")" 404
"$bitnet" verify "$tmp/calls.json" >"$tmp/stdout" 2>&1
ok 'and not replayed without them' grep -q 'the calls of digest .* is needed' "$tmp/stdout"
same() { sed -E 's/"(id|receipt_id)":"[^"]*"//g; s/"created":[0-9]+//; s/"cached_tokens":[0-9]+//' "$1"; }
(curl -s -m 60 -d "{$hello,\"n\":2}" "$url/v1/chat/completions" >/dev/null) &
ask "{$led,\"receipt\":true,\"tools\":[$weather]}" >"$tmp/company"
wait $!
equal 'in company the same' "$(same "$tmp/company")" "$(same "$tmp/strict")"

# ---- a shape of the answer, and tools that may be called: the answer is one of the two ----
# shellcheck disable=SC2016 # $ref and $defs are JSON
yes='"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"yes":{"$ref":"#/$defs/b"}},"required":["yes"],"additionalProperties":false,"$defs":{"b":{"type":"boolean"}}}}}'
away=$(printf %s "$bias" | sed -E 's/:[0-9]+/:-100/g') # from the mark
for tool in "$weather" "$now"; do
    ask "{$hello,\"tools\":[$tool],$yes,\"logit_bias\":{$away}}" >/dev/null
    ok 'the shape' grep -qE '"content":"\{\\"yes\\": (true|false)\}"' "$tmp/reply"
done
ask "{$hello,\"tools\":[$now],\"response_format\":{\"type\":\"json_object\"},\"logit_bias\":{$away}}" >/dev/null
ok 'any object' grep -qE '"content":"\{' "$tmp/reply"
ask "{$led,\"receipt\":true,\"tools\":[$weather],$yes}" >"$tmp/either"
ok 'or a call' grep -qE '"tool_calls":\[\{"id":"call_[^"]+","type":"function","function":\{"name":"get_weather","arguments":"\{\\"city\\": \\"(Paris|Oslo)\\", \\"days\\": [1-9]\}"\}\}\]' "$tmp/either"
ok 'with no text beside it' grep -qF '"content":null' "$tmp/either"
id=$(sed -nE 's/.*"receipt_id":"([^"]+)".*/\1/p' "$tmp/either")
ok 'which is verified' sh -c "curl -s -d '{\"receipt_id\":\"$id\"}' '$url/v1/verify' | grep -q '\"verified\":true'"
# A schema is hashed as Python writes it, its numbers, too.
numbers='{"enum":[0.1,1.0,1e-05,1e+16,12345678901234.5,-2.5e-10]}'
ask "{$hello,\"receipt\":true,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":$numbers}}}" >/dev/null
curl -s "$url/v1/receipts/$(sed -nE 's/.*"receipt_id":"([^"]+)".*/\1/p' "$tmp/reply")" >"$tmp/numbers.json"
exits 'numbers of a schema are as Python writes them' 0 '' "$bitnet" verify "$tmp/numbers.json" --json-schema="$numbers"
allowed() { printf '"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"%s","tools":[{"type":"function","function":{"name":"%s"}}]}}' "$1" "$2"; }
ask "{$hello,\"tools\":[$now,$weather],$(allowed required get_weather)}" >/dev/null
ok 'of the tools that are allowed' grep -qE "$called" "$tmp/reply"
ask "{$hello,\"tools\":[$now,$weather],$(allowed auto now)}" >/dev/null
equal 'or none of them' "$code" 200
refused 'one that is not there' 'allowed_tools must have' "{$hello,\"tools\":[$now],$(allowed auto later)}"
refused 'nor a mode' 'allowed_tools must have' "{$hello,\"tools\":[$now],\"tool_choice\":{\"type\":\"allowed_tools\",\"tools\":[{\"type\":\"function\",\"name\":\"now\"}]}}"
refused 'a grammar beside tools' 'beside a grammar' "{$hello,\"tools\":[$now],\"grammar\":\"root ::= \\\"a\\\"\"}"

# ---- as Anthropic's and ollama's clients ask ----
mine='"model":"bitnet-demo-i2_s","max_tokens":80,"seed":5,"messages":[{"role":"user","content":"Weather?"}]'
# shellcheck disable=SC2016
city='{"name":"get_weather","input_schema":{"type":"object","properties":{"city":{"enum":["Paris","Oslo"]}},"required":["city"],"additionalProperties":false}}'
strict_city=$(printf %s "$city" | sed 's/"name"/"strict":true,"name"/')
post() { # PATH BODY
    code=$(curl -s -m 60 -o "$tmp/reply" -w '%{http_code}' -d "$2" "$url$1")
}
post /v1/messages "{$mine,\"tools\":[$city],\"tool_choice\":{\"type\":\"any\"}}"
ok 'a block of tool_use' grep -qE '"content":\[\{"type":"tool_use","id":"toolu_[^"]+","name":"get_weather","input":\{"city":"(Paris|Oslo)"\}\}\],"stop_reason":"tool_use"' "$tmp/reply"
post /v1/messages "{$mine,\"stream\":true,\"tools\":[$city],\"tool_choice\":{\"type\":\"tool\",\"name\":\"get_weather\"}}"
ok 'in a stream' grep -qE '"type":"input_json_delta","partial_json":"\{\\"city\\": \\"(Paris|Oslo)\\"\}"' "$tmp/reply"
ok 'which says so' grep -q '"stop_reason":"tool_use"' "$tmp/reply"
ok 'and has no other block' sh -c "grep -q '\"type\":\"tool_use\".*\"index\":0\|\"index\":0.*\"type\":\"tool_use\"' '$tmp/reply' && ! grep -q '\"type\":\"text\"' '$tmp/reply'"
post /v1/messages "{\"model\":\"bitnet-demo-i2_s\",\"max_tokens\":4,\"tools\":[$city],\"messages\":[{\"role\":\"user\",\"content\":\"Weather?\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"I look.\"},{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"get_weather\",\"input\":{\"city\":\"Oslo\"}}]},{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"rain\"}]}]}"
equal 'and a result goes back' "$code" 200
post /v1/messages "{$mine,\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}]}"
equal 'tools of theirs are refused' "$code" 400
post /api/chat "{$mine,\"stream\":false,\"format\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"boolean\"}},\"required\":[\"n\"],\"additionalProperties\":false}}"
ok 'a format of ollama' grep -qE '"content":"\{\\"n\\": (true|false)\}"' "$tmp/reply"
post /api/generate '{"model":"bitnet-demo-i2_s","prompt":"a","format":"json","stream":false,"options":{"num_predict":4}}'
ok 'and any JSON' grep -qF '"response":"{' "$tmp/reply"
post /api/chat "{$mine,\"stream\":false,\"tools\":[$now]}"
equal 'tools there' "$code" 200
post /api/chat "{$mine,\"stream\":false,\"tools\":[$weather]}"
equal 'strict there' "$code" 200
post /v1/messages "{$mine,\"tools\":[$strict_city]}"
equal 'and there' "$code" 200

# ---- what is refused ----
refused 'a tool of another type' 'type function' "{$hello,\"tools\":[{\"type\":\"web_search\"}]}"
refused 'a function without a name' 'without a name' "{$hello,\"tools\":[{\"type\":\"function\",\"function\":{}}]}"
refused 'a choice that is not there' "tool_choice: .later. is none of" "{$hello,\"tools\":[$now],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"later\"}}}"
refused 'a choice without tools' 'there are no tools' "{$hello,\"tool_choice\":\"required\"}"
refused 'parameters that are not supported, by the name of the tool' "parameters of x: .*#: keyword 'not'" "{$hello,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"x\",\"parameters\":{\"not\":{}}}}]}"
refused 'two tools of one name' 'two functions of one name' "{$hello,\"tools\":[$now,$now]}"
ask "{$hello,\"tool_choice\":\"required\",\"tools\":[$weather],\"response_format\":{\"type\":\"json_object\"}}" >/dev/null
ok 'what must be called is called, whatever shape a text had' grep -qE "$called" "$tmp/reply"
ask "{$hello,\"tools\":[$now,$weather],\"tool_choice\":{\"type\":\"allowed_tools\",\"allowed_tools\":{\"mode\":\"required\",\"tools\":[{\"function\":{\"name\":\"get_weather\"}},{\"function\":{\"name\":\"get_weather\"}}]}}}" >/dev/null
ok 'one that is allowed twice is one' grep -qE "$called" "$tmp/reply"
for parameters in true '[]' '"x"' '{"type":"integer"}' '{"type":["array","null"]}' 1; do
    refused "parameters that are no object's: $parameters" 'the JSON schema of an object' "{$hello,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"x\",\"parameters\":$parameters}}]}"
done
refused 'a name that calls could not be told by' 'other characters' "{$hello,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a b\"}}]}"
refused 'a strictness that is none' 'strict must be true or false' "{$hello,\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"x\",\"strict\":\"yes\"}}]}"
refused 'a number of calls that is none' 'parallel_tool_calls: must be' "{$hello,\"tools\":[$now],\"parallel_tool_calls\":\"no\"}"
refused 'parameters that no object meets' 'parameters of x: .*no text matches it: nothing can stand at #"' "{$hello,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"x\",\"parameters\":{\"enum\":[\"y\"]}}}]}"
empty='{"type":"function","function":{"name":"x","strict":true,"parameters":{"properties":{"k":{"enum":[1],"minimum":2}},"required":["k"]}}}'
for choice in auto required; do # beside others it would only never be called
    refused "parameters that nothing meets, one tool of two, $choice" 'parameters of x: .*no text matches it: nothing can stand at #' "{$hello,\"tool_choice\":\"$choice\",\"tools\":[$weather,$empty]}"
done
# A tool's name is no word of the choice, and what a const holds is no schema.
for word in auto none required; do
    named="{\"type\":\"function\",\"function\":{\"name\":\"$word\",\"parameters\":{\"type\":\"object\",\"properties\":{\"n\":{\"const\":{\"\$ref\":\"#/x\"}}},\"required\":[\"n\"]}}}"
    ask "{$hello,\"tools\":[$now,$named],\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"$word\"}}}" >/dev/null
    ok "the tool $word is called" grep -qF "\"name\":\"$word\",\"arguments\":\"{\\\"n\\\": {\\\"\$ref\\\": \\\"#/x\\\"}}\"" "$tmp/reply"
    post /v1/messages "{$mine,\"tools\":[{\"name\":\"now\"},{\"name\":\"$word\"}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"$word\"}}"
    ok "Anthropic: the same" grep -q "\"type\":\"tool_use\",\"id\":\"[^\"]*\",\"name\":\"$word\"" "$tmp/reply"
done
post /v1/messages "{$mine,\"tool_choice\":{\"type\":\"any\"}}"
equal 'Anthropic: a call without tools' "$code" 400
post /v1/messages "{$mine,\"tools\":[$city],\"tool_choice\":{\"type\":\"required\"}}"
equal 'Anthropic: a choice of no known type' "$code" 400
for where in /v1/messages /api/chat; do
    post "$where" "{$mine,\"tools\":\"x\"}"
    equal "$where: tools that are no list" "$code" 400
done
refused 'another interface than chats takes no tools' 'another|cannot|null' "{$hello,\"tools\":7}"
post /api/generate "{\"model\":\"bitnet-demo-i2_s\",\"prompt\":\"a\",\"tools\":[$now]}"
equal 'nor does generate' "$code" 400
refused 'a schema is of type json_schema' 'is of type json_schema' "{$hello,\"response_format\":{\"type\":\"json_object\",\"json_schema\":{\"schema\":{}}}}"
# shellcheck disable=SC2016 # $schema is JSON's
draft='"$schema":"http://json-schema.org/draft-07/schema#"'
refused 'the draft that parameters name is kept to' 'parameters of x: .*prefixItems: is not of the draft' "{$hello,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"x\",\"parameters\":{$draft,\"properties\":{\"a\":{\"prefixItems\":[{}]}}}}}]}"
refused 'and is one' 'is another than that of a tool before it' "{$hello,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"x\",\"parameters\":{$draft}}},{\"type\":\"function\",\"function\":{\"name\":\"y\",\"parameters\":{\"\$schema\":\"https://json-schema.org/draft/2020-12/schema\"}}}]}"
refused 'a reference is told as it was written' "parameters of x: .*#/properties/a/.ref: '#/.defs/b': there is no such schema" "{$hello,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"x\",\"parameters\":{\"properties\":{\"a\":{\"\$ref\":\"#/\$defs/b\"}}}}}]}"
refused 'a number of more than 64 bits' 'a number that is too large' "{$hello,\"x\":18446744073709551616}"
# A schema is hashed as Python writes it, its control characters, too.
escape='{"enum":["\u001f\u0000\n\u007f"]}'
ask "{$hello,\"receipt\":true,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":$(printf %s "$escape" | sed 's/1f/1F/;s/.u007f/\x7f/')}}}" >/dev/null
curl -s "$url/v1/receipts/$(sed -nE 's/.*"receipt_id":"([^"]+)".*/\1/p' "$tmp/reply")" >"$tmp/escape.json"
printf %s "$escape" | sed 's/.u007f/\x7f/' >"$tmp/escape.schema"
exits 'so are its control characters' 0 '' "$bitnet" verify "$tmp/escape.json" --json-schema="$tmp/escape.schema"
# A call that is cut is neither a call nor a text.
cut="{$hello,\"max_tokens\":4,\"tools\":[$weather],\"tool_choice\":\"required\""
ask "$cut}" >/dev/null
ok 'half a call is not told as text' grep -qE '"content":"".*"finish_reason":"length"' "$tmp/reply"
ask "$cut,\"stream\":true}" >/dev/null
ask "{$(printf %s "$led" | sed 's/"max_tokens":100/"max_tokens":9/'),\"tools\":[$weather],$yes}" >/dev/null
ok 'nor where the answer could have been of a shape' grep -qE '"content":"".*"finish_reason":"length"' "$tmp/reply"
ask "{$hello,\"stop\":[\"city\"],\"tools\":[$weather],\"tool_choice\":\"required\"}" >/dev/null
ok 'nor one that a stop ends' grep -qE '"content":"".*"finish_reason":"stop"' "$tmp/reply"
ask "$cut,\"stream\":true}" >/dev/null
ok 'nor in a stream' sh -c "grep -q '\"finish_reason\":\"length\"' '$tmp/reply' && ! grep -q 'get_' '$tmp/reply'"
# What must be called is called, also where the type of the parameters, or their members, are not said.
# shellcheck disable=SC2016 # $ref is JSON's
for parameters in '{"properties":{"a":{"type":"integer","maximum":9}},"required":["a"]}' '{"type":"object","properties":{}}' \
    '{"$ref":"#/$defs/a","$defs":{"a":{"properties":{"b":{"type":"boolean"}}}}}' \
    '{"properties":{"n":{"type":"integer","minimum":1e30,"maximum":1e30}},"required":["n"]}' \
    '{"properties":{"n":{"const":"\u0000a"}},"required":["n"]}' '{"type":["object","null"],"properties":{}}'; do
    for seed in 1 2 3; do
        ask "{$hello,\"seed\":$seed,\"max_tokens\":60,\"tool_choice\":\"required\",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"x\",\"parameters\":$parameters}}]}" >/dev/null
        ok "a call with $parameters, seed $seed" grep -q '"finish_reason":"tool_calls"' "$tmp/reply"
    done
done

# ---- a shape in another interface's words is refused, and Anthropic's own is kept ----
refuses() { # PATH BODY FIELD
    post "$1" "$2"
    equal "$1: $3 is not its field" "$code" 400
    ok "$1: and is named" grep -q "$3: this interface" "$tmp/reply"
}
for word in format json_schema guided_json guided_regex guided_choice guided_grammar structured_outputs output_format output_config; do
    refuses /v1/chat/completions "{$hello,\"$word\":{\"type\":\"object\"}}" "$word"
done
for word in response_format format grammar json_schema guided_json; do
    refuses /v1/messages "{$mine,\"$word\":{\"type\":\"json_object\"}}" "$word"
    refuses /v1/responses "{\"input\":\"a\",\"$word\":{\"type\":\"json_object\"}}" "$word"
done
refuses /v1/completions '{"prompt":"a","format":"json"}' format
refuses /api/generate '{"model":"bitnet-demo-i2_s","prompt":"a","response_format":{"type":"json_object"}}' response_format
post /v1/chat/completions "{$hello,\"max_tokens\":2,\"format\":\"\",\"grammar\":null}"
equal 'one that asks for nothing is none' "$code" 200
for where in '"output_config":{"effort":"low","format":FORMAT}' '"output_format":FORMAT'; do
    post /v1/messages "{$mine,$(echo "$where" | sed 's/FORMAT/{"type":"json_schema","schema":{"type":"object","properties":{"n":{"type":"boolean"}},"required":["n"]}}/')}"
    ok "Anthropic's structured output, $where" grep -qE '"text":"\{\\"n\\": (true|false)\}"' "$tmp/reply"
done
post /v1/messages "{$mine,\"output_config\":{\"format\":{\"type\":\"yaml\"}}}"
equal 'but of no other type' "$code" 400
post /v1/messages "{$mine,\"tools\":[$city],\"tool_choice\":\"any\"}"
equal 'a choice that is a word is none of theirs' "$code" 400
post /v1/responses '{"input":"a","text":"json"}'
equal 'a text that is no object is none' "$code" 400
ask "{$hello,\"response_format\":{\"type\":\"json_object\",\"schema\":{\"type\":\"object\",\"properties\":{\"n\":{\"const\":7}},\"required\":[\"n\"]}}}" >/dev/null
ok 'a schema beside json_object is kept' grep -qF '"content":"{\"n\": 7}"' "$tmp/reply"
post /v1/messages "{$mine,\"tool_choice\":{\"type\":\"any\"},\"tools\":[{\"name\":\"x\",\"input_schema\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":1e30,\"maximum\":1e30}},\"required\":[\"n\"]}}]}"
ok 'an integer beyond 64 bits is in what Anthropic is told' grep -q '"input":{"n":1e' "$tmp/reply"

post /api/show "{$mine}"
ok 'ollama is told that tools can be' grep -q '"capabilities":\["completion","tools"\]' "$tmp/reply"
post /api/pull '{}'
ok 'a path that is not there: in the form of its interface' grep -q '^{"error":"there is no /api/pull here"}' "$tmp/reply"
post /v1/messages/batches '{}'
ok 'and in that of Anthropic' grep -q '^{"type":"error"' "$tmp/reply"
stop_server TERM
sed 's/<tool_call>//; s/<.tool_call>//' "$here/tools.jinja" >"$tmp/unmarked.jinja"
start_server --threads 1 --chat-template "$tmp/unmarked.jinja"
refused 'strict, where calls have no mark' 'strict is not possible .* without a mark' "{$hello,\"tools\":[$weather]}"
ask "{$hello,\"tools\":[$weather],\"tool_choice\":\"required\"}" >/dev/null
equal 'but one that must be made is kept to its schema' "$code" 200
post /v1/messages "{$mine,\"tools\":[$strict_city]}"
equal 'Anthropic: the same' "$code" 400
post /api/chat "{$mine,\"stream\":false,\"tools\":[$weather]}"
equal 'ollama: the same' "$code" 400
stop_server TERM
start_server --threads 1 --chat-template raw
refused 'a template without a place for them' 'no place for tools' "{$hello,\"tools\":[$now]}"
post /api/show "{$mine}"
ok 'ollama is told that they cannot' grep -q '"capabilities":\["completion"\]' "$tmp/reply"
refused 'nor one for earlier calls' 'no place for the tool_calls of a message' \
    '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":null,"tool_calls":[{"id":"x","type":"function","function":{"name":"now","arguments":"{}"}}]},{"role":"tool","tool_call_id":"x","content":"42"}]}'
refused 'a shape in words of others' 'guided_json: this interface' "{$hello,\"guided_json\":{}}"
refused 'or of another interface of ours' 'text: this interface' "{$hello,\"text\":{\"format\":{\"type\":\"json_object\"}}}"
stop_server TERM
summary
