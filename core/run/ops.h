/*
 * ops.h - what one operation of a plan does with some of its tokens, rows or heads.
 *
 * Each turns an operation and a range into the arguments of a slot and calls it. Must not know how
 * ranges are chosen: that is walk.c's business. An operation of a new kind is a row in op.c's table
 * and a function here.
 */
#ifndef BNT_RUN_OPS_H
#define BNT_RUN_OPS_H

#include "run/exec_state.h"

/* By member i of the team: rows [lo, hi) of what an operation that is cut by tokens writes. */
void bnt_op_do_tokens(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                      uint64_t hi);
/* Rows [lo, hi) of the matrix of LINEAR, for all tokens. */
void bnt_op_do_rows(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                    uint64_t hi);
/* In the place of LINEAR where only largest logits are wanted; all n members of the team. */
void bnt_op_search(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n);

/* attend.c: decides how attention is shared out in this run, after spans and rows are set; and does
 * member i's part of ATTENTION. */
void bnt_attend_prepare(struct bnt_exec *e);
void bnt_attend(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n);
/* Positions that an item of attention over a window reads at most; 0 without windows. */
uint64_t bnt_attend_window_rows(const struct bnt_exec *e);
/* Spans of one token that may be split in a run by so many threads. */
uint32_t bnt_attend_most_split(uint32_t kv_heads, unsigned threads);

#endif
