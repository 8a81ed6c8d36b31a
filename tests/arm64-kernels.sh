#!/bin/sh
# arm64-kernels.sh ARM64_BUILD [PAIR...] - every kernel of cpu-neon against the judge, all slots, quick
# cases and long ones: each of its sets on a processor that chooses it, under qemu. tests/arm64.sh is
# the short form. A PAIR is PROCESSOR:SET; without one, all three.
set -u
arm=$1
shift
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"

[ $# -gt 0 ] || set -- cortex-a53:neon neoverse-n1:neon-dotprod max:neon-i8mm
for pair in "$@"; do
    for mode in quick long; do
        flag=--$mode
        [ $mode = long ] || flag=
        start=$(date +%s)
        # shellcheck disable=SC2086 # an option or none
        timeout 3000 qemu-aarch64 -cpu "${pair%:*}" -L "$arm/sysroot" "$arm/bitnet-checkkern" --timeout=600 \
            --variant="${pair#*:}" $flag "$arm/plugins/cpu-neon.so" >"$tmp/log" 2>&1
        status=$?
        counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$tmp/log")
        good=${counts% *} bad=${counts#* }
        if [ "$status" -ne 0 ] && [ "${bad:-0}" -eq 0 ]; then bad=1; fi
        passed=$((passed + ${good:-0})) failed=$((failed + bad))
        if [ "$bad" -ne 0 ]; then cat "$tmp/log"; fi
        echo "$pair, $mode: ${good:-0} passed, $bad failed, $(($(date +%s) - start)) s."
    done
done
summary
