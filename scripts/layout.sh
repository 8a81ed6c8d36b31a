#!/bin/sh
# layout.sh check|put-right FILE... - the layout of the sources is what clang-format 14 makes by .clang-format
# (Debian 12 has it). Other versions lay out some lines differently, so only that one judges or writes;
# CLANG_FORMAT=PROGRAM names it where it is called something else.
set -eu
version=14
what=$1
shift
found=
for program in ${CLANG_FORMAT:-clang-format-$version clang-format}; do
    said=$("$program" --version 2>/dev/null | sed -nE 's/.*version ([0-9]+\.[0-9.]+).*/\1/p') || continue
    case $said in
    "$version".*)
        if [ "$what" = check ]; then exec "$program" --dry-run --Werror "$@"; fi
        exec "$program" -i "$@"
        ;;
    ?*) found="$found $program is $said." ;;
    esac
done
echo "layout: clang-format $version is needed, and not here.$found" >&2
echo "layout: install clang-format-$version where your system has it, or set CLANG_FORMAT=PROGRAM. Nothing was judged." >&2
exit 1
