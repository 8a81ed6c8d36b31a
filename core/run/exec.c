/*
 * exec.c - see exec.h.
 *
 * The one idea: one fork per batch. All threads walk the same list of operations, each doing its
 * slice, and meet only where the plan says `wait`. Any partition gives the same bytes, so slices
 * are chosen for speed alone.
 */
#include "run/exec.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "model/rope.h"
#include "run/exec_state.h"
#include "run/rows.h"

enum {
    CHAIN_TOKENS = 12, /* tokens of a chain that a thread takes at a time */
    FEW_TOKENS = 8,    /* up to so many, a product is bound by memory */
    SHARED_ROWS = 64,  /* rows of a product that a thread takes at a time, at least */
};

/* ---- one operation, slice i of n threads ---------------------------------------------------- */

static uint32_t tokens_of(const struct bnt_exec *e, const struct bnt_op *op) {
    return op->on_wanted ? e->wanted : e->n;
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
        uint64_t row = (uint64_t)e->ids[t];
        float *out = e->buffer[op->out] + t * op->width;
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

static void select_wanted(struct bnt_exec *e, const struct bnt_op *op, uint64_t lo, uint64_t hi) {
    memcpy(e->buffer[op->out] + lo * op->width,
           e->buffer[op->in] + (e->n - e->wanted + lo) * op->in_width,
           (hi - lo) * op->width * sizeof(float));
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
    bnt_act_quantize_args a = {.shape = {tokens_of(e, op), op->in_width, op->block, 0},
                               .tok_lo = lo,
                               .tok_hi = hi,
                               .x = e->buffer[op->in],
                               .ldx = op->in_width,
                               .acts = e->acts};
    BNT_CALL(e, i, act_quantize, &a);
}

static bool searches(const struct bnt_exec *e, const struct bnt_op *op) {
    return e->top_k && op->out == BNT_BUF_LOGITS;
}

/* In the head's place: only the largest logits. */
static void search(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n) {
    uint64_t exact = bnt_search_run(e->search, e->buffer[op->in], e->top_k, e->pool, i, n);
    BNT_COUNT(e, i, i8_gemv, 1);
    BNT_COUNT(e, i, dense_gemm, exact);
}

static void linear_rows(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                        uint64_t hi) {
    const struct bnt_weight *w = &e->weights->w[op->matrix];
    uint64_t tokens = tokens_of(e, op);
    if (lo >= hi) return;
    if (w->ternary) {
        bnt_ternary_gemm_args a = {.shape = w->tshape,
                                   .packed = w->w,
                                   .scale = w->scale,
                                   .act_shape = {tokens, w->tshape.cols, w->tshape.block, 0},
                                   .acts = e->acts,
                                   .row_lo = lo,
                                   .row_hi = hi,
                                   .tok_hi = tokens,
                                   .y = e->buffer[op->out],
                                   .ldy = op->width};
        BNT_CALL(e, i, ternary_gemm, &a);
    } else {
        bnt_dense_gemm_args a = {.x = e->buffer[op->in],
                                 .ldx = op->in_width,
                                 .row_lo = lo,
                                 .row_hi = hi,
                                 .tok_hi = tokens,
                                 .y = e->buffer[op->out],
                                 .ldy = op->width};
        float *scratch = e->row_scratch + i * e->row_scratch_floats;
        BNT_COUNT(e, i, dense_gemm, bnt_rows_product(w, e->k, a, scratch));
    }
}

static void linear(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n) {
    uint64_t lo, hi;
    bnt_slice(op->width, e->weights->w[op->matrix].step, i, n, &lo, &hi);
    linear_rows(e, op, i, lo, hi);
}

/* The same by whoever is free, a few rows at a time: a thread that is held up leaves more to
 * the others. For few tokens this was no faster than slices, which are long streams through memory.
 */
static void linear_shared(struct bnt_exec *e, const struct bnt_op *op, unsigned i) {
    uint64_t least = e->weights->w[op->matrix].step;
    uint64_t step = (SHARED_ROWS + least - 1) / least * least;
    uint64_t steps = (op->width + step - 1) / step;
    for (uint64_t k = bnt_exec_take(e, op); k < steps; k = bnt_exec_take(e, op)) {
        uint64_t lo = k * step;
        linear_rows(e, op, i, lo, lo + step < op->width ? lo + step : op->width);
    }
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
}

static void kv_store(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                     uint64_t hi) {
    bnt_kv_store_args a = {.shape = e->kv,
                           .pos = e->pos,
                           .tok_lo = lo,
                           .tok_hi = hi,
                           .head_hi = op->heads,
                           .k = e->buffer[op->in],
                           .v = e->buffer[op->in2],
                           .ldkv = op->in_width,
                           .kv = e->cache + op->layer * e->layer_bytes};
    BNT_CALL(e, i, kv_store, &a);
}

static void gate(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                 uint64_t hi) {
    bnt_gate_args a = {.lo = lo * op->width,
                       .hi = hi * op->width,
                       .g = e->buffer[op->in],
                       .u = e->buffer[op->in2],
                       .y = e->buffer[op->out],
                       .kind = e->m->hp.gate};
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
        bnt_add_args a = {.hi = op->width, .x = op->gain, .y = e->buffer[op->out] + t * op->width};
        BNT_CALL(e, i, add, &a);
    }
}

