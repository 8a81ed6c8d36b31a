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

summary() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
