/*
 * pour.c - a schema's keywords, each into the shape: see shape.h. One row of the table for each
 * keyword there is; what has no row is refused.
 */
#include <stdlib.h>
#include <string.h>

#include "shape.h"

struct shape shape_any(void) {
    return (struct shape){.types = SHAPE_ALL,
                          .max_length = BNT_NO_LIMIT,
                          .max_items = BNT_NO_LIMIT,
                          .max_members = BNT_NO_LIMIT};
}

enum { COPY = 16 }; /* memory is dearer than a comparison */

static void parts_copy(struct schemas *s, struct parts *to, const struct parts *from) {
    *to = (struct parts){0};
    if (!schema_spend(s, COPY * from->count)) return;
    for (size_t i = 0; i < from->count; i++)
        parts_add(s, to, from->list[i].json, from->list[i].place);
}

void shape_copy(struct schemas *s, struct shape *to, const struct shape *from) {
    *to = *from;
    parts_copy(s, &to->done, &from->done);
    parts_copy(s, &to->values, &from->values);
    parts_copy(s, &to->texts, &from->texts);
    parts_copy(s, &to->objects, &from->objects);
    parts_copy(s, &to->arrays, &from->arrays);
    parts_copy(s, &to->multiples, &from->multiples);
    parts_copy(s, &to->unique, &from->unique);
    parts_copy(s, &to->required, &from->required);
    parts_copy(s, &to->names, &from->names);
    parts_copy(s, &to->choices, &from->choices);
}

void shape_free(struct shape *shape) {
    free(shape->done.list);
    free(shape->values.list);
    free(shape->texts.list);
    free(shape->objects.list);
    free(shape->arrays.list);
    free(shape->multiples.list);
    free(shape->unique.list);
    free(shape->required.list);
    free(shape->names.list);
    free(shape->choices.list);
    *shape = (struct shape){0};
}

/* ---- keywords ---------------------------------------------------------------------------------
 */

struct row {
    const char *name;
    void (*take)(struct schemas *s, struct shape *shape, uint32_t place, const struct row *row,
                 const json_t *value);
    size_t field; /* in the shape, of what a row of its kind works on */
};

#define TAKE(what)                                                                                 \
    static void take_##what(struct schemas *s, struct shape *shape, uint32_t place,                \
                            const struct row *row, const json_t *value)

static void wrong(struct schemas *s, uint32_t place, const struct row *row, const char *what) {
    schema_fail(s, BNT_E_FORMAT, place, row->name, "must be %s", what);
}

TAKE(nothing) {
    (void)s, (void)shape, (void)place, (void)row, (void)value;
}

/* A string that a keyword is about; NULL for another value, or one with U+0000, which ends no name
 * here though it would for strcmp. */
