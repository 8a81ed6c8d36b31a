#!/usr/bin/env bash
# put-in.sh CHECKPOINT [VOCABULARY] - makes a checkpoint the model in models/, and anew all that depends on that file:
# heldout.json (its hash, and its perplexity by perplexity.py), least.json (what it gives, by evaluate.py),
# training-log.csv, and the outputs that documents show. The receipts in docs/baselines, true of the file before, are
# removed; new ones name a commit that has the new file, and so come after it. Commits nothing.
set -euo pipefail
checkpoint=$(realpath "${1:?the checkpoint: build/model/final.pt}")
vocabulary=$(realpath "${2:-build/corpus/vocabulary.json}")
cd "$(dirname "$0")/.."
python=${PYTHON:-/usr/bin/python3} # one with torch
model=models/bitnet-demo-i2_s.gguf

make -j"$(nproc)" V=0 all >/dev/null
$python -B models/gguf_export.py "$checkpoint" "$model" --vocabulary "$vocabulary"
$python -B models/perplexity.py "$model" --file models/heldout.txt --json models/heldout.json
rm -f models/least.json
$python -B models/evaluate.py "$model" --json --show 3 --figures models/least.json
logs=$(dirname "$checkpoint")
for log in "$logs"/{trunk,finish}-log.csv; do # the trunk, and then what fell from it
    [ ! -e "$log" ] || cat "$log"
done | awk 'NR == 1 || !/^step/' >models/training-log.csv
rm -rf docs/baselines/????-??-??
make -s shown || true # it names what fails: there is no receipt yet
cat <<END

$model: $(stat -c %s "$model") bytes, SHA-256 $(sha256sum "$model" | cut -d' ' -f1)
Now look at 'make demo', 'git diff' and models/least.json; say in models/README.md and CHANGELOG.md what is new. Then

    git add -A && git commit && scripts/make-baselines.sh && make shown && git add -A && git commit
END
