# fish completion for bitnet. The program itself says what there is (`bitnet --complete [COMMAND]`, lines of fields
# between tabs), out of its table of options; so nothing here grows old.

# The command that the line has so far; run when there is none.
function __bitnet_command
    set -l words (commandline -opc)
    if set -q words[2]; and not string match -q -- '-*' $words[2]
        echo $words[2]
    else
        echo run
    end
end

function __bitnet_options
    for line in (bitnet --complete (__bitnet_command) 2>/dev/null)
        set -l field (string split \t -- $line)
        printf '%s\t%s\n' --$field[1] $field[4]
        test -n "$field[2]"; and printf '%s\t%s\n' -$field[2] $field[4]
    end
end

complete -c bitnet -n 'test (count (commandline -opc)) -eq 1' -f -a '(bitnet --complete 2>/dev/null)'
complete -c bitnet -n 'test (__bitnet_command) = help' -f -a '(bitnet --complete 2>/dev/null)'
complete -c bitnet -n 'string match -q -- "-*" (commandline -ct)' -f -a '(__bitnet_options)'
