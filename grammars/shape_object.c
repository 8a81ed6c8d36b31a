/*
 * shape_object.c - objects: members by their names, and further ones.
 *
 * What `propertyNames` asks of a name is a shape of its own. Names that it lists are members like
 * those of `properties`; a pattern, a format or lengths of it are what the names of further members
 * are made of.
 */
#include <stdlib.h>
#include <string.h>

#include "shape.h"

struct names {
    const char **list;
    bool *required;
    size_t count, capacity;
};

static void add_name(struct schemas *s, struct names *n, const char *name, bool required) {
    if (s->g->status != BNT_OK) return; /* of a schema that is refused no more is looked at */
    for (size_t i = 0; i < n->count; i++) {
        if (strcmp(n->list[i], name) != 0) continue;
        n->required[i] |= required;
        return;
    }
    if (n->count == BNT_NAMES_MAX) {
        bnt_grammar_fail(s->g, BNT_E_LIMIT, "an object of more than %d members", BNT_NAMES_MAX);
        return;
    }
    if (n->count == n->capacity) {
        size_t capacity = 2 * n->capacity + 16;
        const char **list = reallocarray(n->list, capacity, sizeof *list);
        if (list) n->list = list;
        bool *flags = reallocarray(n->required, capacity, sizeof *flags);
        if (flags) n->required = flags;
        if (!list || !flags) {
            bnt_grammar_fail(s->g, BNT_E_NOMEM, "no memory for an object");
            return;
        }
        n->capacity = capacity;
    }
    n->list[n->count] = name;
    n->required[n->count++] = required;
}

static void collect_names(struct schemas *s, const struct shape *shape, struct names *n) {
    for (size_t i = 0; i < shape->objects.count; i++) {
        const char *name;
        json_t *v;
        json_object_foreach(json_object_get(shape->objects.list[i].json, "properties"), name, v) {
            add_name(s, n, name, false);
        }
    }
    for (size_t i = 0; i < shape->required.count; i++) {
        size_t k;
        json_t *v;
        json_array_foreach(shape->required.list[i].json, k, v) {
            add_name(s, n, json_string_value(v), true);
        }
    }
}

/* Whether further members are allowed; *of is what all of them fall under. */
static bool takes_others(struct schemas *s, const struct shape *shape, struct parts *of) {
    bool said = false, named = false;
    for (size_t i = 0; i < shape->objects.count; i++) {
        const struct part *p = &shape->objects.list[i];
        const json_t *v = json_object_get(p->json, "additionalProperties");
        named |= json_object_get(p->json, "properties") != NULL;
        if (json_is_false(v)) return false;
        if (!v) continue;
        said = true;
        parts_add(s, of, v,
                  schema_place(s, (struct place){v, p->place, "additionalProperties", NULL,
                                                 SIZE_MAX, false}));
    }
    return said || !named || s->options.open;
}

/* ---- names ------------------------------------------------------------------------------------
 */

/* What propertyNames says of a name; whether it says anything. */
static bool pour_names(struct schemas *s, const struct shape *shape, struct shape *out) {
    *out = shape_any();
    for (size_t i = 0; i < shape->names.count; i++) shape_pour(s, out, shape->names.list[i].place);
    out->types &= SHAPE_STRING;
    return !out->types || out->values.count || out->choices.count || out->texts.count ||
           out->min_length > 0 || out->max_length != BNT_NO_LIMIT;
}

/* Whether it is of the lists from `list` on, and what else is asked of names. */
static bool may_be(struct schemas *s, const struct shape *naming, size_t list, const json_t *name,
                   uint32_t place) {
    if (!name) {
        bnt_grammar_fail(s->g, BNT_E_NOMEM, "no memory for a name");
        return false;
    }
    const enum fits fits = shape_lists(s, naming, list, name) ? shape_fits(naming, name) : FITS_NOT;
    if (fits == FITS_UNKNOWN)
        schema_fail(s, BNT_E_UNSUPPORTED, place, "propertyNames",
                    "with a pattern, a format or choices, beside names");
    return fits == FITS;
}

