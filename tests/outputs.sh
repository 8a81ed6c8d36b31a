#!/bin/sh
# outputs.sh BUILD - where results may go: no command destroys what it reads, whatever name it is
# given; closed standard descriptors; disks, limits and pipes at their end; a tree that was moved.
set -u
build=$1
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR

model=$tmp/tiny.gguf
"$build/bitnet-synth" --like tiny -o "$model" >/dev/null || exit 1
mkdir -m 755 "$tmp/plugins"
cp "$build/test-plugins/good.so" "$tmp/plugins"
printf 'some words' >"$tmp/prompt"
cp "$model" "$tmp/whole.gguf"
ln -s tiny.gguf "$tmp/soft"
ln "$model" "$tmp/hard"
"$bitnet" -m "$model" -p a -n 2 --receipt="$tmp/r.json" >/dev/null

# ---- two results of one command ----
ln -s two.json "$tmp/two-link"
for force in '' --force; do
    for report in "$tmp/two.json" "$tmp/./two.json"; do
        # shellcheck disable=SC2086
        {
            exits "a plot into the receipt, $report $force" 2 'is where the receipt goes' "$bitnet" bench -m "$model" -p 2 -n 2 -r 1 --receipt="$tmp/two.json" --plot="$report" $force
            exits "a report into the receipt, $report $force" 2 'is where the receipt goes' "$bitnet" parity -m "$model" --backend=ref-scalar -n 2 -o "$tmp/two.json" --html="$report" $force
        }
    done
done
ok 'and nothing was made' test ! -e "$tmp/two.json"
cp "$tmp/r.json" "$tmp/two.json"
exits 'a plot into the receipt that a link names' 2 'is where the receipt goes' "$bitnet" bench -m "$model" -p 2 -n 2 -r 1 --receipt="$tmp/two.json" --plot="$tmp/two-link" --force
exits 'a plot into the receipt of another run' 2 'is there already: --force' "$bitnet" bench -m "$model" -p 2 -n 2 -r 1 --plot="$tmp/two.json"
exits 'a report into it' 2 'is there already: --force' "$bitnet" parity -m "$model" --backend=ref-scalar -n 2 -o "$tmp/other.json" --html="$tmp/two.json"
ok 'which is as it was' cmp "$tmp/two.json" "$tmp/r.json"
backend=$("$bitnet" -m "$model" -p a -n 1 --json 2>/dev/null | sed 's/.*"backend":"\([a-z0-9-]*\)".*/\1/')
exits 'a report into the receipt that the backend names' 2 'is where the receipt goes' env -C "$tmp" "$(realpath "$build")/bitnet" parity -m "$model" -n 2 --html="parity-$backend.json"
exits 'parity whose text is lost' 3 'cannot write the result' sh -c "'$bitnet' parity -m '$model' --backend=ref-scalar -n 2 -o '$tmp/lost.json' >/dev/full"

# ---- inputs ----
for target in "$model" "$tmp/soft" "$tmp/hard" "$tmp/./tiny.gguf"; do
    for force in '' --force; do
        # shellcheck disable=SC2086
        {
            exits "run onto $target $force" 2 'would overwrite the model' "$bitnet" -m "$model" -p x -n 2 --receipt="$target" $force
            exits "chat onto $target $force" 2 'would overwrite the model' "$bitnet" chat -m "$model" -p x -n 2 --receipt="$target" $force
            exits "bench onto $target $force" 2 'would overwrite the model' "$bitnet" bench -m "$model" -n 2 --receipt="$target" $force
            exits "parity onto $target $force" 2 'would overwrite the model' "$bitnet" parity -m "$model" -o "$target" $force
        }
        echo "/save $target" >"$tmp/script"
        exits "/save onto $target $force" 2 'would overwrite the model' \
            sh -c "{ echo x; cat '$tmp/script'; } | '$bitnet' chat -m '$model' -n 2 $force"
    done
done
exits 'onto the prompt' 2 'would overwrite the text that is read' \
    "$bitnet" -m "$model" -f "$tmp/prompt" -n 2 --receipt="$tmp/prompt" --force
