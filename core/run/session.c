/*
 * session.c - one conversation: positions, batches and limits over an executor.
 *
 * Cuts what is fed into batches and checks what comes out; the arithmetic is below, the text above.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "machine/fpenv.h"
#include "run/engine.h"
#include "run/exec.h"

enum { DEFAULT_CONTEXT = 4096, DEFAULT_BATCH = 512, MAX_BATCH = 8192, WANTED_BATCH = 32 };

struct bnt_session {
    struct bnt_engine *engine;
    struct bnt_pool *pool;
    struct bnt_exec *exec;
    struct bnt_exec_options options;
    uint64_t position;
    float *all_logits; /* of a WANT_ALL feed, [all_count][n_vocab]; grown as needed */
    size_t all_capacity;
    const float *logits; /* what bnt_session_logits reads */
    struct bnt_top *top; /* [BNT_HEAD_MOST], of a feed_top */
    uint32_t n_top;
    const float *hidden; /* of the last token fed; NULL when none was wanted */
};

int bnt_session_open(struct bnt_session **out, struct bnt_engine *engine,
                     const struct bnt_session_options *options, struct bnt_err *err) {
    static const struct bnt_session_options defaults;
    const struct bnt_session_options *o = options ? options : &defaults;
    uint64_t trained = engine->info.n_ctx_train, n_ctx = o->n_ctx;
    unsigned threads = o->threads ? o->threads : bnt_topology_default_threads(engine->topology);
    int status;
    *out = NULL;
    if (n_ctx == 0) n_ctx = trained < DEFAULT_CONTEXT ? trained : DEFAULT_CONTEXT;
    if (n_ctx > trained)
        return bnt_fail(err, BNT_E_LIMIT,
                        "a context of %" PRIu64 " tokens; the model was made for %" PRIu64, n_ctx,
                        trained);
    struct bnt_session *s = calloc(1, sizeof *s);
    if (!s) return bnt_fail_nomem(err, "the session", sizeof *s);
    s->engine = engine;
    s->options.n_ctx = n_ctx;
    s->options.n_batch = o->n_batch ? o->n_batch : DEFAULT_BATCH;
    if (s->options.n_batch > MAX_BATCH) s->options.n_batch = MAX_BATCH;
    if (s->options.n_batch > n_ctx) s->options.n_batch = (uint32_t)n_ctx;
    s->options.head = &engine->head;
    s->options.placed = bnt_topology_places_memory(engine->topology);
    s->options.n_wanted = s->options.n_batch < WANTED_BATCH ? s->options.n_batch : WANTED_BATCH;
    status = bnt_pool_open(&s->pool, threads, o->no_bind ? NULL : engine->topology, err);
    if (status == BNT_OK)
        status = bnt_exec_open(&s->exec, engine->model, &engine->weights, &engine->backend->kernels,
                               s->pool, &s->options, err);
    s->top = calloc(BNT_HEAD_MOST, sizeof *s->top);
    if (status == BNT_OK && !s->top)
        status = bnt_fail_nomem(err, "the session", BNT_HEAD_MOST * sizeof *s->top);
    if (status != BNT_OK) {
        bnt_session_close(s);
        return status;
    }
    *out = s;
    return BNT_OK;
}

void bnt_session_close(struct bnt_session *s) {
    if (!s) return;
    bnt_exec_close(s->exec);
    bnt_pool_close(s->pool);
    free(s->all_logits);
    free(s->top);
    free(s);
}

static int check_feed(const struct bnt_session *s, const int32_t *ids, size_t count,
                      struct bnt_err *err) {
    uint32_t n_vocab = s->engine->info.n_vocab, deviation = bnt_fpenv_deviation();
    if (deviation) { /* the caller computes too, as member 0 of the pool */
        char what[128];
        return bnt_fail(err, BNT_E_NUMERIC,
                        "the calling thread's floating-point environment has %s",
                        bnt_fpenv_describe(deviation, what, sizeof what));
    }
    if (count > s->options.n_ctx - s->position)
        return bnt_fail(err, BNT_E_LIMIT,
                        "the context of %" PRIu64 " tokens is full: %" PRIu64
                        " are used and %zu more were to follow",
                        s->options.n_ctx, s->position, count);
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab)
            return bnt_fail(err, BNT_E_LIMIT, "token id %d is not in the vocabulary of %u", ids[i],
                            n_vocab);
    }
    return BNT_OK;
}

/* A network that overflows gives infinities or NaN: said aloud, never sampled from. */
static int check_finite(const float *logits, uint32_t rows, uint32_t n_vocab, uint64_t position,
                        struct bnt_err *err) {
    for (uint32_t r = 0; r < rows; r++) {
        for (uint32_t i = 0; i < n_vocab; i++) {
            if (!isfinite(logits[(size_t)r * n_vocab + i]))
                return bnt_fail(err, BNT_E_NUMERIC,
                                "logit %u at position %" PRIu64 " is not finite: the model's "
                                "weights are damaged or out of range",
                                i, position + r);
        }
    }
    return BNT_OK;
}

static int reserve_all(struct bnt_session *s, size_t count, struct bnt_err *err) {
    size_t need = count * s->engine->info.n_vocab;
    if (need <= s->all_capacity) return BNT_OK;
    float *p = realloc(s->all_logits, need * sizeof *p);
    if (!p) return bnt_fail_nomem(err, "the logits of all tokens", need * sizeof *p);
    s->all_logits = p;
    s->all_capacity = need;
    return BNT_OK;
}

