/*
 * value.c - see value.h: memory, making values, and what Python says of two of them.
 */
#include "value.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* ---- memory ---------------------------------------------------------------------------------- */

enum { BLOCK = 16 << 10 };

struct arena_block {
    struct arena_block *before;
    size_t size, used;
    _Alignas(16) unsigned char bytes[];
};

void *arena_take(struct arena *a, size_t size) {
    if (size > a->limit) return NULL;
    size = (size + 15) & ~(size_t)15;
    struct arena_block *b = a->last;
    if (!b || b->size - b->used < size) {
        size_t room = size > BLOCK ? size : BLOCK;
        if (room > a->limit - a->used) return NULL;
        b = malloc(sizeof *b + room);
        if (!b) return NULL;
        *b = (struct arena_block){.size = room};
        a->used += room;
        /* What does not fit a common block gets one of its own, behind the one in use. */
        if (a->last && size > BLOCK) {
            b->before = a->last->before;
            a->last->before = b;
        } else {
            b->before = a->last;
            a->last = b;
        }
    }
    void *p = b->bytes + b->used;
    b->used += size;
    return p;
}

void arena_free(struct arena *a) {
    while (a->last) {
        struct arena_block *b = a->last;
        a->last = b->before;
        free(b);
    }
    a->used = 0;
}

bool run_fail(struct bnt_jinja_run *r, int status, const char *fmt, ...) {
    char text[400];
    va_list args;
    if (r->err->status != BNT_OK) return false; /* the first reason is the reason */
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    bnt_fail(r->err, status, "line %u: %s", r->line, text);
    return false;
}

void *run_take(struct bnt_jinja_run *r, size_t size) {
    void *p = arena_take(&r->arena, size);
    if (!p)
        run_fail(r, BNT_E_LIMIT, "the template needs more than %zu MiB of memory",
                 r->limits.memory >> 20);
    return p;
}

bool run_step(struct bnt_jinja_run *r, uint64_t n) {
    if (n <= r->limits.steps - r->steps) {
        r->steps += n;
        return true;
    }
    return run_fail(r, BNT_E_LIMIT, "the template takes more than %llu steps",
                    (unsigned long long)r->limits.steps);
}

bool run_enter(struct bnt_jinja_run *r) {
    if (r->depth >= r->limits.depth)
        return run_fail(r, BNT_E_LIMIT, "evaluation is nested deeper than %u", r->limits.depth);
    r->depth++;
    return true;
}

void run_leave(struct bnt_jinja_run *r) {
    r->depth--;
}

/* ---- making ---------------------------------------------------------------------------------- */

struct jv jv_text(const char *s) {
    return jv_marked(text_of(s, strlen(s)));
}

bool jv_text_copy(struct bnt_jinja_run *r, const char *s, size_t len, bool foreign,
                  struct jv *out) {
    struct pen p = {0};
    if (!pen_bytes(r, &p, s, len, foreign)) return false;
    *out = jv_marked(pen_done(&p));
    return true;
}

bool jv_text_begun(struct bnt_jinja_run *r, const char *s, size_t len, size_t own, struct jv *out) {
    struct pen p = {0};
    if (!pen_bytes(r, &p, s, own, false) || !pen_bytes(r, &p, s + own, len - own, true))
        return false;
    *out = jv_marked(pen_done(&p));
    return true;
}

bool jv_list_new(struct bnt_jinja_run *r, enum jv_list_kind kind, size_t room, struct jv *out) {
    struct jv_list *l = run_take(r, sizeof *l);
    if (!l) return false;
    *l = (struct jv_list){.kind = kind, .capacity = room};
    if (room > SIZE_MAX / 4 / sizeof *l->at) room = SIZE_MAX / 4 / sizeof *l->at;
    if (room && !(l->at = run_take(r, room * sizeof *l->at))) return false;
    *out = (struct jv){.kind = JV_LIST, .as.list = l};
    return true;
}

bool jv_list_add(struct bnt_jinja_run *r, struct jv_list *l, const struct jv *v) {
    struct jv kept = *v; /* v may lie in the list */
    if (l->n == l->capacity) {
        size_t capacity = 2 * l->capacity + 4;
        struct jv *grown = run_take(r, capacity * sizeof *grown);
        if (!grown) return false;
        if (l->n) memcpy(grown, l->at, l->n * sizeof *grown);
        l->at = grown;
        l->capacity = capacity;
    }
    l->at[l->n++] = kept;
    return true;
}

