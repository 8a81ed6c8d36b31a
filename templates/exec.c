/*
 * exec.c - statements: what a body writes, which names it sets, and how macros are called; and a
 * run from its beginning to its end.
 */
#include <stdlib.h>
#include <string.h>

#include "eval.h"

/* ---- assigning ------------------------------------------------------------------------------- */

static bool assign(struct bnt_jinja_run *r, struct scope *s, const struct node *target,
                   const struct jv *v) {
    struct jv_list *l;
    if (target->kind == NODE_NAME) return jv_dict_set(r, &s->names, &target->value, v);
    if (target->kind == NODE_ATTR) {
        const struct jv *of;
        if (!scope_get(r, s, &target->a->value, &of)) return false;
        if (!of || of->kind != JV_NAMESPACE)
            return run_error(r, "'%s' is no namespace: its '%s' cannot be set", target->a->name,
                             target->name);
        return jv_dict_put(r, of->as.dict, target->name, v);
    }
    if (!jv_iterate(r, v, &l)) return false;
    if (l->n != target->n) return run_error(r, "%zu values for %zu names", l->n, target->n);
    for (size_t i = 0; i < l->n; i++)
        if (!assign(r, s, target->list[i], &l->at[i])) return false;
    return true;
}

/* The text of a body with names of its own; of no use where the body ends a loop's turn. */
static bool body_text(struct bnt_jinja_run *r, struct scope *outer, const struct node *body,
                      struct jv *out, enum flow *flow) {
    struct scope *s = scope_new(r, outer);
    struct pen p = {0};
    if (!s || !exec_body(r, s, body, &p, flow)) return false;
    *out = jv_marked(pen_done(&p));
    return true;
}

/* A chain of filters on a block's text; the innermost has nothing before it. */
static bool filter_chain(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                         const struct jv *of, struct jv *out) {
    struct jv before = *of;
    if (n->a && !filter_chain(r, s, n->a, of, &before)) return false;
    return eval_filter(r, s, n, &before, out);
}

static bool exec_set(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                     enum flow *flow) {
    struct jv v, text;
    if (n->kind == NODE_SET) return eval(r, s, n->b, &v) && assign(r, s, n->a, &v);
    if (!body_text(r, s, n->c, &text, flow)) return false;
    if (*flow != FLOW_ON) return true;
    v = text;
    return (!n->b || filter_chain(r, s, n->b, &text, &v)) && assign(r, s, n->a, &v);
}

/* ---- loops ----------------------------------------------------------------------------------- */

/* The next item that the loop's condition lets through: a tuple of what its names are, where it has
 * several. */
static bool next_sifted(struct bnt_jinja_run *r, struct jv_generator *g, struct jv *item,
                        bool *more) {
    if (!jv_generator_begin(r, g)) return false;
    for (;;) {
        struct scope *s = scope_new(r, g->scope);
        struct jv test;
        if (!s || !jv_walk_next(r, &g->walk, item, more)) return false;
        if (!*more) return true;
        if (!assign(r, s, g->loop->list[0], item) || !eval(r, s, g->loop->list[2], &test))
            return false;
        if (jv_truth(&test)) return eval(r, s, g->loop->list[0], item);
    }
}

/* What the loop goes through, before its first item. */
static bool begin_loop(struct bnt_jinja_run *r, struct scope *outer, const struct node *n,
                       struct jv_loop *l) {
    struct jv over, sifted;
    *l = (struct jv_loop){.now = {.kind = JV_ABSENT}, .changed = {.kind = JV_ABSENT}};
    if (!eval(r, outer, n->list[1], &over)) return false;
    if (!n->list[2]) return jv_walk_begin(r, &over, &l->walk);
    struct jv_generator *g = jv_generator_new(r, next_sifted, &over, &sifted);
    if (!g) return false;
    g->loop = n;
    g->scope = outer;
    return jv_generator_begin(r, g) && jv_walk_begin(r, &sifted, &l->walk);
}

