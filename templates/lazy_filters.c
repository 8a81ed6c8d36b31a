/*
 * lazy_filters.c - filters that give a generator: items are computed when they are asked for, and
 * so is what is wrong with the arguments.
 */
#include <string.h>

#include "eval.h"

/* The generator's first step where what is false, None too, has no items. */
static bool begin_if_true(struct bnt_jinja_run *r, struct jv_generator *g) {
    const struct jv nothing = jv_text("");
    if (!g->begun && !jv_truth(&g->walk.of)) g->walk.of = nothing;
    return jv_generator_begin(r, g);
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* By the arguments behind the first n, for the test that is named before them. */
static bool passes(struct bnt_jinja_run *r, const struct jv *v, const struct jv_args *args,
                   size_t n, bool *truth) {
    struct jv_args rest = *args;
    struct jv result;
    char name[40];
    if (args->n <= n) { /* none is named: the value itself decides */
        *truth = jv_truth(v);
        return true;
    }
    if (args->at[n].kind != JV_TEXT)
        return run_error(r, "a test is a %s", jv_type_name(&args->at[n]));
    rest.at += n + 1;
    rest.n -= n + 1;
    bnt_printable(name, sizeof name, args->at[n].as.text.text, args->at[n].as.text.len);
    const struct routine *t = test_find(name);
    if (!t) return run_error(r, "the test '%s' is not known here", name);
    if (!routine_run(r, t, v, &rest, &result)) return false;
    *truth = jv_truth(&result);
    return true;
}

static bool next_chosen(struct bnt_jinja_run *r, struct jv_generator *g, struct jv *item,
                        bool *more) {
    bool begins = !g->begun && jv_truth(&g->walk.of);
    if (!begin_if_true(r, g)) return false;
    if (begins && g->by_attribute) {
        if (g->args.n == 0) return run_error(r, "an attribute is needed");
        if (!value_path(r, &g->args.at[0], &g->kept)) return false;
    }
    for (;;) {
        struct jv v;
        bool truth = false;
        if (!jv_walk_next(r, &g->walk, item, more)) return false;
        if (!*more) return true;
        v = *item;
        if ((g->by_attribute && !value_follow(r, item, &g->kept, NULL, &v)) ||
            !passes(r, &v, &g->args, g->by_attribute, &truth))
            return false;
        if (truth == g->wanted) return true;
    }
}

static bool choose(struct bnt_jinja_run *r, const struct jv *self, const struct jv_args *args,
                   bool by_attribute, bool wanted, struct jv *out) {
    struct jv_generator *g = jv_generator_new(r, next_chosen, self, out);
    if (!g) return false;
    g->args = *args;
    g->by_attribute = by_attribute;
    g->wanted = wanted;
    return true;
}

ROUTINE(f_select) {
    (void)slot;
    return choose(r, self, args, false, true, out);
}
ROUTINE(f_reject) {
    (void)slot;
    return choose(r, self, args, false, false, out);
}
ROUTINE(f_selectattr) {
    (void)slot;
    return choose(r, self, args, true, true, out);
}
ROUTINE(f_rejectattr) {
    (void)slot;
    return choose(r, self, args, true, false, out);
}

/* ---- changing -------------------------------------------------------------------------------- */

static bool next_mapped(struct bnt_jinja_run *r, struct jv_generator *g, struct jv *item,
                        bool *more) {
    const struct jv_args *args = &g->args;
    const struct jv *attribute = NULL, *missing = NULL;
    struct jv_args rest = *args;
    struct jv v;
    const struct routine *f = NULL;
    char name[40];
    bool begins = !g->begun && jv_truth(&g->walk.of);
    if (!begin_if_true(r, g)) return false;
    for (size_t i = 0; args->n == 0 && i < args->n_named; i++)
        if (strcmp(args->named[i].name, "attribute") == 0) attribute = &args->named[i].value;
    for (size_t i = 0; attribute && i < args->n_named; i++) {
        if (strcmp(args->named[i].name, "default") == 0)
            missing = &args->named[i].value;
        else if (&args->named[i].value != attribute && begins)
            return run_error(r, "map has no argument '%.30s'", args->named[i].name);
    }
    if (!attribute && args->n == 0 && begins) return run_error(r, "map needs a filter's name");
    if (attribute && begins && !value_path(r, attribute, &g->kept)) return false;
    if (!jv_walk_next(r, &g->walk, &v, more) || !*more) return !*more && r->err->status == BNT_OK;
    if (attribute) return value_follow(r, &v, &g->kept, missing, item);
    if (args->at[0].kind != JV_TEXT)
        return run_error(r, "a filter is a %s", jv_type_name(&args->at[0]));
    rest.at++;
    rest.n--;
    bnt_printable(name, sizeof name, args->at[0].as.text.text, args->at[0].as.text.len);
    if (!(f = filter_find(name))) return run_error(r, "the filter '%s' is not known here", name);
    return filter_run(r, f, &v, &rest, item);
}

/* map(attribute="x", default=...), or map("filter", arguments...). */
ROUTINE(f_map) {
    struct jv_generator *g = jv_generator_new(r, next_mapped, self, out);
    (void)slot;
    if (g) g->args = *args;
    return g != NULL;
}

/* A generator that is given its arguments by name. */
static bool with_slots(struct bnt_jinja_run *r, jv_next next, const struct jv *self,
                       const struct jv slot[2], struct jv *out) {
    struct jv_generator *g = jv_generator_new(r, next, self, out);
    if (!g) return false;
    g->slot[0] = slot[0];
    g->slot[1] = slot[1];
    return true;
}

static bool next_unique(struct bnt_jinja_run *r, struct jv_generator *g, struct jv *item,
                        bool *more) {
    if (!g->begun &&
        (!jv_dict_new(r, JV_DICT, &g->kept) || !value_path(r, &g->slot[1], &g->slot[1])))
        return false;
    if (!jv_generator_begin(r, g)) return false;
    for (;;) {
        struct jv key;
        bool ok, with_case = is_given(&g->slot[0]) && jv_truth(&g->slot[0]);
        if (!jv_walk_next(r, &g->walk, item, more)) return false;
        if (!*more) return true;
        if (!value_key(r, item, &g->slot[1], NULL, with_case, &key)) return false;
        const struct jv *before = jv_dict_get(r, g->kept.as.dict, &key, &ok);
        if (!ok) return false;
        if (!before) return jv_dict_set(r, g->kept.as.dict, &key, &key);
    }
}

ROUTINE(f_unique) {
    (void)args;
    return with_slots(r, next_unique, self, slot, out);
}

/* Fills a batch that is not full. */
static bool fill(struct bnt_jinja_run *r, struct jv_list *l, const struct jv *size,
                 const struct jv *with) {
    int64_t n;
    if (!is_given(with)) return true;
    if (jv_is_number(size) && (double)l->n >= jv_as_real(size)) return true;
    if (!arg_int(r, size, "batch", &n)) return false;
    while ((int64_t)l->n < n)
        if (!run_step(r, 1) || !jv_list_add(r, l, with)) return false;
    return true;
}

/* kept: the item behind the batch that was given last. */
static bool next_batch(struct bnt_jinja_run *r, struct jv_generator *g, struct jv *item,
                       bool *more) {
    struct jv one;
    bool begins = !g->begun, full = false, any;
    if (!jv_generator_begin(r, g) || !jv_list_new(r, LIST_PLAIN, 0, item)) return false;
    if (begins) g->kept.kind = JV_ABSENT;
    if (g->kept.kind != JV_ABSENT && !jv_list_add(r, item->as.list, &g->kept)) return false;
    g->kept.kind = JV_ABSENT;
    for (;;) {
        struct jv n = jv_int((int64_t)item->as.list->n);
        if (!jv_walk_next(r, &g->walk, &one, &any)) return false;
        if (!any) break;
        if (!jv_equal(r, &n, &g->slot[0], &full)) return false;
        if (full) {
            g->kept = one;
            *more = true;
            return true;
        }
        if (!jv_list_add(r, item->as.list, &one)) return false;
    }
    *more = item->as.list->n > 0;
    return !*more || fill(r, item->as.list, &g->slot[0], &g->slot[1]);
}

ROUTINE(f_batch) {
    (void)args;
    return with_slots(r, next_batch, self, slot, out);
}

static bool next_item(struct bnt_jinja_run *r, struct jv_generator *g, struct jv *item,
                      bool *more) {
    const struct jv of = g->walk.of;
    if (!g->begun && of.kind == JV_DICT && !jv_view_new(r, of.as.dict, VIEW_ITEMS, &g->walk.of))
        return false;
    if (!g->begun && of.kind != JV_DICT && of.kind != JV_UNDEFINED)
        return run_error(r, "items of a %s", jv_type_name(&of));
    return jv_generator_begin(r, g) && jv_walk_next(r, &g->walk, item, more);
}

ROUTINE(f_items) {
    (void)args;
    (void)slot;
    return jv_generator_new(r, next_item, self, out) != NULL;
}

static bool next_back(struct bnt_jinja_run *r, struct jv_generator *g, struct jv *item,
                      bool *more) {
    return jv_walk_next(r, &g->walk, item, more);
}

ROUTINE(f_reverse) {
    struct bnt_marked t;
    struct jv_generator *g;
    struct jv_list *l;
    size_t n;
    (void)args;
    (void)slot;
    if (self->kind == JV_TEXT) {
        if (!jv_length(r, self, &n) ||
            !text_slice(r, self->as.text, (const int64_t[]){(int64_t)n - 1, -1, -1}, n, &t))
            return false;
        *out = jv_marked(t);
        return true;
    }
    if (self->kind != JV_GENERATOR)
        return (g = jv_generator_new(r, next_back, self, out)) && jv_walk_back(r, self, &g->walk);
    if (!jv_iterate(r, self, &l)) return false;
    for (size_t i = 0; i + 1 < l->n - i; i++) {
        struct jv v = l->at[i];
        l->at[i] = l->at[l->n - 1 - i];
        l->at[l->n - 1 - i] = v;
    }
    *out = (struct jv){.kind = JV_LIST, .as.list = l};
    return true;
}

const struct routine lazy_filters[] = {
    {"select", NULL, 0, f_select, 0},
    {"reject", NULL, 0, f_reject, 0},
    {"selectattr", NULL, 0, f_selectattr, 0},
    {"rejectattr", NULL, 0, f_rejectattr, 0},
    {"map", NULL, 0, f_map, 0},
    {"unique", "case_sensitive attribute", 0, f_unique, 0},
    {"batch", "linecount fill_with", 1, f_batch, 0},
    {"items", "", 0, f_items, 0},
    {"reverse", "", 0, f_reverse, 0},
    {NULL, NULL, 0, NULL, 0},
};
