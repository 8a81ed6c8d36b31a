/*
 * selfcheck_attention.c - the KV cache and attention: across the border of a chunk, with scores so
 * far apart that weights vanish, ragged head sizes, heads and tokens in parts.
 */
#include <string.h>

#include "plugin/selfcheck_parts.h"

struct shape {
    uint32_t heads, kv_heads, dim;
    uint64_t pos, tokens; /* queries stand at pos .. pos + tokens - 1 */
    enum check_values keys;
};

static const struct shape shapes[] = {
    {1, 1, 64, 0, 1, CHECK_RANDOM},     {4, 2, 64, 254, 3, CHECK_RANDOM},
    {2, 1, 80, 17, 5, CHECK_DENORMALS}, {3, 3, 20, 30, 2, CHECK_SPIKE},
    {2, 2, 128, 5, 7, CHECK_RANDOM},    {2, 1, 16, 513, 1, CHECK_ONES},
};

static int store_and_load(struct check *c, const struct shape *s, const bnt_kv_shape *kv,
                          void *const cache[2], float *const k, float *const v) {
    uint64_t n = s->pos + s->tokens, ld = (uint64_t)s->kv_heads * s->dim + 1, cut = n / 2;
    float *out[2][2];
    for (int i = 0; i < 2; i++) {
        const bnt_kernels *t = i ? c->judge : c->k;
        bnt_kv_store_args in = {*kv, 0, cut, n, 0, s->kv_heads, k, v, ld, cache[i]};
        t->kv_store(&in);
        in.tok_lo = 0;
        in.tok_hi = cut;
        if (cut) t->kv_store(&in);
        for (int what = 0; what < 2; what++) {
            out[i][what] = check_take(c, n * s->dim * 4, 4, CHECK_FILL);
            if (!out[i][what]) return BNT_E_MISMATCH;
        }
    }
    for (uint32_t h = 0; h < s->kv_heads; h++) {
        for (int i = 0; i < 2; i++) {
            const bnt_kernels *t = i ? c->judge : c->k;
            uint64_t at = cut * s->dim;
            t->kv_load(
                &(bnt_kv_load_args){*kv, cut, n, h, 0, cache[i], out[i][0] + at, out[i][1] + at});
            if (cut) {
                t->kv_load(&(bnt_kv_load_args){*kv, 0, cut, h, 0, cache[i], out[i][0], out[i][1]});
            }
        }
        int status =
            check_f32(c, "kv_load of kv_store, k", out[0][0], out[1][0], n * s->dim, s->dim);
        if (status != BNT_OK) return status;
        status = check_f32(c, "kv_load of kv_store, v", out[0][1], out[1][1], n * s->dim, s->dim);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

/* attn_chunk in parts by chunk and head, attn_merge by token; then attn, which must agree. */
static int attend(struct check *c, const struct shape *s, const bnt_kv_shape *kv,
                  void *const cache[2]) {
    uint64_t ldq = (uint64_t)s->heads * s->dim + 3, size = s->tokens * ldq;
    uint64_t chunks = (s->pos + s->tokens + BNT_ATTN_CHUNK - 1) / BNT_ATTN_CHUNK;
    uint64_t parts = s->tokens * s->heads * chunks * (s->dim + 2);
    float *q = check_take(c, size * 4, 4, 0), *part[2], *y[2], *whole[2];
    int status = BNT_OK;
    for (int i = 0; i < 2; i++) {
        part[i] = check_take(c, parts * 4, 4, CHECK_FILL);
        y[i] = check_take(c, size * 4, 4, CHECK_FILL);
        whole[i] = check_take(c, size * 4, 4, CHECK_FILL);
        if (!q || !part[i] || !y[i] || !whole[i]) return BNT_E_MISMATCH;
    }
    check_floats(c, q, size, CHECK_RANDOM);
    for (int i = 0; i < 2; i++) {
        const bnt_kernels *t = i ? c->judge : c->k;
        bnt_attn_args in = {.shape = *kv,
                            .kv = cache[i],
                            .q = q,
                            .ldq = ldq,
                            .heads = s->heads,
                            .scale = 0.125f,
                            .pos = s->pos,
                            .tok_lo = 0,
                            .tok_hi = s->tokens,
                            .chunks = chunks,
                            .part = part[i],
                            .y = y[i],
                            .ldy = ldq};
        for (uint64_t chunk = chunks; chunk-- > 0;) {
            in.chunk_lo = chunk;
            in.chunk_hi = chunk + 1;
            for (uint32_t h = s->heads; h-- > 0;) {
                in.head_lo = h;
                in.head_hi = h + 1;
                t->attn_chunk(&in);
            }
        }
        in.chunk_lo = 0;
        in.chunk_hi = chunks;
        in.head_lo = 0;
        in.head_hi = s->heads;
        for (uint64_t token = s->tokens; token-- > 0;) {
            in.tok_lo = token;
            in.tok_hi = token + 1;
            t->attn_merge(&in);
        }
        if (!c->k->attn) continue;
        if (i == 1) { /* what attn is defined by */
            memcpy(whole[1], y[1], size * 4);
            continue;
        }
        in.part = NULL;
        in.y = whole[0];
        for (uint32_t h = 0; h < s->heads; h++) {
            in.head_lo = h;
            in.head_hi = h + 1;
            in.tok_lo = s->tokens / 2;
            in.tok_hi = s->tokens;
            t->attn(&in);
            in.tok_lo = 0;
            in.tok_hi = s->tokens / 2;
            if (in.tok_hi) t->attn(&in);
        }
    }
    status = check_f32(c, "attn_chunk", part[0], part[1], parts, s->dim + 2);
    if (status == BNT_OK) status = check_f32(c, "attn_merge", y[0], y[1], size, ldq);
    if (status == BNT_OK) status = check_f32(c, "attn", whole[0], whole[1], size, ldq);
    return status;
}

static int one_shape(struct check *c, const struct shape *s, unsigned *supported) {
    uint64_t n = s->pos + s->tokens, ld = (uint64_t)s->kv_heads * s->dim + 1;
    const bnt_kv_shape kv = {n + 3, s->kv_heads, s->dim};
    void *cache[2];
    check_begin(c, "%u heads, %u KV heads of %u, positions %llu to %llu, keys %s", s->heads,
                s->kv_heads, s->dim, (unsigned long long)s->pos, (unsigned long long)(n - 1),
                check_value_names[s->keys]);
    for (int i = 0; i < 2; i++) {
        bnt_layout layout = {0};
        if ((i ? c->judge : c->k)->kv_layout(&kv, &layout) != BNT_SUPPORTED) return BNT_OK;
        int small = check_layout(c, "kv_layout", &layout, kv.capacity * kv.heads * kv.head_dim,
                                 2 * BNT_HALF_BITS, 0);
        if (small != BNT_OK) return small;
        cache[i] = check_take(c, layout.bytes, layout.align, 0);
        if (!cache[i]) return BNT_E_MISMATCH;
    }
    ++*supported;
    float *k = check_take(c, n * ld * 4, 4, 0), *v = check_take(c, n * ld * 4, 4, 0);
    if (!k || !v) return BNT_E_MISMATCH;
    check_floats(c, k, n * ld, s->keys);
    check_floats(c, v, n * ld, CHECK_RANDOM);
    check_floats(c, v, ld, CHECK_DENORMALS);
    if (n > 3) { /* rounded to binary16: denormals and ties of it */
        for (uint64_t i = 0; i < ld; i++) v[ld + i] *= 0x1p-16f;
        for (uint64_t i = 0; i < ld; i++) v[2 * ld + i] = 1.0f + (float)(int)(i % 7) * 0x1p-11f;
    }
    int status = store_and_load(c, s, &kv, cache, k, v);
    if (status == BNT_OK) status = check_end(c, "kv_store or kv_load");
    if (status == BNT_OK) status = attend(c, s, &kv, cache);
    if (status == BNT_OK) status = check_end(c, "attn_chunk, attn_merge or attn");
    return status;
}

int check_attention(struct check *c) {
    unsigned supported = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int status = one_shape(c, &shapes[i], &supported);
        if (status != BNT_OK) return status;
    }
    const struct shape real = {c->shapes->heads, c->shapes->kv_heads, c->shapes->head_dim, 30, 2,
                               CHECK_RANDOM}; /* the model's own */
    if (real.heads && real.kv_heads && real.dim && (uint64_t)real.heads * real.dim <= 1u << 14) {
        int status = one_shape(c, &real, &supported);
        if (status != BNT_OK) return status;
    }
    if (supported) return BNT_OK;
    return check_fail(c, "kv_layout", "it supports none of the shapes tried");
}

/* Windows of one position, within a chunk, over the border of one, and beyond the first position.
 */
int check_window(struct check *c) {
    static const struct {
        uint64_t window, pos, tokens;
        uint32_t heads, dim;
        enum check_values keys;
    } cases[] = {{1, 5, 2, 1, 16, CHECK_RANDOM},       {7, 3, 9, 2, 20, CHECK_DENORMALS},
                 {100, 200, 3, 2, 64, CHECK_RANDOM},   {300, 511, 4, 4, 80, CHECK_RANDOM},
                 {512, 1000, 2, 2, 256, CHECK_RANDOM}, {4096, 260, 3, 3, 33, CHECK_SPIKE}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint64_t window = cases[i].window, pos = cases[i].pos, tokens = cases[i].tokens;
        const uint64_t first = pos + 1 > window ? pos + 1 - window : 0;
        const uint64_t n = (pos + tokens - first) * cases[i].dim;
        const uint64_t ld = (uint64_t)cases[i].heads * cases[i].dim + 3, size = tokens * ld;
        check_begin(c, "window %llu, %u heads of %u, positions %llu to %llu, keys %s",
                    (unsigned long long)window, cases[i].heads, cases[i].dim,
                    (unsigned long long)pos, (unsigned long long)(pos + tokens - 1),
                    check_value_names[cases[i].keys]);
        float *k = check_take(c, n * 4, 4, 0), *v = check_take(c, n * 4, 4, 0);
        float *q = check_take(c, size * 4, 4, 0);
        float *y[2] = {check_take(c, size * 4, 4, CHECK_FILL),
                       check_take(c, size * 4, 4, CHECK_FILL)};
        if (!k || !v || !q || !y[0] || !y[1]) return BNT_E_MISMATCH;
        check_floats(c, k, n, cases[i].keys);
        check_floats(c, v, n, CHECK_RANDOM);
        check_floats(c, q, size, CHECK_RANDOM);
        for (int side = 0; side < 2; side++) {
            bnt_attn_window_args a = {.head_dim = cases[i].dim,
                                      .scale = 0.125f,
                                      .window = window,
                                      .first = first,
                                      .k = k,
                                      .v = v,
                                      .q = q,
                                      .ldq = ld,
                                      .pos = pos,
                                      .tok_lo = tokens / 2,
                                      .tok_hi = tokens,
                                      .head_hi = cases[i].heads,
                                      .y = y[side],
                                      .ldy = ld};
            const bnt_kernels *t = side ? c->judge : c->k;
            t->attn_window(&a);
            a.tok_lo = 0;
            a.tok_hi = tokens / 2;
            a.head_lo = cases[i].heads / 2; /* some values stay unwritten */
            if (a.tok_hi) t->attn_window(&a);
        }
        int status = check_f32(c, "attn_window", y[0], y[1], size, ld);
        if (status == BNT_OK) status = check_end(c, "attn_window");
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}
