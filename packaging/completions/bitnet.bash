# bash completion for bitnet. The one idea: the program itself says what there is (`bitnet --complete [COMMAND]`,
# lines of fields between tabs), out of its table of options; so nothing here grows old.
# shellcheck shell=bash

_bitnet() {
    local program=${COMP_WORDS[0]} current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local command=run value
    # "--file=x" comes as three words.
    if [ "$current" = = ]; then
        current=
    elif [ "$before" = = ] && [ "$COMP_CWORD" -ge 2 ]; then
        before=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    [[ ${COMP_WORDS[1]} == -* ]] || command=${COMP_WORDS[1]}
    if { [ "$COMP_CWORD" -eq 1 ] && [[ $current != -* ]]; } || { [ "$COMP_CWORD" -eq 2 ] && [ "$command" = help ]; }; then
        mapfile -t COMPREPLY < <(compgen -W "$("$program" --complete 2>/dev/null | cut -f 1)" -- "$current")
        return
    fi
    # Does the word before want a value, and what is it called?
    value=$("$program" --complete "$command" 2>/dev/null |
        awk -F '\t' -v word="$before" 'word == "--" $1 || ($2 && word == "-" $2) { print $3; exit }')
    [[ $value != \[* ]] || value=
    if [[ -z $value && $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$("$program" --complete "$command" 2>/dev/null |
            awk -F '\t' '{ print "--" $1; if ($2) print "-" $2 }')" -- "$current")
    elif [ "$value" = DIR ]; then
        mapfile -t COMPREPLY < <(compgen -d -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -o filenames -F _bitnet bitnet
