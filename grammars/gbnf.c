/*
 * gbnf.c - see gbnf.h. One pass, by recursive descent; a rule may be used before it is defined.
 */
#include "gbnf.h"

#include <stdlib.h>
#include <string.h>

#include "unicode.h"

enum { NESTING = 100 };

struct name {
    const char *text; /* in the grammar's */
    size_t len;
    uint32_t rule;
    unsigned used_line; /* first seen there */
    bool defined;
};

struct reader {
    struct bnt_grammar *g;
    const char *at, *end;
    unsigned line, depth;
    struct name *names;
    size_t n_names, name_capacity;
    struct bnt_err *err;
    int status;
};

/* Always BNT_EXPR_NEVER. */
static bnt_expr fail(struct reader *r, const char *what) {
    if (r->status == BNT_OK)
        r->status = bnt_fail(r->err, BNT_E_FORMAT, "grammar, line %u: %s", r->line, what);
    return BNT_EXPR_NEVER;
}

static bool is_next(const struct reader *r, char c) {
    return r->at < r->end && *r->at == c;
}

static bool skip(struct reader *r, char c) {
    if (!is_next(r, c)) return false;
    r->at++;
    return true;
}

static void skip_space(struct reader *r, bool newlines) {
    for (; r->at < r->end; r->at++) {
        if (*r->at == '#')
            while (r->at < r->end && *r->at != '\n' && *r->at != '\r') r->at++;
        if (r->at == r->end) return;
        if (*r->at == '\n' || *r->at == '\r') {
            if (!newlines) return;
            r->line += *r->at == '\n';
        } else if (*r->at != ' ' && *r->at != '\t') {
            return;
        }
    }
}

/* ---- names ------------------------------------------------------------------------------------
 */

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static size_t word_length(const struct reader *r) {
    const char *p = r->at;
    while (p < r->end && is_word(*p)) p++;
    return (size_t)(p - r->at);
}

/* The name that stands here; SIZE_MAX after a failure. */
static size_t read_name(struct reader *r) {
    size_t len = word_length(r);
    if (len == 0) {
        fail(r, "a rule's name was expected");
        return SIZE_MAX;
    }
    for (size_t i = 0; i < r->n_names; i++) {
        if (r->names[i].len != len || memcmp(r->names[i].text, r->at, len) != 0) continue;
        r->at += len;
        return i;
    }
    if (r->n_names == BNT_GRAMMAR_RULES / 8) {
        fail(r, "too many rules");
        return SIZE_MAX;
    }
    if (r->n_names == r->name_capacity) {
        size_t n = 2 * r->name_capacity + 16;
        struct name *names = reallocarray(r->names, n, sizeof *names);
        if (!names) {
            r->status = bnt_fail_nomem(r->err, "a grammar", n);
            return SIZE_MAX;
        }
        r->names = names;
        r->name_capacity = n;
    }
    r->names[r->n_names] = (struct name){r->at, len, bnt_rule_new(r->g), r->line, false};
    r->at += len;
    return r->n_names++;
}

/* ---- characters -------------------------------------------------------------------------------
 */

static bool read_hex(struct reader *r, unsigned digits, uint32_t *cp) {
    *cp = 0;
    for (unsigned i = 0; i < digits; i++, r->at++) {
        char c = r->at < r->end ? *r->at : ' ';
        unsigned v = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                            : 16;
        if (v == 16) {
            fail(r, "a hexadecimal digit was expected");
            return false;
        }
        *cp = *cp << 4 | v;
    }
    if (*cp > 0x10FFFF || (*cp >= 0xD800 && *cp <= 0xDFFF)) {
        fail(r, "an escape that is no character");
        return false;
    }
    return true;
}

static bool read_escape(struct reader *r, uint32_t *cp) {
    static const char named[] = "n\nr\rt\t\\\\\"\"[[]]--";
    char c = r->at < r->end ? *r->at++ : ' ';
    if (c == 'x') return read_hex(r, 2, cp);
    if (c == 'u') return read_hex(r, 4, cp);
    if (c == 'U') return read_hex(r, 8, cp);
    for (const char *p = named; *p; p += 2) {
        if (*p != c) continue;
        *cp = (unsigned char)p[1];
        return true;
    }
    fail(r, "an unknown escape");
    return false;
}

