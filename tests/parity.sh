#!/bin/sh
# parity.sh BUILD - `bitnet parity`, `run --spot-check` and `run --chaos` from outside: exit statuses,
# receipts, and a watchdog that must work while a kernel hangs.
set -u
build=${1:?the build folder}
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

bitnet="$build/bitnet"
unset BITNET_BACKEND BITNET_SEED BITNET_THREADS BITNET_PLUGIN_DIR BITNET_DETERMINISTIC
unset CROSSVAL_GGUF CROSSVAL_PROMPT_SET PARITY_TEST_TIMEOUT_SECS
export BASELINES_DIR="$tmp/baselines"
mkdir -m 755 "$tmp/plugins"
for name in row-5000 sleeper good lost-token far-back; do
    cp "$build/test-plugins/$name.so" "$tmp/plugins"
done
"$build/bitnet-synth" -o "$tmp/tiny.gguf" 2>/dev/null
"$build/bitnet-synth" --ff 5376 -o "$tmp/wide.gguf" 2>/dev/null
"$build/bitnet-synth" --vocab 6000 --ctx 1024 -o "$tmp/many.gguf" 2>/dev/null

parity() { # BACKEND MODEL OPTIONS...
    backend=$1 model=$2
    shift 2
    "$bitnet" parity --backend="$backend" --plugin-dir="$tmp/plugins" -m "$tmp/$model.gguf" "$@"
}

# The newest: at midnight there are two folders.
receipt() { # BACKEND EXPRESSION: of the python value r
    python3 -c "import glob, json, os
r = json.load(open(max(glob.glob('$BASELINES_DIR/*-*-*/parity-$1.json'), key=os.path.getmtime)))
p = r['parity']
print(($2))"
}

exits 'a good backend' 0 '' parity good tiny --chaos=3
equal 'its status' "$(receipt good "p['status'], p['cosine_similarity'], p['exact_match_rate']")" \
    "('ok', 1.0, 1.0)"
equal 'nothing diverged' "$(receipt good "p['first_divergence_step'], p['first_difference']")" \
    '(None, None)'
equal 'no other engine was asked' "$(receipt good "p['cpp_available']")" False
equal 'prompt and hash' "$(receipt good "[(q['text'], q['blake3'][:8]) for q in r['prompts']]")" \
    "[('What is 2+2?', 'ba1de16a')]"
equal 'tokens' "$(receipt good "len(r['prompts'][0]['free']['tokens']), \
    r['prompts'][0]['free']['tokens'] == r['prompts'][0]['free']['judge_tokens']")" '(4, True)'
equal 'chaos' "$(receipt good "r['prompts'][0]['chaos']['equal_logits'], \
    sorted(r['prompts'][0]['chaos']['slices_so_far'])")" \
    "(4, ['far-back', 'good', 'lost-token', 'ref-scalar', 'row-5000', 'sleeper'])"
equal 'provenance' "$(receipt good "r['circumstance']['backend']['name'], \
    r['circumstance']['kernel_calls']['rope']['by'], r['tokenizer']['source'], \
    len(r['model']['sha256']), r['judge']['name']")" "('good', 'good', 'gguf', 64, 'ref-scalar')"
equal 'the receipt as JSON on stdout' \
    "$(parity good tiny --json | python3 -c 'import json, sys
print(json.load(sys.stdin)["parity"]["status"])')" ok
exits 'all prompts' 0 '' parity good tiny --prompt-set=all -n 2
equal 'are three' "$(receipt good "[(q['name'], q['parse_special'], len(q['free']['tokens'])) \
    for q in r['prompts']]")" "[('math', False, 2), ('chat', True, 2), ('long', False, 2)]"
equal 'the long one is cut to the context' "$(receipt good \
    "len(r['prompts'][2]['ids']), r['prompts'][2]['judged_from_position']")" '(510, 502)'
exits 'in small batches' 0 '' parity good tiny --prompt-set=all -b 5
equal 'plain text is said to be' "$(receipt good "r['prompts'][1]['special_tokens'] > 0 or \
    'plain text' in r['prompts'][1]['note']")" True
exits 'free only' 0 '' parity good tiny --free
equal 'has no lock-step' "$(receipt good "p['modes'], 'lockstep' in r['prompts'][0]")" \
    "(['free'], False)"
exits 'lock-step only' 0 '' parity good tiny --lockstep
equal 'has no cosine' "$(receipt good "p['modes'], p['cosine_similarity']")" "(['lockstep'], None)"
exits 'where -o says' 0 '' parity good tiny -o "$tmp/here.json"
ok 'is the receipt' test -s "$tmp/here.json"

