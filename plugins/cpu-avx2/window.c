/*
 * window.c - attention over a window (NUMERICS 8), K and V as plain binary32.
 *
 * Eight positions lie in eight lanes: a register of K holds one dimension of them, gathered once
 * for all queries of a group. Each query's chunk is cut where its own window begins.
 */
#include "kernels.h"

enum { CHUNK = BNT_ATTN_CHUNK, GROUP = 6, DIMS = 32 };

/* Up to GROUP tokens of one head, and the part of a chunk that each of them sees. */
typedef struct group {
    const float *q[GROUP];
    float *y[GROUP];
    uint64_t begin[GROUP], end[GROUP]; /* positions seen in all */
    float m[GROUP], l[GROUP];
    float e[GROUP][CHUNK + HALF];
} group;

/* Scores of n queries for the eight positions from `at` on, those of `real`, to e[..][to ..]. */
INLINE void scores8(const bnt_attn_window_args *a, group *g, const unsigned n, uint64_t at,
                    __m256i real, uint64_t to) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i rows = _mm256_mullo_epi32(lane, _mm256_set1_epi32((int)a->head_dim));
    const float *k = a->k + (int64_t)(at - a->first) * a->head_dim;
    __m256 acc[GROUP];
    for (unsigned i = 0; i < n; i++) acc[i] = _mm256_setzero_ps();
    for (uint32_t d = 0; d < a->head_dim; d++) {
        __m256 x = _mm256_mask_i32gather_ps(_mm256_setzero_ps(), k + d, rows,
                                            _mm256_castsi256_ps(real), 4);
        for (unsigned i = 0; i < n; i++)
            acc[i] = _mm256_fmadd_ps(_mm256_set1_ps(g->q[i][d]), x, acc[i]);
    }
    for (unsigned i = 0; i < n; i++)
        _mm256_storeu_ps(g->e[i] + to, _mm256_mul_ps(acc[i], _mm256_set1_ps(a->scale)));
}

/* e[lo .. hi) from scores to weights; their maximum and sum. */
static void weigh(float *e, uint64_t lo, uint64_t hi, float *m, float *l) {
    __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    float most = e[lo];
    for (uint64_t i = lo + 1; i < hi; i++) most = e[i] > most ? e[i] : most;
    *m = most + 0.0f;                          /* a maximum of zero is +0 */
    for (uint64_t i = lo; i < hi; i += HALF) { /* Sum16, from the first that is seen */
        const unsigned half = (unsigned)((i - lo) / HALF % 2);
        __m256 x = exp8(_mm256_sub_ps(load_first(e + i, hi - i), _mm256_set1_ps(*m)));
        store_first(e + i, hi - i, x);
        if (hi - i >= HALF) /* no zero is added where there is no term */
            sum[half] = _mm256_add_ps(sum[half], x);
        else
            sum[half] = _mm256_blendv_ps(sum[half], _mm256_add_ps(sum[half], x),
                                         _mm256_castsi256_ps(first8(hi - i)));
    }
    *l = fold16(sum[0], sum[1]);
}

/* y = y * old + (sum of e[t] v[t]) * new, or the sum alone for the first chunk; for up to DIMS
 * dimensions, in whole registers or with the last one cut. */
INLINE void values_of(const float *e, const float *v, uint64_t n, uint32_t dim, uint32_t dims,
                      const int whole, int first, float old, float new, float *y) {
    __m256 acc[DIMS / HALF];
    for (unsigned i = 0; i < DIMS / HALF; i++) acc[i] = _mm256_setzero_ps();
    for (uint64_t t = 0; t < n; t++) {
        __m256 w = _mm256_set1_ps(e[t]);
        for (unsigned i = 0; i < DIMS / HALF; i++) {
            const float *from = v + t * dim + i * HALF;
            if (whole)
                acc[i] = _mm256_fmadd_ps(w, _mm256_loadu_ps(from), acc[i]);
            else if (i * HALF < dims)
                acc[i] = _mm256_fmadd_ps(w, load_first(from, dims - i * HALF), acc[i]);
        }
    }
    for (unsigned i = 0; i < DIMS / HALF && i * HALF < dims; i++) {
        float *to = y + i * HALF;
        const uint64_t left = dims - i * HALF;
        if (!first)
            acc[i] = _mm256_fmadd_ps(load_first(to, left), _mm256_set1_ps(old),
                                     _mm256_mul_ps(acc[i], _mm256_set1_ps(new)));
        store_first(to, left, acc[i]);
    }
}

