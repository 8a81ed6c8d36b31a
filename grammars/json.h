/*
 * json.h - JSON's parts as expressions of a grammar.
 *
 * Knows JSON's text, not schemas. One rule holds everywhere: a value has one spelling of its
 * strings. A character stands for itself unless it must be escaped, and then it has the escape that
 * serialisers write (\" \\ \b \f \n \r \t, or \u00xx in lower case): so that what is said of a
 * string's characters can be said of its bytes, and no key comes twice in different clothes.
 */
#ifndef BNT_GRAMMARS_JSON_H
#define BNT_GRAMMARS_JSON_H

#include <jansson.h>

#include "grammar.h"

/* White space between the parts. */
struct bnt_json_style {
    bnt_expr open, close; /* behind { and [, and before ] and } */
    bnt_expr comma, colon;
    bool brief; /* numbers are short: see bnt_json_number */
};
/* One line as `{"a": 1, "b": [2, 3]}`, and brief; or, `free`, also none, or newlines with any
 * indentation, and numbers of any length. */
struct bnt_json_style bnt_json_style(struct bnt_grammar *g, bool free);

/* One character of a string, of the ranges (normal). */
bnt_expr bnt_json_chars(struct bnt_grammar *g, const struct bnt_code_range *ranges, size_t n);
bnt_expr bnt_json_any_char(struct bnt_grammar *g);
/* A string of min to max characters. */
bnt_expr bnt_json_string(struct bnt_grammar *g, uint32_t min, uint32_t max);
bnt_expr bnt_json_quoted(struct bnt_grammar *g, const char *text, size_t len); /* this string */
bnt_expr bnt_json_unquoted(struct bnt_grammar *g, const char *text, size_t len);
enum { BNT_NAMES_MAX = 4096 }; /* of one object */
/* Any string but these (UTF-8). */
bnt_expr bnt_json_other_string(struct bnt_grammar *g, const char *const *texts, size_t n);

/* number.c: a bound as a decimal number, "-12.5"; NULL: none. */
struct bnt_bound {
    const char *text;
    bool excluded;
};
/* A number between, written out without exponent; without bounds also with one. Integers have no
 * fraction. `brief`: it has at most 18 digits before the point and 17 behind it (a binary64 needs
 * no more to be told), or what a bound has, so that a model comes to an end. */
bnt_expr bnt_json_number(struct bnt_grammar *g, bool brief, struct bnt_bound low,
                         struct bnt_bound high, bool integer);

/* Any value, whose objects and arrays are in this style. */
bnt_expr bnt_json_any(struct bnt_grammar *g, const struct bnt_json_style *style);
/* Any object. */
bnt_expr bnt_json_any_object(struct bnt_grammar *g, const struct bnt_json_style *style,
                             bnt_expr value);
/* Exactly this value; numbers as serialisers write them, members of objects in the order given or,
 * if `any_order`, in any. */
bnt_expr bnt_json_value(struct bnt_grammar *g, const struct bnt_json_style *style, bool any_order,
                        const json_t *value);
/* number_text.c: a number as serialisers write it, the shortest text that reads as the same;
 * `plain`: in any case without exponent, and from 2^53 on exactly what the binary64 is. */
enum { BNT_NUMBER_TEXT = 400 };
void bnt_json_number_text(const json_t *number, char out[BNT_NUMBER_TEXT], bool plain);
/* The same digits as Python's repr() lays them out: with a point in any case, 1e-05, 1e+16. */
void bnt_json_real_repr(const json_t *real, char out[BNT_NUMBER_TEXT]);

#endif
