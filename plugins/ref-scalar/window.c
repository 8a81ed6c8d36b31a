/*
 * window.c - attention of layers that look back over a window (NUMERICS 8).
 *
 * Chunks are those of all positions, cut where the window begins: a window that reaches the first
 * position gives the bytes of attention over everything. K and V are plain binary32 here.
 */
#include "kernels.h"

enum { WINDOW_CHUNK = BNT_ATTN_CHUNK, WINDOW_DIMS = 64 };

/* Scores of n <= 16 positions to out[16]: chains over d in rising order, side by side. */
static void window_scores16(const float *q, const float *k, uint64_t n, uint32_t dim, float scale,
                            float *restrict out) {
    float kt[WINDOW_DIMS][BNT_LANES], acc[BNT_LANES] = {0};
    for (uint32_t d0 = 0; d0 < dim; d0 += WINDOW_DIMS) {
        uint32_t dims = dim - d0 < WINDOW_DIMS ? dim - d0 : WINDOW_DIMS;
        for (uint64_t l = 0; l < BNT_LANES; l++) {
            const float *from = k + (l < n ? l : n - 1) * dim + d0; /* spare lanes: any position */
            for (uint32_t d = 0; d < dims; d++) kt[d][l] = from[d];
        }
        for (uint32_t d = 0; d < dims; d++)
            for (int l = 0; l < BNT_LANES; l++) acc[l] = bnt_fma(q[d0 + d], kt[d][l], acc[l]);
    }
    for (int l = 0; l < BNT_LANES; l++) out[l] = acc[l] * scale;
}

/* Weights e = exp(score - m) of n positions, m, and l, the sum of them. */
static joint window_weights(const float *q, const float *k, uint64_t n, uint32_t dim, float scale,
                            float e[WINDOW_CHUNK]) {
    for (uint64_t i = 0; i < n; i += BNT_LANES)
        window_scores16(q, k + i * dim, n - i < BNT_LANES ? n - i : BNT_LANES, dim, scale, e + i);
    float m = e[0], acc[BNT_LANES] = {0};
    for (uint64_t i = 1; i < n; i++) m = e[i] > m ? e[i] : m;
    m = m + 0.0f; /* a maximum of zero is +0 */
    for (uint64_t i = 0; i < n; i++) e[i] = bnt_exp(e[i] - m);
    for (uint64_t i = 0; i < n; i++) acc[i % BNT_LANES] += e[i]; /* Sum16 */
    return (joint){.m = m, .l = fold16(acc)};
}

/* out[d] = chain of e[t] v[t][d] over t, for dims <= WINDOW_DIMS dimensions from d0. */
static void window_values(const float *e, const float *v, uint64_t n, uint32_t dim, uint32_t d0,
                          uint32_t dims, float *out) {
    float acc[WINDOW_DIMS] = {0};
    for (uint64_t t = 0; t < n; t++)
        for (uint32_t d = 0; d < dims; d++) acc[d] = bnt_fma(e[t], v[t * dim + d0 + d], acc[d]);
    memcpy(out, acc, dims * sizeof *out);
}

static void window_head(const bnt_attn_window_args *a, uint64_t t, uint32_t h) {
    const uint64_t p = a->pos + t, begin = p + 1 > a->window ? p + 1 - a->window : 0;
    const float *q = a->q + t * a->ldq + (uint64_t)h * a->head_dim;
    float *y = a->y + t * a->ldy + (uint64_t)h * a->head_dim;
    float e[WINDOW_CHUNK], o[WINDOW_DIMS];
    joint j = {0};
    for (uint64_t lo = begin; lo <= p; lo = (lo / WINDOW_CHUNK + 1) * WINDOW_CHUNK) {
        uint64_t left = WINDOW_CHUNK - lo % WINDOW_CHUNK, n = p + 1 - lo < left ? p + 1 - lo : left;
        const float *k = a->k + (lo - a->first) * a->head_dim;
        const float *v = a->v + (lo - a->first) * a->head_dim;
        joint c = window_weights(q, k, n, a->head_dim, a->scale, e);
        if (lo == begin)
            j = c;
        else
            join(&j, c.m, c.l);
        for (uint32_t d0 = 0; d0 < a->head_dim; d0 += WINDOW_DIMS) {
            uint32_t dims = a->head_dim - d0 < WINDOW_DIMS ? a->head_dim - d0 : WINDOW_DIMS;
            window_values(e, v, n, a->head_dim, d0, dims, lo == begin ? y + d0 : o);
            for (uint32_t d = 0; lo != begin && d < dims; d++)
                y[d0 + d] = bnt_fma(y[d0 + d], j.old, o[d] * j.new);
        }
    }
    for (uint32_t d = 0; d < a->head_dim; d++) y[d] = y[d] / j.l;
}

void KERNEL(attn_window)(const bnt_attn_window_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) window_head(a, t, h);
}
