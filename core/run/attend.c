/*
 * attend.c - attention of a batch: how it is shared out among threads.
 *
 * The one idea: items of work that whoever is free takes, longest first where that is known. What
 * an item is depends on its span. Of many tokens: a KV head for some of them. Of one token: a KV
 * head; or, where these are too few to keep all threads busy (a single sequence that decodes), a KV
 * head and a chunk of the context, whose partial results are merged when all are done. NUMERICS
 * fixes the order of merging, so all ways give the same bytes.
 */
#include "run/ops.h"

enum {
    ATTN_TOKENS = 32, /* query tokens per item of a span of many */
    SPLIT_ITEMS = 4,  /* fewer items than this per thread are split by chunks */
};

static uint32_t chunks_upto(uint64_t pos) {
    return (uint32_t)(pos / BNT_ATTN_CHUNK + 1);
}

uint32_t bnt_attend_most_split(uint32_t kv_heads, unsigned threads) {
    return (SPLIT_ITEMS * threads + kv_heads - 1) / kv_heads;
}

uint64_t bnt_attend_window_rows(const struct bnt_exec *e) {
    uint64_t window = e->m->hp.window;
    if (window == 0) return 0;
    return (window < e->options.n_ctx ? window : e->options.n_ctx) + ATTN_TOKENS;
}

/* Whether a token of the span is far enough for a window to matter. */
static bool hides(const struct bnt_exec *e, const struct bnt_exec_span *span) {
    return e->m->hp.window && span->pos + span->n > e->m->hp.window;
}

static uint32_t items_of(const struct bnt_exec *e, const struct bnt_exec_span *span, bool window) {
    uint32_t heads = e->m->hp.n_head_kv;
    if (window && span->n == 1 && hides(e, span)) return e->m->hp.n_head;
    if (!window && e->split) return heads * chunks_upto(span->pos);
    return heads * ((span->n + ATTN_TOKENS - 1) / ATTN_TOKENS);
}

void bnt_attend_prepare(struct bnt_exec *e) {
    e->split = e->n == e->n_spans && e->n_spans <= e->part_spans;
    e->windowed = false;
    for (uint32_t s = 0; s < e->n_spans; s++) e->windowed |= hides(e, &e->spans[s]);
    for (unsigned w = 0; w < (e->windowed ? 2u : 1u); w++) {
        e->first_item[w][0] = 0;
        for (uint32_t s = 0; s < e->n_spans; s++)
            e->first_item[w][s + 1] = e->first_item[w][s] + items_of(e, &e->spans[s], w);
    }
}

/* Arguments for all of a span's tokens and heads; the first row of its buffers is its own. */
static bnt_attn_args whole(const struct bnt_exec *e, const struct bnt_op *op, uint32_t s) {
    const struct bnt_exec_span *span = &e->spans[s];
    uint64_t row = e->first_row[s];
    uint32_t chunks = chunks_upto(span->pos + span->n - 1);
    return (bnt_attn_args){.shape = span->kv->shape,
                           .kv = bnt_kv_layer(span->kv, op->layer),
                           .q = e->buffer[op->in] + row * op->in_width,
                           .ldq = op->in_width,
                           .heads = op->heads,
                           .scale = e->m->hp.attn_scale,
                           .pos = span->pos,
                           .tok_hi = span->n,
                           .head_hi = op->heads,
                           .chunk_hi = chunks,
                           .chunks = chunks,
                           .part = e->split ? e->part + s * e->part_floats : NULL,
                           .y = e->buffer[op->out] + row * op->width,
                           .ldy = op->width};
}

/* The query heads of one KV head. */
static void narrow(bnt_attn_args *a, uint32_t kv_head) {
    uint32_t group = a->heads / a->shape.heads;
    a->head_lo = kv_head * group;
    a->head_hi = a->head_lo + group;
}

/* The composition that defines the optional slot `attn`, token by token in scratch of our own. */
static void composed(struct bnt_exec *e, const bnt_attn_args *block, unsigned i) {
    for (uint64_t t = block->tok_lo; t < block->tok_hi; t++) {
        bnt_attn_args a = *block;
        a.q += t * a.ldq;
        a.y += t * a.ldy;
        a.pos += t;
        a.tok_lo = 0;
        a.tok_hi = 1;
        a.chunks = a.chunk_hi = chunks_upto(a.pos);
        a.part = e->part + (e->part_spans + i) * e->part_floats;
        BNT_CALL(e, i, attn_chunk, &a);
        BNT_CALL(e, i, attn_merge, &a);
    }
}

