/*
 * value.c - see value.h: memory, making values, and what Python says of two of them.
 */
#include "value.h"

#include <math.h>
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
        a->no_memory = !b;
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

int arena_status(const struct arena *a) {
    return a->no_memory ? BNT_E_NOMEM : BNT_E_LIMIT;
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
    if (!p && arena_status(&r->arena) == BNT_E_NOMEM)
        run_fail(r, BNT_E_NOMEM, "out of memory");
    else if (!p)
        run_fail(r, BNT_E_LIMIT, "the template needs more than %zu MiB of memory",
                 r->limits.memory >> 20);
    return p;
}

void *run_grow(struct bnt_jinja_run *r, void *at, size_t n, size_t *capacity, size_t size) {
    if (n < *capacity) return at;
    const size_t room = 2 * *capacity + 4;
    void *grown = run_take(r, room * size);
    if (!grown) return NULL;
    if (n) memcpy(grown, at, n * size);
    *capacity = room;
    return grown;
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
    struct jv *at = run_grow(r, l->at, l->n, &l->capacity, sizeof *at);
    if (!at) return false;
    l->at = at;
    l->at[l->n++] = kept;
    return true;
}

bool jv_pair_new(struct bnt_jinja_run *r, const struct jv *a, const struct jv *b, struct jv *out) {
    return jv_list_new(r, LIST_TUPLE, 2, out) && jv_list_add(r, out->as.list, a) &&
           jv_list_add(r, out->as.list, b);
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
                                        [JV_VIEW] = "view",
                                        [JV_GENERATOR] = "generator",
                                        [JV_NAMESPACE] = "namespace",
                                        [JV_LOOP] = "loop",
                                        [JV_CALLABLE] = "function"};
    static const char *const lists[] = {[LIST_PLAIN] = "list",
                                        [LIST_TUPLE] = "tuple",
                                        [LIST_GROUP] = "tuple",
                                        [LIST_RANGE] = "range"};
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
    case JV_LIST: return v->as.list->n > 0;
    case JV_VIEW: return v->as.view->of->n > 0;
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
    if (is_tuple(a) != is_tuple(b) || (!is_tuple(a) && a->kind != b->kind) || a->n != b->n)
        return true;
    for (size_t i = 0; i < a->n; i++) {
        if (!jv_equal(r, &a->at[i], &b->at[i], equal)) return false;
        if (!*equal) return true;
    }
    *equal = true;
    return true;
}

static bool equal_dicts(struct bnt_jinja_run *r, const struct jv_dict *a, struct jv_dict *b,
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
    case JV_VIEW: ok = run_error(r, "whether views of dicts are equal is not known here"); break;
    case JV_GENERATOR: *equal = a->as.generator == b->as.generator; break;
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
        if ((a->kind == JV_FLOAT && isnan(a->as.real)) ||
            (b->kind == JV_FLOAT && isnan(b->as.real)))
            return run_error(r, "the order of nan and a number is not done here");
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
        *found = jv_dict_get(r, in->as.dict, what, &ok) != NULL;
        return ok;
    }
    if (in->kind == JV_UNDEFINED) return true;
    struct jv_walk w;
    if (!jv_walk_begin(r, in, &w)) return false;
    for (bool more = true; more && !*found;) {
        struct jv item;
        if (!jv_walk_next(r, &w, &item, &more)) return false;
        if (more && !jv_equal(r, &item, what, found)) return false;
    }
    return true;
}

bool jv_length(struct bnt_jinja_run *r, const struct jv *v, size_t *n) {
    *n = 0;
    if (v->kind == JV_UNDEFINED) return true;
    if (v->kind == JV_TEXT) {
        *n = text_length(v->as.text);
        return run_step(r, v->as.text.len / 16);
    }
    if (v->kind == JV_DICT)
        *n = v->as.dict->n;
    else if (v->kind == JV_LIST)
        *n = v->as.list->n;
    else if (v->kind == JV_VIEW)
        *n = v->as.view->of->n;
    else if (v->kind == JV_LOOP)
        return jv_loop_length(r, v->as.loop, n);
    else
        return run_error(r, "a %s has no length", jv_type_name(v));
    return true;
}

bool jv_iterate(struct bnt_jinja_run *r, const struct jv *v, struct jv_list **out) {
    struct jv_walk w;
    struct jv made;
    bool more = true;
    size_t n = v->kind == JV_LIST ? v->as.list->n : 0;
    if (!jv_list_new(r, LIST_PLAIN, n, &made)) return false;
    *out = made.as.list;
    if (v->kind == JV_LIST) {
        if (n) memcpy(made.as.list->at, v->as.list->at, n * sizeof made);
        made.as.list->n = n;
        return run_step(r, n);
    }
    if (!jv_walk_begin(r, v, &w)) return false;
    while (more) {
        struct jv item;
        if (!jv_walk_next(r, &w, &item, &more)) return false;
        if (more && !jv_list_add(r, made.as.list, &item)) return false;
    }
    return true;
}
