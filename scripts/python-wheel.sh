#!/bin/sh
# python-wheel.sh BUILD OUT [PYTHON] - a wheel of the Python package that carries what it needs: the library,
# what that links to (but for the C library), the plugins and the demo model. BUILD is a built tree
# (make all library). The same build gives the same bytes.
set -eu
build=$(realpath "$1") python=${3:-python3}
root=$(realpath "${0%/*}/..")
mkdir -p "$2"
out=$(realpath "$2")
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
umask 022

cp -r "$root/python/." "$stage"
find "$stage" -name __pycache__ -prune -exec rm -r {} +
native=$stage/bitnet/native
mkdir -p "$native/plugins" "$native/model"
cp "$build/lib/libbitnet.so.0" "$native"
for plugin in "$build"/plugins/*.so; do
    case $plugin in */ref-scalar.so) ;; *) cp "$plugin" "$native/plugins" ;; esac # that one is in the library
done
cp "$root/models/bitnet-demo-i2_s.gguf" "$native/model"
cp "$root/LICENSE" "$stage"

# What the library needs besides the C library, in the order in which they must be opened: what
# nothing of the rest is needed by comes last.
ldd "$native/libbitnet.so.0" | sed -nE 's,^[[:space:]]*(lib[^ ]+) => (/[^ ]+) .*,\1 \2,p' |
    grep -vE '^(libc|libm|libdl|libpthread|librt|libgcc_s)\.so' >"$stage/needed"
while read -r name path; do cp -L "$path" "$native/$name"; done <"$stage/needed"
strip --strip-unneeded "$native"/*.so* "$native"/plugins/*.so
rm "$stage/needed"
chmod 644 "$native"/*.so* "$native"/plugins/* "$native"/model/*

# The oldest C library that has all of it.
glibc=$(objdump -T "$native"/*.so* "$native"/plugins/*.so | grep -oE 'GLIBC_2\.[0-9]+' | sort -Vu | tail -1)
BITNET_WHEEL_PLATFORM=manylinux_$(echo "${glibc#GLIBC_}" | tr . _)_$(uname -m)
export BITNET_WHEEL_PLATFORM
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || echo 315532800)}
export SOURCE_DATE_EPOCH
find "$stage" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
"$python" -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir "$out" "$stage"
ls "$out"/*.whl
