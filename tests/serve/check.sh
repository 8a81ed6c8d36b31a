#!/bin/sh
# check.sh BUILD - `bitnet serve` as raw HTTP: what it refuses and how, misuse of every kind, places that come
# back when a client goes away, a line that is full, and how it goes down. What real clients do is clients.mjs.
set -u
build=$1
bitnet=$build/bitnet
here=${0%/*}
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/serve/lib.sh
. "$here/lib.sh"

exits 'a host that is none' 2 'no.such.host.invalid' "$bitnet" serve --host no.such.host.invalid
exits 'a file of keys that is not there' 3 'nothing/keys' "$bitnet" serve --api-key-file nothing/keys
: >"$tmp/empty"
exits 'a file of keys without one' 2 'no key' "$bitnet" serve --api-key-file "$tmp/empty"

start_server --parallel 2 --queue 2 --threads 1
ok 'it says where it is' test -n "$port"
ask() { # PATH BODY [CURL ARGUMENTS]: the reply, and its status in $code
    path=$1 body=$2
    shift 2
    code=$(curl -s -m 60 -o "$tmp/reply" -w '%{http_code}' "$@" -d "$body" "$url$path")
    cat "$tmp/reply"
}
status() { # CURL ARGUMENTS...
    curl -s -m 60 -o "$tmp/reply" -w '%{http_code}' "$@"
}
refused() { # NAME STATUS PATTERN PATH BODY
    ask "$4" "$5" >/dev/null
    equal "$1" "$code" "$2"
    ok "$1: says why" grep -qE -- "$3" "$tmp/reply"
}
chat=/v1/chat/completions text=/v1/completions
hello='"messages":[{"role":"user","content":"Hello"}]'

# ---- answers with a shape ----
shape='"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"object","properties":{"n":{"type":"integer","minimum":0,"maximum":99},"ok":{"type":"boolean"}},"required":["n","ok"],"additionalProperties":false}}}'
has_shape() { grep -qE '"content":"\{\\"n\\": [0-9]{1,2}, \\"ok\\": (true|false)\}"' "$tmp/reply"; }
for seed in 1 2 3; do
    ask $chat "{$hello,$shape,\"seed\":$seed,\"max_tokens\":60}" >"$tmp/shaped.$seed"
    ok "an answer by a schema, seed $seed" has_shape
done
(ask $chat "{$hello,\"seed\":7,\"n\":2,\"max_tokens\":60}" >/dev/null) &
ask $chat "{$hello,$shape,\"seed\":3,\"max_tokens\":60}" >/dev/null
wait $!
content() { sed -E 's/.*"content":"([^}]*\}).*/\1/' "$1"; }
ask $chat "{$hello,$shape,\"seed\":3,\"max_tokens\":60}" >"$tmp/again"
equal 'the same in company and again' "$(content "$tmp/again")" "$(content "$tmp/shaped.3")"
ask $text '{"prompt":"a","grammar":"root ::= \"yes\" | \"no\"","seed":4}' >/dev/null
ok 'by a grammar' grep -qE '"text":"(yes|no)"' "$tmp/reply"
ask $text '{"prompt":"a","response_format":{"type":"json_object"},"seed":4,"max_tokens":3}' >/dev/null
ok 'a cut one says so' grep -q '"finish_reason":"length"' "$tmp/reply"
ask $chat "{$hello,$shape,\"seed\":3,\"stream\":true}" >/dev/null
equal 'a stream of it' "$(sed -nE 's/.*"delta":\{"content":"((\\.|[^"\\])*)"\}.*/\1/p' "$tmp/reply" | tr -d '\n')" "$(sed -E 's/.*"content":"((\\.|[^"\\])*)".*/\1/' "$tmp/again")"

