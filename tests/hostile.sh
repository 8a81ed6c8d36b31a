#!/bin/sh
# hostile.sh BUILD - plugins that crash, end the process, hang, or change what they must not touch
# (tests/plugins): each is refused and named, or named when it strikes, and none takes the program
# with it. docs/SECURITY.md has the table of what no check at the door sees.
set -u
build=$1
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR

model=$tmp/wide.gguf
"$build/bitnet-synth" --ff 5376 -o "$model" 2>/dev/null || exit 1
refused='crash-load crash-kernels crash-slot abort-slot exit-load exit-kernels exit-slot hang-load hang-kernels
hang-slot sleep-slot worker-fp worker-wrong worker-crash extends-crash extends-wrong'
mkdir -m 755 "$tmp/plugins"
for name in $refused thin-layout wide-rows good shifted extends-shifted; do
    cp "$build/test-plugins/$name.so" "$tmp/plugins"
done
run() { # OPTION...
    "$bitnet" -m "$model" --plugin-dir="$tmp/plugins" -p abc -n 8 --i2s-layout=a "$@"
}

# ---- the table survives all of them ----
exits 'bitnet backends' 0 '' "$bitnet" backends --plugin-dir="$tmp/plugins"
cp "$tmp/stdout" "$tmp/table"
row() { # NAME VERDICT PATTERN
    ok "$1: $2" grep -qE "^. $1 +90  $2 +.*$3" "$tmp/table"
}
# A sanitizer makes an exit of a crash, and says so itself.
crashed='it (crashed \(signal|ended the process \(exit status [1-9])'
row crash-load died "$crashed.* loading it"
row crash-kernels died "$crashed.* its kernels\(\)"
row crash-slot died "$crashed.* the self-check of group ternary: 17 rows x 6912"
row abort-slot died "$crashed.* the self-check of group vector: silu"
row exit-load died 'it ended the process \(exit status 0\) in loading it'
row exit-kernels died 'it ended the process \(exit status 0\) in its kernels\(\)'
row exit-slot died 'it ended the process \(exit status 0\) in .*the self-check of group vector'
row hang-load hung 'it does not come back from loading it'
row hang-kernels hung 'it does not come back from its kernels\(\)'
row hang-slot hung 'it does not come back from the self-check of group ternary: 17 rows x 6912'
row sleep-slot hung 'it does not come back from .*the self-check of group attention'
row worker-fp fp-environment 'on another thread, changed the floating-point environment: rounding mode'
row worker-wrong self-check 'on another thread: add '
row worker-crash died "$crashed"
row extends-crash base "it extends 'crash-load', which is refused \(died\): $crashed.* loading it"
row extends-wrong self-check 'ternary_gemm '
ok 'one that extends another is there, with what that does' \
    grep -qE '^ +extends shifted, which does: ternary_layout,ternary_pack,ternary_unpack,rope$' "$tmp/table"
check() { # NAME: of a plugin, its product alone
    "$build/bitnet-checkkern" --slot=ternary_gemm "$tmp/plugins/$1.so" >"$tmp/checked" 2>&1
}
ok 'the checker lays it over what it extends' check extends-shifted
check extends-wrong
equal 'and finds what is wrong over that' $? 1
ok 'in the product' grep -q '^FAILED extends-wrong/ ternary_gemm: rows=' "$tmp/checked"
check extends-crash
equal 'and what cannot be loaded' $? 1
ok 'by both names' grep -qE 'extends-crash.so: FAILED .* and at .*/crash-load.so: ' "$tmp/checked"
ok 'and the good one is there' grep -qE '^. good +40  ok ' "$tmp/table"
text=$("$bitnet" -m "$model" --backend=ref-scalar -p abc -n 8 --i2s-layout=a)
for name in $refused; do
    exits "$name by name" 6 "backend '$name' refused \((died|hung|self-check|fp-environment|base)\): " run --backend="$name"
done

# ---- what only this model's shapes show ----
exits 'a layout below the information content' 6 \
    "'thin-layout' refused .self-check.: ternary_layout .the model's 5376 rows x 256.*fewer bytes" run --backend=thin-layout
exits 'wrong in large matrices' 6 \
    "'wide-rows' refused .self-check.: ternary_gemm .the model's 5376 rows x 256.*5375" run --backend=wide-rows

# ---- auto goes on to the next, which extends another, and says so ----
equal 'auto finds a good one' "$(run 2>"$tmp/stderr")" "$text"
ok 'and names the first that it could not take' \
    grep -qE "^bitnet: plugin 'abort-slot' refused \(died\): it .* \(and [0-9]+ more: .bitnet backends.\); computing with extends-shifted$" "$tmp/stderr"

# ---- what strikes later is named ----
for name in late-fp late-crash late-exit extends-late; do
    cp "$build/test-plugins/$name.so" "$tmp/plugins"
done
late() { run --backend="$1" -n 60 --ignore-eos; }
exits 'a changed environment' 6 "backend 'late-fp' changed the floating-point environment of thread [01] while it computed: rounding mode" late late-fp
late late-crash >"$tmp/stdout" 2>"$tmp/stderr"
ok 'a crash is no success' [ $? -ne 0 ]
ok 'and the plugin is named' grep -qE "late-crash.*plugin '.*/late-crash.so' or this program is at fault|AddressSanitizer|ThreadSanitizer|runtime error" "$tmp/stderr"
late extends-late >"$tmp/stdout" 2>"$tmp/stderr"
ok 'a crash of what it extends is no success' [ $? -ne 0 ]
ok 'and both are named' grep -qE "plugin '.*/extends-late.so' or 'late-crash', which it extends, or this program|AddressSanitizer|ThreadSanitizer|runtime error" "$tmp/stderr"
exits 'an end from inside is none' 6 "by a call of exit while backend 'late-exit' was in use" late late-exit

summary
