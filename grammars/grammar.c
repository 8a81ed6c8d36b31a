/*
 * grammar.c - building the graph: see grammar.h.
 */
#include "grammar.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"

bnt_expr bnt_grammar_fail(struct bnt_grammar *g, int status, const char *fmt, ...) {
    char text[sizeof g->why.text];
    va_list args;
    if (g->status != BNT_OK) return BNT_EXPR_NEVER;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    g->status = bnt_fail(&g->why, status, "%s", text);
    return BNT_EXPR_NEVER;
}

/* Room for `more` elements behind *count of them. */
static bool reserve(struct bnt_grammar *g, void *array, uint32_t count, uint32_t more,
                    uint32_t *capacity, uint32_t most, size_t size, const char *what) {
    void **p = array;
    if (more > most - count) {
        bnt_grammar_fail(g, BNT_E_LIMIT, "it needs more than %u %s", most, what);
        return false;
    }
    if (count + more <= *capacity) return true;
    uint32_t n = 2 * (count + more) + 64;
    void *q = reallocarray(*p, n, size);
    if (!q) {
        bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for %u %s", n, what);
        return false;
    }
    *p = q;
    *capacity = n;
    return true;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h, uint64_t v) {
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

/* `first` says what it is. */
static bool is_leaf(const struct bnt_node *n) {
    return n->kind == BNT_NODE_BYTES || n->kind == BNT_NODE_AUTOMATON || n->kind == BNT_NODE_RULE;
}

static uint32_t hash_of(const struct bnt_node *n, const uint32_t *kids) {
    uint64_t h = mix(n->kind + 16u * n->ordered, (uint64_t)n->min << 32 | n->max);
    if (is_leaf(n)) h = mix(h, n->first);
    h = mix(h, n->required);
    for (uint32_t i = 0; i < n->count; i++) h = mix(h, kids[i]);
    return (uint32_t)(h >> 16);
}

static bool same(const struct bnt_grammar *g, const struct bnt_node *a, const struct bnt_node *b,
                 const uint32_t *kids) {
    return a->kind == b->kind && a->ordered == b->ordered && a->count == b->count &&
           a->min == b->min && a->max == b->max && a->required == b->required &&
           (!is_leaf(a) || a->first == b->first) &&
           (b->count == 0 || memcmp(g->kids + a->first, kids, b->count * sizeof *kids) == 0);
}

static bool grow_slots(struct bnt_grammar *g) {
    uint32_t n = g->mask ? 2 * (g->mask + 1) : 1024;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots) {
        bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for a table of expressions");
        return false;
    }
    for (uint32_t i = 2; i < g->n_nodes; i++) {
        uint32_t at = hash_of(&g->nodes[i], g->kids + g->nodes[i].first) & (n - 1);
        while (slots[at]) at = (at + 1) & (n - 1);
        slots[at] = i;
    }
    free(g->slots);
    g->slots = slots;
    g->mask = n - 1;
    return true;
}

/* The node that is like *n with these kids: an old one, or a new one. */
static bnt_expr intern(struct bnt_grammar *g, struct bnt_node n, const uint32_t *kids) {
    if (g->status != BNT_OK) return BNT_EXPR_NEVER;
    if (2 * g->n_nodes >= g->mask && !grow_slots(g)) return BNT_EXPR_NEVER;
    uint32_t at = hash_of(&n, kids) & g->mask;
    for (; g->slots[at]; at = (at + 1) & g->mask)
        if (same(g, &g->nodes[g->slots[at]], &n, kids)) return g->slots[at];
    if (!reserve(g, &g->nodes, g->n_nodes, 1, &g->node_capacity, BNT_GRAMMAR_NODES,
                 sizeof *g->nodes, "expressions") ||
        !reserve(g, &g->kids, g->n_kids, n.count, &g->kid_capacity, BNT_GRAMMAR_KIDS,
                 sizeof *g->kids, "parts of expressions"))
        return BNT_EXPR_NEVER;
    if (n.count) {
        memcpy(g->kids + g->n_kids, kids, n.count * sizeof *kids);
        n.first = g->n_kids;
        g->n_kids += n.count;
    }
    g->nodes[g->n_nodes] = n;
    g->slots[at] = g->n_nodes;
    return g->n_nodes++;
}

