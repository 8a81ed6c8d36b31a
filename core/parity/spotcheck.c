/*
 * spotcheck.c - see spotcheck.h.
 *
 * The one idea: which products, rows and tokens are looked at is a function of the seed, the
 * position, the operation and the thread, by a counter-based generator, so threads share no state.
 */
#include "parity/spotcheck.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/rng.h"

struct fault {
    bool found;
    uint64_t position, row;
    uint32_t op, got, wanted;
};

struct member {
    alignas(128) struct fault fault; /* the first this member saw */
    uint64_t rows;
    int8_t *trits; /* one row */
    float *scales;
    void *packed, *acts; /* the judge's, of one row and one token */
};

struct bnt_spotcheck {
    struct bnt_exec *e;
    const bnt_kernels *judge;
    uint64_t threshold; /* of 2^32 */
    uint32_t key[2];
    enum bnt_buffer *inputs; /* [n_ops]: of a product, the f32 values that went in */
    struct member *members;
    struct bnt_mem scratch;
};

/* ---- one row -------------------------------------------------------------------------------- */

static float ternary_row(const struct bnt_spotcheck *s, struct member *m, uint32_t matrix,
                         uint64_t row, const float *x) {
    const struct bnt_weight *w = &s->e->weights->w[matrix];
    bnt_ternary_shape shape = w->tshape;
    bnt_act_shape acts = {1, shape.cols, shape.block, 0};
    float *scales = shape.block ? m->scales : NULL, y = 0.0f;
    shape.rows = 1;
    bnt_ternary_decode(&s->e->m->matrices[matrix].src, row, row + 1, m->trits, scales);
    s->judge->ternary_pack(&(bnt_ternary_pack_args){shape, 0, 1, m->trits, scales, m->packed});
    s->judge->act_quantize(&(bnt_act_quantize_args){acts, 0, 1, x, shape.cols, m->acts});
    s->judge->ternary_gemm(&(bnt_ternary_gemm_args){.shape = shape,
                                                    .packed = m->packed,
                                                    .scale = w->scale,
                                                    .act_shape = acts,
                                                    .acts = m->acts,
                                                    .row_hi = 1,
                                                    .tok_hi = 1,
                                                    .y = &y,
                                                    .ldy = 1});
    return y;
}

/* The judge uses dense rows as they lie in the file. */
static float dense_row(const struct bnt_spotcheck *s, uint32_t matrix, uint64_t row,
                       const float *x) {
    const struct bnt_matrix *mat = &s->e->m->matrices[matrix];
    bnt_dense_shape shape = {1, mat->cols, mat->dense_type, 0};
    float y = 0.0f;
    s->judge->dense_gemm(&(bnt_dense_gemm_args){.shape = shape,
                                                .w = mat->data + mat->bytes / mat->rows * row,
                                                .x = x,
                                                .ldx = mat->cols,
                                                .row_hi = 1,
                                                .tok_hi = 1,
                                                .y = &y,
                                                .ldy = 1});
    return y;
}

/* A number below n, n < 2^32, from 32 random bits. */
static uint64_t below(uint64_t n, uint32_t random) {
    return (n * random) >> 32;
}

static void check_row(struct bnt_spotcheck *s, uint32_t k, uint64_t row, uint64_t token,
                      unsigned i) {
    const struct bnt_exec *e = s->e;
    const struct bnt_op *op = &e->plan.ops[k];
    struct member *m = &s->members[i];
    struct bnt_operand out = bnt_op_writes(op);
    const float *x = e->buffer[s->inputs[k]] + token * op->in_width;
    float got = e->buffer[op->out][token * op->width + row];
    float wanted = e->weights->w[op->matrix].ternary ? ternary_row(s, m, op->matrix, row, x)
                                                     : dense_row(s, op->matrix, row, x);
    m->rows++;
    if (m->fault.found || bnt_f32_bits(got) == bnt_f32_bits(wanted)) return;
    uint64_t position = bnt_exec_position(e, bnt_exec_batch_row(e, &out, (uint32_t)token));
    m->fault = (struct fault){true, position, row, k, bnt_f32_bits(got), bnt_f32_bits(wanted)};
}

