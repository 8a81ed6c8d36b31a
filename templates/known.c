/*
 * known.c - refuses a filter or test that Jinja does not have before anything runs, as Jinja does.
 *
 * Only inside of an `if`, of a statement or an expression, may its name be unknown until it is
 * reached; a block with names of its own in there begins strictly again. What Jinja has and is not
 * done here is refused when it is reached.
 */
#include "eval.h"

/* Whether Jinja leaves the names in `child` until it is reached; `soft`: those around it, it does.
 */
static bool is_soft(const struct node *of, const struct node *child, bool soft) {
    switch (of->kind) {
    case NODE_IF:
    case NODE_COND: return true;
    case NODE_FOR: return soft && child == of->list[1];
    case NODE_WITH: return soft && child != of->a;
    case NODE_SET_BLOCK:
    case NODE_MACRO:
    case NODE_FILTER_BLOCK:
    case NODE_SCOPE: return false;
    default: return soft;
    }
}

/* The right side of an operator whose left one, a literal, decides: Jinja leaves it out. */
static bool is_left_out(const struct node *n) {
    return (n->kind == NODE_AND || n->kind == NODE_OR) && n->a->kind == NODE_CONST &&
           jv_truth(&n->a->value) == (n->kind == NODE_OR);
}

static bool fail_unknown(struct parser *p, const struct node *n, const char *what) {
    bnt_fail(p->err, BNT_E_UNSUPPORTED, "line %u: the %s '%.40s' is not known here", n->line, what,
             n->name);
    return false;
}

static bool check(struct parser *p, const struct node *n, bool soft) {
    for (;; n = n->c) { /* a chain of elif is as long as it likes */
        if (n->kind == NODE_FILTER && !soft && !filter_find(n->name) && !filter_missing(n->name))
            return fail_unknown(p, n, "filter");
        if (n->kind == NODE_TEST && !soft && !test_find(n->name) && !test_missing(n->name))
            return fail_unknown(p, n, "test");
        for (size_t i = 0; i < n->n; i++)
            if (n->list[i] && !check(p, n->list[i], is_soft(n, n->list[i], soft))) return false;
        if (n->a && !check(p, n->a, is_soft(n, n->a, soft))) return false;
        if (n->b && !is_left_out(n) && !check(p, n->b, is_soft(n, n->b, soft))) return false;
        if (!n->c) return true;
        soft = is_soft(n, n->c, soft);
    }
}

bool parse_known(struct parser *p, const struct node *body) {
    return check(p, body, false);
}
