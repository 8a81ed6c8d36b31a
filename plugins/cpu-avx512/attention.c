/*
 * attention.c - the KV cache and attention over it (NUMERICS 7 and 8).
 *
 * The object: for each head K as binary16 [position / 16][head_dim][16], sixteen positions to a
 * vector, then V as [position][head_dim]. A score is a chain over d in each lane, a value a chain
 * over t in each lane, so no sum crosses lanes. Up to four queries that read the same KV head
 * (heads of a group, or neighbouring tokens) go through together and share each load.
 */
#include "kernels.h"

#define ROUND_EVEN (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

enum { CHUNK = BNT_ATTN_CHUNK, QUERIES = 4, HEAD_DIM_MAX = 512 };

static uint64_t head_values(const bnt_kv_shape *s) { /* of K or of V, with K's padding */
    return ((s->capacity + LANES - 1) & ~(uint64_t)(LANES - 1)) * s->head_dim;
}

int32_t kv_layout(const bnt_kv_shape *shape, bnt_layout *out) {
    uint64_t values, per_pos = (uint64_t)shape->heads * shape->head_dim;
    if (!shape->capacity || !per_pos || shape->head_dim > HEAD_DIM_MAX ||
        shape->capacity > UINT64_MAX / 2)
        return BNT_NOT_SUPPORTED;
    if (__builtin_mul_overflow(shape->capacity + LANES, per_pos, &values) ||
        values > UINT64_MAX / 4)
        return BNT_NOT_SUPPORTED;
    uint64_t bytes = head_values(shape) * shape->heads * 2 * sizeof(uint16_t);
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = LANES};
    return BNT_SUPPORTED;
}

static uint16_t *k_head(const bnt_kv_shape *s, const void *kv, uint32_t head) {
    return (uint16_t *)(uintptr_t)kv + head_values(s) * 2 * head;
}

static uint16_t *v_head(const bnt_kv_shape *s, const void *kv, uint32_t head) {
    return k_head(s, kv, head) + head_values(s);
}

static uint64_t k_index(const bnt_kv_shape *s, uint64_t pos) { /* of d = 0; d is 16 values apart */
    return pos / LANES * LANES * s->head_dim + pos % LANES;
}

void kv_store(const bnt_kv_store_args *a) {
    uint32_t dim = a->shape.head_dim;
    for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
            const float *k = a->k + t * a->ldkv + (uint64_t)h * dim;
            const float *v = a->v + t * a->ldkv + (uint64_t)h * dim;
            uint16_t *to_k = k_head(&a->shape, a->kv, h) + k_index(&a->shape, a->pos + t);
            uint16_t *to_v = v_head(&a->shape, a->kv, h) + (a->pos + t) * dim;
            for (uint32_t d = 0; d < dim; d += LANES) {
                __mmask16 m = first_lanes(dim - d);
                uint16_t halves[LANES];
                _mm256_storeu_si256(
                    (__m256i *)halves,
                    _mm512_maskz_cvtps_ph(m, _mm512_maskz_loadu_ps(m, k + d), ROUND_EVEN));
                for (uint32_t j = 0; j < LANES && d + j < dim; j++)
                    to_k[(uint64_t)(d + j) * LANES] = halves[j];
                __m256i vh = _mm512_maskz_cvtps_ph(m, _mm512_maskz_loadu_ps(m, v + d), ROUND_EVEN);
                _mm256_mask_storeu_epi16(to_v + d, m, vh);
            }
        }
    }
}

void kv_load(const bnt_kv_load_args *a) {
    uint32_t dim = a->shape.head_dim;
    for (uint64_t p = a->pos_lo; p < a->pos_hi; p++) {
        const uint16_t *k = k_head(&a->shape, a->kv, a->head) + k_index(&a->shape, p);
        const uint16_t *v = v_head(&a->shape, a->kv, a->head) + p * dim;
        float *to_k = a->k + (p - a->pos_lo) * dim, *to_v = a->v + (p - a->pos_lo) * dim;
        for (uint32_t d = 0; d < dim; d++) to_k[d] = _cvtsh_ss(k[(uint64_t)d * LANES]);
        for (uint32_t d = 0; d < dim; d++) to_v[d] = _cvtsh_ss(v[d]);
    }
}

/* Up to four queries that read one KV head, and one chunk as they see it. */
typedef struct group {
    unsigned n;
    uint64_t t[QUERIES];
    uint32_t h[QUERIES];
    const float *q[QUERIES];
    uint64_t
        seen[QUERIES]; /* positions of the chunk this query sees; 0: the chunk begins after it */
    float m[QUERIES], l[QUERIES];
    float e[QUERIES][CHUNK];
} group;