/* A KV head and a chunk. */
static void chunk_item(struct bnt_exec *e, bnt_attn_args *a, unsigned i, uint32_t item) {
    narrow(a, item / (uint32_t)a->chunks);
    a->chunk_lo = item % a->chunks;
    a->chunk_hi = a->chunk_lo + 1;
    a->y = NULL;
    BNT_CALL(e, i, attn_chunk, a);
}

/* A KV head and a block of tokens. Late tokens see more keys, so blocks come from the end. */
static void block_item(struct bnt_exec *e, bnt_attn_args *a, unsigned i, uint32_t item) {
    uint64_t tokens = a->tok_hi, blocks = (tokens + ATTN_TOKENS - 1) / ATTN_TOKENS;
    uint64_t block = blocks - 1 - item / a->shape.heads;
    narrow(a, item % a->shape.heads);
    a->tok_lo = block * ATTN_TOKENS;
    a->tok_hi = a->tok_lo + ATTN_TOKENS < tokens ? a->tok_lo + ATTN_TOKENS : tokens;
    if (e->k->attn && tokens > 1) {
        a->part = NULL;
        BNT_CALL(e, i, attn, a);
    } else {
        composed(e, a, i);
    }
}

/* Tokens that see the last positions only: a block of tokens of a KV head or, of one token, a query
 * head. K and V are had from the backend's cache as plain numbers. */
static void window_item(struct bnt_exec *e, const struct bnt_op *op, const bnt_attn_args *all,
                        unsigned i, uint32_t item) {
    const uint32_t group = all->heads / all->shape.heads, dim = all->shape.head_dim;
    const uint32_t heads = all->tok_hi == 1 ? 1 : group, parts = all->heads / heads;
    float *k = e->window_kv + i * 2 * e->window_rows * dim, *v = k + e->window_rows * dim;
    uint32_t head = item % parts * heads;
    bnt_attn_window_args a = {.head_dim = dim,
                              .scale = all->scale,
                              .window = op->window,
                              .k = k,
                              .v = v,
                              .q = all->q,
                              .ldq = all->ldq,
                              .pos = all->pos,
                              .tok_lo = (uint64_t)(item / parts) * ATTN_TOKENS,
                              .head_lo = head,
                              .head_hi = head + heads,
                              .y = all->y,
                              .ldy = all->ldy};
    a.tok_hi = a.tok_lo + ATTN_TOKENS < all->tok_hi ? a.tok_lo + ATTN_TOKENS : all->tok_hi;
    uint64_t seen = all->pos + a.tok_lo + 1; /* by the first token, were there no window */
    a.first = seen > op->window ? seen - op->window : 0;
    bnt_kv_load_args load = {.shape = all->shape,
                             .pos_lo = a.first,
                             .pos_hi = all->pos + a.tok_hi,
                             .head = head / group,
                             .kv = all->kv,
                             .k = k,
                             .v = v};
    BNT_CALL(e, i, kv_load, &load);
    BNT_CALL(e, i, attn_window, &a);
}

/* Member i's share of all query heads of all spans. */
static void merge(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n) {
    uint64_t lo, hi;
    bnt_slice((uint64_t)e->n_spans * op->heads, 1, i, n, &lo, &hi);
    while (lo < hi) {
        uint32_t s = (uint32_t)(lo / op->heads);
        uint64_t end = (uint64_t)(s + 1) * op->heads;
        bnt_attn_args a = whole(e, op, s);
        if (end > hi) end = hi;
        a.head_lo = (uint32_t)(lo - (uint64_t)s * op->heads);
        a.head_hi = (uint32_t)(end - (uint64_t)s * op->heads);
        BNT_CALL(e, i, attn_merge, &a);
        lo = end;
    }
}

void bnt_attend(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n) {
    /* Where no window hides anything, it is attention as ever. */
    const bool window = op->window && e->windowed, split = e->split && !window;
    const uint32_t *first_item = e->first_item[window];
    uint32_t item, s = 0;
    while ((item = bnt_exec_take(e, op)) < first_item[e->n_spans]) {
        while (item >= first_item[s + 1]) s++; /* a member's items only rise */
        bnt_attn_args a = whole(e, op, s);
        item -= first_item[s];
        if (window && hides(e, &e->spans[s]))
            window_item(e, op, &a, i, item);
        else if (split)
            chunk_item(e, &a, i, item);
        else
            block_item(e, &a, i, item);
    }
    if (!split) return;
    bnt_pool_barrier(e->pool);
    merge(e, op, i, n);
}
