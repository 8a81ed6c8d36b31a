/*
 * lockstep.h - every operation of a run, done again by a judge from the same inputs.
 *
 * An executor under test (X) computes as always; beside it, on the same threads, a second one on
 * the judge's kernels gets X's inputs before each operation, does it too, and what both wrote is
 * compared bit for bit. So a difference is found in the operation that made it, not where it comes
 * out. Knows operations and buffers; must not know which backends the two stand for.
 */
#ifndef BNT_PARITY_LOCKSTEP_H
#define BNT_PARITY_LOCKSTEP_H

#include "parity/watch.h"

/* One value on which X and the judge differ. */
struct bnt_op_difference {
    uint64_t run;      /* since the lock-step began: 0 the first */
    uint64_t position; /* of the token in its sequence */
    uint32_t op;       /* number in the plan */
    enum bnt_op_kind kind;
    uint32_t layer;       /* n_layer: outside the layers */
    const char *tensor;   /* of the operation, as in the plan: the model's; "" without one */
    const char *what;     /* "value", "quantized value", "activation scale", "K value", "V value" */
    uint32_t heads, head; /* parts of the operation's values, 1 where they are one; and which */
    uint64_t token, row;  /* of the batch; element of the output's head, or row of the matrix */
    uint32_t got, wanted; /* bits of the f32, or the int8 */
};

struct bnt_lockstep_report {
    uint64_t runs;
    uint64_t compared[BNT_OP_COUNT], different[BNT_OP_COUNT]; /* operations */
    uint64_t values;                                          /* f32 or int8 values compared */
    uint64_t unjudged; /* products of activations on which the two differed already */
    bool found;
    struct bnt_op_difference first;
};

/* The same of one operation of the plan. */
struct bnt_lockstep_cell {
    uint32_t compared, different;
};

struct bnt_lockstep;

/* Takes x's hook. The judge keeps caches of its own, and takes over what was stored before.
 * weights and kernels are the judge's; they, x and watch (may be NULL) must outlive it. After a
 * difference the next operation begins from X's values again, and the judging goes on; with
 * stop_at_first it ends there. */
int bnt_lockstep_open(struct bnt_lockstep **out, struct bnt_exec *x,
                      const struct bnt_weights *weights, const bnt_kernels *kernels,
                      bool stop_at_first, struct bnt_watch *watch, struct bnt_err *err);
void bnt_lockstep_close(struct bnt_lockstep *l); /* gives the hook back */
const struct bnt_lockstep_report *bnt_lockstep_report(const struct bnt_lockstep *l);
/* By operation of the plan, [n_ops]; it lasts as long as the lock-step. */
const struct bnt_lockstep_cell *bnt_lockstep_cells(const struct bnt_lockstep *l);
/* Calls of a slot by the judge, as bnt_exec_calls. */
uint64_t bnt_lockstep_calls(const struct bnt_lockstep *l, size_t slot);

/* "run 1, position 9, layer 3, linear 'blk.3.ffn_up.weight', token 0, row 5123: value 0x..." */
char *bnt_op_difference_text(const struct bnt_op_difference *d, uint32_t n_layer, char *text,
                             size_t size);

#endif
