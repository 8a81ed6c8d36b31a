#!/usr/bin/env bash
# load.sh BUILD [all] - `bitnet serve` under a thousand connections and damaged requests (load.mjs): nothing lost, nothing
# kept. `all`: three rounds with 10,000 damaged requests each; else two with 1,000.
set -u
build=$1
bitnet=$build/bitnet
here=$(dirname "$0")
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/serve/lib.sh
. "$here/lib.sh"

rounds=2 damaged=1000 room=128
[ "${2:-}" != all ] || { rounds=3 damaged=10000; }
# A sanitizer keeps what was freed, and shadows of what was touched.
case $build in *asan* | *ubsan* | *tsan*) room=1024 ;; esac
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=16"
ulimit -n 4096 2>/dev/null || ulimit -n "$(ulimit -H -n)"
start_server --parallel 8 --queue 2000 --connections 1500 --prefix-cache 16 --threads 1
node "$here/load.mjs" "$url/" "$server" "$rounds" "$damaged" "$room" >"$tmp/results" 2>"$tmp/errors"
equal 'load.mjs: exit status' $? 0
cat "$tmp/errors"
count_results ''
ok 'all was tried' grep -q '^ok the end' "$tmp/results"
stop_server TERM
equal 'exit status' $? 0
server=
equal 'it complains of nothing' "$(cat "$tmp/server.log")" ''
summary
