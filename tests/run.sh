#!/bin/sh
# run.sh PROGRAM... - runs test programs, TEST_JOBS (1) at a time, and adds up what they report.
# A program reports by libcheck's summary ("100%: Checks: 5, Failures: 0, Errors: 0") or by a line
# "N passed, N failed"; one that reports nothing, or ran nothing, has failed. Output of a program is
# shown when it fails, or always with V=1; how the failed ones ended stands once more above the sums, for
# those who see only the end of a log. Words before a program's name say what it needs:
#   needs=FILE  a file that was to be fetched; without it the program is not run, is named, and counts as a failure
#   alone=NAME  never beside another program with the same NAME
set -u
export CK_DEFAULT_TIMEOUT="${CK_DEFAULT_TIMEOUT:-120}" # of libcheck; its own are 4 s, few for a busy machine

one() { # PROGRAM: runs it, shows what it said, leaves its counts in $RUN_SH/counts
    program=$1 wanting='' lock=''
    while case $program in needs=* | alone=*) ;; *) false ;; esac do
        value=${program%% *}
        value=${value#*=}
        case $program in
        needs=*) [ -e "$value" ] || wanting="$wanting $value" ;;
        *) lock="flock $RUN_SH/alone-$value" ;;
        esac
        program=${program#* }
    done
    exec 9>"$RUN_SH/lock"
    if [ -n "$wanting" ]; then
        flock 9
        line="not run: $(echo "$program" | sed "s,$PWD/,,g" | cut -c1-70) (without$wanting: could the npm registry be reached?)"
        echo "$line" | tee -a "$RUN_SH/ends"
        echo 0 1 >>"$RUN_SH/counts"
        return
    fi
    out=$(mktemp "$RUN_SH/out.XXXXXX") began=$(mktemp "$RUN_SH/began.XXXXXX")
    # shellcheck disable=SC2016 # $0 and $1 are the inner shell's: it takes the time when it is its turn
    inner='date +%s >"$0"; exec 9>&-; $1'
    # shellcheck disable=SC2086 # a command with its arguments in one word
    $lock sh -c "$inner" "$began" "$program" >"$out" 2>&1
    status=$?
    seconds=$(($(date +%s) - $(cat "$began")))
    counts=$(sed -nE 's/^[0-9]+%: Checks: ([0-9]+), Failures: ([0-9]+), Errors: ([0-9]+)$/\1 \2 \3/p; s/^([a-z-]+: )?([0-9]+) passed, ([0-9]+) failed$/all \2 \3/p' "$out" |
        awk '$1 == "all" { p += $2; f += $3; next } { p += $1 - $2 - $3; f += $2 + $3 } END { print p + 0, f + 0 }')
    p=${counts% *} f=${counts#* }
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$((p + f))" -eq 0 ]; then f=1 && echo "$program: no test was run" >>"$out"; fi
    flock 9
    if [ "$f" -ne 0 ] || [ "${V:-0}" = 1 ]; then cat "$out"; fi
    line=$(printf '%-60.60s %6d passed %4d failed %5d s' "$(echo "$program" | sed "s,$PWD/,,g")" "$p" "$f" "$seconds")
    echo "$line"
    if [ "$f" -ne 0 ]; then
        echo "$line" >>"$RUN_SH/ends"
        grep -E 'FAILED|:[FE]:|Sanitizer|runtime error' "$out" >>"$RUN_SH/ends" || tail -n 5 "$out" >>"$RUN_SH/ends"
    fi
    echo "$p $f" >>"$RUN_SH/counts"
    rm -f "$out" "$began"
}

if [ "${1:-}" = --one ]; then
    one "$2"
    exit 0
fi
RUN_SH=$(mktemp -d)
export RUN_SH
trap 'rm -rf "$RUN_SH"' EXIT
touch "$RUN_SH/ends"
printf '%s\0' "$@" | xargs -0 -n 1 -P "${TEST_JOBS:-1}" sh "$0" --one
cat "$RUN_SH/ends"
awk -v programs=$# '{ p += $1; f += $2 } END {
    if (NR != programs) f += programs - NR # one that never came back
    printf "%d passed, %d failed\n", p, f
    exit !(f == 0 && p > 0) }' "$RUN_SH/counts"
