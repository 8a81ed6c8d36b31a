/*
 * attention.c - the KV cache and attention over it (NUMERICS 7 and 8).
 *
 * The object: binary16 k[heads][capacity][head_dim], then v likewise. Scores are taken sixteen
 * positions at a time, from a small transposed copy, and values 64 dimensions at a time: each
 * result is still one chain of fma in rising order, only several chains run side by side.
 */
#include "kernels.h"

enum { CHUNK = BNT_ATTN_CHUNK, DIMS = 64 };

int32_t KERNEL(kv_layout)(const bnt_kv_shape *shape, bnt_layout *out) {
    uint64_t values, per_pos = (uint64_t)shape->heads * shape->head_dim;
    if (!shape->capacity || !per_pos) return BNT_NOT_SUPPORTED;
    if (__builtin_mul_overflow(shape->capacity, per_pos, &values) || values > UINT64_MAX / 4)
        return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){.bytes = values * 2 * sizeof(uint16_t), .align = 64, .step = 1};
    return BNT_SUPPORTED;
}

/* The index of K's first value at (head, pos); V's lies kv_half() further on. */
static uint64_t kv_at(const bnt_kv_shape *shape, uint32_t head, uint64_t pos) {
    return (head * shape->capacity + pos) * shape->head_dim;
}

static uint64_t kv_half(const bnt_kv_shape *shape) {
    return shape->heads * shape->capacity * shape->head_dim;
}

void KERNEL(kv_store)(const bnt_kv_store_args *a) {
    uint32_t dim = a->shape.head_dim;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            const float *k = a->k + t * a->ldkv + (uint64_t)h * dim;
            const float *v = a->v + t * a->ldkv + (uint64_t)h * dim;
            uint16_t *to_k = (uint16_t *)a->kv + kv_at(&a->shape, h, a->pos + t);
            uint16_t *to_v = to_k + kv_half(&a->shape);
            for (uint32_t d = 0; d < dim; d++) to_k[d] = bnt_f32_to_f16(k[d]);
            for (uint32_t d = 0; d < dim; d++) to_v[d] = bnt_f32_to_f16(v[d]);
        }
    }
}

void KERNEL(kv_load)(const bnt_kv_load_args *a) {
    uint64_t n = (a->pos_hi - a->pos_lo) * a->shape.head_dim;
    const uint16_t *k = (const uint16_t *)a->kv + kv_at(&a->shape, a->head, a->pos_lo);
    const uint16_t *v = k + kv_half(&a->shape);
    for (uint64_t i = 0; i < n; i++) a->k[i] = bnt_f16_to_f32(k[i]);
    for (uint64_t i = 0; i < n; i++) a->v[i] = bnt_f16_to_f32(v[i]);
}

/* One chunk as one query head sees it: K and V at its first position, how many positions it has,
 * their weights e = exp(score - m), and l, the sum of them. */
typedef struct chunk {
    const uint16_t *k, *v;
    uint64_t n;
    float m, l;
    float e[CHUNK];
} chunk;

/* Scores of 16 positions, n <= 16 of them real, to out[16]: chains over d in rising order. */
static void scores16(const float *q, const uint16_t *k, uint64_t n, uint32_t dim, float scale,
                     float *restrict out) {
    float kt[DIMS][BNT_LANES], acc[BNT_LANES] = {0};
    for (uint32_t d0 = 0; d0 < dim; d0 += DIMS) {
        uint32_t dims = dim - d0 < DIMS ? dim - d0 : DIMS;
        for (uint64_t l = 0; l < BNT_LANES; l++) {
            const uint16_t *from =
                k + (l < n ? l : n - 1) * dim + d0; /* spare lanes: any position */
            for (uint32_t d = 0; d < dims; d++) kt[d][l] = bnt_f16_to_f32(from[d]);
        }
        for (uint32_t d = 0; d < dims; d++)
            for (int l = 0; l < BNT_LANES; l++) acc[l] = bnt_fma(q[d0 + d], kt[d][l], acc[l]);
    }
    for (int l = 0; l < BNT_LANES; l++) out[l] = acc[l] * scale;
}

