/*
 * args.c - see args.h.
 *
 * The one idea: a row of the table says everything about an option: who takes it, what its value
 * must be, where it goes, and how --help describes it.
 */
#include "cmd/args.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/spelling.h"
#include "convert/trits_out.h"
#include "run/logprob.h"

enum kind {
    FLAG,
    TEXT,
    UINT,
    OPTIONAL_UINT,
    SEED,
    REAL,
    LIST,
    STOP,
    NAME,
    BIND,
    GREEDY,
    DRAFT,
    BIAS
};

struct option_row {
    const char *name;
    char letter; /* 0 for none */
    unsigned commands;
    enum kind kind;
    size_t field;      /* offset in cmd_args */
    double lo, hi;     /* of numbers */
    const char *value; /* what --help calls the value; NULL for flags */
    const char *help;
};

#define F(member) offsetof(struct cmd_args, member)
#define MODELS                                                                                     \
    (CMD_RUN | CMD_CHAT | CMD_TOKENIZE | CMD_INSPECT | CMD_BENCH | CMD_PERPLEXITY | CMD_VERIFY |   \
     CMD_PARITY | CMD_SERVE | CMD_EMBED | CMD_BATCH)
#define COMPUTES                                                                                   \
    (CMD_RUN | CMD_CHAT | CMD_BENCH | CMD_PERPLEXITY | CMD_VERIFY | CMD_PARITY | CMD_SERVE |       \
     CMD_EMBED | CMD_BATCH)
#define MAKES (CMD_QUANTIZE | CMD_CONVERT)
#define EVERY (MODELS | CMD_BACKENDS | CMD_PULL | CMD_MODELS | MAKES)

