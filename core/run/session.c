/*
 * session.c - one conversation: a context with one sequence, for who needs no more.
 *
 * A feed here is a feed of one span; nothing is computed in another way.
 */
#include <stdlib.h>
#include <string.h>

#include "run/context.h"
#include "run/options.h"

struct bnt_session {
    struct bnt_context *context;
    struct bnt_sequence *sequence;
    struct bnt_row *rows; /* [n_logits], of a WANT_ALL feed */
    float *all_logits;    /* of the same, [all_count][n_vocab]; grown as needed */
    size_t all_capacity;
    /* What the last feed gave. */
    const float *logits, *hidden;
    size_t n_logits;
    const struct bnt_top *top;
    uint32_t n_top;
};

int bnt_session_open(struct bnt_session **out, struct bnt_engine *engine,
                     const struct bnt_session_options *options, struct bnt_err *err) {
    struct bnt_session_options o;
    *out = NULL;
    int status = bnt_read_options(&o, sizeof o, options, options ? options->struct_size : 0, err);
    if (status != BNT_OK) return status;
    if (o.n_ctx && o.n_batch > o.n_ctx) o.n_batch = (uint32_t)o.n_ctx;
    const struct bnt_context_options c = {.n_ctx = o.n_ctx,
                                          .n_batch = o.n_batch,
                                          .threads = o.threads,
                                          .no_bind = o.no_bind,
                                          .cancelled = o.cancelled,
                                          .cancelled_arg = o.cancelled_arg};
    struct bnt_session *s = calloc(1, sizeof *s);
    if (!s) return bnt_fail_nomem(err, "the session", sizeof *s);
    status = bnt_context_open(&s->context, engine, &c, err);
    if (status == BNT_OK) status = bnt_sequence_open(&s->sequence, s->context, err);
    if (status == BNT_OK) {
        uint32_t n = s->context->options.n_logits;
        s->rows = calloc(n, sizeof *s->rows);
        if (!s->rows) status = bnt_fail_nomem(err, "the session", n * sizeof *s->rows);
    }
    if (status != BNT_OK) {
        bnt_session_close(s);
        return status;
    }
    *out = s;
    return BNT_OK;
}

void bnt_session_close(struct bnt_session *s) {
    if (!s) return;
    bnt_sequence_close(s->sequence);
    bnt_context_close(s->context);
    free(s->rows);
    free(s->all_logits);
    free(s);
}

static void forget_results(struct bnt_session *s) {
    s->logits = s->hidden = NULL;
    s->top = NULL;
    s->n_logits = s->n_top = 0;
}

/* One feed; nothing is wanted, or these rows of it. */
static int feed_rows(struct bnt_session *s, const int32_t *ids, size_t n,
                     const struct bnt_row *rows, size_t n_rows, struct bnt_err *err) {
    const struct bnt_span span = {
        .sequence = s->sequence, .ids = ids, .count = n, .rows = rows, .n_rows = n_rows};
    return n ? bnt_context_feed(s->context, &span, 1, err) : BNT_OK;
}

static int feed_last(struct bnt_session *s, const int32_t *ids, size_t n, uint32_t want, uint32_t k,
                     struct bnt_err *err) {
    const struct bnt_row row = {.token = (uint32_t)(n - 1), .want = want | BNT_ROW_HIDDEN, .k = k};
    int status = feed_rows(s, ids, n, &row, 1, err);
    if (status != BNT_OK || n == 0) return status;
    const struct bnt_result *r = bnt_context_result(s->context, 0, 0);
    s->logits = r->all;
    s->n_logits = r->all ? 1 : 0;
    s->hidden = r->hidden;
    s->top = r->top;
    s->n_top = r->n_top;
    return BNT_OK;
}

