/*
 * trace.c - see trace.h.
 *
 * The one idea: a judge that agrees need not decode token by token. What it would be fed next is
 * what X chose, so prompt and continuation go through it as one batch, and where it chooses another
 * token it goes on alone.
 */
#include "parity/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/engine.h"

enum { MANY = 40 }; /* largest logits */

int bnt_trace_open(struct bnt_trace *t, size_t steps, uint32_t n_vocab, struct bnt_err *err) {
    size_t values = steps * n_vocab; /* both are small: 1000 steps at most are asked for */
    *t = (struct bnt_trace){.steps = steps,
                            .n_vocab = n_vocab,
                            .tokens = calloc(steps, sizeof *t->tokens),
                            .logits = calloc(values, sizeof *t->logits)};
    if (t->tokens && t->logits) return BNT_OK;
    bnt_trace_close(t);
    return bnt_fail_nomem(err, "the logits of all steps", values * sizeof *t->logits);
}

void bnt_trace_close(struct bnt_trace *t) {
    free(t->tokens);
    free(t->logits);
    *t = (struct bnt_trace){0};
}

/* Step `step` of t got these logits; returns the token they choose. */
static int32_t record(struct bnt_trace *t, size_t step, const float *logits) {
    const struct bnt_sampling greedy = bnt_sampling_default();
    memcpy(t->logits + step * t->n_vocab, logits, t->n_vocab * sizeof *logits);
    return t->tokens[step] = bnt_sample(&greedy, logits, t->n_vocab, NULL, 0, step, NULL);
}

/* What the session found for this step against all logits. */
static void check_search(struct bnt_trace *t, size_t step, const struct bnt_session *s,
                         const float *logits) {
    struct bnt_top all[MANY];
    uint32_t count, n = 0;
    const struct bnt_top *top = bnt_session_top(s, &count);
    for (uint32_t i = 0; i < t->n_vocab; i++)
        bnt_keep_best(all, &n, count, (struct bnt_top){logits[i], (int32_t)i});
    bnt_sort_best(all, n);
    for (uint32_t i = 0; i < n && !t->search_fault.found; i++) {
        if (top[i].id == all[i].id && bnt_f32_bits(top[i].logit) == bnt_f32_bits(all[i].logit))
            continue;
        t->search_fault.found = true;
        t->search_fault.step = step;
        t->search_fault.rank = i;
        t->search_fault.got = top[i];
        t->search_fault.wanted = all[i];
    }
}

/* Feeds, and records what came out. Every other step asks for more than the largest logit, as
 * sampling does. */
static int make_step(struct bnt_trace *t, struct bnt_session *s, const int32_t *ids, size_t n,
                     size_t step, struct bnt_err *err) {
    uint32_t k = step % 2 ? MANY : 1, count;
    int status = bnt_session_feed_top(s, ids, n, k, err);
    if (status != BNT_OK) return status;
    const float *logits = bnt_session_logits(s, 0);
    if (!logits) {
        struct bnt_exec *e = bnt_session_exec(s);
        bnt_exec_complete(e, 0);
        logits = bnt_exec_logits(e);
        check_search(t, step, s, logits);
        t->searched++;
    }
    record(t, step, logits);
    t->tokens[step] = bnt_session_top(s, &count)[0].id;
    return BNT_OK;
}

int bnt_trace_session(struct bnt_trace *t, struct bnt_session *s, const int32_t *ids, size_t n,
                      size_t keep, _Atomic uint32_t *step, struct bnt_err *err) {
    double start = bnt_now(), prefilled = start;
    bnt_session_truncate(s, keep);
    for (size_t i = 0; i < t->steps; i++) {
        if (step) atomic_store_explicit(step, (uint32_t)i, memory_order_relaxed);
        int status = i == 0 ? make_step(t, s, ids + keep, n - keep, i, err)
                            : make_step(t, s, &t->tokens[i - 1], 1, i, err);
        if (status != BNT_OK) return status;
        if (i == 0) prefilled = bnt_now();
    }
    t->prefill_seconds = prefilled - start;
    t->decode_seconds = bnt_now() - prefilled;
    return BNT_OK;
}

