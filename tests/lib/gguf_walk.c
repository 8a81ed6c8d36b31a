/*
 * gguf_walk.c - reads everything an open GGUF file offers; see gguf_walk.h.
 */
#include "gguf_walk.h"

#include <stdlib.h>
#include <string.h>

static uint64_t sum_bytes(const void *p, size_t n) {
    const uint8_t *b = p;
    uint64_t sum = n;
    for (size_t i = 0; i < n; i++) sum = sum * 31 + b[i];
    return sum;
}

static void promise(bool kept) {
    if (!kept) abort();
}

/* Look-ups take C strings: a name with a NUL inside cannot be asked for. */
static char *c_string(struct bnt_str s) {
    if (memchr(s.ptr, 0, s.len)) return NULL;
    char *z = malloc(s.len + 1);
    if (!z) abort();
    if (s.len) memcpy(z, s.ptr, s.len);
    z[s.len] = 0;
    return z;
}

static uint64_t walk_value(const struct bnt_gguf_kv *kv) {
    uint64_t sum = kv->count, cursor = 0;
    for (uint64_t i = 0; i < kv->count; i++) {
        if (kv->elem_type == BNT_GGUF_STRING) {
            struct bnt_str s = bnt_gguf_next_string(kv, &cursor);
            sum += sum_bytes(s.ptr, s.len);
        } else {
            double d = bnt_gguf_float_at(kv, i);
            sum += (uint64_t)bnt_gguf_int_at(kv, i) + sum_bytes(&d, sizeof d);
        }
    }
    return sum;
}

static uint64_t walk_kv(const struct bnt_gguf *g, const struct bnt_gguf_kv *kv) {
    uint64_t sum = sum_bytes(kv->key.ptr, kv->key.len) + walk_value(kv), u = 0;
    double d = 0;
    bool b = false;
    struct bnt_str s = {"", 0};
    char *name = c_string(kv->key);
    promise(kv->elem_type != BNT_GGUF_ARRAY);
    if (name) {
        promise(bnt_gguf_find(g, name) == kv && bnt_str_eq(kv->key, name));
        sum += (uint64_t)bnt_gguf_u64(g, name, &u);
        sum += (uint64_t)bnt_gguf_f64(g, name, &d);
        sum += (uint64_t)bnt_gguf_bool(g, name, &b);
        if (bnt_gguf_str(g, name, &s)) sum += sum_bytes(s.ptr, s.len);
    }
    free(name);
    return sum + u + b;
}

static uint64_t walk_tensor(const struct bnt_gguf *g, const struct bnt_gguf_tensor *t) {
    size_t size;
    const uint8_t *bytes = bnt_gguf_part(g, t->part, &size);
    uint64_t product = 1;
    char *name = c_string(t->name);
    if (name) promise(bnt_gguf_tensor(g, name) == t && bnt_str_eq(t->name, name));
    free(name);
    promise(t->n_dims >= 1 && t->n_dims <= 4);
    for (unsigned d = 0; d < 4; d++) product *= t->dims[d];
    promise(product == t->elements);
    promise(t->offset <= size && t->bytes <= size - t->offset && t->data == bytes + t->offset);
    return product + t->type + sum_bytes(t->name.ptr, t->name.len) +
           sum_bytes(t->data, (size_t)t->bytes);
}

uint64_t gguf_walk(const struct bnt_gguf *g) {
    uint64_t sum = bnt_gguf_version(g) + bnt_gguf_alignment(g);
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++) sum += walk_kv(g, bnt_gguf_kv_at(g, i));
    for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++)
        sum += walk_tensor(g, bnt_gguf_tensor_at(g, i));
    return sum;
}
