#!/usr/bin/env bash
# make-baselines.sh [COMMIT] - makes docs/baselines/DATE: receipts of the demo model from every backend,
# cpu-neon under qemu among them, by the program as it is at COMMIT (default: HEAD).
#
# A receipt names the commit and the file of the plugin. So the program is built from a clone, which has
# no local changes, at a place whose name says nothing about whose machine it is; the clone is removed
# afterwards. Needs a CPU with AVX-512 and the right to write to PLACE (/opt/bitnet).
set -euo pipefail
cd "$(dirname "$0")/.."
home=$PWD
place=${PLACE:-/opt/bitnet}
commit=$(git rev-parse --verify --quiet "${1:-HEAD}^{commit}") || {
    echo "make-baselines: no commit '${1:-HEAD}'" >&2
    exit 2
}
if ! git merge-base --is-ancestor "$commit" HEAD; then
    echo "make-baselines: $commit is not in this branch: tests/baselines.sh would not find it" >&2
    exit 2
fi
if [ -e "$place" ]; then
    echo "make-baselines: '$place' is there already; remove it, or name another PLACE" >&2
    exit 2
fi
unset BITNET_BACKEND BITNET_SEED BITNET_THREADS BITNET_PLUGIN_DIR BITNET_DETERMINISTIC
unset CROSSVAL_GGUF CROSSVAL_PROMPT_SET BASELINES_DIR PARITY_TEST_TIMEOUT_SECS
scripts/deps.sh build test arm64

trap 'rm -rf "$place"' EXIT
git clone --quiet --no-hardlinks --no-checkout . "$place"
cd "$place"
git checkout --quiet --detach "$commit"
if [ -e "$home/build/arm64/sysroot/.complete" ]; then # 80 MB that need not be fetched again
    mkdir -p build/arm64
    cp -a "$home/build/arm64/sysroot" build/arm64/
fi
make -j"$(nproc)" all arm64 >/dev/null

date=$(date -u +%F)
out=$place/build/baselines/$date
mkdir -p "$out"
prompt='Once upon a time'
run() { # BACKEND THREADS PROGRAM...: four receipts
    backend=$1 threads=$2
    shift 2
    using=(--backend="$backend" -t "$threads" -m models/bitnet-demo-i2_s.gguf)
    echo "$backend, $threads thread(s)"
    "$@" run "${using[@]}" -p "$prompt" -n 64 --receipt="$out/greedy-$backend.json" >/dev/null
    "$@" run "${using[@]}" -p "$prompt" -n 160 --temp 0.7 --top-k 40 --repeat-penalty 1.1 --seed 7 \
        --receipt="$out/sampled-$backend.json" >/dev/null
    printf 'What is a whale?\nWhat is the capital of France?\n' |
        "$@" chat "${using[@]}" -n 24 --receipt="$out/chat-$backend.json" >/dev/null 2>&1
    "$@" parity "${using[@]}" --prompt-set=all -o "$out/parity-$backend.json" >/dev/null
}
run cpu-avx512 2 build/release/bitnet
run cpu-avx2 2 build/release/bitnet
run ref-scalar 1 build/release/bitnet
run cpu-neon 2 qemu-aarch64 -cpu max -L build/arm64/sysroot build/arm64/bitnet

# What is committed says nothing about other places on the machine.
if grep -oE '"/[^"]+"' "$out"/*.json | grep -vF "\"$place/build/"; then
    echo "make-baselines: these paths do not belong into a receipt" >&2
    exit 1
fi
rm -rf "$home/docs/baselines/$date"
mkdir -p "$home/docs/baselines"
cp -r "$out" "$home/docs/baselines/"
echo "docs/baselines/$date: $(find "$out" -name '*.json' | wc -l) receipts of commit $commit"
