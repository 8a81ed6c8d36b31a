/*
 * names.c - which names of a block are undefined when it begins, though around it they are not.
 *
 * Jinja decides before it runs what a name means: what a block sets and has not asked for before is
 * its own from its beginning, so that blocks inside of it which are run earlier see it undefined,
 * whatever the template was given under that name. Only a name that is first set inside of an `if`
 * keeps its meaning until then. A block is what has names of its own: the template, the body of a
 * loop or of a macro, the text that is set or filtered.
 */
#include <string.h>

#include "ast.h"
#include "hash.h"

struct ref { /* a name in one block */
    struct entry *of;
    struct ref *outer;  /* the same name in a block around it */
    struct ref *before; /* the block's name before this one */
    const struct node *block;
    bool undefined;
};

struct entry {
    const char *name;
    struct ref *ref; /* in the innermost block that is looked at */
};

struct analysis {
    struct parser *p;
    struct bnt_hash_key key;
    struct entry *entries; /* by hash; [n_entries], a power of two */
    size_t n_entries;
    const struct node *block;
    struct ref *last; /* of the block's names */
    unsigned ifs;     /* around the place, in the block */
};

static void *take(struct analysis *a, size_t size) {
    void *at = arena_take(&a->p->program->arena, size);
    if (!at) parse_fail(a->p, arena_status(&a->p->program->arena), "no memory for its names");
    return at;
}

static struct entry *entry_of(struct analysis *a, const char *name) {
    size_t i = (size_t)bnt_hash(&a->key, name, strlen(name)) & (a->n_entries - 1);
    for (;; i = (i + 1) & (a->n_entries - 1)) {
        struct entry *e = &a->entries[i];
        if (!e->name) e->name = name;
        if (strcmp(e->name, name) == 0) return e;
    }
}

static bool make_ref(struct analysis *a, struct entry *e, bool undefined) {
    struct ref *ref = take(a, sizeof *ref);
    if (!ref) return false;
    *ref = (struct ref){e, e->ref, a->last, a->block, undefined};
    e->ref = a->last = ref;
    return true;
}

static bool load(struct analysis *a, const char *name) {
    struct entry *e = entry_of(a, name);
    return e->ref || make_ref(a, e, false);
}

/* `given`: by a call or a loop, when the block begins. */
static bool store(struct analysis *a, const char *name, bool given) {
    struct entry *e = entry_of(a, name);
    if (e->ref && e->ref->block == a->block) return true;
    return make_ref(a, e, !given && !a->ifs && !e->ref);
}

static bool visit_expression(struct analysis *a, const struct node *n) {
    if (!n) return true;
    if (n->kind == NODE_NAME) return load(a, n->name);
    for (size_t i = 0; i < n->n; i++)
        if (!visit_expression(a, n->list[i])) return false;
    return visit_expression(a, n->a) && visit_expression(a, n->b) && visit_expression(a, n->c);
}

static bool visit_target(struct analysis *a, const struct node *n, bool given) {
    if (n->kind == NODE_NAME) return store(a, n->name, given);
    if (n->kind == NODE_ATTR) return load(a, n->a->name);
    for (size_t i = 0; i < n->n; i++)
        if (!visit_target(a, n->list[i], given)) return false;
    return true;
}

/* ---- the statements of a block --------------------------------------------------------------- */

static bool visit_statements(struct analysis *a, const struct node *body);

static bool visit_if(struct analysis *a, const struct node *n) {
    a->ifs++;
    for (; n && n->kind == NODE_IF; n = n->c)
        if (!visit_expression(a, n->a) || !visit_statements(a, n->b)) return false;
    bool ok = !n || visit_statements(a, n);
    a->ifs--;
    return ok;
}

