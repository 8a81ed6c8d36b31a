#!/usr/bin/env bash
# ci-build.sh CC - builds everything with CC, warnings being errors, and runs the tests.
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
compiler=${1:?a compiler: gcc or clang}
build=${BUILD:-build/ci-$compiler}

step "$compiler"
scripts/deps.sh build test lint
"$compiler" --version | head -n 1
make -j"$jobs" CC="$compiler" BUILD="$build" WERROR=1 all library tests test-plugins
make -j"$jobs" CC="$compiler" BUILD="$build" WERROR=1 run-tests
