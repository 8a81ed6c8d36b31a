#!/usr/bin/env bash
# ci-oracles.sh - what others say of us, and what our own judge must not let through: llama.cpp, other
# tokenizers, proxies; kernels with planted faults. (A Jinja interpreter is in `make check`.)
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
scripts/deps.sh build test proxies
step 'kernels with planted faults'
make -j"$jobs" check-mutations
step 'tokenizers'
make -j"$jobs" vocabulary-files tokenizer-diff
step 'llama.cpp'
make -j"$jobs" crossval
# Not for its figures: that it can still be run.
make -j"$jobs" bench-llama SHAPE=tiny ROUNDS=1 THREADS=1
step 'proxies before the server'
make -j"$jobs" check-proxies
