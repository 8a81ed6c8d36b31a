/*
 * walk.c - a run: how a team walks the plan.
 *
 * The one idea: one fork per batch. All threads walk the same list of operations, each doing its
 * share, and meet only where the plan says `wait`. Any partition gives the same bytes, so shares
 * are chosen for speed alone. Must not know what an operation computes (ops.c).
 */
#include <stdlib.h>
#include <string.h>

#include "model/rope.h"
#include "run/ops.h"

enum {
    CHAIN_TOKENS = 12, /* tokens of a chain that a thread takes at a time, at most */
    FEW_TOKENS = 8,    /* up to so many, a product is bound by memory */
    SHARED_ROWS = 64,  /* rows of a product that a thread takes at a time, at least */
};

static uint32_t rows_of(const struct bnt_exec *e, const struct bnt_op *op) {
    struct bnt_operand out = bnt_op_writes(op);
    return bnt_exec_rows(e, &out);
}

/* ---- shares of one operation ----------------------------------------------------------------- */

static void linear(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n) {
    uint64_t lo, hi;
    bnt_slice(op->width, e->weights->w[op->matrix].step, i, n, &lo, &hi);
    bnt_op_do_rows(e, op, i, lo, hi);
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
        bnt_op_do_rows(e, op, i, lo, lo + step < op->width ? lo + step : op->width);
    }
}

/* Of the rows that only largest logits are wanted of, too. */
static void head(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n) {
    if (e->n_logits) linear(e, op, i, n);
    if (e->n_top) bnt_op_search(e, op, i, n);
}

void bnt_exec_slice(struct bnt_exec *e, uint32_t k, unsigned i, unsigned n) {
    const struct bnt_op *op = &e->plan.ops[k];
    uint64_t lo, hi;
    switch (bnt_op_form(op->kind)->cut) {
    case BNT_CUT_HEADS: bnt_attend(e, op, i, n); break;
    case BNT_CUT_ROWS:
        if (op->out == BNT_BUF_LOGITS)
            head(e, op, i, n);
        else
            linear(e, op, i, n);
        break;
    case BNT_CUT_TOKENS:
        bnt_slice(rows_of(e, op), 1, i, n, &lo, &hi);
        bnt_op_do_tokens(e, op, i, lo, hi);
    }
}

/* A chain of operations, a few tokens through all of them at a time. */
static void chain(struct bnt_exec *e, const struct bnt_op *first, unsigned i, unsigned n) {
    uint64_t count = rows_of(e, first), step = (count + n - 1) / n, lo;
    if (step > CHAIN_TOKENS) step = CHAIN_TOKENS;
    while ((lo = bnt_exec_take(e, first) * step) < count) {
        uint64_t end = lo + step < count ? lo + step : count;
        for (uint64_t t = lo; t < end; t++)
            for (uint32_t k = 0; k < first->chain; k++) bnt_op_do_tokens(e, first + k, i, t, t + 1);
    }
}

static void share(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n) {
    switch (bnt_op_form(op->kind)->cut) {
    case BNT_CUT_HEADS: bnt_attend(e, op, i, n); break;
    case BNT_CUT_ROWS:
        if (op->out == BNT_BUF_LOGITS)
            head(e, op, i, n);
        else if (n == 1 || e->options.placed || rows_of(e, op) <= FEW_TOKENS)
            linear(e, op, i, n);
        else
            linear_shared(e, op, i);
        break;
    case BNT_CUT_TOKENS: chain(e, op, i, n);
    }
}

/* ---- the walk -------------------------------------------------------------------------------- */

/* All members meet before operation k. True when they leave the run there: member 0 has asked
 * before it came, so all see the same, and one that is late does not see what is asked later. */
static bool meet(struct bnt_exec *e, uint32_t k, unsigned i) {
    if (i == 0 && e->cancelled && e->cancelled(e->cancelled_arg))
        atomic_store_explicit(&e->stop_at, k, memory_order_relaxed);
    bnt_pool_barrier(e->pool);
    return atomic_load_explicit(&e->stop_at, memory_order_relaxed) <= k;
}

static void walk(void *arg, unsigned i, unsigned n) {
    struct bnt_exec *e = arg;
    for (uint32_t k = 0; k < e->plan.n_ops; k += e->plan.ops[k].chain) {
        const struct bnt_op *op = &e->plan.ops[k];
        if (op->on_wanted && e->n_wanted == 0) break; /* the head and what leads to it come last */
        if (op->wait && meet(e, k, i)) break;
        share(e, op, i, n);
    }
}

/* Every operation by itself, in somebody else's hands. */
static void walk_hooked(void *arg, unsigned i, unsigned n) {
    struct bnt_exec *e = arg;
    for (uint32_t k = 0; k < e->plan.n_ops; k++) {
        if (e->plan.ops[k].on_wanted && e->n_wanted == 0) break;
        if (meet(e, k, i)) break;
        e->hook.slice(e->hook.arg, k, i, n);
    }
}

/* ---- a run ----------------------------------------------------------------------------------- */

