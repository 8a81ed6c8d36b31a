/*
 * json.c - see json.h.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "unicode.h"

enum { INDENT_MAX = 128, VALUE_DEPTH = 64 };

struct bnt_json_style bnt_json_style(struct bnt_grammar *g, bool free) {
    if (!free)
        return (struct bnt_json_style){BNT_EXPR_EMPTY, BNT_EXPR_EMPTY, bnt_text(g, ", "),
                                       bnt_text(g, ": "), true};
    bnt_expr blank = bnt_alt2(g, bnt_text(g, " "), bnt_text(g, "\t"));
    bnt_expr line = bnt_seq3(g, bnt_maybe(g, bnt_text(g, "\r")), bnt_text(g, "\n"),
                             bnt_repeat(g, blank, 0, INDENT_MAX));
    bnt_expr space = bnt_alt(g, (const bnt_expr[]){BNT_EXPR_EMPTY, bnt_text(g, " "), line}, 3);
    return (struct bnt_json_style){space, space, bnt_seq2(g, bnt_text(g, ","), space),
                                   bnt_seq2(g, bnt_text(g, ":"), bnt_maybe(g, bnt_text(g, " "))),
                                   false};
}

/* ---- strings ----------------------------------------------------------------------------------
 */

/* A character that must be escaped. */
static bnt_expr escaped(struct bnt_grammar *g, uint32_t cp) {
    static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    static const char digits[] = "0123456789abcdef";
    for (const char *p = named; *p; p += 2)
        if ((unsigned char)*p == cp) return bnt_literal(g, (const char[]){'\\', p[1]}, 2);
    return bnt_literal(g, (const char[]){'\\', 'u', '0', '0', digits[cp >> 4], digits[cp & 15]}, 6);
}

bnt_expr bnt_json_chars(struct bnt_grammar *g, const struct bnt_code_range *ranges, size_t n) {
    static const struct bnt_code_range plain[] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}};
    struct bnt_code_range *as_is = malloc((n + 3) * sizeof *as_is);
    bnt_expr list[40];
    size_t count = 0;
    if (!as_is) return bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for a set of characters");
    list[count++] = bnt_utf8_of(g, as_is, bnt_ranges_both(ranges, n, plain, 3, as_is));
    free(as_is);
    for (size_t i = 0; i < n; i++)
        for (uint32_t cp = ranges[i].lo; cp <= ranges[i].hi && cp <= '\\'; cp++)
            if (cp < 0x20 || cp == '"' || cp == '\\') list[count++] = escaped(g, cp);
    return bnt_alt(g, list, count);
}

bnt_expr bnt_json_any_char(struct bnt_grammar *g) {
    return bnt_json_chars(g, &(struct bnt_code_range){0, 0x10FFFF}, 1);
}

static bnt_expr quotes(struct bnt_grammar *g, bnt_expr body) {
    bnt_expr quote = bnt_text(g, "\"");
    return bnt_seq3(g, quote, body, quote);
}

bnt_expr bnt_json_string(struct bnt_grammar *g, uint32_t min, uint32_t max) {
    return quotes(g, bnt_repeat(g, bnt_json_any_char(g), min, max));
}

/* The characters of a text, one expression each; *n of them, or NULL. */
static bnt_expr *spelled(struct bnt_grammar *g, const char *text, size_t len, size_t *n) {
    bnt_expr *parts = malloc((len + 1) * sizeof *parts);
    *n = 0;
    if (!parts) {
        bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for a text of %zu bytes", len);
        return NULL;
    }
    for (size_t at = 0; at < len;) {
        int32_t cp;
        at += bnt_utf8_next((const uint8_t *)text + at, len - at, &cp);
        struct bnt_code_range one = {(uint32_t)cp, (uint32_t)cp};
        parts[(*n)++] = cp < 0 ? BNT_EXPR_NEVER : bnt_json_chars(g, &one, 1);
    }
    return parts;
}

bnt_expr bnt_json_unquoted(struct bnt_grammar *g, const char *text, size_t len) {
    size_t n;
    bnt_expr *parts = spelled(g, text, len, &n);
    bnt_expr e = parts ? bnt_seq(g, parts, n) : BNT_EXPR_NEVER;
    free(parts);
    return e;
}

