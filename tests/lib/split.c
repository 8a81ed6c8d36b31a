/* split.c - see split.h. */
#include "split.h"

#include <stdio.h>

void split_copy_key(struct gw *w, const struct bnt_gguf_kv *kv) {
    static const size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    size_t before = kv->type == BNT_GGUF_ARRAY ? 12 : 0; /* element type and count */
    uint64_t end = kv->count * sizes[kv->elem_type];
    char key[128];
    if (kv->elem_type == BNT_GGUF_STRING)
        for (uint64_t i = 0; i < kv->count; i++) bnt_gguf_next_string(kv, &end);
    snprintf(key, sizeof key, "%.*s", (int)kv->key.len, kv->key.ptr);
    gw_key_raw(w, key, kv->type, kv->data - before, (size_t)end + before);
}

struct split_part split_place(const struct bnt_gguf *g, unsigned i, unsigned n) {
    size_t all = bnt_gguf_tensor_count(g);
    size_t first = all * i / n;
    return (struct split_part){(uint16_t)i, (uint16_t)n, (int32_t)all, first,
                               all * (i + 1) / n - first};
}

struct gw *split_write(const struct bnt_gguf *g, const struct split_part *p) {
    struct gw *w = gw_new(3, (uint32_t)bnt_gguf_alignment(g));
    for (size_t i = 0; p->first == 0 && i < bnt_gguf_kv_count(g); i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        if (!bnt_str_eq(kv->key, "general.alignment")) split_copy_key(w, kv);
    }
    gw_key_u16(w, "split.no", p->no);
    gw_key_u16(w, "split.count", p->count);
    gw_key_i32(w, "split.tensors.count", p->tensors);
    for (size_t i = p->first; i < p->first + p->n; i++) {
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor_at(g, i);
        char name[96];
        snprintf(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
        gw_tensor(w, name, t->type, t->n_dims, t->dims, t->data, t->bytes);
    }
    return w;
}
