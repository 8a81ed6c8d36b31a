/*
 * pattern.c - see pattern.h. One pass, by recursive descent, over code points.
 */
#include "pattern.h"

#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "unicode.h"

enum { NESTING = 50, REPEAT_MAX = 1 << 16 };

/* A set of characters that grows. */
struct set {
    struct bnt_code_range *ranges;
    size_t count, capacity;
};

struct reader {
    struct bnt_grammar *g;
    const char *text;
    size_t at, len;
    unsigned depth;
    struct bnt_condition ahead[BNT_AHEAD];
    size_t n_ahead;
    struct bnt_err *err;
    int status;
};

/* Where choices stand. */
enum choices_of { OF_GROUP, OF_AHEAD, OF_PATTERN };

/* Alternatives of the whole pattern may be tied to the ends of the text. */
struct piece {
    bnt_expr e;
    bool at_begin, at_end;
};

static void fail(struct reader *r, int status, const char *what) {
    char shown[80];
    if (r->status != BNT_OK) return;
    r->status = bnt_fail(r->err, status, "pattern '%s', byte %zu: %s",
                         bnt_printable(shown, sizeof shown, r->text, r->len), r->at, what);
}

static void unsupported(struct reader *r, const char *what) {
    fail(r, BNT_E_UNSUPPORTED, what);
}

static bool next_is(const struct reader *r, const char *what) {
    size_t n = strlen(what);
    return r->len - r->at >= n && memcmp(r->text + r->at, what, n) == 0;
}

static bool skip(struct reader *r, const char *what) {
    if (!next_is(r, what)) return false;
    r->at += strlen(what);
    return true;
}

/* ---- sets of characters -----------------------------------------------------------------------
 */

static void add(struct reader *r, struct set *s, uint32_t lo, uint32_t hi) {
    if (s->count == s->capacity) {
        size_t n = 2 * s->capacity + 8;
        void *grown = reallocarray(s->ranges, n, sizeof *s->ranges);
        if (!grown) {
            r->status = bnt_fail_nomem(r->err, "a pattern", n);
            return;
        }
        s->ranges = grown;
        s->capacity = n;
    }
    s->ranges[s->count++] = (struct bnt_code_range){lo, hi};
}

/* All characters that are not in it. */
static void deny(struct reader *r, struct set *s) {
    s->count = bnt_ranges_normal(s->ranges, s->count);
    struct bnt_code_range *others = malloc((s->count + 1) * sizeof *others);
    if (!others) {
        r->status = bnt_fail_nomem(r->err, "a pattern", s->count);
        return;
    }
    size_t n = bnt_ranges_invert(s->ranges, s->count, others);
    free(s->ranges);
    *s = (struct set){others, n, s->count + 1};
}

static bnt_expr one_of(struct reader *r, struct set *s) {
    s->count = bnt_ranges_normal(s->ranges, s->count);
    return bnt_json_chars(r->g, s->ranges, s->count);
}

