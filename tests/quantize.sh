#!/bin/sh
# quantize.sh BUILD - `bitnet quantize`: the same model in every ternary type computes the same bits, there and
# back gives the same bytes with any number of threads, what a type cannot hold is refused by name, and
# no input and no half file is ever left behind.
set -u
build=$1
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR
demo=${0%/*}/../models/bitnet-demo-i2_s.gguf

digest() { "$bitnet" -m "$1" -p 'The king said' -n 6 --json | sed -E 's/.*"hidden_digest":"([0-9a-f]+)".*/\1/'; }
type_of() { "$bitnet" inspect "$1" | awk -v type="$2" '$1 == type && $3 == "tensors" { print $2 }'; }

# ---- one scale a tensor that binary16 can hold: every type holds it ----
synth="$build/bitnet-synth --like tiny --embd 256 --ff 512 --structure 1 --f16-scales"
$synth -o "$tmp/i2s.gguf" >/dev/null || exit 1
bits=$(digest "$tmp/i2s.gguf")
first=$bits
ok 'a digest' test "${#bits}" -eq 64
matrices=$(type_of "$tmp/i2s.gguf" I2_S)
last=$tmp/i2s.gguf
for type in I2_S/b TQ1_0 I2_S/c TQ2_0 I2_S Q2_0/128 PQ2_0 Q2_0; do
    next=$tmp/$(echo "$type" | tr / -).gguf
    exits "to $type" 0 '' "$bitnet" quantize "$last" "$next" --type=$type
    equal "$type has all matrices" "$(type_of "$next" "${type%%/[abc]}")" "$matrices"
    equal "$type computes the same" "$(digest "$next")" "$bits"
    last=$next
done
ok 'back in I2_S it was the file that it began with' cmp "$tmp/i2s.gguf" "$tmp/I2_S.gguf"
exits 'back from Q2_0' 0 '' "$bitnet" quantize "$last" "$tmp/back.gguf" --type=i2_s -t 2
equal 'computes the same' "$(digest "$tmp/back.gguf")" "$bits"

# ---- each type by another writer: to I2_S and back ----
for type in TQ1_0 TQ2_0 PQ2_0 Q2_0; do
    "$build/bitnet-synth" --like tiny --embd 256 --ff 512 --structure 1 --tq-scales equal --type $type \
        -o "$tmp/$type.gguf" >/dev/null || exit 1
    exits "$type to I2_S" 0 '' "$bitnet" quantize "$tmp/$type.gguf" "$tmp/flat.gguf" --type=I2_S --force
    equal "$type as I2_S computes the same" "$(digest "$tmp/flat.gguf")" "$(digest "$tmp/$type.gguf")"
done

# ---- a scale for each block ----
for type in TQ1_0 TQ2_0; do
    "$build/bitnet-synth" --like tiny --embd 256 --ff 512 --type $type --tq-scales varied \
        -o "$tmp/varied.gguf" >/dev/null || exit 1
    bits=$(digest "$tmp/varied.gguf")
    exits "$type to smaller blocks" 0 '' "$bitnet" quantize "$tmp/varied.gguf" "$tmp/small.gguf" --type=PQ2_0 --force -t 1
    exits 'with two threads' 0 '' "$bitnet" quantize "$tmp/varied.gguf" "$tmp/small2.gguf" --type=PQ2_0 --force -t 2
    ok 'the same bytes' cmp "$tmp/small.gguf" "$tmp/small2.gguf"
    exits 'and back' 0 '' "$bitnet" quantize "$tmp/small.gguf" "$tmp/large.gguf" --type=$type --force
    equal 'computes the same' "$(digest "$tmp/large.gguf")" "$bits"
    exits 'one scale cannot be many' 5 "tensor 'blk.*' has a scale for each 256 weights, and they differ" \
        "$bitnet" quantize "$tmp/varied.gguf" "$tmp/none.gguf" --type=I2_S
done
"$build/bitnet-synth" --like tiny --embd 256 --ff 512 --type PQ2_0 --tq-scales varied -o "$tmp/pq.gguf" >/dev/null || exit 1
exits 'blocks that differ do not become one' 5 'meet in one block, and TQ2_0 has one scale a block' \
    "$bitnet" quantize "$tmp/pq.gguf" "$tmp/none.gguf" --type=TQ2_0
ok 'nothing is left of it' test ! -e "$tmp/none.gguf"

# ---- a scale that binary16 does not have ----
exits 'is refused with the numbers' 5 'the scale 0\.[0-9]+ is no binary16 number \(the nearest is' \
    "$bitnet" quantize "$demo" "$tmp/none.gguf" --type=Q2_0
exits 'or rounded, when that is asked for' 0 '' \
    "$bitnet" quantize "$demo" "$tmp/rounded.gguf" --type=Q2_0 --round-scales
ok 'and said' grep -qE 'rounded, by at most 0\.000[0-9]+ of' "$tmp/stdout"
for layout in b c; do
    exits "the demo to layout $layout" 0 '' "$bitnet" quantize "$demo" "$tmp/$layout.gguf" --type=I2_S/$layout
    ok 'is found to be that' sh -c "'$bitnet' inspect '$tmp/$layout.gguf' | grep -q 'I2_S layout $layout, found'"
    equal 'computes the same' "$(digest "$tmp/$layout.gguf")" "$(digest "$demo")"
    exits 'and back' 0 '' "$bitnet" quantize "$tmp/$layout.gguf" "$tmp/a.gguf" --type=I2_S --force
    ok 'is the demo' cmp "$demo" "$tmp/a.gguf"
done

# ---- a key that is ignored stays, and is said ----
"$build/bitnet-synth" --arch llama --structure 1 --f16-scales --key llama.attention.causal=b:false -o "$tmp/key.gguf" >/dev/null || exit 1
exits 'a key that changes the graph' 5 'llama.attention.causal asks for a step' \
    "$bitnet" quantize "$tmp/key.gguf" "$tmp/kept.gguf" --type=TQ2_0
exits 'without the key' 0 "the new file keeps the key 'llama.attention.causal'" \
    "$bitnet" quantize "$tmp/key.gguf" "$tmp/kept.gguf" --type=TQ2_0 --ignore-key=llama.attention.causal
exits 'the new file is refused alike' 5 'llama.attention.causal asks for a step' "$bitnet" -m "$tmp/kept.gguf" -p a -n 1
exits 'and runs alike' 0 '' "$bitnet" -m "$tmp/kept.gguf" -p a -n 1 --ignore-key=llama.attention.causal
"$bitnet" quantize "$tmp/key.gguf" "$tmp/kept.gguf" --type=TQ2_0 --force --ignore-key=llama.attention.causal --ignore-key=llama.x \
    --json >"$tmp/stdout" 2>/dev/null
ok 'JSON names it' grep -q '"ignored_keys":\["llama.attention.causal"\]' "$tmp/stdout"
exits 'a key of the container' 2 "the key 'general.alignment' says how the file itself is read" \
    "$bitnet" quantize "$tmp/i2s.gguf" "$tmp/none.gguf" --type=TQ2_0 --ignore-key=general.alignment

# ---- a model in several files becomes one ----
exits 'split' 0 '' "$build/bitnet-split" "$tmp/i2s.gguf" 3 "$tmp/part"
exits 'joined' 0 '' "$bitnet" quantize "$tmp/part-00001-of-00003.gguf" "$tmp/joined.gguf" --type=TQ2_0
equal 'computes the same' "$(digest "$tmp/joined.gguf")" "$first"
exits 'onto a part' 2 'would overwrite a part of the model' \
    "$bitnet" quantize "$tmp/part-00001-of-00003.gguf" "$tmp/part-00002-of-00003.gguf" --type=TQ2_0 --force

# ---- shapes ----
"$build/bitnet-synth" --like tiny --embd 128 --ff 384 -o "$tmp/narrow.gguf" >/dev/null || exit 1
exits 'rows that are no blocks' 5 'rows of 128 weights are no whole blocks of 256' \
    "$bitnet" quantize "$tmp/narrow.gguf" "$tmp/none.gguf" --type=TQ2_0 --round-scales

# ---- the command line, and what it must not destroy ----
exits 'no type' 2 'says which type: I2_S, ' "$bitnet" quantize "$demo" "$tmp/none.gguf"
exits 'a type that is none' 2 "'Q4_K' is no ternary type that is written" "$bitnet" quantize "$demo" "$tmp/none.gguf" --type=Q4_K
cp "$demo" "$tmp/in.gguf"
ln -s in.gguf "$tmp/soft.gguf"
for out in in.gguf soft.gguf; do
    exits "onto itself as $out" 2 'would overwrite the model' "$bitnet" quantize "$tmp/in.gguf" "$tmp/$out" --type=I2_S/b --force
done
ok 'the input is what it was' cmp "$demo" "$tmp/in.gguf"
exits 'onto another file' 2 'is there already: --force' "$bitnet" quantize "$demo" "$tmp/in.gguf" --type=I2_S/b
mkfifo "$tmp/pipe"
exits 'to a pipe' 3 'nobody reads' "$bitnet" quantize "$demo" "$tmp/pipe" --type=I2_S/b
exits 'to a device' 3 'no regular file' "$bitnet" quantize "$demo" /dev/null --type=I2_S/b
exits 'where a file may not grow' 3 "cannot write the model.*(File too large|No space left)" \
    sh -c "ulimit -f 100; '$bitnet' quantize '$demo' '$tmp/none.gguf' --type=I2_S/b"
exits 'JSON' 0 '' "$bitnet" quantize "$demo" "$tmp/json.gguf" --type=I2_S/b --json
ok 'says what was made' grep -q '"type":"I2_S/b"' "$tmp/stdout"
equal 'no temporary file is left' "$(find "$tmp" -name '.bitnet-*' | wc -l)" 0
summary
