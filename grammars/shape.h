/*
 * shape.h - what several schemas together ask of one value; for the files of schemas only.
 *
 * The idea: schemas that hold at once (allOf, $ref, siblings) are poured into one shape, keyword
 * by keyword; what is a choice (anyOf, oneOf) waits in the shape until the rest is known.
 */
#ifndef BNT_GRAMMARS_SHAPE_H
#define BNT_GRAMMARS_SHAPE_H

#include "json.h"
#include "schema.h"

enum {
    SHAPE_NULL = 1,
    SHAPE_BOOLEAN = 2,
    SHAPE_OBJECT = 4,
    SHAPE_ARRAY = 8,
    SHAPE_STRING = 16,
    SHAPE_INTEGER = 32,
    SHAPE_FRACTION = 64, /* numbers that are no integers */
    SHAPE_NUMBER = SHAPE_INTEGER | SHAPE_FRACTION,
    SHAPE_ALL = 127,
};

/* A schema, and how one came to it: printed when it is refused. */
struct place {
    const json_t *schema;
    uint32_t parent;  /* UINT32_MAX: none */
    const char *word; /* the keyword of the parent */
    const char *name; /* the member or NULL */
    size_t index;     /* of an array; SIZE_MAX: none */
    bool same;        /* it is about the same value as the parent */
};

/* A part of a schema, and the schema's place. */
struct part {
    const json_t *json;
    uint32_t place;
};

struct parts {
    struct part *list;
    size_t count, capacity;
};

/* Between which numbers; NULL: no bound. */
struct bounds {
    const json_t *low, *high;
    bool low_excluded, high_excluded;
};

struct shape {
    unsigned types;
    struct parts done;      /* schemas that are in it */
    struct parts values;    /* arrays of which it is one value, each; or the value of `const` */
    struct parts texts;     /* patterns and formats, as strings */
    struct parts objects;   /* schemas that say something of members */
    struct parts arrays;    /* ... of elements */
    struct parts multiples; /* numbers that it is a multiple of */
    struct parts unique;    /* those that want them all different */
    struct parts required;  /* arrays of names */
    struct parts names;     /* schemas of them */
    struct parts choices;   /* arrays of schemas; those of oneOf have one_of set */
    uint32_t min_length, max_length, min_items, max_items, min_members, max_members;
    struct bounds numbers;
    struct bounds form; /* of a format that names a kind of integers; not every reader knows it */
};

struct schemas {
    struct bnt_grammar *g;
    struct bnt_schema_options options;
    struct bnt_json_style style;
    const json_t *root;
    bnt_expr any; /* any value; BNT_EXPR_NEVER until it is asked for */
    struct place *places;
    size_t n_places, place_capacity;
    struct wanted { /* rules, in the order in which they came up */
        uint64_t hash;
        uint32_t rule;
        struct parts of;    /* schemas, in the order in which they were met */
        const json_t **key; /* the same, by address */
    } * rules;
    size_t n_rules, rule_capacity;
    size_t expansions;
    struct string { /* of several conditions, worked out */
        json_t *of;
        bnt_expr e;
    } * strings;
    size_t n_strings, string_capacity;
    uint64_t effort; /* left for more of them */
    json_t *bounds;  /* array of numbers that formats brought */
    uint64_t steps;  /* left for what grows with the square of a schema: schema_spend */
    struct bnt_err *err;
    int status;
};

/* Notes a failure unless there was one; names the place, and the keyword unless NULL. */
__attribute__((format(printf, 5, 6))) void schema_fail(struct schemas *s, int status,
                                                       uint32_t place, const char *keyword,
                                                       const char *fmt, ...);
uint32_t schema_place(struct schemas *s, struct place place);
/* So many comparisons or copies are to be made: false, and a failure noted, where they would be too
 * many for one schema. */
bool schema_spend(struct schemas *s, uint64_t steps);
/* Room for one more in an array of elements of this size. */
bool schema_grow(struct schemas *s, void *array, size_t count, size_t *capacity, size_t size);
bool parts_add(struct schemas *s, struct parts *p, const json_t *json, uint32_t place);

/* pour.c */
struct shape shape_any(void);
void shape_free(struct shape *shape);
void shape_copy(struct schemas *s, struct shape *to, const struct shape *from);
void shape_pour(struct schemas *s, struct shape *shape, uint32_t place);
/* Its bounds, those of its format with them. */
struct bounds shape_bounds(const struct shape *shape);
/* The schemas that a member of this name falls under, as places. */
void shape_member(struct schemas *s, const struct shape *shape, const char *name,
                  struct parts *out);

/* compare.c: whether no value is of both; false where that cannot be seen. */
bool shape_disjoint(struct schemas *s, const struct shape *a, const struct shape *b,
                    unsigned depth);
/* Whether the value is of the shape, its own list of values left aside. */
enum fits { FITS_NOT, FITS, FITS_UNKNOWN };
enum fits shape_fits(const struct shape *shape, const json_t *value);
bool json_same(const json_t *a, const json_t *b); /* 1 and 1.0 are */
/* The values of such a list: those of an array, or one. */
size_t part_values(const struct part *p);
const json_t *part_value(const struct part *p, size_t i);
/* Whether each of its lists of values, from this one on, has the value. */
bool shape_lists(struct schemas *s, const struct shape *shape, size_t from, const json_t *value);

/* shape_string.c: the strings of a shape; those of a list that are of it; whether none is of both
 * (false also where that takes too much). */
bnt_expr shape_string(struct schemas *s, const struct shape *shape);
bnt_expr shape_strings(struct schemas *s, const struct shape *shape, const json_t *const *list,
                       size_t n);
bool shape_strings_apart(struct schemas *s, const struct shape *a, const struct shape *b);
void strings_free(struct schemas *s);

/* shape_number.c: the numbers of a shape; whether multipleOf may be this. */
bnt_expr shape_number(struct schemas *s, const struct shape *shape);
bool shape_multiple_is_known(double m);

/* shape_object.c */
bnt_expr shape_object(struct schemas *s, const struct shape *shape, uint32_t place);

/* shape_expr.c */
bnt_expr shape_rule(struct schemas *s, struct parts *of); /* any value where there is no schema */
bnt_expr shape_enclosed(struct schemas *s, const char *open, bnt_expr inside, const char *close);
bnt_expr shape_expand(struct schemas *s, struct shape *shape, uint32_t place);
/* The rule of a value that falls under all of these. */
bnt_expr schema_rule(struct schemas *s, struct parts *of);

#endif
