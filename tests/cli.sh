#!/bin/sh
# cli.sh BUILD - the command from outside: what it prints where, its exit statuses, its messages.
set -u
build=$1
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR

model=$tmp/tiny.gguf
"$build/bitnet-synth" --like tiny -o "$model" >/dev/null || exit 1

# ---- usage ----
exits 'unknown command' 2 "unknown command 'frobnicate'" "$bitnet" frobnicate
exits 'unknown option' 2 "unknown option '--wrong'" "$bitnet" --wrong
exits 'unknown letter among known ones' 2 "unknown option '-Z'" "$bitnet" inspect -Zx "$model"
exits 'a value too many' 2 "option '--json' takes no value" "$bitnet" --json=3
exits 'missing value' 2 "option '-p' needs a value" "$bitnet" -p
exits 'not a number' 2 "threads: 'two' is not" "$bitnet" -t two
exits 'out of range' 2 "top-p: '1.5' is not a number from 0 to 1" "$bitnet" --top-p 1.5
exits 'no such binding' 2 "cpu-bind: 'socket'" "$bitnet" --cpu-bind=socket
exits 'option of another command' 2 "unknown option" "$bitnet" inspect --temp 1
exits 'seed too large' 2 "seed: '9223372036854775808' is not a value" "$bitnet" --seed 9223372036854775808
exits 'stray word' 2 "what is 'hello'" "$bitnet" run hello
exits 'two prompts' 2 'both give a prompt' "$bitnet" -p a -f b
exits 'bad environment' 2 "BITNET_THREADS: 'many'" env BITNET_THREADS=many "$bitnet" -m "$model" -p a
exits 'a command with two letters swapped' 2 "unknown command 'chta'; did you mean 'chat'" "$bitnet" chta
exits 'an option with a letter too many' 2 "unknown option '--temmp'; did you mean --temp" "$bitnet" --temmp 1
exits 'a long option with one dash' 2 "unknown option '-temp'; did you mean --temp" "$bitnet" -temp 1
exits "another program's option is named as typed" 2 "option '-hf' needs a value" "$bitnet" -hf
exits '... where another command has it' 2 "unknown option '-sys'; .bitnet chat. takes it" "$bitnet" -sys 'be kind' -p a
exits '... with its value' 2 "unknown option '--system-prompt'; .bitnet chat. takes it" "$bitnet" --system-prompt='be kind' -p a
exits 'nothing near' 2 "unknown option '--frobnicate'$" "$bitnet" --frobnicate
exits 'a model as a command' 2 "unknown command '.*tiny.gguf'; a model is given by -m" "$bitnet" "$model"
exits 'a model as a word' 2 "what is 'x.gguf'.*-m" "$bitnet" run x.gguf
exits 'layers of no GPU' 0 '' "$bitnet" -m "$model" -ngl 0 -p a -n 1
exits 'layers of a GPU' 2 '-ngl: all layers are computed by the CPU' "$bitnet" -m "$model" -ngl 99 -p a
exits 'help of a command' 0 '' "$bitnet" help run
ok 'lists its options' grep -q -- '--stop' "$tmp/stdout"
exits 'help of none' 2 "unknown command 'rnu'; did you mean 'run'" "$bitnet" help rnu
exits '-v' 0 '' "$bitnet" -v
exits 'version as a word' 0 '' "$bitnet" version
exits 'version' 0 '' "$bitnet" --version
abi=$(sed -n 's/^#define BNT_ABI_M[A-Z]* \([0-9]*\).*/\1/p' "$(dirname "$0")/../core/include/bitnet/plugin.h" | paste -sd.)
ok 'version names ABI and numerics' grep -q "ABI $abi, numerics 1" "$tmp/stdout"
ok 'and so does the document of the ABI' grep -q "^# Plugin ABI $abi\$" "$(dirname "$0")/../docs/ABI.md"
for command in run chat tokenize inspect backends bench perplexity verify parity pull models quantize convert; do
    exits "$command --help" 0 '' "$bitnet" $command --help
    ok "$command --help lists options" grep -q -- '--json' "$tmp/stdout"
done

# ---- files ----
exits 'missing model' 3 'nowhere.gguf: No such file' "$bitnet" -m "$tmp/nowhere.gguf" -p a
exits 'a folder as model' 3 'not a regular file' "$bitnet" -m "$tmp" -p a
mkfifo "$tmp/pipe.gguf"
python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$tmp/socket.gguf"
for odd in "$tmp/pipe.gguf" "$tmp/socket.gguf" /dev/null /dev/zero; do
    for command in '-p a' 'tokenize a' inspect perplexity; do
        [ "$command" != perplexity ] || command='perplexity -f /dev/null'
        # shellcheck disable=SC2086
        exits "$odd as model of $command" 3 'not a regular file' timeout 20 "$bitnet" $command -m "$odd"
    done
