/*
 * exec.c - see exec.h: what an executor consists of.
 *
 * The one idea: all buffers lie in one region that is reserved for the largest batch, and memory
 * comes as they are used.
 */
#include "run/exec.h"

#include <stdlib.h>

#include "base/checked.h"
#include "run/ops.h"
#include "run/range.h"
#include "run/rows.h"

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
    uint64_t n_batch = e->options.n_batch, threads = bnt_pool_threads(e->pool);
    for (unsigned b = 0; b < BNT_BUF_COUNT; b++)
        e->buffer[b] = carve(c, b == BNT_BUF_LOGITS ? e->options.n_logits : n_batch,
                             (uint64_t)e->plan.width[b] * sizeof(float));
    e->acts = carve(c, 1, acts);
    for (unsigned set = 0; set < e->sets; set++) {
        e->cos[set] = carve(c, n_batch * (hp->n_rot / 2), sizeof(float));
        e->sin[set] = carve(c, n_batch * (hp->n_rot / 2), sizeof(float));
        e->freq[set] = carve(c, hp->n_rot / 2, sizeof(double));
    }
    const struct bnt_weight *embedding = &e->weights->w[e->m->embedding];
    if (embedding->ternary) { /* a row each, per thread */
        e->embed_trits = carve(c, threads, hp->n_embd);
        e->embed_scales = carve(c, threads, hp->n_embd * sizeof(float));
    } else {
        e->embed_row = carve(c, threads, embedding->row_room);
    }
    e->row_scratch_floats = bnt_rows_scratch(e->weights->w, e->m->n_matrices);
    e->row_scratch = carve(c, threads, e->row_scratch_floats * sizeof(float));
    e->tickets = carve(c, e->plan.n_ops, sizeof *e->tickets);
    e->part = carve(c, e->part_spans + threads, e->part_floats * sizeof(float));
    e->window_kv = carve(c, threads, 2 * e->window_rows * hp->head_dim * sizeof(float));
    e->calls = carve(c, threads, sizeof *e->calls);
    e->beyond = carve(c, threads, sizeof *e->beyond);
    e->spans = carve(c, n_batch, sizeof *e->spans);
    e->first_row = carve(c, n_batch, sizeof *e->first_row);
    e->span_of = carve(c, n_batch, sizeof *e->span_of);
    for (unsigned w = 0; w < 2; w++)
        e->first_item[w] = carve(c, n_batch + 1, sizeof *e->first_item[w]);
    e->wanted = carve(c, n_batch, sizeof *e->wanted);
    e->asks = carve(c, n_batch, sizeof *e->asks);
    e->stamp_before = carve(c, n_batch, sizeof *e->stamp_before);
}

static int allocate(struct bnt_exec *e, struct bnt_err *err) {
    const struct bnt_hparams *hp = &e->m->hp;
    struct carver measure = {0}, place = {0};
    uint64_t acts, chunks = (e->options.n_ctx - 1) / BNT_ATTN_CHUNK + 1;
    e->part_floats = chunks * hp->n_head * (hp->head_dim + 2u);
    e->part_spans = bnt_attend_most_split(hp->n_head_kv, bnt_pool_threads(e->pool));
    if (e->part_spans > e->options.n_batch) e->part_spans = e->options.n_batch;
    e->window_rows = bnt_attend_window_rows(e);
    int status = acts_bytes(e, &acts, err);
    if (status != BNT_OK) return status;
    carve_all(e, acts, &measure);
    if (measure.overflow)
        return bnt_fail(err, BNT_E_LIMIT,
                        "buffers for a context of %llu tokens do not fit into 64 "
                        "bits",
                        (unsigned long long)e->options.n_ctx);
    status = bnt_mem_reserve(&e->memory, measure.at, "the executor's buffers", err);
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
        status = bnt_search_open(&e->search, options->head, options->n_logits,
                                 bnt_pool_threads(pool), err);
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
    for (struct bnt_exec_shadow *s = e->shadows, *next; s; s = next) {
        next = s->next;
        bnt_kv_close(&s->kv);
        free(s);
    }
    bnt_search_close(e->search);
    bnt_plan_free(&e->plan);
    bnt_mem_free(&e->memory);
    free(e);
}

int bnt_exec_open_kv(const struct bnt_exec *e, struct bnt_kv *out, struct bnt_err *err) {
    return bnt_kv_open(out, e->m, e->k, e->options.n_ctx, err);
}

void bnt_exec_hook(struct bnt_exec *e, const struct bnt_exec_hook *hook) {
    e->hook = hook ? *hook : (struct bnt_exec_hook){0};
}

int bnt_exec_verdict(const struct bnt_exec *e, struct bnt_err *err) {
    int status = e->hook.verdict ? e->hook.verdict(e->hook.arg, err) : BNT_OK;
    return status == BNT_OK ? bnt_range_verdict(e, err) : status;
}

void bnt_exec_on_cancel(struct bnt_exec *e, bool (*cancelled)(void *arg), void *arg) {
    e->cancelled = cancelled;
    e->cancelled_arg = arg;
}

bool bnt_exec_can_search(const struct bnt_exec *e, uint32_t k) {
    bool unhooked = !e->hook.slice || e->hook.watches;
    return e->search && unhooked && k >= 1 && k <= BNT_HEAD_MOST && k <= e->m->hp.n_vocab;
}

struct bnt_search *bnt_exec_search(const struct bnt_exec *e) {
    return e->search;
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
