/*
 * choose.c - see choose.h.
 *
 * Why named and searched logits are enough: a token that is not named keeps its logit, so the first
 * k of the adjusted order are among the k largest of those and the named ones.
 */
#include "run/choose.h"

#include <stdlib.h>
#include <string.h>

#include "run/head.h"

static const uint32_t recent = UINT32_C(1) << 31;

/* Where id stands among the named, or would. */
static uint32_t place_of(const struct bnt_chooser *c, int32_t id) {
    uint32_t lo = 0, hi = c->n_named;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c->ids[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static bool is_named(const struct bnt_chooser *c, int32_t id, uint32_t *at) {
    *at = place_of(c, id);
    return *at < c->n_named && c->ids[*at] == id;
}

/* Half of what the search saves would be spent on so many rows of the head. */
static bool are_many(const struct bnt_chooser *c) {
    return c->n_named > c->n_vocab / 4;
}

static int insert(struct bnt_chooser *c, int32_t id, struct bnt_err *err) {
    uint32_t at;
    if (c->k == 0 || is_named(c, id, &at)) return BNT_OK;
    if (c->n_named == c->capacity) {
        uint32_t capacity = 2 * c->capacity + 64;
        int32_t *ids = realloc(c->ids, capacity * sizeof *ids);
        if (ids) c->ids = ids;
        uint32_t *times = ids ? realloc(c->times, capacity * sizeof *times) : NULL;
        if (!times) return bnt_fail_nomem(err, "tokens that are named", capacity * sizeof *ids);
        c->times = times;
        c->capacity = capacity;
    }
    memmove(c->ids + at + 1, c->ids + at, (c->n_named - at) * sizeof *c->ids);
    memmove(c->times + at + 1, c->times + at, (c->n_named - at) * sizeof *c->times);
    c->ids[at] = id;
    c->times[at] = 0;
    c->n_named++;
    if (are_many(c)) c->k = 0; /* from now on */
    return BNT_OK;
}

int bnt_chooser_name(struct bnt_chooser *c, int32_t id, struct bnt_err *err) {
    bool matters = bnt_sampling_looks_back(c->s) || bnt_sampling_counts(c->s);
    return matters && id >= 0 && (uint32_t)id < c->n_vocab ? insert(c, id, err) : BNT_OK;
}

static int begin(struct bnt_chooser *c, const int32_t *ids, size_t n, struct bnt_err *err) {
    int status = BNT_OK;
    for (uint32_t i = 0; i < c->s->n_biases && status == BNT_OK; i++) {
        int32_t id = c->s->biases[i].id;
        if (id < 0 || (uint32_t)id >= c->n_vocab)
            return bnt_fail(err, BNT_E_USAGE,
                            "a bias for token %d, which is not in the vocabulary of %u", id,
                            c->n_vocab);
        status = insert(c, id, err);
    }
    if (!bnt_sampling_looks_back(c->s)) return status;
    for (size_t i = n > c->s->repeat_last ? n - c->s->repeat_last : 0; i < n; i++)
        if (status == BNT_OK) status = bnt_chooser_name(c, ids[i], err);
    return status;
}

int bnt_chooser_begin(struct bnt_chooser *c, const struct bnt_sampling *s, uint32_t n_vocab,
                      bool all, const int32_t *ids, size_t n, struct bnt_err *err) {
    uint32_t k = bnt_sampling_greedy(s) ? 1 : s->top_k <= BNT_HEAD_MOST ? s->top_k : 0;
    *c = (struct bnt_chooser){.s = s, .n_vocab = n_vocab, .k = all ? 0 : k, .all = all};
    size_t room = 2 * ((size_t)n_vocab + BNT_HEAD_MOST);
    c->scratch = malloc(room * sizeof *c->scratch);
    if (!c->scratch) return bnt_fail_nomem(err, "sampling", room * sizeof *c->scratch);
    return begin(c, ids, n, err);
}

void bnt_chooser_end(struct bnt_chooser *c) {
    free(c->ids);
    free(c->times);
    free(c->scratch);
    *c = (struct bnt_chooser){0};
}

/* How many of all logits would count, when those are wanted but few tokens are allowed and none is
 * adjusted: then they are the largest of those; else 0. */
static uint32_t allowed_few(const struct bnt_chooser *c, const uint64_t *allowed) {
    const struct bnt_sampling *s = c->s;
    uint32_t count = 0;
    if (!allowed || c->all || c->k || s->n_biases || bnt_sampling_looks_back(s) ||
        bnt_sampling_counts(s))
        return 0;
    for (uint32_t w = 0; w < (c->n_vocab + 63) / 64 && count <= BNT_HEAD_MOST; w++)
        count += (uint32_t)__builtin_popcountll(allowed[w]);
    return count <= BNT_HEAD_MOST ? count : 0;
}

void bnt_chooser_ask(const struct bnt_chooser *c, struct bnt_row *row) {
    uint32_t few = allowed_few(c, row->allowed);
    if (few) {
        row->want |= BNT_ROW_HIDDEN | BNT_ROW_TOP;
        row->k = few;
        return;
    }
    row->want |= BNT_ROW_HIDDEN | (c->k ? BNT_ROW_TOP : BNT_ROW_LOGITS);
    row->k = c->k;
    row->n_ids = c->k ? c->n_named : 0;
    row->ids = row->n_ids ? c->ids : NULL;
}

int bnt_chooser_made(struct bnt_chooser *c, int32_t id, struct bnt_err *err) {
    uint32_t at;
    c->made++;
    int status = bnt_chooser_name(c, id, err);
    if (status == BNT_OK && is_named(c, id, &at)) c->times[at]++;
    return status;
}

/* Marks the last repeat_last tokens, or takes the marks away. */
static void mark_recent(struct bnt_chooser *c, const int32_t *history, size_t n, bool mark) {
    size_t back = c->s->repeat_last;
    uint32_t at;
    if (!bnt_sampling_looks_back(c->s)) return;
    for (size_t i = n > back ? n - back : 0; i < n; i++)
        if (is_named(c, history[i], &at))
            c->times[at] = mark ? c->times[at] | recent : c->times[at] & ~recent;
}

/* Steps 1 to 3 for what is named. */
static void adjust(struct bnt_chooser *c, struct bnt_token_value *to, const float *named) {
    for (uint32_t i = 0, b = 0; i < c->n_named; i++) {
        float logit = named[i];
        while (b < c->s->n_biases && c->s->biases[b].id < c->ids[i]) b++;
        if (b < c->s->n_biases && c->s->biases[b].id == c->ids[i])
            logit = logit + c->s->biases[b].bias;
        logit = bnt_sample_penalised(c->s, logit, c->times[i] & recent, c->times[i] & ~recent);
        to[i] = (struct bnt_token_value){logit, (uint32_t)c->ids[i]};
    }
}

/* Of the named ones, behind n others, those that are allowed stay. */
static uint32_t keep_allowed(const uint64_t *allowed, struct bnt_token_value *all, uint32_t n,
                             uint32_t named) {
    uint32_t kept = n;
    for (uint32_t i = n; i < n + named; i++)
        if (!allowed || (allowed[all[i].id / 64] >> all[i].id % 64 & 1)) all[kept++] = all[i];
    return kept;
}

struct bnt_top bnt_chooser_take(struct bnt_chooser *c, const struct bnt_choices *from,
                                const int32_t *history, size_t n_history) {
    struct bnt_token_value *all = c->scratch;
    struct bnt_top chosen = {0.0f, 0};
    uint32_t n = from->n_top, at;
    if (from->logits) {
        chosen.id = bnt_sample_allowed(c->s, from->logits, c->n_vocab, from->allowed, history,
                                       n_history, c->made, c->scratch);
        chosen.logit = from->logits[chosen.id];
        return chosen;
    }
    for (uint32_t i = 0; i < n; i++)
        all[i] = (struct bnt_token_value){from->top[i].logit, (uint32_t)from->top[i].id};
    mark_recent(c, history, n_history, true);
    if (c->n_named) adjust(c, all + n, from->named);
    mark_recent(c, history, n_history, false);
    n = keep_allowed(from->allowed, all, n, c->n_named);
    chosen.id = bnt_sample_from(c->s, all, n, c->made, all + n);
    if (is_named(c, chosen.id, &at)) return (struct bnt_top){from->named[at], chosen.id};
    for (at = 0; from->top[at].id != chosen.id;) at++;
    return from->top[at];
}
