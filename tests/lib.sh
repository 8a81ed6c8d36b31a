# lib.sh - what the shell tests share: counting, and checks that say what they expected.
# shellcheck shell=sh
passed=0 failed=0

ok() { # NAME CONDITION...: the command CONDITION succeeds
    name=$1
    shift
    if "$@" >/dev/null 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name: $*"
    fi
}

equal() { # NAME GOT WANTED
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\n  got    %s\n  wanted %s\n' "$1" "$2" "$3"
    fi
}

# exits NAME STATUS PATTERN COMMAND...: the exit status, and a stderr that matches PATTERN (unless '')
exits() {
    name=$1 wanted=$2 pattern=$3
    shift 3
    "$@" >"$tmp/stdout" 2>"$tmp/stderr" </dev/null
    status=$?
    if [ "$status" -eq "$wanted" ] && { [ -z "$pattern" ] || grep -qE -- "$pattern" "$tmp/stderr"; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $name: exit status $status (wanted $wanted), stderr (wanted /$pattern/):"
        cat "$tmp/stderr"
    fi
}

# checkkern NAME COMMAND...: adds what bitnet-checkkern reports; without a report, or with a bad status
# after a good one, it is a failure. Says how many, and the seconds.
checkkern() {
    name=$1 start=$(date +%s)
    shift
    "$@" >"$tmp/log" 2>&1
    status=$?
    counts=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed$/\1 \2/p' "$tmp/log")
    counts=${counts:-0 1}
    good=${counts% *} bad=${counts#* }
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then bad=1; fi
    passed=$((passed + good)) failed=$((failed + bad))
    if [ "$bad" -ne 0 ]; then cat "$tmp/log"; fi
    echo "$name: $good passed, $bad failed, $(($(date +%s) - start)) s."
}

summary() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
