#!/bin/sh
# proxies.sh BUILD - packaging/server's nginx.conf and haproxy.cfg as they are (but for ports and certificates): two replicas
# of `bitnet serve`, of which one is killed under load, and no answer is lost (proxies.mjs).
set -u
build=$1
bitnet=$build/bitnet
here=${0%/*}
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/serve/lib.sh
. "$here/lib.sh"
PATH=$PATH:/usr/sbin
proxy='' first='' second=''
# shellcheck disable=SC2086 # those that there are
trap 'kill -9 $proxy $first $second 2>/dev/null; rm -rf "$tmp"' EXIT
examples=$here/../../packaging/server

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key" -out "$tmp/certificate" -days 2 -subj /CN=models.example 2>/dev/null
cat "$tmp/certificate" "$tmp/key" >"$tmp/pem"

# example FILE: it, with the ports and files of this test
example() {
    sed "s,:8081,:$first_port,; s,:8082,:$second_port,; s,listen 443,listen 127.0.0.1:$port,; s,bind :443,bind 127.0.0.1:$port,
         s,/etc/ssl/models.example.key,$tmp/key,; s,/etc/ssl/models.example.pem,$tmp/pem," "$examples/$1"
}
run_nginx() {
    example nginx.conf >"$tmp/bitnet.conf"
    cat >"$tmp/nginx.conf" <<N
daemon off;
pid $tmp/nginx.pid;
error_log $tmp/proxy.log;
events {}
http {
    access_log off;
    client_body_temp_path $tmp/body;
    proxy_temp_path $tmp/proxied;
    fastcgi_temp_path $tmp/fastcgi;
    uwsgi_temp_path $tmp/uwsgi;
    scgi_temp_path $tmp/scgi;
    include $tmp/bitnet.conf;
}
N
    exec nginx -e "$tmp/proxy.log" -c "$tmp/nginx.conf"
}
run_haproxy() {
    example haproxy.cfg >"$tmp/haproxy.cfg"
    exec haproxy -db -f "$tmp/haproxy.cfg"
}
for name in nginx haproxy; do
    start_server --threads 1 && first=$server first_port=$port
    start_server --threads 1 && second=$server second_port=$port
    port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })')
    "run_$name" >"$tmp/proxy.out" 2>&1 &
    proxy=$!
    for _ in $(seq 200); do
        curl -sk -o /dev/null "https://127.0.0.1:$port/health" && break
        kill -0 $proxy 2>/dev/null || break
        sleep 0.05
    done
    node "$here/proxies.mjs" "https://127.0.0.1:$port" "http://127.0.0.1:$first_port" "$second" >"$tmp/results" 2>"$tmp/errors"
    status=$?
    equal "$name: exit status" $status 0
    [ $status -eq 0 ] || head -20 "$tmp/errors" "$tmp/proxy.out"
    count_results "$name: "
    kill $proxy
    kill -9 "$first" "$second" 2>/dev/null
    wait 2>/dev/null
    proxy='' first='' second=''
done
summary
