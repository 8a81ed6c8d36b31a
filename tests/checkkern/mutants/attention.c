/*
 * attention.c - faults in the KV cache and in attention; see mutant.h. The cache is ref-scalar's.
 */
#include "mutant.h"

enum { CHUNK = BNT_ATTN_CHUNK };

#if defined(MUTANT_kv_subnormal) || defined(MUTANT_kv_truncate)
static float spoil(float x) {
    uint32_t u = bnt_f32_bits(x);
    float m = x < 0.0f ? -x : x;
#if defined(MUTANT_kv_subnormal)
    if (m < 0x1p-14f) u &= 0x80000000u;
#else
    if (m >= 0x1p-14f && m < 65504.0f) u &= 0xffffe000u;
#endif
    return bnt_f32_from_bits(u);
}
#else
static float spoil(float x) {
    return x;
}
#endif

static void kv_store(const bnt_kv_store_args *args) {
    bnt_kv_store_args a = *args;
    if (a.tok_lo >= a.tok_hi || a.head_lo >= a.head_hi) return;
    uint64_t n = (a.tok_hi - a.tok_lo - 1) * a.ldkv + (uint64_t)a.shape.heads * a.shape.head_dim;
    float *k = malloc(n * 4), *v = malloc(n * 4);
    if (!k || !v) abort();
    for (uint64_t i = 0; i < n; i++) {
        k[i] = spoil(a.k[a.tok_lo * a.ldkv + i]);
        v[i] = spoil(a.v[a.tok_lo * a.ldkv + i]);
    }
#if defined(MUTANT_kv_heads)
    a.head_lo = 0;
    a.head_hi = a.shape.heads;
    for (uint64_t i = 0; args->head_lo > 0 && i < a.shape.head_dim; i++) k[i] = 0.0f;
#elif defined(MUTANT_kv_position)
    if (a.pos >= 1u << 22) a.pos++;
#endif
    a.pos += a.tok_lo;
    a.tok_hi -= a.tok_lo;
    a.tok_lo = 0;
    a.k = k;
    a.v = v;
    BASE->kv_store(&a);
    free(k);
    free(v);
}

static void kv_load(const bnt_kv_load_args *a) {
    BASE->kv_load(a);
#if defined(MUTANT_kv_load_v)
    uint64_t n = (a->pos_hi - a->pos_lo) * a->shape.head_dim, dim = a->shape.head_dim;
    if (n > dim) memmove(a->v, a->v + dim, (n - dim) * 4);
#endif
}

/* ---- attention ------------------------------------------------------------------------------- */

static const uint16_t *values(const bnt_attn_args *a, uint32_t h, uint64_t pos, int v) {
    uint32_t group = a->heads / a->shape.heads, head = h / group;
#if defined(MUTANT_wrong_head)
    head = h % a->shape.heads;
#endif
    uint64_t half = a->shape.heads * a->shape.capacity * a->shape.head_dim;
    return (const uint16_t *)a->kv + (v ? half : 0) +
           (head * a->shape.capacity + pos) * a->shape.head_dim;
}

static float score(const bnt_attn_args *a, const float *q, const uint16_t *k) {
    float acc = 0.0f;
    for (uint32_t d = 0; d < a->shape.head_dim; d++)
#if defined(MUTANT_scale_first)
        acc = bnt_fma(q[d] * a->scale, bnt_f16_to_f32(k[d]), acc);
    return acc;
#else
        acc = bnt_fma(q[d], bnt_f16_to_f32(k[d]), acc);
    return acc * a->scale;
#endif
}

static uint64_t seen_at(const bnt_attn_args *a, uint64_t t, uint64_t first, uint64_t size) {
    uint64_t n = a->pos + t + 1 - first;
#if defined(MUTANT_mask_one_more)
    n++;
#elif defined(MUTANT_mask_one_less)
    if (n > 1) n--;
#endif
    return n < size ? n : size;
}

