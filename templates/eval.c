/*
 * eval.c - expressions: the value of a node, from the values of its children.
 */
#include "eval.h"

#include <string.h>

/* ---- names ----------------------------------------------------------------------------------- */

struct scope *scope_new(struct bnt_jinja_run *r, struct scope *outer) {
    struct scope *s = run_take(r, sizeof *s);
    if (s) *s = (struct scope){.outer = outer};
    return s;
}

bool scope_set(struct bnt_jinja_run *r, struct scope *s, const char *name, const struct jv *v) {
    return jv_dict_put(r, &s->names, name, v);
}

bool scope_get(struct bnt_jinja_run *r, struct scope *s, const struct jv *name,
               const struct jv **out) {
    bool ok = true;
    *out = NULL;
    for (; s && ok && !*out; s = s->outer)
        if (s->names.n) *out = jv_dict_get(r, &s->names, name, &ok);
    return ok;
}

static bool eval_name(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                      struct jv *out) {
    static const char *const absent[] = {"cycler", "joiner", "lipsum", "self"}; /* Jinja has them */
    const char *name = n->name;
    const struct jv *v;
    if (!scope_get(r, s, &n->value, &v)) return false;
    const struct routine *g = v ? NULL : global_find(name);
    if (g) return routine_bind(r, g, NULL, out);
    for (size_t i = 0; !v && i < sizeof absent / sizeof absent[0]; i++)
        if (strcmp(name, absent[i]) == 0)
            return run_error(r, "the name '%s' is not known here", name);
    *out = v ? *v : jv_undefined(name);
    return true;
}

/* ---- literals -------------------------------------------------------------------------------- */

static bool eval_list(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                      struct jv *out) {
    if (!jv_list_new(r, n->kind == NODE_TUPLE ? LIST_TUPLE : LIST_PLAIN, n->n, out)) return false;
    for (size_t i = 0; i < n->n; i++) {
        struct jv v;
        if (!eval(r, s, n->list[i], &v) || !jv_list_add(r, out->as.list, &v)) return false;
    }
    return true;
}

static bool eval_dict(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                      struct jv *out) {
    if (!jv_dict_new(r, JV_DICT, out)) return false;
    for (size_t i = 0; i < n->n; i += 2) {
        struct jv key, value;
        if (!eval(r, s, n->list[i], &key) || !eval(r, s, n->list[i + 1], &value) ||
            !jv_dict_set(r, out->as.dict, &key, &value))
            return false;
    }
    return true;
}

/* ---- calls, filters, tests ------------------------------------------------------------------- */

/* `before`: so many may have the same name. */
static bool add_named(struct bnt_jinja_run *r, struct jv_args *a, size_t before, const char *name,
                      const struct jv *key, const struct jv *v) {
    for (size_t i = 0; i < before; i++)
        if (strcmp(a->named[i].name, name) == 0)
            return run_error(r, "the argument '%s' is given twice", name);
    struct jv_named *named = run_grow(r, a->named, a->n_named, &a->room, sizeof *named);
    if (!named) return false;
    a->named = named;
    a->named[a->n_named++] = (struct jv_named){name, *key, *v};
    return run_step(r, before);
}

static bool add_dict(struct bnt_jinja_run *r, struct jv_args *a, const struct jv *dict) {
    const size_t before = a->n_named;
    if (dict->kind != JV_DICT) return run_error(r, "** of a %s", jv_type_name(dict));
    for (size_t i = 0; i < dict->as.dict->n; i++) {
        const struct jv *key = &dict->as.dict->at[i].key;
        if (key->kind != JV_TEXT)
            return run_error(r, "** of a dict with a %s as key", jv_type_name(key));
        char *name = run_take(r, key->as.text.len + 1);
        if (!name) return false;
        memcpy(name, key->as.text.text, key->as.text.len);
        name[key->as.text.len] = '\0';
        if (strlen(name) != key->as.text.len)
            return run_error(r, "** of a dict with U+0000 in a key");
        if (!add_named(r, a, before, name, key, &dict->as.dict->at[i].value)) return false;
    }
    return true;
}

