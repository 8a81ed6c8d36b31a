/*
 * automaton.h - texts that several conditions hold for at once, as one deterministic automaton.
 *
 * Knows bytes and characters. What is kept of a place in the text is a number: a state and, where
 * lengths are bounded, how many characters have begun. Every place from which no text ends is known
 * beforehand, so that nothing leads there.
 */
#ifndef BNT_GRAMMARS_AUTOMATON_H
#define BNT_GRAMMARS_AUTOMATON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    BNT_AUTOMATON_STATES = 1 << 14,
    BNT_AUTOMATON_DEAD = 0,
    BNT_AUTOMATON_BEGIN = 1,
};

/* Of a state. */
enum {
    BNT_PLACE_ENDS = 1,    /* but for its length, a text may end here */
    BNT_PLACE_BETWEEN = 2, /* characters: the next byte begins one */
};

struct bnt_lengths {
    uint32_t min, max; /* in characters; max may be UINT32_MAX: any */
};

struct bnt_automaton {
    uint32_t n_states, n_classes;
    uint8_t class_of[256]; /* bytes that no state tells apart */
    uint16_t *next;        /* [state][class] */
    uint8_t *flags;        /* [state] */
    uint32_t *left;        /* [state]: the fewest characters that have to begin until ENDS */
    uint32_t most_left;    /* of all states */
    struct bnt_lengths lengths;
    uint8_t *layers; /* [layer][state]: with so many characters below the least length, some text of
                        an allowed length ends from here */
    uint32_t n_layers; /* in all further ones it is as in the last */
};

/* Bounds the lengths of an automaton of which all but those is known. *none: no text is left.
 * *effort is what may be spent (product.h). */
int bnt_automaton_bound(struct bnt_automaton *a, struct bnt_lengths lengths, bool *none,
                        uint64_t *effort, struct bnt_err *err);
void bnt_automaton_close(struct bnt_automaton *a);

/* Places: 0 is where it begins. */
bool bnt_automaton_step(const struct bnt_automaton *a, uint64_t *place, uint8_t byte);
bool bnt_automaton_ends(const struct bnt_automaton *a, uint64_t place);
bool bnt_automaton_goes_on(const struct bnt_automaton *a, uint64_t place);
/* A place that the next `bytes` cannot tell from this one. */
uint64_t bnt_automaton_alike(const struct bnt_automaton *a, uint64_t place, uint64_t bytes);

#endif
