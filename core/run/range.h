/*
 * range.h - values that a later operation would hide, were they not finite, are looked at before
 * it.
 *
 * Most operations hand an infinity or NaN on, up to the logits, which are refused. Three need not
 * (NUMERICS, clause 0): attention gives a key of -infinity the weight 0, a sum of products of large
 * queries may be one, and relu2(-infinity) is 0. So the executor looks at what goes into them, for
 * every backend alike. Must not know what the operations compute otherwise.
 */
#ifndef BNT_RUN_RANGE_H
#define BNT_RUN_RANGE_H

#include "run/exec_state.h"

/* Buffer b, of whose rows [lo, hi) operation op reads `width` values each; by member i. */
void bnt_range_look(struct bnt_exec *e, const struct bnt_op *op, unsigned i, enum bnt_buffer b,
                    uint32_t width, uint64_t lo, uint64_t hi);
/* Of the last run: BNT_E_NUMERIC names the first position at which something was out of range, and
 * there the first layer, whoever of the team saw it. */
int bnt_range_verdict(const struct bnt_exec *e, struct bnt_err *err);

#endif