int bnt_grammar_open(struct bnt_grammar **out, struct bnt_err *err) {
    struct bnt_grammar *g = calloc(1, sizeof *g);
    *out = NULL;
    if (!g ||
        !reserve(g, &g->nodes, 0, 2, &g->node_capacity, BNT_GRAMMAR_NODES, sizeof *g->nodes,
                 "expressions") ||
        !reserve(g, &g->kids, 0, 2, &g->kid_capacity, BNT_GRAMMAR_KIDS, sizeof *g->kids, "parts")) {
        bnt_grammar_close(g);
        return bnt_fail_nomem(err, "a grammar", sizeof *g);
    }
    g->nodes[BNT_EXPR_EMPTY] = (struct bnt_node){.kind = BNT_NODE_EMPTY};
    g->nodes[BNT_EXPR_NEVER] = (struct bnt_node){.kind = BNT_NODE_NEVER};
    g->n_nodes = 2;
    *out = g;
    return BNT_OK;
}

void bnt_grammar_close(struct bnt_grammar *g) {
    if (!g) return;
    free(g->nodes);
    free(g->kids);
    free(g->classes);
    free(g->rules);
    for (uint32_t i = 0; i < g->n_automata; i++) bnt_automaton_close(g->automata[i]);
    free(g->automata);
    free(g->slots);
    free(g);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

bnt_expr bnt_byte_of(struct bnt_grammar *g, const struct bnt_byte_class *c) {
    uint32_t i = 0;
    if (!(c->bits[0] | c->bits[1] | c->bits[2] | c->bits[3])) return BNT_EXPR_NEVER;
    while (i < g->n_classes && memcmp(&g->classes[i], c, sizeof *c) != 0) i++;
    if (i == g->n_classes) {
        if (!reserve(g, &g->classes, g->n_classes, 1, &g->class_capacity, 4096, sizeof *g->classes,
                     "sets of bytes"))
            return BNT_EXPR_NEVER;
        g->classes[g->n_classes++] = *c;
    }
    return intern(g, (struct bnt_node){.kind = BNT_NODE_BYTES, .first = i}, NULL);
}

bnt_expr bnt_byte_range(struct bnt_grammar *g, uint8_t lo, uint8_t hi) {
    struct bnt_byte_class c = {{0}};
    for (unsigned b = lo; b <= hi; b++) c.bits[b / 64] |= UINT64_C(1) << b % 64;
    return bnt_byte_of(g, &c);
}

bnt_expr bnt_literal(struct bnt_grammar *g, const void *text, size_t len) {
    const uint8_t *bytes = text;
    bnt_expr *parts = malloc((len + 1) * sizeof *parts);
    if (!parts) return bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for a text of %zu bytes", len);
    for (size_t i = 0; i < len; i++) parts[i] = bnt_byte_range(g, bytes[i], bytes[i]);
    bnt_expr e = bnt_seq(g, parts, len);
    free(parts);
    return e;
}

bnt_expr bnt_text(struct bnt_grammar *g, const char *text) {
    return bnt_literal(g, text, strlen(text));
}

/* ---- what is made of parts ------------------------------------------------------------------- */

static bnt_expr too_long(struct bnt_grammar *g) {
    return bnt_grammar_fail(g, BNT_E_LIMIT, "it needs more than %d parts of expressions",
                            BNT_GRAMMAR_KIDS);
}

bnt_expr bnt_seq(struct bnt_grammar *g, const bnt_expr *parts, size_t n) {
    size_t kept = 0;
    if (n > BNT_GRAMMAR_KIDS) return too_long(g);
    bnt_expr *kids = malloc((n + 1) * sizeof *kids), e;
    if (!kids) return bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for %zu parts", n);
    for (size_t i = 0; i < n; i++) {
        if (parts[i] == BNT_EXPR_NEVER) {
            free(kids);
            return BNT_EXPR_NEVER;
        }
        if (parts[i] != BNT_EXPR_EMPTY) kids[kept++] = parts[i];
    }
    e = kept == 0 ? BNT_EXPR_EMPTY
        : kept == 1
            ? kids[0]
            : intern(g, (struct bnt_node){.kind = BNT_NODE_SEQ, .count = (uint32_t)kept}, kids);
    free(kids);
    return e;
}

static int by_number(const void *a, const void *b) {
    const bnt_expr *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* The order of choices means nothing, so that equal sets of them are one node. */
bnt_expr bnt_alt(struct bnt_grammar *g, const bnt_expr *choices, size_t n) {
    size_t kept = 0, unique = 0;
    if (n > BNT_GRAMMAR_KIDS) return too_long(g);
    bnt_expr *kids = malloc((n + 1) * sizeof *kids), e;
    if (!kids) return bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for %zu choices", n);
    for (size_t i = 0; i < n; i++)
        if (choices[i] != BNT_EXPR_NEVER) kids[kept++] = choices[i];
    bnt_sort(kids, kept, sizeof *kids, by_number);
    for (size_t i = 0; i < kept; i++)
        if (i == 0 || kids[i] != kids[i - 1]) kids[unique++] = kids[i];
    e = unique == 0 ? BNT_EXPR_NEVER
        : unique == 1
            ? kids[0]
            : intern(g, (struct bnt_node){.kind = BNT_NODE_ALT, .count = (uint32_t)unique}, kids);
    free(kids);
    return e;
}

bnt_expr bnt_seq2(struct bnt_grammar *g, bnt_expr a, bnt_expr b) {
    return bnt_seq(g, (const bnt_expr[]){a, b}, 2);
}

bnt_expr bnt_seq3(struct bnt_grammar *g, bnt_expr a, bnt_expr b, bnt_expr c) {
    return bnt_seq(g, (const bnt_expr[]){a, b, c}, 3);
}

bnt_expr bnt_alt2(struct bnt_grammar *g, bnt_expr a, bnt_expr b) {
    return bnt_alt(g, (const bnt_expr[]){a, b}, 2);
}

bnt_expr bnt_maybe(struct bnt_grammar *g, bnt_expr a) {
    return bnt_alt2(g, a, BNT_EXPR_EMPTY);
}

bnt_expr bnt_repeat(struct bnt_grammar *g, bnt_expr e, uint32_t min, uint32_t max) {
    return bnt_list(g, BNT_EXPR_EMPTY, NULL, 0, e, min, max);
}

static bool counts(struct bnt_grammar *g, uint32_t min, uint32_t max) {
    if (min <= BNT_COUNT_MAX && (max == BNT_NO_LIMIT || max <= BNT_COUNT_MAX)) return true;
    bnt_grammar_fail(g, BNT_E_LIMIT, "it counts to more than %d", BNT_COUNT_MAX);
    return false;
}

bnt_expr bnt_list(struct bnt_grammar *g, bnt_expr separator, const bnt_expr *prefix, size_t n,
                  bnt_expr rest, uint32_t min, uint32_t max) {
    if (!counts(g, min, max)) return BNT_EXPR_NEVER;
    if (min > max) return BNT_EXPR_NEVER;
    if (n > max) n = max;
    if (n > BNT_GRAMMAR_KIDS - 2) return too_long(g);
    if (max == n) rest = BNT_EXPR_NEVER;
    if (rest == BNT_EXPR_NEVER && max > n) max = (uint32_t)n;
    if (min > max) return BNT_EXPR_NEVER;
    if (max == 0) return BNT_EXPR_EMPTY;
    if (n == 0 && min == 1 && max == 1) return rest;
    if (n == 0 && rest == BNT_EXPR_EMPTY && separator == BNT_EXPR_EMPTY) return BNT_EXPR_EMPTY;
    bnt_expr *kids = malloc((n + 2) * sizeof *kids), e;
    if (!kids) return bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for %zu elements", n);
    kids[0] = separator;
    kids[1] = rest;
    if (n) memcpy(kids + 2, prefix, n * sizeof *prefix);
    e = intern(
        g,
        (struct bnt_node){.kind = BNT_NODE_LIST, .count = (uint32_t)n + 2, .min = min, .max = max},
        kids);
    free(kids);
    return e;
}

bnt_expr bnt_set(struct bnt_grammar *g, bnt_expr separator, const struct bnt_member *members,
                 size_t n, bnt_expr other, uint32_t min, uint32_t max, bool ordered) {
    struct bnt_node node = {.kind = BNT_NODE_SET, .ordered = ordered, .min = min, .max = max};
    size_t most = ordered ? BNT_ORDERED_MEMBERS : BNT_SET_MEMBERS;
    if (n > most) return bnt_grammar_fail(g, BNT_E_LIMIT, "a set of more than %zu members", most);
    if (min > BNT_SET_COUNT || (max > BNT_SET_COUNT && max != BNT_NO_LIMIT))
        return bnt_grammar_fail(g, BNT_E_LIMIT, "a set that counts to more than %d", BNT_SET_COUNT);
    if (min > max) return BNT_EXPR_NEVER;
    bnt_expr *kids = malloc((n + 2) * sizeof *kids), e;
    if (!kids) return bnt_grammar_fail(g, BNT_E_NOMEM, "no memory for %zu members", n);
    kids[0] = separator;
    kids[1] = other;
    for (size_t i = 0; i < n; i++) {
        kids[i + 2] = members[i].e | (members[i].required ? BNT_KID_REQUIRED : 0);
        if (members[i].required && !ordered) node.required |= UINT64_C(1) << i;
    }
    node.count = (uint32_t)n + 2;
    e = intern(g, node, kids);
    free(kids);
    return e;
}

bnt_expr bnt_automaton_of(struct bnt_grammar *g, struct bnt_automaton *a) {
    if (!a) return BNT_EXPR_NEVER;
    g->automaton_cells += (uint64_t)a->n_states * (a->n_classes + a->n_layers);
    if (g->automaton_cells > BNT_AUTOMATON_CELLS)
        bnt_grammar_fail(g, BNT_E_LIMIT, "its strings need more than %d steps of automata",
                         BNT_AUTOMATON_CELLS);
    if (g->status != BNT_OK || !reserve(g, &g->automata, g->n_automata, 1, &g->automaton_capacity,
                                        BNT_AUTOMATA, sizeof *g->automata, "automata")) {
        bnt_automaton_close(a);
        return BNT_EXPR_NEVER;
    }
    g->automata[g->n_automata++] = a;
    return intern(g, (struct bnt_node){.kind = BNT_NODE_AUTOMATON, .first = g->n_automata - 1},
                  NULL);
}

/* ---- rules ----------------------------------------------------------------------------------- */

uint32_t bnt_rule_new(struct bnt_grammar *g) {
    if (!reserve(g, &g->rules, g->n_rules, 1, &g->rule_capacity, BNT_GRAMMAR_RULES,
                 sizeof *g->rules, "rules"))
        return 0;
    uint32_t rule = g->n_rules++;
    g->rules[rule] = (struct bnt_rule){BNT_EXPR_NEVER, BNT_EXPR_NEVER};
    g->rules[rule].node = intern(g, (struct bnt_node){.kind = BNT_NODE_RULE, .first = rule}, NULL);
    return rule;
}

bnt_expr bnt_rule_of(struct bnt_grammar *g, uint32_t rule) {
    return rule < g->n_rules ? g->rules[rule].node : BNT_EXPR_NEVER;
}

void bnt_rule_define(struct bnt_grammar *g, uint32_t rule, bnt_expr body) {
    if (rule < g->n_rules) g->rules[rule].body = body;
}