bool eval_args(struct bnt_jinja_run *r, struct scope *s, const struct node *call,
               struct jv_args *out) {
    struct jv list;
    *out = (struct jv_args){0};
    if (call->n == 0) return true;
    if (!jv_list_new(r, LIST_TUPLE, call->n, &list)) return false;
    for (size_t i = 0; i < call->n; i++) {
        const struct node *arg = call->list[i];
        struct jv_list *many;
        struct jv v;
        bool ok = eval(r, s, arg->a, &v);
        if (ok && arg->op == 'd') {
            ok = add_dict(r, out, &v);
        } else if (ok && arg->op == '*') {
            ok = jv_iterate(r, &v, &many);
            for (size_t k = 0; ok && k < many->n; k++)
                ok = jv_list_add(r, list.as.list, &many->at[k]);
        } else if (ok && arg->name) {
            const struct jv key = jv_text(arg->name);
            ok = add_named(r, out, 0, arg->name, &key, &v); /* the parser has looked */
        } else if (ok) {
            ok = jv_list_add(r, list.as.list, &v);
        }
        if (!ok) return false;
    }
    out->at = list.as.list->at;
    out->n = list.as.list->n;
    return true;
}

static bool eval_call(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                      struct jv *out) {
    struct jv callee;
    struct jv_args args;
    return eval(r, s, n->a, &callee) && eval_args(r, s, n, &args) &&
           (r->line = n->line, value_call(r, &callee, &args, out));
}