exits 'onto the prompt on stdin' 2 'would overwrite the text that is read' \
    sh -c "'$bitnet' -m '$model' -f - -n 2 --receipt='$tmp/prompt' --force <'$tmp/prompt'"
exits 'onto a plugin' 2 'would overwrite a plugin' \
    "$bitnet" -m "$model" -p x -n 2 --plugin-dir="$tmp/plugins" --receipt="$tmp/plugins/good.so" --force
exits 'onto the text of stdout' 2 'would overwrite what goes to standard output' \
    sh -c "'$bitnet' -m '$model' -p x -n 2 --receipt='$tmp/text' --force >'$tmp/text'"
exits 'stdout into the model' 2 'standard output would overwrite the model' \
    sh -c "'$bitnet' -m '$model' -p x -n 2 >>'$model'"
exits 'a receipt on such a stdout' 2 'would overwrite the model' \
    sh -c "'$bitnet' -m '$model' -p x -n 2 --receipt=/dev/stdout >>'$model'"
exits 'stdout into the receipt that is verified' 2 'standard output would overwrite the receipt' \
    sh -c "'$bitnet' verify '$tmp/r.json' >>'$tmp/r.json'"
for fd in 1 2; do
    exits "$fd into the model that a receipt names" 2 '' sh -c "'$bitnet' verify '$tmp/r.json' $fd>>'$model'"
done
cp "$model" "$tmp/m-00001-of-00002.gguf"
cp "$model" "$tmp/m-00002-of-00002.gguf"
exits 'onto a part of the model' 2 'would overwrite a part of the model' \
    "$bitnet" -m "$tmp/m-00001-of-00002.gguf" -p x -n 2 --receipt="$tmp/m-00002-of-00002.gguf" --force
exits 'onto any other file' 2 "whole.gguf' is there already and is no receipt" \
    "$bitnet" -m "$model" -p x -n 2 --receipt="$tmp/whole.gguf"
ok 'the model is what it was' cmp "$model" "$tmp/whole.gguf"
equal 'the prompt too' "$(cat "$tmp/prompt")" 'some words'
ok 'and the plugin' cmp "$tmp/plugins/good.so" "$build/test-plugins/good.so"
exits 'a receipt replaces one' 0 '' "$bitnet" -m "$model" -p other -n 2 --receipt="$tmp/r.json"
cp "$tmp/prompt" "$tmp/other"
exits '--force replaces a file' 0 '' "$bitnet" -m "$model" -p x -n 2 --receipt="$tmp/other" --force
exits 'by a receipt' 0 '' "$bitnet" verify "$tmp/other"

