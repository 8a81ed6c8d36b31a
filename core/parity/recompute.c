/*
 * recompute.c - see recompute.h.
 *
 * The one idea: a function for each kind of operation that gives the judge's values of one row, and
 * one comparison of them.
 */
#include "parity/recompute.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

enum { LOADED = 256 /* positions of a cache that are taken over at a time */ };

struct scratch {
    float *saved, *out; /* [widest] */
    int8_t *trits;      /* one row */
    float *scales;
    void *packed, *acts, *cache; /* in the judge's layouts: a row, a token, a head's positions */
    int8_t *q[2];                /* [cols]: the backend's, the judge's */
    float *a[2];                 /* [cols / block] */
    float *k, *v;                /* [max(LOADED, window)][head_dim], or [kv heads * head_dim] */
};

struct bnt_recompute {
    const struct bnt_exec *e;
    const bnt_kernels *judge;
    enum bnt_buffer *inputs; /* [n_ops]: of a product, the f32 values that went in */
    struct scratch *of;      /* [members] */
    struct bnt_mem memory;
};

/* ---- comparing ------------------------------------------------------------------------------- */

static bool differs(const float *got, const float *wanted, uint64_t n, uint64_t part,
                    const char *what, struct bnt_recomputed *out) {
    for (uint64_t i = 0; i < n; i++) {
        if (bnt_f32_bits(got[i]) == bnt_f32_bits(wanted[i])) continue;
        *out = (struct bnt_recomputed){what, (uint32_t)(i / part), i % part, bnt_f32_bits(got[i]),
                                       bnt_f32_bits(wanted[i])};
        return true;
    }
    return false;
}

/* ---- one kind of operation each: the judge's values of a token into s->out ------------------- */

static const struct bnt_matrix *matrix_of(const struct bnt_recompute *r, const struct bnt_op *op) {
    return &bnt_look_model(r->e)->matrices[op->matrix];
}

/* Rows lie in the file one behind the other. */
static const uint8_t *file_row(const struct bnt_matrix *mat, uint64_t row) {
    return mat->data + mat->bytes / mat->rows * row;
}

static void embed(const struct bnt_recompute *r, struct scratch *s, const struct bnt_op *op,
                  uint64_t token) {
    const struct bnt_exec *e = r->e;
    const struct bnt_weight *w = &bnt_look_weights(e)->w[op->matrix];
    const struct bnt_matrix *mat = matrix_of(r, op);
    const uint64_t row = (uint64_t)bnt_look_id(e, (uint32_t)token);
    const uint32_t block = w->tshape.block;
    if (!w->ternary) {
        r->judge->dense_unpack(&(bnt_dense_unpack_args){.shape = {1, mat->cols, mat->dense_type, 0},
                                                        .row_hi = 1,
                                                        .w = file_row(mat, row),
                                                        .out = s->out});
        return;
    }
    bnt_ternary_decode(&mat->src, row, row + 1, s->trits, block ? s->scales : NULL);
    for (uint32_t c = 0; c < op->width; c++)
        s->out[c] = (float)s->trits[c] * (block ? s->scales[c / block] : w->scale);
}

static void norm(const struct bnt_recompute *r, struct scratch *s, const struct bnt_op *op) {
    const uint32_t n = op->width / op->heads;
    r->judge->rmsnorm(&(bnt_rmsnorm_args){.tok_hi = op->heads,
                                          .n = n,
                                          .x = s->saved,
                                          .ldx = n,
                                          .gain = op->gain,
                                          .eps = bnt_look_model(r->e)->hp.norm_eps,
                                          .y = s->out,
                                          .ldy = n});
}

static void rope(const struct bnt_recompute *r, struct scratch *s, const struct bnt_op *op,
                 uint64_t token) {
    const struct bnt_hparams *hp = &bnt_look_model(r->e)->hp;
    const float *cos, *sin;
    bnt_look_rotary(r->e, op->set, token, &cos, &sin);
    memcpy(s->out, s->saved, op->width * sizeof *s->out);
    r->judge->rope(&(bnt_rope_args){.tok_hi = 1,
                                    .head_hi = op->heads,
                                    .x = s->out,
                                    .ldx = op->width,
                                    .head_dim = hp->head_dim,
                                    .n_rot = hp->n_rot,
                                    .style = hp->rope_style,
                                    .cos = cos,
                                    .sin = sin});
}