/* One character, perhaps escaped, before the end or a newline. */
static bool read_char(struct reader *r, uint32_t *cp) {
    int32_t code;
    if (r->at == r->end || *r->at == '\n') {
        fail(r, "the line ends within a text or class");
        return false;
    }
    if (skip(r, '\\')) return read_escape(r, cp);
    r->at += bnt_utf8_next((const uint8_t *)r->at, (size_t)(r->end - r->at), &code);
    if (code < 0) {
        fail(r, "it is not UTF-8");
        return false;
    }
    *cp = (uint32_t)code;
    return true;
}

static bnt_expr one_char(struct reader *r, uint32_t cp) {
    return bnt_utf8_of(r->g, &(struct bnt_code_range){cp, cp}, 1);
}

/* Parts of one sequence or choice, or ranges of a class, as they come. */
struct parts {
    bnt_expr *list;
    size_t count, capacity;
};

static void add(struct reader *r, struct parts *p, bnt_expr e) {
    if (p->count == p->capacity) {
        size_t n = 2 * p->capacity + 8;
        bnt_expr *list = reallocarray(p->list, n, sizeof *list);
        if (!list) {
            r->status = bnt_fail_nomem(r->err, "a grammar", n);
            return;
        }
        p->list = list;
        p->capacity = n;
    }
    p->list[p->count++] = e;
}

static bnt_expr read_text(struct reader *r) {
    struct parts p = {0};
    uint32_t cp;
    while (r->status == BNT_OK && !skip(r, '"'))
        if (read_char(r, &cp)) add(r, &p, one_char(r, cp));
    bnt_expr e = bnt_seq(r->g, p.list, p.count);
    free(p.list);
    return e;
}

static bnt_expr class_of(struct reader *r, struct bnt_code_range *ranges, size_t n, bool denied) {
    n = bnt_ranges_normal(ranges, n);
    if (!denied) return bnt_utf8_of(r->g, ranges, n);
    struct bnt_code_range *others = malloc((n + 1) * sizeof *others);
    if (!others) {
        r->status = bnt_fail_nomem(r->err, "a grammar", n);
        return BNT_EXPR_NEVER;
    }
    bnt_expr e = bnt_utf8_of(r->g, others, bnt_ranges_invert(ranges, n, others));
    free(others);
    return e;
}

static bnt_expr read_class(struct reader *r) {
    bool denied = skip(r, '^');
    struct parts p = {0}; /* two numbers a range */
    if (is_next(r, ']')) fail(r, "a class of no characters");
    while (r->status == BNT_OK && !skip(r, ']')) {
        uint32_t lo, hi;
        if (!read_char(r, &lo)) break;
        hi = lo;
        if (is_next(r, '-') && r->at + 1 < r->end && r->at[1] != ']') {
            r->at++;
            if (!read_char(r, &hi)) break;
            if (hi < lo) fail(r, "a range that runs backwards");
        }
        add(r, &p, lo);
        add(r, &p, hi);
    }
    bnt_expr e = BNT_EXPR_NEVER;
    struct bnt_code_range *ranges = malloc((p.count / 2 + 1) * sizeof *ranges);
    for (size_t i = 0; ranges && i < p.count / 2; i++)
        ranges[i] = (struct bnt_code_range){p.list[2 * i], p.list[2 * i + 1]};
    if (!ranges)
        r->status = bnt_fail_nomem(r->err, "a grammar", p.count);
    else if (r->status == BNT_OK)
        e = class_of(r, ranges, p.count / 2, denied);
    free(ranges);
    free(p.list);
    return e;
}

/* ---- expressions ------------------------------------------------------------------------------
 */

static uint32_t read_number(struct reader *r) {
    uint32_t n = 0;
    if (r->at == r->end || *r->at < '0' || *r->at > '9') fail(r, "a number was expected");
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++) {
        n = 10 * n + (uint32_t)(*r->at - '0');
        if (n > BNT_COUNT_MAX) {
            fail(r, "it counts too far");
            return 0;
        }
    }
    return n;
}

/* What stands behind an expression: how often it comes. */
static bnt_expr repeated(struct reader *r, bnt_expr e, bool nested) {
    if (skip(r, '*')) return bnt_repeat(r->g, e, 0, BNT_NO_LIMIT);
    if (skip(r, '+')) return bnt_repeat(r->g, e, 1, BNT_NO_LIMIT);
    if (skip(r, '?')) return bnt_maybe(r->g, e);
    if (!skip(r, '{')) return e;
    skip_space(r, nested);
    uint32_t min = read_number(r), max = min;
    skip_space(r, nested);
    if (skip(r, ',')) {
        skip_space(r, nested);
        max = is_next(r, '}') ? BNT_NO_LIMIT : read_number(r);
        skip_space(r, nested);
    }
    if (!skip(r, '}')) return fail(r, "} was expected");
    if (max < min) return fail(r, "a repetition whose end is before its beginning");
    return bnt_repeat(r->g, e, min, max);
}

