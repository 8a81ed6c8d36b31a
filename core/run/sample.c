/*
 * sample.c - from logits to a token: NUMERICS clause 10.
 *
 * Runs in the core, once, for all backends; every step is in a fixed order, so equal logits and an
 * equal seed give an equal token everywhere. Ties go to the lowest id. Order of steps: bias,
 * penalties, top-k, top-p, min-p, temperature, draw.
 */
#include "run/sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "bitnet/numerics.h"
#include "run/head.h"
#include "run/rng.h"

_Static_assert(sizeof(struct bnt_token_value) == 8,
               "scratch holds two per token of the vocabulary");

struct bnt_sampling bnt_sampling_default(void) {
    return (struct bnt_sampling){
        .temperature = 0.0f, .top_p = 1.0f, .repeat_penalty = 1.0f, .repeat_last = 64};
}

/* Clause 10, step 4: below the smallest normal number 1 / temperature would be infinite. */
bool bnt_sampling_greedy(const struct bnt_sampling *s) {
    return !(s->temperature >= 0x1p-126f);
}

static bool may(const uint64_t *allowed, uint32_t id) {
    return !allowed || (allowed[id / 64] >> id % 64 & 1);
}

/* The first of the order; of none, 0. */
static int32_t argmax(const float *logits, uint32_t n, const uint64_t *allowed) {
    uint32_t best = 0;
    while (best + 1 < n && !may(allowed, best)) best++;
    for (uint32_t i = best + 1; i < n; i++) {
        if (logits[i] > logits[best] && may(allowed, i)) best = i;
    }
    return (int32_t)best;
}

bool bnt_sampling_looks_back(const struct bnt_sampling *s) {
    return s->repeat_penalty != 1.0f;
}

bool bnt_sampling_counts(const struct bnt_sampling *s) {
    return s->presence_penalty != 0.0f || s->frequency_penalty != 0.0f;
}

float bnt_sample_penalised(const struct bnt_sampling *s, float logit, bool recent, uint32_t made) {
    if (recent && bnt_sampling_looks_back(s))
        logit = logit > 0.0f ? logit / s->repeat_penalty : logit * s->repeat_penalty;
    if (made && bnt_sampling_counts(s))
        logit = logit - ((float)made * s->frequency_penalty + s->presence_penalty);
    return logit;
}

/* Steps 1 to 3 over all logits. Of each token `marks` counts how often it was made, and says in its
 * highest bit whether it is recent. */
static void adjust(const struct bnt_sampling *s, struct bnt_token_value *c, uint32_t n_vocab,
                   const int32_t *history, size_t n, uint64_t draw, uint32_t *marks) {
    const uint32_t recent = UINT32_C(1) << 31;
    const size_t made = draw < n ? (size_t)draw : n;
    for (uint32_t i = 0; i < s->n_biases; i++) {
        uint32_t id = (uint32_t)s->biases[i].id;
        if (id < n_vocab) c[id].value = c[id].value + s->biases[i].bias;
    }
    if (!bnt_sampling_looks_back(s) && !bnt_sampling_counts(s)) return;
    memset(marks, 0, n_vocab * sizeof *marks);
    for (size_t i = n > s->repeat_last ? n - s->repeat_last : 0; i < n; i++)
        if ((uint32_t)history[i] < n_vocab) marks[history[i]] |= recent;
    for (size_t i = n - made; i < n; i++)
        if ((uint32_t)history[i] < n_vocab) marks[history[i]]++;
    for (uint32_t i = 0; i < n_vocab; i++)
        if (marks[i])
            c[i].value = bnt_sample_penalised(s, c[i].value, marks[i] & recent, marks[i] & ~recent);
}

