/*
 * list_filters.c - filters of lists and dicts: choosing, ordering, grouping.
 * lazy_filters.c has those that Jinja makes generators of.
 */
#include <string.h>

#include "eval.h"

static bool as_list(struct jv *out, struct jv_list *l, enum jv_list_kind kind) {
    l->kind = kind;
    *out = (struct jv){.kind = JV_LIST, .as.list = l};
    return true;
}

/* ---- attributes of items --------------------------------------------------------------------- */

/* A part of a path: digits are a number. */
static bool path_part(struct bnt_jinja_run *r, const struct bnt_marked t, struct jv_list *parts) {
    struct jv key = jv_marked(t);
    int64_t number = 0;
    bool digits = t.len > 0, decimal = true;
    for (size_t at = 0; at < t.len && digits;) {
        int32_t c;
        at += text_next(t, at, &c);
        digits = char_is_digit(c);
        decimal = decimal && char_decimal(c) >= 0 && number < 1000000000;
        if (digits && decimal) number = number * 10 + char_decimal(c);
    }
    if (digits && !decimal) return run_error(r, "an attribute that is no number is not done here");
    if (digits) key = jv_int(number);
    return jv_list_add(r, parts, &key);
}

bool value_path(struct bnt_jinja_run *r, const struct jv *path, struct jv *parts) {
    const struct jv whole = *path; /* parts may be where it lies */
    struct jv texts;
    if (!jv_list_new(r, LIST_PLAIN, 1, parts)) return false;
    if (!is_given(&whole)) return true;
    if (whole.kind != JV_TEXT) return jv_list_add(r, parts->as.list, &whole);
    if (!jv_list_new(r, LIST_PLAIN, 1, &texts) ||
        !text_split(r, whole.as.text, text_of(".", 1), SIZE_MAX, false, texts.as.list))
        return false;
    for (size_t i = 0; i < texts.as.list->n; i++)
        if (!path_part(r, texts.as.list->at[i].as.text, parts->as.list)) return false;
    return true;
}

bool value_follow(struct bnt_jinja_run *r, const struct jv *v, const struct jv *parts,
                  const struct jv *missing, struct jv *out) {
    *out = *v;
    for (size_t k = 0; k < parts->as.list->n; k++) {
        struct jv now = *out;
        if (!value_item(r, &now, &parts->as.list->at[k], out)) return false;
        if (out->kind == JV_UNDEFINED && missing && is_given(missing)) *out = *missing;
    }
    return true;
}

bool value_key(struct bnt_jinja_run *r, const struct jv *item, const struct jv *parts,
               const struct jv *missing, bool with_case, struct jv *out) {
    struct bnt_marked t;
    if (!value_follow(r, item, parts, missing, out)) return false;
    if (with_case || out->kind != JV_TEXT) return true;
    if (!text_case(r, out->as.text, CASE_LOWER, &t)) return false;
    *out = jv_marked(t);
    return true;
}