# A fault that the self-check does not see.
exits 'row 5000 is found' 10 "layer 0, linear 'blk.0.ffn_gate.weight', token 0, row 5000" \
    parity row-5000 wide
equal 'and in the receipt' "$(receipt row-5000 "p['status'], p['first_difference']['layer'], \
    p['first_difference']['matrix'], p['first_difference']['row']")" \
    "('divergence', 0, 'blk.0.ffn_gate.weight', 5000)"
equal 'wherever it is' "$(receipt row-5000 "r['prompts'][0]['lockstep']['operations']['linear']")" \
    "{'compared': 60, 'different': 16}"
exits 'up to the first only' 10 'row 5000' parity row-5000 wide --first-only
equal 'which is one' "$(receipt row-5000 \
    "r['prompts'][0]['lockstep']['operations']['linear']['different']")" 1
run="$bitnet run -m $tmp/wide.gguf --plugin-dir=$tmp/plugins -p hello --ignore-eos -n 60"
# shellcheck disable=SC2086 # a command in one word
exits 'spot-check stops the run' 10 "layer [01], linear 'blk.*ffn_.*', row 5[0-9]*: the backend" \
    $run --backend=row-5000 --spot-check=1 --seed=1
# shellcheck disable=SC2086
exits 'and leaves a good one alone' 0 '' $run --backend=good --spot-check=1
rm "$tmp/plugins/row-5000.so"

# A search that misses tokens, and contexts of several chunks: only what looks there finds faults.
exits 'a search of the head' 0 '' parity good many
equal 'was looked at' "$(receipt good "[(q['free']['searched_steps'], q['free']['search_difference']) \
    for q in r['prompts']]")" '[(4, None)]'
exits 'a search that misses tokens' 10 'free run: step [0-3], .* the search of the head found token [0-9]+' \
    parity lost-token many
equal 'is a divergence' "$(receipt lost-token "p['status'], p['first_difference'], \
    r['prompts'][0]['free']['search_difference']['step'] in range(4), \
    r['prompts'][0]['free']['equal_tokens'] < 4")" "('divergence', None, True, True)"
exits 'a fault far back' 0 '' parity far-back many
exits 'needs a long prompt' 10 "position 632, layer 0, attention, token 0, head 0, row 0: value is" \
    parity far-back many --prompt-set=long
equal 'of which the end is judged' "$(receipt far-back "len(r['prompts'][0]['ids']), \
    r['prompts'][0]['lockstep']['operations']['attention']")" "(640, {'compared': 8, 'different': 8})"
exits 'a good one passes it' 0 '' parity good many --prompt-set=long
exits 'in lock-step alone as well' 10 'position 632' parity far-back many --prompt-set=long --lockstep
rm "$tmp/plugins/lost-token.so" "$tmp/plugins/far-back.so"

# A kernel that never comes back.
start=$(date +%s%N)
PARITY_TEST_TIMEOUT_SECS=2 exits 'a kernel that hangs' 11 \
    "time limit of 2 s reached \\(free run, prompt math, step 0, thread 0 in sleeper's linear blk.0.ffn_gate.weight \\(layer 0\\)" \
    parity sleeper wide
took=$((($(date +%s%N) - start) / 1000000))
# The kernel's clock of files may be a tick behind.
written=$(($(find "$BASELINES_DIR" -name parity-sleeper.json -printf '%T@\n' | sort -n | tail -n 1 | tr -d . | cut -c 1-19)))
late=$(((written - start) / 1000000 - 2000))
ok "the receipt appears within two seconds of the limit: $late ms" test "$late" -ge -20 -a "$late" -le 2000
echo "a kernel that hangs: its receipt appears $late ms after the limit"
ok "the process ends between 2 and 4 seconds: $took ms" test "$took" -ge 2000 -a "$took" -le 4000
equal 'its receipt' "$(receipt sleeper "p['status'], p['phase'], p['progress']['prompt'], \
    p['progress']['step'], p['progress']['threads_in_kernels'][0]['matrix']")" \
    "('timeout', 'free run', 'math', 0, 'blk.0.ffn_gate.weight')"
equal 'has provenance too' "$(receipt sleeper "r['circumstance']['backend']['name'], \
    len(r['model']['sha256'])")" "('sleeper', 64)"
exits 'in lock-step as well' 11 "lock-step, .* in sleeper's linear blk.0.ffn_gate" \
    parity sleeper wide --lockstep --timeout=2
