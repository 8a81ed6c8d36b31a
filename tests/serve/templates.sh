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
summary
