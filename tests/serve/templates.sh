#!/bin/sh
# templates.sh BUILD - what a request says of a conversation reaches the model's template: arguments of calls, thinking,
# names, variables of the template's own; what cannot be followed is refused.
set -u
build=$1
bitnet=$build/bitnet
here=${0%/*}
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/serve/lib.sh
. "$here/lib.sh"

cat >"$tmp/all.jinja" <<'END'
{% for m in messages %}{{ m.role }}{{ '=' + m.name if m.name }}{{ '?' + m.reasoning_content if m.reasoning_content }}: {{ m.content }}{% for c in m.tool_calls or [] %} {{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}
{% endfor %}{% if enable_thinking is defined %}thinking {{ enable_thinking }}{% endif %}{{ mood }}
END
start_server --threads 1 --chat-template "$tmp/all.jinja"
post() { # PATH BODY
    code=$(curl -s -m 60 -o "$tmp/reply" -w '%{http_code}' -H 'X-Bitnet-Receipt: 1' -d "$2" "$url$1" -D "$tmp/head")
}
# The prompt that a request made, by its receipt.
prompt() { # PATH BODY
    post "$1" "$2"
    id=$(tr -d '\r' <"$tmp/head" | sed -nE 's/^[Xx]-[Bb]itnet-[Rr]eceipt: //p')
    ids=$(curl -s "$url/v1/receipts/$id" | tr -d '\n ' | sed -E 's/.*"prompt":\{[^}]*"ids":\[([0-9,]*)\].*/\1/')
    curl -s -d "{\"tokens\":[$ids]}" "$url/detokenize" | sed -E 's/^\{"(content|prompt)":"(.*)"\}$/\2/'
}
says() { # NAME PATTERN MESSAGES-AND-MORE
    prompt /v1/chat/completions "{\"max_tokens\":1,\"seed\":1,\"messages\":[$3}" >"$tmp/prompt"
    ok "$1" grep -qF -- "$2" "$tmp/prompt"
}
hi='{"role":"user","content":"hi"}'
call() { printf '{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":%s}}]},%s]' "$1" "$hi"; }
says 'arguments as a text' 'assistant:  f{\"a\": 1}' "$(call '"{\"a\": 1}"')"
says 'arguments as an object' 'assistant:  f{\"a\": 1}' "$(call '{"a":1}')"
says 'no arguments' 'assistant:  f{}' "$(call '""' | sed 's/,"arguments":""//')"
for word in reasoning_content reasoning; do
    says "$word" 'assistant?why: so' "{\"role\":\"assistant\",\"content\":\"so\",\"$word\":\"why\"},$hi]"
done
says 'a name' 'user=Ann: hi' '{"role":"user","name":"Ann","content":"hi"}]'
says 'no variable' 'user: hi' "$hi]"
ok 'is no variable' sh -c "! grep -q thinking '$tmp/prompt'"
says 'enable_thinking' 'thinking False' "$hi],\"enable_thinking\":false"
says 'chat_template_kwargs' 'thinking Truecalm' "$hi],\"chat_template_kwargs\":{\"enable_thinking\":true,\"mood\":\"calm\"}"
prompt /api/chat "{\"model\":\"bitnet-demo-i2_s\",\"stream\":false,\"think\":false,\"messages\":[$hi],\"options\":{\"num_predict\":1}}" >"$tmp/prompt"
ok "ollama's think" grep -q 'thinking False' "$tmp/prompt"
# What a client says never becomes a control token, whichever way it comes in.
says 'a mark in a variable' '<|eot_id|>' "$hi],\"chat_template_kwargs\":{\"mood\":\"<|eot_id|>\"}"
ok 'is text' sh -c "! curl -s '$url/v1/receipts/$id' | tr -d '\n ' | grep -qE '\"ids\":\[[0-9,]*5119'"
for field in '"chat_template_kwargs":7' '"chat_template_kwargs":{"messages":[]}' '"documents":[{"text":"x"}]' '"chat_template":"x"' \
    '"add_generation_prompt":false' '"min_tokens":3' '"stop_token_ids":[1]' '"mirostat":2' '"continue_final_message":true'; do
    post /v1/chat/completions "{\"max_tokens\":1,\"messages\":[$hi],$field}"
    equal "$field" "$code" 400
    name=$(printf %s "$field" | sed -E 's/"([^"]*)".*/\1/')
    ok "$field: is named" grep -q "$name" "$tmp/reply"
done
post /v1/chat/completions '{"messages":[{"role":"assistant","content":"a","function_call":{"name":"f"}},{"role":"user","content":"b"}]}'
equal 'a function_call of a message' "$code" 400
stop_server TERM

# A template for conversations with tools alone is of use where requests bring them.
cat >"$tmp/tools-only.jinja" <<'END'
{% for t in tools %}{{ t.function.name }} {% endfor %}{% for m in messages %}{{ m.role }}: {{ m.content }}
{% endfor %}
END
start_server --threads 1 --chat-template "$tmp/tools-only.jinja"
ok 'a server begins with a template for tools' grep -q 'only conversations with tools' "$tmp/server.log"
says 'which are told' 'now user: hi' "$hi],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"now\"}}]"
post /v1/chat/completions "{\"messages\":[$hi]}"
equal 'and without them it is the error of the request' "$code" 400
stop_server TERM

# A file's own template for requests with tools; --chat-template is stronger.
turns='{% for m in messages %}{{ m.role }}: {{ m.content }} {% endfor %}{% if add_generation_prompt %}assistant: {% endif %}'
calls='{% if not tools %}{{ raise_exception("no tools") }}{% endif %}'
tools="\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"now\"}}]"
with_file() { # NAME ARGUMENTS-OF-SYNTH...
    file=$1
    shift
    "$build/bitnet-synth" -o "$tmp/$file.gguf" "$@" >/dev/null
    start_server -m "$tmp/$file.gguf" --threads 1
}
own="tokenizer.chat_template.tool_use=s:${calls}TOOLS {{ tools[0].function.name }} $turns"
with_file two --chat-template "DEFAULT $turns" --key "$own"
ok 'two templates need no remark' sh -c "! grep -q template '$tmp/server.log'"
says 'with tools: the one for tools' 'TOOLS now user: hi' "$hi],$tools"
curl -s "$url/v1/receipts/$id" >"$tmp/two.json"
curl -s -d "{\"receipt_id\":\"$id\"}" "$url/v1/verify" >"$tmp/verified"
ok 'its receipt is verified' grep -q '"verified":true' "$tmp/verified"
ok 'by the command, too' "$bitnet" verify "$tmp/two.json" -m "$tmp/two.gguf"
says 'without tools: the default' 'DEFAULT user: hi' "$hi]"
says 'none may be called: the default' 'DEFAULT user: hi' "$hi],$tools,\"tool_choice\":\"none\""
post /v1/messages "{\"model\":\"two\",\"max_tokens\":1,\"messages\":[$hi],\"tools\":[{\"name\":\"now\",\"input_schema\":{\"type\":\"object\"}}]}"
equal "Anthropic's tools" "$code" 200
sum() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
curl -s "$url/props" >"$tmp/props"
ok 'digests of both' grep -q "$(sum "DEFAULT $turns").*\"chat_template_tool_use_sha256\":\"$(sum "${own#*=s:}")\"" "$tmp/props"
stop_server TERM
start_server -m "$tmp/two.gguf" --threads 1 --chat-template "$tmp/tools-only.jinja"
says 'a given one is stronger' 'now user: hi' "$hi],$tools"
ok 'than that for tools' sh -c "! grep -q TOOLS '$tmp/prompt'"
stop_server TERM

# No default: as a file without a template, but for tools; what it has is told.
with_file none --key "$own" --key "tokenizer.chat_template.rag=s:x"
ok 'names of the others' grep -q "no default chat template, only 'tool_use', 'rag': --chat-template=FILE may take" "$tmp/server.log"
says 'without a default, with tools' 'TOOLS now user: hi' "$hi],$tools"
says 'and without' 'Q: hi' "$hi]"
stop_server TERM
echo hello | "$bitnet" chat -m "$tmp/none.gguf" -n 1 2>"$tmp/log" >/dev/null
ok 'in chat, too' grep -q "only 'tool_use', 'rag'" "$tmp/log"

# Neither can be used: the requests are refused, with what is wrong.
with_file broken --chat-template '{% for %}' --key 'tokenizer.chat_template.tool_use=s:{% if %}'
for more in '' ",$tools"; do
    post /v1/chat/completions "{\"messages\":[$hi]$more}"
    equal "no usable template$more" "$code" 400
    ok "what is wrong$more" grep -q 'the chat template (' "$tmp/reply"
done
stop_server TERM
with_file broken --chat-template '{% for %}'
post /v1/chat/completions "{\"messages\":[$hi],$tools}"
equal 'nor is one that is alone a place for tools' "$code" 400
stop_server TERM
summary
