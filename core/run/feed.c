/*
 * feed.c - from spans of any length to runs of the executor, and from its rows to results.
 *
 * The one idea: a run takes as many tokens of the spans, in order, as fit, and knows of each row
 * for whose sake it is wanted. Nothing of a sequence changes until all has been computed.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "machine/fpenv.h"
#include "run/context.h"

/* ---- what is asked --------------------------------------------------------------------------- */

static int check_rows(const struct bnt_span *span, size_t s, uint32_t n_vocab,
                      struct bnt_err *err) {
    for (size_t r = 0; r < span->n_rows; r++) {
        const struct bnt_row *row = &span->rows[r];
        if (row->token >= span->count || (r && row->token <= span->rows[r - 1].token))
            return bnt_fail(err, BNT_E_USAGE,
                            "span %zu, row %zu: token %" PRIu32 " of %zu; tokens of rows rise", s,
                            r, row->token, span->count);
        if (row->want & ~(uint32_t)(BNT_ROW_HIDDEN | BNT_ROW_TOP | BNT_ROW_LOGITS))
            return bnt_fail(err, BNT_E_USAGE,
                            "span %zu, row %zu: nothing is known of wish %" PRIu32, s, r,
                            row->want);
        if (row->want & BNT_ROW_TOP && (row->k < 1 || row->k > BNT_HEAD_MOST))
            return bnt_fail(err, BNT_E_USAGE,
                            "the %" PRIu32 " largest logits; at most %d can be asked for", row->k,
                            BNT_HEAD_MOST);
        uint32_t named = row->want & BNT_ROW_TOP ? row->n_ids : 0;
        for (uint32_t i = 0; i < named; i++)
            if (row->ids[i] < 0 || (uint32_t)row->ids[i] >= n_vocab ||
                (i && row->ids[i] <= row->ids[i - 1]))
                return bnt_fail(err, BNT_E_USAGE,
                                "span %zu, row %zu: it names token %" PRId32
                                "; named ids rise, and are of the vocabulary",
                                s, r, row->ids[i]);
    }
    if (span->pool > BNT_POOL_LAST)
        return bnt_fail(err, BNT_E_USAGE, "span %zu: nothing is known of pooling %" PRIu32, s,
                        span->pool);
    return BNT_OK;
}

int bnt_sequence_check(const struct bnt_sequence *q, const int32_t *ids, size_t count,
                       struct bnt_err *err) {
    uint64_t n_ctx = q->context->options.n_ctx;
    uint32_t n_vocab = q->context->engine->info.n_vocab, deviation = bnt_fpenv_deviation();
    if (deviation) { /* the caller computes too, as member 0 of the pool */
        char what[128];
        return bnt_fail(err, BNT_E_NUMERIC,
                        "the calling thread's floating-point environment has %s",
                        bnt_fpenv_describe(deviation, what, sizeof what));
    }
    if (count > n_ctx - q->position)
        return bnt_fail(err, BNT_E_LIMIT,
                        "the context of %" PRIu64 " tokens is full: %" PRIu64
                        " are used and %zu more were to follow",
                        n_ctx, q->position, count);
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= n_vocab)
            return bnt_fail(err, BNT_E_LIMIT, "token id %d is not in the vocabulary of %u", ids[i],
                            n_vocab);
    return BNT_OK;
}

static int check_span(const struct bnt_context *c, const struct bnt_span *span, size_t s,
                      struct bnt_err *err) {
    if (!span->sequence || span->sequence->context != c)
        return bnt_fail(err, BNT_E_USAGE, "span %zu has no sequence of this context", s);
    if (span->count == 0) return bnt_fail(err, BNT_E_USAGE, "span %zu has no token", s);
    int status = bnt_sequence_check(span->sequence, span->ids, span->count, err);
    return status == BNT_OK ? check_rows(span, s, c->engine->info.n_vocab, err) : status;
}

static int check_once(const struct bnt_span *spans, size_t n, struct bnt_err *err) {
    size_t marked = 0;
    while (marked < n && !spans[marked].sequence->in_feed) spans[marked++].sequence->in_feed = true;
    for (size_t s = 0; s < marked; s++) spans[s].sequence->in_feed = false;
    if (marked == n) return BNT_OK;
    return bnt_fail(err, BNT_E_USAGE, "span %zu: its sequence has a span before", marked);
}

