#!/bin/sh
# file.sh CROSSVAL LIBRARY_DIR BITNET_SYNTH - CROSSVAL_GGUF where there is nothing to compare: a file
# of a type that llama.cpp lacks, one that is damaged, and none. What can be compared is compared by
# `make crossval` itself.
set -u
program=$1 library=$2 synth=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
passed=0 failed=0

try() { # NAME FILE STATUS RECEIPT'S STATUS PATTERN
    CROSSVAL_GGUF=$2 "$program" --vocab="$dir" --work="$dir" --receipt="$dir/receipt" "$library" >"$dir/out" 2>&1
    status=$?
    if [ $status -eq "$3" ] && grep -q "\"status\": \"$4\"" "$dir/receipt" && grep -q "$5" "$dir/out" &&
        grep -q "\"reason\": .*$5" "$dir/receipt" && tail -n 1 "$dir/out" | grep -qx '0 passed, 1 failed'; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $1: exit status $status"
        cat "$dir/out"
    fi
}

"$synth" -o "$dir/i2_s.gguf" >/dev/null 2>&1
head -c 100000 "$dir/i2_s.gguf" >"$dir/cut.gguf"
try 'a type that llama.cpp lacks' "$dir/i2_s.gguf" 3 no_reference 'llama.cpp does not load it: .*of type 36'
try 'half a file' "$dir/cut.gguf" 1 error 'reach past end of file'
try 'no file' "$dir/none.gguf" 1 error 'No such file'
echo "crossval-file: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
