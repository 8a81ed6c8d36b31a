/*
 * shape_number.c - the numbers of a shape: between its bounds, and with multipleOf those whole ones
 * that leave no remainder, which is counted digit by digit and worked out together with the bounds
 * (product.h).
 */
#include <float.h>
#include <math.h>

#include "product.h"
#include "shape.h"

enum {
    MULTIPLE_MAX = 1000,
    EXACT_DIGITS = 15, /* of a whole number that every reader takes as it stands */
};

/* A bound as text. Readers take the nearest binary64 for a number, and that must not be a bound
 * that is left out: the next one to it is in, and none between them. (Zero's next one has 324
 * digits; what rounds to zero has more than are written.) Where there is no bound, infinity is. */
static struct bnt_bound bound_of(const json_t *number, const json_t *other, bool excluded, bool low,
                                 char text[BNT_NUMBER_TEXT]) {
    const double v = json_number_value(number), most = low ? -DBL_MAX : DBL_MAX;
    json_t *next = NULL;
    if (!number && fabs(json_number_value(other)) > DBL_MAX / 100)
        next = json_real(most);
    else if (number && excluded && fabs(v) > 0 && fabs(v) < DBL_MAX)
        next = json_real(nextafter(v, -most));
    if (!number && !next) return (struct bnt_bound){NULL, false};
    bnt_json_number_text(next ? next : number, text, true);
    const bool is_next = next != NULL;
    json_decref(next);
    return (struct bnt_bound){text, excluded && !is_next};
}

static bnt_expr between(struct bnt_grammar *g, bool brief, const struct shape *shape,
                        bool integer) {
    char low[BNT_NUMBER_TEXT], high[BNT_NUMBER_TEXT];
    const struct bounds b = shape_bounds(shape);
    return bnt_json_number(g, brief, bound_of(b.low, b.high, b.low_excluded, true, low),
                           bound_of(b.high, b.low, b.high_excluded, false, high), integer);
}

/* Digits, any number of them, that are a multiple of m: a rule for each remainder of those read. */
static bnt_expr multiples(struct bnt_grammar *g, unsigned m) {
    uint32_t rules[MULTIPLE_MAX];
    for (unsigned r = 0; r < m; r++) rules[r] = bnt_rule_new(g);
    for (unsigned r = 0; r < m; r++) {
        bnt_expr ways[11];
        size_t n = 0;
        for (unsigned d = 0; d < 10; d++)
            ways[n++] = bnt_seq2(g, bnt_byte_range(g, (uint8_t)('0' + d), (uint8_t)('0' + d)),
                                 bnt_rule_of(g, rules[(10 * r + d) % m]));
        if (r == 0) ways[n++] = BNT_EXPR_EMPTY;
        bnt_rule_define(g, rules[r], bnt_alt(g, ways, n));
    }
    return bnt_seq2(g, bnt_maybe(g, bnt_text(g, "-")), bnt_rule_of(g, rules[0]));
}

static int work_out(struct schemas *s, const struct shape *shape, struct bnt_automaton **a,
                    struct bnt_err *why) {
    struct bnt_condition list[BNT_CONDITIONS];
    const struct bnt_lengths any = {0, UINT32_MAX};
    struct bnt_grammar *g;
    size_t n = 0;
    int status = bnt_grammar_open(&g, why);
    *a = NULL;
    if (status != BNT_OK) return status;
    list[n++].e = bnt_seq2(g, bnt_maybe(g, bnt_text(g, "-")),
                           bnt_repeat(g, bnt_byte_range(g, '0', '9'), 1, EXACT_DIGITS));
    for (size_t i = 0; i < shape->multiples.count && n < BNT_CONDITIONS; i++)
        list[n++].e = multiples(g, (unsigned)json_number_value(shape->multiples.list[i].json));
    for (size_t i = 0; i < n; i++) list[i].denied = false;
    status = bnt_grammar_finish(g, between(g, true, shape, true), why);
    if (status == BNT_OK) status = bnt_product(a, g, list, n, any, &s->effort, why);
    bnt_grammar_close(g);
    return status;
}

bool shape_multiple_is_known(double m) {
    return m >= 1 && m <= MULTIPLE_MAX && fabs(m - floor(m)) <= 0;
}

/* All numbers between its bounds have more digits than are written. */
static bool is_far(const struct shape *shape) {
    const struct bounds b = shape_bounds(shape);
    return json_number_value(b.low) >= 1e15 || json_number_value(b.high) <= -1e15;
}

bnt_expr shape_number(struct schemas *s, const struct shape *shape) {
    struct bnt_automaton *a;
    struct bnt_err why = {0};
    if (!shape->multiples.count)
        return between(s->g, s->style.brief, shape,
                       shape->form.low || !(shape->types & SHAPE_FRACTION));
    int status =
        shape->multiples.count < BNT_CONDITIONS
            ? work_out(s, shape, &a, &why)
            : bnt_fail(&why, BNT_E_LIMIT, "more than %d of one number", BNT_CONDITIONS - 1);
    if (status == BNT_OK && !a && is_far(shape))
        status = bnt_fail(&why, BNT_E_UNSUPPORTED, "is written of numbers with at most %d digits",
                          EXACT_DIGITS);
    if (status == BNT_E_FORMAT) return BNT_EXPR_NEVER; /* no number is between the bounds */
    if (status != BNT_OK) {
        schema_fail(s, status, shape->multiples.list[0].place, "multipleOf", "%.300s",
                    status == BNT_E_LIMIT ? "with these bounds and others, too many states or steps"
                                          : why.text);
        return BNT_EXPR_NEVER;
    }
    return bnt_automaton_of(s->g, a);
}