static void chunk_weights(const bnt_attn_args *a, uint64_t t, uint32_t h, uint64_t c, chunk *out) {
    const float *q = a->q + t * a->ldq + (uint64_t)h * a->shape.head_dim;
    uint64_t first = c * CHUNK, seen = a->pos + t + 1 - first;
    uint64_t n = seen < CHUNK ? seen : CHUNK;
    out->n = n;
    out->k = (const uint16_t *)a->kv + kv_at(&a->shape, h / (a->heads / a->shape.heads), first);
    out->v = out->k + kv_half(&a->shape);
    for (uint64_t i = 0; i < n; i += BNT_LANES)
        scores16(q, out->k + i * a->shape.head_dim, n - i < BNT_LANES ? n - i : BNT_LANES,
                 a->shape.head_dim, a->scale, out->e + i);
    float m = out->e[0];
    for (uint64_t i = 1; i < n; i++) m = out->e[i] > m ? out->e[i] : m;
    m = m + 0.0f; /* clause 8: a maximum of zero is +0 */
    float acc[BNT_LANES] = {0};
    for (uint64_t i = 0; i < n; i++) out->e[i] = bnt_exp(out->e[i] - m);
    for (uint64_t i = 0; i < n; i++) acc[i % BNT_LANES] += out->e[i]; /* Sum16 */
    out->m = m;
    out->l = fold16(acc);
}

/* o[d] = chain of e[t] v[t][d] over t, for dims dimensions from d0, dims <= DIMS. */
static void chunk_values(const chunk *c, uint32_t dim, uint32_t d0, uint32_t dims, float *out) {
    float acc[DIMS] = {0};
    for (uint64_t t = 0; t < c->n; t++) {
        const uint16_t *v = c->v + t * dim + d0;
        if (dims == DIMS)
            for (uint32_t d = 0; d < DIMS; d++)
                acc[d] = bnt_fma(c->e[t], bnt_f16_to_f32(v[d]), acc[d]);
        else
            for (uint32_t d = 0; d < dims; d++)
                acc[d] = bnt_fma(c->e[t], bnt_f16_to_f32(v[d]), acc[d]);
    }
    memcpy(out, acc, dims * sizeof *out);
}

static float *part_at(const bnt_attn_args *a, uint64_t t, uint32_t h, uint64_t c) {
    return a->part + ((t * a->heads + h) * a->chunks + c) * (a->shape.head_dim + 2);
}

void KERNEL(attn_chunk)(const bnt_attn_args *a) {
    uint32_t dim = a->shape.head_dim;
    chunk c;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        uint64_t end = (a->pos + t) / CHUNK + 1;
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            for (uint64_t i = a->chunk_lo; i < a->chunk_hi && i < end; i++) {
                float *part = part_at(a, t, h, i);
                chunk_weights(a, t, h, i, &c);
                part[0] = c.m;
                part[1] = c.l;
                for (uint32_t d = 0; d < dim; d += DIMS)
                    chunk_values(&c, dim, d, dim - d < DIMS ? dim - d : DIMS, part + 2 + d);
            }
        }
    }
}

void KERNEL(attn_merge)(const bnt_attn_args *a) {
    uint32_t dim = a->shape.head_dim;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        uint64_t end = (a->pos + t) / CHUNK + 1;
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            float *y = a->y + t * a->ldy + (uint64_t)h * dim;
            const float *p = part_at(a, t, h, 0);
            joint j = {.m = p[0], .l = p[1]};
            memcpy(y, p + 2, dim * sizeof *y);
            for (uint64_t c = 1; c < end; c++) {
                p = part_at(a, t, h, c);
                join(&j, p[0], p[1]);
                for (uint32_t d = 0; d < dim; d++) y[d] = bnt_fma(y[d], j.old, p[2 + d] * j.new);
            }
            for (uint32_t d = 0; d < dim; d++) y[d] = y[d] / j.l;
        }
    }
}

void KERNEL(attn)(const bnt_attn_args *a) {
    uint32_t dim = a->shape.head_dim;
    chunk c;
    float o[DIMS];
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        uint64_t end = (a->pos + t) / CHUNK + 1;
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            float *y = a->y + t * a->ldy + (uint64_t)h * dim;
            joint j = {0};
            for (uint64_t i = 0; i < end; i++) {
                chunk_weights(a, t, h, i, &c);
                if (i == 0)
                    j = (joint){.m = c.m, .l = c.l};
                else
                    join(&j, c.m, c.l);
                for (uint32_t d0 = 0; d0 < dim; d0 += DIMS) {
                    uint32_t dims = dim - d0 < DIMS ? dim - d0 : DIMS;
                    chunk_values(&c, dim, d0, dims, i == 0 ? y + d0 : o);
                    for (uint32_t d = 0; i > 0 && d < dims; d++)
                        y[d0 + d] = bnt_fma(y[d0 + d], j.old, o[d] * j.new);
                }
            }
            for (uint32_t d = 0; d < dim; d++) y[d] = y[d] / j.l;
        }
    }
}
