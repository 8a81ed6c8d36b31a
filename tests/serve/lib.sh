# lib.sh - a server under test: started, found, ended. Sourced after tests/lib.sh.
# shellcheck shell=sh disable=SC2154,SC2034 # tmp and bitnet are the caller's

server="" url="" port=""
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR
export no_proxy='127.0.0.1,localhost'
trap '[ -z "$server" ] || kill -9 "$server" 2>/dev/null; rm -rf "$tmp"' EXIT

# start_server ARGUMENTS...: sets server, port and url
start_server() {
    : >"$tmp/address"
    "$bitnet" serve --port 0 --json "$@" >"$tmp/address" 2>"$tmp/server.log" &
    server=$!
    while [ ! -s "$tmp/address" ] && kill -0 "$server" 2>/dev/null; do sleep 0.05; done
    port=$(sed -nE 's/.*"port":([0-9]+).*/\1/p' "$tmp/address")
    url=http://127.0.0.1:$port
}

# stop_server SIGNAL: its exit status is the function's
stop_server() {
    kill "-$1" "$server"
    wait "$server"
}

# count_results PREFIX [FILE]: each line "ok NAME" or "what-came NAME" of a script's output is a check
count_results() {
    while read -r came what; do equal "$1$what" "$came" ok; done <"${2:-$tmp/results}"
}

# run_node PREFIX SCRIPT ARGUMENTS...: a script that writes such lines, and nothing on stderr when all is well
run_node() {
    prefix=$1
    shift
    node "$@" >"$tmp/results" 2>"$tmp/errors"
    equal "${prefix}exit status" $? 0
    [ ! -s "$tmp/errors" ] || head -20 "$tmp/errors"
    count_results "$prefix"
}
