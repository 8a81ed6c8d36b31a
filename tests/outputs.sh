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