# ---- what it refuses, by name ----
refused 'no JSON' 400 'not JSON: line 1' $chat '{"messages":'
refused 'no object' 400 'no object' $chat '[]'
refused 'an empty body' 400 'not JSON' $chat ''
refused 'no messages' 400 '"param":"messages"' $chat '{}'
refused 'messages that are none' 400 'messages: must be a list' $chat '{"messages":1}'
refused 'a message without a role' 400 'without a role' $chat '{"messages":[1]}'
refused 'a role that is none' 400 "role 'judge'" $chat '{"messages":[{"role":"judge","content":"x"}]}'
refused 'an answer at the end' 400 'one to answer' $chat '{"messages":[{"role":"assistant","content":"x"}]}'
refused 'a picture' 400 'type text only' $chat '{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}'
refused 'tools' 400 '"param":"tools"' $chat "{$hello,\"tools\":[{}]}"
refused 'a format' 400 '"param":"response_format"' $chat "{$hello,\"response_format\":{\"type\":\"xml\"}}"
refused 'a schema with what is not supported' 400 "schema, #/properties/a: keyword 'not'" $chat "{$hello,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"properties\":{\"a\":{\"not\":{}}}}}}}"
refused 'a grammar' 400 'grammar, line 1: ::= was expected' $text '{"prompt":"a","grammar":"root"}'
refused 'two shapes' 400 'has a shape already' $text '{"prompt":"a","grammar":"root ::= [a]","response_format":{"type":"json_object"}}'
refused 'a temperature' 400 'temperature: must be a number from 0' $chat "{$hello,\"temperature\":-1}"
refused 'a temperature that is text' 400 '"param":"temperature"' $chat "{$hello,\"temperature\":\"hot\"}"
refused 'a seed' 400 '"param":"seed"' $chat "{$hello,\"seed\":-1}"
refused 'n' 400 '"param":"n"' $chat "{$hello,\"n\":1000}"
refused 'a stop' 400 '"param":"stop"' $chat "{$hello,\"stop\":[1]}"
refused 'another model' 404 '"param":"model"' $chat "{$hello,\"model\":\"gpt-4\"}"
refused 'no prompt' 400 '"param":"prompt"' $text '{}'
refused 'a prompt of none' 400 'prompt' $text '{"prompt":[]}'
refused 'mixed prompts' 400 'prompt' $text '{"prompt":["a",1]}'
refused 'an id beyond the vocabulary' 400 'not in the vocabulary' $text '{"prompt":[1,99999999]}'
refused 'an id that is none' 400 'not in the vocabulary' $text '{"prompt":[1,"x"]}'
refused 'a prompt without tokens' 400 'empty' $text '{"prompt":[[]]}'
refused 'a suffix' 400 '"param":"suffix"' $text '{"prompt":"a","suffix":"b"}'
long=$(awk 'BEGIN { for (i = 0; i < 3000; i++) printf "word " }')
refused 'a prompt beyond the context' 400 'tokens, and the context' $text "{\"prompt\":\"$long\"}"
refused 'a path' 404 'no /v1/nothing' /v1/nothing '{}'
equal 'a method' "$(status -X PUT "$url$chat")" 405
ok 'says which' grep -q 'takes POST' "$tmp/reply"
equal 'a model that is not there' "$(status "$url/v1/models/other")" 404
equal 'the model' "$(status "$url/v1/models/$(sed -nE 's/.*"model":"([^"]*)".*/\1/p' "$tmp/address")")" 200
equal 'health' "$(status "$url/health")" 200
equal 'HEAD' "$(status -I "$url/health")" 200

# ---- what asks for nothing is no error, nor is what nobody knows ----
ask $chat "{$hello,\"max_tokens\":1,\"tools\":[],\"tool_choice\":\"none\",\"response_format\":{\"type\":\"text\"},\"logit_bias\":{},\"presence_penalty\":0,\"user\":\"me\",\"new\":{\"x\":1},\"stop\":null}" >/dev/null
equal 'nothing is asked for' "$code" 200