done
: >"$tmp/empty.gguf"
exits 'empty model' 4 'the file is empty' "$bitnet" -m "$tmp/empty.gguf" -p a
echo 'hello, this is a text file' >"$tmp/text.gguf"
exits 'text as model' 4 'not a GGUF file' "$bitnet" -m "$tmp/text.gguf" -p a
printf 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n' >"$tmp/pointer.gguf"
exits 'a pointer of git-lfs' 4 'git lfs pull' "$bitnet" -m "$tmp/pointer.gguf" -p a
echo '<!DOCTYPE html><html>' >"$tmp/page.gguf"
exits 'a web page' 4 'a web page' "$bitnet" -m "$tmp/page.gguf" -p a
head -c 5000 "$model" >"$tmp/cut.gguf"
exits 'cut model' 4 'truncated|past end of file' "$bitnet" -m "$tmp/cut.gguf" -p a
# A model that is cut while it is mapped: met by whichever thread reads the page that is gone.
for threads in 1 3; do
    cp "$model" "$tmp/shrinks.gguf"
    { "$bitnet" -m "$tmp/shrinks.gguf" -p a -n 4000 --ignore-eos --backend=ref-scalar -t $threads 2>"$tmp/stderr"
        echo $? >"$tmp/status"; } | { head -c 1 >/dev/null; : >"$tmp/shrinks.gguf"; cat >/dev/null; }
    equal "model cut while in use, $threads threads" "$(cat "$tmp/status")" 3
    ok 'and the file is named' grep -q 'shrinks.gguf: reading the mapped file failed' "$tmp/stderr"
done
# A sparse file of 1 GB whose every byte is part of an empty key: 82 million.
printf 'GGUF\003\0\0\0\0\0\0\0\0\0\0\0\304\116\354\004\0\0\0\0' >"$tmp/sparse.gguf"
truncate -s 1G "$tmp/sparse.gguf"
exits 'a sparse file of keys' 8 '82595524 keys; at most 131072 and 65536 are read' "$bitnet" inspect "$tmp/sparse.gguf"
rm -f "$tmp/sparse.gguf"
exits 'missing prompt file' 3 'nowhere.txt: No such file' "$bitnet" -m "$model" -f "$tmp/nowhere.txt"
exits 'text without end' 8 '/dev/zero: more than 67108864 bytes of text' "$bitnet" -m "$model" -f /dev/zero
exits 'full disk' 3 'cannot write the result to stdout: No space' \
    sh -c "\"$bitnet\" -m \"$model\" -p a -n 4 >/dev/full"
exits 'unknown backend' 6 "cpu-nonsense" "$bitnet" -m "$model" -p a --backend=cpu-nonsense
exits 'context too long' 8 'the model was made for' "$bitnet" -m "$model" -p a -c 1000000
exits 'id out of range' 2 "'99999999' is not a token id" "$bitnet" tokenize -m "$model" --decode 99999999

# ---- keys ----
key=$tmp/key.gguf
"$build/bitnet-synth" --arch llama --key llama.attention.causal=b:false -o "$key" >/dev/null 2>&1 || exit 1
exits 'a key that changes the graph' 5 'llama.attention.causal asks for a step' "$bitnet" -m "$key" -p a -n 2
for command in 'run -p a -n 2' 'inspect' 'tokenize a' 'perplexity -f Makefile -c 16' 'bench -n 2 -r 1 -p 0'; do
    # shellcheck disable=SC2086 # a command and its options
    exits "$command without the key" 0 '' "$bitnet" $command -m "$key" --ignore-key=llama.attention.causal
done
for reserved in general.alignment split.count split.no; do
    for command in 'run -p a -n 2 -m' 'inspect' 'tokenize a -m'; do
        # shellcheck disable=SC2086
        exits "$command: $reserved is the file's own" 2 "the key '$reserved' says how the file itself is read, and cannot be ignored" \
            "$bitnet" $command "$model" --ignore-key=$reserved
    done
done
exits 'no name of a key' 2 "ignore-key: ''" "$bitnet" -m "$key" --ignore-key=
exits 'a key that the file does not have' 5 'llama.attention.causal asks for a step' "$bitnet" -m "$key" --ignore-key=llama.x
"$bitnet" inspect --all "$key" --ignore-key=llama.attention.causal >"$tmp/stdout"
for command in 'run -p a -n 1 -m' 'inspect' 'tokenize a -m'; do
    # shellcheck disable=SC2086
    "$bitnet" $command "$model" --ignore-key=llama.nosuch </dev/null 2>"$tmp/stderr" >/dev/null
    ok "$command: an ignored key that is not there is told" grep -qx 'bitnet: --ignore-key=llama.nosuch: the file has no such key' "$tmp/stderr"
done
ok 'inspect marks it' grep -q 'key llama.attention.causal .* false (ignored)' "$tmp/stdout"
"$build/bitnet-synth" --arch llama --omit-key attention.layer_norm_rms_epsilon -o "$key" >/dev/null 2>&1
exits 'no epsilon' 4 'llama.attention.layer_norm_rms_epsilon is missing' "$bitnet" -m "$key" -p a -n 2

