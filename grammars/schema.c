/*
 * schema.c - see schema.h. Each set of schemas that some value falls under is one rule; rules are
 * worked off one after the other, so that schemas may refer to themselves.
 */
#include "schema.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "base/sort.h"
#include "shape.h"

enum { PLACES = 1 << 17, TEXT_MAX = 1 << 22, EFFORT = 1 << 22, STEPS = 1 << 25 };

/* ---- places -----------------------------------------------------------------------------------
 */

/* The name of a member as a JSON pointer has it (RFC 6901), no more than 40 bytes of it. */
static const char *pointer_name(const char *name, char out[96]) {
    size_t n = 0;
    for (size_t i = 0; i < 40 && name[i]; i++) {
        const bool escaped = name[i] == '~' || name[i] == '/';
        if (escaped) out[n++] = '~';
        out[n++] = name[i] == '~' ? '0' : name[i] == '/' ? '1' : name[i];
    }
    out[n] = '\0';
    return out;
}

static size_t print_place(const struct schemas *s, uint32_t place, char *out, size_t size) {
    const struct place *chain[24];
    size_t n = 0, at = 0;
    for (; n < 24 && place != UINT32_MAX && s->places[place].parent != UINT32_MAX;
         place = s->places[place].parent)
        chain[n++] = &s->places[place];
    at += (size_t)snprintf(out, size, "#%s", n == 24 ? "/..." : "");
    for (; n > 0 && at < size - 1; n--) {
        const struct place *p = chain[n - 1];
        char name[96];
        int wrote =
            p->name ? snprintf(out + at, size - at, "/%s/%s", p->word, pointer_name(p->name, name))
            : p->index != SIZE_MAX ? snprintf(out + at, size - at, "/%s/%zu", p->word, p->index)
                                   : snprintf(out + at, size - at, "/%s", p->word);
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    return at < size ? at : size - 1;
}

void schema_fail(struct schemas *s, int status, uint32_t place, const char *keyword,
                 const char *fmt, ...) {
    char what[360], where[200];
    va_list args;
    if (s->status != BNT_OK) return;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    print_place(s, place, where, sizeof where);
    s->status = bnt_fail(s->err, status, "schema, %s%s%s: %s", where, keyword ? "/" : "",
                         keyword ? keyword : "", what);
}

bool schema_spend(struct schemas *s, uint64_t steps) {
    if (s->status == BNT_OK && steps > s->steps)
        schema_fail(s, BNT_E_LIMIT, 0, NULL,
                    "so many schemas, choices or values at once take too many steps");
    s->steps -= steps < s->steps ? steps : s->steps;
    return s->status == BNT_OK;
}

bool schema_grow(struct schemas *s, void *array, size_t count, size_t *capacity, size_t size) {
    void **p = array;
    if (count < *capacity) return true;
    size_t n = 2 * *capacity + 16;
    void *q = reallocarray(*p, n, size);
    if (!q) {
        if (s->status == BNT_OK) s->status = bnt_fail_nomem(s->err, "a schema", n * size);
        return false;
    }
    *p = q;
    *capacity = n;
    return true;
}

uint32_t schema_place(struct schemas *s, struct place place) {
    if (s->n_places == PLACES)
        schema_fail(s, BNT_E_LIMIT, 0, NULL, "it has more than %d parts", PLACES);
    if (s->status != BNT_OK ||
        !schema_grow(s, &s->places, s->n_places, &s->place_capacity, sizeof *s->places))
        return 0;
    s->places[s->n_places] = place;
    return (uint32_t)s->n_places++;
}

bool parts_add(struct schemas *s, struct parts *p, const json_t *json, uint32_t place) {
    if (!schema_grow(s, &p->list, p->count, &p->capacity, sizeof *p->list)) return false;
    p->list[p->count++] = (struct part){json, place};
    return true;
}

/* ---- rules ------------------------------------------------------------------------------------
 */

static int by_address(const void *a, const void *b) {
    const uintptr_t x = (uintptr_t) * (const json_t *const *)a,
                    y = (uintptr_t) * (const json_t *const *)b;
    return (x > y) - (x < y);
}

/* The schemas of a rule, in an order by which the same ones are found again. Nothing else may go by
 * it: addresses are others each time, and a grammar is a function of its schema. */
static const json_t **key_of(struct schemas *s, const struct parts *of) {
    const json_t **key = calloc(of->count + 1, sizeof *key);
    if (!key && s->status == BNT_OK) s->status = bnt_fail_nomem(s->err, "a schema", 0);
    for (size_t i = 0; key && i < of->count; i++) key[i] = of->list[i].json;
    if (key) bnt_sort(key, of->count, sizeof *key, by_address);
    return key;
}

static bool find_rule(const struct schemas *s, const struct wanted *like, uint32_t *rule) {
    const size_t n = like->of.count;
    for (size_t i = 0; i < s->n_rules; i++) {
        const struct wanted *w = &s->rules[i];
        if (w->hash != like->hash || w->of.count != n) continue;
        if (memcmp(w->key, like->key, n * sizeof *w->key) != 0) continue;
        *rule = w->rule;
        return true;
    }
    return false;
}

/* Takes over what *of holds. */
bnt_expr schema_rule(struct schemas *s, struct parts *of) {
    struct wanted w = {.hash = of->count, .of = *of};
    if (!schema_spend(s, s->n_rules) || !(w.key = key_of(s, of))) return BNT_EXPR_NEVER;
    for (size_t i = 0; i < of->count; i++)
        w.hash = (w.hash ^ (uint64_t)(uintptr_t)w.key[i]) * 0x9e3779b97f4a7c15u;
    const bool known = find_rule(s, &w, &w.rule);
    if (known || s->status != BNT_OK ||
        !schema_grow(s, &s->rules, s->n_rules, &s->rule_capacity, sizeof *s->rules)) {
        free(w.key);
        return known ? bnt_rule_of(s->g, w.rule) : BNT_EXPR_NEVER;
    }
    w.rule = bnt_rule_new(s->g);
    *of = (struct parts){0};
    s->rules[s->n_rules++] = w;
    return bnt_rule_of(s->g, w.rule);
}

static void define(struct schemas *s, size_t rule) {
    struct shape shape = shape_any();
    uint32_t place = s->rules[rule].of.list[0].place;
    for (size_t i = 0; i < s->rules[rule].of.count; i++)
        shape_pour(s, &shape, s->rules[rule].of.list[i].place);
    bnt_expr body = shape_expand(s, &shape, place);
    if (body == BNT_EXPR_NEVER && !s->g->empty[0])
        print_place(s, place, s->g->empty, sizeof s->g->empty);
    bnt_rule_define(s->g, s->rules[rule].rule, body);
    if (s->g->status != BNT_OK) schema_fail(s, s->g->status, place, NULL, "%.300s", s->g->why.text);
    shape_free(&shape);
}

static int compile(struct schemas *s, bnt_expr *out) {
    struct parts root = {0};
    if (!json_is_object(s->root) && !json_is_boolean(s->root))
        return bnt_fail(s->err, BNT_E_FORMAT, "schema: it is no object");
    parts_add(s, &root, s->root,
              schema_place(s, (struct place){s->root, UINT32_MAX, NULL, NULL, SIZE_MAX, false}));
    *out = s->status == BNT_OK ? schema_rule(s, &root) : BNT_EXPR_NEVER;
    free(root.list);
    for (size_t i = 0; i < s->n_rules && s->status == BNT_OK; i++) define(s, i);
    return s->status;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

int bnt_schema_read(json_t **out, const char *text, size_t len, struct bnt_err *err) {
    json_error_t why;
    *out = NULL;
    if (len > TEXT_MAX)
        return bnt_fail(err, BNT_E_LIMIT, "schema: it has more than %d bytes", TEXT_MAX);
    const int status = bnt_json_load(
        out, text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (status == BNT_E_NOMEM) return bnt_fail_nomem(err, "the schema", len);
    if (status != BNT_OK)
        return bnt_fail(err, BNT_E_FORMAT, "schema, line %d: %.200s", why.line, why.text);
    return BNT_OK;
}

int bnt_schema_add(struct bnt_grammar *g, const json_t *root,
                   const struct bnt_schema_options *options, bnt_expr *out, struct bnt_err *err) {
    struct schemas s = {.g = g,
                        .options = *options,
                        .style = bnt_json_style(g, options->free_space),
                        .root = root,
                        .any = BNT_EXPR_NEVER,
                        .effort = EFFORT,
                        .steps = STEPS,
                        .err = err};
    int status = compile(&s, out);
    for (size_t i = 0; i < s.n_rules; i++) {
        free(s.rules[i].of.list);
        free(s.rules[i].key);
    }
    free(s.rules);
    free(s.places);
    strings_free(&s);
    json_decref(s.bounds);
    return status;
}

int bnt_schema_compile(struct bnt_grammar **out, const char *text, size_t len,
                       const struct bnt_schema_options *options, struct bnt_err *err) {
    json_t *root;
    struct bnt_grammar *g = NULL;
    struct bnt_err why = {0};
    bnt_expr e;
    *out = NULL;
    int status = bnt_schema_read(&root, text, len, err);
    if (status != BNT_OK) return status;
    status = bnt_grammar_open(&g, err);
    if (status == BNT_OK) status = bnt_schema_add(g, root, options, &e, err);
    if (status == BNT_OK && (status = bnt_grammar_finish(g, e, &why)) != BNT_OK)
        bnt_fail(err, status, "schema: %.500s", why.text);
    json_decref(root);
    if (status == BNT_OK)
        *out = g;
    else
        bnt_grammar_close(g);
    return status;
}

int bnt_schema_any_object(struct bnt_grammar **out, const struct bnt_schema_options *options,
                          struct bnt_err *err) {
    return bnt_schema_compile(out, "{\"type\":\"object\"}", 17, options, err);
}
