#!/bin/sh
# completions.sh BUILD - the completions of bash, zsh and fish offer every command, and every option of each, as
# --help has them, and no other.
set -u
build=${1:?the build folder}
# shellcheck source=tests/lib.sh
. "${0%/*}/../lib.sh"
PATH=$(cd "$build" && pwd):$PATH
export PATH
here=$(cd "${0%/*}/../../packaging/completions" && pwd)

bitnet --help | sed -nE 's/^  bitnet ([a-z]+) .*/\1/p' | sort >"$tmp/commands"
ok 'there are commands' test "$(wc -l <"$tmp/commands")" -gt 10
for shell in bash zsh fish; do
    ok "$shell is here (scripts/deps.sh test)" command -v "$shell"
done
help_of() { "$build/bitnet" "$1" --help | sed -nE 's/^ +(-[a-zA-Z0-9]), (--[a-z0-9-]+).*/\1\n\2/p; s/^ +(--[a-z0-9-]+).*/\1/p' | sort -u; }

# $1: the words after `bitnet`, the last of which is to be completed.
# shellcheck disable=SC2016 # those are for the other shell
in_bash() {
    bash --norc -c 'source "$1"; shift; COMP_WORDS=(bitnet "$@"); COMP_CWORD=$#; _bitnet; printf "%s\n" "${COMPREPLY[@]}"' \
        - "$here/bitnet.bash" "$@" | grep . | sort -u
}
in_fish() {
    fish --no-config -c "source '$here/bitnet.fish'; complete -C 'bitnet $*'" | cut -f 1 | sort -u
}
# Without a line to edit: what the function gives to those that zsh has for it.
# shellcheck disable=SC2016
in_zsh() {
    zsh -f -c 'compdef() { : }; file=$1; shift; source $file
        _describe() { print -l -- "${(@P)2%%:*}" }
        _arguments() { print -l -- "${(@M)@:#-*}" }
        words=(bitnet "$@"); CURRENT=$(( $# + 1 )); _bitnet' - "$here/_bitnet" "$@" |
        sed -E 's/^(-?-[a-zA-Z0-9][a-z0-9-]*)[+=[].*/\1/; s/-$//' | grep -vx -e '-S' | grep . | sort -u
}

for shell in bash zsh fish; do
    equal "$shell: commands" "$("in_$shell" '')" "$(cat "$tmp/commands")"
    while read -r command; do
        want=$(help_of "$command")
        equal "$shell: options of $command" "$("in_$shell" "$command" -)" "$want"
    done <"$tmp/commands"
    equal "$shell: without a command, those of run" "$("in_$shell" -)" "$(help_of run)"
    equal "$shell: help, and a command" "$("in_$shell" help '')" "$(cat "$tmp/commands")"
done
touch "$tmp/a model.gguf"
mkdir "$tmp/a folder"
equal 'bash: a file behind an option that wants one' "$(cd "$tmp" && in_bash run -m 'a m')" 'a model.gguf'
equal 'bash: and behind an equals sign' "$(cd "$tmp" && in_bash run --model = 'a m')" 'a model.gguf'
equal 'bash: a folder' "$(cd "$tmp" && in_bash run --plugin-dir a)" 'a folder'
summary
