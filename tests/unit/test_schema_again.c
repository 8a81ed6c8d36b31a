/*
 * test_schema_again.c - a schema's grammar, and what is said against one, depend on the schema
 * alone: not on where in memory its parts lie.
 */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rng.h"
#include "schema.h"
#include "suite.h"

static const struct bnt_schema_options strict, lenient = {true, true, true};

/* A copy whose parts are made in an order drawn from r, and so lie in memory in another one. */
static json_t *scattered(const json_t *v, struct rng *r) {
    enum { MOST = 16 };
    json_t *parts[MOST], *value;
    const char *names[MOST], *name;
    size_t n = 0, order[MOST];
    if (json_is_array(v))
        for (; n < json_array_size(v); n++) parts[n] = json_array_get(v, n);
    else if (json_is_object(v)) {
        json_object_foreach((json_t *)v, name, value) {
            ck_assert_uint_lt(n, MOST);
            names[n] = name;
            parts[n++] = value;
        }
    } else
        return json_deep_copy(v);
    ck_assert_uint_le(n, MOST);
    for (size_t i = 0; i < n; i++) { /* a shuffle from the inside out */
        size_t k = rng_below(r, (uint32_t)i + 1);
        order[i] = order[k];
        order[k] = i;
    }
    for (size_t i = 0; i < n; i++) parts[order[i]] = scattered(parts[order[i]], r);
    json_t *copy = json_is_array(v) ? json_array() : json_object();
    for (size_t i = 0; i < n; i++)
        ck_assert(json_is_array(v) ? json_array_append_new(copy, parts[i]) == 0
                                   : json_object_set_new(copy, names[i], parts[i]) == 0);
    return copy;
}

struct made {
    int status;
    struct bnt_err err;
    struct bnt_grammar *g;
};

static struct made make(const json_t *schema, const struct bnt_schema_options *o) {
    struct made m = {0};
    struct bnt_err why = {0};
    bnt_expr e;
    ck_assert(bnt_grammar_open(&m.g, NULL) == BNT_OK);
    m.status = bnt_schema_add(m.g, schema, o, &e, &m.err);
    if (m.status == BNT_OK && (m.status = bnt_grammar_finish(m.g, e, &why)) != BNT_OK) m.err = why;
    return m;
}

static bool same_node(const struct bnt_node *a, const struct bnt_node *b) {
    return a->kind == b->kind && a->ordered == b->ordered && a->first == b->first &&
           a->count == b->count && a->min == b->min && a->max == b->max &&
           a->required == b->required && a->need == b->need && a->nullable == b->nullable;
}

static bool same(const struct made *x, const struct made *y) {
    const struct bnt_grammar *a = x->g, *b = y->g;
    if (x->status != y->status || strcmp(x->err.text, y->err.text) != 0) return false;
    if (x->status != BNT_OK) return true;
    bool is = a->n_nodes == b->n_nodes && a->n_kids == b->n_kids && a->n_rules == b->n_rules &&
              a->n_automata == b->n_automata && a->automaton_cells == b->automaton_cells &&
              a->root == b->root && memcmp(a->kids, b->kids, a->n_kids * sizeof *a->kids) == 0;
    for (uint32_t i = 0; is && i < a->n_nodes; i++) is = same_node(&a->nodes[i], &b->nodes[i]);
    for (uint32_t i = 0; is && i < a->n_rules; i++) is = a->rules[i].body == b->rules[i].body;
    return is;
}

static int check(const json_t *schema, const struct bnt_schema_options *o, struct rng *r) {
    struct made first = make(schema, o);
    for (unsigned k = 0; k < 12; k++) {
        json_t *copy = scattered(schema, r);
        struct made again = make(copy, o);
        if (!same(&first, &again)) {
            char *text = json_dumps(schema, 0);
            ck_abort_msg("%s: %d %s; elsewhere in memory: %d %s", text, first.status,
                         first.err.text, again.status, again.err.text);
        }
        bnt_grammar_close(again.g);
        json_decref(copy);
    }
    bnt_grammar_close(first.g);
    return first.status;
}