static void gate(const struct bnt_recompute *r, struct scratch *s, const struct bnt_op *op,
                 uint64_t token) {
    bnt_gate_args a = {.hi = op->width,
                       .g = s->saved,
                       .u = bnt_look_row(r->e, op->in2, token, op->in_width),
                       .y = s->out,
                       .kind = bnt_look_model(r->e)->hp.gate};
    if (a.kind == BNT_GATE_GELU)
        r->judge->gate_gelu(&a);
    else
        r->judge->gate(&a);
}

static void add(const struct bnt_recompute *r, struct scratch *s, const struct bnt_op *op,
                const float *x) {
    memcpy(s->out, s->saved, op->width * sizeof *s->out);
    r->judge->add(&(bnt_add_args){.hi = op->width, .x = x, .y = s->out});
}

/* ---- products ------------------------------------------------------------------------------- */

static float ternary_row(const struct bnt_recompute *r, struct scratch *s, const struct bnt_op *op,
                         uint64_t row, const float *x) {
    const struct bnt_weight *w = &bnt_look_weights(r->e)->w[op->matrix];
    bnt_ternary_shape shape = w->tshape;
    bnt_act_shape acts = {1, shape.cols, shape.block, 0};
    float *scales = shape.block ? s->scales : NULL, y = 0.0f;
    shape.rows = 1;
    bnt_ternary_decode(&matrix_of(r, op)->src, row, row + 1, s->trits, scales);
    r->judge->ternary_pack(&(bnt_ternary_pack_args){shape, 0, 1, s->trits, scales, s->packed});
    r->judge->act_quantize(&(bnt_act_quantize_args){acts, 0, 1, x, shape.cols, s->acts});
    r->judge->ternary_gemm(&(bnt_ternary_gemm_args){.shape = shape,
                                                    .packed = s->packed,
                                                    .scale = w->scale,
                                                    .act_shape = acts,
                                                    .acts = s->acts,
                                                    .row_hi = 1,
                                                    .tok_hi = 1,
                                                    .y = &y,
                                                    .ldy = 1});
    return y;
}

/* The judge uses dense rows as they lie in the file. */
static float dense_row(const struct bnt_recompute *r, const struct bnt_op *op, uint64_t row,
                       const float *x) {
    const struct bnt_matrix *mat = matrix_of(r, op);
    float y = 0.0f;
    r->judge->dense_gemm(&(bnt_dense_gemm_args){.shape = {1, mat->cols, mat->dense_type, 0},
                                                .w = file_row(mat, row),
                                                .x = x,
                                                .ldx = mat->cols,
                                                .row_hi = 1,
                                                .tok_hi = 1,
                                                .y = &y,
                                                .ldy = 1});
    return y;
}

static bool product_differs(const struct bnt_recompute *r, struct scratch *s, uint32_t k,
                            uint64_t token, uint64_t row, struct bnt_recomputed *out) {
    const struct bnt_op *op = &bnt_look_plan(r->e)->ops[k];
    if (op->on_wanted) token += bnt_look_head_from(r->e);
    const float *x = bnt_look_row(r->e, r->inputs[k], token, op->in_width);
    float wanted = bnt_look_weights(r->e)->w[op->matrix].ternary ? ternary_row(r, s, op, row, x)
                                                                 : dense_row(r, op, row, x);
    bool found =
        differs(bnt_look_row(r->e, op->out, token, op->width) + row, &wanted, 1, 1, "value", out);
    out->row = row;
    out->head = 0;
    return found;
}

/* ---- layouts of the backend's own ------------------------------------------------------------ */

static bool acts_differ(const struct bnt_recompute *r, struct scratch *s, const struct bnt_op *op,
                        uint64_t token, struct bnt_recomputed *out) {
    struct bnt_operand all = bnt_op_writes(op);
    const bnt_act_shape theirs = {bnt_look_rows(r->e, &all), op->in_width, op->block, 0};
    const bnt_act_shape ours = {1, op->in_width, op->block, 0};
    const float *x = bnt_look_row(r->e, op->in, token, op->in_width);
    const uint64_t blocks = op->block ? op->in_width / op->block : 1;
    bnt_look_kernels(r->e)->act_unpack(
        &(bnt_act_unpack_args){theirs, token, token + 1, bnt_look_acts(r->e), s->q[0], s->a[0]});
    r->judge->act_quantize(&(bnt_act_quantize_args){ours, 0, 1, x, ours.cols, s->acts});
    r->judge->act_unpack(&(bnt_act_unpack_args){ours, 0, 1, s->acts, s->q[1], s->a[1]});
    for (uint64_t i = 0; i < ours.cols; i++) {
        if (s->q[0][i] == s->q[1][i]) continue;
        *out = (struct bnt_recomputed){"quantized value", 0, i, (uint32_t)(int32_t)s->q[0][i],
                                       (uint32_t)(int32_t)s->q[1][i]};
        return true;
    }
    return differs(s->a[0], s->a[1], blocks, blocks, "activation scale", out);
}

