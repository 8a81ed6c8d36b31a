#!/bin/sh
# terminal.sh BUILD - colours and bars: somebody at a terminal sees them, a pipe, NO_COLOR and TERM=dumb do not.
set -u
build=$1
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR NO_COLOR
escape=$(printf '\033')

# has COMMAND: a terminal is shown escape sequences
has() { script -qec "$1" /dev/null </dev/null | grep -q "$escape\\["; }
export TERM=xterm
ok 'verdicts have colours' has "$bitnet backends"
ok 'and mistakes' has "$bitnet run --no-such-option"
ok 'not with NO_COLOR' sh -c "! NO_COLOR=1 script -qec '$bitnet backends' /dev/null </dev/null | grep -q '$escape\\['"
ok 'not on a dumb terminal' sh -c "! TERM=dumb script -qec '$bitnet backends' /dev/null </dev/null | grep -q '$escape\\['"
ok 'nor in a pipe' sh -c "! '$bitnet' backends 2>&1 | grep -q '$escape\\['"
"$bitnet" -p abc -n 4 --receipt="$tmp/r.json" >/dev/null 2>&1
ok 'a receipt that is true is green' sh -c "script -qec '$bitnet verify $tmp/r.json' /dev/null </dev/null | grep -q '$escape\\[32mok'"
sed 's/"predict":4/"predict":5/' "$tmp/r.json" >"$tmp/bad.json"
ok 'and a false one has red' sh -c "script -qec '$bitnet verify $tmp/bad.json' /dev/null </dev/null | grep -q '$escape\\[31m'"

# Slow enough for a bar: the judge, one thread, short windows.
head -c 24000 models/heldout.txt >"$tmp/text"
slow="$bitnet perplexity -f $tmp/text --backend=ref-scalar -t 1 -c 64"
script -qec "$slow" /dev/null </dev/null >"$tmp/shown"
ok 'a bar, for what is slow' grep -q 'scoring \[#* *\] *[0-9]* %' "$tmp/shown"
$slow >"$tmp/stdout" 2>"$tmp/stderr"
ok 'and none in a pipe' sh -c "! grep -q 'scoring' '$tmp/stdout' '$tmp/stderr'"
summary
