#!/bin/sh
# run.sh PROGRAM... - runs test programs one after the other and adds up what they report.
# A program reports by libcheck's summary ("100%: Checks: 5, Failures: 0, Errors: 0") or by a line
# "N passed, N failed"; one that reports nothing, or ran nothing, has failed. Output of a program is
# shown when it fails, or always with V=1; how the failed ones ended stands once more above the sums, for
# those who see only the end of a log.
set -u
export CK_DEFAULT_TIMEOUT="${CK_DEFAULT_TIMEOUT:-120}" # of libcheck; its own are 4 s, few for a busy machine
passed=0 failed=0
out=$(mktemp) ends=$(mktemp)
trap 'rm -f "$out" "$ends"' EXIT
for program in "$@"; do
    start=$(date +%s)
    # shellcheck disable=SC2086 # a program with its arguments in one word
    $program >"$out" 2>&1
    status=$?
    seconds=$(($(date +%s) - start))
    counts=$(sed -nE 's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+)$/\1 \2 \3/p; s/^([a-z]+: )?([0-9]+) passed, ([0-9]+) failed$/all \2 \3/p' "$out" |
        awk '$1 == "all" { p += $2; f += $3; next } { p += $1 - $2 - $3; f += $2 + $3 } END { print p + 0, f + 0 }')
    p=${counts% *} f=${counts#* }
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$((p + f))" -eq 0 ]; then f=1 && echo "$program: no test was run" >>"$out"; fi
    if [ "$f" -ne 0 ] || [ "${V:-0}" = 1 ]; then cat "$out"; fi
    line=$(printf '%-60.60s %6d passed %4d failed %5d s' "$(echo "$program" | sed "s,$PWD/,,g")" "$p" "$f" "$seconds")
    echo "$line"
    if [ "$f" -ne 0 ]; then
        echo "$line" >>"$ends"
        grep -E 'FAILED|:[FE]:|Sanitizer|runtime error' "$out" >>"$ends" || tail -n 5 "$out" >>"$ends"
    fi
    passed=$((passed + p)) failed=$((failed + f))
done
cat "$ends"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