/* ---- the hook ------------------------------------------------------------------------------- */

static void slice(void *arg, uint32_t k, unsigned i, unsigned n) {
    struct bnt_spotcheck *s = arg;
    const struct bnt_exec *e = s->e;
    const struct bnt_op *op = &e->plan.ops[k];
    uint64_t lo, hi;
    uint32_t which[4], where[4];
    bnt_exec_slice(s->e, k, i, n);
    if (op->kind != BNT_OP_LINEAR) return;
    /* All threads draw alike whether this product is looked at, and each for itself where. */
    const uint64_t pos = e->spans[0].pos;
    const uint32_t now[4] = {(uint32_t)pos, (uint32_t)(pos >> 32), k, UINT32_MAX};
    bnt_philox4x32(now, s->key, which);
    if (which[0] >= s->threshold) return;
    bnt_slice(op->width, e->weights->w[op->matrix].step, i, n, &lo, &hi);
    if (lo == hi) return;
    const uint32_t mine[4] = {now[0], now[1], k, i};
    bnt_philox4x32(mine, s->key, where);
    struct bnt_operand out = bnt_op_writes(op);
    uint64_t tokens = bnt_exec_rows(e, &out);
    if (tokens == 0) return;
    check_row(s, k, lo + below(hi - lo, where[0]), below(tokens, where[1]), i);
}

