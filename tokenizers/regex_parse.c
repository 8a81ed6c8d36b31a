/* regex_parse.c - expressions to programs; see regex.h. */
#include <stdlib.h>
#include <string.h>

#include "regex.h"

struct parser {
    struct bnt_program *p;
    const uint8_t *text;
    size_t at, len;
    bool fold; /* inside (?i: */
    unsigned depth;
    struct bnt_err *err;
};

static int syntax(struct parser *s, const char *what) {
    return bnt_fail(s->err, BNT_E_UNSUPPORTED, "expression '%s', byte %zu: %s", s->text, s->at,
                    what);
}

static bool next_is(const struct parser *s, const char *what) {
    size_t n = strlen(what);
    return s->len - s->at >= n && memcmp(s->text + s->at, what, n) == 0;
}

static bool skip(struct parser *s, const char *what) {
    if (!next_is(s, what)) return false;
    s->at += strlen(what);
    return true;
}

/* ---- emitting ---------------------------------------------------------------------------------
 */

static int emit(struct parser *s, struct bnt_inst inst) {
    struct bnt_program *p = s->p;
    if (p->count == p->capacity) {
        size_t n = p->capacity ? 2 * p->capacity : 64;
        void *grown = realloc(p->insts, n * sizeof *p->insts);
        if (!grown) return bnt_fail_nomem(s->err, "an expression", n * sizeof *p->insts);
        p->insts = grown;
        p->capacity = n;
    }
    p->insts[p->count++] = inst;
    return BNT_OK;
}

/* A jump whose aim is set later: a split both of whose ways are the same. */
static int emit_split(struct parser *s, size_t x, size_t y) {
    return emit(s, (struct bnt_inst){BNT_INST_SPLIT, 0, (uint32_t)x, (uint32_t)y});
}

/* ---- sets -------------------------------------------------------------------------------------
 */

static bool same(const struct bnt_charset *a, const struct bnt_charset *b) {
    if (!a || !b) return a == b;
    return a->kinds == b->kinds && a->negated == b->negated && a->n_ranges == b->n_ranges &&
           (a->n_ranges == 0 ||
            memcmp(a->ranges, b->ranges, a->n_ranges * sizeof *a->ranges) == 0) &&
           same(a->also, b->also);
}

static void free_set(struct bnt_charset *set) {
    while (set) {
        struct bnt_charset *also = (struct bnt_charset *)set->also;
        bnt_charset_free(set);
        free(set);
        set = also;
    }
}

/* Takes the set over and gives its number; equal sets share one. */
static int keep(struct parser *s, struct bnt_charset *set, uint32_t *number) {
    struct bnt_program *p = s->p;
    for (size_t i = 0; i < p->n_sets; i++) {
        if (!same(p->sets[i], set)) continue;
        free_set(set);
        *number = (uint32_t)i;
        return BNT_OK;
    }
    if (p->n_sets == BNT_CHARSETS_MAX) {
        free_set(set);
        return syntax(s, "too many sets");
    }
    p->sets[p->n_sets] = set;
    *number = (uint32_t)p->n_sets++;
    return BNT_OK;
}

/* What a letter is besides itself where case is ignored: U+017F folds to s, U+212A to k, as in the
 * engines that the models were trained with. */
static int add_folded(struct bnt_charset *set, int32_t cp, struct bnt_err *err) {
    int32_t lower = cp | 0x20;
    int rc;
    if (cp >= 128 || lower < 'a' || lower > 'z') return BNT_OK;
    rc = bnt_charset_add_range(set, cp ^ 0x20, cp ^ 0x20, err);
    if (!rc && lower == 's') rc = bnt_charset_add_range(set, 0x17F, 0x17F, err);
    if (!rc && lower == 'k') rc = bnt_charset_add_range(set, 0x212A, 0x212A, err);
    return rc;
}

static int hex_escape(struct parser *s, int32_t *cp) {
    char *end;
    if (!skip(s, "{")) return syntax(s, "\\x without {");
    *cp = (int32_t)strtol((const char *)s->text + s->at, &end, 16);
    s->at = (size_t)(end - (const char *)s->text);
    return skip(s, "}") ? BNT_OK : syntax(s, "\\x without }");
}

/* \p{name} behind the backslash and the letter. */
static int property(struct parser *s, struct bnt_charset *set) {
    const uint8_t *name = s->text + s->at + 1, *end;
    if (!next_is(s, "{") || !(end = memchr(name, '}', s->len - s->at - 1)))
        return syntax(s, "\\p without {..}");
    s->at = (size_t)(end - s->text) + 1;
    return bnt_charset_add_property(set, (const char *)name, (size_t)(end - name), s->err);
}

