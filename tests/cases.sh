#!/bin/sh
# cases.sh BUILD - files and commands that were once wrong without a word, a line for each as it was
# reported. The kinds they stand for have tests of their own (test_keys, test_i2s_models, test_types, ...).
set -u
build=${1:?the build folder}
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"
bitnet="$build/bitnet"
unset BITNET_BACKEND BITNET_SEED BITNET_THREADS BITNET_PLUGIN_DIR BITNET_DETERMINISTIC

make_model() { # NAME OPTIONS...
    name=$1
    shift
    "$build/bitnet-synth" --vocab 272 --blocks 1 "$@" -o "$tmp/$name.gguf" 2>/dev/null
}
digest() { # NAME OPTIONS...
    name=$1
    shift
    "$bitnet" -m "$tmp/$name.gguf" -p hi -n 2 --ignore-eos --json "$@" 2>/dev/null | grep -oE '"hidden_digest":"[0-9a-f]+"'
}
refused() { # NAME STATUS PATTERN
    exits "$1 is refused" "$2" "$3" "$bitnet" -m "$tmp/$1.gguf" -p hi -n 2
}
runs() { # NAME
    exits "$1 runs" 0 '' "$bitnet" -m "$tmp/$1.gguf" -p hi -n 2
}

# Keys that change what is computed.
make_model llama --arch llama
make_model noncausal --arch llama --key llama.attention.causal=b:0
refused noncausal 5 'llama.attention.causal'
make_model attn_factor --arch llama --key llama.rope.scaling.attn_factor=f:2
runs attn_factor
ok 'attn_factor is computed' test "$(digest attn_factor)" != "$(digest llama)"
make_model silu --arch bitnet
make_model relu2 --arch bitnet --key bitnet.hidden_activation=s:relu2
runs relu2
ok 'hidden_activation decides' test "$(digest relu2)" != "$(digest silu)"
make_model type-u32 --arch llama --key llama.rope.scaling.type=u:1
refused type-u32 4 'llama.rope.scaling.type is not a text'
make_model no-eps --arch llama --omit-key attention.layer_norm_rms_epsilon
refused no-eps 4 'llama.attention.layer_norm_rms_epsilon is missing'
make_model vocab --arch llama --key llama.vocab_size=u:271
refused vocab 4 'vocab_size'

# Types.
for type in Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS; do
    make_model "$type" --arch llama --type TQ2_0 --embd-type "$type"
    runs "$type"
done
make_model Q2_0 --arch qwen3 --type Q2_0 --q2-block 128
make_model PQ2_0 --arch qwen3 --type PQ2_0
runs PQ2_0
equal 'PQ2_0 is Q2_0 under another id' "$(digest PQ2_0)" "$(digest Q2_0)"
for layout in a b c; do
    make_model "i2s-$layout" --structure 0.5 --i2s-layout $layout
    runs "i2s-$layout"
    equal "layout $layout gives the same digest" "$(digest "i2s-$layout")" "$(digest i2s-a)"
done

# Files.
"$build/bitnet-split" "$tmp/llama.gguf" 2 "$tmp/parts" >/dev/null
equal 'a model in parts is the model' "$(digest parts-00001-of-00002)" "$(digest llama)"
refused parts-00002-of-00002 4 'is opened by its first part'
rm "$tmp/parts-00002-of-00002.gguf"
refused parts-00001-of-00002 3 'parts-00002-of-00002.gguf'

# Outputs, standard input, the plugin folder.
cp "$tmp/llama.gguf" "$tmp/kept.gguf"
exits 'a receipt over the model' 2 'would overwrite the model' \
    "$bitnet" -m "$tmp/kept.gguf" -p x -n 2 --receipt "$tmp/kept.gguf"
ln -s kept.gguf "$tmp/link"
exits 'a receipt over it by a link' 2 'would overwrite the model' \
    "$bitnet" -m "$tmp/kept.gguf" -p x -n 2 --receipt "$tmp/link"
ok 'the model is as it was' cmp "$tmp/kept.gguf" "$tmp/llama.gguf"
"$bitnet" chat -m "$tmp/llama.gguf" -n 2 <&- >"$tmp/stdout" 2>/dev/null
equal 'closed standard input is empty' "$(cat "$tmp/stdout")" ''
exits 'a plugin folder that is gone' 3 'plugin folder' \
    "$bitnet" -m "$tmp/llama.gguf" -p x -n 2 --plugin-dir="$tmp/none"
mkdir -m 777 "$tmp/anybodys"
chmod 777 "$tmp/anybodys"
cp "$build/test-plugins/good.so" "$tmp/anybodys"
exits "a plugin folder that anybody may write" 0 'anybodys' \
    "$bitnet" -m "$tmp/llama.gguf" -p x -n 2 --plugin-dir="$tmp/anybodys"

# Forged receipts: template and recoverable.
"$bitnet" -p 'The king said' -n 4 --seed 1 --receipt "$tmp/r.json" >/dev/null 2>&1
forge() { # EXPRESSION: of r, the receipt; sealed again by whoever forges
    python3 - "$tmp/r.json" "$tmp/forged.json" "$1" <<'END'
import hashlib, json, sys
r = json.load(open(sys.argv[1]))
exec(sys.argv[3])
def seal(v): return hashlib.sha256(json.dumps(v, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
def fields(prefix, o, deeper):
    for k, v in o.items():
        if deeper and isinstance(v, dict): yield from fields(f"{prefix}.{k}", v, False)
        else: yield f"{prefix}.{k}", seal(v)[:16]
f = {}
for part in "result", "circumstance":
    r[part + "_sha256"] = seal(r[part])
    f.update(fields(part, r[part], True))
r["field_sha256"] = {k: f[k] for k in f}
json.dump(r, open(sys.argv[2], "w"))
END
}
forge 'pass'
exits 'sealed again, unchanged' 0 '' "$bitnet" verify "$tmp/forged.json"
forge 'r["result"]["template"] = "llama3"'
exits 'a forged template' 10 'template' "$bitnet" verify "$tmp/forged.json"
forge 'p = r["result"]["prompt"]; p["recoverable"] = False; p["sha256"] = "0" * 64'
exits 'a forged prompt' 10 'prompt' "$bitnet" verify "$tmp/forged.json"
make_model tq2 --arch llama --type TQ2_0
"$bitnet" -m "$tmp/tq2.gguf" -p x -n 4 --receipt "$tmp/r.json" --force >/dev/null 2>&1
for member in '"i2s_layout": "c"' '"parts": 7' '"ignored_keys": ["a.b"]'; do
    forge "r['result']['model'].update({$member})"
    exits "a model's $member" 10 "$(expr "$member" : '"\([a-z0-9_]*\)"')" "$bitnet" verify "$tmp/forged.json"
done

summary