static const char *word_of(const json_t *value) {
    const char *text = json_string_value(value);
    return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static unsigned type_named(const char *name) {
    static const struct {
        const char *name;
        unsigned type;
    } types[] = {{"null", SHAPE_NULL},      {"boolean", SHAPE_BOOLEAN}, {"object", SHAPE_OBJECT},
                 {"array", SHAPE_ARRAY},    {"string", SHAPE_STRING},   {"number", SHAPE_NUMBER},
                 {"integer", SHAPE_INTEGER}};
    for (size_t i = 0; name && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) return types[i].type;
    return 0;
}

TAKE(type) {
    unsigned types = type_named(word_of(value)), one = types;
    size_t i;
    json_t *name;
    json_array_foreach(value, i, name) {
        one = type_named(word_of(name));
        types |= one;
        if (!one) break;
    }
    if (!one) wrong(s, place, row, "the name of a type, or an array of them");
    shape->types &= types;
}

TAKE(values) {
    if (strcmp(row->name, "enum") == 0 && (!json_is_array(value) || !json_array_size(value)))
        wrong(s, place, row, "an array of at least one value");
    else
        parts_add(s, &shape->values, value, strcmp(row->name, "enum") == 0 ? place : UINT32_MAX);
}

/* A count; least: the larger of two holds, else the smaller. */
static void take_count(struct schemas *s, struct shape *shape, uint32_t place,
                       const struct row *row, const json_t *value, bool least) {
    uint32_t *field = (uint32_t *)(void *)((char *)shape + row->field);
    double n = json_number_value(value);
    if (!json_is_number(value) || n < 0 || n >= 0x1p63 || (double)(int64_t)n < n) {
        wrong(s, place, row, "a count");
        return;
    }
    uint32_t v = n < (double)BNT_COUNT_MAX ? (uint32_t)n : (uint32_t)BNT_COUNT_MAX;
    if (n > (double)BNT_COUNT_MAX && !least) v = BNT_NO_LIMIT; /* no text is that long */
    if (n > (double)BNT_COUNT_MAX && least)
        schema_fail(s, BNT_E_LIMIT, place, row->name, "counts to more than %d", BNT_COUNT_MAX);
    if (least ? v > *field : v < *field) *field = v;
}

TAKE(least) {
    take_count(s, shape, place, row, value, true);
}

TAKE(most) {
    take_count(s, shape, place, row, value, false);
}

static void from(struct bounds *b, const json_t *low, bool excluded) {
    double v = json_number_value(low), old = json_number_value(b->low);
    if (!low || (b->low && (v < old || (v <= old && !excluded)))) return;
    b->low = low;
    b->low_excluded = excluded;
}

static void up_to(struct bounds *b, const json_t *high, bool excluded) {
    double v = json_number_value(high), old = json_number_value(b->high);
    if (!high || (b->high && (v > old || (v >= old && !excluded)))) return;
    b->high = high;
    b->high_excluded = excluded;
}

struct bounds shape_bounds(const struct shape *shape) {
    struct bounds b = shape->numbers;
    from(&b, shape->form.low, shape->form.low_excluded);
    up_to(&b, shape->form.high, shape->form.high_excluded);
    return b;
}

TAKE(minimum) {
    if (json_is_number(value))
        from(&shape->numbers, value, row->field);
    else
        wrong(s, place, row, "a number");
}

TAKE(maximum) {
    if (json_is_number(value))
        up_to(&shape->numbers, value, row->field);
    else
        wrong(s, place, row, "a number");
}

TAKE(multiple) {
    const double m = json_number_value(value);
    if (!json_is_number(value) || m <= 0)
        wrong(s, place, row, "a number above 0");
    else if (!shape_multiple_is_known(m))
        schema_fail(s, BNT_E_UNSUPPORTED, place, row->name,
                    "is possible only of whole numbers up to 1000");
    else
        parts_add(s, &shape->multiples, value, place);
}

TAKE(pattern) {
    if (json_is_string(value))
        parts_add(s, &shape->texts, value, place);
    else
        wrong(s, place, row, "a string");
}

/* A number that lives as long as the schemas do. */
static const json_t *bound(struct schemas *s, const char *text) {
    json_t *number = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!s->bounds) s->bounds = json_array();
    if (json_array_append_new(s->bounds, number) == 0) return number;
    return bnt_grammar_fail(s->g, BNT_E_NOMEM, "no memory for a format"), NULL;
}

/* Of strings a format is its pattern, without a place of its own. */
TAKE(format) {
    const struct bnt_format *format = word_of(value) ? bnt_format(word_of(value)) : NULL;
    if (!json_is_string(value)) {
        wrong(s, place, row, "a string");
    } else if (!format) {
        schema_fail(s, BNT_E_UNSUPPORTED, place, row->name, "'%.60s' is not supported",
                    json_string_value(value));
    } else {
        from(&shape->form, format->low ? bound(s, format->low) : NULL, false);
        up_to(&shape->form, format->high ? bound(s, format->high) : NULL, false);
        parts_add(s, &shape->texts, value, UINT32_MAX);
    }
}

static bool is_schema(const json_t *v) {
    return json_is_object(v) || json_is_boolean(v);
}

/* This schema says something of members (or elements): once, whichever keyword comes first. */
static void note(struct schemas *s, struct parts *p, uint32_t place) {
    if (p->count && p->list[p->count - 1].place == place) return;
    parts_add(s, p, s->places[place].schema, place);
}

TAKE(properties) {
    const char *name;
    json_t *v;
    if (!json_is_object(value)) {
        wrong(s, place, row, "an object");
        return;
    }
    json_object_foreach((json_t *)value, name, v) {
        if (!is_schema(v)) wrong(s, place, row, "an object of schemas");
    }
    note(s, &shape->objects, place);
}