/* The k largest of full logits, in order: what a search would have found. */
static void rank_all(struct bnt_session *s, const float *logits, uint32_t k) {
    uint32_t n_vocab = s->engine->info.n_vocab;
    s->n_top = 0;
    for (uint32_t i = 0; i < n_vocab; i++)
        bnt_keep_best(s->top, &s->n_top, k, (struct bnt_top){logits[i], (int32_t)i});
    bnt_sort_best(s->top, s->n_top);
}

/* The last batch of a feed_top: by a search where that can be, else in full. */
static int run_top(struct bnt_session *s, const int32_t *ids, uint32_t n, uint32_t k,
                   struct bnt_err *err) {
    bool searched = bnt_exec_can_search(s->exec, k);
    if (searched) {
        bnt_exec_run_top(s->exec, ids, n, s->position, k);
        if (bnt_search_result(bnt_exec_search(s->exec), s->top, &s->n_top)) return BNT_OK;
        bnt_exec_complete(s->exec); /* beyond what bounds can say: look at all of them */
    } else {
        bnt_exec_run(s->exec, ids, n, s->position, 1);
    }
    s->logits = bnt_exec_logits(s->exec);
    int status = bnt_exec_verdict(s->exec, err);
    if (status == BNT_OK)
        status = check_finite(s->logits, 1, s->engine->info.n_vocab, s->position + n - 1, err);
    if (status == BNT_OK) rank_all(s, s->logits, k);
    return status;
}

/* One batch; `last` when it is the feed's last. */
static int run_batch(struct bnt_session *s, const int32_t *ids, uint32_t n, bool last,
                     enum bnt_want want, uint32_t top_k, float *all, struct bnt_err *err) {
    uint32_t n_vocab = s->engine->info.n_vocab, wanted = want == BNT_WANT_ALL ? n : 0;
    if (want == BNT_WANT_LAST && last) wanted = 1;
    if (wanted && top_k) {
        int status = run_top(s, ids, n, top_k, err);
        s->hidden = bnt_exec_hidden(s->exec);
        return status;
    }
    bnt_exec_run(s->exec, ids, n, s->position, wanted);
    const float *logits = bnt_exec_logits(s->exec);
    int status = bnt_exec_verdict(s->exec, err);
    if (status == BNT_OK)
        status = check_finite(logits, wanted, n_vocab, s->position + n - wanted, err);
    if (all) memcpy(all, logits, (size_t)n * n_vocab * sizeof *logits);
    if (wanted) {
        s->hidden = bnt_exec_hidden(s->exec) + (size_t)(wanted - 1) * s->engine->info.n_embd;
        s->logits = all ? s->all_logits : logits;
    }
    return status;
}

static int feed(struct bnt_session *s, const int32_t *ids, size_t count, enum bnt_want want,
                uint32_t top_k, struct bnt_err *err) {
    uint64_t start = s->position;
    size_t most = want == BNT_WANT_ALL ? s->options.n_wanted : s->options.n_batch;
    int status = check_feed(s, ids, count, err);
    if (status == BNT_OK && want == BNT_WANT_ALL) status = reserve_all(s, count, err);
    s->logits = s->hidden = NULL;
    s->n_top = 0;
    for (size_t at = 0; at < count && status == BNT_OK;) {
        uint32_t n = (uint32_t)(count - at < most ? count - at : most);
        float *all = want == BNT_WANT_ALL ? s->all_logits + at * s->engine->info.n_vocab : NULL;
        status = run_batch(s, ids + at, n, at + n == count, want, top_k, all, err);
        s->position += n;
        at += n;
    }
    if (status != BNT_OK) {
        s->position = start;
        s->logits = s->hidden = NULL;
        s->n_top = 0;
    }
    return status;
}

int bnt_session_feed(struct bnt_session *s, const int32_t *ids, size_t count, enum bnt_want want,
                     struct bnt_err *err) {
    return feed(s, ids, count, want, 0, err);
}

int bnt_session_feed_top(struct bnt_session *s, const int32_t *ids, size_t count, uint32_t k,
                         struct bnt_err *err) {
    if (k < 1 || k > BNT_HEAD_MOST)
        return bnt_fail(err, BNT_E_USAGE, "the %u largest logits; at most %d can be asked for", k,
                        BNT_HEAD_MOST);
    return feed(s, ids, count, BNT_WANT_LAST, k, err);
}

const struct bnt_top *bnt_session_top(const struct bnt_session *s, uint32_t *count) {
    *count = s->n_top;
    return s->n_top ? s->top : NULL;
}

const float *bnt_session_logits(const struct bnt_session *s, size_t i) {
    return s->logits ? s->logits + i * s->engine->info.n_vocab : NULL;
}

const float *bnt_session_hidden(const struct bnt_session *s) {
    return s->hidden;
}

uint64_t bnt_session_position(const struct bnt_session *s) {
    return s->position;
}

uint64_t bnt_session_context(const struct bnt_session *s) {
    return s->options.n_ctx;
}

unsigned bnt_session_threads(const struct bnt_session *s) {
    return bnt_pool_threads(s->pool);
}

void bnt_session_truncate(struct bnt_session *s, uint64_t n) {
    if (n < s->position) s->position = n;
}

uint64_t bnt_session_bytes(const struct bnt_session *s) {
    return bnt_exec_bytes(s->exec);
}

struct bnt_exec *bnt_session_exec(struct bnt_session *s) {
    return s->exec;
}

uint64_t bnt_session_calls(const struct bnt_session *s, size_t slot) {
    return bnt_exec_calls(s->exec, slot);
}