bool jv_pair_new(struct bnt_jinja_run *r, const struct jv *a, const struct jv *b, struct jv *out) {
    return jv_list_new(r, LIST_TUPLE, 2, out) && jv_list_add(r, out->as.list, a) &&
           jv_list_add(r, out->as.list, b);
}

bool jv_dict_new(struct bnt_jinja_run *r, enum jv_kind kind, struct jv *out) {
    struct jv_dict *d = run_take(r, sizeof *d);
    if (!d) return false;
    *d = (struct jv_dict){0};
    *out = (struct jv){.kind = kind, .as.dict = d};
    return true;
}

static bool can_be_key(const struct jv *k) {
    if (k->kind == JV_LIST && (k->as.list->kind == LIST_TUPLE || k->as.list->kind == LIST_GROUP)) {
        for (size_t i = 0; i < k->as.list->n; i++)
            if (k->as.list->at[i].kind == JV_LIST || k->as.list->at[i].kind == JV_DICT)
                return false;
        return true;
    }
    return k->kind == JV_NONE || k->kind == JV_BOOL || k->kind == JV_INT || k->kind == JV_FLOAT ||
           k->kind == JV_TEXT;
}

/* The place of a key, or d->n. */
static bool place_of(struct bnt_jinja_run *r, const struct jv_dict *d, const struct jv *key,
                     size_t *at) {
    if (!run_step(r, d->n / 16)) return false;
    for (*at = 0; *at < d->n; ++*at) {
        const struct jv *k = &d->at[*at].key;
        bool same;
        if (k->kind == JV_TEXT && key->kind == JV_TEXT) {
            if (text_equal(k->as.text, key->as.text)) return true;
            continue;
        }
        if (!jv_equal(r, k, key, &same)) return false;
        if (same) return true;
    }
    return true;
}

bool jv_dict_set(struct bnt_jinja_run *r, struct jv_dict *d, const struct jv *key,
                 const struct jv *v) {
    struct jv_pair pair = {*key, *v};
    size_t at;
    if (!can_be_key(key))
        return run_error(r, "a %s cannot be the key of a dict", jv_type_name(key));
    if (!place_of(r, d, key, &at)) return false;
    if (at < d->n) {
        d->at[at].value = *v;
        return true;
    }
    if (d->n == d->capacity) {
        size_t capacity = 2 * d->capacity + 4;
        struct jv_pair *grown = run_take(r, capacity * sizeof *grown);
        if (!grown) return false;
        if (d->n) memcpy(grown, d->at, d->n * sizeof *grown);
        d->at = grown;
        d->capacity = capacity;
    }
    d->at[d->n++] = pair;
    return true;
}

bool jv_dict_put(struct bnt_jinja_run *r, struct jv_dict *d, const char *key, const struct jv *v) {
    struct jv k = jv_text(key);
    return jv_dict_set(r, d, &k, v);
}

const struct jv *jv_dict_get(struct bnt_jinja_run *r, const struct jv_dict *d, const struct jv *key,
                             bool *ok) {
    size_t at;
    *ok = place_of(r, d, key, &at);
    return *ok && at < d->n ? &d->at[at].value : NULL;
}

void jv_dict_remove(struct jv_dict *d, const struct jv *value) {
    size_t at = 0;
    while (&d->at[at].value != value) at++;
    memmove(d->at + at, d->at + at + 1, (d->n - at - 1) * sizeof *d->at);
    d->n--;
}

/* ---- asking ---------------------------------------------------------------------------------- */

const char *jv_type_name(const struct jv *v) {
    static const char *const names[] = {[JV_UNDEFINED] = "undefined",
                                        [JV_ABSENT] = "absent",
                                        [JV_NONE] = "None",
                                        [JV_BOOL] = "bool",
                                        [JV_INT] = "int",
                                        [JV_FLOAT] = "float",
                                        [JV_TEXT] = "str",
                                        [JV_DICT] = "dict",
                                        [JV_NAMESPACE] = "namespace",
                                        [JV_LOOP] = "loop",
                                        [JV_CALLABLE] = "function"};
    static const char *const lists[] = {
        [LIST_PLAIN] = "list",  [LIST_TUPLE] = "tuple", [LIST_GROUP] = "tuple",
        [LIST_RANGE] = "range", [LIST_VIEW] = "view",   [LIST_ITERATOR] = "generator"};
    return v->kind == JV_LIST ? lists[v->as.list->kind] : names[v->kind];
}

bool jv_is_number(const struct jv *v) {
    return v->kind == JV_INT || v->kind == JV_BOOL || v->kind == JV_FLOAT;
}