/* Keys of all items, in a list beside theirs. */
static bool keys_of(struct bnt_jinja_run *r, const struct jv_list *l, const struct jv *attribute,
                    const struct jv *missing, bool with_case, struct jv_list **out) {
    struct jv keys, key, parts;
    if (!value_path(r, attribute, &parts) || !jv_list_new(r, LIST_PLAIN, l->n, &keys)) return false;
    for (size_t i = 0; i < l->n; i++)
        if (!value_key(r, &l->at[i], &parts, missing, with_case, &key) ||
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
    struct jv_walk w;
    bool more;
    (void)args;
    (void)slot;
    if (!jv_walk_begin(r, self, &w) || !jv_walk_next(r, &w, out, &more)) return false;
    if (!more) *out = jv_undefined("the first item of nothing");
    return true;
}

ROUTINE(f_last) {
    struct jv_walk w;
    bool more;
    (void)args;
    (void)slot;
    if (self->kind == JV_GENERATOR) return run_error(r, "the last item of a generator");
    if (self->kind == JV_TEXT) {
        const struct bnt_marked t = self->as.text;
        int32_t c;
        *out = jv_undefined("the last item of nothing");
        if (t.len) *out = jv_marked(text_part(t, text_before(t, t.len, &c), t.len));
        out->safe = self->safe;
        return true;
    }
    if (!jv_walk_back(r, self, &w) || !jv_walk_next(r, &w, out, &more)) return false;
    if (!more) *out = jv_undefined("the last item of nothing");
    return true;
}

ROUTINE(f_join) {
    struct bnt_marked between = {0}, t;
    struct jv_list *l, *parts;
    (void)args;
    if (slot[0].kind != JV_ABSENT && !jv_str(r, &slot[0], &between)) return false;
    if (!jv_iterate(r, self, &l) || !keys_of(r, l, &slot[1], NULL, true, &parts) ||
        !text_join(r, between, parts, true, &t))
        return false;
    *out = jv_marked(t);
    return true;
}

/* ---- ordering -------------------------------------------------------------------------------- */

/* "a,b.c": by a, and where that is equal by b.c. A key is a list of them, so that two that are
 * equal need no order. */
static bool sort_keys(struct bnt_jinja_run *r, const struct jv_list *l, const struct jv *attribute,
                      bool with_case, struct jv_list **out) {
    struct jv keys, key, names;
    if (!jv_list_new(r, LIST_PLAIN, l->n, &keys) || !jv_list_new(r, LIST_PLAIN, 1, &names))
        return false;
    if (attribute->kind == JV_TEXT
            ? !text_split(r, attribute->as.text, text_of(",", 1), SIZE_MAX, false, names.as.list)
            : !jv_list_add(r, names.as.list, attribute))
        return false;
    for (size_t k = 0; k < names.as.list->n; k++) {
        struct jv *name = &names.as.list->at[k];
        if (!value_path(r, name, name)) return false;
    }
    for (size_t i = 0; i < l->n; i++) {
        if (!jv_list_new(r, LIST_PLAIN, names.as.list->n, &key)) return false;
        for (size_t k = 0; k < names.as.list->n; k++) {
            struct jv part;
            if (!value_key(r, &l->at[i], &names.as.list->at[k], NULL, with_case, &part) ||
                !jv_list_add(r, key.as.list, &part))
                return false;
        }
        if (!jv_list_add(r, keys.as.list, &key)) return false;
    }
    *out = keys.as.list;
    return true;
}

/* sorted() of Python takes a truth only as a number. */
static bool reversed(struct bnt_jinja_run *r, const struct jv *v, bool *out) {
    int64_t i = 0;
    if (v->kind != JV_ABSENT && !arg_int(r, v, "sort: reverse", &i)) return false;
    *out = i != 0;
    return true;
}

ROUTINE(f_sort) {
    struct jv_list *l, *keys;
    bool back;
    (void)args;
    return jv_iterate(r, self, &l) && reversed(r, &slot[0], &back) &&
           sort_keys(r, l, &slot[2], is_given(&slot[1]) && jv_truth(&slot[1]), &keys) &&
           sort_by(r, l, keys, back) && as_list(out, l, LIST_PLAIN);
}

ROUTINE(f_dictsort) {
    bool with_case = is_given(&slot[0]) && jv_truth(&slot[0]), value = jv_is(&slot[1], "value");
    struct jv at = jv_int(value);
    struct jv_list *l, *keys;
    struct jv view;
    bool back;
    (void)args;
    if (is_given(&slot[1]) && !value && !jv_is(&slot[1], "key"))
        return run_error(r, "dictsort is by 'key' or 'value'");
    if (self->kind != JV_DICT) return run_error(r, "dictsort of a %s", jv_type_name(self));
    if (!jv_view_new(r, self->as.dict, VIEW_ITEMS, &view) || !jv_iterate(r, &view, &l) ||
        !keys_of(r, l, &at, NULL, with_case, &keys) || !reversed(r, &slot[2], &back) ||
        !sort_by(r, l, keys, back))
        return false;
    return as_list(out, l, LIST_PLAIN);
}

static bool extreme(struct bnt_jinja_run *r, const struct jv *self, const struct jv *slot, int sign,
                    struct jv *out) {
    struct jv_list *l, *keys;
    size_t best = 0;
    if (!jv_iterate(r, self, &l) ||
        !keys_of(r, l, &slot[1], NULL, is_given(&slot[0]) && jv_truth(&slot[0]), &keys))
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
    struct jv parts;
    (void)args;
    *out = slot[1].kind != JV_ABSENT ? slot[1] : jv_int(0);
    if (out->kind == JV_TEXT) return run_error(r, "sum of texts");
    if (!value_path(r, &slot[0], &parts) || !jv_iterate(r, self, &l)) return false;
    for (size_t i = 0; i < l->n; i++) {
        struct jv v, so_far = *out;
        if (!value_follow(r, &l->at[i], &parts, NULL, &v) ||
            !value_binary(r, '+', &so_far, &v, out))
            return false;
    }
    return true;
}

/* Pairs of a value and the items that have it, in the order of the values. */
ROUTINE(f_groupby) {
    bool with_case = is_given(&slot[2]) && jv_truth(&slot[2]), same = false;
    struct jv_list *l, *keys;
    (void)args;
    if (!jv_iterate(r, self, &l) || !keys_of(r, l, &slot[0], &slot[1], with_case, &keys))
        return false;
    if (!sort_by(r, l, keys, false) || !jv_list_new(r, LIST_PLAIN, 0, out)) return false;
    struct jv group = {0}, label, parts;
    if (!value_path(r, &slot[0], &parts)) return false;
    for (size_t i = 0; i < l->n; i++) {
        if (i && !jv_equal(r, &keys->at[i - 1], &keys->at[i], &same)) return false;
        if (i == 0 || !same) {
            struct jv pair;
            if (!value_follow(r, &l->at[i], &parts, &slot[1], &label)) return false;
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
    {"join", "d attribute", 0, f_join, 0},
    {"sort", "reverse case_sensitive attribute", 0, f_sort, 0},
    {"dictsort", "case_sensitive by reverse", 0, f_dictsort, 0},
    {"min", "case_sensitive attribute", 0, f_min, 0},
    {"max", "case_sensitive attribute", 0, f_max, 0},
    {"sum", "attribute start", 0, f_sum, 0},
    {"groupby", "attribute default case_sensitive", 1, f_groupby, 0},
    {NULL, NULL, 0, NULL, 0},
};