/* Behind a backslash: a set's letter, and *is_set; or one character. Within brackets what a capital
 * letter denies would have to be a set of its own, so only outside. */
static int escape(struct parser *s, struct bnt_charset *set, bool *is_set, int32_t *cp) {
    uint8_t c = s->text[s->at++];
    *is_set = true;
    switch (c) {
    case 'P':
    case 'S':
        if (set->kinds || set->n_ranges || set->negated) return syntax(s, "a denied set in a set");
        set->negated = true;
        break;
    default: break;
    }
    switch (c) {
    case 'p':
    case 'P': return property(s, set);
    case 's':
    case 'S': set->kinds |= UINT32_C(1) << BNT_KIND_SPACE; return BNT_OK;
    case 'd': return bnt_charset_add_property(set, "Nd", 2, s->err);
    default: *is_set = false;
    }
    switch (c) {
    case 'r': *cp = '\r'; break;
    case 'n': *cp = '\n'; break;
    case 't': *cp = '\t'; break;
    case 'x': return hex_escape(s, cp);
    default:
        if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c > 126)
            return syntax(s, "an unknown escape");
        *cp = c;
    }
    return BNT_OK;
}

/* One character of the expression, or a set in *set. */
static int one(struct parser *s, struct bnt_charset *set, bool *is_set, int32_t *cp) {
    *is_set = false;
    if (s->at == s->len) return syntax(s, "the end of it");
    if (skip(s, "\\")) {
        if (s->at == s->len) return syntax(s, "a backslash at its end");
        return escape(s, set, is_set, cp);
    }
    s->at += bnt_utf8_next(s->text + s->at, s->len - s->at, cp);
    return BNT_OK;
}

static int bracket(struct parser *s, struct bnt_charset *set);

static int bracket_items(struct parser *s, struct bnt_charset *set) {
    int rc;
    while (!skip(s, "]")) {
        int32_t first, last;
        bool is_set;
        if (skip(s, "&&[")) {
            struct bnt_charset *also = calloc(1, sizeof *also);
            if (!also) return bnt_fail_nomem(s->err, "a set", sizeof *also);
            set->also = also;
            if ((rc = bracket(s, also))) return rc;
            return skip(s, "]") ? BNT_OK : syntax(s, "no ] behind &&[..]");
        }
        if ((rc = one(s, set, &is_set, &first))) return rc;
        if (is_set) continue;
        last = first;
        if (next_is(s, "-") && !next_is(s, "-]")) {
            s->at++;
            if ((rc = one(s, set, &is_set, &last))) return rc;
            if (is_set || last < first) return syntax(s, "no range");
        }
        if ((rc = bnt_charset_add_range(set, first, last, s->err))) return rc;
    }
    return BNT_OK;
}

/* Behind the opening bracket. What is denied is denied as a whole. */
static int bracket(struct parser *s, struct bnt_charset *set) {
    bool negated = skip(s, "^");
    int rc = bracket_items(s, set);
    if (negated) set->negated = true;
    return rc;
}

/* A character, an escape or brackets, as a set's number. */
static int one_set(struct parser *s, uint32_t *number) {
    struct bnt_charset *set = calloc(1, sizeof *set);
    bool is_set = true;
    int32_t cp = 0;
    int rc;
    if (!set) return bnt_fail_nomem(s->err, "a set", sizeof *set);
    rc = skip(s, "[") ? bracket(s, set) : one(s, set, &is_set, &cp);
    if (!rc && !is_set) rc = bnt_charset_add_range(set, cp, cp, s->err);
    if (!rc && !is_set && s->fold) rc = add_folded(set, cp, s->err);
    if (!rc) return keep(s, set, number);
    free_set(set);
    return rc;
}

/* ---- expressions ------------------------------------------------------------------------------
 */

static int alternatives(struct parser *s);

static int group(struct parser *s, bool fold) {
    bool outer = s->fold;
    int rc;
    if (s->depth == 16) return syntax(s, "too many parentheses");
    s->depth++;
    s->fold = fold;
    rc = alternatives(s);
    s->fold = outer;
    s->depth--;
    if (rc) return rc;
    return skip(s, ")") ? BNT_OK : syntax(s, "no )");
}