bool jv_is(const struct jv *v, const char *text) {
    return v->kind == JV_TEXT && text_equal(v->as.text, text_of(text, strlen(text)));
}

bool jv_as_int(const struct jv *v, int64_t *i) {
    if (v->kind == JV_BOOL)
        *i = v->as.truth;
    else if (v->kind == JV_INT)
        *i = v->as.integer;
    else
        return false;
    return true;
}

double jv_as_real(const struct jv *v) {
    int64_t i;
    return jv_as_int(v, &i) ? (double)i : v->as.real;
}

bool jv_truth(const struct jv *v) {
    switch (v->kind) {
    case JV_UNDEFINED:
    case JV_ABSENT:
    case JV_NONE: return false;
    case JV_BOOL: return v->as.truth;
    case JV_INT: return v->as.integer != 0;
    case JV_FLOAT: return v->as.real != 0.0;
    case JV_TEXT: return v->as.text.len > 0;
    case JV_LIST: return v->as.list->n > 0 || v->as.list->kind == LIST_ITERATOR;
    case JV_DICT: return v->as.dict->n > 0;
    default: return true;
    }
}

static bool is_tuple(const struct jv_list *l) {
    return l->kind == LIST_TUPLE || l->kind == LIST_GROUP;
}

/* Of numbers: Python compares an int and a float exactly. */
static int compare_numbers(const struct jv *a, const struct jv *b) {
    int64_t i, k;
    if (jv_as_int(a, &i) && jv_as_int(b, &k)) return (i > k) - (i < k);
    long double x = jv_as_int(a, &i) ? (long double)i : (long double)a->as.real;
    long double y = jv_as_int(b, &k) ? (long double)k : (long double)b->as.real;
    return (x > y) - (x < y);
}

static bool equal_lists(struct bnt_jinja_run *r, const struct jv_list *a, const struct jv_list *b,
                        bool *equal) {
    *equal = a == b;
    if (a == b) return true;
    if (a->kind == LIST_VIEW || b->kind == LIST_VIEW)
        return run_error(r, "views of dicts are not compared here");
    if (a->kind == LIST_ITERATOR || b->kind == LIST_ITERATOR) return true;
    if (is_tuple(a) != is_tuple(b) || (!is_tuple(a) && a->kind != b->kind) || a->n != b->n)
        return true;
    for (size_t i = 0; i < a->n; i++) {
        if (!jv_equal(r, &a->at[i], &b->at[i], equal)) return false;
        if (!*equal) return true;
    }
    *equal = true;
    return true;
}

static bool equal_dicts(struct bnt_jinja_run *r, const struct jv_dict *a, const struct jv_dict *b,
                        bool *equal) {
    *equal = a == b;
    if (a == b || a->n != b->n) return true;
    for (size_t i = 0; i < a->n; i++) {
        bool ok;
        const struct jv *other = jv_dict_get(r, b, &a->at[i].key, &ok);
        if (!ok) return false;
        if (!other) return true;
        if (!jv_equal(r, &a->at[i].value, other, equal)) return false;
        if (!*equal) return true;
    }
    *equal = true;
    return true;
}

bool jv_equal(struct bnt_jinja_run *r, const struct jv *a, const struct jv *b, bool *equal) {
    bool ok = true;
    *equal = false;
    if (jv_is_number(a) && jv_is_number(b)) {
        *equal = compare_numbers(a, b) == 0 && !(a->kind == JV_FLOAT && a->as.real != a->as.real) &&
                 !(b->kind == JV_FLOAT && b->as.real != b->as.real);
        return true;
    }
    if (a->kind != b->kind) return true;
    if (!run_enter(r) || !run_step(r, 1)) return false;
    switch (a->kind) {
    case JV_UNDEFINED:
    case JV_NONE: *equal = true; break;
    case JV_TEXT:
        ok = run_step(r, a->as.text.len / 256);
        *equal = text_equal(a->as.text, b->as.text);
        break;
    case JV_LIST: ok = equal_lists(r, a->as.list, b->as.list, equal); break;
    case JV_DICT: ok = equal_dicts(r, a->as.dict, b->as.dict, equal); break;
    case JV_NAMESPACE: *equal = a->as.dict == b->as.dict; break;
    case JV_LOOP: *equal = a->as.loop == b->as.loop; break;
    case JV_CALLABLE: *equal = a->as.callable == b->as.callable; break;
    default: break;
    }
    run_leave(r);
    return ok;
}

