#!/bin/sh
# model.sh BUILD MODEL - the trained model in models/: its figures are what its README says, on every
# backend, and an installed tree runs it without the source tree.
set -u
build=$1 model=$2
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
here=$(dirname "$model")
field() { sed -nE "s/.*\"$2\": *\"?([^\",}]+)\"?.*/\1/p" "$1" | head -n 1; }

equal 'the model is the one that heldout.json was made from' "$(sha256sum "$model" | cut -d' ' -f1)" \
    "$(field "$here/heldout.json" model_sha256)"
"$bitnet" perplexity -m "$model" -f "$here/heldout.txt" -c "$(field "$here/heldout.json" n_ctx)" --json >"$tmp/perplexity.json"
equal 'as many tokens as the trainer scored' "$(field "$tmp/perplexity.json" tokens)" \
    "$(field "$here/heldout.json" tokens)"
ok 'perplexity within 0.1 % of the trainer' awk -v a="$(field "$tmp/perplexity.json" perplexity)" \
    -v b="$(field "$here/heldout.json" perplexity)" \
    'BEGIN { d = (a - b) / b; print a, b, d; exit !(d < 0.001 && d > -0.001 && a > 1) }'
ok 'held-out texts, questions and loops are as good as least.json says' \
    python3 "$here/evaluate.py" "$model" --bitnet "$bitnet" --least "$here/least.json"

equal 'what models/README.md shows is what comes' "$(python3 -B scripts/shown.py "$build" --check "$here/README.md" 2>&1)" ''
digest() { "$bitnet" -m "$model" -p 'The king said' -n 64 --json --full-logits "$@" | sed -E 's/.*"logits_digest":"([0-9a-f]+)".*/\1/'; }
reference=$(digest --backend=ref-scalar -t 1)
equal 'a digest is 64 digits' "${#reference}" 64
equal 'auto, all threads' "$(digest)" "$reference"
equal 'auto, prompt token by token' "$(digest -b 1)" "$reference"

make -s install DESTDIR="$tmp/root" PREFIX=/usr BUILD="$build" MODEL="$model" >"$tmp/install.log" 2>&1 || cat "$tmp/install.log"
ok 'installed: the command' test -x "$tmp/root/usr/bin/bitnet"
ok 'installed: the header for plugins' test -f "$tmp/root/usr/include/bitnet/plugin.h"
ok 'installed: the manual' test -f "$tmp/root/usr/share/man/man1/bitnet.1"
equal 'installed: runs' "$(cd / && "$tmp/root/usr/bin/bitnet" -p 'The king said' -n 64 -m "$tmp/root/usr/share/bitnet/$(basename "$model")" \
    --plugin-dir="$tmp/root/usr/lib/bitnet/plugins")" "$("$bitnet" -m "$model" -p 'The king said' -n 64)"

# The example plugin, built the way its README says, against the installed tree.
PKG_CONFIG_PATH=$tmp/root/usr/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$tmp/root
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR
cp -r docs/example-plugin "$tmp/example"
mkdir -m 755 "$tmp/plugins"
ok 'the example plugins build' make -s -C "$tmp/example"
cp "$tmp/example/example.so" "$tmp/example/product.so" "$tmp/plugins/"
ok 'and is accepted' sh -c "\"$bitnet\" backends --plugin-dir=\"$tmp/plugins\" | grep -E 'example .* ok '"
equal 'and gives the same text' "$("$bitnet" -m "$model" -p 'The king said' -n 64 --plugin-dir="$tmp/plugins" --backend=example)" \
    "$("$bitnet" -m "$model" -p 'The king said' -n 64)"
ok 'the second one is accepted' sh -c "\"$bitnet\" backends --plugin-dir=\"$tmp/plugins\" | grep -E 'product .* ok '"
equal 'and gives the same text' "$("$bitnet" -m "$model" -p 'The king said' -n 64 --plugin-dir="$tmp/plugins" --backend=product)" \
    "$("$bitnet" -m "$model" -p 'The king said' -n 64)"
mkdir -m 755 "$tmp/extending"
cp "$tmp/example/extend.so" "$tmp"/root/usr/lib/bitnet/plugins/cpu-*.so "$tmp/extending/"
"$bitnet" backends --plugin-dir="$tmp/extending" >"$tmp/table"
ok 'the third one is accepted where its base is' grep -qE '^. extend +1  (ok|cpu)  ' "$tmp/table"
if grep -qE '^. extend +1  ok ' "$tmp/table"; then
    ok 'and leaves it all but a slot' grep -qE '^ +extends cpu-(avx2|neon), which does: ternary,dense,rmsnorm,rope,add,attention,' "$tmp/table"
    equal 'and gives the same text' "$("$bitnet" -m "$model" -p 'The king said' -n 64 --plugin-dir="$tmp/extending" --backend=extend)" \
        "$("$bitnet" -m "$model" -p 'The king said' -n 64)"
fi
mkdir -p "$tmp/clone/docs"
ln -s "$PWD/core" "$tmp/clone/core"
cp -r docs/example-plugin "$tmp/clone/docs"
ok 'they build in a clone as well' env PKG_CONFIG=false PKG_CONFIG_PATH= make -s -C "$tmp/clone/docs/example-plugin"
for loop in '' -DPLAIN; do
    ok "their kernels are right $loop" sh -c "make -s -B -C '$tmp/clone/docs/example-plugin' CFLAGS='-O2 $loop' product.so &&
        '$build/bitnet-checkkern' --slot=ternary_gemm '$tmp/clone/docs/example-plugin/product.so'"
done

summary