/* In pieces whose logits a run gives, gathered in a row. */
static int feed_all(struct bnt_session *s, const int32_t *ids, size_t n, struct bnt_err *err) {
    const size_t n_vocab = s->context->engine->info.n_vocab, need = n * n_vocab;
    const size_t most = s->context->options.n_logits;
    if (need > s->all_capacity) {
        float *p = realloc(s->all_logits, need * sizeof *p);
        if (!p) return bnt_fail_nomem(err, "the logits of all tokens", need * sizeof *p);
        s->all_logits = p;
        s->all_capacity = need;
    }
    for (size_t at = 0; at < n;) {
        size_t count = n - at < most ? n - at : most;
        for (size_t i = 0; i < count; i++) {
            s->rows[i] = (struct bnt_row){.token = (uint32_t)i, .want = BNT_ROW_LOGITS};
            if (at + i == n - 1) s->rows[i].want |= BNT_ROW_HIDDEN;
        }
        int status = feed_rows(s, ids + at, count, s->rows, count, err);
        if (status != BNT_OK) return status;
        for (size_t i = 0; i < count; i++)
            memcpy(s->all_logits + (at + i) * n_vocab, bnt_context_logits(s->context, 0, i),
                   n_vocab * sizeof *s->all_logits);
        at += count;
        s->hidden = bnt_context_hidden(s->context, 0, count - 1);
    }
    s->logits = s->all_logits;
    s->n_logits = n;
    return BNT_OK;
}

int bnt_session_feed(struct bnt_session *s, const int32_t *ids, size_t count, enum bnt_want want,
                     struct bnt_err *err) {
    uint64_t start = s->sequence->position;
    int status = bnt_sequence_check(s->sequence, ids, count, err);
    forget_results(s);
    if (status != BNT_OK) return status;
    switch (want) {
    case BNT_WANT_NONE: status = feed_rows(s, ids, count, NULL, 0, err); break;
    case BNT_WANT_LAST: status = feed_last(s, ids, count, BNT_ROW_LOGITS, 0, err); break;
    case BNT_WANT_ALL: status = feed_all(s, ids, count, err); break;
    }
    if (status != BNT_OK) {
        bnt_sequence_truncate(s->sequence, start);
        forget_results(s);
    }
    return status;
}

int bnt_session_feed_top(struct bnt_session *s, const int32_t *ids, size_t count, uint32_t k,
                         struct bnt_err *err) {
    forget_results(s);
    if (k < 1 || k > BNT_HEAD_MOST)
        return bnt_fail(err, BNT_E_USAGE, "the %u largest logits; at most %d can be asked for", k,
                        BNT_HEAD_MOST);
    return feed_last(s, ids, count, BNT_ROW_TOP, k, err);
}

int bnt_session_feed_span(struct bnt_session *s, const struct bnt_span *span, struct bnt_err *err) {
    forget_results(s);
    return bnt_context_feed(s->context, span, 1, err);
}

const struct bnt_top *bnt_session_top(const struct bnt_session *s, uint32_t *count) {
    *count = s->n_top;
    return s->n_top ? s->top : NULL;
}

const float *bnt_session_logits(const struct bnt_session *s, size_t i) {
    return i < s->n_logits ? s->logits + i * s->context->engine->info.n_vocab : NULL;
}

const float *bnt_session_hidden(const struct bnt_session *s) {
    return s->hidden;
}

uint64_t bnt_session_position(const struct bnt_session *s) {
    return s->sequence->position;
}

uint64_t bnt_session_context(const struct bnt_session *s) {
    return s->context->options.n_ctx;
}

unsigned bnt_session_threads(const struct bnt_session *s) {
    return bnt_context_threads(s->context);
}

void bnt_session_truncate(struct bnt_session *s, uint64_t n) {
    bnt_sequence_truncate(s->sequence, n);
}

uint64_t bnt_session_bytes(const struct bnt_session *s) {
    return bnt_exec_bytes(s->context->exec) + s->sequence->kv.memory.size;
}

struct bnt_exec *bnt_session_exec(struct bnt_session *s) {
    return s->context->exec;
}

struct bnt_sequence *bnt_session_sequence(struct bnt_session *s) {
    return s->sequence;
}

uint64_t bnt_session_bytes_per_token(const struct bnt_session *s) {
    const struct bnt_engine *e = s->context->engine;
    const struct bnt_search *search = bnt_exec_search(s->context->exec);
    struct bnt_search_cost cost = {0};
    uint64_t bytes = 0;
    if (search) bnt_search_cost(search, &cost);
    for (uint32_t i = 0; i < e->model->n_matrices; i++) {
        if (i == e->model->head && cost.vectors)
            bytes += cost.bytes / cost.vectors;
        else if (i != e->model->embedding || i == e->model->head)
            bytes += e->weights.w[i].bytes;
    }
    return bytes;
}
