/*
 * window.c - attention over a window (NUMERICS 8), K and V as plain binary32.
 *
 * Four positions lie in four lanes: K is turned, four dimensions of four positions at a time, once
 * for all queries of a group. Each query's chunk is cut where its own window begins.
 */
#include "kernels.h"

enum { CHUNK = BNT_ATTN_CHUNK, GROUP = 8, WIDE = 4 };

/* Up to GROUP tokens of one head, and the part of a chunk that each of them sees. */
typedef struct group {
    const float *q[GROUP];
    float *y[GROUP];
    uint64_t begin[GROUP], end[GROUP]; /* positions seen in all */
    float m[GROUP], l[GROUP];
    float e[GROUP][CHUNK + WIDE];
} group;

/* Scores of n queries for `real` <= 4 positions from `at` on, to e[..][to ..]. */
INLINE void scores4(const bnt_attn_window_args *a, group *g, const unsigned n, uint64_t at,
                    uint64_t real, uint64_t to) {
    const uint32_t dim = a->head_dim;
    const float *k[WIDE];
    float32x4_t acc[GROUP];
    uint32_t d = 0;
    for (unsigned l = 0; l < WIDE; l++) /* spare lanes: any position */
        k[l] = a->k + (at - a->first + (l < real ? l : real - 1)) * dim;
    for (unsigned i = 0; i < n; i++) acc[i] = vdupq_n_f32(0.0f);
    for (; d + 4 <= dim; d += 4) {
        float32x4x2_t x = vtrnq_f32(vld1q_f32(k[0] + d), vld1q_f32(k[1] + d));
        float32x4x2_t y = vtrnq_f32(vld1q_f32(k[2] + d), vld1q_f32(k[3] + d));
        float32x4_t kt[4] = {vcombine_f32(vget_low_f32(x.val[0]), vget_low_f32(y.val[0])),
                             vcombine_f32(vget_low_f32(x.val[1]), vget_low_f32(y.val[1])),
                             vcombine_f32(vget_high_f32(x.val[0]), vget_high_f32(y.val[0])),
                             vcombine_f32(vget_high_f32(x.val[1]), vget_high_f32(y.val[1]))};
        for (unsigned i = 0; i < n; i++) {
            float32x4_t q = vld1q_f32(g->q[i] + d);
            acc[i] = vfmaq_laneq_f32(acc[i], kt[0], q, 0);
            acc[i] = vfmaq_laneq_f32(acc[i], kt[1], q, 1);
            acc[i] = vfmaq_laneq_f32(acc[i], kt[2], q, 2);
            acc[i] = vfmaq_laneq_f32(acc[i], kt[3], q, 3);
        }
    }
    for (; d < dim; d++) {
        const float column[4] = {k[0][d], k[1][d], k[2][d], k[3][d]};
        for (unsigned i = 0; i < n; i++)
            acc[i] = vfmaq_n_f32(acc[i], vld1q_f32(column), g->q[i][d]);
    }
    for (unsigned i = 0; i < n; i++) vst1q_f32(g->e[i] + to, vmulq_n_f32(acc[i], a->scale));
}

/* e[0 .. n) from scores to weights; their maximum and sum. */
static void weigh(float *e, uint64_t n, float *m, float *l) {
    float sum[BNT_LANES] = {0}, most = e[0];
    uint64_t i = 0;
    for (uint64_t t = 1; t < n; t++) most = e[t] > most ? e[t] : most;
    most = most + 0.0f; /* a maximum of zero is +0 */
    for (; i + 4 <= n; i += 4)
        vst1q_f32(e + i, exp4(vsubq_f32(vld1q_f32(e + i), vdupq_n_f32(most))));
    for (; i < n; i++) e[i] = bnt_exp(e[i] - most);
    for (uint64_t t = 0; t < n; t++) sum[t % BNT_LANES] += e[t]; /* Sum16 */
    for (unsigned half = BNT_LANES / 2; half > 0; half /= 2)
        for (unsigned t = 0; t < half; t++) sum[t] += sum[t + half];
    *m = most;
    *l = sum[0];
}

/* y = y * old + (sum of e[t] v[t]) * new, or the sum alone for the first chunk. */
static void values(const float *e, const float *v, uint64_t n, uint32_t dim, int first, float old,
                   float new, float *y) {
    uint32_t d = 0;
    for (; d + 16 <= dim; d += 16) {
        float32x4_t acc[4] = {vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f),
                              vdupq_n_f32(0.0f)};
        for (uint64_t t = 0; t < n; t++)
            for (unsigned i = 0; i < 4; i++)
                acc[i] = vfmaq_n_f32(acc[i], vld1q_f32(v + t * dim + d + 4 * i), e[t]);
        for (unsigned i = 0; i < 4; i++) {
            float *to = y + d + 4 * i;
            if (!first) acc[i] = vfmaq_n_f32(vmulq_n_f32(acc[i], new), vld1q_f32(to), old);
            vst1q_f32(to, acc[i]);
        }
    }
    for (; d < dim; d++) {
        float acc = 0.0f;
        for (uint64_t t = 0; t < n; t++) acc = bnt_fma(e[t], v[t * dim + d], acc);
        y[d] = first ? acc : bnt_fma(y[d], old, acc * new);
    }
}

/* The chunk that begins at position c, as query i sees it. */
static void join_chunk(const bnt_attn_window_args *a, group *g, unsigned i, uint64_t c) {
    uint64_t lo = g->begin[i] > c ? g->begin[i] : c;
    uint64_t hi = g->end[i] < c + CHUNK ? g->end[i] : c + CHUNK;
    float m, l, old = 0.0f, new = 0.0f;
    if (lo >= hi) return;
    const int first = lo == g->begin[i];
    weigh(g->e[i] + (lo - c), hi - lo, &m, &l);
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
        const uint64_t end = to < c + CHUNK ? to : c + CHUNK;
        for (uint64_t b = from > c ? from : c; b < end; b += WIDE)
            scores4(a, &g, n, b, end - b < WIDE ? end - b : WIDE, b - c);
        for (unsigned i = 0; i < n; i++) join_chunk(a, &g, i, c);
    }
    for (unsigned i = 0; i < n; i++)
        for (uint32_t d = 0; d < a->head_dim; d++) g.y[i][d] = g.y[i][d] / g.l[i];
}

void attn_window(const bnt_attn_window_args *a) {
    for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
        uint64_t t = a->tok_lo;
        for (; t + GROUP <= a->tok_hi; t += GROUP) attend(a, t, h, GROUP);
        for (; t < a->tok_hi; t++) attend(a, t, h, 1);
    }
}
