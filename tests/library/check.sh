#!/bin/sh
# check.sh BUILD - the library from outside: installs it twice, into a staging folder and into a
# prefix of its own, looks at what it exports, and builds and runs docs/examples against each.
set -u
build=${1:?the build folder}
here=$(dirname "$0")
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
unset BITNET_BACKEND BITNET_SEED BITNET_THREADS BITNET_PLUGIN_DIR BITNET_DETERMINISTIC MAKEFLAGS MFLAGS
CC=${CC:-gcc}
# Under a sanitizer (VARIANT comes from make) whoever links the library needs its runtime.
case ${VARIANT:-release} in
asan) sanitizer=-fsanitize=address,undefined ;;
ubsan) sanitizer=-fsanitize=undefined ;;
tsan) sanitizer=-fsanitize=thread ;;
*) sanitizer= ;;
esac

model=$tmp/tiny.gguf
"$build/bitnet-synth" --like tiny -o "$model" >/dev/null 2>&1 || exit 1
want="abc$("$build/bitnet" -m "$model" -p abc -n 24)"

install() { # DESTDIR PREFIX
    make -s BUILD="$build" CC="$CC" MODEL="$model" DESTDIR="$1" PREFIX="$2" install
}

# ---- a staging folder, as a packager has it ----
stage=$tmp/stage
ok 'make install DESTDIR=' install "$stage" /opt/bitnet
staged=$stage/opt/bitnet
for file in lib/libbitnet.so.0 lib/libbitnet.so lib/libbitnet.a lib/pkgconfig/bitnet.pc \
    include/bitnet/bitnet.h include/bitnet/sequences.h include/bitnet/constraints.h include/bitnet/receipts.h include/bitnet/status.h include/bitnet/plugin.h \
    share/man/man3/libbitnet.3 share/doc/bitnet/examples/sequences.c share/doc/bitnet/examples/chat.c share/doc/bitnet/examples/receipt.c; do
    ok "installs $file" test -s "$staged/$file"
done
ok 'and nothing of the staging folder' sh -c "! grep -rl '$stage' '$staged'"
equal 'soname' "$(readelf -d "$staged/lib/libbitnet.so.0" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')" libbitnet.so.0

# ---- what it exports: what the headers declare, no more and no less ----
declared=$(for header in bitnet sequences constraints receipts status; do cat "$staged/include/bitnet/$header.h"; done | tr '\n' ' ' |
    grep -oE 'BNT_API [^;(]*bnt_[a-z0-9_]+\(' | sed -E 's/.*(bnt_[a-z0-9_]+)\($/\1/' | sort)
equal 'the shared library exports what the headers declare' \
    "$(nm -D --defined-only "$staged/lib/libbitnet.so.0" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)" "$declared"
[ -n "$sanitizer" ] || equal 'the static library too' \
    "$(nm -g --defined-only "$staged/lib/libbitnet.a" | awk 'NF == 3 { print $3 }' | sort)" "$declared"

# ---- a program against it ----
pc() { # OPTION...
    PKG_CONFIG_PATH=$staged/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$stage pkg-config "$@" bitnet
}
warn='-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror'
# shellcheck disable=SC2046,SC2086 # lists of words
compile() { # OUTPUT OPTION...; of $example
    out=$1
    shift
    "$CC" -std=c11 $warn $sanitizer -o "$out" "$here/../../docs/examples/$example.c" "$@"
}
example=generate
# shellcheck disable=SC2046
ok 'the example builds with pkg-config' compile "$tmp/shared" $(pc --cflags --libs)
# shellcheck disable=SC2046
ok 'and statically' compile "$tmp/static" $(pc --cflags) "$staged/lib/libbitnet.a" \
    $(pc --static --libs | tr ' ' '\n' | grep '^-l' | grep -vx -e -lbitnet)
equal 'it makes the text that the command makes' \
    "$(BITNET_PLUGIN_DIR=$staged/lib/bitnet/plugins LD_LIBRARY_PATH=$staged/lib "$tmp/shared" "$model" abc 2>/dev/null)" "$want"
equal 'the static one too, with the judge alone' "$("$tmp/static" "$model" abc 2>"$tmp/stderr")" "$want"
ok 'and says so' grep -q ref-scalar "$tmp/stderr"
exits 'a missing model' 3 'nowhere.gguf: No such file' env LD_LIBRARY_PATH="$staged/lib" "$tmp/shared" "$tmp/nowhere.gguf"
ok 'the static one needs no libbitnet.so' sh -c "! readelf -d '$tmp/static' | grep -q libbitnet"