static void values(const float *e, const float *v, uint64_t n, uint32_t dim, int first, float old,
                   float new, float *y) {
    uint32_t d = 0;
    for (; d + DIMS <= dim; d += DIMS) values_of(e, v + d, n, dim, DIMS, 1, first, old, new, y + d);
    if (d < dim) values_of(e, v + d, n, dim, dim - d, 0, first, old, new, y + d);
}

/* The chunk that begins at position c, as query i sees it. */
static void join_chunk(const bnt_attn_window_args *a, group *g, unsigned i, uint64_t c) {
    uint64_t lo = g->begin[i] > c ? g->begin[i] : c;
    uint64_t hi = g->end[i] < c + CHUNK ? g->end[i] : c + CHUNK;
    float m, l, old = 0.0f, new = 0.0f;
    if (lo >= hi) return;
    const int first = lo == g->begin[i];
    weigh(g->e[i], lo - c, hi - c, &m, &l);
    if (first) {
        g->m[i] = m;
        g->l[i] = l;
    } else {
        float top = m > g->m[i] ? m : g->m[i];
        old = bnt_exp(g->m[i] - top);
        new = bnt_exp(m - top);
        g->l[i] = bnt_fma(g->l[i], old, l * new);
        g->m[i] = top;
    }
    values(g->e[i] + (lo - c), a->v + (lo - a->first) * a->head_dim, hi - lo, a->head_dim, first,
           old, new, g->y[i]);
}

INLINE void attend(const bnt_attn_window_args *a, uint64_t t, uint32_t h, const unsigned n) {
    group g;
    for (unsigned i = 0; i < n; i++) {
        uint64_t p = a->pos + t + i;
        g.q[i] = a->q + (t + i) * a->ldq + (uint64_t)h * a->head_dim;
        g.y[i] = a->y + (t + i) * a->ldy + (uint64_t)h * a->head_dim;
        g.begin[i] = p + 1 > a->window ? p + 1 - a->window : 0;
        g.end[i] = p + 1;
    }
    const uint64_t from = g.begin[0], to = g.end[n - 1];
    for (uint64_t c = from / CHUNK * CHUNK; c < to; c += CHUNK) {
        for (uint64_t b = c; b < c + CHUNK && b < to; b += HALF) {
            if (b + HALF <= from) continue;
            __m256i real = first8(to - b);
            if (b < from) real = _mm256_andnot_si256(first8(from - b), real);
            scores8(a, &g, n, b, real, b - c);
        }
        for (unsigned i = 0; i < n; i++) join_chunk(a, &g, i, c);
    }
    for (unsigned i = 0; i < n; i++) {
        for (uint32_t d = 0; d < a->head_dim; d += HALF) {
            __m256 x = load_first(g.y[i] + d, a->head_dim - d);
            store_first(g.y[i] + d, a->head_dim - d, _mm256_div_ps(x, _mm256_set1_ps(g.l[i])));
        }
    }
}

void attn_window(const bnt_attn_window_args *a) {
    for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
        uint64_t t = a->tok_lo;
        for (; t + GROUP <= a->tok_hi; t += GROUP) attend(a, t, h, GROUP);
        for (; t < a->tok_hi; t++) attend(a, t, h, 1);
    }
}
