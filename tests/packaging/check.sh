#!/bin/sh
# check.sh BUILD - building and installing as people do it: in folders with spaces, as root in somebody else's
# tree, with other flags than the last time, on a machine that lacks things, in two places.
set -u
build=${1:?the build folder}
# shellcheck source=tests/lib.sh
. "${0%/*}/../lib.sh"
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR PREFIX BINDIR LIBDIR MANDIR
unset BITNET_BACKEND BITNET_SEED BITNET_THREADS BITNET_PLUGIN_DIR BITNET_DETERMINISTIC

# ---- folders with spaces; what is removed ----
stage="$tmp/a stage"
install() { make -s BUILD="$build" DESTDIR="$stage" "$@"; }
ok 'installs below a folder with a space' install install
ok 'and into such folders' install BINDIR="/opt/b in/x" LIBDIR="/opt/l ib" MANDIR="/opt/m an" install
ok 'a manual is there' test -s "$stage/opt/m an/man1/bitnet.1"
ok 'and the library' test -s "$stage/opt/l ib/libbitnet.so"
equal 'the program finds its plugins' "$("$stage/opt/b in/x/bitnet" backends --json | sed -nE 's/.*"plugin_dir":"([^"]*)".*/\1/p')" \
    "$(realpath "$stage/opt/l ib/bitnet/plugins")"
ok 'and its model' "$stage/opt/b in/x/bitnet" -p a -n 1
equal 'pkg-config knows the folder' "$(PKG_CONFIG_PATH="$stage/opt/l ib/pkgconfig" pkg-config --variable=libdir bitnet)" '/opt/l ib'
for file in README.md LICENSE docs/PLUGINS.md docs/FORMATS.md; do
    ok "installs $file" test -s "$stage/usr/local/share/doc/bitnet/$file"
done
others="$stage/usr/local/lib/bitnet/plugins/others.so"
touch "$others" "$stage/usr/local/bin/other"
ok 'uninstalls' install uninstall
ok 'uninstalls from such folders' install BINDIR="/opt/b in/x" LIBDIR="/opt/l ib" MANDIR="/opt/m an" uninstall
equal 'only what was put there' "$(find "$stage" ! -type d | sort)" "$(printf '%s\n' "$stage/usr/local/bin/other" "$others" | sort)"

# ---- somebody else's build: copied, not made ----
make -s BUILD="$build" installable plugins library >/dev/null
find "$build" | sort >"$tmp/before"
ok "root installs what the owner has built" make -s BUILD="$build" ANOTHERS=yes DESTDIR="$tmp/roots" install
ok 'and leaves nothing there' sh -c "find '$build' | sort | cmp - '$tmp/before'"
exits 'for other folders the owner must build first' 2 'Run .make. with the same PREFIX' \
    make -s BUILD="$build" ANOTHERS=yes DESTDIR="$tmp/roots" PREFIX=/opt/elsewhere install
exits 'and where nothing is built' 2 'Run .make. as the owner' make -s BUILD="$tmp/none" ANOTHERS=yes DESTDIR="$tmp/roots" install

# ---- flags ----
object=$tmp/flags/obj/core/base/err.o
made() { make BUILD="$tmp/flags" "$@" "$object" | grep -c 'CC '; }
equal 'an object is made' "$(made)" 1
equal 'once' "$(made)" 0
equal 'anew with other flags' "$(made CFLAGS=-DANOTHER)" 1
equal 'not for warnings alone' "$(made CFLAGS=-DANOTHER WERROR=1)" 0
ln -s "$(command -v gcc)" "$tmp/another-gcc"
equal 'anew by another compiler' "$(made CC="$tmp/another-gcc")" 1

# ---- a bare machine ----
exits 'no libraries: says which' 2 'missing: libhwloc-dev' make -s PKG_CONFIG=false BUILD="$tmp/bare" "$tmp/bare/obj/core/base/err.o"
exits 'and how to get them' 2 'make demo.* installs them' make -s PKG_CONFIG=false BUILD="$tmp/bare" "$tmp/bare/obj/core/base/err.o"
exits 'no compiler' 2 "there is no compiler 'nocc'" make -s CC=nocc BUILD="$tmp/bare" "$tmp/bare/obj/core/base/err.o"
printf '#!/bin/sh\necho clang-format version 19.1.7\n' >"$tmp/clang-format"
chmod +x "$tmp/clang-format"
exits 'another clang-format does not judge' 1 'clang-format 14 is needed.*is 19.1.7' env CLANG_FORMAT="$tmp/clang-format" scripts/layout.sh check core/base/err.c
equal 'a test whose material could not be fetched is named' "$(tests/run.sh "needs=$tmp/nowhere true" | head -n 1)" \
    "not run: true (without $tmp/nowhere: could the npm registry be reached?)"
ok 'and is no success' sh -c "! tests/run.sh 'needs=$tmp/nowhere true' 'tests/nothing.sh'"

# ---- the same bytes from two places, one with a space ----
for place in one 'the other'; do
    mkdir "$tmp/$place"
    find . -maxdepth 1 ! -name . ! -name .git ! -name build -exec cp -r {} "$tmp/$place/" \;
    made=build/release
    (cd "$tmp/$place" && make -s BUILD="$made" "$made/obj/core/base/err.o" "$made/obj/receipts/commit.o" "$made/obj/core/plugin/paths-installed.o" \
        "$made/obj/core/cmd/args.o" "$made/plugins/ref-scalar.so" "$made/obj/judge/plugins/ref-scalar/plugin.o") >"$tmp/log" 2>&1 || cat "$tmp/log"
    (cd "$tmp/$place/build/release" && find . -name '*.o' -o -name '*.so' | sort | xargs sha256sum) >"$tmp/$place.sums"
done
ok 'something was built' test "$(wc -l <"$tmp/one.sums")" -gt 6
equal 'the same bytes in both' "$(cat "$tmp/one.sums")" "$(cat "$tmp/the other.sums")"

summary