static int check(const struct bnt_context *c, const struct bnt_span *spans, size_t n,
                 struct bnt_err *err) {
    for (size_t s = 0; s < n; s++) {
        int status = check_span(c, &spans[s], s, err);
        if (status != BNT_OK) return status;
    }
    return check_once(spans, n, err);
}

/* ---- room for results ------------------------------------------------------------------------ */

static void *carve(uint8_t *base, size_t *at, size_t bytes) {
    void *p = base ? base + *at : NULL;
    *at += (bytes + 63) & ~(size_t)63;
    return p;
}

/* Places of all results in one block; without a base, only its size. */
static size_t place(struct bnt_context *c, const struct bnt_span *spans, uint8_t *base) {
    size_t n_embd = c->engine->info.n_embd, n_vocab = c->engine->info.n_vocab, at = 0;
    for (size_t s = 0; s < c->n_spans; s++) {
        struct bnt_feed_span *f = &c->spans[s];
        if (spans[s].pool) f->pooled = carve(base, &at, n_embd * sizeof(float));
        if (spans[s].pool == BNT_POOL_MEAN) f->sums = carve(base, &at, n_embd * sizeof(double));
        for (size_t r = 0; r < f->n_results; r++) {
            struct bnt_result *result = &c->results[f->first_result + r];
            const struct bnt_row *row = &spans[s].rows[r];
            *result = (struct bnt_result){0};
            if (row->want & BNT_ROW_HIDDEN)
                result->hidden = carve(base, &at, n_embd * sizeof(float));
            if (row->want & BNT_ROW_TOP)
                result->top = carve(base, &at, row->k * sizeof *result->top);
            if (row->want & BNT_ROW_TOP && row->n_ids)
                result->named = carve(base, &at, row->n_ids * sizeof *result->named);
            if (row->want & BNT_ROW_LOGITS)
                result->kept_logits = carve(base, &at, n_vocab * sizeof(float));
        }
    }
    return at;
}

static int grow(void *block, size_t *capacity, size_t need, size_t size, struct bnt_err *err) {
    void **p = block;
    if (need <= *capacity) return BNT_OK;
    void *q = reallocarray(*p, need, size);
    if (!q) return bnt_fail_nomem(err, "results of a feed", need * size);
    *p = q;
    *capacity = need;
    return BNT_OK;
}

static int reserve(struct bnt_context *c, const struct bnt_span *spans, size_t n,
                   struct bnt_err *err) {
    size_t results = 0;
    int status = grow(&c->spans, &c->span_capacity, n, sizeof *c->spans, err);
    for (size_t s = 0; s < n && status == BNT_OK; s++) {
        c->spans[s] = (struct bnt_feed_span){.first_result = results, .n_results = spans[s].n_rows};
        results += spans[s].n_rows;
        status = bnt_sequence_reserve(spans[s].sequence,
                                      spans[s].sequence->position + spans[s].count, err);
    }
    if (status == BNT_OK)
        status = grow(&c->results, &c->result_capacity, results, sizeof *c->results, err);
    if (status != BNT_OK) return status;
    c->n_spans = n;
    size_t bytes = place(c, spans, NULL);
    status = grow(&c->kept, &c->kept_capacity, bytes, 1, err);
    if (status != BNT_OK) return status;
    place(c, spans, c->kept);
    for (size_t s = 0; s < n; s++)
        if (c->spans[s].sums) memset(c->spans[s].sums, 0, c->engine->info.n_embd * sizeof(double));
    return BNT_OK;
}

/* ---- a run ----------------------------------------------------------------------------------- */

static bool pools(const struct bnt_span *span, size_t token) {
    return span->pool == BNT_POOL_MEAN || (span->pool == BNT_POOL_FIRST && token == 0) ||
           (span->pool == BNT_POOL_LAST && token == span->count - 1);
}

/* The next tokens of span s, as rows of the batch from `row` on: at most `room` of them, and at
 * most *head_room whose logits are wanted. Returns how many. */
