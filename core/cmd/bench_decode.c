/*
 * bench_decode.c - decode as `bitnet bench` times it: one sequence, several together, or one whose
 * tokens are guessed ahead.
 *
 * The one idea: what is made must be what was made before, by whichever of the three. Knows a test
 * and its tokens; bench.c knows times.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd/bench.h"
#include "run/context.h"
#include "run/generate.h"

/* ---- what is made ---------------------------------------------------------------------------- */

static int32_t *made_by(const struct bench *b, const struct bench_test *t, uint32_t sequence) {
    return b->made + ((size_t)t->depth_index * b->most_batch + sequence) * b->most_made;
}

static int check(const struct bench_test *t, int32_t *made, uint32_t at, int32_t id,
                 struct bnt_err *err) {
    if (made[at] >= 0 && made[at] != id)
        return bnt_fail(err, BNT_E_MISMATCH, "token %u of a decode (%s) is %d, and was %d before",
                        at, t->name, id, made[at]);
    made[at] = id;
    return BNT_OK;
}

/* Sequences begin with tokens of their own, and soon differ. */
static int32_t first_of(const struct bench *b, uint32_t sequence) {
    uint32_t n_vocab = bnt_engine_info(b->engine)->n_vocab;
    uint32_t first = (uint32_t)b->start.ids[b->start.count - 1];
    return (int32_t)(((uint64_t)first + sequence * 7919ull) % n_vocab);
}

/* ---- one ------------------------------------------------------------------------------------- */

static int one(struct bench *b, const struct bench_test *t, struct bnt_session *s,
               struct bnt_err *err) {
    int32_t id = first_of(b, 0), *made = made_by(b, t, 0);
    for (uint32_t i = 0, n; i < t->count; i++) {
        int status = bnt_session_feed_top(s, &id, 1, 1, err);
        if (status != BNT_OK) return status;
        id = bnt_session_top(s, &n)->id;
        if ((status = check(t, made, i, id, err)) != BNT_OK) return status;
    }
    return BNT_OK;
}

/* ---- several --------------------------------------------------------------------------------- */

struct several {
    struct bnt_sequence **sequences; /* [batch] */
    struct bnt_span *spans;
    int32_t *ids;
};

static void close_several(struct several *m, uint32_t n) {
    for (uint32_t i = 0; m->sequences && i < n; i++) bnt_sequence_close(m->sequences[i]);
    free(m->sequences);
    free(m->spans);
    free(m->ids);
}

/* All have the session's tokens. */
static int open_several(struct several *m, const struct bench *b, const struct bench_test *t,
                        const struct bnt_sequence *from, struct bnt_err *err) {
    static const struct bnt_row row = {.want = BNT_ROW_TOP, .k = 1};
    *m = (struct several){calloc(t->batch, sizeof *m->sequences),
                          calloc(t->batch, sizeof *m->spans), calloc(t->batch, sizeof *m->ids)};
    if (!m->sequences || !m->spans || !m->ids)
        return bnt_fail_nomem(err, "the sequences", t->batch * sizeof *m->spans);
    for (uint32_t i = 0; i < t->batch; i++) {
        int status = bnt_sequence_fork(&m->sequences[i], from, from->position, err);
        if (status != BNT_OK) return status;
        m->ids[i] = first_of(b, i);
        m->spans[i] = (struct bnt_span){
            .sequence = m->sequences[i], .ids = &m->ids[i], .count = 1, .rows = &row, .n_rows = 1};
    }
    return BNT_OK;
}

static int step_several(struct bench *b, const struct bench_test *t, struct several *m, uint32_t at,
                        struct bnt_err *err) {
    struct bnt_context *c = m->sequences[0]->context;
    int status = bnt_context_feed(c, m->spans, t->batch, err);
    for (uint32_t i = 0, n; i < t->batch && status == BNT_OK; i++) {
        m->ids[i] = bnt_context_top(c, i, 0, &n)->id;
        status = check(t, made_by(b, t, i), at, m->ids[i], err);
    }
    return status;
}

static int several(struct bench *b, const struct bench_test *t, struct bnt_session *s,
                   double *seconds, struct bnt_err *err) {
    struct several m;
    int status = open_several(&m, b, t, bnt_session_sequence(s), err);
    double start = bnt_now();
    for (uint32_t i = 0; i < t->count && status == BNT_OK; i++)
        status = step_several(b, t, &m, i, err);
    *seconds = bnt_now() - start;
    close_several(&m, t->batch);
    return status;
}

/* ---- one with guesses ------------------------------------------------------------------------ */

/* Knows what comes, and errs as often as it is told to. */
struct teller {
    const int32_t *made;
    uint32_t n, prompt, percent, random;
};

static size_t tell(void *arg, const int32_t *ids, size_t n, int32_t *out, size_t most) {
    struct teller *o = arg;
    struct bnt_bet bet = bnt_bet_begin();
    size_t k = 0;
    (void)ids;
    for (size_t at = n - o->prompt; k < most && at + k < o->n; k++) {
        if (!bnt_bet_pays(&bet, o->percent / 100.0)) break;
        o->random = o->random * 1664525u + 1013904223u;
        bool right = (o->random >> 8) % 100 < o->percent;
        out[k] = right ? o->made[at + k] : o->made[at + k] ^ 1;
    }
    return k;
}

static int guessed(struct bench *b, struct bench_test *t, struct bnt_session *s,
                   struct bnt_err *err) {
    int32_t *made = made_by(b, t, 0), *ids = malloc((t->depth + 1) * sizeof *ids);
    struct teller teller = {made, t->count, t->depth + 1, t->accept, 1};
    const struct bnt_generate_options options = {.sampling = bnt_sampling_default(),
                                                 .n_predict = t->count,
                                                 .ignore_eog = true,
                                                 .guesser = {tell, &teller}};
    struct bnt_generation g = {0};
    if (!ids) return bnt_fail_nomem(err, "the prompt", (t->depth + 1) * sizeof *ids);
    memcpy(ids, b->ids, t->depth * sizeof *ids);
    ids[t->depth] = first_of(b, 0);
    int status = bnt_generate(&g, b->engine, s, ids, t->depth + 1, &options, err);
    for (uint32_t i = 0; i < t->count && status == BNT_OK; i++)
        status = check(t, made, i, g.tokens[i], err);
    t->drafted += g.drafted;
    t->accepted += g.accepted;
    bnt_generation_free(&g);
    free(ids);
    return status;
}

/* Guesses are of what was made without them. */
static int know(struct bench *b, const struct bench_test *t, struct bnt_session *s,
                struct bnt_err *err) {
    const int32_t *made = made_by(b, t, 0);
    uint32_t known = 0;
    while (known < t->count && made[known] >= 0) known++;
    int status = known < t->count ? one(b, t, s, err) : BNT_OK;
    bnt_session_truncate(s, t->depth);
    return status;
}

/* ---------------------------------------------------------------------------------------------- */

int bench_decode(struct bench *b, struct bench_test *t, double *seconds, struct bnt_err *err) {
    struct bnt_session *s = b->sessions[t->team];
    if (t->batch > 1) return several(b, t, s, seconds, err);
    int status = t->accept ? know(b, t, s, err) : BNT_OK;
    double start = bnt_now();
    if (status == BNT_OK) status = t->accept ? guessed(b, t, s, err) : one(b, t, s, err);
    *seconds = bnt_now() - start;
    return status;
}
