#!/bin/sh
# kill.sh BUILD [ROUNDS] - kill -9 loses no receipt of an answer that was given: `bitnet serve --receipts` is killed at
# moments drawn at random while clients ask (kill.mjs), started again, and asked for every receipt; and they are true.
set -u
build=$1 rounds=${2:-8}
bitnet=$build/bitnet
here=${0%/*}
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/serve/lib.sh
. "$here/lib.sh"

mkdir "$tmp/kept"
round=0
while [ $round -le "$rounds" ]; do # the last one finds what the one before it has left
    start_server --parallel 4 --threads 1 --ctx 256 --receipts "$tmp/kept"
    : >"$tmp/errors"
    node "$here/kill.mjs" "$url" "$tmp/answered" >"$tmp/results" 2>"$tmp/errors" &
    clients=$!
    while [ ! -s "$tmp/errors" ] && kill -0 $clients 2>/dev/null; do sleep 0.02; done
    sleep "$(awk -v r="$(od -An -N2 -tu2 /dev/urandom)" 'BEGIN { printf "%.3f", 0.9 * r / 65536 }')"
    stop_server KILL 2>/dev/null
    wait $clients
    equal "round $round: kill.mjs: exit status" $? 0
    [ "$(cat "$tmp/errors")" = asking ] || head -20 "$tmp/errors"
    count_results "round $round: "
    round=$((round + 1))
done
server=
ok 'many answers came' test "$(wc -l <"$tmp/answered")" -gt $((rounds * 2))
# Each is a whole file, and nothing else is there but what was being written.
for id in $(tail -n 400 "$tmp/answered" | awk 'NR % 40 == 1'); do
    exits "it is true: $id" 0 '' "$bitnet" verify "$tmp/kept/$id.json"
done
summary