/* Two cache lines to L1 that will be read soon, and two to L2 that will be read later. */
INLINE void prefetch_row(const char *p, uint64_t near, uint64_t far) {
    _mm_prefetch(p + near, _MM_HINT_T0);
    _mm_prefetch(p + near + 64, _MM_HINT_T0);
    _mm_prefetch(p + far, _MM_HINT_T1);
    _mm_prefetch(p + far + 64, _MM_HINT_T1);
}

/* Scores of nq queries x np blocks of sixteen positions, before the scale, to e. */
INLINE void score_blocks(const group *g, const uint16_t *k, uint32_t dim, const unsigned nq,
                         const unsigned np, float e[QUERIES][CHUNK], uint64_t at, float scale) {
    __m512 acc[QUERIES][4];
    UNROLL for (unsigned i = 0; i < nq; i++) {
        UNROLL for (unsigned p = 0; p < np; p++) {
            acc[i][p] = _mm512_setzero_ps();
        }
    }
    /* Four streams a block apart: what is fetched is the next four blocks, in the same order. */
    const char *next = (const char *)(k + 4 * (uint64_t)dim * LANES);
    uint64_t far = 4 * (uint64_t)dim * LANES * 2;
    for (uint64_t d = 0; d < dim; d++) {
        __m512 key[4];
        prefetch_row(next + d * np * 32, 0, far);
        UNROLL for (unsigned p = 0; p < np; p++) {
            key[p] = load_f16(k + (p * (uint64_t)dim + d) * LANES);
        }
        UNROLL for (unsigned i = 0; i < nq; i++) {
            __m512 q = _mm512_set1_ps(g->q[i][d]);
            UNROLL for (unsigned p = 0; p < np; p++) {
                acc[i][p] = _mm512_fmadd_ps(q, key[p], acc[i][p]);
            }
        }
    }
    UNROLL for (unsigned i = 0; i < nq; i++) {
        UNROLL for (unsigned p = 0; p < np; p++) {
            KEEP(acc[i][p]);
        }
    }
    UNROLL for (unsigned i = 0; i < nq; i++) {
        UNROLL for (unsigned p = 0; p < np; p++) {
            _mm512_storeu_ps(e[i] + at + p * LANES,
                             _mm512_mul_ps(acc[i][p], _mm512_set1_ps(scale)));
        }
    }
}

/* Scores of the chunk for the whole group, `blocks` x 16 positions; those a query does not see, or
 * that are not stored yet, are computed with the rest and never used. */
static void scores(group *g, const uint16_t *k, uint32_t dim, uint64_t blocks, float scale) {
    uint64_t b = 0;
    if (g->n == QUERIES) {
        for (; b + 4 <= blocks; b += 4)
            score_blocks(g, k + b * LANES * dim, dim, QUERIES, 4, g->e, b * LANES, scale);
        for (; b < blocks; b++)
            score_blocks(g, k + b * LANES * dim, dim, QUERIES, 1, g->e, b * LANES, scale);
        return;
    }
    for (unsigned i = 0; i < g->n; i++) {
        group one = {.n = 1, .q = {g->q[i]}};
        for (b = 0; b + 4 <= blocks; b += 4)
            score_blocks(&one, k + b * LANES * dim, dim, 1, 4, g->e + i, b * LANES, scale);
        for (; b < blocks; b++)
            score_blocks(&one, k + b * LANES * dim, dim, 1, 1, g->e + i, b * LANES, scale);
    }
}

/* m, then e = exp(score - m), 0 in the lanes after the last position, and l = Sum16(e). */
static void weigh(float *e, uint64_t n, float *m, float *l) {
    const __m512 low = _mm512_set1_ps(-__builtin_inff());
    __m512 top = low;
    for (uint64_t i = 0; i < n; i += LANES)
        top = _mm512_max_ps(top, _mm512_mask_loadu_ps(low, first_lanes(n - i), e + i));
    *m = _mm512_reduce_max_ps(top) + 0.0f; /* clause 8: a maximum of zero is +0 */
    __m512 sum = _mm512_setzero_ps();
    for (uint64_t i = 0; i < n; i += LANES) {
        __m512 x = _mm512_mask_loadu_ps(low, first_lanes(n - i), e + i);
        x = exp16(_mm512_sub_ps(x, _mm512_set1_ps(*m)));
        sum = _mm512_add_ps(sum, x);
        _mm512_storeu_ps(e + i, x);
    }
    *l = fold16(sum);
}

/* o[i][d] of nq queries from i0 for nd x 16 dimensions from d0, the last masked by `last`. A chain
 * ends where its query's sight does: more terms, even zeros, could change a -0 or meet stale data.
 */
