#!/usr/bin/env bash
# ci-dist.sh - what is handed out (`make dist dist-binary`), made in two places, one with a space in its name: the same
# bytes, which run where the libraries that they bring are not installed. SHA256SUMS stands beside them.
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
scripts/deps.sh build
elsewhere=$(mktemp -d "${TMPDIR:-/var/tmp}/bitnet dist.XXXXXX")
trap 'rm -rf "$elsewhere"' EXIT
step 'here'
make dist dist-binary
step "in $elsewhere"
git clone -q . "$elsewhere/another tree"
git -C "$elsewhere/another tree" checkout -q "$(git rev-parse HEAD)"
make -C "$elsewhere/another tree" TMPDIR="$elsewhere" dist dist-binary
passed=0
for file in build/dist/*.tar.gz; do
    cmp "$file" "$elsewhere/another tree/$file"
    passed=$((passed + 1))
done
step 'unpacked, it runs'
binary=$(ls build/dist/*-linux-*.tar.gz)
tar -xzf "$binary" -C "$elsewhere"
program=$(echo "$elsewhere"/bitnet-*/bin/bitnet)
[ -n "$("$program" -p 'The king said' -n 8)" ]
passed=$((passed + 1))
missing=$(ldd "$program" | grep '=> /' | grep -vF "$elsewhere" | awk '{ print $1 }' |
    grep -vE '^(libc|libm|libdl|libpthread|librt|libresolv)\.so' || true)
if [ -n "$missing" ]; then
    echo "taken from this system: $missing" >&2
    exit 1
fi
passed=$((passed + 1))
(cd build/dist && sha256sum ./*.tar.gz | sed 's,\./,,' >SHA256SUMS && cat SHA256SUMS)
echo "$passed passed, 0 failed"