static int verdict(void *arg, struct bnt_err *err) {
    const struct bnt_spotcheck *s = arg;
    const struct fault *f = NULL;
    for (unsigned i = 0; i < bnt_pool_threads(s->e->pool); i++) {
        const struct fault *g = &s->members[i].fault;
        if (g->found &&
            (!f || g->position < f->position || (g->position == f->position && g->op < f->op)))
            f = g;
    }
    if (!f) return BNT_OK;
    const struct bnt_op *op = &s->e->plan.ops[f->op];
    const struct bnt_hparams *hp = &s->e->m->hp;
    char layer[32] = "outside the layers";
    if (op->layer < hp->n_layer) snprintf(layer, sizeof layer, "layer %" PRIu32, op->layer);
    return bnt_fail(
        err, BNT_E_MISMATCH,
        "spot-check: position %" PRIu64 ", %s, %s '%s', row %" PRIu64
        ": the backend computed %.9g (0x%08" PRIx32 "), the judge %.9g (0x%08" PRIx32 ")",
        f->position, layer, bnt_op_name(op->kind), op->tensor, f->row,
        (double)bnt_f32_from_bits(f->got), f->got, (double)bnt_f32_from_bits(f->wanted), f->wanted);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* A ternary product reads quantized activations; the values they were made from are still in their
 * buffer, since the plan writes it again only after the threads have met behind the product. */
static int find_inputs(struct bnt_spotcheck *s, struct bnt_err *err) {
    const struct bnt_plan *plan = &s->e->plan;
    enum bnt_buffer quantized = BNT_BUF_NONE;
    s->inputs = calloc(plan->n_ops, sizeof *s->inputs);
    if (!s->inputs) return bnt_fail_nomem(err, "the spot-check", plan->n_ops * sizeof *s->inputs);
    for (uint32_t k = 0; k < plan->n_ops; k++) {
        const struct bnt_op *op = &plan->ops[k];
        if (op->kind == BNT_OP_QUANTIZE) quantized = op->in;
        if (op->kind == BNT_OP_LINEAR) s->inputs[k] = op->in == BNT_BUF_ACTS ? quantized : op->in;
    }
    return BNT_OK;
}

struct sizes {
    uint64_t cols, blocks, packed, acts;
};

/* Room for one row and one token of any matrix, in the judge's layouts. */
static int measure(const struct bnt_spotcheck *s, struct sizes *z, struct bnt_err *err) {
    for (uint32_t i = 0; i < s->e->m->n_matrices; i++) {
        const struct bnt_weight *w = &s->e->weights->w[i];
        bnt_ternary_shape shape = w->tshape;
        bnt_act_shape acts = {1, shape.cols, shape.block, 0};
        bnt_layout packed = {0}, quantized = {0};
        if (!w->ternary) continue;
        shape.rows = 1;
        if (s->judge->ternary_layout(&shape, &packed) != BNT_SUPPORTED ||
            s->judge->act_layout(&acts, &quantized) != BNT_SUPPORTED)
            return bnt_fail(err, BNT_E_UNSUPPORTED, "spot-check: the judge cannot hold tensor '%s'",
                            s->e->m->matrices[i].name);
        if (shape.cols > z->cols) z->cols = shape.cols;
        if (shape.block && shape.cols / shape.block > z->blocks)
            z->blocks = shape.cols / shape.block;
        if (packed.bytes > z->packed) z->packed = packed.bytes;
        if (quantized.bytes > z->acts) z->acts = quantized.bytes;
    }
    return BNT_OK;
}

/* On a page boundary, as any layout may ask for. */
static void *take(uint8_t **at, uint64_t bytes) {
    void *p = *at;
    *at += (bytes + 4095) & ~(uint64_t)4095;
    return p;
}

static int alloc_members(struct bnt_spotcheck *s, unsigned n, struct bnt_err *err) {
    struct sizes z = {0};
    int status = measure(s, &z, err);
    if (status != BNT_OK) return status;
    uint64_t each = z.cols + z.blocks * sizeof(float) + z.packed + z.acts + 4 * (uint64_t)4096;
    s->members = aligned_alloc(128, n * sizeof *s->members);
    if (!s->members) return bnt_fail_nomem(err, "the spot-check", n * sizeof *s->members);
    memset(s->members, 0, n * sizeof *s->members);
    status = bnt_mem_alloc(&s->scratch, n * each, "the spot-check", err);
    uint8_t *at = s->scratch.ptr;
    for (unsigned i = 0; i < n && status == BNT_OK; i++) {
        s->members[i].trits = take(&at, z.cols);
        s->members[i].scales = take(&at, z.blocks * sizeof(float));
        s->members[i].packed = take(&at, z.packed);
        s->members[i].acts = take(&at, z.acts);
    }
    return status;
}

int bnt_spotcheck_open(struct bnt_spotcheck **out, struct bnt_exec *e, const bnt_kernels *judge,
                       double share, uint64_t seed, struct bnt_err *err) {
    *out = NULL;
    struct bnt_spotcheck *s = calloc(1, sizeof *s);
    if (!s) return bnt_fail_nomem(err, "the spot-check", sizeof *s);
    s->e = e;
    s->judge = judge;
    s->threshold = (uint64_t)ceil(share * 0x1p32);
    s->key[0] = (uint32_t)seed;
    s->key[1] = (uint32_t)(seed >> 32);
    int status = find_inputs(s, err);
    if (status == BNT_OK) status = alloc_members(s, bnt_pool_threads(e->pool), err);
    if (status != BNT_OK) {
        bnt_spotcheck_close(s);
        return status;
    }
    bnt_exec_hook(e, &(struct bnt_exec_hook){.arg = s, .slice = slice, .verdict = verdict});
    *out = s;
    return BNT_OK;
}

void bnt_spotcheck_close(struct bnt_spotcheck *s) {
    if (!s) return;
    bnt_exec_hook(s->e, NULL);
    bnt_mem_free(&s->scratch);
    free(s->members);
    free(s->inputs);
    free(s);
}

uint64_t bnt_spotcheck_rows(const struct bnt_spotcheck *s) {
    uint64_t rows = 0;
    for (unsigned i = 0; i < bnt_pool_threads(s->e->pool); i++) rows += s->members[i].rows;
    return rows;
}