bnt_expr bnt_json_quoted(struct bnt_grammar *g, const char *text, size_t len) {
    return quotes(g, bnt_json_unquoted(g, text, len));
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What may follow `at` bytes that texts[0 .. n) (sorted) have in common, up to the closing quote:
 * anything but the rest of one of them. */
static bnt_expr other_rest(struct bnt_grammar *g, const char *const *texts, size_t n, size_t at,
                           unsigned depth) {
    bnt_expr any = bnt_json_any_char(g), quote = bnt_text(g, "\""), choices[2], e;
    size_t count = 0, n_ranges = 0, n_branches = 0;
    if (depth == BNT_GRAMMAR_DEPTH / 4)
        return bnt_grammar_fail(g, BNT_E_LIMIT, "a name of more than %u characters", depth);
    struct bnt_code_range *taken = malloc((n + 1) * sizeof *taken);
    struct bnt_code_range *left = malloc((n + 2) * sizeof *left);
    bnt_expr *branches = malloc((n + 2) * sizeof *branches);
    if (!taken || !left || !branches) {
        e = bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for %zu names", n);
        goto out;
    }
    bool ends = n && texts[0][at] == '\0';
    for (size_t i = ends; i < n;) {
        int32_t cp;
        size_t len = bnt_utf8_next((const uint8_t *)texts[i] + at, strlen(texts[i] + at), &cp);
        size_t same = i + 1;
        while (same < n && strncmp(texts[same] + at, texts[i] + at, len) == 0) same++;
        struct bnt_code_range one = {(uint32_t)cp, (uint32_t)cp};
        branches[n_branches++] = bnt_seq2(g, bnt_json_chars(g, &one, 1),
                                          other_rest(g, texts + i, same - i, at + len, depth + 1));
        taken[n_ranges++] = one;
        i = same;
    }
    n_ranges = bnt_ranges_normal(taken, n_ranges);
    size_t n_left = bnt_ranges_invert(taken, n_ranges, left);
    choices[count++] =
        bnt_seq3(g, bnt_json_chars(g, left, n_left), bnt_repeat(g, any, 0, BNT_NO_LIMIT), quote);
    if (!ends) choices[count++] = quote;
    branches[n_branches++] = bnt_alt(g, choices, count);
    e = bnt_alt(g, branches, n_branches);
out:
    free(taken);
    free(left);
    free(branches);
    return e;
}

bnt_expr bnt_json_other_string(struct bnt_grammar *g, const char *const *texts, size_t n) {
    if (n == 0) return bnt_json_string(g, 0, BNT_NO_LIMIT);
    const char **sorted = malloc(n * sizeof *sorted);
    if (!sorted) return bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for %zu names", n);
    memcpy(sorted, texts, n * sizeof *sorted);
    bnt_sort(sorted, n, sizeof *sorted, by_text);
    bnt_expr e = bnt_seq2(g, bnt_text(g, "\""), other_rest(g, sorted, n, 0, 0));
    free(sorted);
    return e;
}

/* ---- values -----------------------------------------------------------------------------------
 */

static bnt_expr enclosed(struct bnt_grammar *g, const struct bnt_json_style *s, const char *open,
                         bnt_expr inside, const char *close) {
    bnt_expr parts[] = {bnt_text(g, open), s->open, inside, s->close, bnt_text(g, close)};
    return bnt_seq(g, parts, 5);
}

bnt_expr bnt_json_any_object(struct bnt_grammar *g, const struct bnt_json_style *style,
                             bnt_expr value) {
    bnt_expr member = bnt_seq3(g, bnt_json_string(g, 0, BNT_NO_LIMIT), style->colon, value);
    return enclosed(g, style, "{", bnt_list(g, style->comma, NULL, 0, member, 0, BNT_NO_LIMIT),
                    "}");
}

bnt_expr bnt_json_any(struct bnt_grammar *g, const struct bnt_json_style *style) {
    uint32_t rule = bnt_rule_new(g);
    bnt_expr value = bnt_rule_of(g, rule);
    bnt_expr all[] = {
        bnt_json_any_object(g, style, value),
        enclosed(g, style, "[", bnt_list(g, style->comma, NULL, 0, value, 0, BNT_NO_LIMIT), "]"),
        bnt_json_string(g, 0, BNT_NO_LIMIT),
        bnt_json_number(g, style->brief, (struct bnt_bound){0}, (struct bnt_bound){0}, false),
        bnt_text(g, "true"),
        bnt_text(g, "false"),
        bnt_text(g, "null")};
    bnt_rule_define(g, rule, bnt_alt(g, all, sizeof all / sizeof *all));
    return value;
}

static bnt_expr value_of(struct bnt_grammar *g, const struct bnt_json_style *style, bool any_order,
                         const json_t *value, unsigned depth) {
    char number[BNT_NUMBER_TEXT];
    if (depth == VALUE_DEPTH)
        return bnt_grammar_fail(g, BNT_E_LIMIT, "a value that nests deeper than %d", VALUE_DEPTH);
    switch (json_typeof(value)) {
    case JSON_NULL: return bnt_text(g, "null");
    case JSON_TRUE: return bnt_text(g, "true");
    case JSON_FALSE: return bnt_text(g, "false");
    case JSON_STRING:
        return bnt_json_quoted(g, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
    case JSON_REAL: bnt_json_number_text(value, number, false); return bnt_text(g, number);
    case JSON_ARRAY: {
        size_t n = json_array_size(value);
        bnt_expr *elements = malloc((n + 1) * sizeof *elements), e;
        if (!elements) return bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for a value");
        for (size_t i = 0; i < n; i++)
            elements[i] = value_of(g, style, any_order, json_array_get(value, i), depth + 1);
        e = bnt_list(g, style->comma, elements, n, BNT_EXPR_NEVER, (uint32_t)n, (uint32_t)n);
        free(elements);
        return enclosed(g, style, "[", e, "]");
    }
    case JSON_OBJECT: break;
    }
    size_t n = json_object_size(value), i = 0;
    struct bnt_member *members = malloc((n + 1) * sizeof *members);
    if (!members) return bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for a value");
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)value, key, v) {
        bnt_expr e = value_of(g, style, any_order, v, depth + 1);
        members[i++] = (struct bnt_member){
            bnt_seq3(g, bnt_json_quoted(g, key, strlen(key)), style->colon, e), true};
    }
    bnt_expr e = bnt_set(g, style->comma, members, n, BNT_EXPR_NEVER, 0, BNT_NO_LIMIT,
                         !any_order || n > BNT_SET_MEMBERS);
    free(members);
    return enclosed(g, style, "{", e, "}");
}

bnt_expr bnt_json_value(struct bnt_grammar *g, const struct bnt_json_style *style, bool any_order,
                        const json_t *value) {
    return value_of(g, style, any_order, value, 0);
}
