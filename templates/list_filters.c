/*
 * list_filters.c - filters of lists and dicts: choosing, ordering, grouping.
 *
 * Where Jinja gives a generator, these give a list that can be read once (LIST_ITERATOR): it has no
 * length, and it is true even when it is empty, as there.
 */
#include <string.h>

#include "eval.h"

static bool given(const struct jv *slot) {
    return slot->kind != JV_ABSENT && slot->kind != JV_NONE;
}

static bool as_list(struct jv *out, struct jv_list *l, enum jv_list_kind kind) {
    l->kind = kind;
    *out = (struct jv){.kind = JV_LIST, .as.list = l};
    return true;
}

/* ---- attributes of items --------------------------------------------------------------------- */

/* "a.b.0": the item of the item, as make_attrgetter does. NULL or absent `path`: the value itself.
 */
static bool follow(struct bnt_jinja_run *r, const struct jv *v, const struct jv *path,
                   struct jv *out) {
    struct jv_list *parts;
    struct jv made;
    int64_t i;
    *out = *v;
    if (!given(path)) return true;
    if (jv_as_int(path, &i)) return value_item(r, v, path, out);
    if (path->kind != JV_TEXT) return run_error(r, "an attribute is a %s", jv_type_name(path));
    if (!jv_list_new(r, LIST_PLAIN, 0, &made) ||
        !text_split(r, path->as.text, text_of(".", 1), SIZE_MAX, false, made.as.list))
        return false;
    parts = made.as.list;
    for (size_t k = 0; k < parts->n; k++) {
        struct jv key = parts->at[k], now = *out;
        const struct bnt_marked t = key.as.text;
        bool digits = t.len > 0 && t.len < 10;
        for (size_t c = 0; c < t.len && digits; c++) digits = t.text[c] >= '0' && t.text[c] <= '9';
        if (digits) {
            for (i = 0; i < (int64_t)t.len; i++)
                key = jv_int((i ? key.as.integer * 10 : 0) + t.text[i] - '0');
        }
        if (!value_item(r, &now, &key, out)) return false;
    }
    return true;
}

/* What items are compared by: an attribute, texts without regard to case unless asked. */
static bool key_of(struct bnt_jinja_run *r, const struct jv *item, const struct jv *attribute,
                   bool with_case, struct jv *out) {
    struct bnt_marked t;
    if (!follow(r, item, attribute, out)) return false;
    if (with_case || out->kind != JV_TEXT) return true;
    if (!text_case(r, out->as.text, CASE_LOWER, &t)) return false;
    *out = jv_marked(t);
    return true;
}

/* Keys of all items, in a list beside theirs. */
static bool keys_of(struct bnt_jinja_run *r, const struct jv_list *l, const struct jv *attribute,
                    bool with_case, struct jv_list **out) {
    struct jv keys, key;
    if (!jv_list_new(r, LIST_PLAIN, l->n, &keys)) return false;
    for (size_t i = 0; i < l->n; i++)
        if (!key_of(r, &l->at[i], attribute, with_case, &key) ||
            !jv_list_add(r, keys.as.list, &key))
            return false;
    *out = keys.as.list;
    return true;
}

/* Merge sort of l by keys, both moved alike; equal ones stay as they stood. */
static bool sort_by(struct bnt_jinja_run *r, struct jv_list *l, struct jv_list *keys,
                    bool reverse) {
    size_t n = l->n;
    struct jv *a = l->at, *ka = keys->at;
    struct jv *b = run_take(r, n * sizeof *b + 1), *kb = run_take(r, n * sizeof *b + 1);
    if (!b || !kb) return false;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t from = 0; from < n; from += 2 * width) {
            size_t mid = from + width < n ? from + width : n;
            size_t end = mid + width < n ? mid + width : n;
            for (size_t i = from, k = mid, at = from; at < end; at++) {
                int order = 0;
                if (i < mid && k < end &&
                    (!run_step(r, 1) || !jv_compare(r, &ka[i], &ka[k], &order)))
                    return false;
                bool right = i == mid || (k < end && (reverse ? order < 0 : order > 0));
                size_t pick = right ? k++ : i++;
                b[at] = a[pick];
                kb[at] = ka[pick];
            }
        }
        struct jv *swap = a;
        a = b;
        b = swap;
        swap = ka;
        ka = kb;
        kb = swap;
    }
    l->at = a;
    keys->at = ka;
    return true;
}

