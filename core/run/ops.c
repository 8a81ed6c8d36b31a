/*
 * ops.c - see ops.h.
 */
#include "run/ops.h"

#include <string.h>

#include "run/range.h"
#include "run/rows.h"

static float *row_of(const struct bnt_exec *e, enum bnt_buffer b, uint64_t row, uint32_t width) {
    return e->buffer[b] + row * width;
}

/* A ternary embedding: weight times scale is exact. */
static void embed_ternary(struct bnt_exec *e, const struct bnt_weight *w, uint64_t row, float *out,
                          unsigned i) {
    uint64_t cols = w->tshape.cols, block = w->tshape.block;
    int8_t *trits = e->embed_trits + i * cols;
    float *scales = e->embed_scales + i * cols;
    bnt_ternary_unpack_args a = {.shape = w->tshape,
                                 .row_lo = row,
                                 .row_hi = row + 1,
                                 .packed = w->w,
                                 .trits = trits,
                                 .scales = block ? scales : NULL};
    BNT_CALL(e, i, ternary_unpack, &a);
    for (uint64_t c = 0; c < cols; c++)
        out[c] = (float)trits[c] * (block ? scales[c / block] : w->scale);
}

static void embed(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                  uint64_t hi) {
    const struct bnt_weight *w = &e->weights->w[op->matrix];
    for (uint64_t t = lo; t < hi; t++) {
        const struct bnt_exec_span *span = bnt_exec_span_of(e, (uint32_t)t);
        uint64_t row = (uint64_t)span->ids[t - e->first_row[e->span_of[t]]];
        float *out = row_of(e, op->out, t, op->width);
        if (w->ternary) {
            embed_ternary(e, w, row, out, i);
            continue;
        }
        struct bnt_weight_row r = bnt_weight_row(w, row, e->embed_row + i * w->row_room);
        bnt_dense_unpack_args a = {
            .shape = r.shape, .row_lo = r.at, .row_hi = r.at + 1, .w = r.w, .out = out};
        BNT_CALL(e, i, dense_unpack, &a);
    }
}

static void select_wanted(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                          uint64_t hi) {
    (void)i;
    for (uint64_t t = lo; t < hi; t++)
        memcpy(row_of(e, op->out, t, op->width), row_of(e, op->in, e->wanted[t], op->in_width),
               op->width * sizeof(float));
}

static void norm(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                 uint64_t hi) {
    bnt_rmsnorm_args a = {.tok_lo = lo * op->heads,
                          .tok_hi = hi * op->heads,
                          .n = op->width / op->heads,
                          .x = e->buffer[op->in],
                          .ldx = op->width / op->heads,
                          .gain = op->gain,
                          .eps = e->m->hp.norm_eps,
                          .y = e->buffer[op->out],
                          .ldy = op->width / op->heads};
    BNT_CALL(e, i, rmsnorm, &a);
}

static void quantize(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                     uint64_t hi) {
    struct bnt_operand out = bnt_op_writes(op);
    bnt_act_quantize_args a = {.shape = {bnt_exec_rows(e, &out), op->in_width, op->block, 0},
                               .tok_lo = lo,
                               .tok_hi = hi,
                               .x = e->buffer[op->in],
                               .ldx = op->in_width,
                               .acts = e->acts};
    BNT_CALL(e, i, act_quantize, &a);
}

static void rope(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                 uint64_t hi) {
    const struct bnt_hparams *hp = &e->m->hp;
    bnt_rope_args a = {.tok_lo = lo,
                       .tok_hi = hi,
                       .head_hi = op->heads,
                       .x = e->buffer[op->out],
                       .ldx = op->width,
                       .head_dim = hp->head_dim,
                       .n_rot = hp->n_rot,
                       .style = hp->rope_style,
                       .cos = e->cos[op->set],
                       .sin = e->sin[op->set]};
    BNT_CALL(e, i, rope, &a);
    if (op->out == BNT_BUF_Q) bnt_range_look(e, op, i, op->out, op->width, lo, hi);
}

/* Each span's tokens into its own cache. */
static void kv_store(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                     uint64_t hi) {
    bnt_range_look(e, op, i, op->in, op->in_width, lo, hi);
    bnt_range_look(e, op, i, op->in2, op->in_width, lo, hi);
    while (lo < hi) {
        const struct bnt_exec_span *span = bnt_exec_span_of(e, (uint32_t)lo);
        uint64_t first = e->first_row[e->span_of[lo]], end = first + span->n;
        if (end > hi) end = hi;
        bnt_kv_store_args a = {.shape = span->kv->shape,
                               .pos = span->pos,
                               .tok_lo = lo - first,
                               .tok_hi = end - first,
                               .head_hi = op->heads,
                               .k = row_of(e, op->in, first, op->in_width),
                               .v = row_of(e, op->in2, first, op->in_width),
                               .ldkv = op->in_width,
                               .kv = bnt_kv_layer(span->kv, op->layer)};
        BNT_CALL(e, i, kv_store, &a);
        lo = end;
    }
}

