/*
 * attention.c - the KV cache and attention over it (NUMERICS 7 and 8).
 *
 * The object: for each KV head, K as binary16 [position / 16][head_dim][16], then V as [position]
 * [head_dim], rows padded to eight values. A score is a chain over d and a value a chain over
 * positions, each in a lane of its own, so nothing crosses lanes until Sum16.
 *
 * The one idea: up to six queries that read the same KV head (heads of a group, then the next
 * token) pass through a chunk together and share every load and conversion of K and V.
 */
#include "kernels.h"

enum { CHUNK = BNT_ATTN_CHUNK, QUERIES = 6 };

/* ---- the cache ---------------------------------------------------------------------------- */

static uint64_t padded_dim(const bnt_kv_shape *s) {
    return ((uint64_t)s->head_dim + HALF - 1) & ~(uint64_t)(HALF - 1);
}

static uint64_t k_values(const bnt_kv_shape *s) { /* of one head */
    return ((s->capacity + LANES - 1) & ~(uint64_t)(LANES - 1)) * s->head_dim;
}

static uint64_t head_values(const bnt_kv_shape *s) { /* K, then V from a multiple of 16 on */
    return k_values(s) + ((s->capacity * padded_dim(s) + LANES - 1) & ~(uint64_t)(LANES - 1));
}

int32_t kv_layout(const bnt_kv_shape *shape, bnt_layout *out) {
    uint64_t values, most = shape->heads * (padded_dim(shape) + LANES);
    if (!shape->capacity || !shape->heads || !shape->head_dim || shape->capacity > UINT64_MAX / 2)
        return BNT_NOT_SUPPORTED;
    if (__builtin_mul_overflow(shape->heads, padded_dim(shape) + LANES, &most) ||
        __builtin_mul_overflow(shape->capacity + LANES, most, &values) || values > UINT64_MAX / 8)
        return BNT_NOT_SUPPORTED;
    uint64_t bytes = head_values(shape) * shape->heads * sizeof(uint16_t);
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = LANES};
    return BNT_SUPPORTED;
}

static uint16_t *k_at(const bnt_kv_shape *s, const void *kv, uint32_t head, uint64_t pos) {
    uint16_t *k = (uint16_t *)(uintptr_t)kv + head_values(s) * head;
    return k + pos / LANES * LANES * s->head_dim + pos % LANES; /* of d = 0; d is 16 further each */
}

static uint16_t *v_at(const bnt_kv_shape *s, const void *kv, uint32_t head, uint64_t pos) {
    uint16_t *k = (uint16_t *)(uintptr_t)kv + head_values(s) * head;
    return k + k_values(s) + pos * padded_dim(s);
}

INLINE __m128i halves(const float *x, uint64_t n) {
    return _mm256_cvtps_ph(load_first(x, n), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

void kv_store(const bnt_kv_store_args *a) {
    uint32_t dim = a->shape.head_dim;
    for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
            uint64_t from = t * a->ldkv + (uint64_t)h * dim;
            uint16_t *k = k_at(&a->shape, a->kv, h, a->pos + t);
            uint16_t *v = v_at(&a->shape, a->kv, h, a->pos + t);
            for (uint32_t d = 0; d < dim; d += HALF) {
                uint16_t column[HALF];
                _mm_storeu_si128((__m128i *)(void *)column, halves(a->k + from + d, dim - d));
                for (uint32_t i = 0; i < HALF && d + i < dim; i++)
                    k[(uint64_t)(d + i) * LANES] = column[i];
                _mm_storeu_si128((__m128i *)(void *)(v + d), halves(a->v + from + d, dim - d));
            }
        }
    }
}

void kv_load(const bnt_kv_load_args *a) {
    uint32_t dim = a->shape.head_dim;
    float *to_k = a->k, *to_v = a->v;
    for (uint64_t p = a->pos_lo; p < a->pos_hi; p++, to_k += dim, to_v += dim) {
        const uint16_t *k = k_at(&a->shape, a->kv, a->head, p);
        const uint16_t *v = v_at(&a->shape, a->kv, a->head, p);
        for (uint32_t d = 0; d < dim; d++) to_k[d] = _cvtsh_ss(k[(uint64_t)d * LANES]);
        for (uint32_t d = 0; d < dim; d += HALF) store_first(to_v + d, dim - d, load_f16(v + d));
    }
}

/* ---- one chunk as up to six queries see it ------------------------------------------------ */

typedef struct party {
    unsigned n;
    uint64_t t[QUERIES]; /* rising */
    uint32_t h[QUERIES];
    const float *q[QUERIES];
    uint64_t seen[QUERIES]; /* positions of the chunk that the query sees; 0: it ends before */
    float m[QUERIES], l[QUERIES];
    float *out[QUERIES];              /* where o goes */
    float old[QUERIES], new[QUERIES]; /* factors that join o to what is there, when `joins` */
    int joins;
    float e[QUERIES][CHUNK];
} party;