static bool stored_differs(const struct bnt_recompute *r, struct scratch *s,
                           const struct bnt_op *op, uint64_t token, struct bnt_recomputed *out) {
    const uint64_t pos = bnt_look_position(r->e, (uint32_t)token);
    const uint32_t dim = op->in_width / op->heads;
    bnt_kv_read(bnt_look_kv(r->e, (uint32_t)token), op->layer, pos, s->k, s->v);
    for (unsigned side = 0; side < 2; side++) { /* clause 7 */
        const float *x = bnt_look_row(r->e, side ? op->in2 : op->in, token, op->in_width);
        for (uint32_t i = 0; i < op->in_width; i++)
            s->out[i] = bnt_f16_to_f32(bnt_f32_to_f16(x[i]));
        if (differs(side ? s->v : s->k, s->out, op->in_width, dim, side ? "V value" : "K value",
                    out))
            return true;
    }
    return false;
}

/* K and V of one head of the backend's cache. */
static void load(const struct bnt_exec *e, const struct bnt_op *op, const struct bnt_kv *kv,
                 uint32_t head, uint64_t lo, uint64_t hi, struct scratch *s) {
    kv->k->kv_load(&(bnt_kv_load_args){.shape = kv->shape,
                                       .pos_lo = lo,
                                       .pos_hi = hi,
                                       .head = head / (op->heads / bnt_look_model(e)->hp.n_head_kv),
                                       .kv = bnt_kv_layer(kv, op->layer),
                                       .k = s->k,
                                       .v = s->v});
}

static bool attention_differs(const struct bnt_recompute *r, struct scratch *s,
                              const struct bnt_op *op, uint64_t token, uint32_t head,
                              struct bnt_recomputed *out) {
    const struct bnt_exec *e = r->e;
    struct bnt_kv *kv = bnt_look_kv(e, (uint32_t)token);
    const uint64_t pos = bnt_look_position(e, (uint32_t)token), end = pos + 1;
    const uint32_t dim = bnt_look_model(e)->hp.head_dim;
    const float *q = bnt_look_row(e, op->in, token, op->in_width) + (uint64_t)head * dim;
    if (op->window && end > op->window) {
        load(e, op, kv, head, end - op->window, end, s);
        r->judge->attn_window(&(bnt_attn_window_args){.head_dim = dim,
                                                      .scale = bnt_look_model(e)->hp.attn_scale,
                                                      .window = op->window,
                                                      .first = end - op->window,
                                                      .k = s->k,
                                                      .v = s->v,
                                                      .q = q,
                                                      .ldq = dim,
                                                      .pos = pos,
                                                      .tok_hi = 1,
                                                      .head_hi = 1,
                                                      .y = s->out,
                                                      .ldy = dim});
    } else {
        const bnt_kv_shape one = {bnt_look_options(e).n_ctx, 1, dim};
        for (uint64_t at = 0; at < end; at += LOADED) {
            uint64_t n = end - at < LOADED ? end - at : LOADED;
            load(e, op, kv, head, at, at + n, s);
            r->judge->kv_store(&(bnt_kv_store_args){.shape = one,
                                                    .pos = at,
                                                    .tok_hi = n,
                                                    .head_hi = 1,
                                                    .k = s->k,
                                                    .v = s->v,
                                                    .ldkv = dim,
                                                    .kv = s->cache});
        }
        r->judge->attn(&(bnt_attn_args){.shape = one,
                                        .kv = s->cache,
                                        .q = q,
                                        .ldq = dim,
                                        .heads = 1,
                                        .scale = bnt_look_model(e)->hp.attn_scale,
                                        .pos = pos,
                                        .tok_hi = 1,
                                        .head_hi = 1,
                                        .chunk_hi = pos / BNT_ATTN_CHUNK + 1,
                                        .chunks = pos / BNT_ATTN_CHUNK + 1,
                                        .y = s->out,
                                        .ldy = dim});
    }
    const float *got = bnt_look_row(e, op->out, token, op->width) + (uint64_t)head * dim;
    bool found = differs(got, s->out, dim, dim, "value", out);
    out->head = head;
    return found;
}

