#!/bin/sh
# batch.sh BUILD - `bitnet batch` from outside: what a line becomes, that it depends on the line alone, and
# that neither a kill nor a division into shards loses, doubles or changes one.
set -u
build=$1
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR
unset SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_MIN SLURM_ARRAY_TASK_COUNT JOB_COMPLETION_INDEX
unset OMPI_COMM_WORLD_RANK OMPI_COMM_WORLD_SIZE PMI_RANK PMI_SIZE

model=$tmp/tiny.gguf
"$build/bitnet-synth" --like tiny -o "$model" >/dev/null || exit 1
batch() { "$bitnet" batch -m "$model" --i2s-layout=a "$@"; }

# ---- lines of every kind ----
in=$tmp/in.jsonl
for i in $(seq 1 40); do
    case $((i % 4)) in
    0) echo "{\"custom_id\":\"chat $i\",\"method\":\"POST\",\"url\":\"/v1/chat/completions\",\"body\":{\"messages\":[{\"role\":\"user\",\"content\":\"number $i\"}],\"max_tokens\":$((i * 2))}}" ;;
    1) echo "{\"custom_id\":\"text $i\",\"method\":\"POST\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"a b $i\",\"max_tokens\":60,\"temperature\":0}}" ;;
    2) echo "{\"custom_id\":\"two $i\",\"method\":\"POST\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"x $((i / 8))\",\"max_tokens\":20,\"n\":2,\"stream\":true}}" ;;
    3) echo "{\"custom_id\":\"seed $i\",\"method\":\"POST\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"abc\",\"max_tokens\":25,\"seed\":$i}}" ;;
    esac
done >"$in"
whole=$tmp/whole.jsonl
exits 'forty lines' 0 '' batch "$in" -o "$whole"
equal 'forty results' "$(wc -l <"$whole")" 40
equal 'in their order' "$(sed -E 's/.*"custom_id":"([^"]*)".*/\1/' "$whole")" "$(sed -E 's/.*"custom_id":"([^"]*)".*/\1/' "$in")"
equal 'all were answered' "$(grep -c '"status_code":200' "$whole")" 40
equal 'a stream is none' "$(grep '"two ' "$whole" | grep -c '"index":1')" 10
echo '{"custom_id":"d","method":"POST","url":"/v1/completions","body":{"prompt":"The king said","max_tokens":20,"temperature":0}}' >"$tmp/demo.jsonl"
"$bitnet" batch "$tmp/demo.jsonl" -o "$tmp/demo.out"
equal 'a greedy text is that of run' "$(sed -E 's/.*"text":"((\\.|[^"\\])*)".*/\1/' "$tmp/demo.out")" \
    "$("$bitnet" -p 'The king said' -n 20 --json | sed -E 's/.*"text":"((\\.|[^"\\])*)".*/\1/')"

# ---- of the line alone ----
for how in '--parallel=1' '--parallel=3 -t 1 -b 5' '--backend=ref-scalar --parallel=20 --prefix-cache=0'; do
    # shellcheck disable=SC2086
    batch "$in" -o "$tmp/other.jsonl" $how 2>/dev/null
    ok "the same bytes with $how" cmp "$whole" "$tmp/other.jsonl"
    rm -f "$tmp/other.jsonl"
done

# ---- calls of tools, whose ids are the line's too ----
echo '{"custom_id":"t","method":"POST","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":"now"}],"max_tokens":200,"tool_choice":"required","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"enum":[1,2]}},"required":["a"],"additionalProperties":false}}}]}}' >"$tmp/tools.jsonl"
echo '{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m.content }}{% endfor %}' >"$tmp/tools.jinja"
for i in 1 2; do batch "$tmp/tools.jsonl" -o "$tmp/tools.$i" --chat-template="$tmp/tools.jinja" 2>/dev/null; done
ok 'a tool is called' grep -q '"id":"call_[0-9a-f]*_0_0"' "$tmp/tools.1"
ok 'the same way each time' cmp "$tmp/tools.1" "$tmp/tools.2"

# ---- faults of lines ----
cat >"$tmp/bad.jsonl" <<'LINES'
nonsense
{"custom_id":7,"method":"POST","url":"/v1/completions","body":{}}
{"custom_id":"m","method":"GET","url":"/v1/completions","body":{}}

