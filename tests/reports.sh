#!/bin/sh
# reports.sh BUILD - what is made to be looked at: `bitnet parity --html`, `bitnet bench --plot`. Well-formed, whole in
# one file, true to the receipt and the numbers beside it, and no name from a file becomes markup.
set -u
build=$1
bitnet=$build/bitnet
# shellcheck source=tests/lib.sh
. "${0%/*}/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR BASELINES_DIR CROSSVAL_GGUF CROSSVAL_PROMPT_SET
model=$tmp/tiny.gguf
"$build/bitnet-synth" --like tiny -o "$model" >/dev/null || exit 1
mkdir -m 755 "$tmp/plugins"
cp "$build/test-plugins/good.so" "$tmp/plugins/"
cp "$build/test-plugins/row-5000.so" "$tmp/plugins/"
"$build/bitnet-synth" --ff 5376 -o "$tmp/wide.gguf" >/dev/null 2>&1 || exit 1 # so wide that the fault is there

# look FILE: well-formed, nothing from elsewhere, and facts of it
look() {
    python3 -c 'import re, sys, xml.dom.minidom as x
t = open(sys.argv[1], encoding="utf-8").read()
d = x.parseString(t.replace("<!DOCTYPE html>", ""))
assert not re.search(r"<script|src=|href=|url\(|@import| on[a-z]+=", t), "something from elsewhere"
cells = d.getElementsByTagName("td")
c = [set(e.getAttribute("class").split()) for e in cells]
print("cells", len(c), "same", sum("same" in k for k in c), "bad", sum(any(w.startswith("bad") for w in k) for k in c),
      "first", sum("first" in k for k in c))' "$1"
}

# ---- parity ----
parity() { "$bitnet" parity -m "$model" --plugin-dir="$tmp/plugins" "$@" >"$tmp/stdout" 2>"$tmp/stderr"; }
parity --backend=good -o "$tmp/good.json" --html="$tmp/good.html"
equal 'a good backend' $? 0
seen=$(look "$tmp/good.html")
ok "every cell is the same: $seen" sh -c "set -- $seen; [ \$2 -gt 20 ] && [ \$2 -eq \$4 ] && [ \$6 -eq 0 ] && [ \$8 -eq 0 ]"
ok 'the verdict is there' grep -q 'bitnet parity: <span class=.ok.>ok' "$tmp/good.html"
"$bitnet" parity -m "$tmp/wide.gguf" --plugin-dir="$tmp/plugins" --backend=row-5000 >"$tmp/stdout" 2>"$tmp/stderr" -o "$tmp/bad.json" --html="$tmp/bad.html"
equal 'a bad one' $? 10
seen=$(look "$tmp/bad.html")
ok "the first difference is marked once: $seen" sh -c "set -- $seen; [ \$6 -ge 1 ] && [ \$8 -eq 1 ]"
ok 'and told as the receipt tells it' python3 -c 'import html, json, sys
r = json.load(open(sys.argv[1]))
assert r["prompts"][0]["lockstep"]["first_difference"]["text"] in html.unescape(open(sys.argv[2]).read())' "$tmp/bad.json" "$tmp/bad.html"
cp "$model" "$tmp/<b>&'x'.gguf"
"$bitnet" parity -m "$tmp/<b>&'x'.gguf" --backend=ref-scalar -o "$tmp/name.json" --html="$tmp/name.html" >/dev/null 2>&1
ok 'a name is no markup' look "$tmp/name.html"
ok 'but there' grep -q '&#60;b&#62;&#38;' "$tmp/name.html"
exits 'never into the model' 2 '' parity --backend=good -o "$tmp/x.json" --html="$model"
exits 'nor into the receipt' 2 'is where the receipt goes' "$bitnet" parity -m "$model" --backend=ref-scalar -o "$tmp/x.json" --html="$tmp/x.json"

# ---- bench ----
exits 'bench draws' 0 '' "$bitnet" bench -m "$model" -p 8,16 -n 4 -r 2 -t 1,2 --json --plot="$tmp/bench.svg"
cp "$tmp/stdout" "$tmp/bench.json"
ok 'a drawing that is whole, with a bar for each result' python3 -c 'import json, re, sys, xml.dom.minidom as x
t = open(sys.argv[1], encoding="utf-8").read()
assert not re.search(r"<script|src=|href=|url\(|@import", t)
d = x.parseString(t)
bars = [e for e in d.getElementsByTagName("rect") if e.getAttribute("class") == "bar"]
r = json.load(open(sys.argv[2]))["results"]
assert len(bars) == len(r) == 6, (len(bars), len(r))
for e in r:
    assert "%s, %d thread" % (e["test"], e["threads"]) in t and "median %.2f," % e["tok_s"]["median"] in t, e
assert all(0 < float(b.getAttribute("width")) <= 480 for b in bars)' "$tmp/bench.svg" "$tmp/bench.json"
exits 'not of kernels' 2 '--plot' "$bitnet" bench --kernels --plot="$tmp/kernels.svg"
exits 'not into the model' 2 '' "$bitnet" bench -m "$model" -p 8 -n 2 -r 1 --plot="$model"
summary
