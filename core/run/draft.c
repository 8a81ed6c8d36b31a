/*
 * draft.c - see draft.h.
 *
 * The one idea: a guess costs nothing until it is computed. While a repeated passage is followed
 * through the text, each token says whether the passage would have been right, so that the lookup
 * knows its own rate of success, for short matches and for long ones, before it proposes anything.
 */
#include "run/draft.h"

#include <stdlib.h>
#include <string.h>

enum {
    TABLE = 1 << 14,
    CANDIDATES = 32, /* places that are looked at, the last ones first */
    LONGEST = 24,    /* a match is not measured further */
    KINDS = 6,       /* of matches, by their length */
    MEMORY = 32,     /* trials after which older ones count half */
};

/* What a token more in a batch costs, as a share of a batch of one: a fifth where it was measured
 * (docs/performance.md), and somewhat more for those who read memory faster. */
static const double token_cost = 0.25;

bool bnt_bet_pays(struct bnt_bet *bet, double chance) {
    chance *= bet->chance;
    if (chance * bet->cost <= bet->tokens * token_cost) return false;
    bet->chance = chance;
    bet->tokens += chance;
    bet->cost += token_cost;
    return true;
}

struct bnt_lookup {
    /* Places behind each pair of tokens: the last one by the pair's hash, and for each place the
     * one before it; 0: none. */
    uint32_t last[TABLE], *before;
    size_t capacity;
    size_t n;        /* tokens of the text that it has seen */
    size_t place;    /* the token there is what the match says comes next; 0: there is no match */
    uint32_t length; /* of the match */
    struct {
        float right, trials;
    } seen[KINDS];
};

int bnt_lookup_open(struct bnt_lookup **out, struct bnt_err *err) {
    /* What is expected of matches of 2, 3, 4 and 5, 6 to 8, 9 to 15, and more tokens at first. */
    static const float expected[KINDS] = {0.25f, 0.4f, 0.5f, 0.65f, 0.8f, 0.9f};
    *out = calloc(1, sizeof **out);
    if (!*out) return bnt_fail_nomem(err, "the lookup of repeated passages", sizeof **out);
    for (unsigned i = 0; i < KINDS; i++) {
        (*out)->seen[i].trials = 2.0f;
        (*out)->seen[i].right = 2.0f * expected[i];
    }
    return BNT_OK;
}

void bnt_lookup_close(struct bnt_lookup *l) {
    if (!l) return;
    free(l->before);
    free(l);
}

static unsigned kind_of(size_t length) {
    return length < 4    ? (unsigned)length - 2
           : length < 6  ? 2
           : length < 9  ? 3
           : length < 16 ? 4
                         : 5;
}

static uint32_t hash(const int32_t *pair) {
    uint32_t x = (uint32_t)pair[0] * 0x9e3779b1u ^ (uint32_t)pair[1] * 0x85ebca6bu;
    return (x ^ x >> 15) % TABLE;
}

/* Tokens before `a` and before `b` that are the same. */
static uint32_t common(const int32_t *ids, size_t a, size_t b) {
    uint32_t length = 0;
    while (length < LONGEST && length < a && ids[a - 1 - length] == ids[b - 1 - length]) length++;
    return length;
}

/* The longest match of the text's end, of those the last; the one that there is, if it is as long.
 */
static void find(struct bnt_lookup *l, const int32_t *ids, size_t n) {
    uint32_t place = l->last[hash(ids + n - 2)];
    for (unsigned i = 0; i < CANDIDATES && place && l->length < LONGEST; i++) {
        uint32_t length = common(ids, place, n);
        if (length >= 2 && length > l->length) {
            l->length = length;
            l->place = place;
        }
        place = l->before[place];
    }
}

/* What came next, where a match had said what would. */
static void learn(struct bnt_lookup *l, bool right) {
    unsigned kind = kind_of(l->length);
    if (l->seen[kind].trials >= MEMORY) {
        l->seen[kind].trials /= 2;
        l->seen[kind].right /= 2;
    }
    l->seen[kind].trials += 1.0f;
    l->seen[kind].right += right ? 1.0f : 0.0f;
}

static void see(struct bnt_lookup *l, const int32_t *ids, size_t i) {
    bool right = l->place && ids[l->place] == ids[i];
    if (l->place) learn(l, right);
    if (right) {
        l->place++;
        l->length += l->length < LONGEST;
    } else {
        l->place = l->length = 0;
    }
    if (i == 0) return;
    if (l->length < 8) find(l, ids, i + 1); /* perhaps there is a longer one */
    uint32_t *last = &l->last[hash(ids + i - 1)];
    l->before[i + 1] = *last;
    *last = (uint32_t)(i + 1);
}

static bool grow(struct bnt_lookup *l, size_t n) {
    if (n + 2 <= l->capacity) return true;
    size_t capacity = 2 * n + 64;
    uint32_t *p = n < UINT32_MAX / 4 ? realloc(l->before, capacity * sizeof *p) : NULL;
    if (!p) return false;
    l->before = p;
    l->capacity = capacity;
    return true;
}

static size_t propose(const struct bnt_lookup *l, const int32_t *ids, size_t n, int32_t *out,
                      size_t most) {
    struct bnt_bet bet = bnt_bet_begin();
    size_t k = 0;
    for (; l->place && k < most; k++) {
        unsigned kind = kind_of(l->length + k);
        if (!bnt_bet_pays(&bet, (double)l->seen[kind].right / (double)l->seen[kind].trials)) break;
        size_t from = l->place + k;
        out[k] = from < n ? ids[from] : out[from - n]; /* a passage that repeats itself */
    }
    return k;
}

size_t bnt_lookup_guess(void *lookup, const int32_t *ids, size_t n, int32_t *out, size_t most) {
    struct bnt_lookup *l = lookup;
    if (!grow(l, n)) return 0; /* nobody needs a guess */
    for (; l->n < n; l->n++) see(l, ids, l->n);
    return propose(l, ids, n, out, most);
}