/* No slot: one product a value, which no kernel could do otherwise. */
static void scale(struct bnt_exec *e, const struct bnt_op *op, uint64_t lo, uint64_t hi) {
    float *y = e->buffer[op->out], factor = op->factor;
    for (uint64_t k = lo * op->width; k < hi * op->width; k++) y[k] = y[k] * factor;
}

/* Tokens [lo, hi) of an operation that takes each by itself. */
static void tokens(struct bnt_exec *e, const struct bnt_op *op, unsigned i, uint64_t lo,
                   uint64_t hi) {
    if (lo >= hi) return;
    switch (op->kind) {
    case BNT_OP_EMBED: embed(e, op, i, lo, hi); break;
    case BNT_OP_SELECT: select_wanted(e, op, lo, hi); break;
    case BNT_OP_NORM: norm(e, op, i, lo, hi); break;
    case BNT_OP_QUANTIZE: quantize(e, op, i, lo, hi); break;
    case BNT_OP_ROPE: rope(e, op, i, lo, hi); break;
    case BNT_OP_KV_STORE: kv_store(e, op, i, lo, hi); break;
    case BNT_OP_GATE: gate(e, op, i, lo, hi); break;
    case BNT_OP_ADD: add(e, op, i, lo, hi); break;
    case BNT_OP_BIAS: bias(e, op, i, lo, hi); break;
    case BNT_OP_SCALE: scale(e, op, lo, hi); break;
    case BNT_OP_LINEAR:
    case BNT_OP_ATTENTION:
    case BNT_OP_COUNT: break;
    }
}

void bnt_exec_slice(struct bnt_exec *e, uint32_t k, unsigned i, unsigned n) {
    const struct bnt_op *op = &e->plan.ops[k];
    uint64_t lo, hi;
    if (op->kind == BNT_OP_ATTENTION) {
        bnt_exec_attend(e, op, i, n);
    } else if (op->kind == BNT_OP_LINEAR) {
        if (searches(e, op))
            search(e, op, i, n);
        else
            linear(e, op, i, n);
    } else {
        bnt_slice(tokens_of(e, op), 1, i, n, &lo, &hi);
        tokens(e, op, i, lo, hi);
    }
}

/* A chain of operations, a few tokens through all of them at a time. */
static void chain(struct bnt_exec *e, const struct bnt_op *first, unsigned i) {
    uint64_t count = tokens_of(e, first), lo;
    while ((lo = (uint64_t)bnt_exec_take(e, first) * CHAIN_TOKENS) < count) {
        uint64_t end = lo + CHAIN_TOKENS < count ? lo + CHAIN_TOKENS : count;
        for (uint64_t t = lo; t < end; t++)
            for (uint32_t k = 0; k < first->chain; k++) tokens(e, first + k, i, t, t + 1);
    }
}