static const struct option_row table[] = {
    {"model", 'm', MODELS, TEXT, F(model), 0, 0, "FILE",
     "GGUF file, or ORG/NAME[/FILE][@REV] on the hub (default: the model in models/)"},
    {"offline", 0, MODELS | CMD_PULL | CMD_QUANTIZE, FLAG, F(offline), 0, 0, NULL,
     "never ask the hub; so does HF_HUB_OFFLINE=1"},
    {"remove", 0, CMD_MODELS, TEXT, F(remove), 0, 0, "NAME",
     "take ORG/NAME or ORG/NAME/FILE out of the cache"},
    {"ignore-key", 0, (MODELS & ~CMD_VERIFY) | CMD_QUANTIZE, NAME, F(ignore_keys), 0, 0, "NAME",
     "as if the file had no such key; may be given 16 times"},
    {"type", 0, MAKES, TEXT, F(type), 0, 0, "T", "of the ternary matrices: " BNT_TRITS_TYPES},
    {"embeddings", 0, CMD_CONVERT, TEXT, F(embeddings), 0, 0, "T",
     "type of embeddings and head: f16 (default), bf16, f32, q8_0, q6_k"},
    {"scale", 0, CMD_CONVERT, TEXT, F(scale), 0, 0, "M",
     "what weight_scale of packed weights does: multiply or divide (default: as the config says)"},
    {"weights", 0, CMD_CONVERT, TEXT, F(weights), 0, 0, "W",
     "floats are ternary, or master weights to be rounded: master (default: as the config says)"},
    {"check", 0, CMD_CONVERT, FLAG, F(check), 0, 0, NULL,
     "let the new model foresee a short text, and say how well it did"},
    {"round-scales", 0, MAKES, FLAG, F(round_scales), 0, 0, NULL,
     "scales that the type cannot hold become the nearest that it can"},
    {"prompt", 'p', CMD_RUN, TEXT, F(prompt), 0, 0, "TEXT",
     "text to continue (default: start from BOS)"},
    {"prompt", 'p', CMD_CHAT, TEXT, F(prompt), 0, 0, "TEXT",
     "one turn with this message, then leave"},
    {"prompt", 'p', CMD_EMBED, TEXT, F(prompt), 0, 0, "TEXT", "the text (or a pipe, or -f)"},
    {"lines", 0, CMD_EMBED, FLAG, F(lines), 0, 0, NULL, "each line is a text; empty ones are none"},
    {"pooling", 0, CMD_EMBED, TEXT, F(pooling), 0, 0, "P",
     "mean, first or last of the hidden states (default: as the file says, else mean)"},
    {"normalize", 0, CMD_EMBED, FLAG, F(normalize), 0, 0, NULL, "vectors of length 1"},
    {"raw", 0, CMD_EMBED, FLAG, F(raw), 0, 0, NULL, "print the bytes of binary32 numbers"},
    {"cosine", 0, CMD_EMBED, FLAG, F(cosine), 0, 0, NULL, "how alike each two texts are"},
    {"system", 0, CMD_CHAT, TEXT, F(system), 0, 0, "TEXT",
     "what comes before the conversation (default: what the template says)"},
    {"chat-template", 0, CMD_CHAT | CMD_SERVE | CMD_BATCH, TEXT, F(chat_template), 0, 0, "T",
     "a Jinja file, or llama3 bitnet qwen2 qwen2.5 chatml llama2 falcon3 instruct raw (default: "
     "the model's own)"},
    {"chat-template", 0, CMD_VERIFY, TEXT, F(chat_template), 0, 0, "FILE",
     "the template file that a conversation was made with"},
    {"date", 0, CMD_CHAT | CMD_SERVE | CMD_BATCH, TEXT, F(date), 0, 0, "YYYY-MM-DD",
     "what a template that asks for it is told (default: today, UTC)"},
    {"prompt", 'p', CMD_VERIFY, TEXT, F(prompt), 0, 0, "TEXT",
     "the prompt, where the receipt's tokens do not give it back"},
    {"file", 'f', CMD_RUN | CMD_TOKENIZE | CMD_EMBED | CMD_PERPLEXITY | CMD_VERIFY, TEXT, F(file),
     0, 0, "FILE", "read the text from FILE; - is stdin"},
    {"predict", 'n', CMD_RUN, UINT, F(n_predict), 0, 1e9, "N",
     "tokens to generate at most (default 128)"},
    {"predict", 'n', CMD_CHAT, UINT, F(n_predict), 1, 1e9, "N",
     "tokens of an answer at most (default 512, or half of the context)"},
    {"predict", 'n', CMD_PARITY, UINT, F(n_predict), 1, 1000, "N", "greedy steps (default 4)"},
    {"threads", 't', COMPUTES | MAKES, LIST, F(threads), 1, 1024, "N",
     "threads (default: one per physical core)"},
    {"ctx", 'c', CMD_RUN | CMD_CHAT | CMD_PERPLEXITY | CMD_SERVE | CMD_EMBED | CMD_BATCH, UINT,
     F(ctx), 1, 16777216, "N", "context in tokens (default: the model's, at most 4096)"},
    {"batch", 'b', COMPUTES, UINT, F(batch), 1, 8192, "N", "tokens computed at once (default 512)"},
    {"i2s-layout", 0, COMPUTES | CMD_INSPECT | CMD_QUANTIZE, TEXT, F(i2s_layout), 0, 0, "L",
     "how I2_S weights are packed: a, b, c, or auto (default): as the weights tell"},
    {"backend", 0, COMPUTES, TEXT, F(backend), 0, 0, "NAME",
     "auto (default), or a plugin's name, NAME:VARIANT for one of its kernel sets: that or an "
     "error"},
    {"plugin-dir", 0, COMPUTES | CMD_BACKENDS, TEXT, F(plugin_dir), 0, 0, "DIR",
     "folder of the plugins"},
    {"draft", 0, CMD_RUN | CMD_CHAT, DRAFT, F(no_draft), 0, 0, "MODE",
     "lookup (default): guess that the text repeats itself, which changes no byte; or off"},
    {"cpu-bind", 0, COMPUTES, BIND, F(bind_none), 0, 0, "MODE",
     "core (default: one thread per core), or none"},
    {"temp", 0, CMD_RUN | CMD_CHAT, REAL, F(temp), 0, 100, "T",
     "temperature; 0 is greedy (default 0)"},
    {"top-k", 0, CMD_RUN | CMD_CHAT, UINT, F(top_k), 0, 1e9, "K",
     "sample from the K likeliest tokens; 0: all"},
    {"top-p", 0, CMD_RUN | CMD_CHAT, REAL, F(top_p), 0, 1, "P",
     "... from the likeliest of total probability P"},
    {"min-p", 0, CMD_RUN | CMD_CHAT, REAL, F(min_p), 0, 1, "P",
     "... at least P times as likely as the likeliest"},
    {"repeat-penalty", 0, CMD_RUN | CMD_CHAT, REAL, F(repeat_penalty), 1e-3, 1e3, "X",
     "make the last 64 tokens X times less likely (default 1)"},
    {"presence-penalty", 0, CMD_RUN | CMD_CHAT, REAL, F(presence_penalty), -100, 100, "X",
     "take X from the logit of each token that was made (default 0)"},
    {"frequency-penalty", 0, CMD_RUN | CMD_CHAT, REAL, F(frequency_penalty), -100, 100, "X",
     "... X for each time that it was made (default 0)"},
    {"logit-bias", 0, CMD_RUN | CMD_CHAT, BIAS, F(biases), 0, 0, "ID+X",
     "add X (or, as ID-X, take it) to the logit of token ID; may be given 1024 times"},
    {"logprobs", 0, CMD_RUN | CMD_CHAT, UINT, F(top_logprobs), 0, BNT_LOGPROBS_MOST, "N",
     "with --json: log-probabilities, also of the N likeliest tokens of each step"},
    {"each", 0, CMD_PERPLEXITY, FLAG, F(each), 0, 0, NULL,
     "with --json: the log-probability of each token of the text"},
    {"choice", 0, CMD_RUN | CMD_CHAT, UINT, F(choice), 0, 1e6, "K",
     "the K-th of several answers under one seed (default 0)"},
    {"seed", 0, CMD_RUN | CMD_CHAT | CMD_PARITY, SEED, F(seed), 0, 0, "N",
     "of the random numbers (default: a new one)"},
    {"greedy", 0, CMD_RUN | CMD_CHAT, GREEDY, F(temp), 0, 0, NULL,
     "always the likeliest token (the default)"},
    {"json-schema", 0, CMD_RUN | CMD_CHAT, TEXT, F(json_schema), 0, 0, "S",
     "write JSON that is valid by this schema: a file, or its text"},
    {"grammar", 0, CMD_RUN | CMD_CHAT, TEXT, F(grammar), 0, 0, "FILE",
     "write what this grammar (GBNF) describes"},
    {"format", 0, CMD_RUN | CMD_CHAT, TEXT, F(format), 0, 0, "json", "write a JSON object"},
    {"json-schema", 0, CMD_VERIFY, TEXT, F(json_schema), 0, 0, "S",
     "the schema that the text was made with, the same bytes"},
    {"grammar", 0, CMD_VERIFY, TEXT, F(grammar), 0, 0, "FILE",
     "the grammar that the text was made with, the same bytes"},
    {"stop", 0, CMD_RUN | CMD_CHAT, STOP, F(stops), 0, 0, "TEXT",
     "stop before TEXT; may be given 16 times"},
    {"ignore-eos", 0, CMD_RUN, FLAG, F(ignore_eos), 0, 0, NULL, "go on after an end-of-text token"},
    {"full-logits", 0, CMD_RUN, FLAG, F(full_logits), 0, 0, NULL,
     "compute and digest all logits, not only those that sampling needs"},
    {"echo", 0, CMD_RUN, FLAG, F(echo), 0, 0, NULL, "print the prompt before the text"},
    {"verbose-prompt", 0, CMD_RUN, FLAG, F(verbose_prompt), 0, 0, NULL,
     "list the prompt's tokens on stderr"},
    {"debug-tokens", 0, CMD_RUN | CMD_TOKENIZE, OPTIONAL_UINT, F(debug_tokens), 1, 1e9, "[=N]",
     "describe the first N tokens (default 8) on stderr"},
    {"no-bos", 0, CMD_RUN | CMD_TOKENIZE | CMD_EMBED, FLAG, F(no_bos), 0, 0, NULL,
     "do not put BOS before the text"},
    {"parse-special", 0, CMD_RUN | CMD_TOKENIZE, FLAG, F(parse_special), 0, 0, NULL,
     "text of control tokens becomes those tokens"},
    {"ids", 0, CMD_TOKENIZE, FLAG, F(ids), 0, 0, NULL, "print only the ids, separated by spaces"},
    {"decode", 0, CMD_TOKENIZE, FLAG, F(decode), 0, 0, NULL,
     "the text is ids: print what they mean"},
    {"prompt-tokens", 'p', CMD_BENCH, LIST, F(prompt_sizes), 0, 1e6, "LIST",
     "prefill sizes (default 512)"},
    {"gen-tokens", 'n', CMD_BENCH, LIST, F(predict_sizes), 0, 1e6, "LIST",
     "decode sizes (default 128)"},
    {"depth", 'd', CMD_BENCH, LIST, F(depths), 0, 1e6, "LIST",
     "tokens already in the context (default 0)"},
    {"sequences", 'B', CMD_BENCH, LIST, F(sequences), 1, 256, "LIST",
     "decode of so many sequences together (default 1)"},
    {"accept", 0, CMD_BENCH, LIST, F(accept), 1, 100, "LIST",
     "decode with guesses of which so many in a hundred are right"},
    {"repetitions", 'r', CMD_BENCH, UINT, F(repeat), 1, 1000, "N", "of each test (default 5)"},
    {"kernels", 0, CMD_BENCH, FLAG, F(kernels), 0, 0, NULL,
     "time each kernel by itself instead (without -m: shapes of a 2B model)"},
    {"receipt", 0, CMD_RUN | CMD_CHAT | CMD_BENCH, TEXT, F(receipt), 0, 0, "FILE",
     "write what was computed, and how, for bitnet verify"},
    {"sign", 0, CMD_RUN | CMD_CHAT | CMD_SERVE | CMD_BATCH, TEXT, F(sign), 0, 0, "KEY",
     "sign the receipt: an Ed25519 key in PEM, as openssl genpkey makes it"},
    {"signer", 0, CMD_VERIFY, TEXT, F(signer), 0, 0, "PUB",
     "the receipt must be signed by this key, a public one"},
    {"force", 0, CMD_RUN | CMD_CHAT | CMD_BENCH | CMD_PARITY, FLAG, F(force), 0, 0, NULL,
     "let a receipt replace a file that is none"},
    {"force", 0, MAKES, FLAG, F(force), 0, 0, NULL, "let the new file replace one that is there"},
    {"fast", 0, CMD_VERIFY, FLAG, F(fast), 0, 0, NULL, "structure and hashes only, no computing"},
    {"locate", 0, CMD_VERIFY, FLAG, F(locate), 0, 0, NULL,
     "when the replay differs: in which operation, layer and row it arose"},
    {"spot-check", 0, CMD_RUN, REAL, F(spot_check), 0, 1, "P",
     "recompute a row in a share P of the operations; a difference ends the run"},
    {"against", 0, CMD_PARITY, TEXT, F(against), 0, 0, "NAME",
     "the backend that judges (default ref-scalar)"},
    {"prompt-set", 0, CMD_PARITY, TEXT, F(prompt_set), 0, 0, "SET",
     "math (default), chat, long, a list of them (math,chat), or all"},
    {"free", 0, CMD_PARITY, FLAG, F(free_run), 0, 0, NULL, "free-running only: tokens and logits"},
    {"lockstep", 0, CMD_PARITY, FLAG, F(lockstep), 0, 0, NULL,
     "lock-step only: each operation, from the same inputs"},
    {"first-only", 0, CMD_PARITY, FLAG, F(first_only), 0, 0, NULL,
     "lock-step judges up to the first difference"},
    {"chaos", 0, CMD_RUN | CMD_PARITY, SEED, F(chaos), 0, 0, "SEED",
     "every slice on a backend drawn at random: no token may change"},
    {"timeout", 0, CMD_PARITY, UINT, F(timeout), 1, 86400, "S",
     "seconds until it is given up (default 120)"},
    {"output", 'o', CMD_CONVERT, TEXT, F(output), 0, 0, "FILE", "the GGUF file to make"},
    {"output", 'o', CMD_PARITY, TEXT, F(output), 0, 0, "FILE",
     "where the receipt goes (default parity-NAME.json)"},
    {"host", 0, CMD_SERVE, TEXT, F(host), 0, 0, "ADDRESS",
     "where to listen (default 127.0.0.1: this machine alone)"},
    {"port", 0, CMD_SERVE, UINT, F(port), 0, 65535, "N",
     "port (default 8080); 0: one that is free, which is printed"},
    {"alias", 0, CMD_SERVE | CMD_BATCH, NAME, F(aliases), 0, 0, "NAME",
     "requests may call the model this, too; may be given 16 times"},
    {"api-key-file", 0, CMD_SERVE, TEXT, F(api_key_file), 0, 0, "FILE",
     "who asks must know one of the keys in FILE, one a line"},
    {"cors", 0, CMD_SERVE, TEXT, F(cors), 0, 0, "ORIGIN",
     "let pages of ORIGIN ask, or of any: * (default: none)"},
    {"parallel", 0, CMD_SERVE | CMD_BATCH, UINT, F(parallel), 1, 256, "N",
     "answers made at once (default 8)"},
    {"output", 'o', CMD_BATCH, TEXT, F(output), 0, 0, "FILE",
     "the results, in the order of the lines; what is there already is not done again"},
    {"shard", 0, CMD_BATCH, TEXT, F(shard), 0, 0, "I/N",
     "only part I of N, from 0 (default: as Slurm, MPI or an indexed job says); /N: I as they say"},
    {"queue", 0, CMD_SERVE, UINT, F(queue), 0, 1e6, "N",
     "answers that may wait besides (default 256); more are refused"},
    {"prefix-cache", 0, CMD_SERVE | CMD_BATCH, UINT, F(prefix_cache), 0, 1e6, "MB",
     "memory for beginnings of prompts, which are then not computed again (default 1024)"},
    {"connections", 0, CMD_SERVE, UINT, F(connections), 1, 60000, "N",
     "connections at once (default 1024)"},
    {"receipts", 0, CMD_SERVE | CMD_BATCH, TEXT, F(receipts), 0, 0, "DIR",
     "where receipts that are asked for are kept (serve without: the last 512, in memory)"},
    {"drain", 0, CMD_SERVE, UINT, F(drain), 0, 86400, "S",
     "seconds that answers may take to end after SIGTERM (default 30)"},
    {"html", 0, CMD_PARITY, TEXT, F(html), 0, 0, "FILE",
     "a report to look at: layers by operations, the first difference marked"},
    {"plot", 0, CMD_BENCH, TEXT, F(plot), 0, 0, "FILE", "the results as bars, an SVG file"},
    {"csv", 0, CMD_BENCH, FLAG, F(csv), 0, 0, NULL, "print comma-separated values"},
    {"all", 0, CMD_INSPECT, FLAG, F(all), 0, 0, NULL, "list every key and tensor"},
    {"json", 0, EVERY, FLAG, F(json), 0, 0, NULL, "print one JSON object"},
    {"help", 'h', EVERY, FLAG, F(help), 0, 0, NULL, "show this"},
};
enum { ROWS = sizeof table / sizeof table[0] };

