/*
 * dict.c - dicts: pairs in the order of their insertion, and beside more than a few of them an
 * index by hash. Names of variables are kept in them, too (eval.h).
 *
 * Each place that is looked at counts as work, so that keys which somebody chose to collide end at
 * the limit of steps.
 */
#include <string.h>

#include "text.h"

enum { FEW = 8 };

bool jv_is_key(struct bnt_jinja_run *r, const struct jv *k, bool *is) {
    *is = k->kind <= JV_TEXT;
    if (k->kind != JV_LIST || (k->as.list->kind != LIST_TUPLE && k->as.list->kind != LIST_GROUP))
        return true;
    if (!run_enter(r) || !run_step(r, 1 + k->as.list->n)) return false;
    *is = true;
    for (size_t i = 0; i < k->as.list->n && *is; i++)
        if (!jv_is_key(r, &k->as.list->at[i], is)) return false;
    run_leave(r);
    return true;
}

static inline bool need_key(struct bnt_jinja_run *r, const struct jv *k) {
    bool is = k->kind <= JV_TEXT;
    if (is) return true;
    if (!jv_is_key(r, k, &is)) return false;
    if (is) return true;
    if (k->kind == JV_NAMESPACE || k->kind == JV_LOOP || k->kind == JV_CALLABLE ||
        (k->kind == JV_LIST && k->as.list->kind == LIST_RANGE))
        return run_error(r, "a %s as the key of a dict is not done here", jv_type_name(k));
    return run_error(r, "a %s cannot be the key of a dict", jv_type_name(k));
}

/* Equal for what jv_equal calls equal: 1, 1.0 and true. Of a key, which is nested no deeper than
 * need_key went. */
static bool hash_of(struct bnt_jinja_run *r, const struct jv *k, uint64_t *out) {
    const uint64_t prime = 0x100000001b3, seed = 0xcbf29ce484222325;
    uint64_t h = seed ^ (uint64_t)k->kind;
    if (jv_is_number(k)) {
        double f = jv_as_real(k) + 0.0; /* not -0.0 */
        memcpy(&h, &f, sizeof h);
        h = (h ^ h >> 32) * 0x9e3779b97f4a7c15; /* whole numbers differ above */
    } else if (k->kind == JV_TEXT) {
        for (size_t i = 0; i < k->as.text.len; i++)
            h = (h ^ (unsigned char)k->as.text.text[i]) * prime;
    } else if (k->kind == JV_LIST) {
        h = seed;
        if (!run_step(r, 1 + k->as.list->n)) return false;
        for (size_t i = 0; i < k->as.list->n; i++) {
            uint64_t part;
            if (!hash_of(r, &k->as.list->at[i], &part)) return false;
            h = (h ^ part) * prime;
        }
    }
    *out = h ^ h >> 29;
    return true;
}

static bool equal_keys(struct bnt_jinja_run *r, const struct jv *a, const struct jv *b,
                       bool *same) {
    if (a->kind != JV_TEXT || b->kind != JV_TEXT) return jv_equal(r, a, b, same);
    *same = text_equal(a->as.text, b->as.text);
    return true;
}

static bool index_put(struct bnt_jinja_run *r, struct jv_dict *d, size_t place) {
    uint64_t hash;
    if (!hash_of(r, &d->at[place].key, &hash)) return false;
    size_t i = (size_t)hash & (d->slots - 1);
    while (d->index[i]) i = (i + 1) & (d->slots - 1);
    d->index[i] = place + 1;
    return true;
}

/* An index of twice as many slots as there may be pairs. */
static bool index_make(struct bnt_jinja_run *r, struct jv_dict *d) {
    if (d->slots < 2 * d->capacity || !d->index) {
        size_t slots = 4 * FEW;
        while (slots < 2 * d->capacity) slots *= 2;
        size_t *index = run_take(r, slots * sizeof *index);
        if (!index) return false;
        d->index = index;
        d->slots = slots;
    }
    memset(d->index, 0, d->slots * sizeof *d->index);
    for (size_t i = 0; i < d->n; i++)
        if (!index_put(r, d, i)) return false;
    d->indexed = true;
    return run_step(r, d->n / 4);
}