INLINE void value_block(const group *g, unsigned i0, const unsigned nq, const uint16_t *v,
                        uint32_t dim, uint64_t d0, const unsigned nd, __mmask16 last,
                        float *const out[QUERIES]) {
    __m512 acc[QUERIES][4];
    uint64_t common = g->seen[i0];
    UNROLL for (unsigned i = 0; i < nq; i++) {
        if (g->seen[i0 + i] < common) common = g->seen[i0 + i];
        UNROLL for (unsigned j = 0; j < nd; j++) {
            acc[i][j] = _mm512_setzero_ps();
        }
    }
    for (uint64_t t = 0; t < common; t++) {
        const uint16_t *p = v + t * dim + d0;
        __m512 value[4];
        prefetch_row((const char *)p, 4096, 20480);
        UNROLL for (unsigned j = 0; j < nd; j++) {
            value[j] = j + 1 < nd || last == 0xffff ? load_f16(p + j * LANES)
                                                    : load_f16_masked(last, p + j * LANES);
        }
        UNROLL for (unsigned i = 0; i < nq; i++) {
            __m512 e = _mm512_set1_ps(g->e[i0 + i][t]);
            UNROLL for (unsigned j = 0; j < nd; j++) {
                acc[i][j] = _mm512_fmadd_ps(e, value[j], acc[i][j]);
            }
        }
    }
    UNROLL for (unsigned i = 0; i < nq; i++) {
        UNROLL for (unsigned j = 0; j < nd; j++) {
            KEEP(acc[i][j]);
        }
    }
    UNROLL for (unsigned i = 0; i < nq; i++) {
        if (!g->seen[i0 + i]) continue;
        for (uint64_t t = common; t < g->seen[i0 + i]; t++) {
            const uint16_t *p = v + t * dim + d0;
            __m512 e = _mm512_set1_ps(g->e[i0 + i][t]);
            UNROLL for (unsigned j = 0; j < nd; j++) {
                acc[i][j] = _mm512_fmadd_ps(
                    e, load_f16_masked(j + 1 < nd ? 0xffff : last, p + j * LANES), acc[i][j]);
            }
        }
        UNROLL for (unsigned j = 0; j < nd; j++) {
            _mm512_mask_storeu_ps(out[i0 + i] + d0 + j * LANES, j + 1 < nd ? 0xffff : last,
                                  acc[i][j]);
        }
    }
}

static void values(const group *g, const uint16_t *v, uint32_t dim, float *const out[QUERIES]) {
    uint64_t d = 0;
    if (g->n == QUERIES) {
        for (; d + 64 <= dim; d += 64) value_block(g, 0, QUERIES, v, dim, d, 4, 0xffff, out);
        for (; d < dim; d += LANES)
            value_block(g, 0, QUERIES, v, dim, d, 1, first_lanes(dim - d), out);
        return;
    }
    for (unsigned i = 0; i < g->n; i++) {
        for (d = 0; d + 64 <= dim; d += 64) value_block(g, i, 1, v, dim, d, 4, 0xffff, out);
        for (; d < dim; d += LANES) value_block(g, i, 1, v, dim, d, 1, first_lanes(dim - d), out);
    }
}

/* Fills seen, e, m and l of chunk c; returns how many queries see any of it. Queries are in rising
 * order of tokens, so those that see nothing of it come first. */
static unsigned open_chunk(const bnt_attn_args *a, group *g, uint32_t kv_head, uint64_t c) {
    uint64_t first = c * CHUNK, most = 0;
    unsigned seeing = 0;
    for (unsigned i = 0; i < g->n; i++) {
        uint64_t end = a->pos + g->t[i] + 1;
        uint64_t n = end <= first ? 0 : end - first;
        g->seen[i] = n < CHUNK ? n : CHUNK;
        if (g->seen[i] > most) most = g->seen[i];
        seeing += n > 0;
    }
    if (!seeing) return 0;
    const uint16_t *k = k_head(&a->shape, a->kv, kv_head) + k_index(&a->shape, first);
    scores(g, k, a->shape.head_dim, (most + LANES - 1) / LANES, a->scale);
    for (unsigned i = 0; i < g->n; i++)
        if (g->seen[i]) weigh(g->e[i], g->seen[i], &g->m[i], &g->l[i]);
    return seeing;
}

static float *part_at(const bnt_attn_args *a, uint64_t t, uint32_t h, uint64_t c) {
    return a->part + ((t * a->heads + h) * a->chunks + c) * (a->shape.head_dim + 2);
}

/* The next queries of the slice that read kv_head, tokens rising, from number `next` on. */
static uint64_t fill_group(const bnt_attn_args *a, group *g, uint32_t h_lo, uint32_t h_hi,
                           uint64_t next) {
    uint64_t heads = h_hi - h_lo, all = (a->tok_hi - a->tok_lo) * heads;
    for (g->n = 0; g->n < QUERIES && next < all; g->n++, next++) {
        uint64_t t = a->tok_lo + next / heads;
        uint32_t h = h_lo + (uint32_t)(next % heads);
        g->t[g->n] = t;
        g->h[g->n] = h;
        g->q[g->n] = a->q + t * a->ldq + (uint64_t)h * a->shape.head_dim;
    }
    return next;
}

