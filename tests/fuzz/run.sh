#!/usr/bin/env bash
# run.sh BUILD SECONDS JOBS NAME... - each fuzzer for so long, JOBS at once, from the seeds (seeds.py) and what
# earlier runs left in BUILD/corpus. A line for each, and the end of the log of one that found something.
# FUZZ_SEED=N says which way they go (0: another each time); from the same inputs the same way, so that a change is not
# judged by luck.
set -u
build=$1 seconds=$2 jobs=$3
shift 3
results=$(mktemp)
trap 'rm -f "$results"' EXIT
python3 "${0%/*}/seeds.py" "$build/corpus" || exit 1

one() { # NAME
    corpus=$build/corpus/$1
    mkdir -p "$corpus"
    if "$build/tests/$1" -max_total_time="$seconds" -seed="${FUZZ_SEED:-0}" -print_final_stats=1 -rss_limit_mb=4096 \
        -artifact_prefix="$corpus-" "$corpus" >"$corpus.log" 2>&1; then
        covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$corpus.log" | sed -n '1p;$p' | paste -sd: | sed 's/:/ to /')
        sed -n "s/^Done /$1: /p" "$corpus.log" | sed "s/\$/, coverage $covered/"
        echo passed >>"$results"
    else
        tail -n 60 "$corpus.log"
        echo "$1: FAILED"
        echo failed >>"$results"
    fi
}

for name in "$@"; do
    while [ "$(jobs -rp | wc -l)" -ge "$jobs" ]; do wait -n; done
    one "$name" &
done
wait
failed=$(grep -c failed "$results")
echo "$(($# - failed)) passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$(wc -l <"$results")" -eq $# ]
