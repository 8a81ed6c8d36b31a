/*
 * args.h - the command line: one table of options serves parsing, checking and --help.
 */
#ifndef BNT_CMD_ARGS_H
#define BNT_CMD_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "bitnet/bitnet.h"
#include "run/sample.h"

/* Bits, since most options serve several commands. */
enum cmd_id {
    CMD_RUN = 1,
    CMD_TOKENIZE = 2,
    CMD_INSPECT = 4,
    CMD_BACKENDS = 8,
    CMD_BENCH = 16,
    CMD_PERPLEXITY = 32,
    CMD_VERIFY = 64,
    CMD_PARITY = 128,
    CMD_CHAT = 256,
    CMD_PULL = 512,
    CMD_MODELS = 1024,
    CMD_QUANTIZE = 1 << 16,
    CMD_SERVE = 2048,
    CMD_CONVERT = 1 << 17,
    CMD_EMBED = 4096,
    CMD_BATCH = 8192,
};

enum { MAX_STOPS = 16, MAX_NAMES = 16, MAX_LIST = 16 };

/* "1,2,4". */
struct cmd_list {
    uint32_t values[MAX_LIST];
    unsigned count;
};

struct cmd_args {
    enum cmd_id command;
    const char *model, *prompt, *file, *receipt, *sign, *signer;
    const char *system, *chat_template, *date, *i2s_layout;
    const char *remove;
    const char *json_schema, *grammar, *format;
    const char *host, *api_key_file, *cors;
    const char *type, *embeddings, *scale, *weights; /* of a conversion */
    bool check;
    const char *backend, *plugin_dir, *against, *prompt_set, *output, *html, *plot;
    const char *stops[MAX_STOPS];
    unsigned n_stops;
    const char *ignore_keys[MAX_NAMES], *aliases[MAX_NAMES];
    unsigned n_ignore_keys, n_aliases;
    uint32_t n_predict; /* chat's 0: 512, or half of the context where that is less */
    uint32_t ctx, batch, debug_tokens, repeat, timeout;
    const char *receipts; /* of a server: a folder */
    uint32_t port, parallel, queue, prefix_cache, connections, drain;
    struct cmd_list threads, prompt_sizes, predict_sizes, depths;
    struct cmd_list sequences, accept; /* of bench */
    const char *pooling;               /* of embed, with the flags */
    bool lines, normalize, raw, cosine;
    bool each;         /* of perplexity */
    const char *shard; /* of batch */
    float temp, top_p, min_p, repeat_penalty, presence_penalty, frequency_penalty, spot_check;
    struct bnt_bias biases[BNT_BIASES_MOST]; /* ids rising */
    unsigned n_biases;
    uint32_t top_k, choice, top_logprobs;
    uint64_t seed, chaos;
    bool temp_given, truncation_given, seed_given, chaos_given, bind_none, logprobs;
    bool offline, round_scales, no_draft;
    bool json, csv, kernels, ids, decode, no_bos, parse_special, verbose_prompt, echo, ignore_eos,
        help, all;
    bool force, full_logits, fast, locate, lockstep, free_run, first_only;
    const char *operand; /* the word that is no option: TEXT of tokenize, MODEL of inspect, ... */
    const char *second;  /* the one after it: OUT of quantize */
};

/* Fills *args with defaults, then the environment (BITNET_THREADS, BITNET_BACKEND, BITNET_SEED,
 * BITNET_DETERMINISTIC; CROSSVAL_* and PARITY_TEST_TIMEOUT_SECS for parity), then argv[1 ..].
 * BNT_E_USAGE names the option at fault. */
int cmd_parse(struct cmd_args *args, enum cmd_id command, int argc, char **argv,
              struct bnt_err *err);

/* The options of a command, one line each, to stdout. */
void cmd_print_options(enum cmd_id command);
/* The same for a shell that completes words: name, letter, what its value is called ("" for none)
 * and help, with tabs between. */
void cmd_list_options(enum cmd_id command);

#endif