exits 'a judge that hangs' 11 \
    "the judge's run, prompt math, step 0, .* in sleeper's linear blk.0.ffn_gate.weight \\(layer 0\\)" \
    parity good wide --against=sleeper --timeout=2
equal 'is named in the receipt' "$(receipt good "p['status'], p['phase'], p['against'], \
    [p['progress']['threads_in_kernels'][0][k] for k in ('backend', 'operation', 'layer')]")" \
    "('timeout', \"the judge's run\", 'sleeper', ['sleeper', 'linear', 0])"
exits 'a judge that hangs beside a good backend' 11 "lock-step, .* in sleeper's linear blk.0.ffn_gate" \
    parity good wide --against=sleeper --lockstep --timeout=2
rm "$tmp/plugins/sleeper.so"

# Chaos changes no token; what cannot be asked for together is refused.
# shellcheck disable=SC2086
equal 'chaos changes no token' "$($run --chaos=5 -t 3 2>&1)" "$($run --backend=ref-scalar 2>&1)"
# shellcheck disable=SC2086
exits 'chaos names no backend' 2 'no receipt' $run --chaos=5 --receipt="$tmp/r.json"
# shellcheck disable=SC2086
exits 'chaos or spot-check' 2 'is for one' $run --chaos=5 --spot-check=1

# What cannot be judged is not passed.
exits 'a judge that is not there' 6 'nobody' parity good tiny --against=nobody
equal 'is no reference' "$(receipt good "p['status'], p['against']")" "('no_reference', 'nobody')"
exits 'a model that is not there' 3 'none.gguf' parity good none
equal 'is an error' "$(receipt good "p['status'], r.get('model')")" "('error', None)"
exits 'a backend that is not there' 6 'nobody' parity nobody tiny
equal 'is one too' "$(receipt nobody "p['status']")" error
exits 'an unknown set' 2 'none of math, chat, long, all' parity good tiny --prompt-set=poems
exits 'one among known ones' 2 "'poems' is none of math" parity good tiny --prompt-set=math,poems
exits 'an empty one' 2 "'' is none of math" parity good tiny --prompt-set=math,
exits 'nowhere to write' 3 'receipt' parity good tiny -o /nowhere/at/all.json
exits 'a time limit that is none' 2 "PARITY_TEST_TIMEOUT_SECS: 'soon'" \
    env PARITY_TEST_TIMEOUT_SECS=soon "$bitnet" parity -m "$tmp/tiny.gguf"
equal 'an option is stronger' "$(CROSSVAL_GGUF=/none CROSSVAL_PROMPT_SET=poems PARITY_TEST_TIMEOUT_SECS=1 \
    parity good tiny --prompt-set=math --timeout=60 --json | python3 -c 'import json, sys
r = json.load(sys.stdin)
print(r["prompt_set"], r["parity"]["timeout_seconds"], sorted(r["environment"]))')" \
    "math 60 ['BASELINES_DIR', 'CROSSVAL_GGUF', 'CROSSVAL_PROMPT_SET', 'PARITY_TEST_TIMEOUT_SECS']"
here=$(cd "$(dirname "$bitnet")" && pwd)/bitnet
ok 'without BASELINES_DIR' \
    sh -c "cd '$tmp' && unset BASELINES_DIR && '$here' parity -m tiny.gguf --backend=ref-scalar"
ok 'the receipt is here' test -s "$tmp/parity-ref-scalar.json"
ok 'and no folder was made' sh -c "! test -e '$tmp/docs'"
CROSSVAL_GGUF="$tmp/tiny.gguf" CROSSVAL_PROMPT_SET=chat,math exits 'a list, in any order' 0 '' \
    "$bitnet" parity --backend=good --plugin-dir="$tmp/plugins"
equal 'gives the prompts in theirs, and counts their tokens' "$(receipt good "[q['name'] for q in r['prompts']], \
    r['circumstance']['timings']['prefill_tokens'] == sum(len(q['ids']) for q in r['prompts']) > 0")" "(['math', 'chat'], True)"
CROSSVAL_GGUF="$tmp/tiny.gguf" CROSSVAL_PROMPT_SET=chat exits 'by the environment' 0 '' \
    "$bitnet" parity --backend=good --plugin-dir="$tmp/plugins"
equal 'which chose model and prompt' "$(receipt good "[q['name'] for q in r['prompts']], \
    r['circumstance']['model_path']")" "(['chat'], '$tmp/tiny.gguf')"

summary
