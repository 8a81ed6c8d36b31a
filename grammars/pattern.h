/*
 * pattern.h - regular expressions of JSON schemas (ECMA-262), as expressions over a string's bytes.
 *
 * What a pattern means is a set of texts: how a matcher would look for them, greedily or not, and
 * what it would remember, says nothing here. Looking ahead from the beginning of the text is one
 * more thing that is true of all of it, or not. What has no such meaning (other look-around,
 * backreferences, word boundaries) is refused.
 */
#ifndef BNT_GRAMMARS_PATTERN_H
#define BNT_GRAMMARS_PATTERN_H

#include "product.h"

enum { BNT_AHEAD = 8 };

/* What a JSON string's content, without its quotes, must be: somewhere in it is a match. */
struct bnt_pattern {
    bnt_expr e;
    struct bnt_condition ahead[BNT_AHEAD]; /* what else is true of it */
    size_t n_ahead;
};

/* On failure err names what is not supported and where; nothing is noted in g. */
int bnt_pattern_compile(struct bnt_grammar *g, const char *pattern, size_t len,
                        struct bnt_pattern *out, struct bnt_err *err);

#endif
