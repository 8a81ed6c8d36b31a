#!/bin/sh
# portability.sh BUILD - other C libraries and other machines: all sources compile against musl's headers (those of the
# libraries, which exist for glibc here, come behind them), its plugins link; and systems on which the program
# could only be wrong are refused by the first header, in words.
set -u
# shellcheck source=tests/lib.sh
. "${0%/*}/../lib.sh"
ok 'musl-gcc is here (scripts/deps.sh test)' command -v musl-gcc
includes="-Icore/include -Icore -Itokenizers -Itemplates -Igrammars -Ireceipts"
triplet=$(gcc -print-multiarch)
# shellcheck disable=SC2086 # lists of words
musl() { # of what is not only for another processor
    musl-gcc -std=c11 -D_GNU_SOURCE -fsyntax-only $includes -idirafter /usr/include -idirafter "/usr/include/$triplet" \
        -DBNT_VERSION='"0"' -DBNT_COMMIT='"0"' -DBNT_PLUGIN_DIR='""' -DBNT_MODEL='""' -DBNT_PLUGIN_BESIDE='""' -DBNT_MODEL_BESIDE='""' "$@"
}
for folder in core/*/ tokenizers/ templates/ grammars/ receipts/ plugins/ref-scalar/; do
    # shellcheck disable=SC2086 # a list of files
    [ "$folder" = core/include/ ] || ok "musl: $folder" musl $folder*.c
done
ok 'musl: a plugin is linked' musl-gcc -std=c11 -D_GNU_SOURCE -O2 -fPIC -shared -ffp-contract=off -fvisibility=hidden -Icore/include \
    -o "$tmp/ref.so" plugins/ref-scalar/*.c

header=core/include/bitnet/status.h
exits '32 bits' 1 'bitnet runs on 64-bit systems' gcc -m32 -ffreestanding -fsyntax-only -x c $header
exits 'big-endian' 1 'bitnet runs on little-endian systems' gcc -U__BYTE_ORDER__ -D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__ -fsyntax-only -x c $header
ok 'this one' gcc -fsyntax-only -x c $header
summary
