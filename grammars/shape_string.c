/*
 * shape_string.c - strings: what a pattern, a format or a length says alone is an expression; what
 * several say together is worked out into an automaton (product.h), once for all strings of which
 * the same is said. So is which strings of a list it leaves, and whether two leave each other none.
 */
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "shape.h"

static bool is_format(const struct part *text) {
    return text->place == UINT32_MAX;
}

static uint32_t place_of(const struct shape *shape, const struct part *text) {
    return is_format(text) ? shape->done.list[0].place : text->place;
}

/* widest: a format as any reader may have it, not as it is written. */
static bool read_text(struct schemas *s, struct bnt_grammar *g, const struct shape *shape,
                      const struct part *text, bool widest, struct bnt_pattern *out) {
    struct bnt_err why = {0};
    const char *pattern = json_string_value(text->json);
    size_t len = json_string_length(text->json);
    if (is_format(text)) {
        const struct bnt_format *format = bnt_format(pattern);
        pattern = widest ? format->widest : format->pattern;
        len = strlen(pattern);
    }
    int status = bnt_pattern_compile(g, pattern, len, out, &why);
    if (status != BNT_OK)
        schema_fail(s, status, place_of(shape, text), is_format(text) ? "format" : "pattern",
                    "%.300s", why.text);
    return status == BNT_OK;
}

/* ---- several conditions -----------------------------------------------------------------------
 */

static bool read_conditions(struct schemas *s, struct bnt_grammar *g, const struct shape *shape,
                            bool widest, struct bnt_condition list[BNT_CONDITIONS], size_t *n) {
    for (size_t i = 0; i < shape->texts.count; i++) {
        struct bnt_pattern p;
        if (!read_text(s, g, shape, &shape->texts.list[i], widest, &p)) return false;
        if (*n + 1 + p.n_ahead > BNT_CONDITIONS) {
            schema_fail(s, BNT_E_LIMIT, place_of(shape, &shape->texts.list[i]), NULL,
                        "more than %d patterns and formats of one string", BNT_CONDITIONS);
            return false;
        }
        list[(*n)++] = (struct bnt_condition){p.e, false};
        for (size_t k = 0; k < p.n_ahead; k++) list[(*n)++] = p.ahead[k];
    }
    return true;
}

/* Any string, or those of a list. */
static bnt_expr strings_of(struct bnt_grammar *g, const json_t *const *list, size_t n) {
    if (!list) return bnt_repeat(g, bnt_json_any_char(g), 0, BNT_NO_LIMIT);
    bnt_expr *texts = malloc((n + 1) * sizeof *texts);
    if (!texts) return bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for an enum");
    for (size_t i = 0; i < n; i++)
        texts[i] = bnt_json_unquoted(g, json_string_value(list[i]), json_string_length(list[i]));
    bnt_expr e = bnt_alt(g, texts, n);
    free(texts);
    return e;
}

/* Of a list, or of all strings, those of the shape; *a is NULL where there is none. */
static int work_out(struct schemas *s, const struct shape *shape, bool widest,
                    const json_t *const *of, size_t n_of, struct bnt_automaton **a,
                    struct bnt_err *why) {
    struct bnt_condition list[BNT_CONDITIONS];
    struct bnt_lengths lengths = {shape->min_length, shape->max_length};
    struct bnt_grammar *g;
    size_t n = 0;
    int status = bnt_grammar_open(&g, why);
    *a = NULL;
    if (status == BNT_OK && read_conditions(s, g, shape, widest, list, &n)) {
        status = bnt_grammar_finish(g, strings_of(g, of, n_of), why);
        if (status == BNT_OK) status = bnt_product(a, g, list, n, lengths, &s->effort, why);
    }
    bnt_grammar_close(g);
    return status;
}

static bnt_expr together(struct schemas *s, const struct shape *shape, const json_t *const *of,
                         size_t n_of) {
    struct bnt_automaton *a;
    struct bnt_err why = {0};
    int status = work_out(s, shape, false, of, n_of, &a, &why);
    if (status != BNT_OK)
        schema_fail(s, status, place_of(shape, &shape->texts.list[0]), NULL, "%.300s", why.text);
    return bnt_automaton_of(s->g, a);
}