static bool exec_for(struct bnt_jinja_run *r, struct scope *outer, const struct node *n,
                     struct pen *out, enum flow *around) {
    enum flow flow = FLOW_ON;
    bool ended = false; /* a turn came to its end: without break or continue */
    struct jv_loop *l = run_take(r, sizeof *l);
    if (!l || !begin_loop(r, outer, n, l)) return false;
    const struct jv loop = {.kind = JV_LOOP, .as.loop = l};
    while (flow != FLOW_BREAK) {
        bool more;
        flow = FLOW_ON;
        if (!jv_loop_next(r, l, &more)) return false;
        if (!more) break;
        struct scope *s = scope_new(r, outer);
        if (!s || !scope_set(r, s, "loop", &loop) || !assign(r, s, n->list[0], &l->now) ||
            !exec_body(r, s, n->a, out, &flow))
            return false;
        ended = ended || flow == FLOW_ON;
    }
    if (ended || !n->b) return true;
    struct scope *s = scope_new(r, outer);
    return s && exec_body(r, s, n->b, out, around);
}

/* ---- macros ---------------------------------------------------------------------------------- */

static bool make_macro(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                       struct jv *out) {
    struct jv_callable *c = run_take(r, sizeof *c);
    if (!c) return false;
    *c = (struct jv_callable){.name = n->name, .macro = n, .scope = s};
    *out = (struct jv){.kind = JV_CALLABLE, .as.callable = c};
    return true;
}

static const struct jv *named_arg(const struct jv_args *args, const char *name) {
    for (size_t i = 0; i < args->n_named; i++)
        if (strcmp(args->named[i].name, name) == 0) return &args->named[i].value;
    return NULL;
}

/* The arguments beyond a macro's parameters, as its variables varargs, kwargs and caller. */
static bool rest_of_args(struct bnt_jinja_run *r, struct scope *s, const struct node *macro,
                         const struct jv_args *args) {
    struct jv more, named, nobody = jv_undefined("caller");
    const struct jv *caller = named_arg(args, "caller");
    if (!run_step(r, args->n_named * macro->n / 16) || !jv_list_new(r, LIST_TUPLE, 0, &more) ||
        !jv_dict_new(r, JV_DICT, &named))
        return false;
    for (size_t i = macro->n; i < args->n; i++)
        if (!jv_list_add(r, more.as.list, &args->at[i])) return false;
    for (size_t i = 0; i < args->n_named; i++) {
        bool known = macro->caller && strcmp(args->named[i].name, "caller") == 0;
        for (size_t k = args->n; k < macro->n && !known; k++) /* those before have their value */
            known = strcmp(args->named[i].name, macro->list[k]->name) == 0;
        if (!known && !jv_dict_set(r, named.as.dict, &args->named[i].key, &args->named[i].value))
            return false;
    }
    if (!macro->varargs && more.as.list->n)
        return run_error(r, "the macro '%s' takes %zu arguments, not %zu", macro->name, macro->n,
                         args->n);
    if (!macro->kwargs && named.as.dict->n)
        return run_error(r, "the macro '%s' has no such parameter", macro->name);
    return (!macro->varargs || scope_set(r, s, "varargs", &more)) &&
           (!macro->kwargs || scope_set(r, s, "kwargs", &named)) &&
           (!macro->caller || scope_set(r, s, "caller", caller ? caller : &nobody));
}

/* Parameters first as they are given, since a default may ask for each of them. */
static bool set_parameters(struct bnt_jinja_run *r, struct scope *s, const struct node *macro,
                           const struct jv_args *args) {
    for (size_t i = 0; i < macro->n; i++) {
        const struct node *parameter = macro->list[i];
        const struct jv *given = named_arg(args, parameter->name);
        const struct jv none = jv_undefined(parameter->name);
        if (!scope_set(r, s, parameter->name, i < args->n ? &args->at[i] : given ? given : &none))
            return false;
    }
    for (size_t i = args->n; i < macro->n; i++) {
        const struct node *parameter = macro->list[i];
        struct jv v;
        if (!parameter->a || named_arg(args, parameter->name)) continue;
        if (!eval(r, s, parameter->a, &v) || !scope_set(r, s, parameter->name, &v)) return false;
    }
    return true;
}

