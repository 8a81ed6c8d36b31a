#!/bin/sh
# arm64.sh ARM64_BUILD BUILD - the AArch64 build under qemu: each of its kernel sets against the
# judge, and whole runs against the bytes of BUILD, which is for this machine.
#
# Three processors, because qemu's choice of one decides which kernels are chosen: `max` has i8mm,
# `neoverse-n1` dotprod only, `cortex-a53` is plain ARMv8.0 and traps on anything newer. What the
# processor is meant to bring is asked of the program, not believed. Some unit tests are left out:
# those with much scalar work take minutes when emulated, and prove nothing about this CPU.
set -u
arm=$1 native=$2
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR
CK_TIMEOUT_MULTIPLIER=10
export CK_TIMEOUT_MULTIPLIER

on() { # PROCESSOR PROGRAM...
    processor=$1
    shift
    timeout 300 qemu-aarch64 -cpu "$processor" -L "$arm/sysroot" "$@"
}

# unit PROCESSOR TEST: adds what libcheck reports to the counts.
unit() {
    on "$1" "$arm/tests/$2" >"$tmp/log" 2>&1
    status=$?
    counts=$(sed -nE 's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+)$/\1 \2 \3/p' "$tmp/log")
    # shellcheck disable=SC2086 # three numbers
    set -- "$1" "$2" ${counts:-1 1 0}
    bad=$(($4 + $5))
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    passed=$((passed + $3 - bad)) failed=$((failed + bad))
    if [ "$bad" -ne 0 ]; then cat "$tmp/log"; fi
    printf '%-12s %-24s %3d checks %3d failed\n' "$1" "$2" "$3" "$bad"
}

kernels() { # PROCESSOR OPTION...: of cpu-neon
    processor=$1
    shift
    checkkern "$processor, bitnet-checkkern $*" on "$processor" "$arm/bitnet-checkkern" "$@" --timeout=120 "$arm/plugins/cpu-neon.so"
}

# field NAME: the value of a text member of the JSON object on stdin.
field() {
    sed -E "s/.*\"$1\":\"([^\"]+)\".*/\1/"
}

# ---- which kernels each processor gets ----
for pair in max:neon-i8mm neoverse-n1:neon-dotprod cortex-a53:neon; do
    processor=${pair%:*}
    chosen=$(on "$processor" "$arm/bitnet" backends | grep -A 1 '^\* ' | tr '\n' ' ' |
        sed -E 's/^\* ([a-z-]+).*kernels ([a-z0-9-]+),.*/\1 \2/')
    equal "$processor chooses its kernels" "$chosen" "cpu-neon ${pair#*:}"
    echo "$processor: $chosen"
done

# ---- kernels and what lies next to the machine ----
# All slots where nothing newer can be meant; then those that the other sets do not share with it.
kernels cortex-a53 --variant=neon
kernels neoverse-n1 --variant=neon-dotprod --slot=ternary_gemm
kernels neoverse-n1 --variant=neon-dotprod --slot=i8_gemv
kernels neoverse-n1 --variant=neon-dotprod --slot=code_gemv
kernels neoverse-n1 --variant=neon-dotprod --slot=peak
kernels max --variant=neon-i8mm --slot=ternary_gemm
kernels max --variant=neon-i8mm --slot=peak
for test in kernels abi cpu topology pool elfnote backend selfcheck numerics rope types gguf model keys; do
    unit max "test_$test"
done

# ---- whole runs: the same digests as here ----
# More positions than a chunk of attention, and more tokens than share an unpacked panel.
words='the quick brown fox jumps over the lazy dog and '
prompt="$words$words$words$words$words$words"
digest() { # PROGRAM...: of a greedy run on $model
    "$@" run -m "$model" -p "$prompt" -n 8 --json | field logits_digest
}
for kind in '--type I2_S' '--type TQ2_0 --tq-scales varied --embd-type Q6_K' '--type F16 --untied=Q8_0'; do
    model=$tmp/model.gguf
    # shellcheck disable=SC2086 # options
    "$native/bitnet-synth" --like tiny $kind -o "$model" >/dev/null 2>&1
    # shellcheck disable=SC2086
    on max "$arm/bitnet-synth" --like tiny $kind -o "$tmp/again.gguf" >/dev/null 2>&1
    ok "$kind: the same model is made" cmp "$model" "$tmp/again.gguf"
    here=$(digest "$native/bitnet")
    equal "$kind: a digest is 64 digits" "${#here}" 64
    for processor in max neoverse-n1 cortex-a53; do
        equal "$kind: $processor, cpu-neon" "$(digest on "$processor" "$arm/bitnet")" "$here"
    done
    BITNET_BACKEND=ref-scalar
    export BITNET_BACKEND
    equal "$kind: max, ref-scalar" "$(digest on max "$arm/bitnet")" "$here"
    unset BITNET_BACKEND
    echo "logits digest $here: $kind"
done

summary