# ---- what is odd about a file that runs all the same ----
lines() { grep -cE 'have no text|are not ternary' "$1"; } # of remarks
"$build/bitnet-synth" --like tiny --vocab 300 --tokens 280 -o "$key" >/dev/null 2>&1 || exit 1
rows='token_embd.weight has 300 rows and the tokenizer 280 tokens: ids from 280 on have no text'
exits 'more rows than tokens' 0 "^bitnet: $rows" "$bitnet" -m "$key" -p a -n 4 --logit-bias 285+100
equal 'which print as nothing' "$(tr -d '\n' <"$tmp/stdout")" ''
ok 'and are told of' grep -qx 'bitnet: 4 of the 4 tokens made have no text: the tokenizer has 280' "$tmp/stderr"
exits 'in a chat, too' 0 'bitnet: 4 of the 4 tokens made have no text' "$bitnet" chat -m "$key" -p a -n 4 --logit-bias 285+100
"$bitnet" -m "$key" -p a -n 20 --format=json --logit-bias 285+100 >/dev/null 2>"$tmp/stderr"
ok 'a shape allows none' sh -c "! grep -q 'tokens made' '$tmp/stderr'"
exits 'not of others' 0 '' "$bitnet" -m "$key" -p a -n 4 --logit-bias 279+100
ok 'which is one line' test "$(lines "$tmp/stderr")" -eq 1
"$bitnet" inspect "$key" >"$tmp/stdout"
ok 'inspect says it in a line' grep -q "^  $rows" "$tmp/stdout"
ok 'and in JSON' sh -c "'$bitnet' inspect '$key' --json | grep -q '\"remarks\":\[\"$rows'"
for dense in 'F16 14 of the 14' 'Q4_0 14 of the 14'; do
    for arch in bitnet-b1.58 bitnet-25 bitnet; do
        "$build/bitnet-synth" --arch $arch --type "${dense%% *}" -o "$key" >/dev/null 2>&1 || exit 1
        exits "$arch of ${dense%% *}" 0 "${dense#* } matrices in the blocks are not ternary, as those of $arch models are" "$bitnet" -m "$key" -p a -n 1
        ok 'inspect says it' sh -c "'$bitnet' inspect '$key' | grep -q '^  ${dense#* } matrices'"
    done
done
for arch in llama qwen2 gemma3; do
    "$build/bitnet-synth" --arch $arch --type F16 -o "$key" >/dev/null 2>&1 || exit 1
    "$bitnet" inspect "$key" >"$tmp/stdout"
    ok "$arch may be dense" test "$(lines "$tmp/stdout")" -eq 0
done
"$bitnet" inspect "$model" >"$tmp/stdout"
ok 'nothing is said of a model that is not odd' test "$(lines "$tmp/stdout")" -eq 0

# ---- text ----
run() { "$bitnet" -m "$model" "$@" 2>"$tmp/stderr"; }
digest() { run --json --full-logits "$@" | sed -E 's/.*"logits_digest":"([0-9a-f]+)".*/\1/'; }
reference=$(digest -p 'some words to begin with' -n 24 --backend=ref-scalar -t 1)
equal 'a digest is 64 digits' "${#reference}" 64
for backend in $("$bitnet" backends --json | tr '{' '\n' | sed -nE 's/.*"name":"([^"]+)".*"verdict":"ok".*/\1/p') auto; do
    for threads in 1 2 3; do
        for batch in 1 7 512; do
            equal "digest of $backend, $threads threads, batch $batch" \
                "$(digest -p 'some words to begin with' -n 24 --backend="$backend" -t $threads -b $batch)" \
                "$reference"
        done
    done
done
hidden=$(run --json -p abc -n 24 | sed -E 's/.*"hidden_digest":"([0-9a-f]+)".*/\1/')
equal 'searched and full logits: one run' "$(run --json -p abc -n 24 --full-logits --backend=ref-scalar | sed -E 's/.*"hidden_digest":"([0-9a-f]+)".*/\1/')" "$hidden"
text=$(run -p 'abc' -n 16)
equal 'the same text by run and by no command' "$(run run -p abc -n 16 2>/dev/null || "$bitnet" run -m "$model" -p abc -n 16)" "$text"
printf 'abc' >"$tmp/prompt"
equal 'the prompt from a file' "$(run -f "$tmp/prompt" -n 16)" "$text"
equal 'the prompt from stdin' "$(run -f - -n 16 <"$tmp/prompt")" "$text"
equal 'stderr says only what random weights leave open' "$(cat "$tmp/stderr")" \
    'bitnet: the weights do not tell their I2_S layout: a is assumed (--i2s-layout states it)'
run -p abc -n 16 --i2s-layout=a >/dev/null
equal 'and is quiet otherwise when it is no terminal' "$(cat "$tmp/stderr")" ''
exits 'a layout that there is not' 2 "I2_S layout 'd' is not a, b, c or auto" "$bitnet" -m "$model" --i2s-layout=d
exits 'of inspect, too' 2 "I2_S layout 'd' is not a, b, c or auto" "$bitnet" inspect "$model" --i2s-layout=d
equal '--json says the layout' "$(run --json -p abc -n 1 --i2s-layout=c | grep -o '"i2s":{"layout":"c","known":"stated"')" \
    '"i2s":{"layout":"c","known":"stated"'