static bool call_macro(struct bnt_jinja_run *r, const struct jv_callable *c,
                       const struct jv_args *args, struct jv *out) {
    const struct node *n = c->macro;
    struct scope *s = scope_new(r, c->scope);
    struct pen p = {0};
    enum flow flow = FLOW_ON;
    if (!s || !rest_of_args(r, s, n, args) || !set_parameters(r, s, n, args) ||
        !exec_body(r, s, n->a, &p, &flow))
        return false;
    *out = jv_marked(pen_done(&p));
    return true;
}

bool value_call(struct bnt_jinja_run *r, const struct jv *callee, const struct jv_args *args,
                struct jv *out) {
    if (callee->kind == JV_UNDEFINED) return run_error(r, "'%s' is undefined", callee->as.missing);
    if (callee->kind != JV_CALLABLE) return run_error(r, "a %s is called", jv_type_name(callee));
    const struct jv_callable *c = callee->as.callable;
    if (!run_enter(r)) return false;
    bool ok =
        c->macro ? call_macro(r, c, args, out) : routine_run(r, c->routine, &c->self, args, out);
    run_leave(r);
    return ok;
}

static bool exec_call_block(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                            struct pen *out) {
    struct jv callee, caller, made;
    struct jv_args args;
    struct bnt_marked t;
    if (!eval(r, s, n->a->a, &callee) || !eval_args(r, s, n->a, &args) ||
        !make_macro(r, s, n->b, &caller))
        return false;
    if (named_arg(&args, "caller")) return run_error(r, "a call with two callers");
    struct jv_named *named = run_take(r, (args.n_named + 1) * sizeof *named);
    if (!named) return false;
    if (args.n_named) memcpy(named, args.named, args.n_named * sizeof *named);
    named[args.n_named++] = (struct jv_named){"caller", jv_text("caller"), caller};
    args.named = named;
    args.room = args.n_named;
    return value_call(r, &callee, &args, &made) && jv_str(r, &made, &t) && pen_put(r, out, t);
}

/* ---- bodies ---------------------------------------------------------------------------------- */

static bool exec_if(struct bnt_jinja_run *r, struct scope *s, const struct node *n, struct pen *out,
                    enum flow *flow) {
    for (; n; n = n->c) {
        struct jv test;
        if (n->kind == NODE_BODY) return exec_body(r, s, n, out, flow);
        if (!eval(r, s, n->a, &test)) return false;
        if (jv_truth(&test)) return exec_body(r, s, n->b, out, flow);
    }
    return true;
}

static bool exec_with(struct bnt_jinja_run *r, struct scope *outer, const struct node *n,
                      struct pen *out, enum flow *flow) {
    struct scope *s = scope_new(r, outer);
    for (size_t i = 0; s && i < n->n; i += 2) {
        struct jv v;
        if (!eval(r, outer, n->list[i + 1], &v) || !assign(r, s, n->list[i], &v)) return false;
    }
    return s && exec_body(r, s, n->a, out, flow);
}

static bool exec_print(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                       struct pen *out) {
    struct bnt_marked t;
    struct jv v;
    return eval(r, s, n, &v) && jv_str(r, &v, &t) && pen_put(r, out, t);
}

static bool exec_filter_block(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                              struct pen *out, enum flow *flow) {
    struct bnt_marked t;
    struct jv text, made;
    if (!body_text(r, s, n->c, &text, flow)) return false;
    if (*flow != FLOW_ON) return true;
    return filter_chain(r, s, n->b, &text, &made) &&
           arg_text(r, &made, "what the block's filter gives", &t) && pen_put(r, out, t);
}