TAKE(additional) {
    if (!is_schema(value)) wrong(s, place, row, "a schema");
    note(s, &shape->objects, place);
}

TAKE(required) {
    size_t i;
    json_t *name;
    if (!json_is_array(value)) wrong(s, place, row, "an array of names");
    json_array_foreach(value, i, name) {
        if (!json_is_string(name))
            wrong(s, place, row, "an array of names");
        else if (!word_of(name))
            schema_fail(s, BNT_E_UNSUPPORTED, place, row->name, "a name with U+0000");
    }
    parts_add(s, &shape->required, value, place);
}

TAKE(names) {
    if (is_schema(value))
        parts_add(s, &shape->names, value,
                  schema_place(s, (struct place){value, place, row->name, NULL, SIZE_MAX, false}));
    else
        wrong(s, place, row, "a schema");
}

static bool schemas_in(struct schemas *s, uint32_t place, const struct row *row,
                       const json_t *value) {
    size_t i;
    json_t *v;
    bool fine = json_is_array(value) && json_array_size(value) > 0;
    json_array_foreach(value, i, v) {
        fine = fine && is_schema(v);
    }
    if (!fine) wrong(s, place, row, "an array of schemas");
    return fine;
}

/* The draft that is named, or the one that counts where none is. */
static const char *draft_of(const struct schemas *s) {
    const char *name = word_of(json_object_get(s->root, "$schema"));
    return name ? name : "2020-12";
}

static bool is_of_today(const struct schemas *s) {
    return strstr(draft_of(s), "2020-12");
}

TAKE(items) {
    if (json_is_array(value) && is_of_today(s))
        schema_fail(s, BNT_E_UNSUPPORTED, place, row->name,
                    "as an array is of drafts before 2020-12: prefixItems says the same, or "
                    "$schema names the draft");
    else if (json_is_array(value) && json_array_size(value) > 0)
        schemas_in(s, place, row, value);
    else if (!json_is_array(value) && !is_schema(value))
        wrong(s, place, row, "a schema");
    note(s, &shape->arrays, place);
}

TAKE(further_items) {
    if (is_of_today(s))
        schema_fail(s, BNT_E_UNSUPPORTED, place, row->name,
                    "is of drafts before 2020-12: items says the same beside prefixItems, or "
                    "$schema names the draft");
    else if (!is_schema(value))
        wrong(s, place, row, "a schema");
    note(s, &shape->arrays, place); /* without an array of items it says nothing */
}

TAKE(prefix) {
    if (!is_of_today(s)) {
        schema_fail(s, BNT_E_UNSUPPORTED, place, row->name, "is not of the draft that is named");
        return;
    }
    if (schemas_in(s, place, row, value)) note(s, &shape->arrays, place);
}

TAKE(all) {
    size_t i;
    json_t *v;
    if (!schemas_in(s, place, row, value)) return;
    json_array_foreach(value, i, v) {
        shape_pour(s, shape, schema_place(s, (struct place){v, place, row->name, NULL, i, true}));
    }
}

TAKE(choices) {
    if (schemas_in(s, place, row, value)) parts_add(s, &shape->choices, value, place);
}

/* ---- references -------------------------------------------------------------------------------
 */

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One name of a pointer, until the next /: %XX, ~0 and ~1 undone, in as many bytes as the pointer
 * has. Returns what is behind it. */
static const char *read_step(const char *at, char *out) {
    size_t n = 0;
    while (*at && *at != '/') {
        if (*at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
            out[n++] = (char)(hex(at[1]) << 4 | hex(at[2]));
            at += 3;
        } else {
            out[n++] = *at++;
        }
    }
    out[n] = '\0';
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (out[i] == '~' && (out[i + 1] == '0' || out[i + 1] == '1'))
            out[kept++] = out[++i] == '0' ? '~' : '/';
        else
            out[kept++] = out[i];
    }
    out[kept] = '\0';
    return at;
}

/* An element's number has no zeros before it (RFC 6901). */
static const json_t *element_of(const json_t *array, const char *name) {
    char *end;
    unsigned long i = strtoul(name, &end, 10);
    const bool is = *name >= '0' && *name <= '9' && !*end && (*name != '0' || !name[1]);
    return is ? json_array_get(array, i) : NULL;
}

