#!/bin/sh
# papers.sh BUILD - what is written agrees with what is built: one version everywhere, a changelog and a release
# summary that are complete, a manual that has every option and no other, a README whose options,
# files and targets exist.
set -u
build=$1
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"

# ---- one version ----
version=$(sed -n 's/^VERSION *:= *//p' Makefile)
ok 'the Makefile has a version' test -n "$version"
equal 'the Python package' "$(sed -n 's/^__version__ = "\(.*\)"/\1/p' python/bitnet/_version.py)" "$(echo "$version" | sed 's/-rc\./rc/')"
equal 'the program' "$("$bitnet" --version | cut -d' ' -f1-2)" "bitnet $version"
equal 'the manual' "$(sed -nE 's/^\.TH BITNET 1 "[0-9-]+" "bitnet ([^"]+)".*/\1/p' "$build/man/bitnet.1")" "$version"
heading=$(grep '^## ' CHANGELOG.md | grep -v -m 1 '^## Unreleased$') # what is no release yet may stand above
ok "CHANGELOG.md begins with this version and its date: $heading" \
    sh -c "echo '$heading' | grep -qE '^## v?$version \\(20[0-9]{2}-[01][0-9]-[0-3][0-9]\\)\$'"
summary=docs/releases/v$version-summary.md
ok "there is $summary" test -s "$summary"

# ---- changelog and summary ----
unfinished='TODO|FIXME|TBD|XXX|lorem ipsum'
for file in CHANGELOG.md "$summary" README.md docs/bitnet.1 docs/bitnet-checkkern.1; do
    ok "$file is finished" sh -c "! grep -nE '$unfinished' '$file' >&2"
done
# Only of this version: later ones need not repeat it.
if grep -q '^## ' CHANGELOG.md && [ "$(grep -c '^## ' CHANGELOG.md)" -eq 1 ]; then
    for plugin in plugins/*/; do
        ok "CHANGELOG.md names $plugin" grep -qw -- "$(basename "$plugin")" CHANGELOG.md
    done
    for command in $("$bitnet" --help | sed -nE 's/^  bitnet ([a-z]+) .*/\1/p'); do
        ok "CHANGELOG.md names bitnet $command" grep -qE "\`(bitnet )?$command\`" CHANGELOG.md
    done
fi
scripts/go-no-go.sh --list >"$tmp/lines"
ok 'the checklist has lines' test "$(wc -l <"$tmp/lines")" -gt 10
while IFS=: read -r line _; do
    [ "$line" != papers ] || continue # it cannot pass before the others stand there
    ok "$summary answers '$line' with PASS" grep -qE "^PASS  $line +[0-9]+ s " "$summary"
done <"$tmp/lines"
ok "$summary has no FAIL" sh -c "! grep -q '^FAIL' '$summary'"

# ---- the limits of templates ----
sed -nE 's,^ +JINJA_[A-Z_]+ = ([0-9]+)\,? +/\* (.*) \*/$,| \2 | \1 |,p' templates/jinja_limits.h >"$tmp/limits"
equal 'every limit has words' "$(wc -l <"$tmp/limits")" "$(grep -c '^ *JINJA_[A-Z_]* = ' templates/jinja_limits.h)"
equal 'docs/TEMPLATES.md has the limits of the code' "$(sed -n '/^## Limits/,$p' docs/TEMPLATES.md | grep -E '^\| .* [0-9]+ \|$')" "$(cat "$tmp/limits")"

# ---- the manuals ----
words() { grep -oE -- '--[a-z][a-z0-9-]*[a-z0-9]' | sort -u; }
manual() { sed -e 's/\\-/-/g' -e 's/\\f[BIRP]//g' "docs/$1.1"; }
commands=$("$bitnet" --help | sed -nE 's/^  bitnet ([a-z]+) .*/\1/p')
ok 'there are commands' test "$(echo "$commands" | wc -w)" -ge 9
for command in $commands; do
    "$bitnet" "$command" --help
done >"$tmp/help"
"$bitnet" --help >>"$tmp/help"
grep -oE '"--[a-z-]+"' core/cmd/spelling.c >>"$tmp/help" # other programs' words, which the manual lists
"$build/bitnet-checkkern" --help >"$tmp/help-checkkern"
for command in $commands; do
    ok "the manual has bitnet $command" grep -qxE "\.(B|BR) (\"?bitnet )?$command\"?( .*)?" docs/bitnet.1
done
agree() { # WHAT HELP MANUAL
    words <"$2" >"$tmp/options"
    manual "$3" | words >"$tmp/manual"
    equal "options that only $1 --help has" "$(comm -23 "$tmp/options" "$tmp/manual" | tr '\n' ' ')" ''
    equal "options that only the manual of $1 has" "$(comm -13 "$tmp/options" "$tmp/manual" | tr '\n' ' ')" ''
}
agree bitnet "$tmp/help" bitnet
# In OPTIONS each entry ends with the commands that take it, in parentheses.
for command in $commands; do
    "$bitnet" "$command" --help | sed -nE "s/^ +(-[a-zA-Z], )?--([a-z0-9-]+).*/\\2 $command/p"
done | sort >"$tmp/taken"
manual bitnet | awk -v every="$(echo "$commands" | tr '\n' ' ')" '
    /^\.SH/ { inside = /OPTIONS/ }
    !inside { next }
    match($0, /--[a-z0-9-]+/) && after { option = substr($0, RSTART + 2, RLENGTH - 2) }
    { after = /^\.TP/ }
    /^\(.*\)$/ {
        gsub(/[(),]/, "")
        list = /^all/ ? every : $0
        for (i = 3; /^all but/ && i <= NF; i++) gsub("(^| )" $i " ", " ", list)
        n = split(list, name, " ")
        for (i = 1; i <= n; i++) print option, name[i]
    }' | sort >"$tmp/said"
equal 'which command takes which option, by --help (<) and by the manual (>)' "$(diff "$tmp/taken" "$tmp/said")" ''
agree bitnet-checkkern "$tmp/help-checkkern" bitnet-checkkern
equal 'exit statuses in the manual' "$(sed -nE 's/^([0-9]+)\t.*/\1/p' docs/bitnet.1 | sort -n | tr '\n' ' ')" \
    "$("$bitnet" --help | sed -nE 's/^ +([0-9]+)  .*/\1/p' | sort -n | tr '\n' ' ')"
for name in $(grep -rhoE '"(BITNET|CROSSVAL|PARITY|BASELINES)_[A-Z_]+"' core/cmd core/plugin core/parity receipts | tr -d '"' | sort -u); do
    ok "the manual has $name" grep -q "$name" docs/bitnet.1
done
# Each command has a page of its own, made of this one; all are sound, but for the length of our lines.
for command in $commands; do
    ok "bitnet-$command(1) is there" test -s "$build/man/commands/bitnet-$command.1"
    sed -e 's/\\-/-/g' -e 's/\\f[BIRP]//g' "$build/man/commands/bitnet-$command.1" | sed -n '/^\.SH OPTIONS/,$p' |
        awk 'after && match($0, /--[a-z0-9-]+/) { print substr($0, RSTART, RLENGTH) } { after = /^\.TP/ }' | sort -u >"$tmp/page"
    "$bitnet" "$command" --help | sed -nE 's/^ +(-[a-zA-Z0-9], )?(--[a-z0-9-]+).*/\2/p' | sort -u >"$tmp/own"
    equal "and has its options" "$(diff "$tmp/own" "$tmp/page")" ''
done
equal 'the pages, by mandoc' "$(mandoc -T lint "$build"/man/*.[13] "$build"/man/commands/* 2>&1 | grep -v 'STYLE: input text line longer than 80 bytes')" ''
if command -v groff >/dev/null 2>&1; then
    for page in docs/*.1; do
        equal "$page is sound" "$(groff -t -man -ww -z -Tutf8 "$page" 2>&1)" ''
    done
fi

# ---- the README ----
cat "$tmp/help" "$tmp/help-checkkern" | words >"$tmp/options"
equal 'options in the README that no command has' "$(words <README.md | comm -23 - "$tmp/options" | tr '\n' ' ')" ''
for link in $(grep -oE '\]\([^):#]+\)' README.md | tr -d '()]'); do
    ok "README.md: $link is there" test -e "$link"
done
grep -oE '(^|`|    )make [a-z][a-z-]*' README.md | sed 's/.*make //' | sort -u >"$tmp/targets"
while read -r target; do
    ok "README.md: make $target" make --no-print-directory -n "$target"
done <"$tmp/targets"
summary
