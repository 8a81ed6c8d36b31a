/*
 * plan.h - the network as a flat list of operations, built once from a model.
 *
 * An operation (op.h) names buffers, a matrix or a gain, and sizes; it knows no arithmetic and no
 * threads. Consecutive operations that take each token by itself form a chain: one thread does all
 * of them for a token, so that its values stay in the cache and nobody waits in between. `wait`
 * marks where threads must meet: before a chain that touches what others have touched since the
 * last meeting.
 */
#ifndef BNT_MODEL_PLAN_H
#define BNT_MODEL_PLAN_H

#include "model/model.h"
#include "model/op.h"

struct bnt_plan {
    struct bnt_op *ops;
    uint32_t n_ops, capacity;
    uint32_t width[BNT_BUF_COUNT]; /* values per token; 0 for ACTS and CACHE */
};

/* After weights are scanned: a matrix's block decides how its input is quantized. The model must
 * outlive the plan, which points to its gains and names. */
int bnt_plan_build(struct bnt_plan *plan, const struct bnt_model *m, struct bnt_err *err);
void bnt_plan_free(struct bnt_plan *plan);

#endif