static int parse_real(const char *s, double lo, double hi, double *out) {
    char *end;
    errno = 0;
    double v = strtod(s, &end);
    if (end == s || *end || errno || !(v >= lo && v <= hi)) return -1;
    *out = v;
    return 0;
}

static int parse_u64(const char *s, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long v = strtoull(s, &end, 10);
    if (s[0] < '0' || s[0] > '9' || *end || errno) return -1;
    *out = v;
    return 0;
}

static int parse_uint(const char *s, const struct option_row *row, uint32_t *out) {
    uint64_t v;
    if (parse_u64(s, &v) != 0 || (double)v < row->lo || (double)v > row->hi) return -1;
    *out = (uint32_t)v;
    return 0;
}

/* "15043+1" or "15043-0.5", the spelling of llama.cpp; kept by rising id. */
static int store_bias(struct cmd_args *args, const char *source, const char *value,
                      struct bnt_err *err) {
    const size_t digits = strspn(value, "0123456789");
    char word[16] = "";
    double bias = 0.0;
    uint64_t id = UINT64_MAX;
    if (digits && digits < sizeof word) memcpy(word, value, digits);
    if (parse_u64(word, &id) != 0 || id > INT32_MAX || !strchr("+-", value[digits]) ||
        !value[digits] || parse_real(value + digits, -100.0, 100.0, &bias) != 0) {
        char shown[64];
        return bnt_fail(err, BNT_E_USAGE,
                        "%s: '%s' is no token's id, + or -, and a number up to 100, like 15043-1.5",
                        source, bnt_printable(shown, sizeof shown, value, strlen(value)));
    }
    if (args->n_biases == BNT_BIASES_MOST)
        return bnt_fail(err, BNT_E_USAGE, "%s: more than %d of them", source, BNT_BIASES_MOST);
    unsigned at = args->n_biases;
    while (at > 0 && args->biases[at - 1].id >= (int32_t)id) at--;
    if (at < args->n_biases && args->biases[at].id == (int32_t)id)
        return bnt_fail(err, BNT_E_USAGE, "%s: token %" PRIu64 " has two", source, id);
    memmove(args->biases + at + 1, args->biases + at, (args->n_biases - at) * sizeof *args->biases);
    args->biases[at] = (struct bnt_bias){(int32_t)id, (float)bias};
    args->n_biases++;
    return BNT_OK;
}