static const char *const schemas[] = {
    /* one member under two schemas: whose members come first */
    "{\"allOf\":[{\"properties\":{\"p\":{\"properties\":{\"x\":{\"const\":1}},\"required\":[\"x\"]"
    "}}},{\"properties\":{\"p\":{\"properties\":{\"z\":{\"const\":3}},\"required\":[\"z\"]}}}]}",
    /* ... beside choices that say more of it */
    "{\"type\":\"object\",\"properties\":{\"m\":{\"type\":\"object\",\"properties\":{\"id\":{"
    "\"const\":1}}}},\"anyOf\":[{\"properties\":{\"m\":{\"properties\":{\"x\":{\"const\":2}}}}},"
    "{\"properties\":{\"m\":{\"properties\":{\"y\":{\"const\":3}}}}}]}",
    /* which choice is divided first decides whether they are seen to exclude each other */
    "{\"allOf\":[{\"properties\":{\"p\":{\"oneOf\":[{\"type\":[\"string\",\"integer\"]},{\"type\":"
    "[\"string\",\"boolean\"]}]}}},{\"properties\":{\"p\":{\"anyOf\":[{\"type\":\"integer\"},{"
    "\"type\":\"boolean\"}]}}}]}",
    /* which of two faults is told */
    "{\"allOf\":[{\"properties\":{\"p\":{\"foo\":1}}},{\"properties\":{\"p\":{\"bar\":1}}}]}",
    /* elements, and names of members */
    "{\"allOf\":[{\"items\":{\"properties\":{\"a\":{}}}},{\"items\":{\"properties\":{\"b\":{}}}}]}",
    "{\"allOf\":[{\"additionalProperties\":{\"pattern\":\"a\"}},{\"additionalProperties\":{"
    "\"pattern\":\"b\",\"maxLength\":4}}],\"type\":\"object\"}",
    /* the same two schemas, met in either order */
    "{\"$defs\":{\"a\":{\"properties\":{\"x\":{}}},\"b\":{\"properties\":{\"y\":{}}}},\"properties"
    "\":{\"p\":{\"allOf\":[{\"$ref\":\"#/$defs/a\"},{\"$ref\":\"#/$defs/b\"}]},\"q\":{\"allOf\":[{"
    "\"$ref\":\"#/$defs/b\"},{\"$ref\":\"#/$defs/a\"}]}}}",
};

START_TEST(parts_lie_anywhere) {
    struct rng r = rng_stream(11, (uint64_t)_i);
    json_t *schema = json_loads(schemas[_i], 0, NULL);
    ck_assert_msg(schema != NULL, "%s", schemas[_i]);
    check(schema, &strict, &r);
    check(schema, &lenient, &r);
    json_decref(schema);
}
END_TEST

/* Some schema of a value, of few names so that schemas meet, and such that most can be together. */
static json_t *drawn(struct rng *r, unsigned depth) {
    static const char *const leaves[] = {
        "{}",
        "{\"maxLength\":3}",
        "{\"minimum\":2}",
        "{\"pattern\":\"^a\"}",
        "{\"type\":[\"integer\",\"string\",\"object\"]}",
        "{\"type\":\"object\"}",
        "{\"nothing\":1}",
    };
    static const char *const joins[] = {"allOf", "anyOf", "oneOf"};
    if (depth == 0) return json_loads(leaves[rng_below(r, 60) ? rng_below(r, 6) : 6], 0, NULL);
    json_t *o = json_object(), *members = json_object(), *list = json_array();
    for (unsigned i = rng_below(r, 3); i < 3; i++) {
        char name[2] = {(char)('p' + (int)rng_below(r, 3)), 0};
        json_object_set_new(members, name, drawn(r, depth - 1));
    }
    for (unsigned i = rng_below(r, 2); i < 2; i++) json_array_append_new(list, drawn(r, depth - 1));
    json_object_set_new(o, "properties", members);
    json_object_set_new(o, joins[rng_below(r, 9) ? rng_below(r, 2) : 2], list);
    return o;
}

START_TEST(drawn_parts_lie_anywhere) {
    struct rng r = rng_stream(12, 1);
    unsigned compiled = 0;
    for (unsigned i = 0; i < 300; i++) {
        json_t *schema = drawn(&r, 3);
        compiled += check(schema, i & 1 ? &lenient : &strict, &r) == BNT_OK;
        json_decref(schema);
    }
    ck_assert_uint_gt(compiled, 30);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("schema again");
    TCase *tc = tcase_create("schema again");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, parts_lie_anywhere, 0, sizeof schemas / sizeof *schemas);
    tcase_add_test(tc, drawn_parts_lie_anywhere);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
