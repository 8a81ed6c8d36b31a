#!/usr/bin/env bash
# go-no-go.sh [--full] [--list] [LINE...] - is this tree fit to be released? One command for each line of
# the release checklist; prints PASS or FAIL with what was measured, and exits 1 unless all pass.
#
# LINE... runs those only; --full adds the lines that need a model of the 2B-4T shape (TWO_B=FILE, else
# bitnet-synth makes one of 1.2 GB) and llama.cpp. The tests themselves lie in tests/; here is only which
# must pass, and the figure to show. Output of each is kept in build/go-no-go. Needs AVX-512, qemu, the
# cross compiler, node and npm; scripts/deps.sh installs what is missing.

# name, --full only?, what must hold. docs/releases has the same lines (tests/papers.sh).
# shellcheck disable=SC2016 # `ok` is a word here
lines='
parity        -    parity is `ok` for every backend of this CPU
first-token   -    first token 3923 for a gpt2-model file with the LLaMA-3 vocabulary
tokenizing    -    six tokens are encoded in less than 10 ms
golden        -    golden tokens of three families
lifecycle     -    100 lifecycles: no crash, no leak, also under AddressSanitizer
provenance    -    receipts carry provenance, and it is true
schema        -    receipts follow the schema; each edit is refused by name
across        -    cpu-avx512, cpu-avx2, ref-scalar and cpu-neon (qemu) make and verify the same `result`
baselines     -    the receipts in docs/baselines verify
faults        -    planted faults are found; a hanging kernel leaves a timeout receipt within 2 s
workflows     -    the workflows are valid, and their gate refuses what it must
papers        -    CHANGELOG, release summary and manual are complete and agree on the version
warnings      -    no compiler warnings, gcc and clang
parity-2b4t   full parity is `ok` at the shape of BitNet 2B-4T in less than 10 s
prefill-2b4t  full its prefill takes less than 500 ms, four tokens less than 2 s
llama-cpp     full receipts of the comparison with llama.cpp name its commit
'

if [ "${1:-}" = --list ]; then # also where there is no git
    echo "$lines" | sed -nE 's/^([a-z0-9-]+) +(-|full) +(.*)/\1: \3/p'
    exit 0
fi

# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
logs=build/go-no-go
model=models/bitnet-demo-i2_s.gguf

tell() { printf '%s' "$*" >"$logs/figure"; } # the figure of the line that runs
log() { cat "$logs/$line.log"; }
passed() { # the sum that a test prints last, and what else there is to say
    tell "$(log | sed -nE 's/^([a-z]+: )?([0-9]+ passed, [0-9]+ failed)$/\2/p' | tail -n 1)${1:+, $1}"
}
judged() { # STATUS [WORDS]: of the test that has run
    passed "${@:2}"
    return "$1"
}