/* Every operation by itself, in somebody else's hands. */
static void walk_hooked(struct bnt_exec *e, unsigned i, unsigned n) {
    for (uint32_t k = 0; k < e->plan.n_ops; k++) {
        if (e->plan.ops[k].on_wanted && e->wanted == 0) break;
        bnt_pool_barrier(e->pool);
        e->hook.slice(e->hook.arg, k, i, n);
    }
}

static void walk(void *arg, unsigned i, unsigned n) {
    struct bnt_exec *e = arg;
    const struct bnt_op *op = e->plan.ops, *end = op + e->plan.n_ops;
    if (e->hook.slice) {
        walk_hooked(e, i, n);
        return;
    }
    for (; op < end; op += op->chain) {
        if (op->on_wanted && e->wanted == 0) break; /* the head and what leads to it come last */
        if (op->wait) bnt_pool_barrier(e->pool);
        if (op->kind == BNT_OP_ATTENTION)
            bnt_exec_attend(e, op, i, n);
        else if (op->kind != BNT_OP_LINEAR)
            chain(e, op, i);
        else if (searches(e, op))
            search(e, op, i, n);
        else if (n == 1 || e->options.placed || tokens_of(e, op) <= FEW_TOKENS)
            linear(e, op, i, n);
        else
            linear_shared(e, op, i);
    }
}

static void prepare(struct bnt_exec *e, const int32_t *ids, uint32_t n, uint64_t pos,
                    uint32_t wanted) {
    e->ids = ids;
    e->n = n;
    e->pos = pos;
    e->wanted = wanted;
    e->top_k = 0;
    for (uint32_t k = 0; k < e->plan.n_ops; k++)
        atomic_store_explicit(&e->tickets[k], 0, memory_order_relaxed);
    for (unsigned set = 0; set < e->sets; set++)
        bnt_rope_table(e->cos[set], e->sin[set], e->freq[set], e->m->hp.n_rot,
                       bnt_rope_magnitude(&e->m->hp.rope_scaling), pos, n);
}

void bnt_exec_run(struct bnt_exec *e, const int32_t *ids, uint32_t n, uint64_t pos,
                  uint32_t wanted) {
    prepare(e, ids, n, pos, wanted);
    if (e->hook.begin) e->hook.begin(e->hook.arg);
    bnt_pool_run(e->pool, walk, e);
}

bool bnt_exec_can_search(const struct bnt_exec *e, uint32_t k) {
    bool unhooked = !e->hook.slice || e->hook.watches;
    return e->search && unhooked && k >= 1 && k <= BNT_HEAD_MOST && k <= e->m->hp.n_vocab;
}

void bnt_exec_run_top(struct bnt_exec *e, const int32_t *ids, uint32_t n, uint64_t pos,
                      uint32_t k) {
    prepare(e, ids, n, pos, 1);
    e->top_k = k;
    if (e->hook.begin) e->hook.begin(e->hook.arg);
    bnt_pool_run(e->pool, walk, e);
}

struct bnt_search *bnt_exec_search(const struct bnt_exec *e) {
    return e->search;
}

/* The head is the last operation of the plan. */
static void head_slice(void *arg, unsigned i, unsigned n) {
    struct bnt_exec *e = arg;
    if (e->hook.slice)
        e->hook.slice(e->hook.arg, e->plan.n_ops - 1, i, n);
    else
        bnt_exec_slice(e, e->plan.n_ops - 1, i, n);
}

void bnt_exec_complete(struct bnt_exec *e) {
    e->top_k = 0;
    bnt_pool_run(e->pool, head_slice, e);
}

void bnt_exec_follow(struct bnt_exec *e, const struct bnt_exec *from) {
    prepare(e, from->ids, from->n, from->pos, from->wanted);
}

void bnt_exec_hook(struct bnt_exec *e, const struct bnt_exec_hook *hook) {
    e->hook = hook ? *hook : (struct bnt_exec_hook){0};
}

