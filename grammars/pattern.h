/*
 * pattern.h - regular expressions of JSON schemas (ECMA-262), as expressions over a string's bytes.
 *
 * What a pattern means is a set of texts: how a matcher would look for them, greedily or not, and
 * what it would remember, says nothing here. What has no such meaning (look-around, backreferences,
 * word boundaries) is refused.
 */
#ifndef BNT_GRAMMARS_PATTERN_H
#define BNT_GRAMMARS_PATTERN_H

#include "grammar.h"

/* What a JSON string's content, without its quotes, must be: somewhere in it is a match. On failure
 * err names what is not supported and where; nothing is noted in g. */
int bnt_pattern_compile(struct bnt_grammar *g, const char *pattern, size_t len, bnt_expr *out,
                        struct bnt_err *err);

#endif
