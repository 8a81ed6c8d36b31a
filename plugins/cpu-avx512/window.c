/*
 * window.c - attention over a window (NUMERICS 8), K and V as plain binary32.
 *
 * Sixteen positions lie in sixteen lanes: a register of K holds one dimension of them, gathered
 * once for all queries of a group. Each query's chunk is cut where its own window begins.
 */
#include "kernels.h"

enum { CHUNK = BNT_ATTN_CHUNK, GROUP = 8, DIMS = 64 };

/* Up to GROUP tokens of one head, and the part of a chunk that each of them sees. */
typedef struct group {
    const float *q[GROUP];
    float *y[GROUP];
    uint64_t begin[GROUP], end[GROUP]; /* positions seen in all */
    float m[GROUP], l[GROUP];
    float e[GROUP][CHUNK + LANES];
} group;

/* Scores of n queries for the sixteen positions from `at` on, those in `real`, to e[..][to ..]. */
INLINE void scores16(const bnt_attn_window_args *a, group *g, const unsigned n, uint64_t at,
                     __mmask16 real, uint64_t to) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i rows = _mm512_mullo_epi32(lane, _mm512_set1_epi32((int)a->head_dim));
    const float *k = a->k + (int64_t)(at - a->first) * a->head_dim;
    __m512 acc[GROUP];
    UNROLL for (unsigned i = 0; i < n; i++) acc[i] = _mm512_setzero_ps();
    for (uint32_t d = 0; d < a->head_dim; d++) {
        __m512 x = _mm512_mask_i32gather_ps(_mm512_setzero_ps(), real, rows, k + d, 4);
        UNROLL for (unsigned i = 0; i < n; i++) acc[i] =
            _mm512_fmadd_ps(_mm512_set1_ps(g->q[i][d]), x, acc[i]);
    }
    UNROLL for (unsigned i = 0; i < n; i++)
        _mm512_storeu_ps(g->e[i] + to, _mm512_mul_ps(acc[i], _mm512_set1_ps(a->scale)));
}

/* e[lo .. hi) from scores to weights; their maximum and sum. */
static void weigh(float *e, uint64_t lo, uint64_t hi, float *m, float *l) {
    __m512 most = _mm512_set1_ps(e[lo]), sum = _mm512_setzero_ps();
    for (uint64_t i = lo; i < hi; i += LANES) {
        __mmask16 has = first_lanes(hi - i);
        most = _mm512_mask_max_ps(most, has, most, _mm512_loadu_ps(e + i));
    }
    *m = _mm512_reduce_max_ps(most) + 0.0f;     /* a maximum of zero is +0 */
    for (uint64_t i = lo; i < hi; i += LANES) { /* Sum16, from the first that is seen */
        __mmask16 has = first_lanes(hi - i);
        __m512 x = exp16(_mm512_sub_ps(_mm512_loadu_ps(e + i), _mm512_set1_ps(*m)));
        _mm512_mask_storeu_ps(e + i, has, x);
        sum = _mm512_mask_add_ps(sum, has, sum, x);
    }
    *l = fold16(sum);
}

/* y = y * old + (sum of e[t] v[t]) * new, or the sum alone for the first chunk. v: of e[lo]. */
static void values(const float *e, const float *v, uint64_t n, uint32_t dim, int first, float old,
                   float new, float *y) {
    for (uint32_t d0 = 0; d0 < dim; d0 += DIMS) {
        __m512 acc[DIMS / LANES];
        __mmask16 has[DIMS / LANES];
        UNROLL for (unsigned i = 0; i < DIMS / LANES; i++) {
            uint32_t d = d0 + i * LANES;
            has[i] = d < dim ? first_lanes(dim - d) : 0;
            acc[i] = _mm512_setzero_ps();
        }
        for (uint64_t t = 0; t < n; t++) {
            __m512 w = _mm512_set1_ps(e[t]);
            UNROLL for (unsigned i = 0; i < DIMS / LANES; i++) {
                __m512 x = _mm512_maskz_loadu_ps(has[i], v + t * dim + d0 + i * LANES);
                acc[i] = _mm512_fmadd_ps(w, x, acc[i]);
            }
        }
        UNROLL for (unsigned i = 0; i < DIMS / LANES; i++) {
            float *to = y + d0 + i * LANES;
            if (!has[i]) continue;
            if (!first)
                acc[i] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(has[i], to), _mm512_set1_ps(old),
                                         _mm512_mul_ps(acc[i], _mm512_set1_ps(new)));
            _mm512_mask_storeu_ps(to, has[i], acc[i]);
        }
    }
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
        for (uint64_t b = c; b < c + CHUNK && b < to; b += LANES) {
            if (b + LANES <= from) continue;
            __mmask16 real = first_lanes(to - b);
            if (b < from) real &= (__mmask16)~first_lanes(from - b);
            scores16(a, &g, n, b, real, b - c);
        }
        for (unsigned i = 0; i < n; i++) join_chunk(a, &g, i, c);
    }
    for (unsigned i = 0; i < n; i++) {
        for (uint32_t d = 0; d < a->head_dim; d += LANES) {
            __mmask16 has = first_lanes(a->head_dim - d);
            __m512 x = _mm512_maskz_loadu_ps(has, g.y[i] + d);
            _mm512_mask_storeu_ps(g.y[i] + d, has, _mm512_div_ps(x, _mm512_set1_ps(g.l[i])));
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
