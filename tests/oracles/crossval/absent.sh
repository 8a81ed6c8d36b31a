#!/bin/sh
# absent.sh CROSSVAL - without a usable library the cross-validation must fail and say so.
# Points the program at folders that lack the library in one way each, and looks at exit status,
# receipt and the last line.
set -u
program=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

outcome() { # $1: 0 when it is as it should be, $2: what
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $2"
    fi
}

try() { # $1: folder, $2: exit status, $3: receipt's status, $4: cpp_available
    rm -f "$dir/receipt"
    "$program" --vocab="$dir" --work="$dir" --receipt="$dir/receipt" "$1" >"$dir/out" 2>&1
    [ $? -eq "$2" ]
    outcome $? "$1: exit status $2"
    grep -q "\"status\": \"$3\"" "$dir/receipt"
    outcome $? "$1: status $3 in the receipt"
    grep -q "\"cpp_available\": $4" "$dir/receipt"
    outcome $? "$1: cpp_available $4"
    grep -q '"llama_cpp_commit": null' "$dir/receipt"
    outcome $? "$1: no commit of a library that was not used"
    tail -n 1 "$dir/out" | grep -qx '0 passed, 1 failed'
    outcome $? "$1: 0 passed, 1 failed"
}

mkdir "$dir/empty" "$dir/text" "$dir/other"
echo 'not a library' >"$dir/text/libllama.so"
echo 'int x;' | ${CC:-cc} -shared -x c -o "$dir/other/libllama.so" -
try "$dir/nothing" 3 no_reference false
try "$dir/empty" 3 no_reference false
try "$dir/text" 3 no_reference false
try "$dir/other" 1 error false

"$program" --vocab="$dir" --work="$dir" "$dir/empty" >/dev/null 2>&1
[ $? -eq 2 ]
outcome $? "no --receipt: a bad command line"
! "$program" --vocab="$dir" --work="$dir" --receipt="$dir/none/receipt" "$dir/empty" >/dev/null 2>&1
outcome $? "a receipt that cannot be written"

echo "crossval-absent: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