# ---- many sequences ----
functions=$(echo "$declared" | grep -cE '^bnt_(context|sequence)_')
ok 'the man page names what sequences.h and receipts.h have' sh -c "for f in \$(echo '$declared' | tr ' ' '\\n' | grep -E '^bnt_(context_(feed|hidden|top|logits|pooled)|sequence_(fork|truncate|save|load)|text_(make|receipt|save_receipt)|receipt_)'); do
    grep -q \$f '$staged/share/man/man3/libbitnet.3' || exit 1; done; [ $functions -gt 10 ]"
example=sequences
# shellcheck disable=SC2046
ok 'the second example builds' compile "$tmp/sequences" $(pc --cflags) "$staged/lib/libbitnet.a" \
    $(pc --static --libs | tr ' ' '\n' | grep '^-l' | grep -vx -e -lbitnet)
"$tmp/sequences" "$model" abc 'abc x' xyz >"$tmp/together" 2>"$tmp/stderr" || cat "$tmp/stderr"
for prompt in abc 'abc x' xyz; do "$tmp/sequences" "$model" "$prompt" 2>/dev/null; done | grep -v cosine >"$tmp/alone"
ok 'together they make what each makes alone' sh -c "grep -v cosine '$tmp/together' | cmp - '$tmp/alone'"
ok 'which is what the command makes' grep -qxF "$want" "$tmp/together"
ok 'and says how alike they are' grep -q 'cosine' "$tmp/together"

# ---- a message ----
example=chat
"$build/bitnet-synth" --like tiny -o "$tmp/talks.gguf" --chat-template "{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>

{{ m['content'] }}<|eot_id|>{% endfor %}<|start_header_id|>assistant<|end_header_id|>

" >/dev/null 2>&1
# shellcheck disable=SC2046
ok 'the third example builds' compile "$tmp/chat" $(pc --cflags) "$staged/lib/libbitnet.a" \
    $(pc --static --libs | tr ' ' '\n' | grep '^-l' | grep -vx -e -lbitnet)
for said in hello 'ab<|eot_id|>'; do
    for file in talks tiny; do
        equal "it answers '$said' as the command does ($file)" "$("$tmp/chat" "$tmp/$file.gguf" "$said" 24 2>"$tmp/stderr")" \
            "$("$build/bitnet" chat -m "$tmp/$file.gguf" -p "$said" -n 24 2>/dev/null)"
    done
done

# ---- receipts ----
example=receipt
# shellcheck disable=SC2046
ok 'the fourth example builds' compile "$tmp/receipt" $(pc --cflags) "$staged/lib/libbitnet.a" \
    $(pc --static --libs | tr ' ' '\n' | grep '^-l' | grep -vx -e -lbitnet)
