#!/bin/sh
# check.sh BUILD [KILLS] - `bitnet pull`, `bitnet models` and -m ORG/NAME against a hub of our own on
# loopback (hub.mjs): what is asked for and not, faults of every kind, two at once, and KILLS (20)
# pulls that are killed at a random time, most of them with a fault. Whatever happens, a file in the cache is right or absent.
set -u
build=$1 kills=${2:-20}
bitnet=$build/bitnet
here=${0%/*}
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR
unset HF_TOKEN HF_HOME HF_HUB_CACHE HF_HUB_OFFLINE http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
export no_proxy='127.0.0.1,localhost'

root=$tmp/root log=$tmp/log
export HOME="$tmp/home" HF_HOME="$tmp/home/hf"
cache=$HF_HOME/hub
mkdir -p "$root/org/small" "$root/org/large" "$root/org/many/sub" "$root/org/none" "$root/closed/model" "$HOME"
synth() { "$build/bitnet-synth" "$@" >/dev/null || exit 1; }
synth --like tiny -o "$root/org/small/tiny.gguf"
synth --like tiny --vocab 32768 --embd 512 --heads 8 --kv-heads 4 --ff 512 -o "$root/org/large/large.gguf" # 34 MB: nine pieces
cp "$root/org/small/tiny.gguf" "$root/closed/model/"
synth --like tiny --type F16 --arch llama -o "$root/org/many/dense.gguf"
synth --like tiny --type TQ2_0 -o "$root/org/many/sub/ternary.gguf"
sed 's/bitnet-b1\.58/bitnet-b9.99/g' "$root/org/small/tiny.gguf" >"$root/org/many/strange.gguf"
cp "$root/org/many/strange.gguf" "$root/org/none/"
echo hello >"$root/org/small/README.md"
: >"$log"
node "$here/hub.mjs" "$root" "$log" >"$tmp/address" &
hub=$!
trap 'kill $hub 2>/dev/null; rm -rf "$tmp"' EXIT
while [ ! -s "$tmp/address" ]; do sleep 0.05; done
HF_ENDPOINT=$(cat "$tmp/address")
export HF_ENDPOINT

faults() { # JSON: of the requests for bytes that follow
    node -e 'fetch(process.argv[1] + "/faults", { method: "POST", body: process.argv[2] }).then((r) => process.exit(r.ok ? 0 : 1))' \
        "$HF_ENDPOINT" "$1" || echo "FAILED: the hub takes no faults"
}
fresh() { rm -rf "$cache"; : >"$log"; }
right() { cmp -s "$1" "$2"; }
pulled() { "$bitnet" pull "$@" 2>"$tmp/stderr"; }
bytes_moved() { awk '$1 == "cdn" { n += $6 } END { print n + 0 }' "$log"; }
large=$root/org/large/large.gguf
size=$(wc -c <"$large")

# ---- names ----
exits 'no name' 2 'which model' "$bitnet" pull
for bad in model ./a/b a/b/../c 'a/b c' a/.b a--b/c -- "a/b@" "a/b@x/y" "/a/b" "a/b/c/.d"; do
    exits "no name of a model: $bad" 2 '' "$bitnet" pull "$bad"
done
exits 'a path that is not there stays a path' 3 'models/none.gguf: No such file' "$bitnet" -m models/none.gguf -p x
ok 'and nobody was asked' test ! -s "$log"

# ---- the usual way ----
path=$(pulled org/small/tiny.gguf)
equal 'the path is told' "${path#"$cache"/models--org--small/snapshots/}" "$(basename "$(dirname "$path")")/tiny.gguf"
ok 'the bytes are right' right "$path" "$root/org/small/tiny.gguf"
ok 'size and licence are told' grep -q 'org/small/tiny.gguf: 0.00 GB, licence mit' "$tmp/stderr"
sha=$(sha256sum <"$path" | cut -d' ' -f1)
equal "the link is the hub's own" "$(readlink "$path")" "../../blobs/$sha"
equal 'refs/main is the commit' "$(cat "$cache/models--org--small/refs/main")" "$(basename "$(dirname "$path")")"
: >"$log"
equal 'again: the same path' "$(pulled org/small/tiny.gguf)" "$path"
equal 'and only the header moved' "$(grep -c '^cdn' "$log")" 1
text=$("$bitnet" -m "$root/org/small/tiny.gguf" -p abc -n 8)
: >"$log"
equal '-m takes the name' "$("$bitnet" -m org/small -p abc -n 8)" "$text"
equal '... with a file' "$("$bitnet" -m org/small/tiny.gguf -p abc -n 8)" "$text"
equal '... with a commit' "$("$bitnet" -m "org/small@$(cat "$cache/models--org--small/refs/main")" -p abc -n 8)" "$text"
exits '... and inspect' 0 '' "$bitnet" inspect org/small
ok 'from the cache alone' test ! -s "$log"
fresh
equal '-m brings what is not there' "$("$bitnet" -m org/small -p abc -n 8 2>/dev/null)" "$text"
fresh
exits '--offline never asks' 3 'offline' "$bitnet" -m org/small --offline -p abc
exits 'HF_HUB_OFFLINE neither' 3 'offline' env HF_HUB_OFFLINE=1 "$bitnet" pull org/small
ok 'nobody was asked' test ! -s "$log"
exits 'another name of the hub' 0 '' "$bitnet" pull old/small/tiny.gguf
fresh

# ---- what runs is found, what cannot is refused before it moves ----
path=$(pulled org/many)
equal 'ternary comes first' "${path##*/sub/}" ternary.gguf
ok 'what cannot run is told' grep -q "strange.gguf: cannot run here: architecture 'bitnet-b9.99'" "$tmp/stderr"
equal 'a link in a folder has one step more' "$(readlink "$path" | cut -c1-9)" ../../../
equal 'the cache chooses alike' "$("$bitnet" pull --offline org/many)" "$path"
exits 'a model of no known architecture' 5 "bitnet-b9.99" "$bitnet" pull org/none
ok 'nothing of it is kept' test ! -e "$cache/models--org--none"
exits 'a file that is not there' 3 'HTTP 404' "$bitnet" pull org/small/nothing.gguf
exits 'a model that is not there' 3 'HTTP 404' "$bitnet" pull org/nothing
exits 'a revision that is not there' 3 'HTTP 404' "$bitnet" pull org/small/tiny.gguf@v9

