/*
 * number.c - numbers between two bounds, as expressions over their digits.
 *
 * A number below a bound agrees with it for some digits and then has a smaller one; behind that,
 * anything. The same from above; and with both bounds, as long as these agree.
 */
#include <stdlib.h>
#include <string.h>

#include "json.h"

enum {
    DIGITS_MAX = 308, /* before the point, where there is no bound: what binary64 still holds */
    PART_MAX = 300,   /* behind it, where what is too small would be read as zero */
    BRIEF_WHOLE = 18, /* 64 bits hold them */
    BRIEF_PART = 17,
};

/* A bound's parts, all of them digits; the fraction without zeros at its end. */
struct decimal {
    char whole[BNT_NUMBER_TEXT], part[BNT_NUMBER_TEXT];
    bool negative, excluded, is;
};

static struct decimal read_bound(struct bnt_bound b) {
    struct decimal d = {.excluded = b.excluded, .is = b.text != NULL};
    const char *p = b.text;
    size_t n = 0;
    if (!p) return d;
    if (*p == '-') {
        d.negative = true;
        p++;
    }
    while (*p && *p != '.' && n < sizeof d.whole - 1) d.whole[n++] = *p++;
    n = 0;
    if (*p == '.')
        for (p++; *p && n < sizeof d.part - 1; p++) d.part[n++] = *p;
    while (n && d.part[n - 1] == '0') d.part[--n] = '\0';
    if (strcmp(d.whole, "0") == 0 && !*d.part) d.negative = false;
    return d;
}

static bnt_expr digit(struct bnt_grammar *g, int lo, int hi) {
    return lo > hi ? BNT_EXPR_NEVER : bnt_byte_range(g, (uint8_t)lo, (uint8_t)hi);
}

static bnt_expr digits(struct bnt_grammar *g, uint32_t min, uint32_t max) {
    return bnt_repeat(g, digit(g, '0', '9'), min, max);
}

/* ---- before the point --------------------------------------------------------------------------
 */

/* n digits from place p on, more than low and less than high (NULL: nothing to heed). */
static bnt_expr whole_between(struct bnt_grammar *g, const char *low, const char *high, size_t p,
                              size_t n) {
    bnt_expr list[3];
    size_t count = 0;
    if (!low && !high) return digits(g, (uint32_t)(n - p), (uint32_t)(n - p));
    if (p == n) return BNT_EXPR_NEVER;
    if (low && high && low[p] == high[p])
        return bnt_seq2(g, digit(g, low[p], low[p]), whole_between(g, low, high, p + 1, n));
    if (low)
        list[count++] =
            bnt_seq2(g, digit(g, low[p], low[p]), whole_between(g, low, NULL, p + 1, n));
    if (high)
        list[count++] =
            bnt_seq2(g, digit(g, high[p], high[p]), whole_between(g, NULL, high, p + 1, n));
    int least = p == 0 && n > 1 ? '1' : '0';
    list[count++] = bnt_seq2(g, digit(g, low ? low[p] + 1 : least, high ? high[p] - 1 : '9'),
                             whole_between(g, NULL, NULL, p + 1, n));
    return bnt_alt(g, list, count);
}

/* Whole numbers above low and below high (NULL: of at most so many digits, or as many as low). */
static bnt_expr wholes(struct bnt_grammar *g, const char *low, const char *high, size_t most) {
    size_t from = strlen(low), to = high ? strlen(high) : (from > most ? from : most) + 1;
    bnt_expr list[3];
    size_t count = 0;
    if (high && from == to) return whole_between(g, low, high, 0, from);
    if (from > to) return BNT_EXPR_NEVER;
    list[count++] = whole_between(g, low, NULL, 0, from);
    if (to - from > 1)
        list[count++] =
            bnt_seq2(g, digit(g, '1', '9'), digits(g, (uint32_t)from, (uint32_t)to - 2));
    if (high) list[count++] = whole_between(g, NULL, high, 0, to);
    return bnt_alt(g, list, count);
}

/* ---- behind the point --------------------------------------------------------------------------
 */

/* At most `left` digits of a fraction between what is left of two bounds' (NULL: nothing to heed).
 * may_end: there are some already. */
static bnt_expr part_between(struct bnt_grammar *g, const char *low, bool low_out, const char *high,
                             bool high_out, bool may_end, uint32_t left) {
    if (low && !*low && !low_out) low = NULL;
    if (left == 0)
        return may_end && !low && !(high && !*high && high_out) ? BNT_EXPR_EMPTY : BNT_EXPR_NEVER;
    uint32_t then = left == BNT_NO_LIMIT ? left : left - 1;
    if (!low && !high) return digits(g, may_end ? 0 : 1, left);
    bnt_expr zero = digit(g, '0', '0');
    if (high && !*high) /* nothing but zeros */
        return low || high_out ? BNT_EXPR_NEVER : bnt_repeat(g, zero, may_end ? 0 : 1, left);
    if (low && !*low && !high && left == BNT_NO_LIMIT) /* something but zeros */
        return bnt_seq3(g, bnt_repeat(g, zero, 0, left), digit(g, '1', '9'), digits(g, 0, left));
    bnt_expr list[4];
    size_t count = 0;
    int least = low ? (*low ? *low : '0') : '0' - 1, most = high ? *high : '9' + 1;
    const char *low_next = low && *low ? low + 1 : low;
    if (may_end && !low) list[count++] = BNT_EXPR_EMPTY;
    if (least > most) return BNT_EXPR_NEVER;
    if (low && high && least == most)
        return bnt_seq2(g, digit(g, least, least),
                        part_between(g, low_next, low_out, high + 1, high_out, true, then));
    if (low)
        list[count++] = bnt_seq2(g, digit(g, least, least),
                                 part_between(g, low_next, low_out, NULL, false, true, then));
    if (high)
        list[count++] = bnt_seq2(g, digit(g, most, most),
                                 part_between(g, NULL, false, high + 1, high_out, true, then));
    list[count++] = bnt_seq2(g, digit(g, least + 1, most - 1), digits(g, 0, then));
    return bnt_alt(g, list, count);
}

