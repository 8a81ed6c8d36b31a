#!/usr/bin/env bash
# ci-parity-summary.sh FOLDER [QUANTS [SETS]] - of what ci-parity-matrix.sh left in FOLDER/DATE: a line
# for each receipt and summary.json. Fails unless every combination is there and is `ok`.
# shellcheck source=scripts/ci-lib.sh
. "$(dirname "$0")/ci-lib.sh"
out=${1:?a folder}/${MATRIX_DATE:-$(date -u +%F)}
quants=${2:-I2_S TQ1_0 TQ2_0}
sets=${3:-math chat}
mkdir -p "$out"
scripts/ci-receipts.py summary --commit "$commit" --since "$since" "${dirty[@]}" \
    --quants "${quants// /,}" --sets "${sets// /,}" "$out"