/* ---- taking ---------------------------------------------------------------------------------- */

ROUTINE(f_list) {
    struct jv_list *l;
    (void)args;
    (void)slot;
    return jv_iterate(r, self, &l) && as_list(out, l, LIST_PLAIN);
}

ROUTINE(f_first) {
    struct jv_list *l;
    (void)args;
    (void)slot;
    if (self->kind == JV_LIST && self->as.list->kind == LIST_ITERATOR) { /* takes one from it */
        struct jv_list *i = self->as.list;
        *out = i->next < i->n ? i->at[i->next++] : jv_undefined("the first item of nothing");
        return true;
    }
    if (!jv_iterate(r, self, &l)) return false;
    *out = l->n ? l->at[0] : jv_undefined("the first item of nothing");
    return true;
}

ROUTINE(f_last) {
    struct jv_list *l;
    (void)args;
    (void)slot;
    if (self->kind == JV_LIST && self->as.list->kind == LIST_ITERATOR)
        return run_error(r, "the last item of a generator");
    if (!jv_iterate(r, self, &l)) return false;
    *out = l->n ? l->at[l->n - 1] : jv_undefined("the last item of nothing");
    return true;
}

ROUTINE(f_reverse) {
    struct bnt_marked t;
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
    if (!jv_iterate(r, self, &l)) return false;
    for (size_t i = 0; i + 1 < l->n - i; i++) {
        struct jv v = l->at[i];
        l->at[i] = l->at[l->n - 1 - i];
        l->at[l->n - 1 - i] = v;
    }
    return as_list(out, l, LIST_ITERATOR);
}

ROUTINE(f_join) {
    struct bnt_marked between = {0}, t;
    struct jv_list *l, *parts;
    (void)args;
    if (given(&slot[0]) && !jv_str(r, &slot[0], &between)) return false;
    if (!jv_iterate(r, self, &l) || !keys_of(r, l, &slot[1], true, &parts) ||
        !text_join(r, between, parts, true, &t))
        return false;
    *out = jv_marked(t);
    return true;
}

ROUTINE(f_items) {
    bool refused;
    struct jv_list *l;
    const struct jv_args none = {0};
    struct jv view;
    (void)args;
    (void)slot;
    if (self->kind == JV_UNDEFINED) {
        if (!jv_iterate(r, self, &l)) return false;
        return as_list(out, l, LIST_ITERATOR);
    }
    if (self->kind != JV_DICT) return run_error(r, "items of a %s", jv_type_name(self));
    return routine_run(r, method_find(self, "items", &refused), self, &none, &view) &&
           jv_iterate(r, &view, &l) && as_list(out, l, LIST_ITERATOR);
}

ROUTINE(f_batch) {
    struct jv_list *l;
    struct jv now = {0};
    int64_t size;
    (void)args;
    if (!arg_int(r, &slot[0], "batch", &size) || !jv_iterate(r, self, &l) ||
        !jv_list_new(r, LIST_ITERATOR, 0, out))
        return false;
    if (size < 1) return run_error(r, "batch: lists of %lld items", (long long)size);
    for (size_t i = 0; i < l->n; i++) {
        if (i % (uint64_t)size == 0 &&
            (!jv_list_new(r, LIST_PLAIN, 0, &now) || !jv_list_add(r, out->as.list, &now)))
            return false;
        if (!jv_list_add(r, now.as.list, &l->at[i])) return false;
    }
    while (given(&slot[1]) && l->n && (int64_t)now.as.list->n < size)
        if (!run_step(r, 1) || !jv_list_add(r, now.as.list, &slot[1])) return false;
    return true;
}

/* ---- choosing -------------------------------------------------------------------------------- */

/* Of select and its kin: the arguments behind the first n, for the test that is named before them.
 */
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

/* What is false, None too, has no items here. */
static bool iterate_if_true(struct bnt_jinja_run *r, const struct jv *v, struct jv_list **out) {
    const struct jv nothing = jv_text("");
    return jv_iterate(r, jv_truth(v) ? v : &nothing, out);
}