/* What stands behind a whole number that agrees with the bounds that are given. */
static bnt_expr tail(struct bnt_grammar *g, const struct decimal *low, const struct decimal *high,
                     uint32_t left) {
    bool none =
        (!low || (!*low->part && !low->excluded)) && (!high || *high->part || !high->excluded);
    bnt_expr empty = none ? BNT_EXPR_EMPTY : BNT_EXPR_NEVER;
    if (left == 0) return empty;
    bnt_expr part = part_between(g, low ? low->part : NULL, low && low->excluded,
                                 high ? high->part : NULL, high && high->excluded, false, left);
    return bnt_alt2(g, empty, bnt_seq2(g, bnt_text(g, "."), part));
}

/* Without sign; low always is, high perhaps; at most `most` digits before the point and `left`
 * behind it. */
static bnt_expr between(struct bnt_grammar *g, const struct decimal *low,
                        const struct decimal *high, size_t most, uint32_t left) {
    bnt_expr list[3];
    size_t count = 0;
    bool same = high->is && strcmp(low->whole, high->whole) == 0;
    if (high->is && !same &&
        (strlen(high->whole) < strlen(low->whole) ||
         (strlen(high->whole) == strlen(low->whole) && strcmp(high->whole, low->whole) < 0)))
        return BNT_EXPR_NEVER;
    if (same) return bnt_seq2(g, bnt_text(g, low->whole), tail(g, low, high, left));
    list[count++] = bnt_seq2(g, bnt_text(g, low->whole), tail(g, low, NULL, left));
    if (high->is) list[count++] = bnt_seq2(g, bnt_text(g, high->whole), tail(g, NULL, high, left));
    list[count++] = bnt_seq2(g, wholes(g, low->whole, high->is ? high->whole : NULL, most),
                             tail(g, NULL, NULL, left));
    return bnt_alt(g, list, count);
}

static bnt_expr unbounded(struct bnt_grammar *g, uint32_t most, uint32_t left, bool integer) {
    bnt_expr minus = bnt_maybe(g, bnt_text(g, "-"));
    bnt_expr whole =
        bnt_alt2(g, bnt_text(g, "0"), bnt_seq2(g, digit(g, '1', '9'), digits(g, 0, most - 1)));
    if (integer) return bnt_seq2(g, minus, whole);
    bnt_expr part = bnt_maybe(g, bnt_seq2(g, bnt_text(g, "."), digits(g, 1, left)));
    bnt_expr sign = bnt_maybe(g, bnt_alt2(g, bnt_text(g, "+"), bnt_text(g, "-")));
    bnt_expr power = bnt_alt(g,
                             (const bnt_expr[]){digits(g, 1, 2),
                                                bnt_seq2(g, digit(g, '1', '2'), digits(g, 2, 2)),
                                                bnt_seq2(g, bnt_text(g, "30"), digit(g, '0', '7'))},
                             3);
    bnt_expr exponent = bnt_seq3(g, bnt_alt2(g, bnt_text(g, "e"), bnt_text(g, "E")), sign, power);
    bnt_expr with = bnt_seq3(g, digit(g, '1', '9'), part, exponent);
    return bnt_seq2(g, minus, bnt_alt2(g, bnt_seq2(g, whole, part), with));
}

/* How many digits may stand behind the point. */
static uint32_t digits_of_part(bool brief, const struct decimal *low, const struct decimal *high) {
    const struct decimal *bounds[] = {low, high};
    uint32_t most = brief ? BRIEF_PART : BNT_NO_LIMIT;
    for (size_t i = 0; i < 2; i++) {
        if (!bounds[i]->is) continue;
        uint32_t own = (uint32_t)strlen(bounds[i]->part);
        if (brief && own > most) most = own;
        if (!brief && bounds[i]->excluded) most = PART_MAX; /* else it could be read as the bound */
    }
    return most;
}

bnt_expr bnt_json_number(struct bnt_grammar *g, bool brief, struct bnt_bound low,
                         struct bnt_bound high, bool integer) {
    struct decimal lo = read_bound(low), hi = read_bound(high);
    struct decimal zero = {.whole = "0", .is = true}, above_zero = zero;
    bnt_expr list[2];
    size_t count = 0;
    above_zero.excluded = true;
    const uint32_t most = brief ? BRIEF_WHOLE : DIGITS_MAX;
    if (!lo.is && !hi.is) return unbounded(g, most, brief ? BRIEF_PART : BNT_NO_LIMIT, integer);
    uint32_t left = integer ? 0 : digits_of_part(brief, &lo, &hi);
    if (!(hi.is && hi.negative))
        list[count++] = between(g, lo.is && !lo.negative ? &lo : &zero, &hi, most, left);
    if (!lo.is || lo.negative)
        list[count++] =
            bnt_seq2(g, bnt_text(g, "-"),
                     between(g, hi.is && hi.negative ? &hi : &above_zero, &lo, most, left));
    return bnt_alt(g, list, count);
}