typedef void group_fn(const bnt_attn_args *a, group *g, uint32_t kv_head);

/* Every group of the slice, KV head by KV head. */
INLINE void each_group(const bnt_attn_args *a, group_fn *visit) {
    uint32_t per = a->heads / a->shape.heads;
    group g;
    for (uint32_t h = a->head_lo; h < a->head_hi;) {
        uint32_t kv_head = h / per, h_hi = (kv_head + 1) * per;
        if (h_hi > a->head_hi) h_hi = a->head_hi;
        for (uint64_t next = 0; next < (a->tok_hi - a->tok_lo) * (h_hi - h);) {
            next = fill_group(a, &g, h, h_hi, next);
            visit(a, &g, kv_head);
        }
        h = h_hi;
    }
}

static void chunks_of_group(const bnt_attn_args *a, group *g, uint32_t kv_head) {
    for (uint64_t c = a->chunk_lo; c < a->chunk_hi && open_chunk(a, g, kv_head, c); c++) {
        const uint16_t *v = v_head(&a->shape, a->kv, kv_head) + c * CHUNK * a->shape.head_dim;
        float *out[QUERIES];
        for (unsigned i = 0; i < g->n; i++) {
            float *part = part_at(a, g->t[i], g->h[i], c);
            out[i] = part + 2;
            if (!g->seen[i]) continue;
            part[0] = g->m[i];
            part[1] = g->l[i];
        }
        values(g, v, a->shape.head_dim, out);
    }
}

void attn_chunk(const bnt_attn_args *a) {
    each_group(a, chunks_of_group);
}

/* The running result of the chunks so far, and the two factors that join another one to it. */
typedef struct joint {
    float m, l, old, new;
} joint;

INLINE void join(joint *j, float m, float l) {
    float top = m > j->m ? m : j->m;
    j->old = bnt_exp(j->m - top);
    j->new = bnt_exp(m - top);
    j->l = bnt_fma(j->l, j->old, l * j->new);
    j->m = top;
}

static void join_values(float *y, const float *o, uint32_t dim, const joint *j) {
    for (uint32_t d = 0; d < dim; d += LANES) {
        __mmask16 m = first_lanes(dim - d);
        __m512 b = _mm512_mul_ps(_mm512_maskz_loadu_ps(m, o + d), _mm512_set1_ps(j->new));
        __m512 x = _mm512_maskz_loadu_ps(m, y + d);
        _mm512_mask_storeu_ps(y + d, m, _mm512_fmadd_ps(x, _mm512_set1_ps(j->old), b));
    }
}

static void divide(float *y, uint32_t dim, float l) {
    for (uint32_t d = 0; d < dim; d += LANES) {
        __mmask16 m = first_lanes(dim - d);
        __m512 x = _mm512_maskz_loadu_ps(m, y + d);
        _mm512_mask_storeu_ps(y + d, m, _mm512_div_ps(x, _mm512_set1_ps(l)));
    }
}

void attn_merge(const bnt_attn_args *a) {
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
                join_values(y, p + 2, dim, &j);
            }
            divide(y, dim, j.l);
        }
    }
}

static void whole_group(const bnt_attn_args *a, group *g, uint32_t kv_head) {
    uint32_t dim = a->shape.head_dim;
    float fresh[QUERIES][HEAD_DIM_MAX], *y[QUERIES], *out[QUERIES];
    joint j[QUERIES];
    for (unsigned i = 0; i < g->n; i++) y[i] = a->y + g->t[i] * a->ldy + (uint64_t)g->h[i] * dim;
    for (uint64_t c = 0; open_chunk(a, g, kv_head, c); c++) {
        const uint16_t *v = v_head(&a->shape, a->kv, kv_head) + c * CHUNK * dim;
        for (unsigned i = 0; i < g->n; i++) out[i] = c ? fresh[i] : y[i];
        values(g, v, dim, out);
        for (unsigned i = 0; i < g->n; i++) {
            if (!g->seen[i]) continue;
            if (c == 0) {
                j[i] = (joint){.m = g->m[i], .l = g->l[i]};
                continue;
            }
            join(&j[i], g->m[i], g->l[i]);
            join_values(y[i], fresh[i], dim, &j[i]);
        }
    }
    for (unsigned i = 0; i < g->n; i++) divide(y[i], dim, j[i].l);
}

void attn(const bnt_attn_args *a) {
    each_group(a, whole_group);
}