static int parse_list(const char *s, const struct option_row *row, struct cmd_list *out) {
    char word[32];
    out->count = 0;
    for (;;) {
        size_t len = strcspn(s, ",");
        if (len == 0 || len >= sizeof word || out->count == MAX_LIST) return -1;
        memcpy(word, s, len);
        word[len] = '\0';
        if (parse_uint(word, row, &out->values[out->count++]) != 0) return -1;
        if (!s[len]) return 0;
        s += len + 1;
    }
}

static int bad_value(const struct option_row *row, const char *source, const char *value,
                     struct bnt_err *err) {
    char shown[64];
    bnt_printable(shown, sizeof shown, value, strlen(value));
    if (row->hi > row->lo)
        return bnt_fail(err, BNT_E_USAGE, "%s: '%s' is not a %s from %g to %g%s", source, shown,
                        row->kind == REAL ? "number" : "whole number", row->lo, row->hi,
                        row->kind == LIST ? " (or a list of them, a,b,c)" : "");
    return bnt_fail(err, BNT_E_USAGE, "%s: '%s' is not a value it can have", source, shown);
}

/* Stores `value` (NULL for flags) where the row says; `source` names the option or variable. */
static int store(struct cmd_args *args, const struct option_row *row, const char *source,
                 const char *value, struct bnt_err *err) {
    void *field = (char *)args + row->field;
    double real;
    unsigned *count;
    int bad = 0;
    switch (row->kind) {
    case FLAG: *(bool *)field = true; break;
    case GREEDY:
        args->temp = 0.0f;
        args->temp_given = true;
        break;
    case TEXT: *(const char **)field = value; break;
    case UINT: bad = parse_uint(value, row, field); break;
    case OPTIONAL_UINT:
        *(uint32_t *)field = 8;
        if (value) bad = parse_uint(value, row, field);
        break;
    case LIST: bad = parse_list(value, row, field); break;
    case SEED:
        bad = parse_u64(value, field) != 0 || *(uint64_t *)field > INT64_MAX; /* JSON has no more */
        *(row->field == F(seed) ? &args->seed_given : &args->chaos_given) = true;
        break;
    case REAL:
        bad = parse_real(value, row->lo, row->hi, &real);
        if (!bad) *(float *)field = (float)real;
        break;
    case BIND:
        bad = strcmp(value, "none") != 0 && strcmp(value, "core") != 0;
        args->bind_none = strcmp(value, "none") == 0;
        break;
    case DRAFT:
        bad = strcmp(value, "lookup") != 0 && strcmp(value, "off") != 0;
        args->no_draft = strcmp(value, "off") == 0;
        break;
    case NAME: /* printable ASCII, which a receipt can hold */
        count = row->field == F(aliases) ? &args->n_aliases : &args->n_ignore_keys;
        if (*count == MAX_NAMES)
            return bnt_fail(err, BNT_E_USAGE, "%s: more than %d of them", source, MAX_NAMES);
        bad = value[0] == '\0';
        for (const char *c = value; *c; c++) bad |= *c <= ' ' || *c > '~';
        ((const char **)field)[(*count)++] = value;
        break;
    case BIAS: return store_bias(args, source, value, err);
    case STOP:
        if (args->n_stops == MAX_STOPS)
            return bnt_fail(err, BNT_E_USAGE, "%s: more than %d of them", source, MAX_STOPS);
        bad = value[0] == '\0';
        args->stops[args->n_stops++] = value;
        break;
    }
    if (bad) return bad_value(row, source, value, err);
    if (row->field == F(temp)) args->temp_given = true;
    if (row->field == F(top_logprobs)) args->logprobs = true;
    if (row->field == F(top_k) || row->field == F(top_p) || row->field == F(min_p))
        args->truncation_given = true;
    return BNT_OK;
}

