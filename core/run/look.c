/* look.c - see look.h. */
#include "run/look.h"

#include <string.h>

#include "run/exec_state.h"

const struct bnt_model *bnt_look_model(const struct bnt_exec *e) {
    return e->m;
}

const struct bnt_plan *bnt_look_plan(const struct bnt_exec *e) {
    return &e->plan;
}

const struct bnt_weights *bnt_look_weights(const struct bnt_exec *e) {
    return e->weights;
}

const bnt_kernels *bnt_look_kernels(const struct bnt_exec *e) {
    return e->k;
}

struct bnt_pool *bnt_look_pool(const struct bnt_exec *e) {
    return e->pool;
}

struct bnt_exec_options bnt_look_options(const struct bnt_exec *e) {
    return e->options;
}

float *bnt_look_row(const struct bnt_exec *e, enum bnt_buffer b, uint64_t row, uint32_t width) {
    return e->buffer[b] + row * width;
}

const void *bnt_look_acts(const struct bnt_exec *e) {
    return e->acts;
}

void bnt_look_rotary(const struct bnt_exec *e, unsigned set, uint64_t row, const float **cos,
                     const float **sin) {
    const uint64_t at = row * (e->m->hp.n_rot / 2);
    *cos = e->cos[set] + at;
    *sin = e->sin[set] + at;
}

uint32_t bnt_look_tokens(const struct bnt_exec *e) {
    return e->n;
}

uint32_t bnt_look_rows(const struct bnt_exec *e, const struct bnt_operand *o) {
    return bnt_exec_rows(e, o);
}

uint32_t bnt_look_batch_row(const struct bnt_exec *e, const struct bnt_operand *o, uint32_t row) {
    return bnt_exec_batch_row(e, o, row);
}

uint32_t bnt_look_head_from(const struct bnt_exec *e) {
    return e->head_from;
}

uint32_t bnt_look_wanted(const struct bnt_exec *e, uint64_t i) {
    return e->wanted[i];
}

int32_t bnt_look_id(const struct bnt_exec *e, uint32_t row) {
    return bnt_exec_span_of(e, row)->ids[row - e->first_row[e->span_of[row]]];
}

uint64_t bnt_look_position(const struct bnt_exec *e, uint32_t row) {
    return bnt_exec_position(e, row);
}

struct bnt_kv *bnt_look_kv(const struct bnt_exec *e, uint32_t row) {
    return bnt_exec_span_of(e, row)->kv;
}

const struct bnt_weights *bnt_exec_change_weights(struct bnt_exec *e, const struct bnt_weights *w) {
    const struct bnt_weights *had = e->weights;
    e->weights = w;
    return had;
}

void bnt_exec_share_buffers(struct bnt_exec *e, const struct bnt_exec *with) {
    memcpy(e->buffer, with->buffer, sizeof e->buffer);
    e->part = with->part;
    e->tickets = with->tickets;
}
