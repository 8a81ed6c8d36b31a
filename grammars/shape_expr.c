/*
 * shape_expr.c - shapes as expressions: choices are divided, then each type has its text.
 */
#include <stdlib.h>
#include <string.h>

#include "shape.h"

enum { EXPANSIONS = 4096 }; /* of choices within choices, in one schema */

static bnt_expr any_value(struct schemas *s) {
    if (s->any == BNT_EXPR_NEVER) s->any = bnt_json_any(s->g, &s->style);
    return s->any;
}

bnt_expr shape_rule(struct schemas *s, struct parts *of) {
    return of->count ? schema_rule(s, of) : any_value(s);
}

/* ---- values -----------------------------------------------------------------------------------
 */

/* Those of the first list that are in the others and of the rest of the shape. */
static bnt_expr listed(struct schemas *s, const struct shape *shape, uint32_t place) {
    const struct part *first = shape->values.list;
    size_t n = part_values(first), count = 0;
    bnt_expr *list = malloc((n + 1) * sizeof *list), e = BNT_EXPR_NEVER;
    const json_t **strings = malloc(n * sizeof *strings);
    size_t n_strings = 0;
    if (!list || !strings) {
        bnt_grammar_fail(s->g, BNT_E_NOMEM, "no memory for an enum");
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *v = part_value(first, i);
        enum fits fits = shape_lists(s, shape, 1, v) ? shape_fits(shape, v) : FITS_NOT;
        if (fits == FITS_UNKNOWN && json_is_string(v))
            strings[n_strings++] = v;
        else if (fits == FITS_UNKNOWN)
            schema_fail(s, BNT_E_UNSUPPORTED, place, NULL,
                        "enum or const beside a schema of the value's parts");
        if (fits == FITS) list[count++] = bnt_json_value(s->g, &s->style, s->options.any_order, v);
    }
    if (n_strings) list[count++] = shape_strings(s, shape, strings, n_strings);
    e = bnt_alt(s->g, list, count);
out:
    free(list);
    free(strings);
    return e;
}

bnt_expr shape_enclosed(struct schemas *s, const char *open, bnt_expr inside, const char *close) {
    bnt_expr parts[] = {bnt_text(s->g, open), s->style.open, inside, s->style.close,
                        bnt_text(s->g, close)};
    return bnt_seq(s->g, parts, 5);
}

/* No whole number in it that readers with binary64 may take for another. */
static bool is_exact(const json_t *v) {
    const json_int_t most = INT64_C(1) << 53, i = json_integer_value(v);
    bool exact = !json_is_integer(v) || (i >= -most && i <= most);
    const char *key;
    json_t *part;
    for (size_t k = 0; exact && k < json_array_size(v); k++) exact = is_exact(json_array_get(v, k));
    json_object_foreach((json_t *)v, key, part) exact = exact && is_exact(part);
    return exact;
}

/* Elements that are all different: each value of their list once, in any order. What has no list
 * would have to be remembered, which an automaton cannot. */
static bnt_expr different(struct schemas *s, const struct shape *shape, struct parts *of) {
    struct shape element = shape_any();
    struct bnt_member members[BNT_SET_MEMBERS];
    size_t n = 0, count = 0;
    for (size_t i = 0; i < of->count; i++) shape_pour(s, &element, of->list[i].place);
    const struct part *first = element.values.list;
    bool fine = !element.choices.count && element.values.count;
    for (size_t i = 0; fine && i < part_values(first); i++) {
        const json_t *v = part_value(first, i);
        bool again = !schema_spend(s, i);
        for (size_t k = 0; k < i && !again; k++) again = json_same(v, part_value(first, k));
        if (again || !shape_lists(s, &element, 1, v)) continue;
        enum fits fits = shape_fits(&element, v);
        fine = fits != FITS_UNKNOWN && n < BNT_SET_MEMBERS && is_exact(v);
        if (fine && fits == FITS)
            members[n++] = (struct bnt_member){
                bnt_json_value(s->g, &s->style, s->options.any_order, v), false};
    }
    count = shape->max_items < n ? shape->max_items : n;
    if (!fine)
        schema_fail(s, BNT_E_UNSUPPORTED, shape->unique.list[0].place, "uniqueItems",
                    "is possible only of elements with an enum of at most %d values, whole numbers "
                    "within 2^53",
                    BNT_SET_MEMBERS);
    shape_free(&element);
    if (!fine || shape->min_items > count) return BNT_EXPR_NEVER;
    return bnt_set(s->g, s->style.comma, members, n, BNT_EXPR_NEVER, shape->min_items,
                   (uint32_t)count, false);
}

/* The schemas of an array's first elements and that of all further ones, each with its keyword, as
 * this draft or an older one has them. */
struct elements {
    const json_t *first, *further;
    const char *first_word, *further_word;
};

static struct elements elements_of(const json_t *schema) {
    const json_t *items = json_object_get(schema, "items");
    if (json_is_array(items))
        return (struct elements){items, json_object_get(schema, "additionalItems"), "items",
                                 "additionalItems"};
    return (struct elements){json_object_get(schema, "prefixItems"), items, "prefixItems", "items"};
}

