#!/bin/sh
# extremes.sh ARM64_BUILD BUILD COUNT - COUNT models at the ends of what is valid (bitnet-extremes):
# the judge and the best backend of this machine, and AArch64 under qemu, give the same digests and
# refuse the same models.
set -u
arm=$1 native=$2 count=$3
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR

"$native/bitnet-extremes" "$count" 1 ref-scalar >"$tmp/judge"
"$native/bitnet-extremes" "$count" 1 auto >"$tmp/auto"
qemu-aarch64 -cpu max -L "$arm/sysroot" "$arm/bitnet-extremes" "$count" 1 auto >"$tmp/arm"
equal 'every model has a line' "$(wc -l <"$tmp/judge")" "$count"
computed=$(grep -cE ' [0-9a-f]{64}$' "$tmp/judge")
ok 'half of them are computed' [ "$computed" -ge $((count / 2)) ]
ok 'and some are refused' [ "$computed" -lt "$count" ]
for other in auto arm; do
    while read -r number arch here && read -r _ _ there <&3; do
        equal "model $number, $arch: $other" "$there" "$here"
    done <"$tmp/judge" 3<"$tmp/$other"
    equal "lines of $other" "$(wc -l <"$tmp/$other")" "$count"
done
echo "$computed of $count models computed"
summary
