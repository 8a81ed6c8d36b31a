#!/usr/bin/env bash
# check.sh BUILD ARM64_BUILD [--model FILE] - one digest everywhere: a prompt of 300 tokens and 64
# greedy tokens give the same logits, hidden states and tokens on every backend, with any threads
# and batches, on x86-64 and AArch64.
#
# Each cell of the grid (1, 2, 3 threads; batches of 1, 7, 512) is run twice: with --full-logits, whose
# digest is over all logits, and without, where the head is searched and the digest is over the hidden
# states. Natively for each backend of this CPU and its other kernel sets; under qemu for the sets
# that other processors choose, which the program must name. The trained model and one of random
# weights have the whole grid everywhere; models of the other architectures and types, and the
# processor without fma (slow), have its diagonal (1/1, 2/7, 3/512) where emulated. The head is
# searched there in one cell.
#
# With --model: that model, natively. The judge takes minutes for a token of a large model, so it is
# compared on 24 + 4 tokens, and the others with it as well as on 300 + 64.
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${1:?the build folder} arm=${2:?the AArch64 build folder} file=
if [ "${3:-}" = --model ] && [ -n "${4:-}" ] && [ $# -eq 4 ]; then
    file=$4
elif [ $# -ne 2 ]; then
    echo "usage: check.sh BUILD ARM64_BUILD [--model FILE]" >&2
    exit 2
fi
# shellcheck source=tests/lib.sh
. tests/lib.sh
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR
bitnet=$build/bitnet
all='1/1 1/7 1/512 2/1 2/7 2/512 3/1 3/7 3/512' diagonal='1/1 2/7 3/512'

# field NAME: of the JSON object on stdin. A quote inside of a text is escaped, so it cannot mislead.
field() { sed -nE "s/^.*[{,]\"$1\":\"([^\"]*)\".*$/\1/p"; }
count() { sed -nE "s/^.*[{,]\"$1\":\[([^]]*)\].*$/\1/p" | tr ',' '\n' | grep -c .; }

# ---- one run: prints "MODEL PLACE KIND T/B VARIANT PROMPT TOKENS LOGITS HIDDEN IDS" ----
# A line of the list: MODEL.N PLACE KIND T/B COMMAND...; KIND is `full` or `search`.
one() {
    read -r model place kind cell command <<<"$1"
    n=${model#*.}
    flags=(-m "$tmp/${model%.*}.gguf" -f "$tmp/$model.txt" -n "$((n == 300 ? 64 : 4))" -t "${cell%/*}"
        -b "${cell#*/}" --json --ignore-eos)
    [ "$kind" = full ] && flags+=(--full-logits)
    # shellcheck disable=SC2086 # a command with its options
    json=$(timeout 900 $command "${flags[@]}" 2>"$tmp/err.$BASHPID") || {
        echo "$model $place $kind $cell failed: $(tail -n 1 "$tmp/err.$BASHPID" | tr '\n' ' ')"
        return
    }
    echo "$model $place $kind $cell $(field backend_variant <<<"$json") $(count prompt_tokens <<<"$json")" \
        "$(count tokens <<<"$json") $(field logits_digest <<<"$json") $(field hidden_digest <<<"$json")" \
        "$(sed -E 's/.*[{,]("tokens":\[[^]]*\]).*/\1/' <<<"$json" | sha256sum | cut -c 1-16)"
}
export -f one field count
export tmp

# ---- models and their prompts ----
# The shortest beginning of the held-out text that is N tokens with this vocabulary.
prompt() { # MODEL N
    local low=1 high=4000 middle
    while [ "$low" -lt "$high" ]; do
        middle=$(((low + high) / 2))
        if [ "$(head -c $middle models/heldout.txt | "$bitnet" tokenize -m "$tmp/$1.gguf" --ids -f - | wc -w)" -ge "$2" ]; then
            high=$middle
        else
            low=$((middle + 1))
        fi
    done
    head -c "$low" models/heldout.txt >"$tmp/$1.$2.txt"
}
synth() { # MODEL OPTIONS...: with a head that is worth searching
    "$build/bitnet-synth" --like tiny --vocab 6000 "${@:2}" -o "$tmp/$1.gguf" >/dev/null 2>&1 || exit 1
    prompt "$1" 300
}
if [ -n "$file" ]; then
    ln -s "$(realpath "$file")" "$tmp/given.gguf"
    prompt given 300
    prompt given 24
else
    ln -s "$PWD/models/bitnet-demo-i2_s.gguf" "$tmp/demo.gguf"
    prompt demo 300
    synth i2_s --type I2_S
    synth bitnet-25-tq1 --arch bitnet-25 --type TQ1_0 --tq-scales varied --embd-type Q6_K
    synth llama-tq2 --arch llama --type TQ2_0 --tq-scales varied --untied=Q8_0
    synth qwen3-q2 --arch qwen3 --type Q2_0 --q2-block 128 --tq-scales varied
    synth llama-q4k --arch llama --type Q4_K --embd-type Q4_K --untied=Q6_K
    synth gemma3-tq2 --arch gemma3 --type TQ2_0 --embd-type Q5_1 --norms-in --window 32 --window-period 2
    synth qwen2-iq4 --arch qwen2 --type IQ4_XS --embd-type IQ4_NL
    synth minicpm-tq1 --arch minicpm --type TQ1_0 --embd-type Q3_K --longrope-context 64
    others='bitnet-25-tq1 llama-tq2 qwen3-q2 llama-q4k gemma3-tq2 qwen2-iq4 minicpm-tq1'
fi

# ---- what is run where ----
add() { # MODEL PLACE KIND CELLS COMMAND...
    local cell
    for cell in $4; do echo "$1 $2 $3 $cell ${*:5}" >>"$tmp/list"; done
}
# Best first, ref-scalar last; a plugin with each of its kernel sets.
names=$("$bitnet" backends --json | tr '{' '\n' |
    sed -nE 's/.*"name":"([^"]+)".*"verdict":"ok".*/\1/p; s/.*"variant":"([^"]+)".*"taken".*/:\1/p' |
    awk '/^:/ { print name $0; name_is_due = 0; next } name_is_due { print name } { name = $0; name_is_due = 1 } END { if (name_is_due) print name }')
native() { # MODEL CELLS NAME...
    local name kind set plugin last=''
    for name in "${@:3}"; do
        plugin=${name%%:*}
        for kind in full search; do
            add "$1" "$name" $kind "$2" "$bitnet" run --backend="$name"
            for set in lesser evex; do
                [ "$plugin" = "$last" ] || [ ! -e "$build/$set/$plugin.so" ] ||
                    add "$1" "$plugin,$set" $kind "$2" "$bitnet" run --backend="$plugin" --plugin-dir="$build/$set"
            done
        done
        last=$plugin
    done
}
emulated() { # MODEL CELLS
    local x86="qemu-x86_64 -cpu" a64="qemu-aarch64 -L $arm/sysroot -cpu" kind cells=$2 few=$diagonal
    for kind in full search; do
        add "$1" Nehalem:portable $kind "$few" "$x86" Nehalem "$bitnet" run
        add "$1" Haswell:avx2 $kind "$cells" "$x86" Haswell "$bitnet" run
        add "$1" max:neon-i8mm $kind "$cells" "$a64" max "$arm/bitnet" run
        add "$1" neoverse-n1:neon-dotprod $kind "$cells" "$a64" neoverse-n1 "$arm/bitnet" run
        add "$1" cortex-a53:neon $kind "$cells" "$a64" cortex-a53 "$arm/bitnet" run
        add "$1" cortex-a53,judge:portable $kind "$cells" "$a64" cortex-a53 "$arm/bitnet" run --backend=ref-scalar
        cells=2/7 few=2/7
    done
}
if [ -n "$file" ]; then
    # shellcheck disable=SC2086 # names
    native given.300 '1/512 2/1 2/7 3/512' ${names%ref-scalar*}
    # shellcheck disable=SC2086
    native given.24 '2/7' $names
else
    for emulator in qemu-x86_64 qemu-aarch64; do
        ok "$emulator is here (scripts/deps.sh arm64)" command -v "$emulator"
    done
    # shellcheck disable=SC2086
    for model in demo i2_s $others; do native "$model.300" "$all" $names; done
    for model in demo i2_s; do emulated "$model.300" "$all"; done
    for model in $others; do emulated "$model.300" "$diagonal"; done
fi

# ---- run, as many at once as there are processors (one of a large model) ----
start=$(date +%s)
at_once=$(nproc)
[ -z "$file" ] || at_once=1
# shellcheck disable=SC2016 # the inner shell's argument
xargs -d '\n' -n 1 -P "$at_once" bash -c 'one "$1"' one <"$tmp/list" >"$tmp/results"
equal 'every run has a result' "$(wc -l <"$tmp/results")" "$(wc -l <"$tmp/list")"

# ---- compare ----
# What the others must be is what the first backend gave in one thread; who is wrong shows in the list.
for model in $(cut -d' ' -f1 "$tmp/list" | uniq | awk '!seen[$0]++'); do
    n=${model#*.}
    wanted="$n $((n == 300 ? 64 : 4)) $(grep "^$model [^ ]* full " "$tmp/results" | grep -v ' failed: ' | sort -r |
        head -n 1 | cut -d' ' -f8-)"
    read -r _ _ logits hidden ids <<<"$wanted"
    equal "$model: digests" "${#logits} ${#hidden} ${#ids}" '64 64 16'
    while read -r _ place kind cell variant results; do
        case $place in
        *:*) equal "$model, $place: kernels" "$variant" "${place#*:}" ;;
        *,evex) equal "$model, $place: kernels" "$variant" avx2-vnni ;;
        *,lesser) equal "$model, $place: kernels" "${variant%-vnni}" "$variant" ;;
        esac
        [ "$kind" = full ] || results=${results/ $hidden $hidden / $logits $hidden }
        equal "$model, $place, $kind, $cell" "$results" "$wanted"
    done < <(grep "^$model " "$tmp/results")
    echo "$model: logits $logits"
    echo "$model: hidden $hidden"
    awk -v m="$model" '$1 == m { n[$2 " (" $5 ")"]++ } END { for (p in n) print "    " n[p] " runs: " p }' "$tmp/results" | sort -k 3
done
echo "$(wc -l <"$tmp/results") runs in $(($(date +%s) - start)) s"
summary