/* Scores of nq queries x np blocks of sixteen positions from number b. */
INLINE void score_tile(party *g, const unsigned nq, const uint16_t *k, const uint16_t *v,
                       uint64_t dim, uint64_t b, const unsigned np, float scale) {
    __m256 acc[QUERIES][8];
    k += b * LANES * dim;
    UNROLL(6)
    for (unsigned i = 0; i < nq; i++) {
        UNROLL(8)
        for (unsigned p = 0; p < 2 * np; p++) acc[i][p] = _mm256_setzero_ps();
    }
    for (uint64_t d = 0; d < dim; d++) {
        for (unsigned p = 0; p < np; p++) { /* the next keys, and the values that follow them */
            _mm_prefetch((const char *)(k + ((np + p) * dim + d) * LANES), _MM_HINT_T0);
            _mm_prefetch((const char *)(v + ((b + p) * dim + d) * LANES), _MM_HINT_T1);
        }
        if (np > 1) { /* few queries stay in registers, keys pass by; else the other way round */
            __m256 q[QUERIES];
            UNROLL(6)
            for (unsigned i = 0; i < nq; i++) q[i] = _mm256_broadcast_ss(g->q[i] + d);
            UNROLL(8)
            for (unsigned p = 0; p < 2 * np; p++) {
                __m256 key = load_f16(k + (p / 2 * dim + d) * LANES + p % 2 * HALF);
                UNROLL(6)
                for (unsigned i = 0; i < nq; i++) acc[i][p] = _mm256_fmadd_ps(q[i], key, acc[i][p]);
            }
        } else {
            __m256 low = load_f16(k + d * LANES), high = load_f16(k + d * LANES + HALF);
            UNROLL(6)
            for (unsigned i = 0; i < nq; i++) {
                __m256 q = _mm256_broadcast_ss(g->q[i] + d);
                acc[i][0] = _mm256_fmadd_ps(q, low, acc[i][0]);
                acc[i][1] = _mm256_fmadd_ps(q, high, acc[i][1]);
            }
        }
    }
    UNROLL(6)
    for (unsigned i = 0; i < nq; i++) {
        UNROLL(8)
        for (unsigned p = 0; p < 2 * np; p++)
            _mm256_storeu_ps(g->e[i] + b * LANES + p * HALF,
                             _mm256_mul_ps(acc[i][p], _mm256_set1_ps(scale)));
    }
}

INLINE void score_queries(party *g, const unsigned nq, const unsigned np, const uint16_t *k,
                          const uint16_t *v, uint64_t dim, uint64_t blocks, float scale) {
    uint64_t b = 0;
    for (; b + np <= blocks; b += np) score_tile(g, nq, k, v, dim, b, np, scale);
    for (; np > 1 && b < blocks; b++) score_tile(g, nq, k, v, dim, b, 1, scale);
}

/* Scores of a chunk; those a query does not see, or that nobody has stored yet, are computed with
 * the rest and never used. Eight to twelve chains at a time keep the fma units busy. */
static void score(party *g, const uint16_t *k, const uint16_t *v, uint64_t dim, uint64_t blocks,
                  float scale) {
    switch (g->n) {
    case 1: score_queries(g, 1, 4, k, v, dim, blocks, scale); break;
    case 2: score_queries(g, 2, 2, k, v, dim, blocks, scale); break;
    case 3: score_queries(g, 3, 2, k, v, dim, blocks, scale); break;
    case 4: score_queries(g, 4, 1, k, v, dim, blocks, scale); break;
    case 5: score_queries(g, 5, 1, k, v, dim, blocks, scale); break;
    default: score_queries(g, QUERIES, 1, k, v, dim, blocks, scale); break;
    }
}

/* m, e = exp(score - m) and l = Sum16(e) of n scores. Lanes past the end become -infinity, so their
 * e is 0, which changes neither sum: no partial sum is -0. */