/* What is said, to find it again. */
static json_t *summary_of(const struct shape *shape) {
    json_t *of = json_pack("[I, I]", (json_int_t)shape->min_length, (json_int_t)shape->max_length);
    for (size_t i = 0; i < shape->texts.count; i++) {
        const struct part *text = &shape->texts.list[i];
        if (json_array_append_new(of, json_boolean(is_format(text))) != 0 ||
            json_array_append(of, (json_t *)text->json) != 0) {
            json_decref(of);
            return NULL;
        }
    }
    return of;
}

static bnt_expr together_once(struct schemas *s, const struct shape *shape) {
    json_t *of = summary_of(shape);
    if (!of) return bnt_grammar_fail(s->g, BNT_E_NOMEM, "no memory for a string");
    for (size_t i = 0; i < s->n_strings; i++) {
        if (!json_equal(s->strings[i].of, of)) continue;
        json_decref(of);
        return s->strings[i].e;
    }
    bnt_expr e = together(s, shape, NULL, 0);
    if (!schema_grow(s, &s->strings, s->n_strings, &s->string_capacity, sizeof *s->strings))
        json_decref(of);
    else
        s->strings[s->n_strings++] = (struct string){of, e};
    return e;
}

void strings_free(struct schemas *s) {
    for (size_t i = 0; i < s->n_strings; i++) json_decref(s->strings[i].of);
    free(s->strings);
}

/* ---- the whole --------------------------------------------------------------------------------
 */

/* Whether all texts are one. */
static bool is_one(const struct parts *texts) {
    for (size_t i = 1; i < texts->count; i++)
        if (is_format(&texts->list[i]) != is_format(&texts->list[0]) ||
            !json_equal(texts->list[i].json, texts->list[0].json))
            return false;
    return true;
}

bnt_expr shape_string(struct schemas *s, const struct shape *shape) {
    bool counted = shape->min_length > 0 || shape->max_length != BNT_NO_LIMIT;
    bnt_expr body = BNT_EXPR_NEVER, quote = bnt_text(s->g, "\"");
    struct bnt_pattern p;
    if (!shape->texts.count) return bnt_json_string(s->g, shape->min_length, shape->max_length);
    bool alone = !counted && is_one(&shape->texts);
    if (alone) {
        if (!read_text(s, s->g, shape, &shape->texts.list[0], false, &p)) return BNT_EXPR_NEVER;
        body = p.e;
        alone = p.n_ahead == 0;
    }
    if (!alone) body = together_once(s, shape);
    return bnt_seq3(s->g, quote, body, quote);
}

bnt_expr shape_strings(struct schemas *s, const struct shape *shape, const json_t *const *list,
                       size_t n) {
    bnt_expr quote = bnt_text(s->g, "\"");
    return bnt_seq3(s->g, quote, together(s, shape, list, n), quote);
}

/* Texts of which it is known which strings some reader takes. */
static void take_known(struct schemas *s, struct parts *to, const struct parts *from) {
    for (size_t i = 0; i < from->count; i++) {
        const struct part *text = &from->list[i];
        if (!is_format(text) || bnt_format(json_string_value(text->json))->widest)
            parts_add(s, to, text->json, text->place);
    }
}

bool shape_strings_apart(struct schemas *s, const struct shape *a, const struct shape *b) {
    struct bnt_automaton *common = NULL;
    struct bnt_err why = {0};
    struct shape both;
    shape_copy(s, &both, a);
    both.texts.count = 0;
    take_known(s, &both.texts, &a->texts);
    take_known(s, &both.texts, &b->texts);
    if (b->min_length > both.min_length) both.min_length = b->min_length;
    if (b->max_length < both.max_length) both.max_length = b->max_length;
    bool apart = both.min_length > both.max_length;
    if (!apart && both.texts.count)
        apart = work_out(s, &both, true, NULL, 0, &common, &why) == BNT_OK && !common;
    bnt_automaton_close(common);
    shape_free(&both);
    return apart && s->status == BNT_OK;
}
