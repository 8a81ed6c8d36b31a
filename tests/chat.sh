#!/bin/sh
# chat.sh BUILD - `bitnet chat` from outside: through a pipe, through a terminal, and its receipts.
set -u
build=$1
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR

model=$tmp/llama3.gguf
"$build/bitnet-synth" --like tiny -o "$model" --chat-template "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}
<|start_header_id|>{{ message['role'] }}<|end_header_id|>

{{ message['content'] }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>

{% endif %}" >/dev/null || exit 1
"$build/bitnet-synth" --like tiny --ctx 50000 -o "$tmp/long.gguf" >/dev/null || exit 1
"$build/bitnet-synth" --like tiny -o "$tmp/none.gguf" >/dev/null || exit 1
"$build/bitnet-synth" --like tiny -o "$tmp/odd.gguf" --chat-template 'one
{% include "other" %}' >/dev/null || exit 1

chat() { "$bitnet" chat -m "$model" "$@" 2>"$tmp/stderr"; } # from standard input
field() { sed -nE "s/.*\"$1\":(\"[^\"]*\"|\[[^]]*\]|[^,}]*).*/\1/p" "$2"; }
backends=$("$bitnet" backends --json | tr '{' '\n' | sed -nE 's/.*"name":"([^"]+)".*"verdict":"ok".*/\1/p')

# ---- through a pipe ----
printf 'one\ntwo\nthree\n' | chat -n 6 --json >"$tmp/talk"
equal 'three lines are three turns' "$(wc -l <"$tmp/talk")" 3
equal 'the template is that of the file' "$(field template "$tmp/talk" | uniq)" '"model"'
equal 'a turn begins behind the one before' "$(field kept_tokens "$tmp/talk" | tr '\n' ' ')" '0 32 64 '
# What is fed is what is new: the turn, and the last token of the answer.
count() { field "$1" "$tmp/talk" | tr -dc ',\n' | awk '{ printf "%d ", length($0) + 1 }'; }
equal 'only new tokens are fed' "$(field prefill_tokens "$tmp/talk" | tr '\n' ' ')" \
    "$(count prompt_tokens | awk '{ print $1, $2 + 1, $3 + 1 }') "
sed 's/"timings".*//; s/"backend":"[^"]*",//' "$tmp/talk" >"$tmp/wanted"
for backend in $backends; do
    printf 'one\ntwo\nthree\n' | chat -n 6 --json --backend="$backend" -t 1 -b 3 | sed 's/"timings".*//; s/"backend":"[^"]*",//' >"$tmp/other"
    ok "the same conversation on $backend" cmp "$tmp/wanted" "$tmp/other"
done
equal 'one turn by -p' "$(chat -p one -n 6 --json | field text /dev/stdin)" "$(field text "$tmp/talk" | head -n 1)"
printf 'one' | chat -n 6 --json >"$tmp/other"
equal 'a last line without its end' "$(field text "$tmp/other")" "$(field text "$tmp/talk" | head -n 1)"
printf 'one\r\n\n' | chat -n 6 --json >"$tmp/other"
equal 'CRLF, and lines without text' "$(field text "$tmp/other")" "$(field text "$tmp/talk" | head -n 1)"
printf 'a\\\nb\n' | chat -n 1 --json >"$tmp/other"
equal 'a line that goes on' "$(field user "$tmp/other")" '"a\nb"'
printf '//help\n' | chat -n 1 --json >"$tmp/other"
equal 'two slashes are a message' "$(field user "$tmp/other")" '"/help"'
equal 'what a user writes is no control token' \
    "$(chat -p '<|eot_id|><|start_header_id|>' -n 1 --json | field prompt_tokens /dev/stdin | tr -d '[]' | tr , '\n' | grep -cE '^(502|505)$')" \
    "$(chat -p 'x' -n 1 --json | field prompt_tokens /dev/stdin | tr -d '[]' | tr , '\n' | grep -cE '^(502|505)$')"
printf 'one\n' | chat -n 6 >"$tmp/text"
equal 'without --json, the text' "$(wc -l <"$tmp/text" | tr -d ' ')" 1

# ---- commands ----
printf 'one\n/reset\none\n/system Be good.\none\n/system\none\n/quit\nnever\n' | chat -n 6 --json >"$tmp/talk"
equal '/reset, /system and /quit' "$(field kept_tokens "$tmp/talk" | tr '\n' ' ')" '0 0 0 0 '
equal '/reset begins anew' "$(sed -n 2p "$tmp/talk" | field hidden_digest /dev/stdin)" "$(sed -n 1p "$tmp/talk" | field hidden_digest /dev/stdin)"
ok '/system changes the prompt' [ "$(sed -n 3p "$tmp/talk" | field prompt_tokens /dev/stdin)" != "$(sed -n 1p "$tmp/talk" | field prompt_tokens /dev/stdin)" ]
equal '--system is /system' "$(chat -p one --system 'Be good.' -n 6 --json | field hidden_digest /dev/stdin)" \
    "$(sed -n 3p "$tmp/talk" | field hidden_digest /dev/stdin)"
equal 'and without a text it is gone' "$(sed -n 4p "$tmp/talk" | field hidden_digest /dev/stdin)" "$(sed -n 1p "$tmp/talk" | field hidden_digest /dev/stdin)"
printf 'one\ntwo\n/regen\n/regen\n' | chat -n 8 --temp 1.5 --seed 3 --json >"$tmp/talk"
equal '/regen takes the answer back' "$(field kept_tokens "$tmp/talk" | tail -n 3 | uniq | wc -l | tr -d ' ')" 1
equal 'and draws others' "$(field tokens "$tmp/talk" | tail -n 3 | sort -u | wc -l | tr -d ' ')" 3
printf '/help\none\n/stats\n' | chat -n 2 >"$tmp/stdout"
ok '/help' grep -q '/system TEXT' "$tmp/stderr"
ok '/stats' grep -qE '^1 turn; [0-9]+ of [0-9]+ tokens of context; template model' "$tmp/stderr"
equal 'neither is an answer' "$(wc -l <"$tmp/stdout" | tr -d ' ')" 1
script_of() { printf '%b' "$1" >"$tmp/script"; }
fails() { # NAME STATUS PATTERN SCRIPT OPTIONS...: a script that ends at its first mistake
    name=$1 wanted=$2 pattern=$3
    script_of "$4"
    shift 4
    chat "$@" <"$tmp/script" >"$tmp/stdout"
    status=$?
    equal "$name: exit status" "$status" "$wanted"
    ok "$name: $pattern" grep -qE -- "$pattern" "$tmp/stderr"
}
fails 'an unknown command' 2 "unknown command '/frob'; /help lists them" '/frob x\none\n' -n 2
equal 'ends the script' "$(cat "$tmp/stdout")" ''
fails '/regen of nothing' 2 'no turn was made yet' '/regen\n'
fails '/save nowhere' 2 '/save where' 'one\n/save\n' -n 2
fails '/save where none can be' 3 'No such file' "one\n/save $tmp/none/x.json\n" -n 2
fails '/reset with a word' 2 "/reset takes nothing: 'all'" '/reset all\n'
fails 'no room for a message' 8 'the conversation has [0-9]+ tokens, this message [0-9]+, and there is room for 48' \
    'one\ntwo\nthree\n' -n 6 -c 48
equal 'the turn before stands' "$(wc -l <"$tmp/stdout" | tr -d ' ')" 1
printf 'one\n' | chat -c 30 -n 100 --json >"$tmp/stdout"
equal 'a full context cuts the answer' "$(field stop_reason "$tmp/stdout")" '"context-full"'
ok 'and says so' grep -q 'the context of 30 tokens is full' "$tmp/stderr"
ok 'and that there could be more' grep -q 'reset begins anew; -c gives more, up to ' "$tmp/stderr"
"$build/bitnet-synth" --like tiny --ctx 30 -o "$tmp/short.gguf" >/dev/null
"$bitnet" chat -m "$tmp/short.gguf" -p one -n 100 2>"$tmp/stderr" >"$tmp/stdout"
ok 'or that there is no more' grep -q 'reset begins anew; the model was made for no more' "$tmp/stderr"
printf 'one\ntwo\n' | chat -c 128 --json >"$tmp/stdout"
equal 'an answer without end leaves room for another message' "$?, $(wc -l <"$tmp/stdout" | tr -d ' ')" '0, 2'
equal 'the first is cut at half of the context' "$(head -n 1 "$tmp/stdout" | field stop_reason /dev/stdin)" '"length"'

# ---- the sampling that a file recommends ----
"$build/bitnet-synth" --like tiny -o "$tmp/makers.gguf" --key general.sampling.temp=f:0.5 --key general.sampling.top_k=u:3 \
    --key general.sampling.top_p=f:0.9 --key general.sampling.min_p=f:7 \
    --key general.sampling.xtc_probability=f:0.5 --key general.sampling.mirostat=u:0 >/dev/null
rm -f "$tmp/makers.json"
"$bitnet" chat -m "$tmp/makers.gguf" -p one -n 4 --seed 1 --receipt="$tmp/makers.json" 2>"$tmp/stderr" >"$tmp/one"
ok 'is taken and said' grep -q 'sampling as the file recommends: temperature 0.5, top-k 3, top-p 0.9, min-p 0,' "$tmp/stderr"
ok 'what is not known is said' grep -q 'recommends general.sampling.xtc_probability, which is not known' "$tmp/stderr"
ok 'what is neutral is not' sh -c "! grep -q mirostat '$tmp/stderr'"
ok 'a number that is none is left out, and said' grep -q 'general.sampling.min_p is 7, which is not from 0 to 1: left out' "$tmp/stderr"
ok 'the receipt has it' grep -q '"top_k": *3' "$tmp/makers.json"
ok 'and is true' "$bitnet" verify "$tmp/makers.json" -m "$tmp/makers.gguf"
"$bitnet" chat -m "$tmp/makers.gguf" -p one -n 4 --seed 1 --temp 0.5 --top-k 3 --top-p 0.9 2>"$tmp/stderr" >"$tmp/two"
ok 'it is what the options would do' cmp "$tmp/one" "$tmp/two"
"$bitnet" chat -m "$tmp/makers.gguf" -p one -n 4 --greedy 2>"$tmp/stderr" >/dev/null
ok 'an option decides instead' sh -c "! grep -q recommends '$tmp/stderr'"
exits 'a word' 2 'A prompt is given by -p' "$bitnet" chat hello
exits 'a full disk' 3 'No space' sh -c "echo one | \"$bitnet\" chat -m \"$model\" -n 2 >/dev/full"

# ---- templates ----
exits 'an unknown name' 2 "no chat template is called 'lama', nor is there a file" "$bitnet" chat -m "$model" -p a --chat-template=lama
exits 'a template that cannot be run' 5 "the chat template .model.: line 2: the statement 'include' is not known here" \
    "$bitnet" chat -m "$tmp/odd.gguf" -p a
exits 'which a name replaces' 0 '' "$bitnet" chat -m "$tmp/odd.gguf" -p a -n 2 --chat-template=bitnet
exits 'tokens that are not there' 5 "needs the control token '<.im_start.>'" "$bitnet" chat -m "$model" -p a --chat-template=chatml
exits 'no template' 0 'the model has no chat template' "$bitnet" chat -m "$tmp/none.gguf" -p a -n 2
cat >"$tmp/own.jinja" <<'JINJA'
{{ bos_token }}{% for m in messages %}
<|start_header_id|>{{ m.role }}<|end_header_id|>{{ m.content.split('</think>')[-1] | trim }}<|eot_id|>
{%- endfor %}
{%- if add_generation_prompt %}<|start_header_id|>{{ strftime_now('%d.%m.%Y') }}<|end_header_id|>
<think>
{% endif %}
JINJA
printf 'one\n<|eot_id|>two\n/system S\nthree\n' |
    chat -n 6 --json --chat-template="$tmp/own.jinja" --date=2026-01-31 --receipt="$tmp/own.json" >"$tmp/talk"
equal 'a template of a file' "$(field template "$tmp/talk" | uniq)" '"file"'
equal 'which changes what it said, so more is fed' \
    "$(field kept_tokens "$tmp/talk" | awk '{ print ($1 < 20) }' | tr '\n' ' ')" '1 1 1 '
ids() { "$bitnet" tokenize -m "$model" --no-bos --parse-special --ids "$1" | tr ' ' ','; }
equal 'it is run, and told the date' "$(sed -n 1p "$tmp/talk" | field prompt_tokens /dev/stdin)" \
    "[$(ids '<|begin_of_text|><|start_header_id|>user<|end_header_id|>one<|eot_id|><|start_header_id|>31.01.2026<|end_header_id|>
<think>
')]"
exits 'a receipt of it' 0 '' "$bitnet" verify "$tmp/own.json" --chat-template="$tmp/own.jinja"
exits 'without the file its prompts are not checked' 12 'prompt: not checked' "$bitnet" verify "$tmp/own.json"
exits 'nor without a replay' 12 'prompt: not checked' "$bitnet" verify --fast "$tmp/own.json"
ok 'says that it wants the file' grep -qE 'not checked +prompt +the conversation was made with a template file .*--chat-template=FILE' "$tmp/stdout"
sed 's/trim/upper/' "$tmp/own.jinja" >"$tmp/other.jinja"
exits 'another file' 10 'template_sha256' "$bitnet" verify "$tmp/own.json" --chat-template="$tmp/other.jinja"
sed 's/2026-01-31/2026-02-01/' "$tmp/own.json" >"$tmp/edited.json"
exits 'another date' 10 'no rendering by template' "$bitnet" verify "$tmp/edited.json" --chat-template="$tmp/own.jinja"
exits 'a date that is none' 2 "'31.1.2026' is no date" "$bitnet" chat -m "$model" -p a --date=31.1.2026
for day in 2026-02-30 2026-02-29 2026-04-31 1900-02-29; do
    exits "$day is none" 2 'no da' "$bitnet" chat -m "$model" -p a --date=$day
done
exits 'a leap day is one' 0 '' "$bitnet" chat -m "$model" -p a -n 1 --date=2024-02-29
exits 'no receipt over a template' 2 'chat template' "$bitnet" chat -m "$model" -p a -n 1 --chat-template="$tmp/own.jinja" --receipt="$tmp/own.jinja" --force
echo "{{ raise_exception('Roles must alternate') }}" >"$tmp/no.jinja"
exits 'a template that will not' 2 'line 1: the template says: Roles must alternate' "$bitnet" chat -m "$model" -p a --chat-template="$tmp/no.jinja"
# One that asks for a system text, and for this one.
for wants in "messages[0].role == 'system'" "messages[0].content == 'Be kind'"; do
    printf '%s' "{% if not ($wants) %}{{ raise_exception('Say how') }}{% endif %}{% for m in messages %}{{ m.role }}: {{ m.content }}
{% endfor %}" >"$tmp/wants.jinja"
    exits "a system text that is given: $wants" 0 '' "$bitnet" chat -m "$model" -p a -n 2 --system='Be kind' \
        --chat-template="$tmp/wants.jinja" --receipt="$tmp/wants.json" --force
    exits 'and its receipt' 0 '' "$bitnet" verify "$tmp/wants.json" --chat-template="$tmp/wants.jinja"
    exits 'without one' 2 'the template says: Say how' "$bitnet" chat -m "$model" -p a -n 2 --chat-template="$tmp/wants.jinja"
done

# ---- receipts ----
printf 'one\ntwo\n/regen\n/system Be good.\nthree\n/save %s\nfour\n' "$tmp/saved.json" |
    chat -n 8 --temp 0.9 --repeat-penalty 1.1 --seed 5 --receipt="$tmp/r.json" >/dev/null
equal 'every turn is in it' "$(grep -o '"keep":' "$tmp/r.json" | wc -l | tr -d ' ')" 5
equal '/save: those until then' "$(grep -o '"keep":' "$tmp/saved.json" | wc -l | tr -d ' ')" 4
sed -n 's/^"result":\(.*\),$/\1/p' "$tmp/r.json" >"$tmp/result"
for backend in $backends; do
    exits "verified by $backend" 0 '' "$bitnet" verify "$tmp/r.json" --backend="$backend"
    printf 'one\ntwo\n/regen\n/system Be good.\nthree\nfour\n' |
        chat -n 8 --temp 0.9 --repeat-penalty 1.1 --seed 5 -b 5 -t 1 --backend="$backend" --receipt="$tmp/o.json" >/dev/null
    sed -n 's/^"result":\(.*\),$/\1/p' "$tmp/o.json" >"$tmp/other"
    ok "one result from $backend" cmp "$tmp/result" "$tmp/other"
done
exits 'what /save wrote' 0 '' "$bitnet" verify "$tmp/saved.json"
exits 'a conversation has its prompts in it' 2 'no -p or -f' "$bitnet" verify "$tmp/r.json" -p one
for template in bitnet instruct raw; do
    printf 'one\n two \n' | chat -n 20 --chat-template=$template --receipt="$tmp/t.json" >/dev/null
    exits "by template $template" 0 '' "$bitnet" verify "$tmp/t.json"
done
edited() { # NAME PATTERN SED
    sed -E "$3" "$tmp/r.json" >"$tmp/edited.json"
    ok "$1: it is another file" sh -c "! cmp -s \"$tmp/r.json\" \"$tmp/edited.json\""
    exits "$1" 10 "$2" "$bitnet" verify "$tmp/edited.json"
}
edited 'a token of an answer' 'result.turns.0.output was changed.*turns\[0\]: step 0: token' 's/("output":\{[^}]*"ids":\[)[0-9]+/\1401/'
edited 'the first turn' 'result.turns.0.prompt was changed' 's/("prompt":\{[^}]*"sha256":")......../\100000000/'
edited 'the template' 'result.template was changed.*template_sha256' 's/"template":"model"/"template":"bitnet"/'
edited 'a template nobody knows' "no chat template is called 'llama9'" 's/"template":"model"/"template":"llama9"/'
edited 'what a user wrote' 'result.turns.0.prompt was changed.*no rendering by template' 's/"text":"one"/"text":"ane"/'
# Receipts by a program that recognised templates instead of running them (commit cf21b38, on the model of bitnet-synth
# --like tiny, which is the same bytes ever since): six turns with /regen, /system, /reset, a typed <|eot_id|> and broken UTF-8.
for old in tests/receipts/old/*.json; do
    exits "the old $(basename "$old")" 0 '' "$bitnet" verify "$old" -m "$tmp/none.gguf"
done
sed -E 's/("prompt":\{[^}]*"ids":\[[0-9]+,)[0-9]+/\1200/' tests/receipts/old/chat-bitnet.json >"$tmp/edited.json"
exits 'an old one, edited' 10 'no rendering by template .bitnet' "$bitnet" verify "$tmp/edited.json" -m "$tmp/none.gguf"
exits 'no turn, no receipt' 2 'no turn was made' "$bitnet" chat -m "$model" --receipt="$tmp/n.json"
exits 'a folder that is not there' 3 'No such file' "$bitnet" chat -m "$model" -p a --receipt="$tmp/none/n.json"

# ---- at a terminal ----
# script(1) gives the command a terminal. Each line of KEYS says what to wait for on the screen since
# the keys before (a prompt, or text), and what is typed then.
size() { wc -c <"$tmp/screen"; }
shown() { # prompt|text
    case $1 in
    prompt) [ "$(size)" -gt "$before" ] && [ "$(tail -c 2 "$tmp/screen")" = '> ' ] ;;
    text) [ "$(size)" -gt "$((before + 40))" ] ;;
    esac
}
typed() { # MODEL OPTIONS... <KEYS
    mkfifo "$tmp/keys"
    : >"$tmp/screen"
    TERM=dumb script -qec "$bitnet chat -m $*" /dev/null <"$tmp/keys" >"$tmp/screen" 2>&1 &
    exec 4>"$tmp/keys"
    before=0
    while read -r what keys; do
        patience=300
        until shown "$what" || [ $((patience -= 1)) -eq 0 ]; do sleep 0.1; done
        before=$(size)
        printf '%b' "$keys" >&4
    done
    wait $!
    exec 4>&-
    rm "$tmp/keys"
}
typed "$model" -n 6 --receipt="$tmp/term.json" <<'KEYS'
prompt one\r
prompt /frob\r
prompt half a line\003
prompt oops\177\177\177\177two\r
prompt \004
KEYS
ok 'a mistake is told and the talk goes on' grep -q "unknown command '/frob'" "$tmp/screen"
ok 'a prompt is shown' grep -q '^> ' "$tmp/screen"
exits 'its receipt' 0 '' "$bitnet" verify "$tmp/term.json"
equal 'two messages: a dropped line is none' "$(grep -o '"keep":' "$tmp/term.json" | wc -l | tr -d ' ')" 2
equal 'edited as it was typed' "$(sed -n 's/.*"bytes":3,"ids".*"bytes":3,"ids".*/both/p' "$tmp/term.json" | head -n 1)" both
typed "$tmp/long.gguf" -n 50000 -c 50000 -t 1 --backend=ref-scalar --chat-template=raw --receipt="$tmp/cut.json" <<'KEYS'
prompt one\r
text \003
prompt /stats\r
prompt /quit\r
KEYS
ok 'Ctrl-C ends the answer' grep -q '"stop_reason":"interrupted"' "$tmp/cut.json"
ok 'and not the program' grep -q '1 turn; ' "$tmp/screen"
exits 'the receipt of a cut answer' 0 '' "$bitnet" verify "$tmp/cut.json"
# What a model writes cannot write to the terminal; a pipe gets the bytes as they are.
bytes() { LC_ALL=C tr -dc '\001-\010\016-\037' | wc -c | tr -d ' '; }
set -- -m "$tmp/none.gguf" -p Hello --chat-template=raw -n 60 --temp 5 --seed 2
ok 'control characters in a pipe' [ "$("$bitnet" chat "$@" 2>/dev/null | bytes)" -gt 0 ]
script -qec "$bitnet chat $*" /dev/null </dev/null >"$tmp/screen" 2>&1
equal 'and none at a terminal' "$(bytes <"$tmp/screen")" 0
ok 'where the rest is shown' [ "$(tr -dc '?' <"$tmp/screen" | wc -c)" -gt 0 ]

summary
