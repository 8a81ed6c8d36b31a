#!/bin/sh
# harness.sh BUILD - evaluation harnesses against `bitnet serve` (harness.mjs): the log-likelihoods are `bitnet perplexity`'s.
set -u
build=$1
bitnet=$build/bitnet
here=${0%/*}
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/serve/lib.sh
. "$here/lib.sh"

window=40
head -c 34000 "$here/../../models/heldout-stories.txt" >"$tmp/text"
"$bitnet" perplexity -f "$tmp/text" -c $window --each --json >"$tmp/scores.json" 2>"$tmp/errors"
equal 'perplexity: exit status' $? 0
"$bitnet" tokenize --ids "$(cat "$tmp/text")" >"$tmp/ids"
start_server --parallel 8 --threads 1 --ctx 256
run_node 'harness.mjs: ' "$here/harness.mjs" "$url" "$tmp/ids" "$tmp/scores.json" $window
ok 'all was tried' grep -q '^ok the end' "$tmp/results"
stop_server TERM
equal 'exit status' $? 0
server=
exits '--each without --json' 2 'says nothing without --json' "$bitnet" perplexity -f "$tmp/text" --each
summary
