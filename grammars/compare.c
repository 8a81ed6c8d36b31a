/*
 * compare.c - values against shapes, and shapes against each other. Where an answer would need the
 * whole of a schema, it is "cannot be seen".
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "shape.h"

bool json_same(const json_t *a, const json_t *b) {
    if (json_is_number(a) && json_is_number(b)) {
        if (json_is_integer(a) && json_is_integer(b))
            return json_integer_value(a) == json_integer_value(b);
        double x = json_number_value(a), y = json_number_value(b);
        return x >= y && x <= y;
    }
    if (json_is_array(a) && json_is_array(b)) {
        if (json_array_size(a) != json_array_size(b)) return false;
        for (size_t i = 0; i < json_array_size(a); i++)
            if (!json_same(json_array_get(a, i), json_array_get(b, i))) return false;
        return true;
    }
    if (json_is_object(a) && json_is_object(b)) {
        const char *key;
        json_t *v;
        if (json_object_size(a) != json_object_size(b)) return false;
        json_object_foreach((json_t *)a, key, v) {
            const json_t *other = json_object_get(b, key);
            if (!other || !json_same(v, other)) return false;
        }
        return true;
    }
    return json_equal(a, b);
}

static unsigned type_of(const json_t *v) {
    switch (json_typeof(v)) {
    case JSON_NULL: return SHAPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE: return SHAPE_BOOLEAN;
    case JSON_OBJECT: return SHAPE_OBJECT;
    case JSON_ARRAY: return SHAPE_ARRAY;
    case JSON_STRING: return SHAPE_STRING;
    case JSON_INTEGER: return SHAPE_INTEGER;
    case JSON_REAL: {
        double x = json_real_value(v);
        bool large =
            x >= 9007199254740992.0 || x <= -9007199254740992.0; /* such ones have no fraction */
        return large || ((double)(int64_t)x >= x && (double)(int64_t)x <= x) ? SHAPE_INTEGER
                                                                             : SHAPE_FRACTION;
    }
    }
    return 0;
}

static size_t characters(const json_t *v) {
    const char *p = json_string_value(v);
    size_t n = 0;
    for (size_t i = 0; i < json_string_length(v); i++) n += ((unsigned char)p[i] & 0xC0) != 0x80;
    return n;
}

static bool in_bounds(const struct shape *shape, double x) {
    const struct bounds b = shape_bounds(shape);
    const double low = b.low ? json_number_value(b.low) : -INFINITY;
    const double high = b.high ? json_number_value(b.high) : INFINITY;
    return !(x < low || (x <= low && b.low_excluded) || x > high || (x >= high && b.high_excluded));
}

/* Whole numbers that a double has exactly. */
static bool is_multiple(const struct shape *shape, double x) {
    for (size_t i = 0; i < shape->multiples.count; i++)
        if (fmod(x, json_number_value(shape->multiples.list[i].json)) != 0.0) return false;
    return true;
}

static bool has_required(const struct shape *shape, const json_t *value) {
    for (size_t i = 0; i < shape->required.count; i++) {
        size_t k;
        json_t *name;
        json_array_foreach(shape->required.list[i].json, k,
                           name) if (!json_object_get(value, json_string_value(name))) return false;
    }
    return true;
}

enum fits shape_fits(const struct shape *shape, const json_t *value) {
    unsigned type = type_of(value);
    size_t n;
    if (!(shape->types & type)) return FITS_NOT;
    switch (type) {
    case SHAPE_STRING:
        n = characters(value);
        if (n < shape->min_length || n > shape->max_length) return FITS_NOT;
        if (shape->texts.count) return FITS_UNKNOWN;
        break;
    case SHAPE_INTEGER:
    case SHAPE_FRACTION:
        if (!in_bounds(shape, json_number_value(value))) return FITS_NOT;
        if (type == SHAPE_FRACTION && shape->form.low) return FITS_NOT;
        if (!is_multiple(shape, json_number_value(value))) return FITS_NOT;
        if (shape->multiples.count && fabs(json_number_value(value)) > 0x1p53) return FITS_UNKNOWN;
        break;
    case SHAPE_ARRAY:
        n = json_array_size(value);
        if (n < shape->min_items || n > shape->max_items) return FITS_NOT;
        if (shape->arrays.count || shape->unique.count) return FITS_UNKNOWN;
        break;
    case SHAPE_OBJECT:
        n = json_object_size(value);
        if (n < shape->min_members || n > shape->max_members || !has_required(shape, value))
            return FITS_NOT;
        if (shape->objects.count || shape->names.count) return FITS_UNKNOWN;
        break;
    default: break;
    }
    return shape->choices.count ? FITS_UNKNOWN : FITS;
}

