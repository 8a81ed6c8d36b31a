#!/bin/sh
# check.sh BUILD - the Python package: structures as the headers have them, types, examples, the same tokens as the
# program; from the source tree, with and without numpy, as an installed package, and as a wheel that
# carries the library.
set -u
build=$(realpath "$1")
root=$(realpath "${0%/*}/../..")
# shellcheck source=tests/lib.sh
. "$root/tests/lib.sh"
unset BITNET_THREADS BITNET_BACKEND BITNET_SEED BITNET_DETERMINISTIC BITNET_PLUGIN_DIR BITNET_LIBRARY BITNET_PROGRAM BITNET_MODEL
for python in python3 /usr/bin/python3; do
    $python -c 'import numpy, setuptools, wheel, venv' 2>/dev/null && break
done

model=$root/models/bitnet-demo-i2_s.gguf

# ---- from the tree ----
${CC:-cc} -I"$root/core/include" -o "$tmp/layout" "$root/tests/python/layout.c" || exit 1
"$tmp/layout" >"$tmp/layout.txt"
suite() { # NAME COMMAND...: adds the counts of check.py
    name=$1
    shift
    "$@" >"$tmp/out" 2>&1
    status=$?
    counts=$(sed -nE 's/^with(out)? numpy: ([0-9]+) passed, ([0-9]+) failed$/\2 \3/p' "$tmp/out")
    counts=${counts:-0 1}
    passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
    if [ $status -ne 0 ]; then
        if [ "${counts#* }" -eq 0 ]; then failed=$((failed + 1)); fi
        echo "FAILED: $name"
        cat "$tmp/out"
    fi
}
in_tree() {
    env PYTHONPATH="$root/python" PYTHONDONTWRITEBYTECODE=1 BITNET_LIBRARY="$build/lib/libbitnet.so.0" \
        BITNET_PROGRAM="$build/bitnet" BITNET_PLUGIN_DIR="$build/plugins" BITNET_MODEL="$model" "$python" "$@"
}
suite 'in the tree' in_tree "$root/tests/python/check.py" "$tmp/layout.txt"
suite 'without numpy' in_tree -c "import runpy, sys
sys.modules['numpy'] = None
sys.argv = ['check.py']
runpy.run_path('$root/tests/python/check.py', run_name='__main__')"
if command -v mypy >/dev/null; then
    exits 'types' 0 '' mypy --strict --cache-dir="$tmp/mypy" "$root/python/bitnet"
    [ "$status" -eq 0 ] || cat "$tmp/stdout"
else
    failed=$((failed + 1))
    echo 'FAILED: types: no mypy (scripts/deps.sh test installs it)'
fi
exits 'without a library' 1 'libbitnet.so.0 is not found|No such file' env PYTHONPATH="$root/python" PYTHONDONTWRITEBYTECODE=1 \
    BITNET_LIBRARY=/nowhere.so "$python" -c 'import bitnet; bitnet.Model()'

# ---- installed ----
umask 022
cp -r "$root/python" "$tmp/python"
exits 'a fresh environment' 0 '' "$python" -m venv --system-site-packages "$tmp/venv"
exits 'pip install .' 0 '' "$tmp/venv/bin/pip" install --quiet --no-index --no-deps --no-build-isolation "$tmp/python"
suite 'installed, over a library elsewhere' env BITNET_LIBRARY="$build/lib/libbitnet.so.0" BITNET_PROGRAM="$build/bitnet" \
    BITNET_PLUGIN_DIR="$build/plugins" BITNET_MODEL="$model" "$tmp/venv/bin/python" "$root/tests/python/check.py"

# ---- a wheel ----
exits 'a wheel' 0 '' "$root/scripts/python-wheel.sh" "$build" "$tmp/wheel" "$python"
wheel=$(ls "$tmp"/wheel/*.whl)
ok "is for this kind of machine: $wheel" sh -c "case '$wheel' in *-py3-none-manylinux_2_*_$(uname -m).whl) ;; *) false ;; esac"
exits 'a second one' 0 '' "$root/scripts/python-wheel.sh" "$build" "$tmp/wheel2" "$python"
ok 'has the same bytes' cmp "$wheel" "$tmp/wheel2/${wheel##*/}"
exits 'another environment, without numpy' 0 '' "$python" -m venv "$tmp/bare"
exits 'the wheel goes in' 0 '' "$tmp/bare/bin/pip" install --quiet --no-index --no-deps "$wheel"
suite 'the wheel' env -C / HOME="$tmp" BITNET_PROGRAM=/nowhere "$tmp/bare/bin/python" "$root/tests/python/check.py"
exits 'it uses its own library and plugins' 0 '' env -C / "$tmp/bare/bin/python" -c "
import bitnet
from bitnet import _native
maps = open('/proc/self/maps')
m = bitnet.Model()
text = open('/proc/self/maps').read()
assert _native.NATIVE + '/libbitnet.so.0' in text, text
assert m.info.backend_warning == '', m.info
assert m.info.backend == 'ref-scalar' or _native.NATIVE + '/plugins/' in text, m.info
for name in ('libhwloc', 'libutf8proc', 'libcrypto'):
    assert all(_native.NATIVE in line for line in text.splitlines() if name in line), name"
summary
