/*
 * args.h - the command line: one table of options serves parsing, checking and --help.
 */
#ifndef BNT_CMD_ARGS_H
#define BNT_CMD_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum cmd_id { /* bits, since most options serve several commands */
              CMD_RUN = 1,
              CMD_TOKENIZE = 2,
              CMD_INSPECT = 4,
              CMD_BACKENDS = 8,
              CMD_BENCH = 16,
              CMD_PERPLEXITY = 32,
              CMD_VERIFY = 64,
};

enum { MAX_STOPS = 16, MAX_LIST = 16 };

struct cmd_list { /* "1,2,4" */
    uint32_t values[MAX_LIST];
    unsigned count;
};

struct cmd_args {
    enum cmd_id command;
    const char *model, *prompt, *file, *receipt;
    const char *backend, *plugin_dir;
    const char *stops[MAX_STOPS];
    unsigned n_stops;
    uint32_t n_predict, ctx, batch, debug_tokens, repeat;
    struct cmd_list threads, prompt_sizes, predict_sizes, depths;
    float temp, top_p, min_p, repeat_penalty;
    uint32_t top_k;
    uint64_t seed;
    bool temp_given, truncation_given, seed_given, bind_none;
    bool json, csv, ids, decode, no_bos, parse_special, verbose_prompt, echo, ignore_eos, help, all;
    bool fast;
    const char *operand; /* the word that is no option: TEXT of tokenize, MODEL of inspect, ... */
};

/* Fills *args with defaults, then the environment (BITNET_THREADS, BITNET_BACKEND, BITNET_SEED,
 * BITNET_DETERMINISTIC), then argv[1 ..]. BNT_E_USAGE names the option at fault. */
int cmd_parse(struct cmd_args *args, enum cmd_id command, int argc, char **argv,
              struct bnt_err *err);

/* The options of a command, one line each, to stdout. */
void cmd_print_options(enum cmd_id command);

#endif
