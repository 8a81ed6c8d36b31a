#!/bin/sh
# check.sh BUILD - the gate's own test: scripts/ci-receipts.py accepts a real receipt, and refuses the
# same one with one thing changed, naming it; a matrix with a hole is no success.
set -u
build=${1:?the build folder}
here=$(dirname "$0")
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
unset BITNET_BACKEND BITNET_SEED BITNET_THREADS BITNET_PLUGIN_DIR BITNET_DETERMINISTIC
unset CROSSVAL_GGUF CROSSVAL_PROMPT_SET BASELINES_DIR PARITY_TEST_TIMEOUT_SECS
judge=$here/../../scripts/ci-receipts.py
model=$tmp/tiny.gguf
since=$(date -u +%Y-%m-%dT%H:%M:%SZ)

"$build/bitnet-synth" --like tiny -o "$model" >/dev/null 2>&1 || exit 1
"$build/bitnet" backends --json >"$tmp/table.json"
"$judge" backends <"$tmp/table.json" >"$tmp/names" 2>"$tmp/stderr"
ok 'the judge is usable' grep -qx ref-scalar "$tmp/names"
backend=$(head -n 1 "$tmp/names")
sed 's/"verdict":"ok","reason":""/"verdict":"self-check","reason":"rows differ"/' "$tmp/table.json" >"$tmp/refused.json"
exits 'a refused plugin is not one backend fewer' 1 'self-check: rows differ' \
    sh -c "'$judge' backends <'$tmp/refused.json'"

good=$tmp/good.json
ok 'parity' "$build/bitnet" parity -m "$model" --backend="$backend" -t 2 -o "$good"
commit=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["circumstance"]["commit"])' "$good")
check() { # RECEIPT OPTION...
    receipt=$1
    shift
    "$judge" check --commit "$commit" --since "$since" --allow-dirty --backend "$backend" --threads 2 \
        --model "$model" --plugins "$build/plugins" "$@" "$receipt" >&2
}
exits 'the receipt as it is' 0 '^ok ' check "$good"

changed() { # WHAT PATTERN STATEMENT: about the receipt r
    python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
exec(sys.argv[3])
json.dump(r, open(sys.argv[2], "w"))' "$good" "$tmp/changed.json" "$3"
    exits "$1" 1 "$2" check "$tmp/changed.json"
}
for word in divergence no_reference timeout error; do
    changed "status $word" "status is '$word'" "r['parity']['status'] = '$word'"
done
changed 'another kind' "kind is 'run'" "r['kind'] = 'run'"
changed 'another commit' 'commit is' "r['circumstance']['commit'] = 40 * '0'"
changed 'an old receipt' 'before 20' "r['circumstance']['timestamp'] = '2020-01-01T00:00:00Z'"
changed 'a receipt from the future' 'in the future' "r['circumstance']['timestamp'] = '2999-01-01T00:00:00Z'"
changed 'another backend' 'backend is' "r['parity']['backend'] = 'cpu-other'"
changed 'another backend that ran' 'backend that ran' "r['circumstance']['backend']['name'] = 'cpu-other'"
changed 'another judge' 'judge is' "r['judge']['name'] = 'cpu-other'"
changed 'other threads' 'threads is 7' "r['circumstance']['threads'] = 7"
changed 'another model' 'model is' "r['model']['sha256'] = 64 * '0'"
changed 'half of the proof' 'modes is' "r['parity']['modes'] = ['free']"
changed 'a token' 'differences stand' "r['prompts'][0]['free']['tokens'][1] += 1"
changed 'a difference' 'differences stand' \
    "list(r['prompts'][0]['lockstep']['operations'].values())[0]['different'] = 1"
changed 'no prompts' 'nothing was compared' "r['prompts'] = []"
changed 'no commit at all' 'no sound receipt' "del r['circumstance']['commit']"
if [ "$backend" != ref-scalar ]; then
    changed 'another plugin' 'plugin is' "r['circumstance']['backend']['sha256'] = 64 * '0'"
fi
exits 'no receipt' 1 'No such file' check "$tmp/nowhere.json"
echo '{' >"$tmp/half.json"
exits 'half a file' 1 'no sound receipt' check "$tmp/half.json"
exits 'nothing given' 2 'are needed' "$judge" check

# ---- a matrix ----
mkdir -p "$tmp/matrix/I2_S/math" "$tmp/matrix/I2_S/chat"
echo "$backend 2 $(sha256sum "$model" | cut -d' ' -f1)" | tee "$tmp/matrix/I2_S/math/manifest" >"$tmp/matrix/I2_S/chat/manifest"
cp "$good" "$tmp/matrix/I2_S/math/$backend-t2.json"
matrix() {
    "$judge" summary --commit "$commit" --since "$since" --allow-dirty --quants I2_S --sets "$1" "$tmp/matrix"
}
exits 'a matrix of one' 0 '' matrix math
equal 'says so' "$(tail -n 1 "$tmp/stdout")" '1 of 1 ok'
exits 'a receipt is missing' 1 '' matrix math,chat
equal 'and counted' "$(tail -n 1 "$tmp/stdout")" '1 of 2 ok'
exits 'a manifest is missing' 1 '' matrix math,all

summary