static const struct option_row *find_row(enum cmd_id command, const char *name, int letter) {
    for (size_t i = 0; i < ROWS; i++) {
        if ((table[i].commands & command) &&
            (name ? strcmp(table[i].name, name) == 0 : table[i].letter == letter))
            return &table[i];
    }
    return NULL;
}

static int read_environment(struct cmd_args *args, struct bnt_err *err) {
    static const struct {
        const char *variable, *option;
        unsigned commands;
    } map[] = {{"BITNET_THREADS", "threads", ~0u},
               {"BITNET_BACKEND", "backend", ~0u},
               {"BITNET_SEED", "seed", ~0u},
               {"CROSSVAL_GGUF", "model", CMD_PARITY},
               {"CROSSVAL_PROMPT_SET", "prompt-set", CMD_PARITY},
               {"PARITY_TEST_TIMEOUT_SECS", "timeout", CMD_PARITY}};
    for (size_t i = 0; i < sizeof map / sizeof map[0]; i++) {
        const char *value = getenv(map[i].variable);
        const struct option_row *row = find_row(args->command, map[i].option, 0);
        if (!value || !*value || !row || !(map[i].commands & args->command)) continue;
        int status = store(args, row, map[i].variable, value, err);
        if (status != BNT_OK) return status;
    }
    const char *deterministic = getenv("BITNET_DETERMINISTIC");
    if (deterministic && *deterministic && strcmp(deterministic, "0") != 0) args->seed_given = true;
    return BNT_OK;
}