int bnt_exec_verdict(const struct bnt_exec *e, struct bnt_err *err) {
    return e->hook.verdict ? e->hook.verdict(e->hook.arg, err) : BNT_OK;
}

/* ---- memory --------------------------------------------------------------------------------- */

/* The largest object that any batch of up to n_batch tokens needs, over all quantized inputs. */
static int acts_bytes(const struct bnt_exec *e, uint64_t *bytes, struct bnt_err *err) {
    *bytes = 0;
    for (uint32_t i = 0; i < e->m->n_matrices; i++) {
        const struct bnt_weight *w = &e->weights->w[i];
        bnt_layout layout = {0};
        if (!w->ternary) continue;
        for (uint64_t tokens = 1; tokens <= e->options.n_batch; tokens++) {
            bnt_act_shape shape = {tokens, w->tshape.cols, w->tshape.block, 0};
            if (e->k->act_layout(&shape, &layout) != BNT_SUPPORTED)
                return bnt_fail(err, BNT_E_BACKEND,
                                "the backend cannot quantize rows of %llu (block %u)",
                                (unsigned long long)shape.cols, shape.block);
            if (layout.bytes > *bytes) *bytes = layout.bytes;
        }
    }
    return BNT_OK;
}

/* Hands out pieces of one region. Without a base it only adds up sizes: two passes over the same
 * list, one to measure and one to place. */
struct carver {
    uint8_t *base;
    uint64_t at;
    bool overflow;
};

static void *carve(struct carver *c, uint64_t count, uint64_t size) {
    uint8_t *p = c->base ? c->base + c->at : NULL;
    uint64_t bytes = 0;
    c->overflow |= !bnt_mul_u64(count, size, &bytes) || !bnt_add_u64(c->at, bytes, &c->at) ||
                   !bnt_align_u64(c->at, 128, &c->at);
    return p;
}

static void carve_all(struct bnt_exec *e, uint64_t acts, struct carver *c) {
    const struct bnt_hparams *hp = &e->m->hp;
    uint64_t n_batch = e->options.n_batch, parts = bnt_pool_threads(e->pool) + 1u;
    e->cache = carve(c, hp->n_layer, e->layer_bytes);
    for (unsigned b = 0; b < BNT_BUF_COUNT; b++) {
        bool few = b == BNT_BUF_LOGITS || b == BNT_BUF_WANTED;
        e->buffer[b] = carve(c, few ? e->options.n_wanted : n_batch,
                             (uint64_t)e->plan.width[b] * sizeof(float));
    }
    e->acts = carve(c, 1, acts);
    for (unsigned set = 0; set < e->sets; set++) {
        e->cos[set] = carve(c, n_batch * (hp->n_rot / 2), sizeof(float));
        e->sin[set] = carve(c, n_batch * (hp->n_rot / 2), sizeof(float));
        e->freq[set] = carve(c, hp->n_rot / 2, sizeof(double));
    }
    const struct bnt_weight *embedding = &e->weights->w[e->m->embedding];
    if (embedding->ternary) { /* a row each, per thread */
        e->embed_trits = carve(c, parts, hp->n_embd);
        e->embed_scales = carve(c, parts, hp->n_embd * sizeof(float));
    } else {
        e->embed_row = carve(c, parts, embedding->row_room);
    }
    e->row_scratch_floats = bnt_rows_scratch(e->weights->w, e->m->n_matrices);
    e->row_scratch = carve(c, parts, e->row_scratch_floats * sizeof(float));
    e->tickets = carve(c, e->plan.n_ops, sizeof *e->tickets);
    e->part = carve(c, parts, e->part_floats * sizeof(float));
    e->window_kv = carve(c, parts, 2 * e->window_rows * hp->head_dim * sizeof(float));
    e->calls = carve(c, bnt_pool_threads(e->pool), sizeof *e->calls);
}