# ---- the token ----
exits 'a closed model' 3 'HF_TOKEN' "$bitnet" pull closed/model/tiny.gguf
exits 'a wrong token' 3 'HTTP 401' env HF_TOKEN=wrong "$bitnet" pull closed/model/tiny.gguf
exits 'the right one' 0 '' env HF_TOKEN=sesame "$bitnet" pull closed/model/tiny.gguf
rm -rf "$cache/models--closed--model"
echo sesame >"$HF_HOME/token"
exits 'from its file' 0 '' "$bitnet" pull closed/model/tiny.gguf
rm "$HF_HOME/token"
equal 'the CDN never sees it' "$(grep '^cdn' "$log" | grep -c 'token$')" 0

# ---- faults ----
whole() { # NAME FAULTS: the file is right all the same
    fresh
    faults "$2"
    path=$(pulled org/large/large.gguf)
    ok "$1" right "$path" "$large"
    faults '[]'
}
ok='{}' # the header, which is judged first
whole 'without a fault' "[]"
equal 'each byte moves once, and the header' "$(($(bytes_moved) < size + 3000000))" 1
whole 'a cut connection' "[$ok,{\"cut\":100000},{\"cut\":0},{\"cut\":3000000}]"
equal 'what came is not asked for again' "$(($(bytes_moved) < size + 8000000))" 1
whole 'a cut while the header comes' '[{"cut":1000}]'
whole 'server errors' "[$ok,{\"status\":500},{\"status\":503},{\"status\":502}]"
whole 'too many requests' "[$ok,{\"status\":429,\"retry\":1}]"
whole 'a wrong range' "[$ok,{\"shift\":5}]"
whole 'no ranges at all' "[$ok,{\"whole\":true,\"always\":true}]"
whole 'no ranges, and a cut' "[$ok,{\"whole\":true},{\"whole\":true},{\"whole\":true},{\"whole\":true},{\"whole\":true,\"cut\":20000000}]"
fresh
faults "[$ok,{\"flip\":12345678,\"always\":true}]"
exits 'a wrong byte' 10 'came with hash' "$bitnet" pull org/large/large.gguf
equal 'nothing is kept' "$(find "$cache" -type f -path '*blobs*' | wc -l)" 0
faults "[$ok,{\"status\":500,\"always\":true}]"
exits 'errors without end' 3 'org/large/large.gguf: HTTP 500' "$bitnet" pull org/large/large.gguf
faults "[$ok,{\"shift\":5,\"always\":true}]"
exits 'wrong ranges without end' 3 'other bytes than were asked for' "$bitnet" pull org/large/large.gguf
faults '[]'

