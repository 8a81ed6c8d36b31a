/*
 * finish.c - the last look at a grammar: what of it can be matched at all, and with how much stack.
 *
 * `need` of an expression is the least stack that some text of it does with. It is the one number
 * behind two promises: what has none is taken out, so that nothing leads into a dead end, and the
 * machine lets nothing onto its stack whose need does not fit, so that its bound is no dead end
 * either. The machine's stack is what machine.c makes of each kind of node.
 */
#include <stdlib.h>
#include <string.h>

#include "grammar.h"

enum { NEVER_ENDS = 1 << 28, WORK = 1 << 27, EMPTY_COUNT = 64 };

static uint32_t more(uint32_t a, uint32_t b) {
    return a > b ? a : b;
}

static uint32_t plus(uint32_t need, uint32_t n) {
    return need >= NEVER_ENDS ? NEVER_ENDS : need + n;
}

static uint32_t need_of(const struct bnt_grammar *g, uint32_t kid) {
    return g->nodes[BNT_KID(kid)].need;
}

static bool empty(const struct bnt_grammar *g, uint32_t kid) {
    return g->nodes[BNT_KID(kid)].nullable;
}

/* Of a list, whose elements lie on the list and a separator on those. */
static void look_at_list(const struct bnt_grammar *g, struct bnt_node *n) {
    const uint32_t *kids = g->kids + n->first;
    uint32_t need = 1;
    bool nullable = true;
    for (uint32_t i = 0; i < n->min && i <= n->count - 2; i++) {
        uint32_t element = i < n->count - 2 ? kids[i + 2] : kids[1];
        need = more(need, plus(need_of(g, element), 1));
        if (i > 0 || (n->count == 2 && n->min > 1)) need = more(need, plus(need_of(g, kids[0]), 2));
        nullable = nullable && empty(g, element) && (i == 0 || empty(g, kids[0]));
    }
    n->need = need;
    n->nullable = nullable;
}

static void look_at_set(const struct bnt_grammar *g, struct bnt_node *n) {
    const uint32_t *kids = g->kids + n->first;
    uint32_t need = 1, must = 0, can = 0, least = NEVER_ENDS;
    for (uint32_t i = 2; i < n->count; i++) {
        uint32_t this = plus(need_of(g, kids[i]), 1);
        if (kids[i] & BNT_KID_REQUIRED) {
            need = more(need, this);
            must++;
        } else if (this < NEVER_ENDS) {
            can++;
        }
        least = this < least ? this : least;
    }
    if (must < n->min) { /* optional ones have to make it up: be generous */
        bool others = need_of(g, kids[1]) < NEVER_ENDS;
        uint32_t most = others ? plus(need_of(g, kids[1]), 1) : 1;
        for (uint32_t i = 2; i < n->count; i++)
            if (need_of(g, kids[i]) < NEVER_ENDS) most = more(most, need_of(g, kids[i]) + 1);
        need = must + can < n->min && !others ? NEVER_ENDS : more(need, most);
    }
    if (must > n->max) need = NEVER_ENDS;
    if (need < NEVER_ENDS && (must > 1 || n->min > 1))
        need = more(need, plus(need_of(g, kids[0]), 2));
    n->need = need;
    n->nullable = must == 0 && n->min == 0;
}

