#!/usr/bin/env bash
# ci-arm64.sh [kernels] - everything built for AArch64 and run under qemu; then, unless `kernels` are
# asked for alone, one digest from all processors, those of x86-64 with it.
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
scripts/deps.sh build test arm64
step 'AArch64 under qemu'
make -j"$jobs" check-arm64
[ "${1:-}" = kernels ] && exit
step 'one digest everywhere'
make -j"$jobs" check-digests
