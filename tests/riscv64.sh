#!/bin/sh
# riscv64.sh RISCV64_BUILD BUILD - the RISC-V build under qemu: ref-scalar alone gives the bytes of BUILD, which is for
# this machine, and the unit tests of files, arithmetic and texts pass.
set -u
riscv=$1 native=$2
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR
CK_TIMEOUT_MULTIPLIER=10
export CK_TIMEOUT_MULTIPLIER
on() { timeout 300 qemu-riscv64 -L "$riscv/sysroot" "$@"; }

ok 'no plugin is for it, and it says so' sh -c "timeout 100 qemu-riscv64 -L '$riscv/sysroot' '$riscv/bitnet' backends | grep -q ref-scalar"
for arch in bitnet-b1.58 llama qwen3 gemma3; do
    "$native/bitnet-synth" --like tiny --arch $arch -o "$tmp/$arch.gguf" >/dev/null || exit 1
    digest() { sed -nE 's/.*"logits_digest":"([0-9a-f]+)".*/\1/p'; }
    want=$("$native/bitnet" -m "$tmp/$arch.gguf" -p abc -n 8 --full-logits --json 2>/dev/null | digest)
    equal "$arch: a digest" "${#want}" 64
    equal "$arch: the same there" "$(on "$riscv/bitnet" -m "$tmp/$arch.gguf" -p abc -n 8 --full-logits --json 2>/dev/null | digest)" "$want"
done
on "$riscv/bitnet" -m "$tmp/llama.gguf" -p abc -n 4 --receipt="$tmp/r.json" >/dev/null 2>&1
ok 'a receipt made there is verified here' "$native/bitnet" verify "$tmp/r.json" -m "$tmp/llama.gguf"
for test in blake3 err gguf ternary types numerics rope tokenizer template sample receipt_form; do
    [ -e "$riscv/tests/test_$test" ] || continue
    ok "test_$test" on "$riscv/tests/test_$test"
done
summary
