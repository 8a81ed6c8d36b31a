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
        # shellcheck disable=SC2086 # an option or none
        checkkern "$pair, $mode" timeout 3000 qemu-aarch64 -cpu "${pair%:*}" -L "$arm/sysroot" "$arm/bitnet-checkkern" \
            --timeout=600 --variant="${pair#*:}" $flag "$arm/plugins/cpu-neon.so"
    done
done
summary
