/*
 * schema.h - JSON Schema (draft 2020-12) as a grammar over the bytes of instances.
 *
 * Every keyword is compiled, known to say nothing about instances (title, description, ...), or
 * refused by its name and place: none is ignored. docs/GRAMMARS.md lists them, and says which
 * spellings of an instance the grammar has.
 */
#ifndef BNT_GRAMMARS_SCHEMA_H
#define BNT_GRAMMARS_SCHEMA_H

#include "grammar.h"

/* All false: what is written by a model. Members in the order of the schema, on one line, and none
 * that an object with `properties` does not name unless additionalProperties asks for them. */
struct bnt_schema_options {
    bool any_order;  /* objects of up to 48 named members: in any order */
    bool open;       /* objects without additionalProperties have any further members */
    bool free_space; /* none, one space or a new line where JSON has white space */
};

struct json_t; /* jansson.h */

/* A finished grammar. BNT_E_FORMAT: no JSON, or no schema; BNT_E_UNSUPPORTED names the keyword;
 * BNT_E_LIMIT: it needs more than it may. */
int bnt_schema_compile(struct bnt_grammar **out, const char *text, size_t len,
                       const struct bnt_schema_options *options, struct bnt_err *err);
/* The same as an expression of a grammar that has more; it reads the schema during the call only.
 */
int bnt_schema_add(struct bnt_grammar *g, const struct json_t *schema,
                   const struct bnt_schema_options *options, bnt_expr *out, struct bnt_err *err);
/* A text as JSON, each name once; given back by json_decref. */
int bnt_schema_read(struct json_t **out, const char *text, size_t len, struct bnt_err *err);
/* Any object. */
int bnt_schema_any_object(struct bnt_grammar **out, const struct bnt_schema_options *options,
                          struct bnt_err *err);

/* format.c */
struct bnt_format {
    const char *name, *pattern; /* of strings: pattern.h */
    const char *widest;         /* of all that any reader takes for one; NULL: not known */
    const char *low, *high;     /* of numbers: JSON's text, or NULL */
};
const struct bnt_format *bnt_format(const char *name); /* NULL: not known */

#endif