/* Highest value first, lowest id among equals: a total order, so any sorting gives one result. */
static int before(const void *a, const void *b) {
    const struct bnt_token_value *x = a, *y = b;
    if (x->value != y->value) return x->value > y->value ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Moves the k first of the order to the front, unsorted: quickselect with the middle as pivot. */
static void select_first(struct bnt_token_value *c, uint32_t n, uint32_t k) {
    uint32_t lo = 0, hi = n;
    while (hi - lo > 1 && k > lo && k < hi) {
        struct bnt_token_value pivot =
            c[lo + (hi - 1 - lo) / 2]; /* never the last: j always moves */
        uint32_t i = lo, j = hi - 1;
        for (;;) {
            while (before(&c[i], &pivot) < 0) i++;
            while (before(&pivot, &c[j]) < 0) j--;
            if (i >= j) break;
            struct bnt_token_value t = c[i];
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
static float exponentials(struct bnt_token_value *c, uint32_t n, float scale) {
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
static uint32_t truncated(const struct bnt_sampling *s, const struct bnt_token_value *sorted,
                          uint32_t n, struct bnt_token_value *scratch) {
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

/* Steps 6 to 8 of clause 10, over candidates in order; `scratch` has room for as many. */
static int32_t draw_from(const struct bnt_sampling *s, struct bnt_token_value *c, uint32_t count,
                         uint64_t draw, struct bnt_token_value *scratch) {
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

int32_t bnt_sample_from(const struct bnt_sampling *s, struct bnt_token_value *c, uint32_t count,
                        uint64_t draw, struct bnt_token_value *scratch) {
    if (bnt_sampling_greedy(s)) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < count; i++)
            if (before(&c[i], &c[best]) < 0) best = i;
        return (int32_t)c[best].id;
    }
    if (s->top_k && s->top_k < count) {
        select_first(c, count, s->top_k);
        count = s->top_k;
    }
    bnt_sort(c, count, sizeof *c, before);
    return draw_from(s, c, count, draw, scratch);
}

static bool adjusts(const struct bnt_sampling *s) {
    return s->n_biases || bnt_sampling_looks_back(s) || bnt_sampling_counts(s);
}

int32_t bnt_sample(const struct bnt_sampling *s, const float *logits, uint32_t n_vocab,
                   const int32_t *history, size_t n, uint64_t draw, void *scratch) {
    return bnt_sample_allowed(s, logits, n_vocab, NULL, history, n, draw, scratch);
}

int32_t bnt_sample_allowed(const struct bnt_sampling *s, const float *logits, uint32_t n_vocab,
                           const uint64_t *allowed, const int32_t *history, size_t n, uint64_t draw,
                           void *scratch) {
    if (bnt_sampling_greedy(s) && !adjusts(s)) return argmax(logits, n_vocab, allowed);

    struct bnt_token_value *c = scratch;
    for (uint32_t i = 0; i < n_vocab; i++) c[i] = (struct bnt_token_value){logits[i], i};
    adjust(s, c, n_vocab, history, n, draw, (uint32_t *)(void *)(c + n_vocab));
    uint32_t count = 0;
    for (uint32_t i = 0; i < n_vocab; i++)
        if (may(allowed, i)) c[count++] = c[i];
    return bnt_sample_from(s, c, count, draw, c + n_vocab);
}

uint32_t bnt_sampling_needs(const struct bnt_sampling *s) {
    if (adjusts(s)) return 0;
    if (bnt_sampling_greedy(s)) return 1;
    return s->top_k <= BNT_HEAD_MOST ? s->top_k : 0;
}

int32_t bnt_sample_top(const struct bnt_sampling *s, const struct bnt_top *top, uint32_t count,
                       uint64_t draw, void *scratch) {
    struct bnt_token_value *c = scratch;
    if (bnt_sampling_greedy(s)) return top[0].id;
    for (uint32_t i = 0; i < count; i++)
        c[i] = (struct bnt_token_value){top[i].logit, (uint32_t)top[i].id};
    return draw_from(s, c, count, draw, c + count);
}

uint64_t bnt_sampling_seed(uint64_t seed, uint32_t k) {
    uint32_t random[4];
    if (k == 0) return seed;
    bnt_philox4x32((const uint32_t[]){k, 0, 0, 1},
                   (const uint32_t[]){(uint32_t)seed, (uint32_t)(seed >> 32)}, random);
    return ((uint64_t)random[1] << 32 | random[0]) & INT64_MAX;
}
