#!/bin/sh
# readme.sh BUILD - the commands of the README, run as they stand there, one after the other, in a folder of their
# own: MODEL.gguf is the demo model, and so is what the hub's cache has under the names that the README pulls. And what it
# shows of outputs is what comes.
set -u
build=$(realpath "$1")
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR
root=$(realpath "${0%/*}/..")
demo=$root/models/bitnet-demo-i2_s.gguf

grep -E '^    ([a-z]+ .*\| *)?bitnet ' "$root/README.md" | sed 's/^    //' >"$tmp/commands"
ok 'the README has commands' test "$(wc -l <"$tmp/commands")" -gt 15

mkdir "$tmp/here"
cp "$demo" "$tmp/here/MODEL.gguf"
echo 'It was a dark night, and the king said that he would go to the house.' >"$tmp/here/text.txt"
echo 'The king said' >"$tmp/here/prompt.txt"
for python in python3 /usr/bin/python3; do
    ! $python -c 'import numpy' 2>/dev/null || break
done
$python -B "$root/tests/convert/demo.py" "$demo" "$tmp/here/CHECKPOINT"
export HF_HUB_OFFLINE=1 HF_HUB_CACHE="$tmp/hub"
grep -oE '[a-z]+/[A-Za-z0-9.-]+-gguf' "$tmp/commands" | sort -u | while read -r name; do
    at=$HF_HUB_CACHE/models--$(echo "$name" | sed 's,/,--,')
    revision=0123456789abcdef0123456789abcdef01234567
    mkdir -p "$at/refs" "$at/snapshots/$revision"
    printf %s $revision >"$at/refs/main"
    cp "$demo" "$at/snapshots/$revision/ggml-model-i2_s.gguf"
done

# What a reader would do besides: say something to a chat, end a server, and not wait for long measurements.
PATH=$build:$PATH
cd "$tmp/here" || exit 1
while read -r line; do
    command=${line%% #*}
    case $command in
    *'bitnet serve'*) command="timeout --preserve-status 5 $command --port 0" ;;
    *'bitnet bench --kernels'*) command="$command -m MODEL.gguf -r 1" ;;
    esac
    echo 'What is a whale?' >"$tmp/said"
    sh -c "$command" <"$tmp/said" >"$tmp/stdout" 2>"$tmp/stderr"
    status=$?
    equal "$line$(head -c 300 "$tmp/stderr")" "$status" 0
done <"$tmp/commands"
ok 'and each that writes a file has written it' test -s run.json -a -s talk.json -a -s OTHER.gguf -a -s NEW.gguf
equal 'its outputs' "$(python3 -B "$root/scripts/shown.py" "$build" --check "$root/README.md" 2>&1)" ''
summary
