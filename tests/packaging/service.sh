#!/bin/sh
# service.sh BUILD - packaging/server/bitnet.service, as far as it can be tried without systemd as the first process: it is
# sound, it gives away nothing that it gave away less of before, and what it starts is a server.
set -u
build=$1
# shellcheck source=tests/lib.sh
. "${0%/*}/../lib.sh"
unit=${0%/*}/../../packaging/server/bitnet.service

# A system of its own: Debian's units, ours, and a program where it says one is.
mkdir -p "$tmp/root/etc/systemd/system" "$tmp/root/usr/lib/systemd" "$tmp/root/usr/local/bin"
cp -r /usr/lib/systemd/system "$tmp/root/usr/lib/systemd/"
cp "$unit" "$tmp/root/etc/systemd/system/"
cp "$build/bitnet" "$tmp/root/usr/local/bin/"
complaints() { systemd-analyze verify --man=no --root="$tmp/root" bitnet.service 2>&1 | sed "s,$tmp,,g"; }
equal 'systemd has nothing to say' "$(complaints)" ''
sed -i 's/^ProtectHome=yes/ProtectHome=perhaps/' "$tmp/root/etc/systemd/system/bitnet.service"
ok 'it would say so' sh -c "systemd-analyze verify --man=no --root='$tmp/root' bitnet.service 2>&1 | grep -q perhaps"
# From 0 to 10, as systemd judges; a less exposed one may lower it.
# (1.5 is the unit of 0.11.0.)
ok 'its exposure is at most 1.5' systemd-analyze security --offline=true --threshold=15 --no-pager "$unit"

# The command as it stands there, with what systemd would put in.
mkdir "$tmp/state"
command=$(sed -n 's/^ExecStart=//p' "$unit" | sed -e "s,^/usr/local/bin,$build," -e 's/--port 8080/--port 0/')
cd "${0%/*}/../.." || exit 1
MODEL=models/bitnet-demo-i2_s.gguf STATE_DIRECTORY=$tmp/state sh -c "exec $command" >"$tmp/said" 2>"$tmp/stderr" &
server=$!
while [ ! -s "$tmp/said" ] && kill -0 $server 2>/dev/null; do sleep 0.1; done
ok 'it starts a server' grep -q 'at http://127.0.0.1:[0-9]' "$tmp/said"
equal 'which answers' "$(curl -s "$(sed 's/.* at //' "$tmp/said")/health")" '{"status":"ok"}'
kill -TERM $server
wait $server
equal 'and ends when it is told' "$? $(cat "$tmp/stderr")" '0 '
summary