/* The table as getopt_long wants it, for one command. */
static void build_getopt(enum cmd_id command, struct option *longs, char *shorts) {
    size_t n = 0;
    *shorts++ = ':'; /* report a missing value apart from an unknown option */
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &table[i];
        if (!(row->commands & command)) continue;
        int has = row->kind == OPTIONAL_UINT ? optional_argument
                  : row->value               ? required_argument
                                             : no_argument;
        longs[n++] = (struct option){row->name, has, NULL, 256 + (int)i};
        if (row->letter) {
            *shorts++ = row->letter;
            if (has == required_argument) *shorts++ = ':';
        }
    }
    longs[n] = (struct option){0};
    *shorts = '\0';
}

/* The option of the command that a wrong word is nearest to, "; did you mean --temp?", or that chat
 * has it; or "". */
static const char *meant(char *room, size_t size, enum cmd_id command, const char *word) {
    const char *names[ROWS], *name;
    char chat[40] = "";
    size_t n = 0;
    if (strncmp(word, "--", 2) == 0)
        snprintf(chat, sizeof chat, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    for (size_t i = 0; i < ROWS; i++)
        if (table[i].commands & command) names[n++] = table[i].name;
    room[0] = '\0';
    if ((name = spelling_nearest(word, names, n)) != NULL)
        snprintf(room, size, "; did you mean --%s?", name);
    else if (chat[0] && find_row(CMD_CHAT, chat, 0))
        snprintf(room, size, "; `bitnet chat` takes it");
    return room;
}

/* What getopt_long could not take: `c` is its verdict, optopt the letter or row it was about (0: a
 * name that is not known, which is in `word`). */
static int refused(enum cmd_id command, int c, const char *word, struct bnt_err *err) {
    char shown[64], hint[80];
    const char *typed;
    if (optopt >= 256)
        snprintf(shown, sizeof shown, "--%s", table[optopt - 256].name);
    else if (optopt)
        snprintf(shown, sizeof shown, optopt > ' ' && optopt < 127 ? "-%c" : "-\\x%02x",
                 (unsigned)optopt & 255);
    else
        bnt_printable(shown, sizeof shown, word, strlen(word));
    typed = spelling_typed(shown);
    if (c == ':') return bnt_fail(err, BNT_E_USAGE, "option '%s' needs a value", typed);
    if (optopt >= 256) return bnt_fail(err, BNT_E_USAGE, "option '%s' takes no value", typed);
    return bnt_fail(err, BNT_E_USAGE, "unknown option '%s'%s", typed,
                    meant(hint, sizeof hint, command, optopt ? "" : word));
}

/* "-temp": getopt would take it for -t with the value "emp". */
static int check_dashes(enum cmd_id command, int argc, char **argv, struct bnt_err *err) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        char name[64];
        const size_t len = strcspn(argv[i], "=");
        if (len < 3 || len > sizeof name || argv[i][0] != '-' || argv[i][1] == '-') continue;
        snprintf(name, sizeof name, "%.*s", (int)len - 1, argv[i] + 1);
        if (find_row(command, name, 0))
            return bnt_fail(err, BNT_E_USAGE, "unknown option '-%s'; did you mean --%s?", name,
                            name);
    }
    return BNT_OK;
}

