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
    # Equal answers, and what others say of schemas and templates, are looked at without sanitizers in full;
    # here fewer of them go the same ways.
    export SAME_REQUESTS=50 SCHEMA_SAMPLES=8 SCHEMA_OUTPUTS=40 JINJA_CASES=1000
    "${calm[@]}" make -j"$jobs" VARIANT="$variant" BUILD="$build" WERROR=1 run-tests
    ;;
tsan)
    names=(test_pool test_share test_session test_lifecycle test_head test_parity test_receipt)
    make -j"$jobs" VARIANT=tsan CC=clang BUILD="$build" all tools test-plugins "${names[@]/#/$build/tests/}"
    # With a short history the earlier of two accesses is soon forgotten, and the race not reported. A
    # command that the watchdog ends has no exit status to report it by: what counts is the log.
    log=$(realpath "$build")/tsan-report
    export TSAN_OPTIONS="history_size=7 log_path=$log"
    rm -f "$log".*
    "${calm[@]}" tests/run.sh "${names[@]/#/$build/tests/}" "tests/parity.sh $build" "tests/receipts/check.sh $build" "tests/serve/load.sh $build"
    if compgen -G "$log.*" >/dev/null; then
        cat "$log".*
        exit 1
    fi
    ;;
*)
    echo "unknown variant '$variant'" >&2
    exit 2
    ;;
esac
