#!/bin/sh
# dist.sh sources|binary PATH VERSION - PATH.tar.gz with the sources, or PATH-linux-ARCH.tar.gz with what they become;
# see dist.mk. Reproducible: names in order, no times but the commit's, no owners, nothing of this place.
set -eu
what=$1 path=$2 version=$3
name=bitnet-$version
work=$(mktemp -d "${TMPDIR:-/tmp}/bitnet-dist.XXXXXX")
trap 'rm -rf "$work"' EXIT

when=$(git log -1 --format=%ct 2>/dev/null || cat packaging/commit-time)
pack() { # FOLDER-IN-WORK FILE
    tar -C "$work" --sort=name --mtime="@$when" --owner=0 --group=0 --numeric-owner --format=ustar -cf - "$1" | gzip -9n >"$2.new"
    mv "$2.new" "$2"
    echo "$2: $(sha256sum "$2" | cut -d' ' -f1)"
}

case $what in
sources)
    mkdir -p "$(dirname "$path")"
    commit=$(git rev-parse HEAD)
    [ -z "$(git status --porcelain --untracked-files=no)" ] || echo "dist: changes that are not committed are left out" >&2
    git archive --prefix="$name/" HEAD | tar -x -C "$work"
    echo "$commit" >"$work/$name/packaging/commit"
    echo "$when" >"$work/$name/packaging/commit-time"
    chmod -R go=u,go-w "$work/$name"
    pack "$name" "$path.tar.gz"
    ;;
binary)
    arch=$(${CC:-gcc} -dumpmachine | cut -d- -f1)
    tar -xzf "$path.tar.gz" -C "$work"
    tree=$name-linux-$arch
    # Beside the program and the library lie the libraries of others that they need.
    # shellcheck disable=SC2016 # make and the linker take what is in quotes
    for target in all install; do
        make -s -C "$work/$name" -j"$(nproc)" PREFIX=/opt/bitnet CC="${CC:-gcc}" DESTDIR="$work/stage" \
            LDFLAGS='-Wl,--disable-new-dtags,-rpath,\$$ORIGIN/../lib/bitnet/libraries:\$$ORIGIN/bitnet/libraries' \
            "$target" >"$work/log" 2>&1 || {
            tail "$work/log" >&2
            exit 1
        }
    done
    mv "$work/stage/opt/bitnet" "$work/$tree"
    rm "$work/$tree/lib/pkgconfig/"*.pc && rmdir "$work/$tree/lib/pkgconfig" # they name a place, and this has none
    libraries=$work/$tree/lib/bitnet/libraries
    mkdir "$libraries"
    ldd "$work/$tree/bin/bitnet" | awk '$2 == "=>" && $3 ~ /^\// { print $1, $3 }' |
        grep -vE '^(libc|libm|libdl|libpthread|librt|libresolv|ld-linux[^ ]*)\.so' | sort >"$work/needed"
    while read -r soname file; do
        install -m 644 "$(realpath "$file")" "$libraries/$soname"
        package=$(dpkg -S "$file" 2>/dev/null || dpkg -S "$(realpath "$file")" 2>/dev/null || true)
        package=${package%%:*}
        if [ -n "$package" ] && [ -e "/usr/share/doc/$package/copyright" ]; then
            install -m 644 "/usr/share/doc/$package/copyright" "$libraries/$soname.copyright"
        fi
    done <"$work/needed"
    find "$work/$tree/bin" "$work/$tree/lib" -type f ! -name '*.a' ! -name '*.copyright' -exec strip --strip-unneeded {} +
    pack "$tree" "$path-linux-$arch.tar.gz"
    ;;
esac