static bool exec(struct bnt_jinja_run *r, struct scope *s, const struct node *n, struct pen *out,
                 enum flow *flow) {
    struct scope *inner;
    struct jv v;
    r->line = n->line;
    switch (n->kind) {
    case NODE_CONST: return pen_put(r, out, n->value.as.text);
    case NODE_PRINT: return exec_print(r, s, n->a, out);
    case NODE_IF: return exec_if(r, s, n, out, flow);
    case NODE_FOR: return exec_for(r, s, n, out, flow);
    case NODE_SET:
    case NODE_SET_BLOCK: return exec_set(r, s, n, flow);
    case NODE_MACRO: return make_macro(r, s, n, &v) && scope_set(r, s, n->name, &v);
    case NODE_CALL_BLOCK: return exec_call_block(r, s, n, out);
    case NODE_FILTER_BLOCK: return exec_filter_block(r, s, n, out, flow);
    case NODE_WITH: return exec_with(r, s, n, out, flow);
    case NODE_SCOPE: return (inner = scope_new(r, s)) && exec_body(r, inner, n->a, out, flow);
    case NODE_BREAK: *flow = FLOW_BREAK; return true;
    case NODE_CONTINUE: *flow = FLOW_CONTINUE; return true;
    default: return run_error(r, "an expression where a statement should stand");
    }
}

bool exec_body(struct bnt_jinja_run *r, struct scope *s, const struct node *body, struct pen *out,
               enum flow *flow) {
    if (!run_enter(r)) return false;
    for (size_t i = 0; body->c && i < body->c->n; i++) {
        const struct jv nothing = jv_undefined(body->c->list[i]->name);
        if (!scope_set(r, s, nothing.as.missing, &nothing)) return false;
    }
    for (size_t i = 0; i < body->n && *flow == FLOW_ON; i++)
        if (!run_step(r, 1) || !exec(r, s, body->list[i], out, flow)) return false;
    run_leave(r);
    return true;
}

/* ---- a run ----------------------------------------------------------------------------------- */

int bnt_jinja_begin(struct bnt_jinja_run **out, const struct bnt_jinja *program,
                    const struct bnt_jinja_limits *limits, struct bnt_err *err) {
    struct bnt_jinja_run *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r) return bnt_fail_nomem(err, "the rendering of a template", sizeof *r);
    r->program = program;
    r->limits = limits ? *limits : (struct bnt_jinja_limits){0};
    if (!r->limits.steps) r->limits.steps = JINJA_STEPS;
    if (!r->limits.memory) r->limits.memory = (size_t)JINJA_MEMORY_MIB << 20;
    if (!r->limits.depth) r->limits.depth = JINJA_DEPTH;
    r->arena.limit = r->limits.memory;
    r->err = &r->own_err;
    r->globals = scope_new(r, NULL);
    if (!r->globals) {
        bnt_jinja_end(r);
        return bnt_fail_nomem(err, "the rendering of a template", sizeof(struct scope));
    }
    *out = r;
    return BNT_OK;
}

void bnt_jinja_end(struct bnt_jinja_run *r) {
    if (!r) return;
    arena_free(&r->arena);
    free(r);
}

void bnt_jinja_set_time(struct bnt_jinja_run *r, int64_t seconds) {
    r->time = seconds;
}

bool bnt_jinja_used_time(const struct bnt_jinja_run *r) {
    return r->used_time;
}

int bnt_jinja_set(struct bnt_jinja_run *r, const char *name, const struct jv *value,
                  struct bnt_err *err) {
    if (scope_set(r, r->globals, name, value)) return BNT_OK;
    return bnt_fail(err, r->err->status, "%s", r->err->text);
}

int bnt_jinja_render(struct bnt_jinja_run *r, struct bnt_marked *out, struct bnt_err *err) {
    struct scope *top = r->err->status == BNT_OK ? scope_new(r, r->globals) : NULL;
    struct pen p = {0};
    enum flow flow = FLOW_ON;
    r->depth = 0;
    if (!top || !exec_body(r, top, r->program->body, &p, &flow))
        return bnt_fail(err, r->err->status, "%s", r->err->text);
    *out = pen_done(&p);
    return BNT_OK;
}