/* After spans and wanted rows are set. */
static void prepare(struct bnt_exec *e) {
    const struct bnt_hparams *hp = &e->m->hp;
    uint32_t half = hp->n_rot / 2, row = 0;
    double magnitude = bnt_rope_magnitude(&hp->rope_scaling);
    for (uint32_t s = 0; s < e->n_spans; s++) {
        const struct bnt_exec_span *span = &e->spans[s];
        e->first_row[s] = row;
        for (uint32_t t = 0; t < span->n; t++) e->span_of[row + t] = s;
        for (unsigned set = 0; set < e->sets; set++)
            bnt_rope_table(e->cos[set] + (uint64_t)row * half, e->sin[set] + (uint64_t)row * half,
                           e->freq[set], hp->n_rot, magnitude, span->pos, span->n);
        row += span->n;
    }
    e->n = row;
    memset(e->beyond, 0, bnt_pool_threads(e->pool) * sizeof *e->beyond);
    e->head_from = 0;
    atomic_store_explicit(&e->stop_at, UINT32_MAX, memory_order_relaxed);
    for (uint32_t k = 0; k < e->plan.n_ops; k++)
        atomic_store_explicit(&e->tickets[k], 0, memory_order_relaxed);
    bnt_attend_prepare(e);
}

int bnt_exec_run(struct bnt_exec *e, const struct bnt_exec_batch *batch, struct bnt_err *err) {
    e->n_spans = batch->n_spans;
    e->n_wanted = batch->n_wanted;
    e->n_logits = batch->n_logits;
    e->n_top = batch->n_top;
    memcpy(e->spans, batch->spans, batch->n_spans * sizeof *e->spans);
    if (batch->n_wanted) memmove(e->wanted, batch->wanted, batch->n_wanted * sizeof *e->wanted);
    if (batch->n_top) memcpy(e->asks, batch->asks, batch->n_top * sizeof *e->asks);
    for (uint32_t s = 0; s < e->n_spans; s++) {
        e->stamp_before[s] = e->spans[s].kv->stamp;
        bnt_kv_changes(e->spans[s].kv);
    }
    prepare(e);
    int status = e->hook.begin ? e->hook.begin(e->hook.arg, err) : BNT_OK;
    if (status != BNT_OK) return status;
    bnt_pool_run(e->pool, e->hook.slice ? walk_hooked : walk, e);
    if (atomic_load_explicit(&e->stop_at, memory_order_relaxed) != UINT32_MAX)
        return bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
    return BNT_OK;
}

int bnt_exec_run_one(struct bnt_exec *e, struct bnt_kv *kv, uint64_t pos, const int32_t *ids,
                     uint32_t n, uint32_t wanted, struct bnt_err *err) {
    const struct bnt_exec_span span = {kv, pos, ids, n};
    uint32_t *rows = e->wanted; /* they are copied there anyway */
    for (uint32_t i = 0; i < wanted; i++) rows[i] = n - wanted + i;
    const struct bnt_exec_batch batch = {
        .spans = &span, .n_spans = 1, .wanted = rows, .n_wanted = wanted, .n_logits = wanted};
    return bnt_exec_run(e, &batch, err);
}

/* The head is the last operation of the plan. */
static void head_slice(void *arg, unsigned i, unsigned n) {
    struct bnt_exec *e = arg;
    if (e->hook.slice)
        e->hook.slice(e->hook.arg, e->plan.n_ops - 1, i, n);
    else
        bnt_exec_slice(e, e->plan.n_ops - 1, i, n);
}

void bnt_exec_complete(struct bnt_exec *e, uint32_t i) {
    uint32_t n_logits = e->n_logits, n_top = e->n_top;
    e->head_from = i;
    e->n_logits = 1;
    e->n_top = 0;
    bnt_pool_run(e->pool, head_slice, e);
    e->head_from = 0;
    e->n_logits = n_logits;
    e->n_top = n_top;
}

/* ---- beside another executor ----------------------------------------------------------------- */

static int shadow_of(struct bnt_exec *e, const struct bnt_kv *kv, struct bnt_exec_shadow **out,
                     struct bnt_err *err) {
    struct bnt_exec_shadow *s = e->shadows;
    while (s && s->of != kv) s = s->next;
    *out = s;
    if (s) return BNT_OK;
    *out = s = calloc(1, sizeof *s);
    if (!s) return bnt_fail_nomem(err, "a sequence beside", sizeof *s);
    s->of = kv;
    s->next = e->shadows;
    e->shadows = s; /* freed with e, whatever comes */
    return bnt_exec_open_kv(e, &s->kv, err);
}

int bnt_exec_follow(struct bnt_exec *e, const struct bnt_exec *from, struct bnt_err *err) {
    for (uint32_t s = 0; s < from->n_spans; s++) {
        const struct bnt_exec_span *span = &from->spans[s];
        struct bnt_exec_shadow *shadow;
        int status = shadow_of(e, span->kv, &shadow, err);
        if (status == BNT_OK && shadow->stamp != from->stamp_before[s])
            status = bnt_kv_copy(&shadow->kv, span->kv, 0, span->pos, e->pool, err);
        if (status != BNT_OK) return status;
        shadow->stamp = span->kv->stamp;
        e->spans[s] = *span;
        e->spans[s].kv = &shadow->kv;
    }
    e->n_spans = from->n_spans;
    e->n_wanted = from->n_wanted;
    e->n_logits = from->n_logits;
    e->n_top = from->n_top;
    memcpy(e->wanted, from->wanted, from->n_wanted * sizeof *e->wanted);
    memcpy(e->asks, from->asks, from->n_top * sizeof *e->asks);
    prepare(e);
    return BNT_OK;
}