/* ids[0 .. n) as one context from position 0; logits of the tokens from `first` on become steps. */
static int run_batches(struct bnt_trace *t, struct bnt_exec *judge, struct bnt_kv *kv,
                       const int32_t *ids, size_t n, size_t first, struct bnt_err *err) {
    const struct bnt_exec_options o = bnt_look_options(judge);
    for (size_t at = 0; at < n;) {
        size_t count = n - at < o.n_batch ? n - at : o.n_batch;
        size_t skip = at < first ? first - at : 0; /* tokens whose logits nobody wants */
        if (count > skip + o.n_logits) count = skip + o.n_logits;
        size_t wanted = count > skip ? count - skip : 0;
        int status =
            bnt_exec_run_one(judge, kv, at, ids + at, (uint32_t)count, (uint32_t)wanted, err);
        if (status != BNT_OK) return status;
        for (size_t i = 0; i < wanted; i++)
            record(t, at + skip + i - first, bnt_exec_logits(judge) + i * t->n_vocab);
        at += count;
    }
    return BNT_OK;
}

int bnt_trace_judge(struct bnt_trace *t, struct bnt_exec *judge, const int32_t *ids, size_t n,
                    const int32_t *guess, struct bnt_err *err) {
    size_t total = n + t->steps - 1, agreed = 0;
    double start = bnt_now();
    struct bnt_kv kv = {0};
    int32_t *all = malloc(total * sizeof *all);
    int status = all ? bnt_exec_open_kv(judge, &kv, err)
                     : bnt_fail_nomem(err, "the judge's run", total * sizeof *all);
    if (status != BNT_OK) goto out;
    memcpy(all, ids, n * sizeof *all);
    memcpy(all + n, guess, (t->steps - 1) * sizeof *all);
    if ((status = run_batches(t, judge, &kv, all, total, n - 1, err)) != BNT_OK) goto out;
    while (agreed + 1 < t->steps && t->tokens[agreed] == guess[agreed]) agreed++;
    for (size_t i = agreed; i + 1 < t->steps; i++) { /* alone, over what the guess left there */
        status = bnt_exec_run_one(judge, &kv, n + i, &t->tokens[i], 1, 1, err);
        if (status != BNT_OK) goto out;
        record(t, i + 1, bnt_exec_logits(judge));
    }
    t->prefill_seconds = bnt_now() - start;
out:
    bnt_kv_close(&kv);
    free(all);
    return status;
}

static double cosine(const float *a, const float *b, uint32_t n) {
    double ab = 0, aa = 0, bb = 0;
    for (uint32_t i = 0; i < n; i++) {
        ab += (double)a[i] * b[i];
        aa += (double)a[i] * a[i];
        bb += (double)b[i] * b[i];
    }
    double c = ab / sqrt(aa * bb);
    return isfinite(c) ? c : 0.0;
}

struct bnt_agreement bnt_trace_compare(const struct bnt_trace *a, const struct bnt_trace *b) {
    struct bnt_agreement g = {.first_divergence = a->steps, .cosine = 1.0};
    for (size_t i = 0; i < a->steps; i++) {
        const float *x = a->logits + i * a->n_vocab, *y = b->logits + i * a->n_vocab;
        bool equal = memcmp(x, y, a->n_vocab * sizeof *x) == 0;
        double c = equal ? 1.0 : cosine(x, y, a->n_vocab);
        g.equal_logits += equal;
        g.equal_tokens += a->tokens[i] == b->tokens[i];
        equal = equal && a->tokens[i] == b->tokens[i];
        if (c < g.cosine) g.cosine = c;
        if (!equal && g.first_divergence == a->steps) g.first_divergence = i;
    }
    return g;
}