/* What \d \w \s stand for; the capital denies it. */
static void add_letter(struct reader *r, struct set *s, char letter) {
    static const struct bnt_code_range digit[] = {{'0', '9'}},
                                       word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}},
                                       space[] = {{9, 13},          {32, 32},
                                                  {0xA0, 0xA0},     {0x1680, 0x1680},
                                                  {0x2000, 0x200A}, {0x2028, 0x2029},
                                                  {0x202F, 0x202F}, {0x205F, 0x205F},
                                                  {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    struct set mine = {0};
    char lower = (char)(letter | 0x20);
    const struct bnt_code_range *from = lower == 'd' ? digit : lower == 'w' ? word : space;
    size_t n = lower == 'd' ? 1 : lower == 'w' ? 4 : sizeof space / sizeof *space;
    for (size_t i = 0; i < n; i++) add(r, &mine, from[i].lo, from[i].hi);
    if (letter != lower) deny(r, &mine);
    for (size_t i = 0; i < mine.count; i++) add(r, s, mine.ranges[i].lo, mine.ranges[i].hi);
    free(mine.ranges);
}

static uint32_t hex(struct reader *r, unsigned digits) {
    uint32_t v = 0;
    for (unsigned i = 0; i < digits; i++, r->at++) {
        char c = r->at < r->len ? r->text[r->at] : ' ';
        if (!strchr("0123456789abcdefABCDEF", c) || !c) {
            fail(r, BNT_E_FORMAT, "a hexadecimal digit was expected");
            return 0;
        }
        v = v << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return v;
}

static uint32_t unicode_escape(struct reader *r) {
    if (skip(r, "{")) {
        size_t from = r->at;
        while (r->at < r->len && r->at - from < 6 && r->text[r->at] != '}') r->at++;
        unsigned n = (unsigned)(r->at - from);
        r->at = from;
        uint32_t cp = n ? hex(r, n) : 0x110000;
        if (!skip(r, "}") || cp > 0x10FFFF) fail(r, BNT_E_FORMAT, "\\u{...} is no character");
        return cp;
    }
    uint32_t cp = hex(r, 4);
    if (cp >= 0xD800 && cp < 0xDC00 && skip(r, "\\u")) {
        uint32_t low = hex(r, 4);
        if (low >= 0xDC00 && low < 0xE000) return 0x10000 + ((cp & 0x3FF) << 10 | (low & 0x3FF));
        fail(r, BNT_E_FORMAT, "half of a surrogate pair");
    }
    return cp;
}

static bool is_latin(const struct reader *r, size_t at) {
    const char c = at < r->len ? (char)(r->text[at] | 0x20) : '\0';
    return c >= 'a' && c <= 'z';
}

/* Behind a backslash: one character, or a whole set added to *s (then SET). */
#define SET UINT32_MAX
static uint32_t escape(struct reader *r, struct set *s, bool in_class) {
    static const char named[] = "t\tn\nr\rv\vf\f";
    char c = r->at < r->len ? r->text[r->at++] : '\0';
    if (c && strchr("dDwWsS", c)) {
        add_letter(r, s, c);
        return SET;
    }
    for (const char *p = named; *p; p += 2)
        if (*p == c) return (unsigned char)p[1];
    if (c == 'x') return hex(r, 2);
    if (c == 'u') return unicode_escape(r);
    if (c == 'c' && is_latin(r, r->at)) return (uint32_t)r->text[r->at++] & 31;
    if (c == 'b' && in_class) return 8;
    if (c == '0' && !(r->at < r->len && r->text[r->at] >= '0' && r->text[r->at] <= '9')) return 0;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || !c ||
        (unsigned char)c > 126) {
        r->at--;
        if (c == 'b' || c == 'B')
            unsupported(r, "word boundaries are not supported");
        else if (c >= '1' && c <= '9')
            unsupported(r, "backreferences are not supported");
        else if (c == 'p' || c == 'P')
            unsupported(r, "\\p is not supported");
        else
            unsupported(r, "an unknown escape");
        return 0;
    }
    return (unsigned char)c;
}

static uint32_t character(struct reader *r) {
    int32_t cp;
    r->at += bnt_utf8_next((const uint8_t *)r->text + r->at, r->len - r->at, &cp);
    if (cp < 0) fail(r, BNT_E_FORMAT, "it is not UTF-8");
    return (uint32_t)cp;
}

static uint32_t class_item(struct reader *r, struct set *s) {
    return skip(r, "\\") ? escape(r, s, true) : character(r);
}

static bnt_expr read_class(struct reader *r) {
    struct set s = {0};
    bool denied = skip(r, "^");
    while (r->status == BNT_OK && !skip(r, "]")) {
        if (r->at == r->len) {
            fail(r, BNT_E_FORMAT, "] was expected");
            break;
        }
        uint32_t lo = class_item(r, &s), hi = lo;
        if (next_is(r, "-") && !next_is(r, "-]")) {
            r->at++;
            hi = r->at < r->len ? class_item(r, &s) : 0;
            if (lo == SET ||
                hi == SET) { /* from a set on there is no range: the - is one of them */
                if (lo != SET) add(r, &s, lo, lo);
                if (hi != SET) add(r, &s, hi, hi);
                lo = hi = '-';
            }
            if (hi < lo) fail(r, BNT_E_FORMAT, "no range");
        }
        if (lo != SET) add(r, &s, lo, hi);
    }
    if (denied && r->status == BNT_OK) deny(r, &s);
    bnt_expr e = r->status == BNT_OK ? one_of(r, &s) : BNT_EXPR_NEVER;
    free(s.ranges);
    return e;
}

/* ---- expressions ------------------------------------------------------------------------------
 */

static struct piece choices(struct reader *r, enum choices_of of);

/* Inside of parentheses, and the one that closes them. */
static struct piece inside(struct reader *r, enum choices_of of) {
    if (r->depth == NESTING) unsupported(r, "too many parentheses");
    r->depth++;
    struct piece p = r->status == BNT_OK ? choices(r, of) : (struct piece){0};
    r->depth--;
    if (r->status == BNT_OK && !skip(r, ")")) fail(r, BNT_E_FORMAT, ") was expected");
    return p;
}

/* Behind the ^ that begins the pattern. */
static void look_ahead(struct reader *r) {
    bool denied = next_is(r, "(?!");
    if (r->n_ahead == BNT_AHEAD) fail(r, BNT_E_LIMIT, "too many times looked ahead");
    r->at += 3;
    bnt_expr e = inside(r, OF_AHEAD).e;
    if (r->status == BNT_OK) r->ahead[r->n_ahead++] = (struct bnt_condition){e, denied};
}

static void group_name(struct reader *r) {
    const size_t from = r->at;
    for (; r->at < r->len && r->text[r->at] != '>'; r->at++) {
        const char c = r->text[r->at];
        if (!is_latin(r, r->at) && c != '_' && c != '$' && !(r->at > from && c >= '0' && c <= '9'))
            unsupported(r, "a group's name has letters, digits, _ and $ only");
    }
    if (r->at == from || !skip(r, ">")) fail(r, BNT_E_FORMAT, "a group's name was expected");
}

static bnt_expr group(struct reader *r) {
    if (skip(r, "?")) {
        if (next_is(r, "=") || next_is(r, "!") || next_is(r, "<=") || next_is(r, "<!"))
            unsupported(r, "look-around is supported as (?=...) and (?!...) behind the ^ that "
                           "begins the whole pattern only");
        else if (skip(r, "<"))
            group_name(r);
        else if (!skip(r, ":"))
            unsupported(r, "this kind of group is not supported");
    }
    size_t from = r->at;
    struct piece p = inside(r, OF_GROUP);
    if (p.at_begin || p.at_end) {
        r->at = from;
        unsupported(r, "^ and $ are supported at the ends of the whole pattern only");
    }
    return p.e;
}

static bnt_expr atom(struct reader *r) {
    struct set s = {0};
    if (skip(r, "(")) return group(r);
    if (skip(r, "[")) return read_class(r);
    if (skip(r, ".")) {
        static const struct bnt_code_range lines[] = {{10, 10}, {13, 13}, {0x2028, 0x2029}};
        for (size_t i = 0; i < 3; i++) add(r, &s, lines[i].lo, lines[i].hi);
        deny(r, &s);
    } else if (r->at < r->len && r->text[r->at] && strchr("*+?{", r->text[r->at])) {
        fail(r, BNT_E_FORMAT, "nothing to repeat");
    } else {
        uint32_t cp = skip(r, "\\") ? escape(r, &s, false) : character(r);
        if (cp != SET) add(r, &s, cp, cp);
    }
    bnt_expr e = r->status == BNT_OK ? one_of(r, &s) : BNT_EXPR_NEVER;
    free(s.ranges);
    return e;
}

static uint32_t count(struct reader *r) {
    uint32_t n = 0;
    size_t from = r->at;
    for (; r->at < r->len && r->text[r->at] >= '0' && r->text[r->at] <= '9'; r->at++) {
        n = 10 * n + (uint32_t)(r->text[r->at] - '0');
        if (n > REPEAT_MAX) {
            fail(r, BNT_E_LIMIT, "it counts too far");
            return 0;
        }
    }
    if (r->at == from) fail(r, BNT_E_FORMAT, "a number was expected");
    return n;
}

static bnt_expr repeated(struct reader *r) {
    bnt_expr e = atom(r);
    uint32_t min = 1, max = 1;
    if (r->status != BNT_OK) return BNT_EXPR_NEVER;
    if (skip(r, "*")) {
        min = 0;
        max = BNT_NO_LIMIT;
    } else if (skip(r, "+")) {
        max = BNT_NO_LIMIT;
    } else if (skip(r, "?")) {
        min = 0;
    } else if (skip(r, "{")) {
        min = max = count(r);
        if (skip(r, ",")) max = next_is(r, "}") ? BNT_NO_LIMIT : count(r);
        if (r->status == BNT_OK && !skip(r, "}")) fail(r, BNT_E_FORMAT, "} was expected");
        if (max < min) fail(r, BNT_E_FORMAT, "a repetition whose end is before its beginning");
    } else {
        return e;
    }
    skip(r, "?"); /* lazy: the same texts */
    return r->status == BNT_OK ? bnt_repeat(r->g, e, min, max) : BNT_EXPR_NEVER;
}

static struct piece sequence(struct reader *r) {
    struct piece p = {.e = BNT_EXPR_EMPTY};
    bnt_expr *parts = NULL;
    size_t n = 0, capacity = 0;
    while (skip(r, "^")) p.at_begin = true;
    while (r->status == BNT_OK && r->depth == 0 && p.at_begin &&
           (next_is(r, "(?=") || next_is(r, "(?!")))
        look_ahead(r);
    while (r->status == BNT_OK && r->at < r->len && !next_is(r, "|") && !next_is(r, ")")) {
        if (skip(r, "$")) {
            p.at_end = true;
            continue;
        }
        if (p.at_end || next_is(r, "^")) {
            unsupported(r, "^ and $ are supported at the ends of the whole pattern only");
            break;
        }
        if (n == capacity) {
            capacity = 2 * capacity + 16;
            bnt_expr *grown = reallocarray(parts, capacity, sizeof *parts);
            if (!grown) {
                r->status = bnt_fail_nomem(r->err, "a pattern", capacity);
                break;
            }
            parts = grown;
        }
        parts[n++] = repeated(r);
    }
    p.e = bnt_seq(r->g, parts, n);
    free(parts);
    return p;
}

/* What is not tied to an end has anything there; once in parentheses it only says whether it is. */
static struct piece choices(struct reader *r, enum choices_of of) {
    bnt_expr any = bnt_repeat(r->g, bnt_json_any_char(r->g), 0, BNT_NO_LIMIT);
    struct piece all = {.e = BNT_EXPR_NEVER};
    unsigned n = 0;
    do {
        struct piece p = sequence(r);
        if (of == OF_PATTERN && n++ && r->n_ahead)
            unsupported(r, "look-around beside | is not supported");
        if (of != OF_GROUP)
            p.e = bnt_seq3(r->g, p.at_begin || of == OF_AHEAD ? BNT_EXPR_EMPTY : any, p.e,
                           p.at_end ? BNT_EXPR_EMPTY : any);
        all.e = bnt_alt2(r->g, all.e, p.e);
        all.at_begin |= p.at_begin;
        all.at_end |= p.at_end;
    } while (r->status == BNT_OK && skip(r, "|"));
    return all;
}

int bnt_pattern_compile(struct bnt_grammar *g, const char *pattern, size_t len,
                        struct bnt_pattern *out, struct bnt_err *err) {
    struct reader r = {.g = g, .text = pattern, .len = len, .err = err};
    struct piece p = choices(&r, OF_PATTERN);
    *out = (struct bnt_pattern){.e = BNT_EXPR_NEVER};
    if (r.status == BNT_OK && r.at < r.len) fail(&r, BNT_E_FORMAT, "a ) too many");
    if (r.status != BNT_OK) return r.status;
    out->e = p.e;
    out->n_ahead = r.n_ahead;
    memcpy(out->ahead, r.ahead, r.n_ahead * sizeof *r.ahead);
    return BNT_OK;
}