/* NULL: nothing is there. *through: the way leads through a schema with an $id of its own, from
 * which on pointers would be counted. `name` has room for the pointer. */
static const json_t *target_of(const struct schemas *s, const char *pointer, char *name,
                               bool *through) {
    const json_t *at = s->root;
    *through = false;
    while (at && *pointer == '/') {
        if (at != s->root && json_is_string(json_object_get(at, "$id"))) *through = true;
        pointer = read_step(pointer + 1, name);
        at = json_is_array(at) ? element_of(at, name) : json_object_get(at, name);
    }
    return *pointer ? NULL : at;
}

static bool is_alone(const json_t *schema);

TAKE(reference) {
    const char *to = word_of(value);
    if (strstr(draft_of(s), "/draft-0") && !is_alone(s->places[place].schema)) {
        schema_fail(s, BNT_E_UNSUPPORTED, place, row->name,
                    "stands beside other keywords, which the draft that is named ignores");
        return;
    }
    if (!to) {
        wrong(s, place, row, "a string, without U+0000");
        return;
    }
    if (to[0] != '#' || (to[1] && to[1] != '/')) {
        schema_fail(s, BNT_E_UNSUPPORTED, place, row->name,
                    "'%.60s': only what is in the schema itself, as #/$defs/NAME", to);
        return;
    }
    bool through;
    char *name = strstr(to, "%00") ? NULL : malloc(strlen(to));
    const json_t *target = name ? target_of(s, to + 1, name, &through) : NULL;
    free(name);
    if (target && through)
        schema_fail(s, BNT_E_UNSUPPORTED, place, row->name,
                    "'%.60s' leads through a schema with an $id of its own", to);
    else if (!is_schema(target))
        schema_fail(s, BNT_E_FORMAT, place, row->name, "'%.60s': there is no such schema", to);
    else
        shape_pour(s, shape,
                   schema_place(s, (struct place){target, place, row->name, NULL, SIZE_MAX, true}));
}

TAKE(dialect) {
    static const char *const known[] = {"https://json-schema.org/draft/2020-12/schema",
                                        "https://json-schema.org/draft/2019-09/schema",
                                        "http://json-schema.org/draft-07/schema",
                                        "http://json-schema.org/draft-06/schema"};
    const char *name = word_of(value);
    (void)shape;
    for (size_t i = 0; name && i < sizeof known / sizeof *known; i++) {
        size_t n = strlen(known[i]);
        if (strncmp(name, known[i], n) == 0 && (!name[n] || strcmp(name + n, "#") == 0)) return;
    }
    schema_fail(s, BNT_E_UNSUPPORTED, place, row->name, "'%.60s' is not a known draft",
                name ? name : "");
}

TAKE(id) {
    (void)shape, (void)value;
    if (s->places[place].schema != s->root)
        schema_fail(s, BNT_E_UNSUPPORTED, place, row->name, "is supported at the top only");
}

TAKE(unique) {
    if (!json_is_boolean(value)) wrong(s, place, row, "true or false");
    if (json_is_true(value)) note(s, &shape->unique, place);
}

TAKE(nullable) {
    (void)shape;
    if (!json_is_false(value))
        schema_fail(s, BNT_E_UNSUPPORTED, place, row->name,
                    "is no word of JSON Schema: \"type\": [..., \"null\"] says it");
}

