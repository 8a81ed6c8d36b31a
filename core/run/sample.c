/*
 * sample.c - from logits to a token: NUMERICS clause 10.
 *
 * Runs in the core, once, for all backends; every step is in a fixed order, so equal logits and an
 * equal seed give an equal token everywhere. Ties go to the lowest id. Order of steps: repetition
 * penalty, top-k, top-p, min-p, temperature, draw.
 */
#include <stdlib.h>
#include <string.h>

#include "bitnet/bitnet.h"
#include "bitnet/numerics.h"
#include "run/head.h"
#include "run/rng.h"

struct candidate {
    float value; /* logit, then probability */
    uint32_t id;
};
_Static_assert(sizeof(struct candidate) == 8, "scratch holds two per token of the vocabulary");

struct bnt_sampling bnt_sampling_default(void) {
    return (struct bnt_sampling){
        .temperature = 0.0f, .top_p = 1.0f, .repeat_penalty = 1.0f, .repeat_last = 64};
}

/* Clause 10, step 2: below the smallest normal number 1 / temperature would be infinite. */
static bool is_greedy(const struct bnt_sampling *s) {
    return !(s->temperature >= 0x1p-126f);
}

static int32_t argmax(const float *logits, uint32_t n) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++) {
        if (logits[i] > logits[best]) best = i;
    }
    return (int32_t)best;
}

/* Each token among the last repeat_last is penalised once, however often it stands there. */
static void penalise(const struct bnt_sampling *s, struct candidate *c, const float *logits,
                     uint32_t n_vocab, const int32_t *history, size_t n) {
    for (size_t i = n > s->repeat_last ? n - s->repeat_last : 0; i < n; i++) {
        uint32_t id = (uint32_t)history[i];
        if (id >= n_vocab) continue;
        c[id].value =
            logits[id] > 0.0f ? logits[id] / s->repeat_penalty : logits[id] * s->repeat_penalty;
    }
}

/* Highest value first, lowest id among equals: a total order, so any sorting gives one result. */
static int before(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Moves the k first of the order to the front, unsorted: quickselect with the middle as pivot. */
static void select_first(struct candidate *c, uint32_t n, uint32_t k) {
    uint32_t lo = 0, hi = n;
    while (hi - lo > 1 && k > lo && k < hi) {
        struct candidate pivot = c[lo + (hi - 1 - lo) / 2]; /* never the last: j always moves */
        uint32_t i = lo, j = hi - 1;
        for (;;) {
            while (before(&c[i], &pivot) < 0) i++;
            while (before(&pivot, &c[j]) < 0) j--;
            if (i >= j) break;
            struct candidate t = c[i];
            c[i++] = c[j];
            c[j--] = t;
        }
        /* [lo, j] comes no later than the pivot, [j + 1, hi) no earlier */
        if (k <= j + 1)
            hi = j + 1;
        else
            lo = j + 1;
    }
}

/* e[i] = exp((value - max) * scale) in place, Sum16 of them returned: clauses 1 and 9. */
static float exponentials(struct candidate *c, uint32_t n, float scale) {
    float lanes[BNT_LANES] = {0}, max = c[0].value;
    for (uint32_t i = 0; i < n; i++) {
        c[i].value = bnt_exp((c[i].value - max) * scale);
        lanes[i % BNT_LANES] += c[i].value;
    }
    for (unsigned half = BNT_LANES / 2; half; half /= 2) {
        for (unsigned l = 0; l < half; l++) lanes[l] += lanes[l + half];
    }
    return lanes[0];
}

/* How many of the sorted candidates top-p and min-p keep, at least one. */
static uint32_t truncated(const struct bnt_sampling *s, const struct candidate *sorted, uint32_t n,
                          struct candidate *scratch) {
    uint32_t keep = n;
    if (s->top_p >= 1.0f && s->min_p <= 0.0f) return n;
    memcpy(scratch, sorted, n * sizeof *scratch);
    float total = exponentials(scratch, n, 1.0f), sum = 0.0f;
    if (s->top_p < 1.0f) {
        for (keep = 0; keep < n && (keep == 0 || sum < s->top_p * total); keep++)
            sum += scratch[keep].value;
    }
    while (keep > 1 && scratch[keep - 1].value < s->min_p) keep--; /* the first one's is 1 */
    return keep;
}

/* Steps 4 to 6 of clause 10, over candidates in order; `scratch` has room for as many. */
static int32_t draw_from(const struct bnt_sampling *s, struct candidate *c, uint32_t count,
                         uint64_t draw, struct candidate *scratch) {
    count = truncated(s, c, count, scratch);
    float total = exponentials(c, count, 1.0f / s->temperature), sum = 0.0f;

    uint32_t random[4];
    bnt_philox4x32((const uint32_t[]){(uint32_t)draw, (uint32_t)(draw >> 32), 0, 0},
                   (const uint32_t[]){(uint32_t)s->seed, (uint32_t)(s->seed >> 32)}, random);
    float point = (float)(random[0] >> 8) * 0x1p-24f * total; /* [0, 1) * total */
    for (uint32_t i = 0; i + 1 < count; i++) {
        sum += c[i].value;
        if (point < sum) return (int32_t)c[i].id;
    }
    return (int32_t)c[count - 1].id;
}

int32_t bnt_sample(const struct bnt_sampling *s, const float *logits, uint32_t n_vocab,
                   const int32_t *history, size_t n, uint64_t draw, void *scratch) {
    bool greedy = is_greedy(s), penalty = s->repeat_penalty != 1.0f;
    if (greedy && !penalty) return argmax(logits, n_vocab);

    struct candidate *c = scratch;
    uint32_t count = n_vocab;
    for (uint32_t i = 0; i < n_vocab; i++) c[i] = (struct candidate){logits[i], i};
    if (penalty) penalise(s, c, logits, n_vocab, history, n);
    if (greedy) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < n_vocab; i++) {
            if (c[i].value > c[best].value) best = i;
        }
        return (int32_t)best;
    }
    if (s->top_k && s->top_k < count) {
        select_first(c, count, s->top_k);
        count = s->top_k;
    }
    qsort(c, count, sizeof *c, before);
    return draw_from(s, c, count, draw, c + n_vocab);
}

uint32_t bnt_sampling_needs(const struct bnt_sampling *s) {
    if (s->repeat_penalty != 1.0f) return 0;
    if (is_greedy(s)) return 1;
    return s->top_k <= BNT_HEAD_MOST ? s->top_k : 0;
}

int32_t bnt_sample_top(const struct bnt_sampling *s, const struct bnt_top *top, uint32_t count,
                       uint64_t draw, void *scratch) {
    struct candidate *c = scratch;
    if (is_greedy(s)) return top[0].id;
    for (uint32_t i = 0; i < count; i++)
        c[i] = (struct candidate){top[i].logit, (uint32_t)top[i].id};
    return draw_from(s, c, count, draw, c + count);
}
