#!/bin/sh
# same.sh BUILD - what an answer of `bitnet serve` is depends on its request alone: the same 200 requests (same.mjs) alone,
# in company, in other orders, with beginnings kept and not, one to many at once, on every backend of this machine.
set -u
build=$1
bitnet=$build/bitnet
here=${0%/*}
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/serve/lib.sh
. "$here/lib.sh"

round() { # NAME BACKEND CACHE PARALLEL THREADS HOW...
    name=$1
    start_server --chat-template "$here/tools.jinja" --backend "$2" --prefix-cache "$3" --parallel "$4" --threads "$5" --ctx 512
    shift 5
    run_node "$name: " "$here/same.mjs" "$url" "$tmp/wanted.json" "$@"
    ok "$name: all was tried" grep -q '^ok the end' "$tmp/results"
    stop_server TERM
    equal "$name: the server's exit status" $? 0
    server=
}

round 'alone, ref-scalar' ref-scalar 0 1 1 alone
round 'in company, ref-scalar' ref-scalar 64 8 1 company 1
for backend in $("$bitnet" backends | awk '$1 == "*" { $1 = ""; $0 = $0 } $3 == "ok" { print $1 }' | grep -vx ref-scalar); do
    round "in company, $backend" "$backend" 0 8 2 company 2
    round "in company, beginnings kept, $backend" "$backend" 64 5 1 company 3
done
summary