/* ---- any of them ----------------------------------------------------------------------------- */

void bnt_recompute_before(struct bnt_recompute *r, unsigned i, uint32_t k, uint64_t token) {
    const struct bnt_op *op = &bnt_look_plan(r->e)->ops[k];
    const bool updates = bnt_op_form(op->kind)->updates;
    const enum bnt_buffer b = updates ? op->out : op->in;
    const uint32_t width = updates ? op->width : op->in_width;
    if (op->kind == BNT_OP_SELECT || !bnt_buffer_is_f32(b)) return;
    memcpy(r->of[i].saved, bnt_look_row(r->e, b, token, width), width * sizeof(float));
}

bool bnt_recompute_differs(struct bnt_recompute *r, unsigned i, uint32_t k, uint64_t token,
                           uint64_t part, struct bnt_recomputed *out) {
    const struct bnt_exec *e = r->e;
    const struct bnt_op *op = &bnt_look_plan(e)->ops[k];
    struct scratch *s = &r->of[i];
    switch (op->kind) {
    case BNT_OP_EMBED: embed(r, s, op, token); break;
    case BNT_OP_SELECT:
        memcpy(s->out, bnt_look_row(e, op->in, bnt_look_wanted(e, token), op->in_width),
               op->width * sizeof *s->out);
        break;
    case BNT_OP_NORM: norm(r, s, op); break;
    case BNT_OP_QUANTIZE: return acts_differ(r, s, op, token, out);
    case BNT_OP_LINEAR: return product_differs(r, s, k, token, part, out);
    case BNT_OP_ROPE: rope(r, s, op, token); break;
    case BNT_OP_KV_STORE: return stored_differs(r, s, op, token, out);
    case BNT_OP_ATTENTION: return attention_differs(r, s, op, token, (uint32_t)part, out);
    case BNT_OP_GATE: gate(r, s, op, token); break;
    case BNT_OP_ADD: add(r, s, op, bnt_look_row(e, op->in, token, op->in_width)); break;
    case BNT_OP_BIAS: add(r, s, op, op->gain); break;
    case BNT_OP_SCALE:
        for (uint32_t c = 0; c < op->width; c++) s->out[c] = s->saved[c] * op->factor;
        break;
    case BNT_OP_COUNT: return false;
    }
    return differs(bnt_look_row(e, op->out, token, op->width), s->out, op->width,
                   op->width / op->heads, "value", out);
}

/* ---- opening -------------------------------------------------------------------------------- */

/* A ternary product reads quantized activations; the values they were made from are still in their
 * buffer, since the plan writes it again only after the threads have met behind the product. */
static int find_inputs(struct bnt_recompute *r, struct bnt_err *err) {
    const struct bnt_plan *plan = bnt_look_plan(r->e);
    enum bnt_buffer quantized = BNT_BUF_NONE;
    r->inputs = calloc(plan->n_ops, sizeof *r->inputs);
    if (!r->inputs) return bnt_fail_nomem(err, "the spot-check", plan->n_ops * sizeof *r->inputs);
    for (uint32_t k = 0; k < plan->n_ops; k++) {
        const struct bnt_op *op = &plan->ops[k];
        if (op->kind == BNT_OP_QUANTIZE) quantized = op->in;
        if (op->kind == BNT_OP_LINEAR) r->inputs[k] = op->in == BNT_BUF_ACTS ? quantized : op->in;
    }
    return BNT_OK;
}

struct sizes {
    uint64_t widest, cols, blocks, packed, acts, cache, loaded;
};

/* Room for one row and one token of any matrix, in the judge's layouts. */
static int measure_matrices(const struct bnt_recompute *r, struct sizes *z, struct bnt_err *err) {
    for (uint32_t i = 0; i < bnt_look_model(r->e)->n_matrices; i++) {
        const struct bnt_weight *w = &bnt_look_weights(r->e)->w[i];
        bnt_ternary_shape shape = w->tshape;
        bnt_act_shape acts = {1, shape.cols, shape.block, 0};
        bnt_layout packed = {0}, quantized = {0};
        if (!w->ternary) continue;
        shape.rows = 1;
        if (r->judge->ternary_layout(&shape, &packed) != BNT_SUPPORTED ||
            r->judge->act_layout(&acts, &quantized) != BNT_SUPPORTED)
            return bnt_fail(err, BNT_E_UNSUPPORTED, "spot-check: the judge cannot hold tensor '%s'",
                            bnt_look_model(r->e)->matrices[i].name);
        if (shape.cols > z->cols) z->cols = shape.cols;
        if (shape.block && shape.cols / shape.block > z->blocks)
            z->blocks = shape.cols / shape.block;
        if (packed.bytes > z->packed) z->packed = packed.bytes;
        if (quantized.bytes > z->acts) z->acts = quantized.bytes;
    }
    return BNT_OK;
}