/* From what its parts are known to need by now. */
static void look_at(const struct bnt_grammar *g, struct bnt_node *n) {
    const uint32_t *kids = g->kids + n->first;
    switch (n->kind) {
    case BNT_NODE_EMPTY:
        n->need = 1;
        n->nullable = true;
        break;
    case BNT_NODE_NEVER: n->need = NEVER_ENDS; break;
    case BNT_NODE_BYTES: n->need = 1; break;
    case BNT_NODE_AUTOMATON:
        n->need = 1;
        n->nullable = bnt_automaton_ends(g->automata[n->first], 0);
        break;
    case BNT_NODE_RULE:
        n->need = need_of(g, g->rules[n->first].body);
        n->nullable = empty(g, g->rules[n->first].body);
        break;
    case BNT_NODE_SEQ:
        n->need = 1;
        n->nullable = true;
        for (uint32_t i = 0; i < n->count; i++) {
            n->need = more(n->need, plus(need_of(g, kids[i]), i + 1 < n->count));
            n->nullable = n->nullable && empty(g, kids[i]);
        }
        break;
    case BNT_NODE_ALT:
        n->need = NEVER_ENDS;
        for (uint32_t i = 0; i < n->count; i++) {
            if (need_of(g, kids[i]) < n->need) n->need = need_of(g, kids[i]);
            n->nullable = n->nullable || empty(g, kids[i]);
        }
        break;
    case BNT_NODE_LIST: look_at_list(g, n); break;
    case BNT_NODE_SET: look_at_set(g, n); break;
    }
}

static int measure(struct bnt_grammar *g, struct bnt_err *err) {
    uint64_t work = 0;
    bool changed = true;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        g->nodes[i].need = NEVER_ENDS;
        g->nodes[i].nullable = false;
    }
    while (changed) {
        changed = false;
        work += g->n_nodes + g->n_kids;
        if (work > WORK)
            return bnt_fail(err, BNT_E_LIMIT, "its rules lean on each other too often");
        for (uint32_t i = 0; i < g->n_nodes; i++) { /* parts come before what is made of them */
            uint32_t need = g->nodes[i].need;
            bool nullable = g->nodes[i].nullable;
            look_at(g, &g->nodes[i]);
            changed |= need != g->nodes[i].need || nullable != g->nodes[i].nullable;
        }
    }
    return BNT_OK;
}

/* What can never be matched becomes NEVER where it stands. */
static void take_out(struct bnt_grammar *g) {
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        struct bnt_node *n = &g->nodes[i];
        uint32_t *kids = g->kids + n->first;
        if (n->kind < BNT_NODE_SEQ || n->kind == BNT_NODE_RULE) continue;
        for (uint32_t k = 0; k < n->count; k++)
            if (need_of(g, kids[k]) > BNT_GRAMMAR_DEPTH)
                kids[k] = BNT_EXPR_NEVER | (kids[k] & BNT_KID_REQUIRED);
        if (n->kind != BNT_NODE_LIST) continue;
        if (kids[0] == BNT_EXPR_NEVER && n->max > 1) n->max = 1;
        for (uint32_t k = 2; k < n->count; k++)
            if (kids[k] == BNT_EXPR_NEVER && n->max > k - 2) n->max = k - 2;
        if (kids[1] == BNT_EXPR_NEVER && n->max > n->count - 2) n->max = n->count - 2;
    }
}

/* An element that may be empty is counted without a byte between: not far. */
static int check_counts(const struct bnt_grammar *g, struct bnt_err *err) {
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const struct bnt_node *n = &g->nodes[i];
        const uint32_t *kids = g->kids + n->first;
        if (n->kind != BNT_NODE_LIST || !empty(g, kids[0]) || !empty(g, kids[1])) continue;
        uint32_t to = n->max == BNT_NO_LIMIT ? n->min : n->max;
        if (to > EMPTY_COUNT)
            return bnt_fail(err, BNT_E_LIMIT,
                            "it counts to %u what may be the empty text (%d is the limit)", to,
                            EMPTY_COUNT);
    }
    return BNT_OK;
}

/* ---- what begins with itself ------------------------------------------------------------------
 */

/* Kid i of a node's may stand at its beginning. */
static bool leads(const struct bnt_grammar *g, const struct bnt_node *n, uint32_t i) {
    const uint32_t *kids = g->kids + n->first;
    switch (n->kind) {
    case BNT_NODE_SEQ:
        for (uint32_t k = 0; k < i; k++)
            if (!empty(g, kids[k])) return false;
        return true;
    default: return true; /* of lists and sets more than is so; theirs stand behind a bracket */
    }
}

