#!/bin/sh
# commands.sh BUILD [all | USE [all | N]] - every command's standard use with allocations that fail (commands.c),
# beside a hub on loopback and a small checkpoint.
set -u
build=$1
shift
here=${0%/*}
tmp=$(mktemp -d)
hub=
trap '[ -z "$hub" ] || kill "$hub" 2>/dev/null; rm -rf "$tmp"' EXIT
unset HF_TOKEN HF_HUB_OFFLINE http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export no_proxy='127.0.0.1,localhost' HOME="$tmp"
export TORTURE_CHECKPOINT="$tmp/checkpoint" PYTHONDONTWRITEBYTECODE=1

for python in python3 /usr/bin/python3; do
    $python -c 'import numpy' 2>/dev/null || continue
    PYTHONPATH="$here/../convert" $python -c 'import sys, models
models.LAYERS = 1
models.Net("bitnet-b1.58", "multiply").write(sys.argv[1])' "$TORTURE_CHECKPOINT" || exit 1
    break
done
[ -d "$TORTURE_CHECKPOINT" ] || { echo 'no Python has numpy: scripts/deps.sh test installs it' >&2; exit 1; }

mkdir -p "$tmp/root/org/small"
"$build/bitnet-synth" --like tiny --blocks 1 -o "$tmp/root/org/small/tiny.gguf" >/dev/null || exit 1
node "$here/../hub/hub.mjs" "$tmp/root" "$tmp/log" >"$tmp/address" &
hub=$!
while [ ! -s "$tmp/address" ]; do
    kill -0 "$hub" || exit 1
    sleep 0.05
done
HF_ENDPOINT=$(cat "$tmp/address") "$build/tests/torture-commands" "$@"
