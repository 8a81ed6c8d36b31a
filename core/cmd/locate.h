/*
 * locate.h - a replay differs from a receipt: which operation of which backend is to blame?
 *
 * Computes up to the step that differs again, each operation beside ref-scalar (lock-step). Knows
 * receipts and backends; what a replay found is in receipts/verify.h.
 */
#ifndef BNT_CMD_LOCATE_H
#define BNT_CMD_LOCATE_H

#include <signal.h>

#include "cmd/args.h"
#include "parity/lockstep.h"
#include "verify.h"

/* One backend that was looked at, or could not be. */
struct cmd_suspect {
    char backend[64];
    bool named;                 /* it is here because the receipt names it */
    enum bnt_check_state state; /* differs from ref-scalar, agrees, could not be looked at */
    char text[900];             /* one line: what was found */
    uint64_t operations;        /* compared */
    bool in_operation; /* `first` is set; else the search of the head differs, or nothing */
    struct bnt_op_difference first;
    char tensor[128]; /* what first.tensor points to: the model is closed by then */
};

struct cmd_location {
    struct cmd_suspect suspects[2]; /* the backend of the replay; the one that the receipt names */
    unsigned n_suspects;            /* 0: nothing that was computed differs */
    char conclusion[500];
};

/* For a v whose replay differs. `engine` made the replay, with these arguments. BNT_E_INTERRUPTED
 * when *interrupted became true. */
int cmd_locate(struct cmd_location *out, const json_t *receipt, const struct bnt_verification *v,
               struct bnt_engine *engine, const struct cmd_args *args,
               const volatile sig_atomic_t *interrupted, struct bnt_err *err);
json_t *cmd_location_json(const struct cmd_location *l, uint32_t n_layer);

#endif