bool jv_compare(struct bnt_jinja_run *r, const struct jv *a, const struct jv *b, int *order) {
    *order = 0;
    if (jv_is_number(a) && jv_is_number(b)) {
        *order = compare_numbers(a, b);
        return true;
    }
    if (a->kind == JV_TEXT && b->kind == JV_TEXT) {
        *order = text_compare(a->as.text, b->as.text);
        return run_step(r, a->as.text.len / 256);
    }
    if (a->kind == JV_LIST && b->kind == JV_LIST && is_tuple(a->as.list) == is_tuple(b->as.list) &&
        (is_tuple(a->as.list) ||
         (a->as.list->kind == LIST_PLAIN && b->as.list->kind == LIST_PLAIN))) {
        const struct jv_list *x = a->as.list, *y = b->as.list;
        bool same = true;
        size_t i = 0;
        if (!run_enter(r)) return false;
        for (; i < x->n && i < y->n; i++) {
            if (!jv_equal(r, &x->at[i], &y->at[i], &same)) return false;
            if (!same) break;
        }
        *order = (x->n > y->n) - (x->n < y->n);
        bool ok = same || jv_compare(r, &x->at[i], &y->at[i], order);
        run_leave(r);
        return ok;
    }
    return run_error(r, "a %s and a %s have no order", jv_type_name(a), jv_type_name(b));
}

bool jv_contains(struct bnt_jinja_run *r, const struct jv *in, const struct jv *what, bool *found) {
    *found = false;
    if (in->kind == JV_TEXT) {
        if (what->kind != JV_TEXT)
            return run_error(r, "'in' a text: a %s is none", jv_type_name(what));
        *found = text_find(in->as.text, what->as.text, 0) != SIZE_MAX;
        return run_step(r, in->as.text.len / 64);
    }
    if (in->kind == JV_DICT) {
        bool ok;
        if (!can_be_key(what))
            return run_error(r, "'in' a dict: a %s cannot be a key", jv_type_name(what));
        *found = jv_dict_get(r, in->as.dict, what, &ok) != NULL;
        return ok;
    }
    if (in->kind == JV_UNDEFINED) return true;
    struct jv_list *l;
    if (!jv_iterate(r, in, &l)) return false;
    for (size_t i = 0; i < l->n && !*found; i++)
        if (!jv_equal(r, &l->at[i], what, found)) return false;
    return true;
}

bool jv_length(struct bnt_jinja_run *r, const struct jv *v, size_t *n) {
    *n = 0;
    if (v->kind == JV_UNDEFINED) return true;
    if (v->kind == JV_TEXT) {
        *n = text_length(v->as.text);
        return run_step(r, v->as.text.len / 64);
    }
    if (v->kind == JV_DICT)
        *n = v->as.dict->n;
    else if (v->kind == JV_LIST && v->as.list->kind != LIST_ITERATOR)
        *n = v->as.list->n;
    else if (v->kind == JV_LOOP)
        *n = v->as.loop->items->n;
    else
        return run_error(r, "a %s has no length", jv_type_name(v));
    return true;
}

static bool characters(struct bnt_jinja_run *r, struct bnt_marked t, struct jv_list *l) {
    for (size_t at = 0, n; at < t.len; at += n) {
        int32_t cp;
        n = text_next(t, at, &cp);
        struct jv one = jv_marked(text_part(t, at, at + n));
        if (!jv_list_add(r, l, &one)) return false;
    }
    return true;
}

bool jv_iterate(struct bnt_jinja_run *r, const struct jv *v, struct jv_list **out) {
    struct jv made;
    if (v->kind == JV_LIST) {
        struct jv_list *l = v->as.list;
        size_t from = l->kind == LIST_ITERATOR ? l->next : 0;
        if (!run_step(r, l->n - from) || !jv_list_new(r, LIST_PLAIN, l->n - from, &made))
            return false;
        if (l->n - from) memcpy(made.as.list->at, l->at + from, (l->n - from) * sizeof *l->at);
        made.as.list->n = l->n - from;
        l->next = l->n;
        *out = made.as.list;
        return true;
    }
    if (!jv_list_new(r, LIST_PLAIN, 0, &made)) return false;
    *out = made.as.list;
    if (v->kind == JV_UNDEFINED) return true;
    if (v->kind == JV_TEXT) return run_step(r, v->as.text.len) && characters(r, v->as.text, *out);
    if (v->kind == JV_DICT) {
        if (!run_step(r, v->as.dict->n)) return false;
        for (size_t i = 0; i < v->as.dict->n; i++)
            if (!jv_list_add(r, *out, &v->as.dict->at[i].key)) return false;
        return true;
    }
    return run_error(r, "a %s cannot be gone through", jv_type_name(v));
}
