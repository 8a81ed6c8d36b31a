#!/bin/sh
# check.sh BUILD - receipts from outside: `bitnet run --receipt`, `bitnet verify`, exit statuses, and
# receipts/schema.json (needs node, npm and a registry once; what npm installs lies in build/).
set -u
build=$1
bitnet=$build/bitnet
here=${0%/*}
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR

model=$tmp/tiny.gguf
"$build/bitnet-synth" --like tiny -o "$model" >/dev/null || exit 1
sample='--temp 0.9 --top-p 0.95 --seed 5'
run() { # FILE OPTIONS...: a receipt of a run
    out=$1
    shift
    # shellcheck disable=SC2086
    "$bitnet" -m "$model" -p 'some words' -n 16 $sample --receipt="$out" "$@" >"$tmp/stdout" 2>"$tmp/stderr"
}
result() { sed -n 's/^"result":\(.*\),$/\1/p' "$1"; }
seal() { sed -n 's/^"result_sha256":"\(.*\)"$/\1/p' "$1"; }

# ---- one result from everywhere ----
ok 'a receipt is written' run "$tmp/r.json"
result "$tmp/r.json" >"$tmp/result"
for backend in $("$bitnet" backends --json | tr '{' '\n' | sed -nE 's/.*"name":"([^"]+)".*"verdict":"ok".*/\1/p'); do
    for threads in 1 2 3; do
        run "$tmp/other.json" --backend="$backend" -t $threads -b 7
        result "$tmp/other.json" >"$tmp/other"
        ok "the result of $backend with $threads threads" cmp "$tmp/result" "$tmp/other"
    done
    exits "verified by $backend" 0 '' "$bitnet" verify "$tmp/r.json" --backend="$backend"
done
equal 'the seal is the hash of the line' "$(tr -d '\n' <"$tmp/result" | sha256sum | cut -d' ' -f1)" \
    "$(seal "$tmp/r.json")"
plain=$("$bitnet" -m "$model" -p abc -n 8)
equal 'the text does not change' "$("$bitnet" -m "$model" -p abc -n 8 --receipt="$tmp/a.json")" "$plain"
ok 'with --json too' sh -c "\"$bitnet\" -m \"$model\" -p abc -n 8 --json --receipt=\"$tmp/b.json\" | grep -q hidden_digest"
equal 'and the same result' "$(result "$tmp/a.json")" "$(result "$tmp/b.json")"
"$bitnet" -m "$model" -p '' -n 3 --receipt="$tmp/c.json" >/dev/null
exits 'an empty prompt' 0 '' "$bitnet" verify "$tmp/c.json"
"$bitnet" -m "$model" -p '<|eot_id|>x' --parse-special -n 3 --stop q --stop 'é' --receipt="$tmp/d.json" >/dev/null
exits 'special tokens and stop strings' 0 '' "$bitnet" verify "$tmp/d.json"

# ---- what verify finds ----
edited() { # NAME STATUS PATTERN SED OPTIONS...: of a receipt with one thing changed
    title=$1 expected=$2 message=$3
    sed -E "$4" "$tmp/r.json" >"$tmp/edited.json"
    ok "$title: it is another file" sh -c "! cmp -s \"$tmp/r.json\" \"$tmp/edited.json\""
    shift 4
    exits "$title" "$expected" "$message" "$bitnet" verify "$tmp/edited.json" "$@"
}
edited 'a token' 10 'result.output.ids was changed.*step 0: token: [0-9]+ in the receipt' \
    '/^"result":/s/("ids":\[)[0-9]+(,[^]]*\],"logits")/\1401\2/'
edited 'a token, seen by --fast' 10 'result.output.ids was changed' \
    '/^"result":/s/("ids":\[)[0-9]+(,[^]]*\],"logits")/\1401\2/' --fast
edited 'the seed' 10 'result.sampling.seed was changed.*drawn with seed 6' 's/"seed":"5"/"seed":"6"/'
edited "the model's digest" 10 'result.model.sha256 was changed.*model.sha256: ' \
    '/^"result":/s/("bytes":[0-9]+,"sha256":")......../\100000000/'
edited "the tokenizer's digest" 10 'result.tokenizer.digest was changed.*tokenizer.digest: ' \
    's/("digest":")......../\100000000/'
edited "the prompt's hash" 10 'result.prompt.blake3 was changed.*prompt.blake3: ' 's/("blake3":")......../\100000000/'
edited 'a time' 10 'circumstance.timings.decode_us was changed' 's/"decode_us":/"decode_us":1/'
edited 'another schema' 5 'schema_version 7; this program knows version 1' 's/"schema_version":1/"schema_version":7/'
edited 'other numerics' 5 'numerics_version 9' 's/"numerics_version":1/"numerics_version":9/'
edited 'a field too many' 4 'result.stranger: unknown field' 's/"schema_version":1/"schema_version":1,"stranger":1/'
edited 'a field renamed' 4 'result.sampling.sead: unknown field' 's/"seed":"5"/"sead":"5"/'
edited 'a real number' 4 'result.limits.predict: not a whole number' 's/"predict":16/"predict":16.0/'
exits 'another prompt' 10 'prompt.blake3: .*prompt.ids\[' "$bitnet" verify "$tmp/r.json" -p 'some wordz'
exits 'the prompt' 0 '' "$bitnet" verify "$tmp/r.json" -p 'some words'
printf 'some words' >"$tmp/prompt"
exits 'the prompt from a file' 0 '' "$bitnet" verify "$tmp/r.json" -f "$tmp/prompt"
exits 'as JSON' 10 'drawn with seed 6' sh -c "sed 's/\"seed\":\"5\"/\"seed\":\"6\"/' \"$tmp/r.json\" >\"$tmp/x.json\"; \"$bitnet\" verify --json \"$tmp/x.json\""
ok 'JSON names the first step' grep -qE '"first_difference":\{"step":[0-9]+,"what":"token"' "$tmp/stdout"
head -c 200000 "$model" >"$tmp/changed.gguf"
printf '\125' >>"$tmp/changed.gguf"
tail -c +200002 "$model" >>"$tmp/changed.gguf"
exits 'a model byte' 10 'model.sha256: ' "$bitnet" verify "$tmp/r.json" -m "$tmp/changed.gguf"
exits 'a model byte, by --fast' 10 'model.sha256: ' "$bitnet" verify "$tmp/r.json" -m "$tmp/changed.gguf" --fast

# ---- what is no receipt, and where none can be ----
exits 'no receipt' 2 'which receipt' "$bitnet" verify
exits 'a missing receipt' 3 'No such file' "$bitnet" verify "$tmp/none.json"
exits 'a model as receipt' 4 'receipt: line' "$bitnet" verify "$model"
head -c 900 "$tmp/r.json" >"$tmp/cut.json"
exits 'half a receipt' 4 'receipt: line' "$bitnet" verify "$tmp/cut.json"
exits 'an unknown backend' 6 'cpu-nonsense' "$bitnet" verify "$tmp/r.json" --backend=cpu-nonsense
exits 'a full disk' 3 "receipt '/dev/full': No space" "$bitnet" -m "$model" -p a -n 2 --receipt=/dev/full
exits 'no folder' 3 'No such file' "$bitnet" -m "$model" -p a -n 2 --receipt="$tmp/none/r.json"
equal 'said before the run' "$(cat "$tmp/stdout")" ''
exits 'a folder' 3 'Is a directory' "$bitnet" -m "$model" -p a -n 2 --receipt="$tmp"
exits 'a stop string that is no text' 2 'stop string 1 is not UTF-8' \
    "$bitnet" -m "$model" -p a -n 2 --stop "$(printf '\377')" --receipt="$tmp/n.json"
ok 'and no receipt' [ ! -e "$tmp/n.json" ]
ok 'to a pipe' sh -c "\"$bitnet\" -m \"$model\" -p a -n 2 --receipt=/dev/stdout | tail -n 7 >\"$tmp/piped.json\""
exits 'which verifies' 0 '' "$bitnet" verify "$tmp/piped.json"
ok 'nothing is left behind' sh -c "! ls -a \"$tmp\" | grep -q bitnet-receipt"
mkfifo "$tmp/fifo"
"$bitnet" -m "$model" -p abc -n 400 --ignore-eos --receipt="$tmp/i.json" >"$tmp/fifo" &
writer=$!
exec 3<"$tmp/fifo"
kill -INT $writer 2>/dev/null
cat <&3 >/dev/null
wait $writer
exits 'an interrupted run' 0 '' "$bitnet" verify "$tmp/i.json"

# ---- the schema ----
npm=$build/../receipts
mkdir -p "$npm"
if ! cmp -s "$here/package-lock.json" "$npm/installed-lock.json"; then
    cp "$here/package.json" "$here/package-lock.json" "$npm/"
    (cd "$npm" && npm ci --ignore-scripts --no-audit --no-fund >/dev/null) &&
        cp "$here/package-lock.json" "$npm/installed-lock.json"
fi
node "$here/schema.mjs" "$npm" "$build" "$model" "$tmp/r.json" "$tmp/a.json" "$tmp/c.json" "$tmp/d.json" "$tmp/i.json" \
    >"$tmp/schema.out"
schema=$?
grep -v ' passed, ' "$tmp/schema.out"
equal 'the schema and the program agree' "$schema" 0
passed=$((passed + $(sed -nE 's/^([0-9]+) passed, .*/\1/p' "$tmp/schema.out")))

summary
