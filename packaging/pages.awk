# pages.awk - a manual page for each command, out of docs/bitnet.1; called by install.mk with OUT=FOLDER.
# The one idea: docs/bitnet.1 stays the only place where anything is written. An entry of COMMANDS
# becomes the description; of the entries of OPTIONS, each of which ends with the commands that take it, a
# page has its own.
#
# Two passes over the same file: the first learns the commands, the second writes.

/^\.SH / { section = substr($0, 5) }

# ---- first pass: synopses and what is said of each command
NR == FNR {
    if ($0 ~ /^\.TH /) head = $0
    if (section == "SYNOPSIS") synopsis($0)
    if (section == "COMMANDS") {
        if (after_tp && $0 ~ /^\.B [a-z]+$/) {
            command = substr($0, 4)
            names[++n] = command
        } else if ($0 != ".TP" && $0 !~ /^\.SH/ && command) {
            said[command] = said[command] $0 "\n"
        }
    }
    after_tp = $0 == ".TP"
    next
}

# ---- second pass: options, and the section about benchmarks
section == "OPTIONS" && /^\.SH OPTIONS/ { next }
section == "OPTIONS" && (/^\.SS / || /^\.TP/ || /^\.SH/) { entry_ends() }
section == "OPTIONS" && /^\.SS / { heading = $0; next }
section == "OPTIONS" && /^\([a-z, ]+\)$/ { takes = $0; next }
section == "OPTIONS" { if (entry || /^\.TP/) entry = entry $0 "\n"; else intro = intro $0 "\n"; next }
section == "BENCHMARK" && /^\.SS/ { section = "" }
section == "BENCHMARK" { benchmark = benchmark $0 "\n" }
{ if (entry) entry_ends() }
END {
    for (i = 1; i <= n; i++) page(names[i])
}

# Forms of the SYNOPSIS are ended by .br; the words of a form say the command.
function synopsis(line,    word) {
    if (line ~ /^\.SH/) return
    if (line == ".br" || line ~ /^\.SH/) { form = ""; which = ""; return }
    form = form line "\n"
    if (line ~ /^\.RB \[ run \]/) which = "run"
    else if (match(line, /^\.B bitnet [a-z]+/)) which = substr(line, 11)
    if (line ~ /^\.B bitnet$/) return
    if (which) forms[which] = form
}

function entry_ends(    list, word, k, i, c) {
    if (!entry) return
    gsub(/[(),]/, "", takes)
    list = " " takes " "
    k = split(takes, word, " ")
    for (i = 1; i <= n; i++) {
        c = names[i]
        if (word[1] == "all" ? index(list, " " c " ") == 0 : index(list, " " c " ") > 0) {
            if (shown[c] != heading) own[c] = own[c] heading "\n"
            shown[c] = heading
            own[c] = own[c] entry
        }
    }
    entry = takes = ""
}

# The first sentence of an entry, without markup: what the page's NAME line says.
function summary(text,    s) {
    s = text
    gsub(/\n\.[A-Z]+ /, " ", s)
    sub(/^\.[A-Z]+ /, "", s)
    gsub(/\n/, " ", s)
    if (match(s, /[.:;](  *|$)/)) s = substr(s, 1, RSTART - 1)
    sub(/ \(.*/, "", s)
    return tolower(substr(s, 1, 1)) substr(s, 2)
}

function page(c,    file, upper) {
    file = OUT "/bitnet-" c ".1"
    upper = head
    sub(/TH BITNET/, "TH BITNET\\-" toupper(c), upper)
    printf "'\\\" t\n%s\n.SH NAME\nbitnet\\-%s \\- %s\n", upper, c, summary(said[c]) >file
    printf ".SH SYNOPSIS\n%s", forms[c] ? forms[c] : ".B bitnet " c "\n.RI [ options ]\n" >file
    printf ".SH DESCRIPTION\n%s", said[c] >file
    printf ".SH OPTIONS\n%s", own[c] >file
    if (c == "bench") printf "%s", benchmark >file
    printf ".SH SEE ALSO\n.BR bitnet (1)\nhas exit statuses, variables of the environment and the other commands.\n" >file
    close(file)
}
