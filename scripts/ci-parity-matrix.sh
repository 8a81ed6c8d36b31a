#!/usr/bin/env bash
# ci-parity-matrix.sh FOLDER [QUANTS [SETS]] - parity of every usable backend at several thread
# counts, for models of random weights in each of QUANTS ("I2_S TQ1_0 TQ2_0") with each of the prompt
# sets SETS ("math chat"). Receipts go to FOLDER/DATE/QUANT/SET, beside a manifest of what had to be
# made; DATE is $MATRIX_DATE or today. Fails at the first combination that is not `ok`, at its end.
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
out=${1:?a folder}/${MATRIX_DATE:-$(date -u +%F)}
quants=${2:-I2_S TQ1_0 TQ2_0}
sets=${3:-math chat}
counts=${THREADS:-1 2 3}
# Rows and columns that leave tails in every blocking, and a head large enough to be searched.
read -r -a shape <<<"${SHAPE:---blocks 3 --embd 768 --ff 2304 --heads 12 --kv-heads 4 --vocab 8192}"

scripts/deps.sh build test
make -j"$jobs" BUILD="$build" all
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/bitnet" backends --json >"$work/backends.json"
names=$(scripts/ci-receipts.py backends <"$work/backends.json")
failed=0
for quant in $quants; do
    model=$work/$quant.gguf
    "$build/bitnet-synth" "${shape[@]}" --type "$quant" -o "$model"
    hash=$(sha256sum "$model" | cut -d' ' -f1)
    for set in $sets; do
        here=$out/$quant/$set
        rm -rf "$here"
        mkdir -p "$here"
        for name in $names; do
            for threads in $counts; do echo "$name $threads $hash"; done
        done >"$here/manifest"
        while read -r name threads _; do
            step "$quant, $set, $name, $threads threads"
            receipt=$here/$name-t$threads.json
            "$build/bitnet" parity -m "$model" --backend="$name" -t "$threads" \
                --prompt-set="$set" -o "$receipt" </dev/null || failed=1
            scripts/ci-receipts.py check --commit "$commit" --since "$since" "${dirty[@]}" \
                --backend "$name" --threads "$threads" --model "$model" \
                --plugins "$build/plugins" "$receipt" || failed=1
        done <"$here/manifest"
    done
    rm -f "$model"
done
exit "$failed"