static bnt_expr array_of(struct schemas *s, const struct shape *shape) {
    size_t n = 0;
    for (size_t i = 0; i < shape->arrays.count; i++) {
        size_t here = json_array_size(elements_of(shape->arrays.list[i].json).first);
        n = here > n ? here : n;
    }
    const bool unique = shape->unique.count && shape->max_items > 1;
    if (n > shape->max_items) n = shape->max_items;
    bnt_expr *elements = malloc((n + 1) * sizeof *elements), all;
    if (!elements) return bnt_grammar_fail(s->g, BNT_E_NOMEM, "no memory for an array");
    for (size_t at = 0; at <= n; at++) { /* the last one stands for all further ones */
        struct parts of = {0};
        for (size_t i = 0; i < shape->arrays.count; i++) {
            const struct part *p = &shape->arrays.list[i];
            const struct elements e = elements_of(p->json);
            struct place place = {
                json_array_get(e.first, at), p->place, e.first_word, NULL, at, false};
            if (at >= json_array_size(e.first))
                place = (struct place){e.further, p->place, e.further_word, NULL, SIZE_MAX, false};
            if (place.schema) parts_add(s, &of, place.schema, schema_place(s, place));
        }
        if (!unique)
            elements[at] = shape_rule(s, &of);
        else if (n == 0)
            elements[at] = different(s, shape, &of);
        else
            schema_fail(s, BNT_E_UNSUPPORTED, shape->unique.list[0].place, "uniqueItems",
                        "is not possible beside schemas of the first elements");
        free(of.list);
    }
    if (unique)
        all = s->status == BNT_OK ? elements[0] : BNT_EXPR_NEVER;
    else
        all = bnt_list(s->g, s->style.comma, elements, n, elements[n], shape->min_items,
                       shape->max_items);
    free(elements);
    return shape_enclosed(s, "[", all, "]");
}

static bnt_expr plain(struct schemas *s, const struct shape *shape, uint32_t place) {
    bnt_expr list[7];
    size_t n = 0;
    if (shape->values.count) return listed(s, shape, place);
    if (shape->types & SHAPE_NULL) list[n++] = bnt_text(s->g, "null");
    if (shape->types & SHAPE_BOOLEAN)
        list[n++] = bnt_alt2(s->g, bnt_text(s->g, "true"), bnt_text(s->g, "false"));
    if (shape->types & SHAPE_STRING) list[n++] = shape_string(s, shape);
    if (shape->types & SHAPE_NUMBER) list[n++] = shape_number(s, shape);
    if (shape->types & SHAPE_ARRAY) list[n++] = array_of(s, shape);
    if (shape->types & SHAPE_OBJECT) list[n++] = shape_object(s, shape, place);
    return bnt_alt(s->g, list, n);
}

/* ---- choices ----------------------------------------------------------------------------------
 */

static bool is_one_of(const struct schemas *s, const struct part *choice) {
    return json_object_get(s->places[choice->place].schema, "oneOf") == choice->json;
}

static void check_disjoint(struct schemas *s, const struct shape *branches, size_t n,
                           uint32_t place) {
    for (size_t i = 0; i < n; i++)
        for (size_t k = i + 1; k < n && s->status == BNT_OK; k++)
            if (!shape_disjoint(s, &branches[i], &branches[k], 0))
                schema_fail(s, BNT_E_UNSUPPORTED, place, "oneOf",
                            "it cannot be seen that schemas %zu and %zu exclude each other; if "
                            "either will do, anyOf says so",
                            i, k);
}

bnt_expr shape_expand(struct schemas *s, struct shape *shape, uint32_t place) {
    if (s->status != BNT_OK || shape->types == 0) return BNT_EXPR_NEVER;
    if (!shape->choices.count) return plain(s, shape, place);
    struct part choice = shape->choices.list[--shape->choices.count];
    size_t n = json_array_size(choice.json);
    if ((s->expansions += n) > EXPANSIONS)
        schema_fail(s, BNT_E_LIMIT, place, NULL, "more than %d combinations of choices",
                    EXPANSIONS);
    bool one_of = is_one_of(s, &choice);
    struct shape *branches = calloc(n, sizeof *branches);
    bnt_expr *list = malloc(n * sizeof *list), e = BNT_EXPR_NEVER;
    if (!branches || !list) {
        bnt_grammar_fail(s->g, BNT_E_NOMEM, "no memory for %zu choices", n);
        goto out;
    }
    for (size_t i = 0; i < n && s->status == BNT_OK; i++) {
        shape_copy(s, &branches[i], shape);
        struct place branch = {json_array_get(choice.json, i),
                               choice.place,
                               one_of ? "oneOf" : "anyOf",
                               NULL,
                               i,
                               true};
        shape_pour(s, &branches[i], schema_place(s, branch));
    }
    if (one_of) check_disjoint(s, branches, n, choice.place);
    for (size_t i = 0; i < n; i++) list[i] = shape_expand(s, &branches[i], place);
    e = bnt_alt(s->g, list, n);
out:
    for (size_t i = 0; branches && i < n; i++) shape_free(&branches[i]);
    free(branches);
    free(list);
    return e;
}
