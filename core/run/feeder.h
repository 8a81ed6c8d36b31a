/*
 * feeder.h - what is fed of an answer next, with guesses behind it, and the rows that come back.
 *
 * Stands between an answer (answer.h), which takes one row after the other, and who computes, a
 * session (generate.c) or a scheduler of many sequences: span, feed, take, until the answer is
 * over. Must not know what a row means, nor who guesses.
 */
#ifndef BNT_RUN_FEEDER_H
#define BNT_RUN_FEEDER_H

#include "bitnet/sequences.h"
#include "run/answer.h"
#include "run/draft.h"

enum { BNT_MOST_GUESSES = 31 }; /* with the row before them as many as a run has logits for */

/* Zero-initialise, then set the first three. */
struct bnt_feeder {
    struct bnt_answer *answer;     /* begun */
    struct bnt_sequence *sequence; /* holds the first tokens of the answer's history, not all */
    struct bnt_guesser guesser;    /* guess NULL: nobody guesses */
    /* of the span that is being fed */
    size_t count, guesses;
    struct bnt_row rows[1 + BNT_MOST_GUESSES];
    bool began; /* a row was taken */
};

/* What to feed next: at most `most` tokens, most >= 1. Without rows: the prompt is longer than
 * that. Borrowed until bnt_feeder_take; where a feed fails, another span may be asked for. */
struct bnt_span bnt_feeder_span(struct bnt_feeder *f, size_t most);
/* Takes the rows of that span, which was number `span` of the context's last feed. Afterwards the
 * sequence holds what an answer without guesses had fed. */
int bnt_feeder_take(struct bnt_feeder *f, size_t span);

#endif
