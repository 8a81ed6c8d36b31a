/*
 * automaton.c - see automaton.h.
 *
 * Where a text may still be too short, it is not enough to know how far the next end is: a pattern
 * may have ends at even lengths only. A layer says of every state whether some text ends from it
 * within the bounds when so many characters are missing; each follows from the one before, until
 * two are equal and so are all that would come.
 */
#include "automaton.h"

#include <stdlib.h>
#include <string.h>

enum { LAYER_CELLS = 1 << 20, CHEAP = 32 /* of its steps are one of a machine's */ };

#define NO_LIMIT UINT32_MAX

/* A place: the count of characters above, the state below, which begins at 0. */
static uint32_t state_of(uint64_t place) {
    return (uint32_t)(place & 0xFFFF) + BNT_AUTOMATON_BEGIN;
}

static uint64_t count_of(uint64_t place) {
    return place >> 16;
}

static uint64_t place_of(uint32_t state, uint64_t count) {
    return count << 16 | (state - BNT_AUTOMATON_BEGIN);
}

static bool in_time(const struct bnt_automaton *a, uint32_t state, uint64_t count) {
    return a->lengths.max == NO_LIMIT || count + a->left[state] <= a->lengths.max;
}

/* Some text ends from here. */
static bool lives(const struct bnt_automaton *a, uint32_t state, uint64_t count) {
    if (state == BNT_AUTOMATON_DEAD || !in_time(a, state, count)) return false;
    if (count >= a->lengths.min) return true;
    uint64_t layer = a->lengths.min - count;
    if (layer >= a->n_layers) layer = a->n_layers - 1;
    return a->layers[layer * a->n_states + state];
}

static bool step(const struct bnt_automaton *a, uint64_t *place, uint32_t class) {
    uint32_t from = state_of(*place);
    uint32_t to = a->next[(size_t)from * a->n_classes + class];
    uint64_t count = count_of(*place) + !!(a->flags[from] & BNT_PLACE_BETWEEN);
    if (a->lengths.max == NO_LIMIT && count > a->lengths.min) count = a->lengths.min;
    if (!lives(a, to, count)) return false;
    *place = place_of(to, count);
    return true;
}

bool bnt_automaton_step(const struct bnt_automaton *a, uint64_t *place, uint8_t byte) {
    return step(a, place, a->class_of[byte]);
}

bool bnt_automaton_ends(const struct bnt_automaton *a, uint64_t place) {
    return a->flags[state_of(place)] & BNT_PLACE_ENDS && count_of(place) >= a->lengths.min;
}

bool bnt_automaton_goes_on(const struct bnt_automaton *a, uint64_t place) {
    for (uint32_t c = 0; c < a->n_classes; c++) {
        uint64_t to = place;
        if (step(a, &to, c)) return true;
    }
    return false;
}

uint64_t bnt_automaton_alike(const struct bnt_automaton *a, uint64_t place, uint64_t bytes) {
    uint64_t count = count_of(place), min = a->lengths.min;
    if (count + bytes + a->n_layers < min) return place_of(state_of(place), 0);
    if (count > min && count + bytes + a->most_left <= a->lengths.max)
        return place_of(state_of(place), min);
    return place;
}

/* ---- layers -----------------------------------------------------------------------------------
 */

/* Layer k from the one before it; a character's own bytes count nothing, and end after a few. What
 * it took. */
static uint64_t fill_layer(const struct bnt_automaton *a, uint32_t k) {
    const uint8_t *before = a->layers + (size_t)(k - 1) * a->n_states;
    uint8_t *layer = a->layers + (size_t)k * a->n_states;
    uint64_t effort = 0;
    bool changed = true;
    memset(layer, 0, a->n_states);
    while (changed) {
        changed = false;
        effort += (uint64_t)a->n_states * a->n_classes / CHEAP;
        for (uint32_t s = BNT_AUTOMATON_BEGIN; s < a->n_states; s++) {
            const uint8_t *from = a->flags[s] & BNT_PLACE_BETWEEN ? before : layer;
            for (uint32_t c = 0; c < a->n_classes && !layer[s]; c++)
                changed |= layer[s] = from[a->next[(size_t)s * a->n_classes + c]];
        }
    }
    return effort;
}

int bnt_automaton_bound(struct bnt_automaton *a, struct bnt_lengths lengths, bool *none,
                        uint64_t *effort, struct bnt_err *err) {
    size_t n = a->n_states, most = LAYER_CELLS / n + 2;
    a->lengths = lengths;
    *none = lengths.min > lengths.max;
    if (*none) return BNT_OK;
    if (most > (size_t)lengths.min + 1) most = (size_t)lengths.min + 1;
    a->layers = malloc(most * n);
    if (!a->layers) return bnt_fail_nomem(err, "lengths of strings", most * n);
    a->layers[BNT_AUTOMATON_DEAD] = 0;
    for (uint32_t s = BNT_AUTOMATON_BEGIN; s < n; s++) a->layers[s] = in_time(a, s, lengths.min);
    for (a->n_layers = 1; a->n_layers <= lengths.min; a->n_layers++) {
        uint64_t took = a->n_layers == most ? UINT64_MAX : fill_layer(a, a->n_layers);
        if (took > *effort)
            return bnt_fail(err, BNT_E_LIMIT,
                            "minLength counts too far beside such a pattern or format");
        *effort -= took;
        const uint8_t *layer = a->layers + a->n_layers * n;
        if (memcmp(layer, layer - n, n) == 0) break;
    }
    *none = !lives(a, BNT_AUTOMATON_BEGIN, 0);
    return BNT_OK;
}

void bnt_automaton_close(struct bnt_automaton *a) {
    if (!a) return;
    free(a->next);
    free(a->flags);
    free(a->left);
    free(a->layers);
    free(a);
}
