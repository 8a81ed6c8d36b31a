#!/usr/bin/env bash
# ci-sanitize.sh asan|ubsan|tsan - the tests under a sanitizer; tsan with clang, and only what has
# threads, since the rest would take an hour to say nothing.
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
variant=${1:?asan, ubsan or tsan}
build=${BUILD:-build/ci-$variant}

step "$variant"
scripts/deps.sh build test lint
# Sanitizers of older compilers cannot place their shadow when addresses are too random.
calm=()
if setarch "$(uname -m)" -R true 2>/dev/null; then calm=(setarch "$(uname -m)" -R); fi
case $variant in
asan | ubsan)
    "${calm[@]}" make -j"$jobs" VARIANT="$variant" BUILD="$build" run-tests
    ;;
tsan)
    names=(test_pool test_session test_lifecycle test_parity)
    make -j"$jobs" VARIANT=tsan CC=clang BUILD="$build" plugins test-plugins "${names[@]/#/$build/tests/}"
    "${calm[@]}" tests/run.sh "${names[@]/#/$build/tests/}"
    ;;
*)
    echo "unknown variant '$variant'" >&2
    exit 2
    ;;
esac