size_t part_values(const struct part *p) {
    return p->place == UINT32_MAX ? 1 : json_array_size(p->json);
}

const json_t *part_value(const struct part *p, size_t i) {
    return p->place == UINT32_MAX ? p->json : json_array_get(p->json, i);
}

bool shape_lists(struct schemas *s, const struct shape *shape, size_t from, const json_t *value) {
    for (size_t i = from; i < shape->values.count; i++) {
        const struct part *p = &shape->values.list[i];
        bool found = false;
        if (!schema_spend(s, part_values(p))) return false;
        for (size_t k = 0; k < part_values(p) && !found; k++)
            found = json_same(part_value(p, k), value);
        if (!found) return false;
    }
    return true;
}

/* ---- two shapes -------------------------------------------------------------------------------
 */

static bool values_apart(struct schemas *s, const struct shape *a, const struct shape *of) {
    struct shape any_form = *of; /* for a reader that does not know the format */
    any_form.form = (struct bounds){0};
    const struct shape *b = &any_form;
    const struct part *x = a->values.list, *y = b->values.list;
    uint64_t others = b->values.count ? part_values(y) : 1;
    if (!schema_spend(s, part_values(x) * others)) return false;
    for (size_t i = 0; i < part_values(x); i++) {
        bool other = !b->values.count;
        for (size_t k = 0; b->values.count && k < part_values(y); k++)
            if (json_same(part_value(x, i), part_value(y, k)) &&
                shape_fits(b, part_value(y, k)) != FITS_NOT)
                return false;
        if (other && shape_fits(b, part_value(x, i)) != FITS_NOT) return false;
    }
    return true;
}

static bool numbers_apart(const struct shape *a, const struct shape *b) {
    const struct bounds *x = &a->numbers, *y = &b->numbers;
    if (!x->high || !y->low) return false;
    double high = json_number_value(x->high), low = json_number_value(y->low);
    return high < low || (high <= low && (x->high_excluded || y->low_excluded));
}

static bool requires(struct schemas *s, const struct shape *shape, const char *name) {
    for (size_t i = 0; i < shape->required.count; i++) {
        size_t k;
        json_t *v;
        if (!schema_spend(s, json_array_size(shape->required.list[i].json))) return false;
        json_array_foreach(shape->required.list[i].json, k,
                           v) if (strcmp(json_string_value(v), name) == 0) return true;
    }
    return false;
}

static void pour_member(struct schemas *s, const struct shape *shape, const char *name,
                        struct shape *out) {
    struct parts of = {0};
    *out = shape_any();
    shape_member(s, shape, name, &of);
    for (size_t i = 0; i < of.count; i++) shape_pour(s, out, of.list[i].place);
    free(of.list);
}

/* A member that a must have is another one in b, or none. */
static bool objects_apart(struct schemas *s, const struct shape *a, const struct shape *b,
                          unsigned depth) {
    for (size_t i = 0; i < a->required.count; i++) {
        size_t k;
        json_t *v;
        json_array_foreach(a->required.list[i].json, k, v) {
            const char *name = json_string_value(v);
            struct shape x, y;
            pour_member(s, a, name, &x);
            pour_member(s, b, name, &y);
            bool apart =
                y.types == 0 || (requires(s, b, name) && shape_disjoint(s, &x, &y, depth + 1));
            shape_free(&x);
            shape_free(&y);
            if (apart) return true;
        }
    }
    return false;
}

bool shape_disjoint(struct schemas *s, const struct shape *a, const struct shape *b,
                    unsigned depth) {
    unsigned both = a->types & b->types;
    if (s->status != BNT_OK || depth > 4) return false;
    if (!both) return true;
    if (a->values.count && values_apart(s, a, b)) return true;
    if (b->values.count && values_apart(s, b, a)) return true;
    if (both & (SHAPE_NULL | SHAPE_BOOLEAN)) return false;
    if (both & SHAPE_NUMBER && !numbers_apart(a, b) && !numbers_apart(b, a)) return false;
    if (both & SHAPE_STRING && !shape_strings_apart(s, a, b)) return false;
    if (both & SHAPE_ARRAY && a->max_items >= b->min_items && b->max_items >= a->min_items)
        return false;
    return !(both & SHAPE_OBJECT) || objects_apart(s, a, b, depth) || objects_apart(s, b, a, depth);
}
