/*
 * guide.h - the inside of constraints (bitnet/constraints.h): a grammar over a vocabulary.
 *
 * constraint: a grammar, its automaton and what was found out about its states: sets of tokens,
 * forced runs. guide: one text in the making, and a look at what may follow it.
 * Knows tokens as bytes; knows nothing of models. NUMERICS clause 12 says what the sets are.
 */
#ifndef BNT_GRAMMARS_GUIDE_H
#define BNT_GRAMMARS_GUIDE_H

#include "bitnet/constraints.h"
#include "grammar.h"
#include "pieces.h"

enum {
    BNT_FORCED_MAX = 4096,     /* bytes of a forced text that are looked at */
    BNT_CONSTRAINT_SETS = 512, /* sets of tokens that are kept */
};

/* What a constraint was made of. */
struct bnt_constraint_source {
    enum bnt_constraint_kind kind;
    char digest[65]; /* as bnt_constraint_digest has it */
};
const char *bnt_constraint_kind_name(enum bnt_constraint_kind kind); /* "json-schema", ... */
const struct bnt_constraint_source *bnt_constraint_source(const struct bnt_constraint *c);

/* Takes the grammar over, also on failure. The pieces must outlive it. Sets have n_vocab bits. */
int bnt_constraint_of(struct bnt_constraint **out, struct bnt_grammar *g,
                      const struct bnt_pieces *pieces, uint32_t n_vocab,
                      const struct bnt_constraint_source *source, struct bnt_err *err);

#endif
