#!/usr/bin/env bash
# ci-fuzz.sh [SECONDS] - each fuzzer for so long (30), beginning with nothing.
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
step 'fuzzers'
scripts/deps.sh build test fuzz
rm -rf build/fuzz/corpus
make -j"$jobs" VARIANT=fuzz CC=clang WERROR=1 fuzz
make VARIANT=fuzz CC=clang FUZZ_SECONDS="${1:-30}" fuzz-run
