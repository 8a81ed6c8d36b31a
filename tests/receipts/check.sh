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

# ---- receipts that would take memory without bound ----
swarm() { # PATTERN COUNT: a list of so many
    printf '['
    head -c "$2" /dev/zero | tr '\0' x | sed "s/x/$1,/g"
    printf '0]'
}
swarm '{}' 200000 >"$tmp/swarm.json"
exits 'a swarm of objects' 8 'lists and objects; at most' "$bitnet" verify "$tmp/swarm.json"
swarm 1 5000000 >"$tmp/swarm.json"
exits 'a swarm of numbers' 8 '5000000 values in' "$bitnet" verify "$tmp/swarm.json"
swarm '"[{,:\\\\\\""' 100000 >"$tmp/swarm.json" # marks and quotes inside of strings do not count
exits 'strings are no swarm' 4 'not a JSON object' "$bitnet" verify "$tmp/swarm.json"
exits 'a receipt without end' 8 'more than 67108864 bytes' "$bitnet" verify /dev/zero
rm -f "$tmp/swarm.json"

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
    '/^"result":/s/("bytes":[0-9]+,"i2s_layout":"a","sha256":")......../\100000000/'
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

# ---- a model that cannot be opened is named, and the receipt is not ----
offset=$("$bitnet" inspect --json "$model" | python3 -c 'import json, sys
print(next(t["offset"] for t in json.load(sys.stdin)["tensors"] if t["name"] == "blk.1.attn_norm.weight"))')
cp "$model" "$tmp/damaged.gguf"
printf '\377\377\377\377' | dd of="$tmp/damaged.gguf" bs=1 seek=$((offset + 248)) conv=notrunc 2>/dev/null
"$build/bitnet-synth" --like tiny --key tokenizer.ggml.padding_token_id=u:9999 -o "$tmp/unread.gguf" >/dev/null
head -c 5000 "$model" >"$tmp/short.gguf"
exits 'a damaged model' 4 "^bitnet: $tmp/damaged.gguf: tensor 'blk.1.attn_norm.weight': element 62 is not finite" \
    "$bitnet" verify "$tmp/r.json" -m "$tmp/damaged.gguf"
for how in '' --fast; do
    # shellcheck disable=SC2086
    exits "a model with a wrong key $how" 4 "^bitnet: $tmp/unread.gguf: 'tokenizer.ggml.padding_token_id' is 9999" \
        "$bitnet" verify "$tmp/r.json" -m "$tmp/unread.gguf" $how
    # shellcheck disable=SC2086
    exits "a model cut short $how" 4 "^bitnet: $tmp/short.gguf: [^/]*$" "$bitnet" verify "$tmp/r.json" -m "$tmp/short.gguf" $how
done
exits 'a receipt that is none is named' 4 "^bitnet: $tmp/short.gguf: " "$bitnet" verify "$tmp/short.gguf" -m "$model"
exits 'and where the backend is at fault' 6 "^bitnet: $tmp/r.json: " "$bitnet" verify "$tmp/r.json" -m "$model" --backend=nosuch

# ---- where a difference arose: a plugin whose fault no self-check sees ----
mkdir -m 755 "$tmp/plugins"
cp "$build/test-plugins/row-5000.so" "$build/test-plugins/good.so" "$tmp/plugins"
"$build/bitnet-synth" --ff 5376 -o "$tmp/wide.gguf" 2>/dev/null
for backend in good row-5000; do
    "$bitnet" -m "$tmp/wide.gguf" --plugin-dir="$tmp/plugins" --backend=$backend -p hello -n 8 \
        --ignore-eos --receipt="$tmp/$backend.json" >/dev/null
done
locate() { # RECEIPT BACKEND OPTIONS...
    receipt=$1 backend=$2
    shift 2
    "$bitnet" verify "$tmp/$receipt.json" --plugin-dir="$tmp/plugins" --backend="$backend" --locate "$@"
}
said() { # NAME PATTERN: on stdout, by the command before
    ok "$1" grep -qE "$2" "$tmp/stdout"
}
fault="layer 0, linear 'blk.0.ffn_gate.weight', token 0, row 5000: value is"
exits 'nothing to locate' 0 '' locate good good
exits 'a faulty backend here' 10 'replay: step' locate good row-5000
said 'is located' "this machine's backend 'row-5000': .*$fault"
said 'and blamed' "^this machine's backend 'row-5000' is wrong"
exits 'a receipt of a faulty plugin' 10 'replay: step' locate row-5000 good
said 'a good backend here' "this machine's backend 'good': agrees with ref-scalar in each of [1-9]"
said 'that plugin is located' "the receipt's backend 'row-5000': .*$fault.*gives this step as the receipt"
said 'and its run is blamed' 'up to step [0-9]+: the difference lies in the run .*row-5000. is wrong'
exits 'as JSON' 10 'replay: step' locate row-5000 ref-scalar --json
equal 'with layer, operation and row' "$(python3 -c 'import json, sys
d = [b["first_difference"] for b in json.load(sys.stdin)["located"]["backends"]][1]
print(d["layer"], d["operation"], d["row"])' <"$tmp/stdout")" '0 linear 5000'
sed 's/"name":"row-5000"/"name":"other"/' "$tmp/row-5000.json" >"$tmp/other.json"
exits 'a plugin that is not here' 10 'replay: step' locate other good
said 'is said not to be' "the receipt's backend 'other': no plugin of that name is here"
said 'and nobody is blamed' 'the run that made the receipt, or in an edit of the receipt$'
cp "$build/test-plugins/drop-row.so" "$tmp/plugins/row-5000.so"
sed 's/"name":"row-5000"/"name":"drop-row"/' "$tmp/row-5000.json" >"$tmp/other.json"
exits 'a plugin with another hash' 10 'replay: step' locate other good
said 'is another file' "the receipt's backend 'drop-row': the plugin of that name here is another file"
hash=$(sha256sum "$tmp/plugins/row-5000.so" | cut -d' ' -f1)
sed -E "s/(\"path\":\"[^\"]*row-5000.so\"[^}]*\"sha256\":\")[0-9a-f]{64}/\1$hash/" "$tmp/other.json" >"$tmp/refused.json"
exits 'a plugin that the self-check refuses' 10 'replay: step' locate refused good
said 'is said to be refused' "the receipt's backend 'drop-row': is here and refused: .*"
sed -E '/^"result":/s/("ids":\[)[0-9]+(,[^]]*\],"logits")/\1401\2/' "$tmp/good.json" >"$tmp/edited.json"
exits 'an edited token' 10 'ids was changed' locate edited good
said 'is nobody'"'"'s fault here' 'in every operation up to step 0: .*, or in an edit of the receipt$'
sed -E 's/"predict":8/"predict":9/' "$tmp/good.json" >"$tmp/edited.json"
exits 'a run that ends elsewhere' 10 'stop_reason|goes on' locate edited good
said 'concerns no operation' '^no operation is concerned: all 8 steps'
# A plugin that extends another: both files are named, and both must be the receipt's.
cp "$build/test-plugins/shifted.so" "$build/test-plugins/extends-shifted.so" "$tmp/plugins"
"$bitnet" -m "$tmp/wide.gguf" --plugin-dir="$tmp/plugins" --backend=extends-shifted -p hello -n 8 \
    --ignore-eos --receipt="$tmp/extends.json" >/dev/null
hash=$(sha256sum "$tmp/plugins/shifted.so" | cut -d' ' -f1)
ok 'a receipt names the plugin that is extended' grep -q "\"base\":\"shifted\",\"base_sha256\":\"$hash\",\"by_base\":\"ternary_layout,ternary_pack,ternary_unpack,rope\"" "$tmp/extends.json"
ok 'and whose kernels were called' grep -q '"rope":{"by":"shifted",.*"ternary_gemm":{"by":"extends-shifted",' "$tmp/extends.json"
ok 'nobody is extended by others' sh -c "! grep -q base_sha256 '$tmp/good.json'"
exits 'it is verified' 0 '' "$bitnet" verify "$tmp/extends.json" --plugin-dir="$tmp/plugins" --backend=good
equal 'with the same result' "$(result "$tmp/extends.json")" "$(result "$tmp/good.json")"
sed -E '/^"result":/s/("ids":\[)[0-9]+(,[^]]*\],"logits")/\1401\2/' "$tmp/extends.json" >"$tmp/edited.json"
exits 'its plugin is looked at' 10 'ids was changed' locate edited good
said 'with the one it extends' "the receipt's backend 'extends-shifted': agrees"
sed "s/\"base_sha256\":\"......../\"base_sha256\":\"00000000/" "$tmp/edited.json" >"$tmp/other.json"
exits 'another base' 10 'base_sha256 was changed' locate other good
said 'is another file' "the receipt's backend 'extends-shifted': is here, but the plugin it extends is another file"
# A search of the head that misses tokens: every operation is right.
cp "$build/test-plugins/lost-token.so" "$tmp/plugins"
"$build/bitnet-synth" --vocab 6000 -o "$tmp/many.gguf" 2>/dev/null
for backend in good lost-token; do
    "$bitnet" -m "$tmp/many.gguf" --plugin-dir="$tmp/plugins" --backend=$backend -p hello -n 8 \
        --receipt="$tmp/many-$backend.json" >/dev/null
done
search='the search of the head, step [0-9]+: token [0-9]+ with logit .*give token [0-9]+ with 0x'
exits 'a backend that searches wrongly' 10 'replay: step' locate many-good lost-token
said 'is seen by all logits' "this machine's backend 'lost-token': $search"
exits 'a receipt of it' 10 'replay: step' locate many-lost-token good
said 'is seen as well' "the receipt's backend 'lost-token': $search.*gives this step as the receipt"
exits 'not without a replay' 2 'locate needs the replay' locate good good --fast
rm -r "$tmp/plugins"

# ---- a model without one of its keys ----
key=$tmp/key.gguf
"$build/bitnet-synth" --arch llama --key llama.attention.causal=b:false -o "$key" >/dev/null 2>&1
"$bitnet" -m "$key" -p abc -n 4 --ignore-key=llama.attention.causal --receipt="$tmp/k.json" >/dev/null
ok 'the receipt names the key' grep -q '"ignored_keys":\["llama.attention.causal"\]' "$tmp/k.json"
exits 'and is verified without it' 0 '' "$bitnet" verify "$tmp/k.json"
exits 'also in short' 0 '' "$bitnet" verify --fast "$tmp/k.json"
sed 's/"llama.attention.causal"/"llama.attention.x"/' "$tmp/k.json" >"$tmp/k2.json"
exits 'another key' 5 'llama.attention.causal asks for a step' "$bitnet" verify "$tmp/k2.json"
ok 'a model with all its keys names none' sh -c "! grep -q ignored_keys \"$tmp/r.json\""

# ---- the layout of I2_S ----
for layout in a b c; do
    "$build/bitnet-synth" --seed 3 --structure 0.6 --i2s-layout $layout -o "$tmp/i2s-$layout.gguf" 2>/dev/null
    "$bitnet" -m "$tmp/i2s-$layout.gguf" -p abc -n 4 --receipt="$tmp/i2s-$layout.json" >/dev/null
    ok "layout $layout is in the result" grep -q "^\"result\".*\"i2s_layout\":\"$layout\"" "$tmp/i2s-$layout.json"
    ok 'and that it was found' grep -q '"i2s":{"known":"found","margin":[0-9]*,' "$tmp/i2s-$layout.json"
    exits 'it verifies' 0 '' "$bitnet" verify "$tmp/i2s-$layout.json"
    result "$tmp/i2s-$layout.json" | sed -E 's/.*("output".*),"prompt".*/\1/' >"$tmp/i2s-$layout.output"
    ok 'and has the output of layout a' cmp "$tmp/i2s-a.output" "$tmp/i2s-$layout.output"
done
"$bitnet" -m "$tmp/i2s-c.gguf" --i2s-layout=b -p abc -n 4 --receipt="$tmp/wrong.json" >/dev/null 2>"$tmp/stderr"
ok 'a stated layout that cannot be is obeyed, and said' grep -q 'read in I2_S layout b, as stated, but fit c' "$tmp/stderr"
exits 'its receipt is true of that reading' 0 'as stated, but fit c' "$bitnet" verify "$tmp/wrong.json"
sed 's/"i2s_layout":"b"/"i2s_layout":"c"/' "$tmp/wrong.json" >"$tmp/wrong2.json"
exits 'and of no other' 10 'result.model.i2s_layout was changed.*replay: step 0' "$bitnet" verify "$tmp/wrong2.json"
exits 'an option is stronger than the receipt' 10 'replay: step 0' "$bitnet" verify "$tmp/i2s-c.json" --i2s-layout=a
# As programs wrote them that knew only layout a: without the field.
for layout in a c; do
    sed "s/\"i2s_layout\":\"$layout\",//" "$tmp/i2s-$layout.json" >"$tmp/old-$layout.json"
    "$bitnet" verify "$tmp/old-$layout.json" >"$tmp/old-$layout" 2>/dev/null
done
ok 'a receipt that says no layout is of layout a' grep -qE '^ok +replay' "$tmp/old-a"
ok 'whatever the weights tell' grep -qE '^differs +replay +step 0' "$tmp/old-c"
rm -f "$tmp"/i2s-*.gguf

# ---- a context whose size chooses what is computed ----
"$build/bitnet-synth" --arch minicpm --longrope-context 64 -o "$key" >/dev/null 2>&1
for context in 64 200; do
    "$bitnet" -m "$key" -p abc -n 4 --ignore-eos -c $context --receipt="$tmp/c$context.json" >/dev/null
    exits "a receipt of $context positions" 0 '' "$bitnet" verify "$tmp/c$context.json"
done
ok 'short and long contexts differ' sh -c "! cmp -s \"$tmp/c64.json\" \"$tmp/c200.json\""
sed 's/"context":200/"context":64/' "$tmp/c200.json" >"$tmp/c.json"
exits 'one as if it were the other' 10 'replay: step' "$bitnet" verify "$tmp/c.json"

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

# ---- what a stranger wrote does not write to the terminal ----
escape=$(printf '\033')
for field in 'circumstance.*"model_path":' '"template":' '"cpu":'; do
    sed -E "s/(${field})\"[^\"]*\"/\\1\"a\\\\u001b[2Jb\\\\u0085\\\\u009bc\"/" "$tmp/r.json" >"$tmp/edited.json"
    ok "escape characters in $field: they are there" grep -q '\\u001b' "$tmp/edited.json"
    for option in '' --fast; do
        # shellcheck disable=SC2086
        "$bitnet" verify "$tmp/edited.json" $option >"$tmp/shown" 2>&1
        ok "and nowhere in what is shown $option" sh -c "! LC_ALL=C grep -qE '$escape|\xc2[\x80-\x9f]' '$tmp/shown'"
    done
done
"$bitnet" verify "$tmp/r.json" -m "$(printf 'no\033[2Jwhere')" >"$tmp/shown" 2>&1
ok 'nor in a message about a path' sh -c "grep -q 'no?.2Jwhere' '$tmp/shown'"

# ---- the schema ----
printf 'one\ntwo\n' | "$bitnet" chat -m "$model" -n 4 --receipt="$tmp/chat.json" >"$tmp/stdout" 2>"$tmp/stderr"
npm=$build/../receipts
mkdir -p "$npm"
if ! cmp -s "$here/package-lock.json" "$npm/installed-lock.json"; then
    cp "$here/package.json" "$here/package-lock.json" "$npm/"
    (cd "$npm" && ${NPM:-npm} ci --ignore-scripts --no-audit --no-fund >/dev/null) &&
        cp "$here/package-lock.json" "$npm/installed-lock.json"
fi
if [ ! -e "$npm/installed-lock.json" ]; then
    echo 'FAILED: the schema was not run: its validator comes from the npm registry, which could not be reached'
    failed=$((failed + 1))
    summary
    exit
fi
node "$here/schema.mjs" "$npm" "$build" "$model" "$tmp/r.json" "$tmp/a.json" "$tmp/c.json" "$tmp/d.json" "$tmp/i.json" "$tmp/chat.json" \
    "$tmp/extends.json" \
    >"$tmp/schema.out"
schema=$?
grep -v ' passed, ' "$tmp/schema.out"
equal 'the schema and the program agree' "$schema" 0
passed=$((passed + $(sed -nE 's/^([0-9]+) passed, .*/\1/p' "$tmp/schema.out")))

summary
