/*
 * gguf_get.c - look-up by name, and values of keys; gguf.c has checked all that is read here.
 */
#include <string.h>

#include "file/gguf_internal.h"

int bnt_str_cmp(struct bnt_str a, struct bnt_str b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

unsigned bnt_gguf_value_size(uint32_t type) {
    switch (type) {
    case BNT_GGUF_U8:
    case BNT_GGUF_I8:
    case BNT_GGUF_BOOL: return 1;
    case BNT_GGUF_U16:
    case BNT_GGUF_I16: return 2;
    case BNT_GGUF_U32:
    case BNT_GGUF_I32:
    case BNT_GGUF_F32: return 4;
    case BNT_GGUF_U64:
    case BNT_GGUF_I64:
    case BNT_GGUF_F64: return 8;
    default: return 0;
    }
}

/* ---- looking up ----------------------------------------------------------------------------- */

uint32_t bnt_gguf_version(const struct bnt_gguf *g) {
    return g->version;
}

uint64_t bnt_gguf_alignment(const struct bnt_gguf *g) {
    return g->alignment;
}

size_t bnt_gguf_kv_count(const struct bnt_gguf *g) {
    return g->n_kv;
}

const struct bnt_gguf_kv *bnt_gguf_kv_at(const struct bnt_gguf *g, size_t i) {
    return &g->kv[i];
}

size_t bnt_gguf_tensor_count(const struct bnt_gguf *g) {
    return g->n_tensors;
}

const struct bnt_gguf_tensor *bnt_gguf_tensor_at(const struct bnt_gguf *g, size_t i) {
    return &g->tensors[i];
}

bool bnt_str_eq(struct bnt_str s, const char *z) {
    return s.len == strlen(z) && memcmp(s.ptr, z, s.len) == 0;
}

struct bnt_gguf_kv *bnt_gguf_find_key(const struct bnt_gguf *g, struct bnt_str want) {
    for (size_t lo = 0, hi = g->n_kv; lo < hi;) {
        size_t mid = lo + (hi - lo) / 2;
        struct bnt_gguf_kv *kv = &g->kv[g->kv_order[mid]];
        int c = bnt_str_cmp(want, kv->key);
        if (c == 0) return kv;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

const struct bnt_gguf_kv *bnt_gguf_find(const struct bnt_gguf *g, const char *key) {
    const struct bnt_gguf_kv *kv = bnt_gguf_find_key(g, (struct bnt_str){key, strlen(key)});
    return kv && !kv->ignored ? kv : NULL;
}

bool bnt_gguf_ignore(struct bnt_gguf *g, const char *key) {
    struct bnt_gguf_kv *kv = bnt_gguf_find_key(g, (struct bnt_str){key, strlen(key)});
    if (kv) kv->ignored = true;
    return kv != NULL;
}

void bnt_gguf_ignore_alike(struct bnt_gguf *g, const struct bnt_gguf *other) {
    for (size_t i = 0; i < other->n_kv; i++) {
        struct bnt_gguf_kv *kv =
            other->kv[i].ignored ? bnt_gguf_find_key(g, other->kv[i].key) : NULL;
        if (kv) kv->ignored = true;
    }
}

const struct bnt_gguf_tensor *bnt_gguf_tensor(const struct bnt_gguf *g, const char *name) {
    struct bnt_str want = {name, strlen(name)};
    for (size_t lo = 0, hi = g->n_tensors; lo < hi;) {
        size_t mid = lo + (hi - lo) / 2;
        const struct bnt_gguf_tensor *t = &g->tensors[g->tensor_order[mid]];
        int c = bnt_str_cmp(want, t->name);
        if (c == 0) return t;
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

/* ---- values --------------------------------------------------------------------------------- */

#define READ(type)                                                                                 \
    type v;                                                                                        \
    memcpy(&v, kv->data + i * sizeof v, sizeof v)

int64_t bnt_gguf_int_at(const struct bnt_gguf_kv *kv, uint64_t i) {
    switch (kv->elem_type) {
    case BNT_GGUF_BOOL:
    case BNT_GGUF_U8: return kv->data[i];
    case BNT_GGUF_I8: return (int8_t)kv->data[i];
    case BNT_GGUF_U16: {
        READ(uint16_t);
        return v;
    }
    case BNT_GGUF_I16: {
        READ(int16_t);
        return v;
    }
    case BNT_GGUF_U32: {
        READ(uint32_t);
        return v;
    }
    case BNT_GGUF_I32: {
        READ(int32_t);
        return v;
    }
    case BNT_GGUF_U64: {
        READ(uint64_t);
        return v > INT64_MAX ? INT64_MAX : (int64_t)v;
    }
    case BNT_GGUF_I64: {
        READ(int64_t);
        return v;
    }
    case BNT_GGUF_F32:
    case BNT_GGUF_F64:
    case BNT_GGUF_STRING:
    case BNT_GGUF_ARRAY: break;
    }
    return 0;
}

double bnt_gguf_float_at(const struct bnt_gguf_kv *kv, uint64_t i) {
    if (kv->elem_type == BNT_GGUF_F32) {
        READ(float);
        return (double)v;
    }
    if (kv->elem_type == BNT_GGUF_F64) {
        READ(double);
        return v;
    }
    return (double)bnt_gguf_int_at(kv, i);
}

bool bnt_gguf_u64(const struct bnt_gguf *g, const char *key, uint64_t *out) {
    const struct bnt_gguf_kv *kv = bnt_gguf_find(g, key);
    if (!kv || bnt_gguf_value_size(kv->type) == 0 || kv->type == BNT_GGUF_BOOL ||
        kv->type == BNT_GGUF_F32 || kv->type == BNT_GGUF_F64)
        return false;
    if (kv->type == BNT_GGUF_U64) { /* the only one that int_at would clamp */
        memcpy(out, kv->data, sizeof *out);
        return true;
    }
    int64_t v = bnt_gguf_int_at(kv, 0);
    if (v < 0) return false;
    *out = (uint64_t)v;
    return true;
}

bool bnt_gguf_f64(const struct bnt_gguf *g, const char *key, double *out) {
    const struct bnt_gguf_kv *kv = bnt_gguf_find(g, key);
    if (!kv || (kv->type != BNT_GGUF_F32 && kv->type != BNT_GGUF_F64)) return false;
    *out = bnt_gguf_float_at(kv, 0);
    return true;
}

bool bnt_gguf_bool(const struct bnt_gguf *g, const char *key, bool *out) {
    const struct bnt_gguf_kv *kv = bnt_gguf_find(g, key);
    if (!kv || kv->type != BNT_GGUF_BOOL) return false;
    *out = kv->data[0] != 0;
    return true;
}

bool bnt_gguf_str(const struct bnt_gguf *g, const char *key, struct bnt_str *out) {
    const struct bnt_gguf_kv *kv = bnt_gguf_find(g, key);
    uint64_t cursor = 0;
    if (!kv || kv->type != BNT_GGUF_STRING) return false;
    *out = bnt_gguf_next_string(kv, &cursor);
    return true;
}

struct bnt_str bnt_gguf_next_string(const struct bnt_gguf_kv *kv, uint64_t *cursor) {
    uint64_t len; /* checked when the file was opened */
    memcpy(&len, kv->data + *cursor, sizeof len);
    struct bnt_str s = {(const char *)kv->data + *cursor + sizeof len, (size_t)len};
    *cursor += sizeof len + len;
    return s;
}