/* Positions [first, first + size) as far as they are seen: out is m, l, o[dim]. */
static void chunk(const bnt_attn_args *a, uint64_t t, uint32_t h, uint64_t first, uint64_t size,
                  float *out) {
    uint32_t dim = a->shape.head_dim;
    const float *q = a->q + t * a->ldq + (uint64_t)h * dim;
    uint64_t n = seen_at(a, t, first, size);
    float *e = calloc(n + 16, 4), acc[BNT_LANES] = {0}, l = 0.0f;
    if (!e) abort();
    for (uint64_t i = 0; i < n; i++) e[i] = score(a, q, values(a, h, first + i, 0));
    float m = e[0];
    for (uint64_t i = 1; i < n; i++) m = e[i] > m ? e[i] : m;
#if !defined(MUTANT_zero_max)
    m = m + 0.0f;
#endif
    for (uint64_t i = 0; i < n; i++) e[i] = bnt_exp(e[i] - m);
    for (uint64_t i = 0; i < n; i++) acc[i % BNT_LANES] += e[i], l += e[i];
#if !defined(MUTANT_sum_order)
    l = tree16(acc);
#endif
#if defined(MUTANT_stale_times_zero)
    for (; n % 16 && first + n < a->shape.capacity; n++) e[n] = 0.0f;
#endif
    out[0] = m;
    out[1] = l;
    for (uint32_t d = 0; d < dim; d++) {
        float o = 0.0f;
        for (uint64_t i = 0; i < n; i++)
            o = bnt_fma(e[i], bnt_f16_to_f32(values(a, h, first + i, 1)[d]), o);
        out[2 + d] = o;
    }
    free(e);
}

static void attn_chunk(const bnt_attn_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            for (uint64_t c = a->chunk_lo; c < a->chunk_hi; c++) {
                float *part =
                    a->part + ((t * a->heads + h) * a->chunks + c) * (a->shape.head_dim + 2);
                if (c * CHUNK <= a->pos + t) chunk(a, t, h, c * CHUNK, CHUNK, part);
#if defined(MUTANT_chunk_past)
                else
                    part[0] = part[1] = 0.0f;
#endif
            }
        }
    }
}

/* Joins part p to the running result in `into`. */
static void join_chunk(float *into, const float *p, uint32_t dim) {
    float m = p[0] > into[0] ? p[0] : into[0], x = bnt_exp(into[0] - m), y = bnt_exp(p[0] - m);
    for (uint32_t i = 1; i < dim + 2; i++)
#if defined(MUTANT_merge_no_fma)
        into[i] = into[i] * x + p[i] * y;
#else
        into[i] = bnt_fma(into[i], x, p[i] * y);
#endif
    into[0] = m;
}

static void attn_merge(const bnt_attn_args *a) {
    uint32_t dim = a->shape.head_dim;
    float *own = malloc((dim + 2) * 4);
    if (!own) abort();
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        uint64_t n = (a->pos + t) / CHUNK + 1;
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            float *parts = a->part + (t * a->heads + h) * a->chunks * (dim + 2);
            float *y = a->y + t * a->ldy + (uint64_t)h * dim, *sum = own;
#if defined(MUTANT_merge_input)
            sum = parts;
            for (uint64_t c = 1; c < n; c++) join_chunk(sum, parts + c * (dim + 2), dim);
#elif defined(MUTANT_merge_order)
            memcpy(sum, parts + (n - 1) * (dim + 2), (dim + 2) * 4);
            for (uint64_t c = n - 1; c-- > 0;) join_chunk(sum, parts + c * (dim + 2), dim);
#else
            memcpy(sum, parts, (dim + 2) * 4);
            for (uint64_t c = 1; c < n; c++) join_chunk(sum, parts + c * (dim + 2), dim);
#endif
            for (uint32_t d = 0; d < dim; d++) y[d] = sum[2 + d] / sum[1];
        }
    }
    free(own);
}

static void attn(const bnt_attn_args *a) {
#if defined(MUTANT_one_chunk)
    uint32_t dim = a->shape.head_dim;
    float *out = malloc((dim + 2) * 4);
    if (!out) abort();
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            chunk(a, t, h, 0, UINT64_MAX, out);
            for (uint32_t d = 0; d < dim; d++)
                a->y[t * a->ldy + (uint64_t)h * dim + d] = out[2 + d] / out[1];
        }
    }
    free(out);
#else
    BASE->attn(a);
#endif
}

PLUGIN(own.kv_store = kv_store; own.kv_load = kv_load; own.attn_chunk = attn_chunk;
       own.attn_merge = attn_merge; own.attn = attn)
