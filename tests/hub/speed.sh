#!/bin/sh
# speed.sh BUILD FILE [TIMES] - how fast `bitnet pull` brings FILE.gguf from the hub of our own on loopback, beside curl's own
# speed for the same bytes from the same server, TIMES (5) times in turn. curl neither hashes nor waits for the disk, so
# it is tried both ways: as it is, and with sha256sum and sync behind it. For measuring; no test needs it.
set -eu
build=$1 file=$(realpath "$2") times=${3:-5}
tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/bitnet-speed.XXXXXX")
mkdir -p "$tmp/root/org/model"
ln "$file" "$tmp/root/org/model/model.gguf" 2>/dev/null || cp "$file" "$tmp/root/org/model/model.gguf"
unset HF_TOKEN HF_HUB_CACHE HF_HUB_OFFLINE http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export no_proxy='127.0.0.1,localhost' HF_HOME="$tmp/hf"
node "${0%/*}/hub.mjs" "$tmp/root" "$tmp/log" >"$tmp/address" &
hub=$!
trap 'kill $hub 2>/dev/null; rm -rf "$tmp"' EXIT
while [ ! -s "$tmp/address" ]; do sleep 0.1; done
HF_ENDPOINT=$(cat "$tmp/address")
export HF_ENDPOINT
url=$HF_ENDPOINT/org/model/resolve/main/model.gguf
curl -sSfL -r 0-0 -o /dev/null "$url" # the hub hashes it once

now() { date +%s.%N; }
timed() { # NAME COMMAND...
    name=$1
    shift
    sync
    begin=$(now)
    "$@"
    echo "$name $begin $(now)" >>"$tmp/times"
}
plain() { curl -sSfL -o "$tmp/curl" "$url"; }
hashed() { curl -sSfL -o "$tmp/curl" "$url" && sha256sum "$tmp/curl" >/dev/null && sync "$tmp/curl"; }
pull() { "$build/bitnet" pull org/model/model.gguf >/dev/null 2>&1; }
for i in $(seq "$times"); do
    rm -rf "$tmp/curl" && timed curl plain
    rm -rf "$tmp/hf" && timed pull pull
    rm -rf "$tmp/curl" && timed curl+sha256+sync hashed
    echo "round $i" >&2
done
awk -v size="$(stat -c %s "$file")" '
    { t = $3 - $2; v[$1] = v[$1] " " sprintf("%.2f", t); if (!best[$1] || t < best[$1]) best[$1] = t; sum[$1] += t }
    END {
        for (n in v) printf "%-16s best %.0f MB/s, mean %.0f MB/s (seconds:%s)\n", n, size / 1e6 / best[n], size / 1e6 * split(v[n], a, " ") / sum[n], v[n]
        printf "pull has %.0f %% of curl, and %.0f %% of curl with sha256sum and sync (of all rounds)\n", 100 * sum["curl"] / sum["pull"], 100 * sum["curl+sha256+sync"] / sum["pull"]
    }' "$tmp/times"