static uint32_t compose_span(struct bnt_context *c, const struct bnt_span *span, uint32_t s,
                             uint32_t row, uint32_t room, uint32_t *head_room) {
    struct bnt_feed_span *f = &c->spans[s];
    uint32_t n = 0;
    for (; n < room && f->done + n < span->count; n++) {
        size_t token = f->done + n;
        bool asked = f->next_row < span->n_rows && span->rows[f->next_row].token == token;
        struct bnt_wish w = {.row = row + n, .span = s, .pools = pools(span, token)};
        w.kind = BNT_WISH_HIDDEN;
        if (asked) {
            w.ask = &span->rows[f->next_row];
            w.result = &c->results[f->first_result + f->next_row];
            if (w.ask->want & BNT_ROW_TOP)
                w.kind = bnt_exec_can_search(c->exec, w.ask->k) ? BNT_WISH_TOP : BNT_WISH_LOGITS;
            if (w.ask->want & BNT_ROW_LOGITS) w.kind = BNT_WISH_LOGITS;
            if (w.kind != BNT_WISH_HIDDEN && *head_room == 0) break; /* for the next run */
            *head_room -= w.kind != BNT_WISH_HIDDEN;
            f->next_row++;
        }
        if (w.pools || (asked && w.ask->want)) c->wishes[c->n_wishes++] = w;
    }
    if (n) {
        c->exec_spans[c->n_exec_spans++] = (struct bnt_exec_span){
            &span->sequence->kv, span->sequence->position + f->done, span->ids + f->done, n};
        f->done += n;
    }
    return n;
}

/* As many tokens as fit, of spans from *first on; *first becomes the first that is left. */
static void compose(struct bnt_context *c, const struct bnt_span *spans, size_t *first) {
    uint32_t row = 0, head_room = c->options.n_logits;
    c->n_exec_spans = c->n_wishes = 0;
    while (*first < c->n_spans) {
        row += compose_span(c, &spans[*first], (uint32_t)*first, row, c->options.n_batch - row,
                            &head_room);
        if (c->spans[*first].done < spans[*first].count) break; /* the run is full */
        ++*first;
    }
}

static int run(struct bnt_context *c, struct bnt_err *err) {
    struct bnt_exec_batch batch = {.spans = c->exec_spans,
                                   .n_spans = c->n_exec_spans,
                                   .wanted = c->wanted,
                                   .n_wanted = c->n_wishes,
                                   .asks = c->asks};
    uint32_t n = 0;
    for (unsigned kind = BNT_WISH_LOGITS; kind <= BNT_WISH_HIDDEN; kind++) {
        for (uint32_t w = 0; w < c->n_wishes; w++) {
            if (c->wishes[w].kind != kind) continue;
            c->wanted[n] = c->wishes[w].row;
            c->sorted[n++] = c->wishes[w];
            if (kind == BNT_WISH_LOGITS) batch.n_logits++;
            if (kind == BNT_WISH_TOP) {
                const struct bnt_row *ask = c->wishes[w].ask;
                c->asks[batch.n_top++] = (struct bnt_search_ask){
                    ask->k, ask->n_ids, ask->ids, c->wishes[w].result->named, ask->allowed};
            }
        }
    }
    int status = bnt_exec_run(c->exec, &batch, err);
    return status == BNT_OK ? bnt_exec_verdict(c->exec, err) : status;
}

/* ---- results of a run ------------------------------------------------------------------------ */

/* A network that overflows gives infinities or NaN: said aloud, never sampled from. */
static int check_finite(const float *v, size_t n, const char *what, const struct bnt_context *c,
                        const struct bnt_wish *w, const struct bnt_span *spans,
                        struct bnt_err *err) {
    const struct bnt_span *span = &spans[w->span];
    for (size_t i = 0; i < n; i++) {
        if (isfinite(v[i])) continue;
        uint64_t at = span->sequence->position;
        for (uint32_t s = 0, row = 0; s < c->n_exec_spans; row += c->exec_spans[s++].n)
            if (w->row - row < c->exec_spans[s].n) at = c->exec_spans[s].pos + (w->row - row);
        return bnt_fail(err, BNT_E_NUMERIC,
                        "%s %zu at position %" PRIu64
                        " is not finite: the model's weights are damaged or out of range",
                        what, i, at);
    }
    return BNT_OK;
}

static void pool(struct bnt_context *c, const struct bnt_wish *w, const struct bnt_span *span,
                 const float *hidden) {
    struct bnt_feed_span *f = &c->spans[w->span];
    size_t n_embd = c->engine->info.n_embd;
    if (!f->sums) {
        memcpy(f->pooled, hidden, n_embd * sizeof *hidden);
        return;
    }
    for (size_t i = 0; i < n_embd; i++) {
        f->sums[i] += (double)hidden[i];
        f->pooled[i] = (float)(f->sums[i] / (double)span->count);
    }
}

