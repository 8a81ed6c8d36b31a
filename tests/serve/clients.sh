#!/bin/sh
# clients.sh BUILD CLIENTS - real clients (npm packages in the folder CLIENTS) against a server: openai.mjs and others
# beside it, each of which prints "ok NAME" or "what-came NAME" for what it tried.
set -u
build=$1 clients=$2
bitnet=$build/bitnet
here=${0%/*}
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
# shellcheck source=tests/serve/lib.sh
. "$here/lib.sh"
unset OPENAI_API_KEY OPENAI_BASE_URL ANTHROPIC_API_KEY ANTHROPIC_BASE_URL OLLAMA_HOST

echo sesame >"$tmp/keys"
run_script() { # SCRIPT
    name=$(basename "$1")
    cp "$1" "$clients/" # packages are looked for beside the script
    run_node "$name: " "$clients/$name" "$url" sesame
}
start_server --api-key-file "$tmp/keys" --threads 1
for script in "$here"/clients/*.mjs; do
    case $script in *-tools.mjs) ;; *) run_script "$script" ;; esac
done
stop_server TERM
equal 'exit status' $? 0
start_server --api-key-file "$tmp/keys" --threads 1 --chat-template "$here/tools.jinja"
for script in "$here"/clients/*-tools.mjs; do run_script "$script"; done
stop_server TERM
equal 'exit status' $? 0
server=
summary
