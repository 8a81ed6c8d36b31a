#!/usr/bin/env bash
# ci-lint.sh - layout, shell scripts, static analysis, workflows.
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
make lint