#define F(member) offsetof(struct shape, member)
static const struct row rows[] = {
    {"$schema", take_dialect, 0},
    {"$id", take_id, 0},
    {"$ref", take_reference, 0},
    {"type", take_type, 0},
    {"enum", take_values, 0},
    {"const", take_values, 0},
    {"minLength", take_least, F(min_length)},
    {"maxLength", take_most, F(max_length)},
    {"pattern", take_pattern, 0},
    {"format", take_format, 0},
    {"minimum", take_minimum, 0},
    {"exclusiveMinimum", take_minimum, 1},
    {"maximum", take_maximum, 0},
    {"exclusiveMaximum", take_maximum, 1},
    {"multipleOf", take_multiple, 0},
    {"properties", take_properties, 0},
    {"additionalProperties", take_additional, 0},
    {"required", take_required, 0},
    {"propertyNames", take_names, 0},
    {"minProperties", take_least, F(min_members)},
    {"maxProperties", take_most, F(max_members)},
    {"items", take_items, 0},
    {"prefixItems", take_prefix, 0},
    {"additionalItems", take_further_items, 0},
    {"minItems", take_least, F(min_items)},
    {"maxItems", take_most, F(max_items)},
    {"uniqueItems", take_unique, 0},
    {"nullable", take_nullable, 0},
    {"allOf", take_all, 0},
    {"anyOf", take_choices, 0},
    {"oneOf", take_choices, 0},
    /* these say nothing about instances */
    {"$defs", take_nothing, 0},
    {"definitions", take_nothing, 0},
    {"$comment", take_nothing, 0},
    {"$anchor", take_nothing, 0},
    {"title", take_nothing, 0},
    {"description", take_nothing, 0},
    {"default", take_nothing, 0},
    {"example", take_nothing, 0},
    {"examples", take_nothing, 0},
    {"deprecated", take_nothing, 0},
    {"readOnly", take_nothing, 0},
    {"writeOnly", take_nothing, 0},
    {"contentEncoding", take_nothing, 0},
    {"contentMediaType", take_nothing, 0},
    {"contentSchema", take_nothing, 0},
    {"discriminator", take_nothing, 0}, /* a hint which of oneOf it will be (OpenAPI) */
    {"externalDocs", take_nothing, 0},
    {"xml", take_nothing, 0},
    {"errorMessage", take_nothing, 0},
};

/* No keyword beside its $ref says anything of instances. */
static bool is_alone(const json_t *schema) {
    bool alone = true;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && alone; i++)
        alone = rows[i].take == take_nothing || rows[i].take == take_reference ||
                rows[i].take == take_dialect || rows[i].take == take_id ||
                !json_object_get(schema, rows[i].name);
    return alone;
}

/* The schema stands in its own way: it would have to be known to be known. */
static bool is_within_itself(const struct schemas *s, uint32_t place) {
    const json_t *schema = s->places[place].schema;
    while (s->places[place].same) {
        place = s->places[place].parent;
        if (s->places[place].schema == schema) return true;
    }
    return false;
}

void shape_pour(struct schemas *s, struct shape *shape, uint32_t place) {
    if (s->status != BNT_OK) return;
    const json_t *schema = s->places[place].schema;
    const char *keyword;
    json_t *value;
    if (is_within_itself(s, place)) {
        schema_fail(s, BNT_E_UNSUPPORTED, place, NULL,
                    "it refers to itself without a step inwards");
        return;
    }
    if (!schema_spend(s, shape->done.count)) return;
    for (size_t i = 0; i < shape->done.count; i++)
        if (shape->done.list[i].json == schema) return;
    parts_add(s, &shape->done, schema, place);
    if (json_is_false(schema)) shape->types = 0;
    json_object_foreach((json_t *)schema, keyword, value) {
        size_t i = 0;
        while (i < sizeof rows / sizeof *rows && strcmp(rows[i].name, keyword) != 0) i++;
        if (i == sizeof rows / sizeof *rows && strncmp(keyword, "x-", 2) == 0) continue;
        if (i == sizeof rows / sizeof *rows)
            schema_fail(s, BNT_E_UNSUPPORTED, place, NULL, "keyword '%.60s' is not supported",
                        keyword);
        else
            rows[i].take(s, shape, place, &rows[i], value);
        if (s->status != BNT_OK) return;
    }
}

void shape_member(struct schemas *s, const struct shape *shape, const char *name,
                  struct parts *out) {
    for (size_t i = 0; i < shape->objects.count; i++) {
        const struct part *p = &shape->objects.list[i];
        const json_t *v = json_object_get(json_object_get(p->json, "properties"), name);
        struct place place = {v, p->place, "properties", name, SIZE_MAX, false};
        if (!v)
            place = (struct place){json_object_get(p->json, "additionalProperties"),
                                   p->place,
                                   "additionalProperties",
                                   NULL,
                                   SIZE_MAX,
                                   false};
        if (place.schema) parts_add(s, out, place.schema, schema_place(s, place));
    }
}