static bool choose(struct bnt_jinja_run *r, const struct jv *self, const struct jv_args *args,
                   bool by_attribute, bool wanted, struct jv *out) {
    struct jv_list *l;
    size_t kept = 0;
    if (by_attribute && args->n == 0) return run_error(r, "selectattr needs an attribute");
    if (!iterate_if_true(r, self, &l)) return false;
    for (size_t i = 0; i < l->n; i++) {
        struct jv v = l->at[i];
        bool truth = false;
        if ((by_attribute && !follow(r, &l->at[i], &args->at[0], &v)) ||
            !passes(r, &v, args, by_attribute, &truth))
            return false;
        if (truth == wanted) l->at[kept++] = l->at[i];
    }
    l->n = kept;
    return as_list(out, l, LIST_ITERATOR);
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

/* map(attribute="x", default=...), or map("filter", arguments...). */
ROUTINE(f_map) {
    struct jv_args rest = *args;
    const struct jv *attribute = NULL, *missing = NULL;
    const struct routine *f = NULL;
    struct jv_list *l;
    (void)slot;
    for (size_t i = 0; args->n == 0 && i < args->n_named; i++) {
        if (strcmp(args->named[i].name, "attribute") == 0)
            attribute = &args->named[i].value;
        else if (strcmp(args->named[i].name, "default") == 0)
            missing = &args->named[i].value;
        else
            return run_error(r, "map has no argument '%.30s'", args->named[i].name);
    }
    if (!attribute) {
        char name[40];
        if (args->n == 0 || args->at[0].kind != JV_TEXT)
            return run_error(r, "map needs a filter's name");
        bnt_printable(name, sizeof name, args->at[0].as.text.text, args->at[0].as.text.len);
        if (!(f = filter_find(name)))
            return run_error(r, "the filter '%s' is not known here", name);
        rest.at++;
        rest.n--;
    }
    if (!iterate_if_true(r, self, &l)) return false;
    for (size_t i = 0; i < l->n; i++) {
        struct jv v;
        if (!(f ? routine_run(r, f, &l->at[i], &rest, &v) : follow(r, &l->at[i], attribute, &v)))
            return false;
        l->at[i] = v.kind == JV_UNDEFINED && missing ? *missing : v;
    }
    return as_list(out, l, LIST_ITERATOR);
}

/* ---- ordering -------------------------------------------------------------------------------- */

ROUTINE(f_sort) {
    struct jv_list *l, *keys;
    (void)args;
    return jv_iterate(r, self, &l) &&
           keys_of(r, l, &slot[2], given(&slot[1]) && jv_truth(&slot[1]), &keys) &&
           sort_by(r, l, keys, given(&slot[0]) && jv_truth(&slot[0])) &&
           as_list(out, l, LIST_PLAIN);
}

ROUTINE(f_dictsort) {
    bool with_case = given(&slot[0]) && jv_truth(&slot[0]), value = jv_is(&slot[1], "value");
    struct jv at = jv_int(value);
    struct jv_list *l, *keys;
    struct jv pairs;
    (void)args;
    if (given(&slot[1]) && !value && !jv_is(&slot[1], "key"))
        return run_error(r, "dictsort is by 'key' or 'value'");
    if (self->kind != JV_DICT) return run_error(r, "dictsort of a %s", jv_type_name(self));
    const struct jv_args none = {0};
    if (!f_items(r, self, &none, slot, &pairs) || !jv_iterate(r, &pairs, &l) ||
        !keys_of(r, l, &at, with_case, &keys) ||
        !sort_by(r, l, keys, given(&slot[2]) && jv_truth(&slot[2])))
        return false;
    return as_list(out, l, LIST_PLAIN);
}

ROUTINE(f_unique) {
    struct jv_list *l, *keys;
    size_t kept = 0;
    (void)args;
    if (!jv_iterate(r, self, &l) ||
        !keys_of(r, l, &slot[1], given(&slot[0]) && jv_truth(&slot[0]), &keys))
        return false;
    for (size_t i = 0; i < l->n; i++) {
        bool seen = false;
        for (size_t k = 0; k < kept && !seen; k++)
            if (!run_step(r, 1) || !jv_equal(r, &keys->at[k], &keys->at[i], &seen)) return false;
        if (seen) continue;
        keys->at[kept] = keys->at[i];
        l->at[kept++] = l->at[i];
    }
    l->n = kept;
    return as_list(out, l, LIST_ITERATOR);
}

static bool extreme(struct bnt_jinja_run *r, const struct jv *self, const struct jv *slot, int sign,
                    struct jv *out) {
    struct jv_list *l, *keys;
    size_t best = 0;
    if (!jv_iterate(r, self, &l) ||
        !keys_of(r, l, &slot[1], given(&slot[0]) && jv_truth(&slot[0]), &keys))
        return false;
    for (size_t i = 1; i < l->n; i++) {
        int order;
        if (!jv_compare(r, &keys->at[i], &keys->at[best], &order)) return false;
        if (sign > 0 ? order > 0 : order < 0) best = i;
    }
    *out = l->n ? l->at[best] : jv_undefined("the extreme of nothing");
    return true;
}

ROUTINE(f_min) {
    (void)args;
    return extreme(r, self, slot, -1, out);
}
ROUTINE(f_max) {
    (void)args;
    return extreme(r, self, slot, 1, out);
}

ROUTINE(f_sum) {
    struct jv_list *l;
    (void)args;
    *out = given(&slot[1]) ? slot[1] : jv_int(0);
    if (!jv_iterate(r, self, &l)) return false;
    for (size_t i = 0; i < l->n; i++) {
        struct jv v, so_far = *out;
        if (!follow(r, &l->at[i], &slot[0], &v) || !value_binary(r, '+', &so_far, &v, out))
            return false;
    }
    return true;
}

/* Pairs of a value and the items that have it, in the order of the values. */
ROUTINE(f_groupby) {
    bool with_case = given(&slot[2]) && jv_truth(&slot[2]), same = false;
    struct jv_list *l, *keys;
    (void)args;
    if (!jv_iterate(r, self, &l) || !keys_of(r, l, &slot[0], with_case, &keys)) return false;
    for (size_t i = 0; i < l->n; i++)
        if (keys->at[i].kind == JV_UNDEFINED && given(&slot[1])) keys->at[i] = slot[1];
    if (!sort_by(r, l, keys, false) || !jv_list_new(r, LIST_PLAIN, 0, out)) return false;
    struct jv group = {0}, label;
    for (size_t i = 0; i < l->n; i++) {
        if (i && !jv_equal(r, &keys->at[i - 1], &keys->at[i], &same)) return false;
        if (i == 0 || !same) {
            struct jv pair;
            if (!follow(r, &l->at[i], &slot[0], &label)) return false;
            if (label.kind == JV_UNDEFINED && given(&slot[1])) label = slot[1];
            if (!jv_list_new(r, LIST_PLAIN, 0, &group) || !jv_pair_new(r, &label, &group, &pair))
                return false;
            pair.as.list->kind = LIST_GROUP;
            if (!jv_list_add(r, out->as.list, &pair)) return false;
        }
        if (!jv_list_add(r, group.as.list, &l->at[i])) return false;
    }
    return true;
}

const struct routine list_filters[] = {
    {"list", "", 0, f_list, 0},
    {"first", "", 0, f_first, 0},
    {"last", "", 0, f_last, 0},
    {"reverse", "", 0, f_reverse, 0},
    {"join", "d attribute", 0, f_join, 0},
    {"items", "", 0, f_items, 0},
    {"batch", "linecount fill_with", 1, f_batch, 0},
    {"select", NULL, 0, f_select, 0},
    {"reject", NULL, 0, f_reject, 0},
    {"selectattr", NULL, 0, f_selectattr, 0},
    {"rejectattr", NULL, 0, f_rejectattr, 0},
    {"map", NULL, 0, f_map, 0},
    {"sort", "reverse case_sensitive attribute", 0, f_sort, 0},
    {"dictsort", "case_sensitive by reverse", 0, f_dictsort, 0},
    {"unique", "case_sensitive attribute", 0, f_unique, 0},
    {"min", "case_sensitive attribute", 0, f_min, 0},
    {"max", "case_sensitive attribute", 0, f_max, 0},
    {"sum", "attribute start", 0, f_sum, 0},
    {"groupby", "attribute default case_sensitive", 1, f_groupby, 0},
    {NULL, NULL, 0, NULL, 0},
};