static void weigh(float *e, uint64_t n, float *m, float *l) {
    const __m256 least = _mm256_set1_ps(-__builtin_inff());
    uint64_t end = (n + LANES - 1) & ~(uint64_t)(LANES - 1);
    __m256 top = least, acc[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (uint64_t i = n; i < end; i++) e[i] = -__builtin_inff();
    for (uint64_t i = 0; i < end; i += HALF) top = _mm256_max_ps(top, _mm256_loadu_ps(e + i));
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(top), _mm256_extractf128_ps(top, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    x = _mm_max_ss(x, _mm_movehdup_ps(x));
    *m = _mm_cvtss_f32(x) + 0.0f; /* clause 8: a maximum of zero is +0 */
    for (uint64_t i = 0; i < end; i += LANES) {
        UNROLL(2)
        for (unsigned h = 0; h < 2; h++) {
            float *at = e + i + h * HALF;
            __m256 w = exp8(_mm256_sub_ps(_mm256_loadu_ps(at), _mm256_set1_ps(*m)));
            acc[h] = _mm256_add_ps(acc[h], w);
            _mm256_storeu_ps(at, w);
        }
    }
    *l = fold16(acc[0], acc[1]);
}

/* o[d] of nq queries for nd registers of dimensions from d0. A chain ends where its query's
 * sight does: what follows in the cache may be anything. */
INLINE void value_tile(const party *g, const unsigned nq, const uint16_t *v, uint64_t stride,
                       uint64_t dim, uint64_t d0, const unsigned nd) {
    __m256 acc[QUERIES][8];
    uint64_t common = g->seen[0];
    v += d0;
    UNROLL(6)
    for (unsigned i = 0; i < nq; i++) {
        if (g->seen[i] < common) common = g->seen[i];
        UNROLL(8)
        for (unsigned j = 0; j < nd; j++) acc[i][j] = _mm256_setzero_ps();
    }
    for (uint64_t t = 0; t < common; t++) {
        __m256 value[8];
        UNROLL(8)
        for (unsigned j = 0; j < nd; j++) value[j] = load_f16(v + t * stride + j * HALF);
        UNROLL(6)
        for (unsigned i = 0; i < nq; i++) {
            __m256 e = _mm256_broadcast_ss(g->e[i] + t);
            UNROLL(8)
            for (unsigned j = 0; j < nd; j++) acc[i][j] = _mm256_fmadd_ps(e, value[j], acc[i][j]);
        }
    }
    UNROLL(6)
    for (unsigned i = 0; i < nq; i++) {
        if (!g->seen[i]) continue;
        for (uint64_t t = common; t < g->seen[i]; t++) {
            __m256 e = _mm256_broadcast_ss(g->e[i] + t);
            UNROLL(8)
            for (unsigned j = 0; j < nd; j++)
                acc[i][j] = _mm256_fmadd_ps(e, load_f16(v + t * stride + j * HALF), acc[i][j]);
        }
        UNROLL(8)
        for (unsigned j = 0; j < nd; j++) {
            uint64_t d = d0 + j * HALF;
            float *out = g->out[i] + d;
            if (g->joins) {
                __m256 fresh = _mm256_mul_ps(acc[i][j], _mm256_set1_ps(g->new[i]));
                __m256 before = load_first(out, dim - d);
                acc[i][j] = _mm256_fmadd_ps(before, _mm256_set1_ps(g->old[i]), fresh);
            }
            store_first(out, dim - d, acc[i][j]);
        }
    }
}

INLINE void value_queries(const party *g, const unsigned nq, const unsigned nd, const uint16_t *v,
                          uint64_t stride, uint64_t dim) {
    uint64_t d = 0;
    for (; d + nd * HALF <= dim; d += nd * HALF) value_tile(g, nq, v, stride, dim, d, nd);
    for (; d < dim; d += HALF) value_tile(g, nq, v, stride, dim, d, 1);
}

static void value(const party *g, const uint16_t *v, uint64_t stride, uint64_t dim) {
    switch (g->n) {
    case 1: value_queries(g, 1, 8, v, stride, dim); break;
    case 2: value_queries(g, 2, 4, v, stride, dim); break;
    case 3: value_queries(g, 3, 4, v, stride, dim); break;
    case 4: value_queries(g, 4, 2, v, stride, dim); break;
    case 5: value_queries(g, 5, 2, v, stride, dim); break;
    default: value_queries(g, QUERIES, 2, v, stride, dim); break;
    }
}

/* Fills seen, e, m and l for chunk c; returns whether anyone sees any of it. */
static int open_chunk(const bnt_attn_args *a, party *g, uint32_t kv_head, uint64_t c) {
    uint64_t first = c * CHUNK, most = 0;
    for (unsigned i = 0; i < g->n; i++) {
        uint64_t end = a->pos + g->t[i] + 1, n = end > first ? end - first : 0;
        g->seen[i] = n < CHUNK ? n : CHUNK;
        if (g->seen[i] > most) most = g->seen[i];
    }
    if (!most) return 0;
    score(g, k_at(&a->shape, a->kv, kv_head, first), v_at(&a->shape, a->kv, kv_head, first),
          a->shape.head_dim, (most + LANES - 1) / LANES, a->scale);
    for (unsigned i = 0; i < g->n; i++)
        if (g->seen[i]) weigh(g->e[i], g->seen[i], &g->m[i], &g->l[i]);
    return 1;
}

/* ---- chunks, their merge, and both in one ------------------------------------------------- */

typedef void party_fn(const bnt_attn_args *a, party *g, uint32_t kv_head);

/* Calls `visit` for the slice's queries, party by party, a KV head at a time. */
INLINE void each_party(const bnt_attn_args *a, party_fn *visit) {
    uint32_t per = a->heads / a->shape.heads, head_end;
    party g;
    for (uint32_t head = a->head_lo; head < a->head_hi; head = head_end) {
        uint32_t kv_head = head / per;
        head_end = (kv_head + 1) * per < a->head_hi ? (kv_head + 1) * per : a->head_hi;
        g.n = 0;
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
            for (uint32_t h = head; h < head_end; h++) {
                g.t[g.n] = t;
                g.h[g.n] = h;
                g.q[g.n] = a->q + t * a->ldq + (uint64_t)h * a->shape.head_dim;
                if (++g.n < QUERIES && (t + 1 < a->tok_hi || h + 1 < head_end)) continue;
                visit(a, &g, kv_head);
                g.n = 0;
            }
        }
    }
}

static float *part_at(const bnt_attn_args *a, uint64_t t, uint32_t h, uint64_t c) {
    return a->part + ((t * a->heads + h) * a->chunks + c) * (a->shape.head_dim + 2ull);
}

static void chunks_of_party(const bnt_attn_args *a, party *g, uint32_t kv_head) {
    g->joins = 0;
    for (uint64_t c = a->chunk_lo; c < a->chunk_hi && open_chunk(a, g, kv_head, c); c++) {
        for (unsigned i = 0; i < g->n; i++) {
            float *part = part_at(a, g->t[i], g->h[i], c);
            g->out[i] = part + 2;
            if (!g->seen[i]) continue;
            part[0] = g->m[i];
            part[1] = g->l[i];
        }
        value(g, v_at(&a->shape, a->kv, kv_head, c * CHUNK), padded_dim(&a->shape),
              a->shape.head_dim);
    }
}

void attn_chunk(const bnt_attn_args *a) {
    each_party(a, chunks_of_party);
}

/* What the chunks so far came to, and the factors for them and for the next one. */
typedef struct running {
    float m, l, old, new;
} running;

static void join(running *r, float m, float l) {
    float top = m > r->m ? m : r->m;
    r->old = bnt_exp(r->m - top);
    r->new = bnt_exp(m - top);
    r->l = bnt_fma(r->l, r->old, l * r->new);
    r->m = top;
}

static void divide(float *y, uint64_t dim, float l) {
    for (uint64_t d = 0; d < dim; d += HALF)
        store_first(y + d, dim - d, _mm256_div_ps(load_first(y + d, dim - d), _mm256_set1_ps(l)));
}

void attn_merge(const bnt_attn_args *a) {
    uint64_t dim = a->shape.head_dim;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        uint64_t chunks = (a->pos + t) / CHUNK + 1;
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            float *y = a->y + t * a->ldy + h * dim;
            const float *p = part_at(a, t, h, 0);
            running r = {.m = p[0], .l = p[1]};
            memcpy(y, p + 2, dim * sizeof *y);
            for (uint64_t c = 1; c < chunks; c++) {
                p = part_at(a, t, h, c);
                join(&r, p[0], p[1]);
                for (uint64_t d = 0; d < dim; d += HALF) {
                    __m256 o = load_first(p + 2 + d, dim - d), before = load_first(y + d, dim - d);
                    o = _mm256_mul_ps(o, _mm256_set1_ps(r.new));
                    o = _mm256_fmadd_ps(before, _mm256_set1_ps(r.old), o);
                    store_first(y + d, dim - d, o);
                }
            }
            divide(y, dim, r.l);
        }
    }
}

static void whole_party(const bnt_attn_args *a, party *g, uint32_t kv_head) {
    uint64_t dim = a->shape.head_dim;
    running r[QUERIES];
    for (unsigned i = 0; i < g->n; i++) g->out[i] = a->y + g->t[i] * a->ldy + g->h[i] * dim;
    for (uint64_t c = 0; open_chunk(a, g, kv_head, c); c++) {
        g->joins = c > 0;
        for (unsigned i = 0; i < g->n; i++) {
            if (c == 0)
                r[i] = (running){.m = g->m[i], .l = g->l[i]};
            else if (g->seen[i])
                join(&r[i], g->m[i], g->l[i]);
            g->old[i] = r[i].old;
            g->new[i] = r[i].new;
        }
        value(g, v_at(&a->shape, a->kv, kv_head, c * CHUNK), padded_dim(&a->shape), dim);
    }
    for (unsigned i = 0; i < g->n; i++) divide(g->out[i], dim, r[i].l);
}

void attn(const bnt_attn_args *a) {
    each_party(a, whole_party);
}
