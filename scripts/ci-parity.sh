#!/usr/bin/env bash
# ci-parity.sh [FOLDER] - the gate: `bitnet parity` for every backend this CPU can use, on the model
# in models/ (MODEL=FILE takes another), and then a look at the receipts themselves. They lie in
# FOLDER (default build/receipts), for the workflow to keep. Fails unless each says `ok`, is of this
# commit, this model and this plugin file, and is newer than the job (JOB_STARTED).
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
out=${1:-build/receipts}
model=${MODEL:-models/bitnet-demo-i2_s.gguf}

scripts/deps.sh build test
make -j"$jobs" BUILD="$build" all
rm -rf "$out"
mkdir -p "$out"

step "the backends of this CPU, for commit $commit"
"$build/bitnet" backends --json >"$out/backends.json"
names=$(scripts/ci-receipts.py backends <"$out/backends.json")
failed=0
for name in $names; do
    step "parity of $name"
    receipt=$out/parity-$name.json
    "$build/bitnet" parity -m "$model" --backend="$name" --prompt-set=all -o "$receipt" || failed=1
    scripts/ci-receipts.py check --commit "$commit" --since "$since" "${dirty[@]}" \
        --backend "$name" --model "$model" --plugins "$build/plugins" "$receipt" || failed=1
done
exit "$failed"
