#!/bin/sh
# install.sh install|uninstall - copies what `make` has built to where it belongs, or takes away exactly that.
# Called by install.mk, which says in variables where everything goes. The list below is all there is: a
# file that is not in it is neither put anywhere nor removed, and a folder goes only when it is empty.
set -eu

# A line a rule: mode, folder (a variable, and what follows it), files.
list() {
    cat <<LIST
755 BINDIR      $BUILD/bitnet-installed>bitnet
755 BINDIR      $BUILD/bitnet-checkkern-installed>bitnet-checkkern
755 PLUGINDIR   $(for name in $PLUGINS; do printf '%s ' "$BUILD/plugins/$name"; done)
755 LIBDIR      $BUILD/lib/$SONAME
644 LIBDIR      $BUILD/lib/libbitnet.a
644 LIBDIR/pkgconfig    core/bitnet.pc.in>bitnet.pc plugins/bitnet-plugin.pc.in>bitnet-plugin.pc
644 INCLUDEDIR/bitnet   $(echo core/include/bitnet/*.h)
644 MODELDIR    $MODEL
644 MANDIR/man1 $(echo "$BUILD"/man/*.1 "$BUILD"/man/commands/*.1)
644 MANDIR/man3 $(echo "$BUILD"/man/*.3)
644 BASHDIR     packaging/completions/bitnet.bash>bitnet
644 ZSHDIR      packaging/completions/_bitnet
644 FISHDIR     packaging/completions/bitnet.fish
644 DOCDIR      README.md CHANGELOG.md CONTRIBUTING.md LICENSE
644 DOCDIR/docs $(echo docs/*.md)
644 DOCDIR/models       models/README.md
644 DOCDIR/examples     $(echo docs/examples/*.c)
644 DOCDIR/example-plugin       $(echo docs/example-plugin/*)
644 DOCDIR/server       $(echo packaging/server/*)
LIST
}

folder() { # VARIABLE[/MORE] -> the place, below DESTDIR
    variable=${1%%/*} value=
    eval "value=\$$variable"
    printf '%s%s%s' "$DESTDIR" "$value" "${1#"$variable"}"
}

# Calls "$1 MODE FOLDER SOURCE NAME" for each file.
each() {
    list | while read -r mode where files; do
        for file in $files; do
            source=${file%%>*} name=${file##*>}
            "$1" "$mode" "$(folder "$where")" "$source" "${name##*/}"
        done
    done
}

is_there() { # MODE FOLDER SOURCE NAME
    [ -e "$3" ] || echo "$3"
}

prefixed() { # a folder as .pc files have it
    case $1 in "$PREFIX"/*) printf '%s%s' "\${prefix}" "${1#"$PREFIX"}" ;; *) printf '%s' "$1" ;; esac
}

put() {
    install -d -m 755 "$2"
    case $3 in
    *.pc.in)
        sed -e "s|@PREFIX@|$PREFIX|g" -e "s|@VERSION@|$VERSION|g" -e "s|@LIBDIR@|$(prefixed "$LIBDIR")|g" \
            -e "s|@INCLUDEDIR@|$(prefixed "$INCLUDEDIR")|g" -e "s|@PLUGINDIR@|$(prefixed "$PLUGINDIR")|g" "$3" >"$2/$4.new"
        chmod "$1" "$2/$4.new"
        mv -f "$2/$4.new" "$2/$4"
        ;;
    *) install -m "$1" "$3" "$2/$4" ;;
    esac
}

take() {
    rm -f "$2/$4"
}

case ${1:-} in
install)
    missing=$(each is_there | tr '\n' ' ')
    built_for=$(cat "$BUILD/folders" 2>/dev/null || true)
    if [ -n "$missing" ]; then
        echo "not built yet: ${missing% }" >&2
        echo "Run \`make\` as the owner of this tree first: installing compiles nothing for somebody else." >&2
        exit 1
    fi
    if [ "$built_for" != "$FOLDERS" ]; then
        echo "built for the folders $built_for, to be installed in $FOLDERS." >&2
        echo "Run \`make\` with the same PREFIX (BINDIR, LIBDIR, ...) as the owner of this tree first." >&2
        exit 1
    fi
    each put
    ln -sf "$SONAME" "$(folder LIBDIR)/libbitnet.so"
    echo "installed: $DESTDIR$BINDIR/bitnet, library and plugins in $DESTDIR$LIBDIR, man bitnet"
    # The loader of shared libraries has a cache, which only root can renew.
    if [ -z "$DESTDIR" ] && command -v ldconfig >/dev/null 2>&1; then
        if [ "$(id -u)" -eq 0 ] && ldconfig -v -N -X 2>/dev/null | grep -q "^$LIBDIR:"; then
            ldconfig
        else
            echo "Programs against libbitnet find it when $LIBDIR is in /etc/ld.so.conf and ldconfig has run, or in LD_LIBRARY_PATH."
        fi
    fi
    ;;
uninstall)
    each take
    rm -f "$(folder LIBDIR)/libbitnet.so"
    # From the inside out; rmdir leaves what still holds something.
    for where in PLUGINDIR LIBDIR/bitnet INCLUDEDIR/bitnet MODELDIR DOCDIR/docs DOCDIR/models DOCDIR/examples \
        DOCDIR/example-plugin DOCDIR/server DOCDIR; do
        [ ! -d "$(folder "$where")" ] || rmdir --ignore-fail-on-non-empty "$(folder "$where")"
    done
    ;;
*)
    echo "usage: install.sh install|uninstall (called by make)" >&2
    exit 2
    ;;
esac