static int check_left(const struct bnt_grammar *g, bnt_expr root, struct bnt_err *err) {
    struct place {
        bnt_expr node;
        uint32_t next;
    } *path = malloc((g->n_nodes + 1) * sizeof *path);
    uint8_t *seen = calloc(g->n_nodes, 1); /* 1: on the path; 2: done */
    size_t depth = 0;
    int status = BNT_OK;
    if (!path || !seen) {
        status = bnt_fail_nomem(err, "a grammar", g->n_nodes);
    } else {
        path[depth++] = (struct place){root, 0};
        seen[root] = 1;
    }
    while (depth && status == BNT_OK) {
        struct place *at = &path[depth - 1];
        const struct bnt_node *n = &g->nodes[at->node];
        uint32_t count = n->kind == BNT_NODE_RULE ? 1 : n->count, kid = BNT_EXPR_EMPTY;
        if (at->next == count) {
            seen[at->node] = 2;
            depth--;
            continue;
        }
        uint32_t i = at->next++;
        if (n->kind == BNT_NODE_RULE)
            kid = g->rules[n->first].body;
        else if (leads(g, n, i))
            kid = BNT_KID(g->kids[n->first + i]);
        if (seen[kid] == 1)
            status = bnt_fail(err, BNT_E_UNSUPPORTED,
                              "a rule begins with itself: write it as a repetition");
        if (!seen[kid]) {
            seen[kid] = 1;
            path[depth++] = (struct place){kid, 0};
        }
    }
    free(path);
    free(seen);
    return status;
}

/* ---- bytes that no class tells apart ----------------------------------------------------------
 */

/* Bytes that were equal and that `of` gives one number stay equal. */
static void divide_by(struct bnt_grammar *g, const uint8_t of[256]) {
    uint16_t seen[256] = {0}; /* both numbers of each new class */
    uint8_t next[256];
    unsigned n = 0;
    for (unsigned b = 0; b < 256; b++) {
        uint16_t both = (uint16_t)(g->equal[b] << 8 | of[b]);
        unsigned i = 0;
        while (i < n && seen[i] != both) i++;
        if (i == n) seen[n++] = both;
        next[b] = (uint8_t)i;
    }
    memcpy(g->equal, next, sizeof next);
    g->n_equal = n;
}

static void divide_bytes(struct bnt_grammar *g) {
    memset(g->equal, 0, sizeof g->equal);
    g->n_equal = 1;
    for (uint32_t c = 0; c < g->n_classes; c++) {
        uint8_t in[256];
        for (unsigned b = 0; b < 256; b++) in[b] = g->classes[c].bits[b / 64] >> b % 64 & 1;
        divide_by(g, in);
    }
    for (uint32_t i = 0; i < g->n_automata; i++) divide_by(g, g->automata[i]->class_of);
}

int bnt_grammar_finish(struct bnt_grammar *g, bnt_expr root, struct bnt_err *err) {
    if (g->status != BNT_OK) return bnt_fail(err, g->status, "%s", g->why.text);
    int status = measure(g, err);
    if (status != BNT_OK) return status;
    uint32_t need = g->nodes[root].need;
    if (need >= NEVER_ENDS)
        return bnt_fail(err, BNT_E_FORMAT, "no text matches it%s%s",
                        g->empty[0] ? ": nothing can stand at " : "", g->empty);
    if (need > BNT_GRAMMAR_DEPTH)
        return bnt_fail(err, BNT_E_LIMIT, "its shortest text nests too deep");
    take_out(g);
    if ((status = check_left(g, root, err)) != BNT_OK) return status;
    if ((status = check_counts(g, err)) != BNT_OK) return status;
    divide_bytes(g);
    g->root = root;
    return BNT_OK;
}
