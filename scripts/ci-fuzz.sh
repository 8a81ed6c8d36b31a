#!/usr/bin/env bash
# ci-fuzz.sh [SECONDS] - each fuzzer for so long (30), as many at once as there are CPUs, beginning with the seeds. They go
# the way of FUZZ_SEED: 1, always the same, unless it is set; 0 is another way each time.
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
step 'fuzzers'
scripts/deps.sh build test fuzz
rm -rf build/fuzz/corpus
make -j"$jobs" VARIANT=fuzz CC=clang WERROR=1 fuzz
make VARIANT=fuzz CC=clang FUZZ_SEED="${FUZZ_SEED:-1}" FUZZ_SECONDS="${1:-30}" FUZZ_JOBS="$jobs" fuzz-run
