/*
 * args.h - the command line: one table of options serves parsing, checking and --help.
 */
#ifndef BNT_CMD_ARGS_H
#define BNT_CMD_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

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
};

enum { MAX_STOPS = 16, MAX_IGNORED = 16, MAX_LIST = 16 };

/* "1,2,4". */
struct cmd_list {
    uint32_t values[MAX_LIST];
    unsigned count;
};

struct cmd_args {
    enum cmd_id command;
    const char *model, *prompt, *file, *receipt;
    const char *system, *chat_template, *date, *i2s_layout;
    const char *remove;
    const char *backend, *plugin_dir, *against, *prompt_set, *output;
    const char *stops[MAX_STOPS];
    unsigned n_stops;
    const char *ignore_keys[MAX_IGNORED];
    unsigned n_ignore_keys;
    uint32_t n_predict, ctx, batch, debug_tokens, repeat, timeout;
    struct cmd_list threads, prompt_sizes, predict_sizes, depths;
    float temp, top_p, min_p, repeat_penalty, spot_check;
    uint32_t top_k;
    uint64_t seed, chaos;
    bool temp_given, truncation_given, seed_given, chaos_given, bind_none;
    bool offline;
    bool json, csv, kernels, ids, decode, no_bos, parse_special, verbose_prompt, echo, ignore_eos,
        help, all;
    bool force, full_logits, fast, locate, lockstep, free_run, first_only;
    const char *operand; /* the word that is no option: TEXT of tokenize, MODEL of inspect, ... */
};

/* Fills *args with defaults, then the environment (BITNET_THREADS, BITNET_BACKEND, BITNET_SEED,
 * BITNET_DETERMINISTIC; CROSSVAL_* and PARITY_TEST_TIMEOUT_SECS for parity), then argv[1 ..].
 * BNT_E_USAGE names the option at fault. */
int cmd_parse(struct cmd_args *args, enum cmd_id command, int argc, char **argv,
              struct bnt_err *err);

/* The options of a command, one line each, to stdout. */
void cmd_print_options(enum cmd_id command);

#endif