static int allocate(struct bnt_exec *e, struct bnt_err *err) {
    const struct bnt_hparams *hp = &e->m->hp;
    bnt_layout layout = {0};
    struct carver measure = {0}, place = {0};
    uint64_t acts;
    e->kv = (bnt_kv_shape){e->options.n_ctx, hp->n_head_kv, hp->head_dim};
    if (e->k->kv_layout(&e->kv, &layout) != BNT_SUPPORTED)
        return bnt_fail(err, BNT_E_BACKEND, "the backend cannot hold a KV cache of %u x %u values",
                        e->kv.heads, e->kv.head_dim);
    e->part_floats = bnt_exec_chunks(e->options.n_ctx) * hp->n_head * (hp->head_dim + 2u);
    e->window_rows = bnt_exec_window_rows(e);
    int status = acts_bytes(e, &acts, err);
    if (status != BNT_OK) return status;
    measure.overflow =
        !bnt_align_u64(layout.bytes, layout.align > 128 ? layout.align : 128, &e->layer_bytes);
    carve_all(e, acts, &measure);
    if (measure.overflow)
        return bnt_fail(err, BNT_E_LIMIT, "a context of %llu tokens does not fit into 64 bits",
                        (unsigned long long)e->options.n_ctx);
    status = bnt_mem_alloc(&e->memory, measure.at, "the KV cache and buffers", err);
    /* Of a cache for thousands of positions a short text uses little, but of each head. */
    if (status == BNT_OK) bnt_mem_small_pages(&e->memory);
    place.base = e->memory.ptr;
    if (status == BNT_OK) carve_all(e, acts, &place);
    return status;
}

int bnt_exec_open(struct bnt_exec **out, const struct bnt_model *m, const struct bnt_weights *w,
                  const bnt_kernels *k, struct bnt_pool *pool,
                  const struct bnt_exec_options *options, struct bnt_err *err) {
    *out = NULL;
    struct bnt_exec *e = calloc(1, sizeof *e);
    if (!e) return bnt_fail_nomem(err, "the executor", sizeof *e);
    e->m = m;
    e->weights = w;
    e->k = k;
    e->pool = pool;
    e->options = *options;
    e->sets = m->hp.window ? BNT_ROPE_SETS : 1;
    int status = bnt_plan_build(&e->plan, m, err);
    if (status == BNT_OK) status = allocate(e, err);
    if (status == BNT_OK && options->head && options->head->exact)
        status = bnt_search_open(&e->search, options->head, bnt_pool_threads(pool), err);
    if (status != BNT_OK) {
        bnt_exec_close(e);
        return status;
    }
    for (unsigned set = 0; set < e->sets; set++)
        bnt_model_frequencies(m, (enum bnt_rope_set)set, options->n_ctx, e->freq[set]);
    *out = e;
    return BNT_OK;
}

int bnt_exec_open_beside(struct bnt_exec **out, const struct bnt_exec *e,
                         const struct bnt_weights *w, const bnt_kernels *k, struct bnt_err *err) {
    struct bnt_exec_options options = e->options;
    options.head = NULL; /* its copy is in the layout of e's backend */
    return bnt_exec_open(out, e->m, w, k, e->pool, &options, err);
}

void bnt_exec_close(struct bnt_exec *e) {
    if (!e) return;
    bnt_search_close(e->search);
    bnt_plan_free(&e->plan);
    bnt_mem_free(&e->memory);
    free(e);
}

const float *bnt_exec_logits(const struct bnt_exec *e) {
    return e->buffer[BNT_BUF_LOGITS];
}

const float *bnt_exec_hidden(const struct bnt_exec *e) {
    return e->buffer[BNT_BUF_NORM]; /* the head's input is the last that is written to it */
}

uint64_t bnt_exec_bytes(const struct bnt_exec *e) {
    return e->memory.size;
}

uint64_t bnt_exec_calls(const struct bnt_exec *e, size_t slot) {
    uint64_t calls = 0;
    for (unsigned i = 0; i < bnt_pool_threads(e->pool) && slot < BNT_SLOTS; i++)
        calls += e->calls[i].n[slot];
    return calls;
}