/* ... of any buffer, and of one head of a cache. */
static int measure(const struct bnt_recompute *r, struct sizes *z, struct bnt_err *err) {
    const struct bnt_hparams *hp = &bnt_look_model(r->e)->hp;
    const uint64_t n_ctx = bnt_look_options(r->e).n_ctx;
    const bnt_kv_shape one = {n_ctx, 1, hp->head_dim};
    bnt_layout cache = {0};
    if (r->judge->kv_layout(&one, &cache) != BNT_SUPPORTED)
        return bnt_fail(err, BNT_E_UNSUPPORTED, "spot-check: the judge cannot hold a cache");
    for (unsigned b = 0; b < BNT_BUF_COUNT; b++)
        if (b != BNT_BUF_LOGITS && bnt_look_plan(r->e)->width[b] > z->widest)
            z->widest = bnt_look_plan(r->e)->width[b];
    z->cache = cache.bytes;
    z->blocks = 1;
    z->loaded = hp->window < n_ctx ? hp->window : n_ctx;
    if (z->loaded < LOADED) z->loaded = LOADED;
    z->loaded *= hp->head_dim;
    if (z->loaded < (uint64_t)hp->n_head_kv * hp->head_dim)
        z->loaded = (uint64_t)hp->n_head_kv * hp->head_dim;
    return measure_matrices(r, z, err);
}

/* On a page boundary, as any layout may ask for; without a base, only its size. */
static void *take(uint8_t *base, uint64_t *at, uint64_t bytes) {
    void *p = base ? base + *at : NULL;
    *at += (bytes + 4095) & ~(uint64_t)4095;
    return p;
}

static uint64_t place(struct scratch *s, const struct sizes *z, uint8_t *base) {
    uint64_t at = 0;
    s->saved = take(base, &at, z->widest * sizeof(float));
    s->out = take(base, &at, z->widest * sizeof(float));
    s->trits = take(base, &at, z->cols);
    s->scales = take(base, &at, z->blocks * sizeof(float));
    s->packed = take(base, &at, z->packed);
    s->acts = take(base, &at, z->acts);
    s->cache = take(base, &at, z->cache);
    for (unsigned side = 0; side < 2; side++) {
        s->q[side] = take(base, &at, z->cols);
        s->a[side] = take(base, &at, z->blocks * sizeof(float));
    }
    s->k = take(base, &at, z->loaded * sizeof(float));
    s->v = take(base, &at, z->loaded * sizeof(float));
    return at;
}

static int open_members(struct bnt_recompute *r, struct bnt_err *err) {
    const unsigned n = bnt_pool_threads(bnt_look_pool(r->e));
    struct sizes z = {0};
    uint64_t all;
    int status = measure(r, &z, err);
    if (status != BNT_OK) return status;
    r->of = calloc(n, sizeof *r->of);
    if (!r->of) return bnt_fail_nomem(err, "the spot-check", n * sizeof *r->of);
    const uint64_t each = place(&r->of[0], &z, NULL);
    if (!bnt_mul_u64(n, each, &all)) return bnt_fail_nomem(err, "the spot-check", SIZE_MAX);
    status = bnt_mem_reserve(&r->memory, all, "the spot-check", err);
    for (unsigned i = 0; i < n && status == BNT_OK; i++)
        place(&r->of[i], &z, (uint8_t *)r->memory.ptr + i * each);
    return status;
}

int bnt_recompute_open(struct bnt_recompute **out, const struct bnt_exec *e,
                       const bnt_kernels *judge, struct bnt_err *err) {
    *out = NULL;
    struct bnt_recompute *r = calloc(1, sizeof *r);
    if (!r) return bnt_fail_nomem(err, "the spot-check", sizeof *r);
    r->e = e;
    r->judge = judge;
    int status = find_inputs(r, err);
    if (status == BNT_OK) status = open_members(r, err);
    if (status != BNT_OK) {
        bnt_recompute_close(r);
        return status;
    }
    *out = r;
    return BNT_OK;
}

void bnt_recompute_close(struct bnt_recompute *r) {
    if (!r) return;
    bnt_mem_free(&r->memory);
    free(r->of);
    free(r->inputs);
    free(r);
}