static void gate(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                 uint64_t hi) {
    bnt_gate_args a = {.lo = lo * op->width,
                       .hi = hi * op->width,
                       .g = e->buffer[op->in],
                       .u = e->buffer[op->in2],
                       .y = e->buffer[op->out],
                       .kind = e->m->hp.gate};
    if (a.kind == BNT_GATE_RELU2) bnt_range_look(e, op, i, op->in, op->in_width, lo, hi);
    if (a.kind == BNT_GATE_GELU)
        BNT_CALL(e, i, gate_gelu, &a);
    else
        BNT_CALL(e, i, gate, &a);
}

static void add(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo, uint64_t hi) {
    bnt_add_args a = {.lo = lo * op->width,
                      .hi = hi * op->width,
                      .x = e->buffer[op->in],
                      .y = e->buffer[op->out]};
    BNT_CALL(e, i, add, &a);
}

static void bias(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                 uint64_t hi) {
    for (uint64_t t = lo; t < hi; t++) {
        bnt_add_args a = {.hi = op->width, .x = op->gain, .y = row_of(e, op->out, t, op->width)};
        BNT_CALL(e, i, add, &a);
    }
}

/* No slot: one product a value, which no kernel could do otherwise. */
static void scale(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                  uint64_t hi) {
    float *y = e->buffer[op->out], factor = op->factor;
    (void)i;
    for (uint64_t k = lo * op->width; k < hi * op->width; k++) y[k] = y[k] * factor;
}

typedef void by_token_fn(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                         uint64_t hi);

/* Kinds that op.c says are cut by tokens. */
static by_token_fn *const by_token[BNT_OP_COUNT] = {
    [BNT_OP_EMBED] = embed, [BNT_OP_SELECT] = select_wanted,
    [BNT_OP_NORM] = norm,   [BNT_OP_QUANTIZE] = quantize,
    [BNT_OP_ROPE] = rope,   [BNT_OP_KV_STORE] = kv_store,
    [BNT_OP_GATE] = gate,   [BNT_OP_ADD] = add,
    [BNT_OP_BIAS] = bias,   [BNT_OP_SCALE] = scale,
};

void bnt_op_do_tokens(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                      uint64_t hi) {
    if (lo < hi) by_token[op->kind](e, op, i, lo, hi);
}

void bnt_op_do_rows(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                    uint64_t hi) {
    const struct bnt_weight *w = &e->weights->w[op->matrix];
    struct bnt_operand in[BNT_OP_MOST_READS], out = bnt_op_writes(op);
    uint64_t tokens = bnt_exec_rows(e, &out), from = op->on_wanted ? e->head_from : 0;
    if (lo >= hi || tokens == 0) return;
    bnt_op_reads(op, in); /* its one operand */
    if (w->ternary) {
        bnt_ternary_gemm_args a = {
            .shape = w->tshape,
            .packed = w->w,
            .scale = w->scale,
            .act_shape = {bnt_exec_rows(e, &in[0]), w->tshape.cols, w->tshape.block, 0},
            .acts = e->acts,
            .row_lo = lo,
            .row_hi = hi,
            .tok_hi = tokens,
            .y = e->buffer[op->out],
            .ldy = op->width};
        BNT_CALL(e, i, ternary_gemm, &a);
    } else {
        bnt_dense_gemm_args a = {.x = row_of(e, op->in, from, op->in_width),
                                 .ldx = op->in_width,
                                 .row_lo = lo,
                                 .row_hi = hi,
                                 .tok_hi = tokens,
                                 .y = row_of(e, op->out, from, op->width),
                                 .ldy = op->width};
        float *scratch = e->row_scratch + i * e->row_scratch_floats;
        BNT_COUNT(e, i, dense_gemm, bnt_rows_product(w, e->k, a, scratch));
    }
}

void bnt_op_search(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n) {
    uint64_t exact = bnt_search_run(e->search, row_of(e, op->in, e->n_logits, op->in_width),
                                    e->n_top, e->asks, e->pool, i, n);
    if (bnt_search_coded(e->search))
        BNT_COUNT(e, i, code_gemv, 1);
    else
        BNT_COUNT(e, i, i8_gemv, 1);
    BNT_COUNT(e, i, dense_gemm, exact);
}
