/*
 * choose.h - the token that comes next: what its choice needs of the head, and the choice.
 *
 * Penalties and biases change few logits. Those tokens are named, so that their logits are computed
 * whatever they are; of all others the largest are searched for. Together they hold the first k of
 * the adjusted order, and what is chosen is what bnt_sample gives on all logits. Knows clause 10 by
 * sample.h; must not know who feeds the model.
 */
#ifndef BNT_RUN_CHOOSE_H
#define BNT_RUN_CHOOSE_H

#include "run/sample.h"

/* Of one answer. */
struct bnt_chooser {
    const struct bnt_sampling *s;
    uint32_t n_vocab;
    uint32_t k;    /* largest logits that are searched for; 0: all are wanted */
    bool all;      /* every logit is wanted, for other reasons */
    uint64_t made; /* tokens of the answer so far */
    uint32_t n_named, capacity;
    int32_t *ids;    /* [n_named], rising */
    uint32_t *times; /* [n_named]: how often each was made; the highest bit: among the last */
    struct bnt_token_value *scratch;
};

/* What the head gave for a row that bnt_chooser_ask filled in: `logits`, or the others. */
struct bnt_choices {
    const float *logits;
    const struct bnt_top *top;
    uint32_t n_top;
    const float *named;
    const uint64_t *allowed; /* the row's; NULL: all tokens */
};

/* After ids[0 .. n), which the model sees. `all`: every logit is wanted, for other reasons.
 * Whatever this returns, bnt_chooser_end frees it. `s` outlives it. BNT_E_USAGE for a bias of a
 * token that there is not. */
int bnt_chooser_begin(struct bnt_chooser *c, const struct bnt_sampling *s, uint32_t n_vocab,
                      bool all, const int32_t *ids, size_t n, struct bnt_err *err);
void bnt_chooser_end(struct bnt_chooser *c);

/* Adds to a row's wishes what the choice of the next token, among row->allowed, needs of it; the
 * ids it borrows last until a token is named or made that was not among them. */
void bnt_chooser_ask(const struct bnt_chooser *c, struct bnt_row *row);
/* Chooses the token after history[0 .. n), whose end is what was made; the logit is the token's as
 * the model gives it. */
struct bnt_top bnt_chooser_take(struct bnt_chooser *c, const struct bnt_choices *from,
                                const int32_t *history, size_t n);
/* It is part of the answer. */
int bnt_chooser_made(struct bnt_chooser *c, int32_t id, struct bnt_err *err);
/* This token may come soon: rows that are asked now and taken after it was made have its logit. To
 * name more than is needed changes nothing. */
int bnt_chooser_name(struct bnt_chooser *c, int32_t id, struct bnt_err *err);

#endif
