/*
 * look.h - an executor as those see it who check what it does (core/parity): what it is made of,
 * and the run that it is in. Its inside (exec_state.h) is nobody's but its own.
 *
 * What a run has is asked for by a hook, while the run lasts.
 */
#ifndef BNT_RUN_LOOK_H
#define BNT_RUN_LOOK_H

#include "run/exec.h"

/* ---- what it is made of: as long as the executor --------------------------------------------- */

const struct bnt_model *bnt_look_model(const struct bnt_exec *e);
const struct bnt_plan *bnt_look_plan(const struct bnt_exec *e);
const struct bnt_weights *bnt_look_weights(const struct bnt_exec *e);
const bnt_kernels *bnt_look_kernels(const struct bnt_exec *e);
struct bnt_pool *bnt_look_pool(const struct bnt_exec *e);
struct bnt_exec_options bnt_look_options(const struct bnt_exec *e);

/* ---- the run --------------------------------------------------------------------------------- */

/* Row `row` of a buffer, [width] as the operation has it. */
float *bnt_look_row(const struct bnt_exec *e, enum bnt_buffer b, uint64_t row, uint32_t width);
const void *
bnt_look_acts(const struct bnt_exec *e); /* quantized activations, as the backend has them */
/* Rotary factors of a row of the batch, [n_rot / 2]. */
void bnt_look_rotary(const struct bnt_exec *e, unsigned set, uint64_t row, const float **cos,
                     const float **sin);
uint32_t bnt_look_tokens(const struct bnt_exec *e); /* rows of the batch */
/* Rows that an operand has; and the row of the batch that one of them belongs to. */
uint32_t bnt_look_rows(const struct bnt_exec *e, const struct bnt_operand *o);
uint32_t bnt_look_batch_row(const struct bnt_exec *e, const struct bnt_operand *o, uint32_t row);
/* Of the wanted rows: the first that the head is applied to; the row of the batch of number i. */
uint32_t bnt_look_head_from(const struct bnt_exec *e);
uint32_t bnt_look_wanted(const struct bnt_exec *e, uint64_t i);
/* Of a row of the batch: its token, its position in its sequence, and that one's cache. */
int32_t bnt_look_id(const struct bnt_exec *e, uint32_t row);
uint64_t bnt_look_position(const struct bnt_exec *e, uint32_t row);
struct bnt_kv *bnt_look_kv(const struct bnt_exec *e, uint32_t row);

/* ---- taking part ----------------------------------------------------------------------------- */

/* From here on it computes with these; gives those that it had. Between runs. */
const struct bnt_weights *bnt_exec_change_weights(struct bnt_exec *e, const struct bnt_weights *w);
/* Slices of e's operations are done in the buffers of `with`, an executor of the same plan: whoever
 * does a slice, the next finds what it needs. */
void bnt_exec_share_buffers(struct bnt_exec *e, const struct bnt_exec *with);

#endif