{"custom_id":"u","method":"POST","url":"/v1/files","body":{}}
{"custom_id":"b","method":"POST","url":"/v1/completions","body":[]}
{"custom_id":"v","method":"POST","url":"/v1/completions","body":{"prompt":"a","max_tokens":-1}}
{"custom_id":"o","method":"POST","url":"/v1/completions","body":{"prompt":"a","max_tokens":1,"model":"another"}}
LINES
exits 'lines that cannot be done' 0 '7 of 7 results are errors' batch "$tmp/bad.jsonl" -o "$tmp/bad.out"
equal 'have results that say why' \
    "$(sed -E 's/.*"(message)":"([^"]{0,20}).*/\2/' "$tmp/bad.out" | tr '\n' '|')" \
    'the line is no JSON |custom_id must be a |method must be POST|url must be /v1/chat|body must be an obje|max_tokens: must be |the model that is se|'
exits 'and are not done again' 0 '' batch "$tmp/bad.jsonl" -o "$tmp/bad.out" --json
ok 'as JSON says' grep -q '"lines":7,"resumed":7,"errors":0' "$tmp/stdout"

# ---- receipts ----
mkdir "$tmp/receipts"
for i in 1 2 3; do echo "{\"custom_id\":\"r$i\",\"method\":\"POST\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"a b $i\",\"max_tokens\":20,\"n\":2,\"receipt\":true}}"; done >"$tmp/proven.jsonl"
exits 'lines with receipts' 0 '' batch "$tmp/proven.jsonl" -o "$tmp/proven.out" --receipts="$tmp/receipts"
ids=$(grep -o '"receipt_id":"[^"]*"' "$tmp/proven.out" | cut -d'"' -f4)
equal 'one for each choice' "$(echo "$ids" | sort -u | wc -l)" 6
equal 'and no other' "$(cd "$tmp/receipts" && ls -A)" "$(echo "$ids" | sed 's/$/.json/' | sort)"
for id in $ids; do exits "bitnet verify $id" 0 '' "$bitnet" verify -m "$model" "$tmp/receipts/$id.json"; done
head -n 1 "$tmp/proven.out" >"$tmp/proven.part"
exits 'after a kill' 0 '' batch "$tmp/proven.jsonl" -o "$tmp/proven.part" --receipts="$tmp/receipts"
ok 'the ids are the same, as all is' cmp "$tmp/proven.out" "$tmp/proven.part"
equal 'and no receipt is there twice' "$(find "$tmp/receipts" -type f | wc -l)" 6
exits 'without a folder' 0 '3 of 3 results are errors' batch "$tmp/proven.jsonl" -o "$tmp/proven.none"
ok 'they say so' grep -q 'receipt: --receipts=DIR' "$tmp/proven.none"
exits 'a folder that is none' 3 'nothing/here' batch "$tmp/proven.jsonl" -o "$tmp/proven.no" --receipts="$tmp/nothing/here"
openssl genpkey -algorithm ed25519 -out "$tmp/key.pem" 2>/dev/null
openssl pkey -in "$tmp/key.pem" -pubout -out "$tmp/key.pub" 2>/dev/null
exits 'signed ones' 0 '' batch "$tmp/proven.jsonl" -o "$tmp/proven.signed" --receipts="$tmp/receipts" --sign="$tmp/key.pem"
for id in $ids; do exits "signed: $id" 0 '' "$bitnet" verify --fast -m "$model" --signer="$tmp/key.pub" "$tmp/receipts/$id.json"; done
exits 'a key for nothing' 2 'nothing without --receipts' batch "$tmp/proven.jsonl" -o "$tmp/x" --sign="$tmp/key.pem"

# ---- killed ----
out=$tmp/killed.jsonl
: >"$out"
round=0
while [ "$(wc -l <"$out")" -lt 40 ] && [ $round -lt 400 ]; do
    round=$((round + 1))
    "$bitnet" batch -m "$model" --i2s-layout=a "$in" -o "$out" --parallel=2 >/dev/null 2>&1 & # no shell between
    pid=$!
    sleep "0.$((round * 7 % 4))$((round * 13 % 10))"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    [ $((round % 3)) -ne 0 ] || [ "$(wc -l <"$out")" -ge 40 ] || printf '{"id":"batch_req_0' >>"$out" # as if it fell in a line
    if [ $round -eq 30 ]; then batch "$in" -o "$out" >/dev/null 2>&1; fi # slow machines: to the end
done
batch "$in" -o "$out" >/dev/null 2>&1
ok "killed $round times, no line is lost, doubled or changed" cmp "$whole" "$out"
head -n 11 "$whole" >"$tmp/part.jsonl"
head -n 12 "$whole" | tail -n 1 | head -c 100 >>"$tmp/part.jsonl"
exits 'a line in two' 0 '' batch "$in" -o "$tmp/part.jsonl" --json
ok 'is done again' grep -q '"resumed":11' "$tmp/stdout"
ok 'and all is there' cmp "$whole" "$tmp/part.jsonl"
head -n 1 "$whole" >"$tmp/first.jsonl"
cp "$tmp/first.jsonl" "$tmp/other.jsonl"
exits 'with another template than it was begun with' 2 'begun with another model or chat template' \
    batch "$in" -o "$tmp/other.jsonl" --chat-template=raw
ok 'nothing of it is changed' cmp "$tmp/other.jsonl" "$tmp/first.jsonl"

# ---- what it does not touch ----
cp "$in" "$tmp/copy.jsonl"
exits 'onto the requests' 2 'would overwrite the requests' batch "$in" -o "$in"
ln "$in" "$tmp/link.jsonl"
exits 'by another name' 2 'would overwrite the requests' batch "$in" -o "$tmp/link.jsonl"
ok 'which are as they were' cmp "$in" "$tmp/copy.jsonl"
printf 'my notes' >"$tmp/notes"
exits 'onto notes' 2 'no result that was cut off' batch "$in" -o "$tmp/notes"
equal 'which are as they were' "$(cat "$tmp/notes")" 'my notes'
sed -n '2,3p' "$whole" >"$tmp/wrong.jsonl"
exits 'results of other lines' 2 'wrong.jsonl holds something else: its line 1 is not the result of request 1; name a new file' batch "$in" -o "$tmp/wrong.jsonl"
cat "$whole" "$whole" >"$tmp/twice.jsonl"
exits 'more results than lines' 2 'more than the results of 40 lines' batch "$in" -o "$tmp/twice.jsonl"
echo '{"custom_id":"a","method":"POST","url":"/v1/completions","body":{"model":"gpt-4o-mini","prompt":"a","max_tokens":2}}' >"$tmp/named.jsonl"
batch "$tmp/named.jsonl" -o "$tmp/refused.jsonl" 2>/dev/null
batch "$tmp/named.jsonl" -o "$tmp/taken.jsonl" --alias gpt-4o-mini 2>/dev/null
equal 'a name of the model that is none, and one' "$(cat "$tmp/refused.jsonl" "$tmp/taken.jsonl" | sed -E 's/.*"status_code":([0-9]+).*/\1/' | tr '\n' ' ')" '404 200 '
exits 'no results named' 2 'IN.jsonl names the requests' batch "$in"
exits 'no requests' 3 'No such file' batch "$tmp/nowhere" -o "$tmp/x"

# ---- shards ----
joined() { # NAME: the shards' results, joined
    cat "$tmp/$1".*-of-* >"$tmp/joined" && cmp "$whole" "$tmp/joined"
}
for i in 0 1 2; do batch "$in" -o "$tmp/option" --shard=$i/3 2>/dev/null; done
ok 'by option' joined option
for i in 5 6 7 8; do SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_MIN=5 SLURM_ARRAY_TASK_COUNT=4 batch "$in" -o "$tmp/slurm" 2>"$tmp/stderr"; done
ok 'of a job array' joined slurm
ok 'which it says' grep -q 'shard 3 of 4 (SLURM_ARRAY_TASK_ID)' "$tmp/stderr"
for i in 0 1; do OMPI_COMM_WORLD_RANK=$i OMPI_COMM_WORLD_SIZE=2 batch "$in" -o "$tmp/ompi" 2>/dev/null & done
wait
ok 'of MPI, at once' joined ompi
for i in 0 1; do PMI_RANK=$i PMI_SIZE=2 batch "$in" -o "$tmp/pmi" 2>/dev/null; done
ok 'of another MPI' joined pmi
for i in 0 1 2; do JOB_COMPLETION_INDEX=$i batch "$in" -o "$tmp/index" --shard=/3 2>/dev/null; done
ok 'of an indexed job' joined index
for i in $(seq 0 49); do echo "$i"; done | while read -r i; do [ "$i" -lt 3 ] && batch "$tmp/bad.jsonl" -o "$tmp/few" --shard="$i/50" 2>/dev/null; done
equal 'more shards than lines: some have none' "$(cat "$tmp"/few.* | wc -l)" 0
exits 'a shard that there is not' 2 'there is no shard 3 of 3' batch "$in" -o "$tmp/x" --shard=3/3
exits 'no shard' 2 'not like 0/4' batch "$in" -o "$tmp/x" --shard=one
exits 'nobody says which' 2 'nothing in the environment says which' batch "$in" -o "$tmp/x" --shard=/3
exits 'a rank that is none' 2 "PMI_RANK: 'first'" env PMI_RANK=first PMI_SIZE=2 "$bitnet" batch -m "$model" "$in" -o "$tmp/x"

summary
