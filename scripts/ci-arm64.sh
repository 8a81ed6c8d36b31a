#!/usr/bin/env bash
# ci-arm64.sh - everything built for AArch64 and run under qemu: the bytes must be those of this CPU.
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
scripts/deps.sh build test arm64
make -j"$jobs" check-arm64
