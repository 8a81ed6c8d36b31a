#!/bin/sh
# speed.sh BUILD FOLDER [TIMES] - how long `bitnet convert` takes for a checkpoint (large.py makes one of the 2B-4T shape) beside
# reading and writing the same bytes by cat, a process for each shard, TIMES (5) times in turn; both end when the disk
# has the bytes. Its memory, and whether one thread and the judge make the same file. For measuring; no test needs it.
set -eu
build=$1 folder=$2 times=${3:-5}
tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/bitnet-speed.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

copy() {
    for shard in "$folder"/*.safetensors; do
        cat "$shard" >"$tmp/${shard##*/}" &
    done
    wait
    sync "$tmp"/*.safetensors
}
convert() { /usr/bin/time -a -o "$tmp/memory" -f %M "$build/bitnet" convert "$folder" -o "$tmp/new.gguf" "$@" >/dev/null 2>&1; }
now() { date +%s.%N; }
timed() { # NAME COMMAND...
    name=$1
    shift
    sync
    begin=$(now)
    "$@"
    echo "$name $begin $(now)" >>"$tmp/times"
    if [ "$name" = convert ]; then sha256sum <"$tmp/new.gguf" >>"$tmp/sums"; fi
    rm -f "$tmp"/*.safetensors "$tmp/new.gguf"
}
copy && rm -f "$tmp"/*.safetensors # so that all is in memory
for i in $(seq "$times"); do
    timed copy copy
    timed convert convert
    echo "round $i" >&2
done
convert -t 1
sha256sum <"$tmp/new.gguf" >>"$tmp/sums"
BITNET_BACKEND=ref-scalar convert -t 2 --force
sha256sum <"$tmp/new.gguf" >>"$tmp/sums"
awk '
    { t = $3 - $2; v[$1] = v[$1] " " sprintf("%.2f", t); if (!best[$1] || t < best[$1]) best[$1] = t; sum[$1] += t }
    END {
        for (n in v) printf "%-8s seconds:%s\n", n, v[n]
        printf "convert takes %.2f of what copying takes (of the best: %.2f)\n", sum["convert"] / sum["copy"], best["convert"] / best["copy"]
    }' "$tmp/times"
echo "most memory: $(sort -n "$tmp/memory" | tail -n 1) KiB; files that differ: $(($(sort -u "$tmp/sums" | wc -l) - 1))"
