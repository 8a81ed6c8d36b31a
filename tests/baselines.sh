#!/bin/sh
# baselines.sh BUILD MODEL - the receipts in docs/baselines are true for the program of today.
#
# Each run and conversation is verified with the best backend and with ref-scalar, and its `result` is
# the same bytes whichever backend made it. Each parity receipt says `ok`, and today's parity gives
# the same tokens. A fault here means that the model or the numerics have changed since: then say so in
# CHANGELOG.md and make the receipts anew (docs/baselines/README.md).
set -u
build=$1 model=$2
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR
unset CROSSVAL_GGUF CROSSVAL_PROMPT_SET BASELINES_DIR PARITY_TEST_TIMEOUT_SECS
bitnet=$build/bitnet
folder=docs/baselines

result() { sed -n 's/^"result":\(.*\),$/\1/p' "$1"; }
# What a parity receipt says about tokens: prompts, and what backend and judge made of them.
tokens() {
    python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
print(r["parity"]["status"], r["parity"]["exact_match_rate"], r["model"]["sha256"])
for p in r["prompts"]:
    print(p["name"], p["blake3"], p["ids"], p["free"]["tokens"], p["free"]["judge_tokens"], p["free"]["equal_logits"])
    print(sorted((name, o["different"]) for name, o in p["lockstep"]["operations"].items()))' "$1"
}

# Parity receipts made here by hand lie in the same folder; only what is committed counts.
files=$(git ls-files "$folder/????-??-??/*.json" 2>/dev/null)
files=${files:-$(ls "$folder"/????-??-??/*.json)}
dates=$(for file in $files; do basename "$(dirname "$file")"; done | sort -u)
ok 'there are receipts' test -n "$dates"
"$bitnet" parity -m "$model" --prompt-set=all -o "$tmp/parity.json" >/dev/null 2>"$tmp/stderr" || cat "$tmp/stderr"
tokens "$tmp/parity.json" >"$tmp/tokens"

for date in $dates; do
    for kind in greedy sampled chat; do
        result "$folder/$date/$kind-ref-scalar.json" >"$tmp/judge"
        ok "$date $kind: ref-scalar made one" test -s "$tmp/judge"
        for backend in cpu-avx512 cpu-avx2 ref-scalar cpu-neon; do
            file=$folder/$date/$kind-$backend.json
            result "$file" >"$tmp/result"
            ok "$file: the result of ref-scalar" cmp "$tmp/result" "$tmp/judge"
            equal "$file: made by" "$(sed -nE 's/^"circumstance":\{"backend":\{[^}]*"name":"([^"]+)".*/\1/p' "$file")" "$backend"
            exits "$file: verified" 0 '' "$bitnet" verify "$file" -m "$model"
            exits "$file: verified by ref-scalar" 0 '' "$bitnet" verify "$file" -m "$model" --backend=ref-scalar
        done
    done
    for backend in cpu-avx512 cpu-avx2 ref-scalar cpu-neon; do
        file=$folder/$date/parity-$backend.json
        tokens "$file" >"$tmp/other"
        ok "$file: says ok" grep -q '^ok 1.0 ' "$tmp/other"
        ok "$file: today's parity" cmp "$tmp/other" "$tmp/tokens"
    done
    # A clone without history cannot say it.
    if [ "$(git rev-parse --is-shallow-repository 2>/dev/null)" = false ]; then
        commits=$(grep -ohE '"commit":"[^"]*"' "$folder/$date"/*.json | sort -u | cut -d'"' -f4)
        for commit in $commits; do
            ok "$date: commit $commit is an ancestor of this one" git merge-base --is-ancestor "$commit" HEAD
        done
    fi
done
if [ "$failed" -ne 0 ]; then
    echo "Have the demo model or the numerics changed? Then make the baselines anew: $folder/README.md"
fi
summary