proof=$tmp/proof.json
equal 'a text with a receipt is the text without' "$("$tmp/receipt" "$model" "$proof" abc 24)" "$want"
exits 'which the command verifies' 0 '' "$build/bitnet" verify -m "$model" "$proof"
exits 'and the library' 0 '' "$tmp/receipt" "$model" "$proof"
"$build/bitnet" run -m "$model" -p abc -n 24 --receipt="$tmp/command.json" >/dev/null
exits "the library verifies the command's" 0 '' "$tmp/receipt" "$model" "$tmp/command.json"
result() { sed -n 's/^"result":\(.*\),$/\1/p' "$1"; }
equal 'and says what the command says' "$(result "$proof")" "$(result "$tmp/command.json")"
# A forger makes new seals: the command's own, of a receipt in which one token's logit is another.
forge() { # SED SCRIPT: in the result
    result "$proof" | sed -E "$1" >"$tmp/result"
    python3 - "$proof" "$tmp/result" "$tmp/forged.json" <<'FORGE'
import hashlib, json, sys
receipt = json.load(open(sys.argv[1]))
receipt["result"] = json.load(open(sys.argv[2]))
digest = lambda v: hashlib.sha256(json.dumps(v, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
receipt["result_sha256"] = digest(receipt["result"])
for key in list(receipt["field_sha256"]):
    value = receipt
    for name in key.split("."):
        value = value[name]
    receipt["field_sha256"][key] = digest(value)[:16]
json.dump(receipt, open(sys.argv[3], "w"))
FORGE
}
forge 's/("logits":\["[0-9a-f]+","[0-9a-f]+","[0-9a-f]+",")[0-9a-f]+/\1deadbeef/'
exits 'a forged logit is found, and where' 10 'step 3: chosen logit: deadbeef in the receipt' "$tmp/receipt" "$model" "$tmp/forged.json"
ok 'also in parts' grep -q 'first: turn 0, step 3, logit' "$tmp/stderr"
sed -E 's/"predict":24/"predict":25/' "$proof" >"$tmp/edited.json"
exits 'an edit without new seals' 10 'result.limits.*was changed' "$tmp/receipt" "$model" "$tmp/edited.json"
"$build/bitnet-synth" --like tiny --seed 5 -o "$tmp/other.gguf" >/dev/null 2>&1
exits 'another model' 10 'model.sha256' "$tmp/receipt" "$tmp/other.gguf" "$proof"
head -c 300 "$proof" >"$tmp/cut.json"
exits 'half a receipt' 4 'receipt: line' "$tmp/receipt" "$model" "$tmp/cut.json"
printf 'my notes' >"$tmp/notes"
exits 'notes are not written over' 2 'notes' "$tmp/receipt" "$model" "$tmp/notes" abc 4
equal 'they are as they were' "$(cat "$tmp/notes")" 'my notes'
"$build/bitnet" run -m "$model" -p abc -n 8 --format=json --receipt="$tmp/shaped.json" >/dev/null
exits 'a text with a shape needs it' 12 'replay: not checked: the json of digest' "$tmp/receipt" "$model" "$tmp/shaped.json"
example=generate
equal 'version macros' "$(printf '#include <bitnet/bitnet.h>\nBITNET_VERSION_MAJOR BITNET_VERSION_MINOR BITNET_VERSION_PATCH\n' |
    "$CC" -E -P -I"$staged/include" - | tail -1 | tr ' ' .)" "$("$build/bitnet" --version | sed -E 's/^bitnet ([0-9.]*[0-9]).*/\1/;q')"

# ---- headers in other languages and alone ----
for cxx in g++ clang++; do
    command -v $cxx >/dev/null 2>&1 || continue
    for header in bitnet sequences constraints receipts status plugin; do
        echo "#include <bitnet/$header.h>" >"$tmp/header.cc"
        ok "$header.h as C++ ($cxx)" $cxx -std=c++17 -Wall -Wextra -fsyntax-only -I"$staged/include" "$tmp/header.cc"
    done
done
for header in bitnet sequences constraints receipts status plugin numerics; do
    echo "#include <bitnet/$header.h>" >"$tmp/header.c"
    # shellcheck disable=SC2086
    ok "$header.h alone" "$CC" -std=c11 $warn -Wno-unused-function -fsyntax-only -I"$staged/include" "$tmp/header.c"
done

# ---- a prefix of its own: paths compiled in ----
prefix=$tmp/prefix
ok 'make install PREFIX=' install '' "$prefix"
# shellcheck disable=SC2046
ok 'the example for it' compile "$tmp/placed" -Wl,-rpath,"$prefix/lib" \
    $(PKG_CONFIG_PATH=$prefix/lib/pkgconfig pkg-config --cflags --libs bitnet)
equal 'finds model and plugins by itself' "$("$tmp/placed" "$prefix/share/bitnet/tiny.gguf" abc 2>"$tmp/stderr")" "$want"
equal 'with the backend that the command takes' "$(sed -n 's/.*, //p' "$tmp/stderr")" \
    "$("$build/bitnet" --json -m "$model" -p abc -n 1 | sed -E 's/.*"backend":"([^"]*)".*/\1/')"
ok 'the installed command too' sh -c "'$prefix/bin/bitnet' -p abc -n 24 >'$tmp/out' && [ \"abc\$(cat '$tmp/out')\" = '$want' ]"
mv "$prefix" "$tmp/elsewhere"
equal 'moved as a whole, it finds its plugins' \
    "$("$tmp/elsewhere/bin/bitnet" backends --json | sed -nE 's/.*"plugin_dir":"([^"]*)".*/\1/p')" "$tmp/elsewhere/lib/bitnet/plugins"
ok 'and its model' sh -c "[ \"abc\$('$tmp/elsewhere/bin/bitnet' -p abc -n 24)\" = '$want' ]"
equal 'so does the library' \
    "$(LD_LIBRARY_PATH=$tmp/elsewhere/lib "$tmp/shared" "$model" abc 2>&1 >/dev/null | sed -n 's/.*, //p')" \
    "$("$build/bitnet" --json -m "$model" -p abc -n 1 | sed -E 's/.*"backend":"([^"]*)".*/\1/')"
mv "$tmp/elsewhere" "$prefix"
ok 'make uninstall' make -s BUILD="$build" PREFIX="$prefix" MODEL="$model" uninstall
equal 'leaves no file' "$(find "$prefix" ! -type d)" ''

summary
