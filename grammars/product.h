/*
 * product.h - several conditions of one text, worked out into one automaton.
 *
 * Exact: the states are the tuples of the states that the conditions are in, as far as some text
 * leads to them and ends from them. What would grow too large is refused; how long it may take is
 * counted in steps, not in seconds, so that it is the same everywhere.
 */
#ifndef BNT_GRAMMARS_PRODUCT_H
#define BNT_GRAMMARS_PRODUCT_H

#include "automaton.h"
#include "grammar.h"

struct bnt_condition {
    bnt_expr e;
    bool denied; /* the text is none of e */
};

enum { BNT_CONDITIONS = 16 };

/* What `of` is and each condition says, in these lengths; the conditions are expressions of `of`,
 * which is finished. Where `of` may end a character ends. *effort is what may be spent, and what is
 * left. *out is NULL where no text is left. */
int bnt_product(struct bnt_automaton **out, const struct bnt_grammar *of,
                const struct bnt_condition *list, size_t n, struct bnt_lengths lengths,
                uint64_t *effort, struct bnt_err *err);

#endif
