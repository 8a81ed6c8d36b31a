#!/bin/sh
# provenance.sh BUILD MODEL - what a fresh receipt says about its origin, against what other programs
# say about the same: sha256sum, getconf, cpuid.h, /proc/cpuinfo, git, bitnet inspect. A receipt that lacks a field, or
# holds a plausible constant, fails.
set -u
build=$1 model=$2
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/../lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR

backend=$("$bitnet" backends --json | python3 -c 'import json, sys
print([b["name"] for b in json.load(sys.stdin)["backends"] if b["verdict"] == "ok"][0])')
"$bitnet" inspect --json "$model" >"$tmp/inspect.json"
before=$(date -u +%Y-%m-%dT%H:%M:%SZ)
BITNET_DETERMINISTIC=1 "$bitnet" -m "$model" -p 'What is 2+2?' -n 4 -t 2 --temp 0.5 --seed 42 --backend="$backend" \
    --receipt="$tmp/r.json" >/dev/null 2>"$tmp/stderr" || cat "$tmp/stderr"
r() { # EXPRESSION: of the python values r(esult), c(ircumstance), m(odel file, as inspect sees it)
    python3 -c "import json
whole = json.load(open('$tmp/r.json'))
r, c, m = whole['result'], whole['circumstance'], json.load(open('$tmp/inspect.json'))
print(($1))" 2>&1
}

equal 'tokenizer: from the file, of its kind' "$(r "r['tokenizer']['source'], r['tokenizer']['kind'] == m['tokenizer']['kind']")" "('gguf', True)"
equal 'merges_count' "$(r "r['tokenizer']['merges_count'] > 0, r['tokenizer']['merges_count'] == m['tokenizer']['merges']")" '(True, True)'
equal 'digest of the tokenizer: 64 digits, not all alike' "$(r "len(r['tokenizer']['digest']), len(set(r['tokenizer']['digest'])) > 5")" '(64, True)'
equal 'SHA-256 of the model' "$(r "r['model']['sha256']")" "$(sha256sum "$model" | cut -d' ' -f1)"
equal 'BLAKE3 of the prompt' "$(r "r['prompt']['blake3']")" ba1de16a072a62cd7244f2997ea85b4876fd5011534c0d6a954e1dfbf187579d
equal 'SHA-256 of the prompt' "$(r "r['prompt']['sha256']")" "$(printf 'What is 2+2?' | sha256sum | cut -d' ' -f1)"
equal 'seed, and that it was given' "$(r "r['sampling']['seed'], c['deterministic'], c['environment']")" \
    "('42', True, {'BITNET_DETERMINISTIC': '1'})"
equal 'threads' "$(r "c['threads']")" 2
# A machine that was moved while it ran (a virtual one) has the former's name in /proc/cpuinfo: the processor is asked.
cat >"$tmp/brand.c" <<'END'
#include <cpuid.h>
#include <stdio.h>
int main(void) {
    unsigned brand[13] = {0};
    for (unsigned i = 0; i < 3; i++) __get_cpuid(0x80000002 + i, &brand[4 * i], &brand[4 * i + 1], &brand[4 * i + 2], &brand[4 * i + 3]);
    puts((const char *)brand);
}
END
case $(uname -m) in
x86_64)
    ok 'the CPU is asked' cc -o "$tmp/brand" "$tmp/brand.c"
    equal 'CPU' "$(r "c['machine']['cpu']")" "$("$tmp/brand" | sed 's/^ *//; s/ *$//')"
    ;;
esac
equal 'CPU and target are named' "$(r "len(c['machine']['cpu']) > 0, c['machine']['target']")" "(True, '$(uname -m)')"
equal 'features are named' "$(r "len(c['machine']['features']) > 0")" True
for feature in avx2 avx512f avx512_vnni fma f16c; do # spelled avx512vnni in receipts
    here=False
    if grep -m 1 '^flags' /proc/cpuinfo | grep -qw "$feature"; then here=True; fi
    equal "feature $feature" "$(r "'$(echo "$feature" | tr -d _)' in c['machine']['features'].split(',')")" "$here"
done
equal 'libc' "$(r "c['machine']['libc'], c['machine']['libc_version']")" "('glibc', '$(getconf GNU_LIBC_VERSION | cut -d' ' -f2)')"
equal 'system' "$(r "c['machine']['os'], c['machine']['os_release']")" "('$(uname -s)', '$(uname -r)')"
equal 'backend' "$(r "c['backend']['name']")" "$backend"
plugin=$(r "c['backend']['path']")
if [ -n "$plugin" ]; then # ref-scalar is built in
    equal 'SHA-256 of the plugin' "$(r "c['backend']['sha256']")" "$(sha256sum "$plugin" | cut -d' ' -f1)"
fi
equal 'decision table' "$(r "[b['name'] for b in c['decision_table'] if b['chosen']]")" "['$backend']"
equal 'calls were counted' "$(r "c['kernel_calls']['ternary_gemm']['calls'] > 0")" True
equal 'commit and version' "$(r "c['commit'] + ' ' + c['version']")" \
    "$(cat "$build/commit") $("$bitnet" --version | cut -d' ' -f2)"
equal 'no llama.cpp was asked' "$(r "c['llama_cpp_commit']")" None
equal 'time' "$(r "'$before' <= c['timestamp'] <= '$(date -u +%Y-%m-%dT%H:%M:%SZ)'")" True
summary