/* What a search would have found, from full logits. */
static void rank(struct bnt_result *r, const float *logits, uint32_t n_vocab,
                 const struct bnt_row *ask) {
    uint32_t at = 0;
    r->n_top = 0;
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (at < ask->n_ids && (uint32_t)ask->ids[at] == i)
            r->named[at++] = logits[i];
        else if (!ask->allowed || (ask->allowed[i / 64] >> i % 64 & 1))
            bnt_keep_best(r->top, &r->n_top, ask->k, (struct bnt_top){logits[i], (int32_t)i});
    }
    bnt_sort_best(r->top, r->n_top);
}

/* Wanted row i of the run, whose logits have all been computed. */
static int collect_logits(struct bnt_context *c, const struct bnt_span *spans, uint32_t i,
                          bool last_run, struct bnt_err *err) {
    const struct bnt_wish *w = &c->sorted[i];
    struct bnt_result *r = w->result;
    uint32_t n_vocab = c->engine->info.n_vocab;
    const float *logits = bnt_exec_logits(c->exec) + (size_t)i * n_vocab;
    int status = check_finite(logits, n_vocab, "logit", c, w, spans, err);
    if (status != BNT_OK) return status;
    if (w->ask->want & BNT_ROW_TOP) rank(r, logits, n_vocab, w->ask);
    if (last_run) r->all = logits; /* the buffer stays as it is until the next feed */
    if (w->ask->want & BNT_ROW_LOGITS) {
        if (!last_run) memcpy(r->kept_logits, logits, n_vocab * sizeof *logits);
        r->logits = last_run ? logits : r->kept_logits;
    }
    return BNT_OK;
}

static int collect(struct bnt_context *c, const struct bnt_span *spans, bool last_run,
                   struct bnt_err *err) {
    size_t n_embd = c->engine->info.n_embd;
    uint32_t searched = 0;
    int status = BNT_OK;
    for (uint32_t i = 0; i < c->n_wishes && status == BNT_OK; i++) {
        const struct bnt_wish *w = &c->sorted[i];
        const float *hidden = bnt_exec_hidden(c->exec) + i * n_embd;
        bool all = w->kind == BNT_WISH_LOGITS;
        if (w->pools || w->ask->want & BNT_ROW_HIDDEN)
            status = check_finite(hidden, n_embd, "hidden value", c, w, spans, err);
        if (status == BNT_OK && w->pools) pool(c, w, &spans[w->span], hidden);
        if (status == BNT_OK && w->ask && w->ask->want & BNT_ROW_HIDDEN)
            memcpy(w->result->hidden, hidden, n_embd * sizeof *hidden);
        if (w->kind == BNT_WISH_TOP && !bnt_search_result(bnt_exec_search(c->exec), searched++,
                                                          w->result->top, &w->result->n_top)) {
            bnt_exec_complete(c->exec, i); /* beyond what bounds can say: look at all of them */
            all = true;
        }
        if (status == BNT_OK && all) status = collect_logits(c, spans, i, last_run, err);
    }
    return status;
}

/* A kernel that changed it may have rounded otherwise ever since. */
static int check_team(struct bnt_context *c, struct bnt_err *err) {
    unsigned member;
    char what[128];
    uint32_t deviation = bnt_pool_deviation(c->pool, &member);
    if (!deviation) return BNT_OK;
    return bnt_fail(err, BNT_E_BACKEND,
                    "backend '%s' changed the floating-point environment of thread %u while it "
                    "computed: %s",
                    c->engine->backend->name, member,
                    bnt_fpenv_describe(deviation, what, sizeof what));
}

int bnt_context_feed(struct bnt_context *c, const struct bnt_span *spans, size_t n_spans,
                     struct bnt_err *err) {
    size_t first = 0;
    c->n_spans = 0;
    int status = check(c, spans, n_spans, err);
    if (status == BNT_OK) status = reserve(c, spans, n_spans, err);
    while (status == BNT_OK && first < n_spans) {
        compose(c, spans, &first);
        status = run(c, err);
        if (status == BNT_OK) status = collect(c, spans, first == n_spans, err);
        int team = check_team(c, err); /* where numbers come from, should they not be finite */
        if (team != BNT_OK) status = team;
    }
    if (status != BNT_OK) {
        c->n_spans = 0; /* there are no results */
        return status;
    }
    for (size_t s = 0; s < n_spans; s++) {
        struct bnt_sequence *q = spans[s].sequence;
        memcpy(q->tokens + q->position, spans[s].ids, spans[s].count * sizeof *q->tokens);
        q->position += spans[s].count;
    }
    return BNT_OK;
}