parity() {
    scripts/ci-parity.sh "$logs/receipts" || return
    tell "$(for f in "$logs"/receipts/parity-*.json; do
        python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
p = r["parity"]
n = sum(x["lockstep"]["values_compared"] for x in r["prompts"])
print(p["backend"], p["status"], f"({n} values)", end=", ")' "$f"
    done | sed 's/, $//')"
}
first-token() {
    make first-token || return
    # The script has its own checks; this is for the reader.
    tell "$("$build/bitnet" tokenize -m build/oracles/llama3.gguf --ids --no-bos 'What is 2+2?')"
}
tokenizing() {
    make first-token || return
    tell "$(log | sed -nE 's/^six tokens: ([^ ]+) s to encode.*/\1/p' | awk '{ printf "%.3f ms", $1 * 1000 }')"
}
golden() {
    make golden || return
    passed "$(log | sed -nE 's/.*gguf: ([a-z0-9]+), pre .*/\1/p' | sort -u | paste -sd ' ')"
    [ "$(log | sed -nE 's/.*gguf: ([a-z0-9]+), pre .*/\1/p' | sort -u | wc -l)" -eq 3 ]
}
lifecycle() {
    make -j"$jobs" all "$build/tests/test_lifecycle" || return
    make -j"$jobs" VARIANT=asan BUILD=build/asan all build/asan/tests/test_lifecycle || return
    "$build/tests/test_lifecycle" && build/asan/tests/test_lifecycle || return
    tell "$(log | sed -nE 's/^100%: Checks: ([0-9]+), Failures: 0, Errors: 0$/\1/p' | paste -sd ' ' | sed 's/ / tests, under asan /')"
    [ "$(log | grep -cE '^100%: Checks: [1-9][0-9]*, Failures: 0, Errors: 0$')" -eq 2 ]
}
provenance() {
    tests/receipts/provenance.sh "$build" "$model"
    judged $?
}
schema() {
    make -j"$jobs" all test-plugins && tests/receipts/check.sh "$build"
    judged $?
}
across() {
    make -j"$jobs" arm64 && tests/receipts/across.sh "$build" build/arm64 "$model"
    judged $? "$(log | sed -n 's/^result: //p')"
}
baselines() {
    tests/baselines.sh "$build" "$model"
    judged $?
}
faults() {
    make -j"$jobs" all test-plugins && tests/parity.sh "$build"
    judged $? "$(log | grep 'ms after the limit')"
}
workflows() {
    make lint-workflows && tests/workflows/check.sh "$build"
    judged $? "$(find .github/workflows -name '*.yml' | wc -l) workflows"
}
papers() {
    make checkkern && tests/papers.sh "$build"
    judged $?
}
warnings() { # in folders that no build without WERROR=1 has ever written to
    for compiler in gcc clang; do
        make -j"$jobs" CC="$compiler" BUILD="build/go-no-go-$compiler" WERROR=1 all library tests test-plugins || return
    done
    tell "$(gcc --version | head -n 1), $(clang --version | head -n 1)"
}
two_b() {
    if [ -z "${TWO_B:-}" ]; then
        TWO_B=$logs/2b4t.gguf
        [ -e "$TWO_B" ] || { "$build/bitnet-synth" --like 2b4t -o "$TWO_B.new" && mv "$TWO_B.new" "$TWO_B"; }
    fi
}
parity-2b4t() {
    two_b && "$build/bitnet" parity -m "$TWO_B" -o "$logs/2b4t.json" || return
    python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
p = r["parity"]
print(p["backend"], p["status"], "in %.1f s" % (p["elapsed_us"] / 1e6), end="")
sys.exit(not (p["status"] == "ok" and p["elapsed_us"] < 10e6 and r["model"]["bytes"] > 1e9))' "$logs/2b4t.json" >"$logs/figure"
}
prefill-2b4t() {
    two_b && "$build/bitnet" parity -m "$TWO_B" --free -o "$logs/2b4t-free.json" || return
    python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
p = r["prompts"][0]
t = p["free"]["timings"]
print("%d tokens in %.0f ms," % (len(p["ids"]), t["prefill_us"] / 1e3), "%d more tokens in %.0f ms" % (r["parity"]["steps"], t["decode_us"] / 1e3), end="")
sys.exit(not (t["prefill_us"] < 500e3 and t["decode_us"] < 2e6))' "$logs/2b4t-free.json" >"$logs/figure"
}
llama-cpp() {
    env -u BASELINES_DIR make -j"$jobs" crossval || return
    python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
print(r["parity"]["status"], "with llama.cpp", r["llama_cpp_commit"], end="")
sys.exit(not (r["parity"]["status"] == "ok" and r["llama_cpp_commit"]))' "$build/crossval.json" >"$logs/figure"
}

full=no wanted=()
for word in "$@"; do
    case $word in
    --full) full=yes ;;
    *)
        if ! grep -qE "^$word +(-|full) " <<<"$lines"; then
            echo "go-no-go: no line '$word' (--list shows them)" >&2
            exit 2
        fi
        wanted+=("$word")
        ;;
    esac
done

scripts/deps.sh build test lint arm64
mkdir -p "$logs"
echo "$(date -u +%FT%TZ), commit $commit"
echo "$(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), $(nproc) CPUs, $(uname -sr)"
make -j"$jobs" all >"$logs/build.log" 2>&1 || {
    cat "$logs/build.log"
    exit 1
}
good=0 bad=0
while read -r line when what; do
    [ -n "$line" ] || continue
    if [ ${#wanted[@]} -gt 0 ]; then
        [[ " ${wanted[*]} " == *" $line "* ]] || continue
    elif [ "$when" = full ] && [ $full = no ]; then
        continue
    fi
    : >"$logs/figure"
    start=$SECONDS
    # Not `if`: a line stops at its first failure by its own `|| return`s.
    ("$line") >"$logs/$line.log" 2>&1 </dev/null && verdict=PASS || verdict=FAIL
    printf '%s  %-12s %4d s  %s\n                       %s\n' "$verdict" "$line" $((SECONDS - start)) "$what" "$(cat "$logs/figure")"
    if [ "$verdict" = PASS ]; then
        good=$((good + 1))
    else
        bad=$((bad + 1))
        grep -E 'FAILED|[Ee]rror|warning:' "$logs/$line.log" | head -n 10 | sed 's/^/      | /' || true # none: the script would end
        tail -n 5 "$logs/$line.log" | sed 's/^/      | /'
    fi
done <<<"$lines"
echo "$good of $((good + bad)) lines pass: $([ $bad -eq 0 ] && echo GO || echo NO-GO)"
[ $bad -eq 0 ] && [ $good -gt 0 ]