/* The names that propertyNames lists may come, if others may. */
static void add_listed(struct schemas *s, const struct shape *naming, struct names *n,
                       uint32_t place) {
    const struct part *list = naming->values.list;
    for (size_t i = 0; i < part_values(list); i++) {
        const json_t *v = part_value(list, i);
        if (!json_is_string(v) || !may_be(s, naming, 1, v, place)) continue;
        if (strlen(json_string_value(v)) != json_string_length(v))
            schema_fail(s, BNT_E_UNSUPPORTED, place, "propertyNames", "a name with U+0000");
        else
            add_name(s, n, json_string_value(v), false);
    }
}

/* Names that may not be are left out; false where one of them must be. */
static bool keep_allowed(struct schemas *s, const struct shape *naming, struct names *n,
                         uint32_t place) {
    size_t kept = 0;
    bool possible = true;
    for (size_t i = 0; i < n->count; i++) {
        json_t *name = json_string(n->list[i]);
        if (may_be(s, naming, 0, name, place)) {
            n->list[kept] = n->list[i];
            n->required[kept++] = n->required[i];
        } else if (n->required[i]) {
            possible = false;
        }
        json_decref(name);
    }
    n->count = kept;
    return possible;
}

/* ---- the whole --------------------------------------------------------------------------------
 */

static void make_members(struct schemas *s, const struct shape *shape, const struct names *n,
                         struct bnt_member *members) {
    for (size_t i = 0; i < n->count && s->status == BNT_OK; i++) {
        struct parts of = {0};
        shape_member(s, shape, n->list[i], &of);
        bnt_expr name = bnt_json_quoted(s->g, n->list[i], strlen(n->list[i]));
        bnt_expr e = bnt_seq3(s->g, name, s->style.colon, shape_rule(s, &of));
        members[i] = (struct bnt_member){e, n->required[i]};
        free(of.list);
    }
}

/* The set of members; `other` NEVER: no further ones. */
static bnt_expr set_of(struct schemas *s, const struct shape *shape, const struct names *n,
                       bnt_expr other, uint32_t place) {
    uint32_t min = shape->min_members, must = 0;
    struct bnt_member *members = malloc((n->count + 1) * sizeof *members);
    bnt_expr e = BNT_EXPR_NEVER;
    if (!members) return bnt_grammar_fail(s->g, BNT_E_NOMEM, "no memory for an object");
    make_members(s, shape, n, members);
    for (size_t i = 0; i < n->count; i++) must += n->required[i];
    if (other != BNT_EXPR_NEVER) { /* whose names may repeat: their number is not that of members */
        if (min <= must) min = 0;
        if (min > 1)
            schema_fail(s, BNT_E_UNSUPPORTED, place, "minProperties",
                        "above 1 needs additionalProperties false");
    }
    if (s->status == BNT_OK) /* else not every member is set */
        e = bnt_set(s->g, s->style.comma, members, n->count, other, min, shape->max_members,
                    !s->options.any_order || n->count > BNT_SET_MEMBERS);
    free(members);
    return shape_enclosed(s, "{", e, "}");
}

bnt_expr shape_object(struct schemas *s, const struct shape *shape, uint32_t place) {
    struct names n = {0};
    struct parts of = {0};
    struct shape naming;
    const bool named = pour_names(s, shape, &naming), listed = naming.values.count > 0;
    bool others = takes_others(s, shape, &of), possible = true;
    bnt_expr other = BNT_EXPR_NEVER, e = BNT_EXPR_NEVER;
    collect_names(s, shape, &n);
    if (named) possible = keep_allowed(s, &naming, &n, place);
    if (others && listed) add_listed(s, &naming, &n, place);
    if (others && !listed && naming.types) {
        if (naming.choices.count || (named && n.count)) /* whose names further ones must not have */
            schema_fail(s, BNT_E_UNSUPPORTED, place, "propertyNames",
                        naming.choices.count ? "with anyOf or oneOf"
                                             : "with a pattern, a format or lengths beside names");
        const bnt_expr name =
            named ? shape_string(s, &naming) : bnt_json_other_string(s->g, n.list, n.count);
        other = bnt_seq3(s->g, name, s->style.colon, shape_rule(s, &of));
    }
    if (possible && s->status == BNT_OK) e = set_of(s, shape, &n, other, place);
    free(of.list);
    free(n.list);
    free(n.required);
    shape_free(&naming);
    return e;
}