static bnt_expr read_choices(struct reader *r, bool nested);

static bnt_expr read_atom(struct reader *r, bool *any) {
    *any = true;
    if (skip(r, '"')) return read_text(r);
    if (skip(r, '[')) return read_class(r);
    if (skip(r, '.')) return bnt_utf8_of(r->g, &(struct bnt_code_range){0, 0x10FFFF}, 1);
    if (is_next(r, '<') || is_next(r, '!'))
        return fail(r, "tokens (<...>, !<...>) are not supported");
    if (skip(r, '(')) {
        if (r->depth == NESTING) return fail(r, "too many parentheses");
        r->depth++;
        skip_space(r, true);
        bnt_expr e = read_choices(r, true);
        r->depth--;
        return skip(r, ')') ? e : fail(r, ") was expected");
    }
    if (r->at < r->end && is_word(*r->at)) {
        size_t name = read_name(r);
        return name == SIZE_MAX ? BNT_EXPR_NEVER : bnt_rule_of(r->g, r->names[name].rule);
    }
    *any = false;
    return BNT_EXPR_EMPTY;
}

static bnt_expr read_sequence(struct reader *r, bool nested) {
    struct parts p = {0};
    bool any = true;
    while (r->status == BNT_OK) {
        bnt_expr e = read_atom(r, &any);
        if (!any) break;
        skip_space(r, nested);
        while (r->at < r->end && *r->at && strchr("*+?{", *r->at) && r->status == BNT_OK) {
            e = repeated(r, e, nested);
            skip_space(r, nested);
        }
        add(r, &p, e);
    }
    bnt_expr e = bnt_seq(r->g, p.list, p.count);
    free(p.list);
    return e;
}

static bnt_expr read_choices(struct reader *r, bool nested) {
    struct parts p = {0};
    do {
        if (p.count) skip_space(r, true);
        add(r, &p, read_sequence(r, nested));
    } while (r->status == BNT_OK && skip(r, '|'));
    bnt_expr e = bnt_alt(r->g, p.list, p.count);
    free(p.list);
    return e;
}

static void read_rule(struct reader *r) {
    size_t name = read_name(r);
    if (name == SIZE_MAX) return;
    if (r->names[name].defined) {
        fail(r, "this rule is there already");
        return;
    }
    skip_space(r, false);
    if (r->end - r->at < 3 || memcmp(r->at, "::=", 3) != 0) {
        fail(r, "::= was expected");
        return;
    }
    r->at += 3;
    skip_space(r, true);
    bnt_rule_define(r->g, r->names[name].rule, read_choices(r, false));
    r->names[name].defined = true;
    if (r->status == BNT_OK && r->at < r->end && *r->at != '\n' && *r->at != '\r')
        fail(r, "this does not belong here");
    skip_space(r, true);
}

static int read_all(struct reader *r) {
    const struct name *root = NULL;
    skip_space(r, true);
    while (r->status == BNT_OK && r->at < r->end) read_rule(r);
    for (size_t i = 0; i < r->n_names && r->status == BNT_OK; i++) {
        const struct name *n = &r->names[i];
        char shown[64];
        if (n->len == 4 && memcmp(n->text, "root", 4) == 0) root = n;
        if (!n->defined)
            r->status = bnt_fail(r->err, BNT_E_FORMAT, "grammar, line %u: there is no rule '%s'",
                                 n->used_line, bnt_printable(shown, sizeof shown, n->text, n->len));
    }
    if (r->status == BNT_OK && !root)
        r->status = bnt_fail(r->err, BNT_E_FORMAT, "grammar: it has no rule 'root'");
    if (r->status != BNT_OK) return r->status;
    struct bnt_err why = {0};
    r->status = bnt_grammar_finish(r->g, bnt_rule_of(r->g, root->rule), &why);
    return r->status == BNT_OK ? BNT_OK : bnt_fail(r->err, r->status, "grammar: %.500s", why.text);
}

int bnt_gbnf_compile(struct bnt_grammar **out, const char *text, size_t len, struct bnt_err *err) {
    struct reader r = {.at = text, .end = text + len, .line = 1, .err = err};
    *out = NULL;
    int status = bnt_grammar_open(&r.g, err);
    if (status != BNT_OK) return status;
    status = read_all(&r);
    free(r.names);
    if (status != BNT_OK) {
        bnt_grammar_close(r.g);
        return status;
    }
    *out = r.g;
    return BNT_OK;
}