# ---- every command: standard output and error are outputs, what it reads and standard input are inputs ----
printf '%s\n' '{"custom_id":"1","method":"POST","url":"/v1/completions","body":{"prompt":"a","max_tokens":2}}' >"$tmp/requests"
printf '{}' >"$tmp/schema"
printf 'root ::= "a"' >"$tmp/grammar"
printf '{{ messages[0].content }}' >"$tmp/template"
printf 'sesame\n' >"$tmp/keys"
openssl genpkey -algorithm ed25519 -out "$tmp/key" 2>/dev/null
chmod 600 "$tmp/key"
openssl pkey -in "$tmp/key" -pubout -out "$tmp/pub"
words_of() { # COMMAND: its least words; nothing: it reads no files of the user's
    case $1 in
    run | chat) echo "-p x -n 2" ;;
    serve) echo "--port 0 --drain 0" ;;
    tokenize) echo "abc" ;;
    inspect | bench | embed) echo "" ;;
    batch) echo "$tmp/requests -o $tmp/results" ;;
    perplexity) echo "-f $tmp/prompt" ;;
    verify) echo "$tmp/r.json" ;;
    parity) echo "--backend=ref-scalar -n 2 -o $tmp/parity.json" ;;
    quantize) echo "$model $tmp/made.gguf --type=I2_S" ;;
    convert) echo "$tmp/checkpoint -o $tmp/made.gguf" ;;
    *) return 1 ;;
    esac
}
mkdir "$tmp/checkpoint"
printf '{}' >"$tmp/checkpoint/config.json"
# kept NAME FILE COMMAND...: refuses to write to FILE, which it reads, by standard output and by standard error,
# where it says so on the other one
kept() {
    what=$1 file=$2
    shift 2
    cp "$file" "$tmp/before"
    timeout 60 "$@" </dev/null >>"$file" 2>"$tmp/stderr"
    equal "$what >>it" "$? $(grep -c 'standard output would overwrite' "$tmp/stderr")" '2 1'
    timeout 60 "$@" </dev/null 2>>"$file" >"$tmp/stdout"
    equal "$what 2>>it" "$? $(grep -c 'standard error would overwrite' "$tmp/stdout")" '2 1'
    timeout 60 "$@" --bogus </dev/null 2>>"$file" >"$tmp/stdout"
    equal "$what, misspelt, 2>>it" "$? $(grep -c "unknown option '--bogus'" "$tmp/stdout")" '2 1'
    timeout 60 "$@" </dev/null >>"$file" 2>&1
    equal "$what >>it 2>&1" $? 2
    ok "$what: it is what it was" cmp "$file" "$tmp/before"
}
file_of() { # OPTION: a file that it may read; 'output': it names one that is written; nothing: no file
    case $1 in
    file) echo "$tmp/prompt" ;;
    chat-template) echo "$tmp/template" ;;
    json-schema) echo "$tmp/schema" ;;
    grammar) echo "$tmp/grammar" ;;
    sign) echo "$tmp/key" ;;
    signer) echo "$tmp/pub" ;;
    api-key-file) echo "$tmp/keys" ;;
    receipt | output | plot | html) echo output ;;
    model) echo "$model" ;;
    esac
}
for command in $("$bitnet" --complete | cut -f1); do
    case $command in backends | pull | models) continue ;; esac # read no file that an option names
    ok "outputs.sh knows bitnet $command" words_of "$command"
    words=$(words_of "$command")
    takes() { "$bitnet" --complete "$command" | grep -q "^$1	"; }
    if takes model; then words="$words -m $model"; fi
    # shellcheck disable=SC2086 # words
    case $command in
    convert) kept "$command: config.json" "$tmp/checkpoint/config.json" "$bitnet" convert $words ;;
    *) kept "$command: the model" "$model" "$bitnet" "$command" $words ;;
    esac
    # shellcheck disable=SC2086
    case $command in
    batch) kept 'batch: the requests' "$tmp/requests" "$bitnet" batch $words ;;
    verify) kept 'verify: the receipt' "$tmp/r.json" "$bitnet" verify $words ;;
    esac
    # Each option whose value --help calls a file, or a text that may be one.
    for option in $("$bitnet" --complete "$command" | awk -F'\t' '$3 ~ /^(FILE|KEY|PUB|S|T)$/ { print $1 }'); do
        case $option in model | temp | type | embeddings | drain | timeout) continue ;; esac
        more=
        case $option in sign)
            if takes receipt; then more="--receipt=$tmp/signed.json"; fi
            if takes receipts; then more="--receipts=$tmp/signed"; fi
            ;;
        esac
        file=$(file_of "$option")
        ok "outputs.sh knows --$option" test -n "$file"
        [ "$file" != output ] || continue
        # shellcheck disable=SC2086
        kept "$command: --$option" "$file" "$bitnet" "$command" $words $more --$option "$file"
    done
    # shellcheck disable=SC2086
    if takes force; then
        result=$(for name in receipt output; do if takes $name; then echo --$name; fi; done)
        cp "$bitnet" "$tmp/program"
        [ -n "$result" ] || words="${words%% *} $tmp/program --type=I2_S" # quantize: a word says where it goes
        exits "$command onto the program" 2 'would overwrite the program itself' "$tmp/program" "$command" $words ${result:+"$result=$tmp/program"} --force
        ok "$command: it is what it was" cmp "$tmp/program" "$bitnet"
    fi
done
printf 'abc\n' >"$tmp/said"
for force in '' --force; do
    exits "chat's receipt onto what is said $force" 2 'what comes from standard input' \
        sh -c "'$bitnet' chat -m '$model' -n 2 --receipt='$tmp/said' $force <'$tmp/said'"
    exits "a /save onto it $force" 2 'what comes from standard input' \
        sh -c "{ echo '/save $tmp/script'; } >'$tmp/script'; '$bitnet' chat -m '$model' -n 2 $force <'$tmp/script'"
    exits "a prompt from a pipe of a file $force" 2 'what comes from standard input' \
        sh -c "'$bitnet' -m '$model' -n 2 --receipt='$tmp/said' $force <'$tmp/said'"
