#!/bin/sh
# across.sh BUILD ARM64_BUILD MODEL - the promise as a whole: a receipt that cpu-avx512 made with two
# threads is verified by ref-scalar, by cpu-avx2, and by cpu-neon on an emulated AArch64; and the `result`
# that each of them makes of the same question is the same bytes.
set -u
build=$1 arm=$2 model=$3
# shellcheck source=tests/lib.sh
. "${0%/*}/../lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR

on() { # BACKEND ARGUMENTS...
    backend=$1
    shift
    case $backend in
    cpu-neon) timeout 300 qemu-aarch64 -cpu max -L "$arm/sysroot" "$arm/bitnet" "$@" --backend=cpu-neon ;;
    *) "$build/bitnet" "$@" --backend="$backend" ;;
    esac
}
result() { sed -n 's/^"result":\(.*\),$/\1/p' "$1"; }
make_one() { # BACKEND THREADS
    on "$1" run -m "$model" -p 'The king said' -n 40 --temp 0.8 --seed 11 -t "$2" --receipt="$tmp/$1.json"
}

exits 'cpu-avx512 makes a receipt' 0 '' make_one cpu-avx512 2
result "$tmp/cpu-avx512.json" >"$tmp/first"
equal 'it says so' "$(grep -oE '"threads":[0-9]+|"name":"cpu-[a-z0-9]+","path":"[^"]*","sha256"' "$tmp/cpu-avx512.json" | cut -d'"' -f2-4 | tr '\n' ' ')" \
    'name":"cpu-avx512 threads":2 '
for backend in ref-scalar cpu-avx2 cpu-neon; do
    exits "verified by $backend" 0 '' on "$backend" verify "$tmp/cpu-avx512.json" -m "$model"
    exits "$backend makes a receipt" 0 '' make_one "$backend" 1
    result "$tmp/$backend.json" >"$tmp/result"
    ok "$backend: the same result" cmp "$tmp/result" "$tmp/first"
    exits "which cpu-avx512 verifies" 0 '' "$build/bitnet" verify "$tmp/$backend.json" -m "$model" --backend=cpu-avx512
done
echo "result: $(wc -c <"$tmp/first") bytes, SHA-256 $(tr -d '\n' <"$tmp/first" | sha256sum | cut -d' ' -f1)"
summary