/* Of a text that went through `safe` most filters give another that did; these are done here. */
static bool is_plain_for_safe(const char *name) {
    static const char *const names[] = {"safe",    "string", "trim", "tojson", "length", "count",
                                        "default", "d",      "list", "first",  "last",   "replace"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

bool filter_run(struct bnt_jinja_run *r, const struct routine *f, const struct jv *of,
                const struct jv_args *args, struct jv *out) {
    if (of->kind == JV_TEXT && of->safe && !is_plain_for_safe(f->name))
        return run_error(r, "the filter '%s' behind 'safe' is not known here", f->name);
    return routine_run(r, f, of, args, out);
}

bool eval_filter(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                 const struct jv *of, struct jv *out) {
    const struct routine *f = filter_find(n->name);
    struct jv_args args;
    r->line = n->line;
    if (!f) return run_error(r, "the filter '%s' is not known here", n->name);
    return eval_args(r, s, n, &args) && (r->line = n->line, filter_run(r, f, of, &args, out));
}

static bool eval_test(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                      struct jv *out) {
    const struct routine *t = test_find(n->name);
    struct jv_args args;
    struct jv v;
    if (!t) return run_error(r, "the test '%s' is not known here", n->name);
    return eval(r, s, n->a, &v) && eval_args(r, s, n, &args) &&
           (r->line = n->line, routine_run(r, t, &v, &args, out));
}

/* ---- operators ------------------------------------------------------------------------------- */

static bool eval_concat(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                        struct jv *out) {
    struct pen p = {0};
    for (size_t i = 0; i < n->n; i++) {
        struct bnt_marked t;
        struct jv v;
        if (!eval(r, s, n->list[i], &v) || !jv_str(r, &v, &t) || !pen_put(r, &p, t)) return false;
    }
    *out = jv_marked(pen_done(&p));
    return true;
}

static bool compare_one(struct bnt_jinja_run *r, char op, const struct jv *a, const struct jv *b,
                        bool *truth) {
    int order;
    if (op == '=' || op == '!') {
        bool ok = jv_equal(r, a, b, truth);
        *truth = *truth == (op == '=');
        return ok;
    }
    if (op == 'i' || op == 'n') {
        bool ok = jv_contains(r, b, a, truth);
        *truth = *truth == (op == 'i');
        return ok;
    }
    if (a->kind == JV_UNDEFINED || b->kind == JV_UNDEFINED)
        return run_error(r, "'%s' is undefined, and has no order",
                         a->kind == JV_UNDEFINED ? a->as.missing : b->as.missing);
    if (!jv_compare(r, a, b, &order)) return false;
    *truth = op == '<' ? order < 0 : op == '>' ? order > 0 : op == 'l' ? order <= 0 : order >= 0;
    return true;
}

static bool eval_compare(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                         struct jv *out) {
    bool truth = true;
    struct jv left, right;
    if (!eval(r, s, n->a, &left)) return false;
    for (size_t i = 0; i < n->n && truth; i++, left = right)
        if (!eval(r, s, n->list[i]->a, &right) ||
            !compare_one(r, n->list[i]->op, &left, &right, &truth))
            return false;
    *out = jv_bool(truth);
    return true;
}

static bool eval_sign(struct bnt_jinja_run *r, const struct node *n, const struct jv *v,
                      struct jv *out) {
    int64_t i;
    if (v->kind == JV_FLOAT) {
        *out = jv_real(n->kind == NODE_MINUS ? -v->as.real : v->as.real);
        return true;
    }
    if (!jv_as_int(v, &i)) return run_error(r, "a sign before a %s", jv_type_name(v));
    if (n->kind == NODE_MINUS && i == INT64_MIN)
        return run_error(r, "a whole number that does not fit 64 bits");
    *out = jv_int(n->kind == NODE_MINUS ? -i : i);
    return true;
}

static bool eval_slice(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                       struct jv *out) {
    struct jv of, part[3];
    if (!eval(r, s, n->a, &of)) return false;
    for (unsigned i = 0; i < 3; i++)
        if (!eval(r, s, n->list[i], &part[i])) return false;
    return value_slice(r, &of, part, out);
}

static bool eval_cond(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                      struct jv *out) {
    struct jv test;
    if (!eval(r, s, n->b, &test)) return false;
    if (jv_truth(&test)) return eval(r, s, n->a, out);
    if (n->c) return eval(r, s, n->c, out);
    *out = jv_undefined("what a condition without else gives");
    return true;
}

static bool eval_kind(struct bnt_jinja_run *r, struct scope *s, const struct node *n,
                      struct jv *out) {
    struct jv a, b;
    switch (n->kind) {
    case NODE_CONST: *out = n->value; return true;
    case NODE_NAME: return eval_name(r, s, n, out);
    case NODE_LIST:
    case NODE_TUPLE: return eval_list(r, s, n, out);
    case NODE_DICT: return eval_dict(r, s, n, out);
    case NODE_ATTR: return eval(r, s, n->a, &a) && value_attr(r, &a, n->name, out);
    case NODE_ITEM:
        return eval(r, s, n->a, &a) && eval(r, s, n->b, &b) && value_item(r, &a, &b, out);
    case NODE_SLICE: return eval_slice(r, s, n, out);
    case NODE_CALL: return eval_call(r, s, n, out);
    case NODE_FILTER: return eval(r, s, n->a, &a) && eval_filter(r, s, n, &a, out);
    case NODE_TEST: return eval_test(r, s, n, out);
    case NODE_NOT:
        if (!eval(r, s, n->a, &a)) return false;
        *out = jv_bool(!jv_truth(&a));
        return true;
    case NODE_MINUS:
    case NODE_PLUS: return eval(r, s, n->a, &a) && eval_sign(r, n, &a, out);
    case NODE_BINARY:
        return eval(r, s, n->a, &a) && eval(r, s, n->b, &b) &&
               (r->line = n->line, value_binary(r, n->op, &a, &b, out));
    case NODE_AND:
    case NODE_OR:
        if (!eval(r, s, n->a, out)) return false;
        return jv_truth(out) == (n->kind == NODE_OR) || eval(r, s, n->b, out);
    case NODE_CONCAT: return eval_concat(r, s, n, out);
    case NODE_COMPARE: return eval_compare(r, s, n, out);
    case NODE_COND: return eval_cond(r, s, n, out);
    default: return run_error(r, "a statement where an expression should stand");
    }
}

bool eval(struct bnt_jinja_run *r, struct scope *s, const struct node *n, struct jv *out) {
    r->line = n->line;
    if (!run_enter(r) || !run_step(r, 1)) return false;
    bool ok = eval_kind(r, s, n, out);
    run_leave(r);
    return ok;
}