# ---- the same wherever it is asked ----
said() { sed -nE 's/.*"(content|text)":"(([^"\\]|\\.)*)".*/\2/p' "$tmp/reply"; }
ask $text '{"prompt":"The king said","max_tokens":24,"temperature":0}' >/dev/null
equal 'greedy is what run says' "$(said)" "$("$bitnet" -p 'The king said' -n 24 --json | sed -nE 's/.*"text":"(([^"\\]|\\.)*)".*/\1/p')"
ask $text '{"prompt":"The king said","max_tokens":24,"temperature":0.7,"top_k":40,"seed":7}' >/dev/null
equal 'sampled, too' "$(said)" "$("$bitnet" -p 'The king said' -n 24 --json --temp 0.7 --top-k 40 --seed 7 | sed -nE 's/.*"text":"(([^"\\]|\\.)*)".*/\1/p')"
ask $chat "{$hello,\"max_tokens\":12,\"seed\":5}" >/dev/null
equal 'a conversation is what chat says' "$(said)" "$("$bitnet" chat -p Hello -n 12 --json --temp 1 --seed 5 | sed -nE 's/.*"text":"(([^"\\]|\\.)*)".*/\1/p')"

# ---- scores are those of perplexity, bit for bit ----
printf 'The king said to him that he would go to the house.' >"$tmp/text"
nats=$("$bitnet" perplexity -f "$tmp/text" --json 2>/dev/null | sed -nE 's/.*"nats":([0-9.e+-]+).*/\1/p')
ask $text "{\"prompt\":[$("$bitnet" tokenize --ids "$(cat "$tmp/text")" | tr ' ' ',')],\"max_tokens\":0,\"echo\":true,\"logprobs\":1}" >/dev/null
equal 'the sum of all scores' "$(node -e '
    const reply = JSON.parse(require("fs").readFileSync(process.argv[1]));
    let nats = 0;
    for (const p of reply.choices[0].logprobs.token_logprobs.slice(1)) nats -= p;
    console.log(nats === Number(process.argv[2]) ? "equal" : nats + " " + process.argv[2]);
' "$tmp/reply" "$nats")" equal

# ---- receipts ----
field() { sed -nE "s/.*\"$1\":(\"[^\"]*\"|[^,}]*).*/\1/p" "$tmp/reply" | tr -d '"'; }
proven() { # NAME PATH BODY: has a receipt that verifies here and by the command
    ask "$2" "$3" -D "$tmp/headers" >/dev/null
    id=$(sed -nE 's/.*"receipt_id":"([^"]*)".*/\1/p' "$tmp/reply" | tail -1)
    ok "$1: the header names the receipt" grep -qi "^x-bitnet-receipt: $id" "$tmp/headers"
    equal "$1: it is there" "$(status "$url/v1/receipts/$id")" 200
    cp "$tmp/reply" "$tmp/receipt.json"
    exits "$1: bitnet verify" 0 '' "$bitnet" verify "$tmp/receipt.json"
    ask /v1/verify "{\"receipt_id\":\"$id\"}" >/dev/null
    equal "$1: verified here" "$(field verified)" true
}
proven 'a text' $text '{"prompt":"The king said","max_tokens":12,"seed":4,"receipt":true}'
proven 'ids' $text '{"prompt":[1,2,3,4],"max_tokens":12,"temperature":0,"receipt":true}'
proven 'a conversation' $chat "{$hello,\"max_tokens\":12,\"seed\":4,\"top_p\":0.9,\"stop\":[\"xyz\"],\"logprobs\":true,\"top_logprobs\":2,\"logit_bias\":{\"5\":1.5},\"receipt\":true}"
proven 'a stream' $chat "{$hello,\"max_tokens\":12,\"stream\":true,\"receipt\":true}"
sed -E 's/"ids":\[([0-9]+),/"ids":[7,/2' "$tmp/receipt.json" >"$tmp/forged.json"
ask /v1/verify "{\"receipt\":$(cat "$tmp/forged.json")}" >/dev/null
equal 'a forged one' "$(field verified)" false

# ---- receipts of answers with a shape ----
schema=$(printf %s "$shape" | sed -E 's/.*"schema":(.*)\}\}$/\1/')
verified() { # NAME BODY [false]
    ask /v1/verify "$2" >/dev/null
    equal "$1" "$(field verified)" "${3:-true}"
}
receipt_of() { # PATH BODY: $id and its text in $receipt
    ask "$1" "$2" >/dev/null
    id=$(sed -nE 's/.*"receipt_id":"([^"]*)".*/\1/p' "$tmp/reply")
    receipt=$(curl -s "$url/v1/receipts/$id")
}
quoted() { printf %s "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'; }
shaped_receipts() { # the ids of two in $ids
    receipt_of $chat "{$hello,$shape,\"seed\":3,\"max_tokens\":60,\"receipt\":true}"
    verified 'by a schema that it remembers' "{\"receipt_id\":\"$id\"}"
    verified 'by one that is given' "{\"receipt\":$receipt,\"json_schema\":$schema}"
    verified 'as a text' "{\"receipt\":$receipt,\"json_schema\":\"$(quoted "$schema")\"}"
    verified 'by one that differs in a space' "{\"receipt_id\":\"$id\",\"json_schema\":\" $(quoted "$schema")\"}" false
    ok 'says so' grep -q 'made with another json-schema' "$tmp/reply"
    verified 'by a grammar' "{\"receipt_id\":\"$id\",\"grammar\":\"root ::= [a]\"}" false
    refused 'by no schema' 400 "keyword 'not'" /v1/verify "{\"receipt_id\":\"$id\",\"json_schema\":{\"not\":{}}}"
    refused 'by a schema over a limit' 400 'too many' /v1/verify "{\"receipt_id\":\"$id\",\"json_schema\":{\"pattern\":\"(a|b)*a(a|b){20}\$\",\"maxLength\":99}}"
    refused 'by two shapes' 400 'one shape' /v1/verify "{\"receipt_id\":\"$id\",\"json_schema\":{},\"grammar\":\"\"}"
    printf %s "$receipt" | sed -E 's/"ids":\[([0-9]+),/"ids":[7,/2' >"$tmp/forged.json"
    verified 'a forged one' "{\"receipt\":$(cat "$tmp/forged.json"),\"json_schema\":$schema}" false
    ids=$id
    receipt_of $text '{"prompt":"a","grammar":"root ::= \"yes\" | \"no\"\n","seed":4,"receipt":true}'
    verified 'by a grammar that it remembers' "{\"receipt_id\":\"$id\"}"
    verified 'by a grammar that is given' "{\"receipt_id\":\"$id\",\"grammar\":\"root ::= \\\"yes\\\" | \\\"no\\\"\\n\"}"
    refused 'a grammar that is no text' 400 'must be a string' /v1/verify "{\"receipt_id\":\"$id\",\"grammar\":{}}"
    ids="$ids $id"
    receipt_of $text '{"prompt":"a","response_format":{"type":"json_object"},"seed":4,"max_tokens":9,"receipt":true}'
    verified 'any object' "{\"receipt_id\":\"$id\"}"
    receipt_of $text '{"prompt":"a","max_tokens":3,"receipt":true}'
    refused 'a schema for a text without' 400 'made without a schema' /v1/verify "{\"receipt_id\":\"$id\",\"json_schema\":{}}"
}
shaped_receipts
refused 'a receipt that is none' 400 'receipt' /v1/verify '{"receipt":{}}'
refused 'no receipt' 400 'one of them is needed' /v1/verify '{}'
refused 'an unknown receipt' 404 'no receipt' /v1/verify '{"receipt_id":"rcpt_00000000000000000000000000000000"}'
equal 'a path is no id' "$(status --path-as-is "$url/v1/receipts/../../../../etc/passwd")" 404

ask /v1/embeddings '{"input":"The king said"}' >/dev/null
equal 'a vector is what embed says' "$(grep -o '"embedding":\[[^]]*\]' "$tmp/reply")" \
    "$("$bitnet" embed -p 'The king said' --json --normalize | grep -o '"embedding":\[[^]]*\]')"

# ---- pages of other origins, and names that lead here ----
equal 'another origin' "$(status -H 'Origin: http://evil.example' "$url/v1/models")" 403
equal 'its own' "$(status -H "Origin: $url" "$url/v1/models")" 200
equal 'another name' "$(status -H 'Host: evil.example' "$url/v1/models")" 403
equal 'localhost' "$(status -H "Host: localhost:$port" "$url/v1/models")" 200

# ---- bodies ----
head -c 17000000 /dev/zero | tr '\0' ' ' >"$tmp/large"
equal 'too large' "$(status --data-binary "@$tmp/large" "$url$chat")" 413
ok 'says so in JSON' grep -q '"message":"the body is too large"' "$tmp/reply"
equal 'too large in chunks' "$(status -H 'Transfer-Encoding: chunked' --data-binary "@$tmp/large" "$url$chat")" 413
deep=$(awk 'BEGIN { for (i = 0; i < 100000; i++) printf "[" }')
printf '%s' "$deep" >"$tmp/deep"
equal 'too deep' "$(status --data-binary "@$tmp/deep" "$url$chat")" 400
printf '{"prompt":"\377\376"}' >"$tmp/latin"
equal 'no UTF-8' "$(status --data-binary "@$tmp/latin" "$url$text")" 400

# ---- sockets: node does to them what no client should ----
node "$here/misuse.mjs" "$url" >"$tmp/misuse" 2>&1
count_results '' "$tmp/misuse"
ok 'all misuse was tried' grep -q 'the end' "$tmp/misuse"
equal 'and it is still there' "$(status "$url/health")" 200

# ---- going down ----
rm -f "$tmp/stream"
curl -s -N "$url$text" -d '{"prompt":"a","max_tokens":500,"n":4,"ignore_eos":true,"stream":true}' >"$tmp/stream" &
stream=$!
for _ in $(seq 500); do [ -s "$tmp/stream" ] && break; sleep 0.02; done
stop_server TERM
equal 'SIGTERM: exit status' $? 0
wait $stream
ok 'what ran came to its end' grep -q 'data: \[DONE\]' "$tmp/stream"
start_server --threads 1 --drain 0
rm -f "$tmp/stream"
curl -s -N "$url$text" -d '{"prompt":"a","max_tokens":500,"n":16,"ignore_eos":true,"stream":true}' >"$tmp/stream" &
stream=$!
for _ in $(seq 500); do [ -s "$tmp/stream" ] && break; sleep 0.02; done
stop_server TERM
equal 'no time to drain: exit status' $? 0
wait $stream
ok 'the stream says so' grep -q 'going down' "$tmp/stream"

# ---- receipts outlive the server ----
mkdir "$tmp/kept"
start_server --threads 1 --receipts "$tmp/kept"
ask $text '{"prompt":"The king said","max_tokens":12,"receipt":true}' >/dev/null
stop_server KILL 2>/dev/null
killed=$(sed -nE 's/.*"receipt_id":"([^"]*)".*/\1/p' "$tmp/reply")
start_server --threads 1 --receipts "$tmp/kept"
shaped_receipts
stop_server TERM
start_server --threads 1 --receipts "$tmp/kept"
for shaped in $ids; do
    refused 'a new server does not remember' 400 'is needed, which this server does not remember' /v1/verify "{\"receipt_id\":\"$shaped\"}"
done
verified 'and is told' "{\"receipt_id\":\"${ids% *}\",\"json_schema\":$schema}"
equal 'after kill -9' "$(status "$url/v1/receipts/$killed")" 200
exits 'it verifies' 0 '' "$bitnet" verify "$tmp/kept/$killed.json"
stop_server TERM
exits 'a folder that is none' 3 'nothing/here' "$bitnet" serve --receipts nothing/here

# ---- and are signed ----
openssl genpkey -algorithm ed25519 -out "$tmp/key.pem" 2>/dev/null
openssl pkey -in "$tmp/key.pem" -pubout -out "$tmp/key.pub"
start_server --threads 1 --sign "$tmp/key.pem"
ask $text '{"prompt":"The king said","max_tokens":12,"receipt":true}' >/dev/null
curl -s "$url/v1/receipts/$(sed -nE 's/.*"receipt_id":"([^"]*)".*/\1/p' "$tmp/reply")" >"$tmp/signed.json"
exits 'a signed receipt' 0 '' "$bitnet" verify --signer="$tmp/key.pub" "$tmp/signed.json"
openssl genpkey -algorithm ed25519 2>/dev/null | openssl pkey -pubout -out "$tmp/other.pub"
exits 'by another key it is not' 10 '' "$bitnet" verify --fast --signer="$tmp/other.pub" "$tmp/signed.json"
stop_server TERM

# ---- a prompt that ends where the context does: an answer, or a refusal, and never the end of the server ----
most=$("$bitnet" inspect --json "$here/../../models/bitnet-demo-i2_s.gguf" | sed -nE 's/.*"bitnet-b1.58.context_length":([0-9]+).*/\1/p')
exits 'a context that the model was not made for' 8 "a context of $((most + 1)) tokens; the model was made for $most" \
    timeout 60 "$bitnet" serve -c $((most + 1))
start_server --threads 1 -c 64
for n in 1 62 63 64 65 128 200000; do
    wanted=200
    [ "$n" -le 64 ] || wanted=400
    ids=$(yes 100 | head -n "$n" | paste -sd, -)
    for more in '"max_tokens":1' '"max_tokens":100000,"ignore_eos":true' '"max_tokens":100000,"ignore_eos":true,"stream":true,"n":2' '"max_tokens":0,"echo":true,"logprobs":1'; do
        printf '{"prompt":[%s],"seed":1,%s}' "$ids" "$more" >"$tmp/body"
        equal "$n tokens in a context of 64, $more" "$(status --data-binary "@$tmp/body" "$url$text")" $wanted
    done
done
equal 'and it is still there' "$(status "$url/health")" 200
stop_server TERM
equal 'to the end' $? 0

# ---- other names: every interface takes and lists them, and no other ----
start_server --threads 1 --alias gpt-4o-mini --alias llama3.2:3b
own=$(sed -nE 's/.*"model":"([^"]*)".*/\1/p' "$tmp/address")
called() { # MODEL STATUS...: the member, with a comma, and what a request may get from each path that has a model in it
    model=$1
    shift
    for to in "$chat $hello" "$text \"prompt\":\"a\"" "/v1/responses \"input\":\"a\"" "/v1/embeddings \"input\":\"a\"" \
        "/v1/messages $hello" "/v1/messages/count_tokens $hello" "/api/chat $hello,\"stream\":false" \
        "/api/generate \"prompt\":\"a\",\"stream\":false" "/api/embed \"input\":\"a\"" '/api/show "verbose":false'; do
        limit='"max_tokens":1,"max_output_tokens":1,"options":{"num_predict":1}'
        ask "${to%% *}" "{$model$limit,${to#* }}" >/dev/null
        ok "${to%% *} with '$model': $code" expr " $* " : ".* $code "
    done
}
for name in "$own" gpt-4o-mini llama3.2:3b gpt-4o-mini:latest; do called "\"model\":\"$name\"," 200; done
for name in gpt-4o-min gpt-4o-mini2 llama3.2 ''; do called "\"model\":\"$name\"," 404; done
ok 'who is refused is told how' grep -q 'alias gives it other names' "$tmp/reply"
for model in '' '"model":null,'; do called "$model" 200 400; done # some interfaces must have one
for model in '"model":7,' '"model":["a"],' '"model":{},'; do called "$model" 404 400; done
equal 'the reply has its own' "$(ask $text '{"model":"gpt-4o-mini","prompt":"a","max_tokens":1}' | grep -o '"model":"[^"]*"')" "\"model\":\"$own\""
equal 'all are listed' "$(curl -s "$url/v1/models" | grep -o '"id":"[^"]*"' | tr '\n' ' ')" "\"id\":\"$own\" \"id\":\"gpt-4o-mini\" \"id\":\"llama3.2:3b\" "
equal "to ollama's clients, too" "$(curl -s "$url/api/tags" | grep -o '"name":"[^"]*"' | tr '\n' ' ')" "\"name\":\"$own:latest\" \"name\":\"gpt-4o-mini:latest\" \"name\":\"llama3.2:3b\" "
equal 'and each is found' "$(status "$url/v1/models/llama3.2:3b")" 200
stop_server TERM
exits 'a name with a blank' 2 "alias: 'a b' is not a value" "$bitnet" serve --alias 'a b'
# shellcheck disable=SC2046 # words
exits 'too many names' 2 'alias: more than 16 of them' "$bitnet" serve $(seq -f '--alias=a%g' 17)

# ---- one port, one server ----
alone() { # HOST ADDRESS: a second server is refused where one is, and one after it is not
    start_server --threads 1 --host "$1"
    exits "a second server at $1" 3 "cannot listen at $1, port $port: Address already in use" \
        timeout 60 "$bitnet" serve --threads 1 --host "$1" --port "$port"
    equal "the first at $1 goes on" "$(status "http://$2:$port/health")" 200
    status -H 'Connection: close' "http://$2:$port/health" >/dev/null # so the server's end of it stays
    stop_server TERM
    ok "its connections stay a while, at $1" \
        grep -qE "^ *[0-9]+: [0-9A-F]+:$(printf %04X "$port") [0-9A-F:]+ 06 " /proc/net/tcp /proc/net/tcp6
    start_server --threads 1 --host "$1" --port "$port"
    equal "beside them it starts again, at $1" "$(status "http://$2:$port/health")" 200
    stop_server TERM
}
alone 127.0.0.1 127.0.0.1
alone localhost localhost
if grep -q ' lo$' /proc/net/if_inet6 2>/dev/null; then alone ::1 '[::1]'; else echo 'No IPv6 here: not tried.'; fi
exits 'an address of another machine' 3 'cannot listen at 192.0.2.1, port 8080: Cannot assign' "$bitnet" serve --host 192.0.2.1

# ---- keys ----
printf '# ours\nsesame\nother\n' >"$tmp/keys"
start_server --api-key-file "$tmp/keys" --threads 1 --cors https://page.example
equal 'no key' "$(status "$url/v1/models")" 401
equal 'a wrong key' "$(status -H 'Authorization: Bearer sesam' "$url/v1/models")" 401
equal 'a key' "$(status -H 'Authorization: Bearer other' "$url/v1/models")" 200
equal "a key as Anthropic's clients send it" "$(status -H 'x-api-key: sesame' "$url/v1/models")" 200
equal 'a comment is no key' "$(status -H 'Authorization: Bearer # ours' "$url/v1/models")" 401
equal 'health needs none' "$(status "$url/health")" 200
equal 'the origin that is let in' "$(status -H 'Origin: https://page.example' -H 'x-api-key: sesame' "$url/v1/models")" 200
equal 'is asked first' "$(status -X OPTIONS -H 'Origin: https://page.example' "$url/v1/models")" 204
equal 'another is not' "$(status -H 'Origin: https://other.example' -H 'x-api-key: sesame' "$url/v1/models")" 403
stop_server INT
equal 'SIGINT: exit status' $? 0
server=
summary