ok 'inspect says it' sh -c "\"$bitnet\" inspect \"$model\" | grep -q 'I2_S layout a, assumed'"
equal 'greedy by environment too' "$(BITNET_BACKEND=ref-scalar BITNET_THREADS=1 "$bitnet" -m "$model" -p abc -n 16)" "$text"
equal 'an empty prompt starts from BOS' "$(run --json -n 1 -p '' | sed -E 's/.*"prompt_tokens":\[([0-9,]*)\].*/\1/')" \
    "$("$bitnet" tokenize -m "$model" --ids '' | tr ' ' ,)"
one=$(run -p abc -n 40 --temp 1.2 --seed 1) two=$(run -p abc -n 40 --temp 1.2 --seed 2)
equal 'a seed repeats' "$(run -p abc -n 40 --temp 1.2 --seed 1 -t 1 --backend=ref-scalar)" "$one"
ok 'seeds differ' [ "$one" != "$two" ]
equal 'BITNET_SEED' "$(BITNET_SEED=1 "$bitnet" -m "$model" -p abc -n 40 --temp 1.2)" "$one"
says() { # KEY OPTIONS...: of --json
    key=$1
    shift
    run --json -p abc -n 1 "$@" | sed -nE "s/.*\"$key\":\"?([^,\"}]*).*/\1/p"
}
equal 'BITNET_BACKEND' "$(BITNET_BACKEND=ref-scalar says backend)" ref-scalar
exits 'BITNET_BACKEND is strict' 6 "no backend 'nobody'" env BITNET_BACKEND=nobody "$bitnet" -m "$model" -p a
equal 'an option is stronger' "$(BITNET_BACKEND=nobody says backend --backend=ref-scalar)" ref-scalar
equal 'BITNET_THREADS' "$(BITNET_THREADS=3 says threads) $(BITNET_THREADS=3 says threads -t 2)" '3 2'
equal 'BITNET_SEED is overridden, too' "$(BITNET_SEED=1 says seed --temp 1 --seed 5)" 5
equal 'BITNET_DETERMINISTIC' "$(BITNET_DETERMINISTIC=1 says seed --temp 1)" 0
equal '... gives one text' "$(BITNET_DETERMINISTIC=1 run -p abc -n 40 --temp 1.2)" \
    "$(run -p abc -n 40 --temp 1.2 --seed 0)"
penalties='--presence-penalty 0.7 --frequency-penalty 0.2 --repeat-penalty 1.1 --logit-bias 65+3 --logit-bias 66-100'
# shellcheck disable=SC2086 # several words
one=$(run -p abc -n 40 --temp 1.2 --top-k 40 --seed 1 $penalties)
# shellcheck disable=SC2086
equal 'penalties and biases: the judge says the same' \
    "$(run -p abc -n 40 --temp 1.2 --top-k 40 --seed 1 $penalties -t 1 --backend=ref-scalar)" "$one"
# shellcheck disable=SC2086
equal '... and from all logits' "$(run -p abc -n 40 --temp 1.2 --top-k 40 --seed 1 $penalties --full-logits)" "$one"
ok '... and they change the text' test "$(run -p abc -n 40 --temp 1.2 --top-k 40 --seed 1)" != "$one"
equal 'choice 0 is the seed itself' "$(run -p abc -n 40 --temp 1.2 --seed 1 --choice 0)" \
    "$(run -p abc -n 40 --temp 1.2 --seed 1)"
ok 'another choice is another answer' \
    test "$(run -p abc -n 40 --temp 1.2 --seed 1 --choice 1)" != "$(run -p abc -n 40 --temp 1.2 --seed 1)"
equal 'log-probabilities: judge and backend' "$(run -p abc -n 9 --logprobs 4 --json --backend=ref-scalar | grep -o '"logprobs".*')" \
    "$(run -p abc -n 9 --logprobs 4 --json | grep -o '"logprobs".*')"
