#!/bin/sh
# slots.sh BUILD - a plugin whose fault comes late, past every self-check (tests/plugins/late-slot.c), in
# each slot of each architecture: `verify --locate` and `parity` name the operation. The spot-check and
# lock-step by themselves: tests/unit/test_op_faults.c.
set -u
build=${1:?the build folder}
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

bitnet="$build/bitnet"
unset BITNET_BACKEND BITNET_SEED BITNET_THREADS BITNET_PLUGIN_DIR BITNET_DETERMINISTIC BITNET_TEST_SLOT
unset CROSSVAL_GGUF CROSSVAL_PROMPT_SET PARITY_TEST_TIMEOUT_SECS
mkdir -m 755 "$tmp/plugins"
cp "$build/test-plugins/late-slot.so" "$tmp/plugins"

found() { # ARCH SLOT OPERATION
    export BITNET_TEST_SLOT="$2"
    exits "$1: a fault in $2" 10 'replay: step' "$bitnet" verify "$tmp/r.json" -m "$tmp/m.gguf" \
        --plugin-dir="$tmp/plugins" --backend=late-slot --locate --threads=1
    ok "$1: $2 is located" grep -qE "this machine's backend 'late-slot': .* $3[ ,]" "$tmp/stdout"
    exits "$1: parity finds $2" 10 " $3[ ,]" "$bitnet" parity -m "$tmp/m.gguf" -o "$tmp/p.json" --force \
        --plugin-dir="$tmp/plugins" --backend=late-slot --lockstep -n 70 --first-only --threads=1
    unset BITNET_TEST_SLOT
}

while read -r arch options faults; do
    # shellcheck disable=SC2046,SC2086 # options in one word, with commas for spaces
    "$build/bitnet-synth" --arch $arch --vocab 272 $(echo $options | tr , ' ') -o "$tmp/m.gguf" 2>/dev/null
    rm -f "$tmp/r.json"
    exits "$arch: a receipt" 0 '' "$bitnet" -m "$tmp/m.gguf" --plugin-dir="$tmp/plugins" --backend=late-slot \
        -p hello -n 70 --ignore-eos --receipt="$tmp/r.json"
    for fault in $faults; do
        found "$arch" "${fault%:*}" "${fault#*:}"
    done
done <<EOF
bitnet-b1.58 --type,I2_S rmsnorm:norm act_quantize:quantize ternary_gemm:linear dense_gemm:linear dense_unpack:embed rope:rope gate:gate add:add kv_store:kv_store attn:attention
bitnet-25 --type,TQ2_0,--embd-type,TQ2_0 ternary_unpack:embed rmsnorm:norm ternary_gemm:linear gate:gate
bitnet --type,I2_S rmsnorm:norm add:add kv_store:kv_store
llama --type,TQ1_0,--tq-scales,varied act_quantize:quantize ternary_gemm:linear gate:gate attn:attention
qwen2 --type,TQ2_0 add:bias rope:rope
qwen3 --type,TQ2_0,--norms-in rmsnorm:norm ternary_gemm:linear
minicpm --type,Q4_0 dense_gemm:linear kv_store:kv_store
gemma3 --type,TQ2_0,--window,4,--window-period,2 gate_gelu:gate attn_window:attention attn:attention rmsnorm:norm
EOF
summary