/* The place of a text among few, or d->n; most are looked for by the length alone. */
static inline size_t place_among_few(const struct jv_dict *d, const struct bnt_marked key) {
    size_t i = 0;
    for (; i < d->n; i++) {
        const struct jv *k = &d->at[i].key;
        if (k->kind == JV_TEXT && k->as.text.len == key.len &&
            (k->as.text.text == key.text || memcmp(k->as.text.text, key.text, key.len) == 0))
            break;
    }
    return i;
}

/* *at: its place, or d->n. */
static bool place_of(struct bnt_jinja_run *r, struct jv_dict *d, const struct jv *key, size_t *at) {
    bool same = false;
    if (d->n <= FEW) {
        for (*at = 0; *at < d->n; ++*at)
            if (!equal_keys(r, &d->at[*at].key, key, &same))
                return false;
            else if (same)
                return true;
        return true;
    }
    if (!d->indexed && !index_make(r, d)) return false;
    uint64_t hash;
    if (key->kind == JV_TEXT && !run_step(r, key->as.text.len / 64)) return false;
    if (!hash_of(r, key, &hash)) return false;
    for (size_t i = (size_t)hash & (d->slots - 1);; i = (i + 1) & (d->slots - 1)) {
        if (!run_step(r, 1)) return false;
        *at = d->index[i] ? d->index[i] - 1 : d->n;
        if (*at == d->n) return true;
        if (!equal_keys(r, &d->at[*at].key, key, &same)) return false;
        if (same) return true;
    }
}

bool jv_dict_new(struct bnt_jinja_run *r, enum jv_kind kind, struct jv *out) {
    struct jv_dict *d = run_take(r, sizeof *d);
    if (!d) return false;
    *d = (struct jv_dict){0};
    *out = (struct jv){.kind = kind, .as.dict = d};
    return true;
}

/* The same, fast for most dicts. */
static inline bool find(struct bnt_jinja_run *r, struct jv_dict *d, const struct jv *key,
                        size_t *at) {
    if (d->n > FEW || key->kind != JV_TEXT) return need_key(r, key) && place_of(r, d, key, at);
    *at = place_among_few(d, key->as.text);
    return true;
}

bool jv_dict_set(struct bnt_jinja_run *r, struct jv_dict *d, const struct jv *key,
                 const struct jv *v) {
    struct jv_pair pair = {*key, *v};
    size_t at;
    if (!find(r, d, key, &at)) return false;
    if (at < d->n) {
        d->at[at].value = *v;
        return true;
    }
    const size_t before = d->capacity;
    struct jv_pair *grown = run_grow(r, d->at, d->n, &d->capacity, sizeof *grown);
    if (!grown) return false;
    d->at = grown;
    d->indexed = d->indexed && d->capacity == before; /* else it is too small */
    d->at[d->n++] = pair;
    d->changes++;
    return !d->indexed || index_put(r, d, d->n - 1);
}

bool jv_dict_put(struct bnt_jinja_run *r, struct jv_dict *d, const char *key, const struct jv *v) {
    struct jv k = jv_text(key);
    return jv_dict_set(r, d, &k, v);
}

const struct jv *jv_dict_get(struct bnt_jinja_run *r, struct jv_dict *d, const struct jv *key,
                             bool *ok) {
    size_t at;
    *ok = find(r, d, key, &at);
    return *ok && at < d->n ? &d->at[at].value : NULL;
}

void jv_dict_remove(struct jv_dict *d, const struct jv *value) {
    size_t at = 0;
    while (&d->at[at].value != value) at++;
    memmove(d->at + at, d->at + at + 1, (d->n - at - 1) * sizeof *d->at);
    d->n--;
    d->indexed = false;
    d->changes++;
}