static bool visit_statement(struct analysis *a, const struct node *n) {
    switch (n->kind) {
    case NODE_PRINT: return visit_expression(a, n->a);
    case NODE_IF: return visit_if(a, n);
    case NODE_FOR: return visit_expression(a, n->list[1]);
    case NODE_SET: return visit_expression(a, n->b) && visit_target(a, n->a, false);
    case NODE_SET_BLOCK: return visit_target(a, n->a, false);
    case NODE_MACRO: return store(a, n->name, false);
    case NODE_CALL_BLOCK: return visit_expression(a, n->a);
    case NODE_FILTER_BLOCK: return visit_expression(a, n->b);
    case NODE_WITH:
        for (size_t i = 1; i < n->n; i += 2)
            if (!visit_expression(a, n->list[i])) return false;
        return true;
    default: return true;
    }
}

static bool visit_statements(struct analysis *a, const struct node *body) {
    for (size_t i = 0; i < body->n; i++)
        if (!visit_statement(a, body->list[i])) return false;
    return true;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static bool visit_blocks(struct analysis *a, const struct node *body);

/* What the block is given when it begins; `of`: what its body is of. */
static bool visit_given(struct analysis *a, const struct node *of, const struct node *body) {
    bool ok = true;
    if (of->kind == NODE_FOR && body == of->a)
        ok = store(a, "loop", true) && visit_target(a, of->list[0], true);
    for (size_t i = 0; ok && of->kind == NODE_MACRO && i < of->n; i++)
        ok = store(a, of->list[i]->name, true);
    for (size_t i = 0; ok && of->kind == NODE_MACRO && i < of->n; i++)
        ok = visit_expression(a, of->list[i]->a);
    for (size_t i = 0; ok && of->kind == NODE_WITH && i < of->n; i += 2)
        ok = visit_target(a, of->list[i], true);
    return ok;
}

/* The block's names that begin undefined, put beside its body. */
static bool keep_undefined(struct analysis *a, struct node *body) {
    for (const struct ref *ref = a->last; ref; ref = ref->before) {
        if (!ref->undefined) continue;
        struct node *name = parse_named(a->p, ref->of->name, body->line);
        if (!name || (!body->c && !(body->c = parse_node(a->p, NODE_TUPLE, body->line))))
            return false;
        if (!parse_add(a->p, body->c, name)) return false;
    }
    return true;
}

static bool visit_block(struct analysis *a, const struct node *of, struct node *body) {
    const struct analysis outer = *a;
    a->block = body;
    a->last = NULL;
    a->ifs = 0;
    if (!visit_given(a, of, body) || !visit_statements(a, body) || !keep_undefined(a, body) ||
        !visit_blocks(a, body))
        return false;
    for (const struct ref *ref = a->last; ref; ref = ref->before) ref->of->ref = ref->outer;
    *a = outer;
    return true;
}

static bool visit_blocks_of(struct analysis *a, const struct node *n) {
    switch (n->kind) {
    case NODE_IF:
        for (; n && n->kind == NODE_IF; n = n->c)
            if (!visit_blocks(a, n->b)) return false;
        return !n || visit_blocks(a, n);
    case NODE_FOR: return visit_block(a, n, n->a) && (!n->b || visit_block(a, n, n->b));
    case NODE_SET_BLOCK:
    case NODE_FILTER_BLOCK: return visit_block(a, n, n->c);
    case NODE_MACRO:
    case NODE_WITH:
    case NODE_SCOPE: return visit_block(a, n, n->a);
    case NODE_CALL_BLOCK: return visit_block(a, n->b, n->b->a);
    default: return true;
    }
}

static bool visit_blocks(struct analysis *a, const struct node *body) {
    for (size_t i = 0; i < body->n; i++)
        if (!visit_blocks_of(a, body->list[i])) return false;
    return true;
}

bool parse_names(struct parser *p, struct node *body) {
    struct analysis a = {.p = p, .key = bnt_hash_key_draw(), .n_entries = 64};
    size_t names = 8; /* and those that no token says */
    for (size_t i = 0; i < p->program->tokens.n; i++)
        names += p->program->tokens.at[i].kind == TOKEN_NAME;
    while (a.n_entries < 2 * names) a.n_entries *= 2;
    if (!(a.entries = take(&a, a.n_entries * sizeof *a.entries))) return false;
    memset(a.entries, 0, a.n_entries * sizeof *a.entries);
    return visit_block(&a, body, body);
}