/* A word that is no option, for a command that takes none. */
static int stray(const char *word, struct bnt_err *err) {
    static const char suffix[] = ".gguf";
    char shown[64];
    const size_t n = strlen(word), s = sizeof suffix - 1;
    bnt_printable(shown, sizeof shown, word, n);
    if (n > s && strcmp(word + n - s, suffix) == 0)
        return bnt_fail(err, BNT_E_USAGE, "what is '%s'? A model is given by -m", shown);
    return bnt_fail(err, BNT_E_USAGE, "what is '%s'? A prompt is given by -p", shown);
}

static int parse_words(struct cmd_args *args, enum cmd_id command, int argc, char **argv,
                       struct bnt_err *err) {
    struct option longs[ROWS + 1];
    char shorts[2 * ROWS + 2];
    *args = (struct cmd_args){.command = command,
                              .n_predict = command == CMD_PARITY ? 4
                                           : command == CMD_CHAT ? 0
                                                                 : 128,
                              .timeout = 120,
                              .host = "127.0.0.1",
                              .port = 8080,
                              .parallel = 8,
                              .queue = 256,
                              .prefix_cache = 1024,
                              .connections = 1024,
                              .drain = 30,
                              .top_p = 1.0f,
                              .repeat_penalty = 1.0f,
                              .repeat = 5};
    int c, status = read_environment(args, err);
    if (status != BNT_OK || (status = check_dashes(command, argc, argv, err)) != BNT_OK)
        return status;
    build_getopt(command, longs, shorts);
    opterr = 0;
    optind = 0; /* begin anew, wherever an earlier call stopped */
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        char source[64];
        if (c == ':' || c == '?')
            return refused(command, c, argv[optind > 1 ? optind - 1 : 1], err);
        const struct option_row *row = c >= 256 ? &table[c - 256] : find_row(command, NULL, c);
        if (!row) return bnt_fail(err, BNT_E_USAGE, "unknown option -%c", c);
        snprintf(source, sizeof source, "--%s", row->name);
        if ((status = store(args, row, source, optarg, err)) != BNT_OK) return status;
    }
    if (optind < argc) args->operand = argv[optind++];
    if (optind < argc && command == CMD_QUANTIZE) args->second = argv[optind++];
    if (optind < argc) {
        char shown[64];
        return bnt_fail(err, BNT_E_USAGE, "%s: '%s'",
                        command == CMD_VERIFY ? "one receipt at a time, and this is another"
                                              : "one word too many",
                        bnt_printable(shown, sizeof shown, argv[optind], strlen(argv[optind])));
    }
    if (args->operand &&
        !(command & (CMD_BATCH | CMD_TOKENIZE | CMD_INSPECT | CMD_VERIFY | CMD_PULL | MAKES)))
        return stray(args->operand, err);
    if (command == CMD_RUN && args->sign && !args->receipt)
        return bnt_fail(err, BNT_E_USAGE, "--sign says nothing without --receipt");
    if (command == CMD_BATCH && args->sign && !args->receipts)
        return bnt_fail(err, BNT_E_USAGE, "--sign says nothing without --receipts");
    if (command == CMD_RUN && args->logprobs && !args->json && !args->receipt)
        return bnt_fail(err, BNT_E_USAGE, "--logprobs says nothing without --json or --receipt");
    if (args->each && !args->json)
        return bnt_fail(err, BNT_E_USAGE, "--each says nothing without --json");
    /* Who asks for a truncation wants sampling. */
    if (args->truncation_given && !args->temp_given) args->temp = 0.8f;
    return BNT_OK;
}

int cmd_parse(struct cmd_args *args, enum cmd_id command, int argc, char **argv,
              struct bnt_err *err) {
    char **words = calloc((size_t)argc + 1, sizeof *words);
    int count;
    if (!words) return bnt_fail_nomem(err, "the command line", (size_t)argc * sizeof *words);
    int status = spelling_translate(words, &count, argc, argv, err);
    if (status == BNT_OK) status = parse_words(args, command, count, words, err);
    free(words);
    return status;
}

void cmd_print_options(enum cmd_id command) {
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &table[i];
        char left[64], letter[8] = "    ";
        if (!(row->commands & command)) continue;
        if (row->letter) snprintf(letter, sizeof letter, "-%c, ", row->letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, row->name,
                 row->value && row->value[0] != '[' ? " " : "", row->value ? row->value : "");
        printf("  %-26s %s\n", left, row->help);
    }
}

void cmd_list_options(enum cmd_id command) {
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &table[i];
        const char letter[2] = {row->letter, '\0'};
        if (row->commands & command)
            printf("%s\t%s\t%s\t%s\n", row->name, letter, row->value ? row->value : "", row->help);
    }
}
