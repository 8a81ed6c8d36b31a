# ci-lib.sh - what the scripts of the workflows share: where they are, what they test, since when.
# shellcheck shell=bash disable=SC2034 # variables are for the scripts that include this
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset BITNET_BACKEND BITNET_SEED BITNET_THREADS BITNET_PLUGIN_DIR BITNET_DETERMINISTIC
unset CROSSVAL_GGUF CROSSVAL_PROMPT_SET BASELINES_DIR PARITY_TEST_TIMEOUT_SECS

step() { printf '\n==== %s (%s)\n' "$*" "$(date +%H:%M:%S)"; }

# In a container the checkout belongs to another user, and git refuses to look at it.
if [ "${GITHUB_ACTIONS:-}" = true ]; then git config --global --add safe.directory "$PWD"; fi

# The commit as receipts name it. In CI it must be the one that was asked for, unchanged.
commit=$(git describe --always --dirty --abbrev=40 --exclude='*')
dirty=()
if [ "${CI:-}" != true ]; then
    dirty=(--allow-dirty)
elif [ -n "${GITHUB_SHA:-}" ] && [ "$commit" != "$GITHUB_SHA" ]; then
    echo "the sources are $commit, the job is for $GITHUB_SHA" >&2
    exit 1
fi
# The job's first step sets JOB_STARTED; at home it is now.
since=${JOB_STARTED:-$(date -u +%Y-%m-%dT%H:%M:%SZ)}
build=${BUILD:-build/release}
jobs=${JOBS:-$(nproc)}