static int atom(struct parser *s) {
    struct bnt_inst inst = {BNT_INST_CHAR, 0, 0, 0};
    int rc;
    if (skip(s, "(?:")) return group(s, s->fold);
    if (skip(s, "(?i:")) return group(s, true);
    if (skip(s, "(?!")) {
        inst.op = BNT_INST_NOT;
        if ((rc = one_set(s, &inst.set))) return rc;
        if (!skip(s, ")")) return syntax(s, "more than one character is denied");
        return emit(s, inst);
    }
    if (strchr("(?*+{", s->text[s->at])) return syntax(s, "not known here");
    rc = one_set(s, &inst.set);
    return rc ? rc : emit(s, inst);
}

/* {n}, {n,m}, ?, *, + behind an atom; *most is SIZE_MAX where there is no limit. */
static int quantifier(struct parser *s, size_t *least, size_t *most) {
    char *end;
    *least = *most = 1;
    if (skip(s, "?")) {
        *least = 0;
    } else if (skip(s, "*")) {
        *least = 0;
        *most = SIZE_MAX;
    } else if (skip(s, "+")) {
        *most = SIZE_MAX;
    } else if (skip(s, "{")) {
        *least = *most = strtoul((const char *)s->text + s->at, &end, 10);
        if (*end == ',') *most = strtoul(end + 1, &end, 10);
        s->at = (size_t)(end - (const char *)s->text);
        if (!skip(s, "}") || *most < *least || *most == 0 || *most > 1024)
            return syntax(s, "no repetition");
    }
    return BNT_OK;
}

/* An atom as often as it says: it is parsed again for each of its copies. */
static int repeated(struct parser *s) {
    const size_t from = s->at, first = s->p->count;
    size_t least, most, after, copy = first, jumps = 0;
    int rc;
    if ((rc = atom(s)) || (rc = quantifier(s, &least, &most))) return rc;
    after = s->at;
    if (least == 1 && most == 1) return BNT_OK;
    s->p->count = first;
    for (size_t i = 0; i < least; i++) {
        copy = s->p->count;
        s->at = from;
        if ((rc = atom(s))) return rc;
    }
    if (most == SIZE_MAX && least) { /* back to the last copy */
        rc = emit_split(s, copy, s->p->count + 1);
    } else if (most == SIZE_MAX) {
        if ((rc = emit_split(s, first + 1, 0))) return rc;
        s->at = from;
        if ((rc = atom(s)) || (rc = emit_split(s, first, first))) return rc;
        s->p->insts[first].y = (uint32_t)s->p->count;
    } else {
        for (size_t i = least; i < most && !rc; i++) { /* the splits are chained until y is known */
            size_t here = s->p->count;
            if ((rc = emit_split(s, here + 1, jumps))) return rc;
            jumps = here + 1;
            s->at = from;
            rc = atom(s);
        }
        while (!rc && jumps) {
            struct bnt_inst *split = &s->p->insts[jumps - 1];
            jumps = split->y;
            split->y = (uint32_t)s->p->count;
        }
    }
    s->at = after;
    return rc;
}

/* a|b|c: each begins with a split to the next, and ends with a jump behind the last. */
static int alternatives(struct parser *s) {
    size_t jumps = 0;
    int rc;
    for (;;) {
        size_t split = s->p->count;
        if ((rc = emit_split(s, split + 1, split + 1))) return rc;
        while (s->at < s->len && !next_is(s, "|") && !next_is(s, ")"))
            if ((rc = repeated(s))) return rc;
        if (!skip(s, "|")) break;
        if ((rc = emit_split(s, 0, jumps))) return rc;
        jumps = s->p->count;
        s->p->insts[split].y = (uint32_t)s->p->count;
    }
    while (jumps) {
        struct bnt_inst *jump = &s->p->insts[jumps - 1];
        jumps = jump->y;
        jump->x = jump->y = (uint32_t)s->p->count;
    }
    return BNT_OK;
}

int bnt_program_parse(struct bnt_program *p, const char *expression, struct bnt_err *err) {
    struct parser s = {.p = p, .text = (const uint8_t *)expression, .err = err};
    int rc;
    memset(p, 0, sizeof *p);
    s.len = strlen(expression);
    rc = alternatives(&s);
    if (!rc && s.at < s.len) rc = syntax(&s, "a ) too many");
    if (!rc) rc = emit(&s, (struct bnt_inst){BNT_INST_MATCH, 0, 0, 0});
    if (rc) bnt_program_free(p);
    return rc;
}

void bnt_program_free(struct bnt_program *p) {
    for (size_t i = 0; i < p->n_sets; i++) free_set(p->sets[i]);
    free(p->insts);
    memset(p, 0, sizeof *p);
}