# ---- an address that is good for a while ----
fresh
faults '[{},{"rate":2000000,"always":true}]'
pulled org/large/large.gguf >"$tmp/path" &
pull=$!
sleep 1
faults '[{"gone":true}]' # what is under way goes on; new requests meet 403
ok 'addresses that expire are asked for again' wait $pull
ok 'and the file is right' right "$(cat "$tmp/path")" "$large"

# ---- the disk ----
fresh
exits 'a full disk' 3 'what has come so far is kept' sh -c "ulimit -f 20000; exec \"$bitnet\" pull org/large/large.gguf"
left=$(find "$cache" -name '*.incomplete')
ok 'a true beginning is kept' cmp -s -n "$(wc -c <"$left")" "$left" "$large"
: >"$log"
path=$(pulled org/large/large.gguf)
ok 'the next one goes on' right "$path" "$large"
equal 'behind it' "$(($(bytes_moved) < size - 5000000))" 1

# ---- two at once, and Ctrl-C ----
fresh
faults '[{},{},{"rate":20000000,"always":true}]'
pulled org/large/large.gguf >"$tmp/a" &
first=$!
"$bitnet" pull org/large/large.gguf >"$tmp/b" 2>"$tmp/second"
ok 'one of two' wait $first
ok 'and the other' right "$(cat "$tmp/a")" "$(cat "$tmp/b")"
equal 'move it once' "$(($(bytes_moved) < size + 6000000))" 1
fresh
faults '[{},{"rate":1000000,"always":true}]'
"$bitnet" pull org/large/large.gguf >/dev/null 2>"$tmp/stderr" &
pull=$!
sleep 1
kill -INT $pull
wait $pull
equal 'Ctrl-C' $? 130
ok 'says so' grep -q interrupted "$tmp/stderr"

# ---- killed at random ----
fresh
torn=0
slow='{"rate":30000000,"always":true}'
for i in $(seq "$kills"); do
    case $((i % 6)) in # and with a fault, where it is not killed before it
    1) faults "[{},{\"cut\":$((i * 7919 % 4000000))},$slow]" ;;
    2) faults "[{},{\"status\":503},{\"status\":500},$slow]" ;;
    3) faults "[{},{\"shift\":5},$slow]" ;;
    4) faults "[{},{\"whole\":true,\"cut\":$((i * 7919 % 30000000))},$slow]" ;;
    5) faults "[{\"cut\":1000},{},$slow]" ;;
    *) faults "[{},$slow]" ;;
    esac
    "$bitnet" pull org/large/large.gguf >/dev/null 2>&1 &
    pull=$!
    sleep "0.$(awk -v s="$i" 'BEGIN { srand(s * 7919); printf "%03d", int(rand() * 900) }')"
    kill -9 $pull 2>/dev/null
    wait $pull 2>/dev/null
    for file in "$cache"/models--org--large/blobs/* "$cache"/models--org--large/snapshots/*/large.gguf; do
        [ -e "$file" ] || continue
        cmp -s -n "$(wc -c <"$file")" "$file" "$large" || torn=$((torn + 1))
        case $file in
        *.incomplete) ;;
        *) right "$file" "$large" || torn=$((torn + 1)) ;;
        esac
    done
    [ $((i % 5)) -eq 0 ] && rm -rf "$cache"
done
equal "$kills kills, with faults, tear nothing" "$torn" 0
faults '[]'
ok 'and it ends well' right "$(pulled org/large/large.gguf)" "$large"

# ---- what is there ----
fresh
pulled org/small >/dev/null
pulled org/many/sub/ternary.gguf >/dev/null
pulled org/many/dense.gguf >/dev/null
"$bitnet" models >"$tmp/models"
equal 'three are listed' "$(grep -c 'GB  org/' "$tmp/models")" 3
equal '... as JSON' "$("$bitnet" models --json | grep -o '"file"' | wc -l)" 3
exits 'one file is removed' 0 '' "$bitnet" models --remove=org/many/dense.gguf
ok 'and not the other' test -e "$cache"/models--org--many/snapshots/*/sub/ternary.gguf
exits 'a model is removed' 0 '' "$bitnet" models --remove=org/small
ok 'whole' test ! -e "$cache/models--org--small"
exits 'none of that name' 2 'is not in the model cache' "$bitnet" models --remove=org/small
echo note >"$cache/models--org--many/snapshots/$(cat "$cache/models--org--many/refs/main")/config.json"
exits 'the last' 0 '' "$bitnet" models --remove=org/many
ok "others' files stay" test -e "$cache"/models--org--many/snapshots/*/config.json
summary
