#!/bin/sh
# shape.sh BUILD - texts with a shape, from outside: schemas and grammars, what is refused, receipts that name them, and
# that backends, threads and drafts change no byte.
set -u
build=${1:?the build folder}
here=$(dirname "$0")
# shellcheck source=tests/lib.sh
. "$here/lib.sh"
bitnet=$build/bitnet
unset BITNET_BACKEND BITNET_SEED BITNET_THREADS BITNET_PLUGIN_DIR BITNET_DETERMINISTIC
model=$tmp/tiny.gguf
"$build/bitnet-synth" --like tiny -o "$model" >/dev/null 2>&1 || exit 1
schema='{"type":"object","properties":{"id":{"type":"integer","minimum":1,"maximum":99},"name":{"type":"string","maxLength":8}},"required":["id","name"],"additionalProperties":false}'
printf '%s' "$schema" >"$tmp/schema.json"
printf 'root ::= "yes" | "no" | "it depends on " [a-z]{3,5} "."\n' >"$tmp/answer.gbnf"
run() { "$bitnet" -m "$model" -n 120 "$@" 2>"$tmp/stderr"; }
is_object() { printf '%s' "$1" | grep -qE '^\{"id": [1-9][0-9]?, "name": ".*"\}$'; }

# ---- what comes out ----
for how in '' '--temp 1 --seed 2' '--temp 2 --top-k 20 --seed 3' '--temp 0.7 --repeat-penalty 1.3 --seed 4'; do
    # shellcheck disable=SC2086 # options
    text=$(run -p abc --json-schema="$schema" $how)
    ok "JSON by a schema: $how" is_object "$text"
    # shellcheck disable=SC2086
    equal "the same from a file: $how" "$(run -p abc --json-schema="$tmp/schema.json" $how)" "$text"
    # shellcheck disable=SC2086
    equal "the same on ref-scalar, without drafts, by two threads: $how" \
        "$(run -p abc --json-schema="$schema" $how --backend=ref-scalar --draft=off -t 2 -b 3)" "$text"
    # shellcheck disable=SC2086
    ok "a grammar: $how" sh -c "printf %s '$(run -p abc --grammar="$tmp/answer.gbnf" $how)' | grep -qE '^(yes|no|it depends on [a-z]{3,5}\.)$'"
done
ok 'any object' sh -c "printf %s '$(run -p abc --format=json -n 5)' | grep -q '^{'"
ok 'a short one is cut and says so' sh -c "'$bitnet' -m '$model' -p abc --json-schema='$schema' -n 3 --json | grep -q '\"stop_reason\":\"length\"'"
run -p abc --json-schema="$schema" -n 3 >/dev/null
ok 'also where the text is all that is printed' grep -q 'cut after 3 tokens, before its shape had ended' "$tmp/stderr"
ok 'a whole one has ended' sh -c "'$bitnet' -m '$model' -p abc --json-schema='$schema' -n 120 --json | grep -q '\"stop_reason\":\"end-of-text\"'"
ok 'in a chat' is_object "$("$bitnet" chat -m "$model" --chat-template=raw -p hello --json-schema="$schema" 2>/dev/null)"

# ---- what is refused ----
exits 'a keyword' 5 "schema, #/properties/a: keyword 'not' is not supported" "$bitnet" -m "$model" -p a --json-schema='{"properties":{"a":{"not":{}}}}'
exits 'no JSON' 4 'schema, line 1' "$bitnet" -m "$model" -p a --json-schema='{"type":'
exits 'no such file' 3 'nowhere.json' "$bitnet" -m "$model" -p a --json-schema="$tmp/nowhere.json"
printf 'root ::= root "a" | "b"\n' >"$tmp/left.gbnf"
exits 'a rule that begins with itself' 5 'begins with itself' "$bitnet" -m "$model" -p a --grammar="$tmp/left.gbnf"
exits 'nothing can match' 4 'no text matches' "$bitnet" -m "$model" -p a --json-schema='{"type":"string","enum":[1]}'
exits 'two shapes' 2 'each give the text its shape' "$bitnet" -m "$model" -p a --format=json --json-schema='{}'
exits 'another format' 2 "knows json, not 'xml'" "$bitnet" -m "$model" -p a --format=xml
exits 'an end that is ignored' 2 'cannot be ignored' "$bitnet" -m "$model" -p a --format=json --ignore-eos
exits 'a receipt over the schema' 2 'the schema' "$bitnet" -m "$model" -p a --json-schema="$tmp/schema.json" --receipt="$tmp/schema.json" --force

# ---- receipts ----
run -p abc --json-schema="$schema" --temp 1 --seed 9 --receipt="$tmp/s.json" >/dev/null
digest=$({ echo json-schema && cat "$tmp/schema.json"; } | sha256sum | cut -c1-64)
ok 'a receipt names the schema' grep -qF "\"constraint\":{\"kind\":\"json-schema\",\"sha256\":\"$digest\"}" "$tmp/s.json"
exits 'and is true' 0 '' "$bitnet" verify "$tmp/s.json" --json-schema="$tmp/schema.json"
exits 'on ref-scalar' 0 '' "$bitnet" verify "$tmp/s.json" --json-schema="$tmp/schema.json" --backend=ref-scalar -b 2
exits 'without the schema it is not replayed' 12 "replay: not checked: the json-schema of digest $digest is needed: --json-schema=FILE gives it" "$bitnet" verify "$tmp/s.json"
ok 'which its line says, too' grep -q "not checked *replay *the json-schema of digest $digest is needed" "$tmp/stdout"
exits 'in JSON' 12 '' "$bitnet" verify --json "$tmp/s.json"
ok 'it is unchecked' grep -q '"status":"unchecked".*"replay":{"state":"not checked"' "$tmp/stdout"
exits 'who wants no replay misses none' 0 '' "$bitnet" verify --fast "$tmp/s.json"
exits 'another schema is not the one' 10 'replay: the text was made with another json-schema' "$bitnet" verify "$tmp/s.json" --json-schema='{}'
run -p abc --receipt="$tmp/plain.json" >/dev/null
exits 'a schema for a text without' 2 'made without a schema' "$bitnet" verify "$tmp/plain.json" --json-schema='{}'
run -p abc --format=json -n 20 --temp 1 --seed 1 --receipt="$tmp/j.json" >/dev/null
exits 'any JSON needs no file' 0 '' "$bitnet" verify "$tmp/j.json"
run -p abc --grammar="$tmp/answer.gbnf" --receipt="$tmp/g.json" >/dev/null
exits 'a grammar' 0 '' "$bitnet" verify "$tmp/g.json" --grammar="$tmp/answer.gbnf"
exits 'without it' 12 'the gbnf of digest [0-9a-f]* is needed: --grammar=FILE gives it' "$bitnet" verify "$tmp/g.json"
"$bitnet" chat -m "$model" --chat-template=raw -p hello --format=json -n 30 --receipt="$tmp/c.json" >/dev/null 2>&1
exits 'a conversation' 0 '' "$bitnet" verify "$tmp/c.json"

summary