exits 'a bias without its number' 2 "is no token's id" "$bitnet" -m "$model" --logit-bias 5
exits 'a bias beyond 100' 2 "a number up to 100" "$bitnet" -m "$model" --logit-bias 5+101
exits 'a bias twice' 2 'token 5 has two' "$bitnet" -m "$model" --logit-bias 5+1 --logit-bias 5-1
exits 'a bias for no token' 2 'not in the vocabulary' "$bitnet" -m "$model" -p a -n 1 --logit-bias 2000000000+1
exits 'log-probabilities that nobody sees' 2 'says nothing without --json' "$bitnet" -m "$model" -p a -n 1 --logprobs 2
first=$(BITNET_DETERMINISTIC=0 says seed --temp 1) second=$(BITNET_DETERMINISTIC=0 says seed --temp 1)
ok '0 is not set' [ "$first" != "$second" ]
run -p abc -n 4 --debug-tokens=2 >/dev/null
ok '--debug-tokens=2 describes two tokens' [ "$(grep -c "'" "$tmp/stderr")" -eq 2 ]

odd=$tmp/$(printf 'a\377b').gguf
cp "$model" "$odd"
ok 'a model path that is no UTF-8' sh -c "\"$bitnet\" -m \"$odd\" -p abc -n 2 --json | grep -q '\"stop_reason\"'"

# ---- a model in several files ----
"$build/bitnet-split" "$model" 3 "$tmp/split"
first=$tmp/split-00001-of-00003.gguf
ok 'three parts were written' [ -f "$tmp/split-00003-of-00003.gguf" ]
equal 'the parts have the digest of the whole' "$("$bitnet" -m "$first" -p abc -n 8 --json 2>/dev/null | sed -E 's/.*"hidden_digest":"([0-9a-f]+)".*/\1/')" \
    "$(run --json -p abc -n 8 | sed -E 's/.*"hidden_digest":"([0-9a-f]+)".*/\1/')"
ok 'inspect says how many' sh -c "\"$bitnet\" inspect --all \"$first\" | grep -q ', 3 parts'"
exits 'a receipt of all parts' 0 '' "$bitnet" -m "$first" -p abc -n 4 --receipt="$tmp/split.json"
ok 'with their hash, one behind the other' grep -q "\"parts\":3,\"sha256\":\"$(cat "$tmp"/split-*.gguf | sha256sum | cut -d' ' -f1)\"" "$tmp/split.json"
exits 'verify finds the parts' 0 '' "$bitnet" verify "$tmp/split.json"
exits 'the receipt of the whole is another' 10 'model.sha256' "$bitnet" verify "$tmp/split.json" -m "$model"
exits 'a part as the model' 4 "part 2 of 3 of a model; it is opened by its first part, .*split-00001-of-00003" \
    "$bitnet" -m "$tmp/split-00002-of-00003.gguf" -p a
exits 'no output into a part' 2 'a part of the model' "$bitnet" -m "$first" -p a -n 1 --force --receipt="$tmp/split-00002-of-00003.gguf"
printf 'x' | dd of="$tmp/split-00003-of-00003.gguf" bs=1 seek=$(($(stat -c %s "$tmp/split-00003-of-00003.gguf") - 40)) conv=notrunc 2>/dev/null
exits 'a byte of the last part' 10 'model.sha256' "$bitnet" verify --fast "$tmp/split.json"
rm "$tmp/split-00003-of-00003.gguf"
exits 'a part is missing' 3 'part 3 of 3 of the model: .*split-00003-of-00003.gguf: No such file' "$bitnet" -m "$first" -p a
exits 'also to inspect' 3 'part 3 of 3' "$bitnet" inspect "$first"
exits 'and to tokenize' 3 'part 3 of 3' "$bitnet" tokenize -m "$first" a
rm -f "$tmp"/split*

# ---- tokens ----
ids=$("$bitnet" tokenize -m "$model" --ids --no-bos 'héllo  wörld')
equal 'decode undoes encode' "$("$bitnet" tokenize -m "$model" --decode "$ids")" 'héllo  wörld'
printf 'a\377\000b\n' >"$tmp/bytes"
"$bitnet" tokenize -m "$model" --ids --no-bos --file "$tmp/bytes" >"$tmp/ids"
"$bitnet" tokenize -m "$model" --decode --file "$tmp/ids" >"$tmp/decoded"
ok 'bytes that are no text come back' cmp "$tmp/bytes" "$tmp/decoded"
exits 'two BOS' 0 'text begins with BOS, and another' "$bitnet" tokenize -m "$model" --parse-special '<|begin_of_text|>Hello'
equal 'two BOS are one line' "$(wc -l <"$tmp/stderr")" 1
exits 'two BOS of a run' 0 'text begins with BOS, and another' "$bitnet" -m "$model" -n 1 --parse-special -p '<|begin_of_text|>Hello'
for alone in '--no-bos --parse-special' ''; do
    # shellcheck disable=SC2086 # two options, or none
    "$bitnet" tokenize -m "$model" $alone '<|begin_of_text|>Hello' >/dev/null 2>"$tmp/stderr"
    equal "one BOS is no matter (${alone:-as text})" "$(cat "$tmp/stderr")" ''
done
ok 'tokenize as JSON tells the time' sh -c "\"$bitnet\" tokenize -m \"$model\" --json 'some words' |
    grep -qE '\"timings\":\\{\"open_seconds\":[0-9.e-]+,\"encode_seconds\":[0-9.e-]+'"
ok 'inspect as JSON' sh -c "\"$bitnet\" inspect --json \"$model\" | grep -q '\"runnable\":true'"
exits 'bench, two formats' 2 '--json and --csv' "$bitnet" bench --json --csv
exits 'bench, nothing to time' 2 '-p and -n are both 0' "$bitnet" bench -m "$model" -p 0 -n 0
exits 'bench, a thread count twice' 2 '2 stands twice' "$bitnet" bench -m "$model" -t 1,2,2
for key in key other; do
    (umask 077 && openssl genpkey -algorithm ed25519 -out "$tmp/$key.pem" 2>/dev/null)
    openssl pkey -in "$tmp/$key.pem" -pubout -out "$tmp/$key.pub"
done
exits 'a signed receipt' 0 '' "$bitnet" -m "$model" -p abc -n 4 --receipt="$tmp/signed.json" --sign="$tmp/key.pem"
exits '... by the key that is expected' 0 '' "$bitnet" verify "$tmp/signed.json" --signer="$tmp/key.pub"
ok '... says so' grep -q '^ok  *signature  *by key .*, as expected' "$tmp/stdout"
exits '... not by another' 10 'signature: by key .*other.pub' "$bitnet" verify "$tmp/signed.json" --fast --signer="$tmp/other.pub"
sed 's/"threads":[0-9]*/"threads":99/' "$tmp/signed.json" >"$tmp/forged.json"
exits '... nor when a byte was changed' 10 'signature: it is not that of key' "$bitnet" verify "$tmp/forged.json" --fast
exits 'the private key is no signer' 4 'its owner.s alone' "$bitnet" verify "$tmp/signed.json" --fast --signer="$tmp/key.pem"
exits 'a signature without a receipt' 2 'says nothing without --receipt' "$bitnet" -m "$model" -p abc -n 1 --sign="$tmp/key.pem"
exits 'no receipt goes into the key' 2 'the key that signs' "$bitnet" -m "$model" -p abc -n 1 --sign="$tmp/key.pem" --receipt="$tmp/key.pem" --force
chmod 644 "$tmp/key.pem"
exits 'a key that others can read' 0 'others than its owner may read this key' \
    "$bitnet" -m "$model" -p abc -n 1 --sign="$tmp/key.pem" --receipt="$tmp/signed.json"
"$bitnet" -m "$model" -p abc -n 1 --receipt="$tmp/plain.json" >/dev/null 2>&1
exits 'an unsigned receipt, where a signer is expected' 10 'the receipt is not signed' \
    "$bitnet" verify "$tmp/plain.json" --fast --signer="$tmp/key.pub"
exits 'bench, a receipt of nothing' 2 '-n is 0' "$bitnet" bench -m "$model" -n 0 --receipt="$tmp/b"
exits 'bench, kernels of a prompt' 2 '--kernels runs no model' "$bitnet" bench --kernels -p 16
exits 'bench, guesses of kernels' 2 '--kernels runs no model' "$bitnet" bench --kernels --accept 50
exits 'bench, no sequence' 2 "sequences: '0'" "$bitnet" bench -B 0
exits 'bench, deeper than the model' 8 'the model was made for' "$bitnet" bench -m "$model" -d 999999
exits 'bench, no place for the receipt' 3 'nowhere' "$bitnet" bench -m "$model" --receipt="$tmp/nowhere/r"
exits 'bench with a receipt' 0 '' "$bitnet" bench -m "$model" -p 0 -n 6 -r 1 -t 1,2 --receipt="$tmp/bench.json"
ok 'that verify accepts' "$bitnet" verify "$tmp/bench.json" -m "$model" --backend=ref-scalar
equal 'and whose tokens are those of run' \
    "$(tr -d ' \n' <"$tmp/bench.json" | sed -E 's/.*"output":\{[^}]*"ids":\[([0-9,]*)\].*/\1/')" \
    "$(run --json -n 6 --ignore-eos -p '' | sed -E 's/.*"tokens":\[([0-9,]*)\].*/\1/')"

# ---- plugins ----
plugins=$tmp/plugins
mkdir -m 755 "$plugins"
equal 'an empty folder leaves ref-scalar' \
    "$("$bitnet" run -m "$model" -p abc -n 16 --plugin-dir="$plugins")" "$text"
cp "$build/test-plugins/good.so" "$plugins/"
ok 'a new plugin appears without a rebuild' \
    sh -c "\"$bitnet\" backends --plugin-dir=\"$plugins\" | grep -E '^\* .* ok '"
equal 'and gives the same text' "$(run -p abc -n 16 --i2s-layout=a --plugin-dir="$plugins")" "$text"
equal 'no word is said of it' "$(cat "$tmp/stderr")" ''
warning() { # NAME PATTERN OPTION...: one line on stderr, the same in JSON, and the result as ever
    title=$1 pattern=$2
    shift 2
    equal "$title: the same text" "$(run -p abc -n 16 --i2s-layout=a "$@")" "$text"
    ok "$title: one line" [ "$(wc -l <"$tmp/stderr")" -eq 1 ]
    ok "$title: which says why" grep -qE "^bitnet: $pattern" "$tmp/stderr"
    run -p abc -n 1 --json "$@" >"$tmp/json"
    ok "$title: and in JSON" grep -qE "\"backend_warning\":\"$pattern" "$tmp/json"
}
mkdir -m 755 "$tmp/bare"
cp "$build/plugins/ref-scalar.so" "$tmp/bare/"
warning 'ref-scalar alone' "'$tmp/bare' has no plugin besides ref-scalar, which is built in .--plugin-dir=DIR names another folder.; computing with it, several" --plugin-dir="$tmp/bare"
cp "$build/test-plugins/needs.so" "$tmp/bare/"
warning 'a plugin for another CPU' "no plugin in '$tmp/bare' is for this CPU .needs: .*bitnet backends. lists all.; computing with ref-scalar, several" --plugin-dir="$tmp/bare"
cp "$build/test-plugins/int16.so" "$plugins/"
warning 'a plugin that is wrong' "plugin 'int16' refused .self-check.: ternary_gemm .*; computing with good" --plugin-dir="$plugins"
rm "$plugins/int16.so"
chmod 777 "$plugins"
warning 'a folder others may write' "plugin 'good' refused .unsafe.: folder .*writable by everyone.*; computing with ref-scalar, several times slower" --plugin-dir="$plugins"
mkdir -m 755 "$tmp/alone"
cp "$bitnet" "$tmp/alone/" && mkdir "$tmp/alone/plugins"
equal 'a folder that is empty' "$("$tmp/alone/bitnet" -m "$model" -p abc -n 16 2>"$tmp/stderr")" "$text"
ok 'is said to be' grep -qE "^bitnet: '$tmp/alone/plugins': no plugin in the folder \(--plugin-dir=DIR names another folder\); computing with ref-scalar, several" "$tmp/stderr"
run -p abc -n 16 --i2s-layout=a --plugin-dir="$plugins" --backend=ref-scalar >/dev/null
equal 'nothing is said to who asks for ref-scalar' "$(cat "$tmp/stderr")" ''

# ---- vectors ----
exits 'embed --help' 0 '' "$bitnet" embed --help
printf 'one two\n\nthree\r\none two\n' >"$tmp/lines"
embed() { "$bitnet" embed -m "$model" "$@" 2>"$tmp/stderr"; }
embed --lines -f "$tmp/lines" >"$tmp/vectors"
equal 'a line, a vector' "$(wc -l <"$tmp/vectors")" 3
equal 'of all dimensions' "$(head -n 1 "$tmp/vectors" | wc -w)" "$(embed -p abc --json | sed -nE 's/.*"dimensions":([0-9]+).*/\1/p')"
equal 'equal texts, equal vectors' "$(sed -n 1p "$tmp/vectors")" "$(sed -n 3p "$tmp/vectors")"
for how in '-b 1' '-t 1' '--backend=ref-scalar' '-b 7 -t 3'; do
    # shellcheck disable=SC2086
    equal "alone and $how, the same" "$(printf three | embed $how)" "$(sed -n 2p "$tmp/vectors")"
done
equal 'raw bytes' "$(embed --lines -f "$tmp/lines" --raw | od -An -v -t f4 -w4 | wc -l)" "$(wc -w <"$tmp/vectors")"
equal 'a text is like itself' "$(embed --lines -f "$tmp/lines" --cosine | sed -n 2p)" '1 3 1.000000'
embed -p abc --pooling=last --json >"$tmp/json"
ok 'JSON says how' grep -q '"pooling":"last".*"normalized":false' "$tmp/json"
equal 'the last of one token is its mean' "$(embed -p a --no-bos --pooling=last)" "$(embed -p a --no-bos)"
exits 'no text' 2 'there is no text' "$bitnet" embed -m "$model"
exits 'no such pooling' 2 "mean, first or last, not 'max'" "$bitnet" embed -m "$model" -p a --pooling=max
exits 'bytes and JSON' 2 '--raw has vectors only' "$bitnet" embed -m "$model" -p a --raw --json
for type in i:-1:mean u:4294967295:mean u:1:mean i:2:first u:3:last; do
    "$build/bitnet-synth" --like tiny -o "$tmp/pooling.gguf" --key "bitnet-b1.58.pooling_type=${type%:*}" >/dev/null
    ok "the file's pooling $type" sh -c "'$bitnet' embed -m '$tmp/pooling.gguf' -p abc --json 2>/dev/null | grep -q '\"pooling\":\"${type##*:}\"'"
done
for type in 'u:0:0, which is one vector for each token' 'u:4:4, no pooling' 'i:-2:-2, no pooling'; do
    "$build/bitnet-synth" --like tiny -o "$tmp/pooling.gguf" --key "bitnet-b1.58.pooling_type=${type%:*}" >/dev/null
    exits "pooling ${type%:*}" 5 "pooling_type is ${type##*:}" "$bitnet" embed -m "$tmp/pooling.gguf" -p a
    exits 'another one is stated' 0 '' "$bitnet" embed -m "$tmp/pooling.gguf" -p a --pooling=last
    exits 'the key is left out' 0 '' "$bitnet" embed -m "$tmp/pooling.gguf" -p a --ignore-key=bitnet-b1.58.pooling_type
done

# ---- guesses ----
for how in '' '--temp 0.8 --seed 3' '--top-k 20 --seed 4' '--repeat-penalty 1.2'; do
    # shellcheck disable=SC2086 # options
    "$bitnet" -m "$model" -p 'abc abc abc abc' -n 100 --ignore-eos $how --draft=off >"$tmp/alone.txt"
    # shellcheck disable=SC2086
    "$bitnet" -m "$model" -p 'abc abc abc abc' -n 100 --ignore-eos $how --receipt "$tmp/guess.json" --force >"$tmp/guess.txt"
    ok "guesses change no byte: $how" cmp "$tmp/alone.txt" "$tmp/guess.txt"
    exits "and the receipt is true: $how" 0 '' "$bitnet" verify "$tmp/guess.json"
done
run -p abc -n 100 --ignore-eos --receipt "$tmp/guess.json" --force >/dev/null
ok 'a greedy text that repeats itself is guessed' grep -qE '"draft":\{"accepted":[1-9][0-9]*,"proposed":[1-9]' "$tmp/guess.json"
run -p abc -n 100 --ignore-eos --draft=off --receipt "$tmp/alone.json" >/dev/null
ok 'or not' grep -q '"draft":{"accepted":0,"proposed":0}' "$tmp/alone.json"
ok 'the result of both is one' sh -c "grep -h '^\"result\":' '$tmp/guess.json' >'$tmp/a'; grep -h '^\"result\":' '$tmp/alone.json' | cmp - '$tmp/a'"
exits 'no such way to guess' 2 "draft: 'magic'" "$bitnet" -p a --draft=magic

# ---- a message says the next step ----
exits 'a type that is not given' 2 '--type says which type: I2_S, I2_S/b' "$bitnet" quantize "$model" "$tmp/made.gguf"
exits 'nor anything else' 2 'what is the new one called' "$bitnet" quantize "$model"
exits 'a checkpoint that is not named' 2 'which checkpoint' "$bitnet" convert
exits 'a model onto itself' 2 "'.*' would overwrite the model that is read" "$bitnet" quantize "$model" "$model" --type=I2_S --force
exits 'a plugin folder that is gone' 3 'Without --plugin-dir the program' "$bitnet" -m "$model" -p a --plugin-dir="$tmp/none"
exits 'the same of the variable' 3 'Without BITNET_PLUGIN_DIR the program' env BITNET_PLUGIN_DIR="$tmp/none" "$bitnet" -m "$model" -p a
exits "the judge's file" 0 '' "$bitnet" backends
ok 'is said to be a file' grep -qE "ref-scalar +0 +duplicate +'/.*/ref-scalar.so' is not loaded: the judge is the one in the program" "$tmp/stdout"
ok 'and whatever is listed twice has a reason' test -z "$(sed -nE 's/^[* ] ([a-z0-9-]+) +[0-9]+  ok +$/\1/p' "$tmp/stdout" | sort | uniq -d)"
"$build/bitnet-synth" --like tiny --arch llama --key llama.attention.causal=b:0 -o "$tmp/other.gguf" >/dev/null
for all in '' --all; do
    # shellcheck disable=SC2086
    exits "a model that cannot run is described $all" 0 '' "$bitnet" inspect "$tmp/other.gguf" $all
    ok 'the last line says why it cannot' sh -c "tail -1 '$tmp/stdout' | grep -q '^this program cannot run it: .*attention.causal'"
done
baselines=$(find "${0%/*}/../docs/baselines" -mindepth 1 -maxdepth 1 -type d | head -n 1)
for words in "$baselines/parity-cpu-avx2.json" "--fast $baselines/parity-ref-scalar.json"; do
    # shellcheck disable=SC2086
    exits 'a result of parity' 5 'parity-.*json: receipt: a result of .bitnet parity.*compares anew' "$bitnet" verify $words
done
for file in README.md nowhere.json; do
    "$bitnet" verify "$file" 2>&1 | grep -q "^bitnet: .*$file"
    equal "verify says which file: $file" $? 0
done
exits 'two receipts' 2 "one receipt at a time, and this is another: 'b.json'" "$bitnet" verify a.json b.json
mkdir "$tmp/without"
cp "$build/bitnet-installed" "$tmp/without/bitnet"
own=$("$tmp/without/bitnet" backends --json | sed -nE 's/.*"plugin_dir":"([^"]*)".*/\1/p')
if [ -e "$own" ]; then
    echo "Not tried: a program without its model and plugins ($own is there)."
else
    for command in '-p a' serve inspect 'tokenize a' bench 'perplexity -f Makefile' 'embed -p a' 'chat -p a'; do
        # shellcheck disable=SC2086
        exits "the program alone: $command" 3 'comes with the program is not there: .* -m FILE names another' "$tmp/without/bitnet" $command
    done
    exits 'it computes' 0 'no plugin folder: .*--plugin-dir=DIR names another folder.; computing with ref-scalar' "$tmp/without/bitnet" -m "$model" -p a -n 1
    exits 'and lists what it has' 0 '' "$tmp/without/bitnet" backends
fi

exits 'few descriptors' 8 'Too many open files' sh -c "exec 3>&- 4>&-; ulimit -n 5; '$bitnet' -m '$model' -p abc -n 1"
exits 'a folder others may write' 0 '' "$bitnet" backends --plugin-dir="$plugins"
ok 'is refused with that reason' grep -q 'writ' "$tmp/stdout"

summary
