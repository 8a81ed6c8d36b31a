/*
 * attend.c - attention as the executor does it: which chunks of which heads, by whom.
 *
 * Must not know what a slot computes. The one idea: items are taken by whoever is free, longest
 * first, and what is shared out depends on nothing but the batch and its position.
 */
#include "run/exec_state.h"

enum { ATTN_TOKENS = 32 }; /* query tokens per work item in prefill */

/* One token: (KV head, chunk) items are shared out, then the partials of each head are merged. */
static void attention_one(struct bnt_exec *e, const struct bnt_op *op, const bnt_attn_args *all,
                          unsigned i, unsigned n) {
    uint32_t group = all->heads / e->kv.heads, item;
    uint64_t lo, hi;
    while ((item = bnt_exec_take(e, op)) < e->kv.heads * all->chunks) {
        bnt_attn_args a = *all;
        a.head_lo = item / (uint32_t)all->chunks * group;
        a.head_hi = a.head_lo + group;
        a.chunk_lo = item % all->chunks;
        a.chunk_hi = a.chunk_lo + 1;
        a.y = NULL;
        BNT_CALL(e, i, attn_chunk, &a);
    }
    bnt_pool_barrier(e->pool);
    bnt_slice(all->heads, 1, i, n, &lo, &hi);
    bnt_attn_args a = *all;
    a.head_lo = (uint32_t)lo;
    a.head_hi = (uint32_t)hi;
    if (lo < hi) BNT_CALL(e, i, attn_merge, &a);
}

/* The composition that defines the optional slot `attn`, token by token in scratch of our own. */
static void attention_composed(struct bnt_exec *e, const bnt_attn_args *block, unsigned i) {
    for (uint64_t t = block->tok_lo; t < block->tok_hi; t++) {
        bnt_attn_args a = *block;
        a.q += t * a.ldq;
        a.y += t * a.ldy;
        a.pos += t;
        a.tok_lo = 0;
        a.tok_hi = 1;
        a.chunks = a.chunk_hi = bnt_exec_chunks(a.pos);
        a.part = e->part + (i + 1) * e->part_floats;
        BNT_CALL(e, i, attn_chunk, &a);
        BNT_CALL(e, i, attn_merge, &a);
    }
}

uint64_t bnt_exec_window_rows(const struct bnt_exec *e) {
    uint64_t window = e->m->hp.window;
    if (window == 0) return 0;
    return (window < e->options.n_ctx ? window : e->options.n_ctx) + ATTN_TOKENS;
}

/* Tokens that see the last positions only: items are blocks of tokens of a KV head, or, of one
 * token, single query heads. K and V are had from the backend's cache as plain numbers. */
static void attend_window(struct bnt_exec *e, const struct bnt_op *op, unsigned i) {
    const uint32_t group = op->heads / e->kv.heads, dim = e->kv.head_dim;
    const uint32_t heads = e->n == 1 ? 1 : group, parts = op->heads / heads;
    const uint32_t blocks = (e->n + ATTN_TOKENS - 1) / ATTN_TOKENS;
    float *k = e->window_kv + i * 2 * e->window_rows * dim, *v = k + e->window_rows * dim;
    uint32_t item;
    while ((item = bnt_exec_take(e, op)) < blocks * parts) {
        uint32_t head = item % parts * heads, block = item / parts;
        bnt_attn_window_args a = {.head_dim = dim,
                                  .scale = e->m->hp.attn_scale,
                                  .window = op->window,
                                  .k = k,
                                  .v = v,
                                  .q = e->buffer[op->in],
                                  .ldq = op->in_width,
                                  .pos = e->pos,
                                  .tok_lo = (uint64_t)block * ATTN_TOKENS,
                                  .head_lo = head,
                                  .head_hi = head + heads,
                                  .y = e->buffer[op->out],
                                  .ldy = op->width};
        a.tok_hi = a.tok_lo + ATTN_TOKENS < e->n ? a.tok_lo + ATTN_TOKENS : e->n;
        uint64_t seen = e->pos + a.tok_lo + 1; /* by the first token, were there no window */
        a.first = seen > op->window ? seen - op->window : 0;
        bnt_kv_load_args load = {.shape = e->kv,
                                 .pos_lo = a.first,
                                 .pos_hi = e->pos + a.tok_hi,
                                 .head = head / group,
                                 .kv = e->cache + op->layer * e->layer_bytes,
                                 .k = k,
                                 .v = v};
        BNT_CALL(e, i, kv_load, &load);
        BNT_CALL(e, i, attn_window, &a);
    }
}

void bnt_exec_attend(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n) {
    const struct bnt_hparams *hp = &e->m->hp;
    /* Where no token is far enough for its window to matter, it is attention as ever. */
    if (op->window && e->pos + e->n > op->window) {
        attend_window(e, op, i);
        return;
    }
    bnt_attn_args all = {.shape = e->kv,
                         .kv = e->cache + op->layer * e->layer_bytes,
                         .q = e->buffer[op->in],
                         .ldq = op->in_width,
                         .heads = op->heads,
                         .scale = hp->attn_scale,
                         .pos = e->pos,
                         .tok_hi = e->n,
                         .head_hi = op->heads,
                         .chunks = bnt_exec_chunks(e->pos + e->n - 1),
                         .part = e->part,
                         .y = e->buffer[op->out],
                         .ldy = op->width};
    all.chunk_hi = all.chunks;
    if (e->n == 1) {
        attention_one(e, op, &all, i, n);
        return;
    }
    /* Late tokens see more keys, so items are taken from the end, longest first. */
    uint32_t group = op->heads / e->kv.heads, item;
    uint32_t blocks = (e->n + ATTN_TOKENS - 1) / ATTN_TOKENS, items = blocks * e->kv.heads;
    while ((item = bnt_exec_take(e, op)) < items) {
        uint32_t block = blocks - 1 - item / e->kv.heads;
        bnt_attn_args a = all;
        a.head_lo = item % e->kv.heads * group;
        a.head_hi = a.head_lo + group;
        a.tok_lo = (uint64_t)block * ATTN_TOKENS;
        a.tok_hi = a.tok_lo + ATTN_TOKENS < e->n ? a.tok_lo + ATTN_TOKENS : e->n;
        if (e->k->attn) {
            a.part = NULL;
            BNT_CALL(e, i, attn, &a);
        } else {
            attention_composed(e, &a, i);
        }
    }
}
