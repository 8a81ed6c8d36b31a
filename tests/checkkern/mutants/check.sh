#!/bin/sh
# check.sh CHECKKERN DIR LIST - runs the quick check on every plugin with a planted fault in DIR. A
# fault counts as caught when the check fails in the slot that LIST names (checked alone, as quick
# mode checks it); sources without a fault must pass all slots. Ends with "N passed, N failed".
set -u
checkkern=$1 dir=$2 list=$3
passed=0 failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
while read -r name file slot what; do
    case $name in '#'* | '') continue ;; esac
    slot=${slot%:}
    plugin=$dir/$name.so
    if [ "$slot" = - ]; then
        if "$checkkern" --stop "$plugin" >"$out" 2>&1; then
            echo "$name: passes, as it must"
            passed=$((passed + 1))
        else
            cat "$out"
            echo "$name: NO FAULT IS PLANTED in $file.c, and the check fails"
            failed=$((failed + 1))
        fi
        continue
    fi
    "$checkkern" --stop --timeout=1 --slot="$slot" "$plugin" >"$out" 2>&1
    status=$?
    if [ "$status" -eq 1 ] && grep -q "^FAILED mutant/mutant $slot:" "$out"; then
        echo "$name ($what): caught: $(sed -n "s/^FAILED mutant.mutant //p;T;q" "$out" | cut -c1-150)"
        passed=$((passed + 1))
    else
        cat "$out"
        echo "$name ($what): NOT CAUGHT in $slot (exit status $status)"
        failed=$((failed + 1))
    fi
done <"$list"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
