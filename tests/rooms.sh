#!/bin/sh
# rooms.sh BUILD - the house: which file includes which, how long files are, and that no name is given twice.
set -u
build=$1
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"

folders='core tokenizers templates grammars receipts plugins'
# shellcheck disable=SC2086 # a list
find $folders -name '*.[ch]' | sort >"$tmp/files"
ok 'there are files' test "$(wc -l <"$tmp/files")" -gt 200

# ---- "FILE INCLUDED" for each of our own; the quoted name is looked for where the compiler looks ----
while read -r file; do
    sed -nE 's/^ *# *include "([^"]+)".*/\1/p' "$file" | while read -r name; do
        found=
        for folder in "${file%/*}" core/include core tokenizers templates grammars receipts; do
            [ ! -f "$folder/$name" ] || { found=$folder/$name && break; }
        done
        echo "$file ${found:-nowhere/$name}"
    done
done <"$tmp/files" >"$tmp/includes"
ok 'which include each other' test "$(wc -l <"$tmp/includes")" -gt 500
equal 'what is included is there' "$(grep ' nowhere/' "$tmp/includes" | grep -v 'page/')" ''

circles() { # FILE of edges: one circle, if there is any
    tsort <"$1" 2>&1 >/dev/null | sed 's/^tsort: //' | grep -v 'input contains a loop' | tr '\n' ' '
}
equal 'no circle of files' "$(circles "$tmp/includes")" ''
sed -E 's|/[^/ ]+ | |; s|/[^/]+$||' "$tmp/includes" | awk '$1 != $2' | sort -u >"$tmp/rooms"
equal 'no circle of rooms' "$(circles "$tmp/rooms")" ''
printf 'a b\nb c\nc a\n' >"$tmp/circle"
ok 'a circle would be seen' test -n "$(circles "$tmp/circle")"

# ---- who must not know whom ----
only() { # NAME INCLUDED PATTERN: of files that may include it
    equal "$1" "$(awk -v what="$2" '$2 == what { print $1 }' "$tmp/includes" | grep -vE -- "$3")" ''
    ok "$1: somebody does" grep -q " $2\$" "$tmp/includes"
}
only 'the inside of an executor is its own' core/run/exec_state.h '^core/run/(look|ops|range)\.[ch]$'
only 'what makes it up is, too' core/run/ops.h '^core/run/'
only 'the HTTP library is behind one file' core/serve/http.h '^core/(serve/(http\.c|server\.h)|cmd/serve\.c)$'
never() { # FILE PATTERN: it does not include that
    equal "$1 does not include $2" "$(awk -v who="$1" '$1 == who { print $2 }' "$tmp/includes" | grep -E -- "$2")" ''
    ok "$1 is there" test -s "$1"
}
never core/plugin/vet.c 'plugin/backend\.h'
never core/run/generate.c 'stream\.h'
equal 'who makes a text emits none by itself' "$(grep -n 'bnt_stream_' core/run/generate.c)" ''
for room in core/base core/file core/model core/machine core/plugin core/run tokenizers templates grammars receipts; do
    equal "$room knows no command and no server" "$(grep "^$room/" "$tmp/includes" | grep -E ' core/(cmd|serve)/')" ''
done
equal 'plugins know the contract alone' "$(grep '^plugins/' "$tmp/includes" | grep -vE ' (core/include/bitnet|plugins)/')" ''

# ---- what has one door ----
equal 'everything sorts through base/sort.h' "$(xargs grep -nE '\b(qsort|bsearch)\(' <"$tmp/files" | grep -v '^core/base/sort\.h:')" ''

# ---- files ----
equal 'no file is longer than 600 lines' "$(git ls-files 2>/dev/null | grep -E '\.(c|h|sh|mk|py|mjs|awk)$' | grep -v '\.min\.' |
    tr '\n' '\0' | xargs -0 wc -l | awk '$1 > 600 && $2 != "total" { print $2 ": " $1 }')" ''

# ---- names: of functions that more than one file can call, in all that is linked together ----
find "$build/obj/core" "$build/obj/tokenizers" "$build/obj/templates" "$build/obj/grammars" "$build/obj/receipts" \
    "$build/obj/judge" "$build/obj/tests/lib" -name '*.o' 2>/dev/null | grep -vE '/(paths-(installed|library)|serve_none)\.o$' |
    tr '\n' '\0' | xargs -0 nm -g --defined-only -A 2>/dev/null | awk '$(NF - 1) == "T" { print $NF, $1 }' | sort >"$tmp/names"
ok 'there are functions' test "$(wc -l <"$tmp/names")" -gt 800
# An object of a source that is gone (a build that was updated) defines nothing.
while read -r name object; do
    source=${object#"$build/obj/"} source=${source#judge/} source=${source%%.o:*}.c
    [ ! -f "$source" ] || echo "$name $source"
done <"$tmp/names" >"$tmp/here"
equal 'no function is named twice' "$(awk '{ print $1 }' "$tmp/here" | uniq -d | tr '\n' ' ')" ''
summary
