/*
 * draft.h - guesses of the tokens that come next.
 *
 * Guessed tokens are fed together with the token before them, and their rows are used for as long
 * as the model chooses what was guessed (core/run/feeder.c). So a guess decides when something is
 * computed, and never what: who guesses knows nothing of models and samplers.
 */
#ifndef BNT_RUN_DRAFT_H
#define BNT_RUN_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Called with a text of n tokens, which only grows from call to call: writes the tokens that may
 * follow it to out, at most `most` of them, and returns how many. */
struct bnt_guesser {
    size_t (*guess)(void *arg, const int32_t *ids, size_t n, int32_t *out, size_t most);
    void *arg;
};

/* Whether to guess one token more: while that makes the expected tokens a second more. */
struct bnt_bet {
    double chance, tokens, cost; /* that all guesses are right; expected; of a batch of one */
};
static inline struct bnt_bet bnt_bet_begin(void) {
    return (struct bnt_bet){1.0, 1.0, 1.0};
}
/* `chance`: of this guess, should those before it be right. */
bool bnt_bet_pays(struct bnt_bet *bet, double chance);

/* Guesses that the text repeats itself: looks for its last tokens further up, and proposes what
 * followed there. It watches how often that proves right, also where it proposed nothing, and
 * proposes no more than what is likely to pay. */
struct bnt_lookup;

int bnt_lookup_open(struct bnt_lookup **out, struct bnt_err *err);
void bnt_lookup_close(struct bnt_lookup *l);
size_t bnt_lookup_guess(void *lookup, const int32_t *ids, size_t n, int32_t *out, size_t most);

#endif