done
exits 'chat adds to what it is told' 2 'standard output would overwrite what comes from standard input' \
    sh -c "'$bitnet' chat -m '$model' -n 2 <'$tmp/said' >>'$tmp/said'"
equal 'which is what it was' "$(cat "$tmp/said")" abc
exits 'results into the text of stdout' 2 'what goes to standard output' \
    sh -c "'$bitnet' batch -m '$model' '$tmp/requests' -o '$tmp/joined' --json >>'$tmp/joined'"
exits 'results into the model' 2 "results '.*' would overwrite the model" "$bitnet" batch -m "$model" "$tmp/requests" -o "$model"
exits 'results into the requests' 2 "would overwrite the requests" "$bitnet" batch -m "$model" "$tmp/requests" -o "$tmp/requests"
ok 'the model is what it was, after all' cmp "$model" "$tmp/whole.gguf"

# ---- standard descriptors ----
equal 'chat without a standard input' "$("$bitnet" chat -m "$model" <&- 2>"$tmp/stderr")" ''
equal 'ends as with an empty one' "$("$bitnet" chat -m "$model" <&- >/dev/null 2>&1; echo $?)" 0
equal 'a prompt from it is empty' "$("$bitnet" -m "$model" -f - -n 8 <&-)" "$("$bitnet" -m "$model" -p '' -n 8)"
exits 'a closed standard output is an error' 3 'cannot write the result to stdout' \
    sh -c "'$bitnet' -m '$model' -p x -n 2 >&-"
"$bitnet" -m "$model" -p x -n 2 --receipt="$tmp/s.json" >/dev/null 2>&-
equal 'a closed standard error is none' $? 0
ok 'all three closed: the model is what it was' sh -c "'$bitnet' -m '$model' -p x <&- >&- 2>&-; cmp '$model' '$tmp/whole.gguf'"

# ---- targets ----
exits 'a link to nothing' 3 'a link to nothing' sh -c "ln -s nowhere '$tmp/dangling'; '$bitnet' -m '$model' -p x -n 2 --receipt='$tmp/dangling'"
mkfifo "$tmp/pipe"
exits 'a pipe that nobody reads' 3 'nobody reads from it' "$bitnet" -m "$model" -p x -n 2 --receipt="$tmp/pipe"
cat "$tmp/pipe" >"$tmp/piped" &
sleep 0.2
exits 'a pipe with a reader' 0 '' "$bitnet" -m "$model" -p x -n 2 --receipt="$tmp/pipe"
wait
exits 'has the receipt' 0 '' "$bitnet" verify "$tmp/piped"
exits 'a limit on the size of files' 3 'File too large' \
    sh -c "ulimit -f 1; '$bitnet' -m '$model' -p x -n 60 --receipt='$tmp/limited.json'"
ok 'leaves nothing' sh -c "! ls -a '$tmp' | grep -qE 'limited|bitnet-receipt'"
exits 'the same of stdout' 3 'File too large' \
    sh -c "ulimit -f 1; '$bitnet' -m '$model' -p x -n 400 --ignore-eos --json >'$tmp/limited'"

# ---- a tree that was moved ----
mkdir -m 755 "$tmp/moved" "$tmp/moved/plugins"
cp "$bitnet" "$tmp/moved/"
cp "$build/test-plugins/good.so" "$tmp/moved/plugins/"
equal 'plugins are those beside the program' \
    "$("$tmp/moved/bitnet" backends --json | sed -nE 's/.*"plugin_dir":"([^"]*)".*/\1/p')" "$tmp/moved/plugins"
ln -s moved/bitnet "$tmp/linked"
equal 'the program, not a link to it' \
    "$("$tmp/linked" backends --json | sed -nE 's/.*"plugin_dir":"([^"]*)".*/\1/p')" "$tmp/moved/plugins"

summary
