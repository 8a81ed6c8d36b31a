/*
 * attention.c - the KV cache and attention over it (NUMERICS 7 and 8).
 *
 * The object: for each head K as binary16 [position / 16][head_dim][16], then V as
 * [position][head_dim]. Knows nothing of models. A score is a chain over d in each lane and a value
 * a chain over t in each lane, so no sum crosses lanes. Up to four queries that read one KV head
 * (heads of a group, or neighbouring tokens) go together and share each load and conversion:
 * four queries x four q registers are sixteen chains, enough to hide the latency of fma.
 */
#include "kernels.h"

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

INLINE uint16_t to_f16_one(float x) {
    return vget_lane_u16(to_f16(vdupq_n_f32(x)), 0);
}

INLINE float from_f16_one(uint16_t h) {
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(h))), 0);
}

void kv_store(const bnt_kv_store_args *a) {
    uint32_t dim = a->shape.head_dim;
    for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
            const float *k = a->k + t * a->ldkv + (uint64_t)h * dim;
            const float *v = a->v + t * a->ldkv + (uint64_t)h * dim;
            uint16_t *to_k = k_head(&a->shape, a->kv, h) + k_index(&a->shape, a->pos + t);
            uint16_t *to_v = v_head(&a->shape, a->kv, h) + (a->pos + t) * dim;
            uint32_t d = 0;
            for (; d + 4 <= dim; d += 4, to_k += 4 * LANES) {
                uint16x4_t four = to_f16(vld1q_f32(k + d));
                to_k[0] = vget_lane_u16(four, 0);
                to_k[LANES] = vget_lane_u16(four, 1);
                to_k[2 * LANES] = vget_lane_u16(four, 2);
                to_k[3 * LANES] = vget_lane_u16(four, 3);
                vst1_u16(to_v + d, to_f16(vld1q_f32(v + d)));
            }
            for (; d < dim; d++, to_k += LANES) {
                *to_k = to_f16_one(k[d]);
                to_v[d] = to_f16_one(v[d]);
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
        for (uint32_t d = 0; d < dim; d++) to_k[d] = from_f16_one(k[(uint64_t)d * LANES]);
        for (uint32_t d = 0; d < dim; d++) to_v[d] = from_f16_one(v[d]);
    }
}

/* Up to four queries that read one KV head, and one chunk as they see it: `seen` positions of it (0
 * when the chunk begins after the query), weights e, their maximum m and sum l. */
typedef struct group {
    unsigned n;
    uint64_t t[QUERIES];
    uint32_t h[QUERIES];
    const float *q[QUERIES];
    uint64_t seen[QUERIES];
    float m[QUERIES], l[QUERIES];
    float e[QUERIES][CHUNK];
} group;

/* ---- scores ------------------------------------------------------------------------------- */

/* Scores of nq queries x np blocks of sixteen positions, to e[query][at ...]. */
INLINE void score_blocks(const float *const q[QUERIES], const uint16_t *k, uint32_t dim,
                         const unsigned nq, const unsigned np, float (*e)[CHUNK], uint64_t at,
                         float scale) {
    lanes16 acc[QUERIES][4];
#pragma GCC unroll 4
    for (unsigned i = 0; i < nq; i++)
#pragma GCC unroll 4
        for (unsigned p = 0; p < np; p++)
#pragma GCC unroll 4
            for (unsigned l = 0; l < QUADS; l++) acc[i][p].v[l] = vdupq_n_f32(0.0f);
    for (uint64_t d = 0; d < dim; d++) {
#pragma GCC unroll 4
        for (unsigned p = 0; p < np; p++) {
            lanes16 key = f16_to_lanes(k + (p * (uint64_t)dim + d) * LANES);
#pragma GCC unroll 4
            for (unsigned i = 0; i < nq; i++) {
                float32x4_t value = vld1q_dup_f32(q[i] + d);
#pragma GCC unroll 4
                for (unsigned l = 0; l < QUADS; l++)
                    acc[i][p].v[l] = vfmaq_f32(acc[i][p].v[l], value, key.v[l]);
            }
        }
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < nq; i++)
#pragma GCC unroll 4
        for (unsigned p = 0; p < np; p++)
#pragma GCC unroll 4
            for (unsigned l = 0; l < QUADS; l++)
                vst1q_f32(e[i] + at + p * LANES + 4 * l, vmulq_n_f32(acc[i][p].v[l], scale));
}

/* Scores of `blocks` x 16 positions of the chunk; those a query does not see, or that are not
 * stored yet, are computed with the rest and never used. */
static void scores(group *g, const uint16_t *k, uint32_t dim, uint64_t blocks, float scale) {
    uint64_t b = 0;
    if (g->n == QUERIES) {
        for (; b < blocks; b++)
            score_blocks(g->q, k + b * LANES * dim, dim, QUERIES, 1, g->e, b * LANES, scale);
        return;
    }
    for (unsigned i = 0; i < g->n; i++) {
        for (b = 0; b + 4 <= blocks; b += 4)
            score_blocks(g->q + i, k + b * LANES * dim, dim, 1, 4, g->e + i, b * LANES, scale);
        for (; b < blocks; b++)
            score_blocks(g->q + i, k + b * LANES * dim, dim, 1, 1, g->e + i, b * LANES, scale);
    }
}

/* m, then e = exp(score - m), 0 in the lanes after the last position, and l = Sum16(e), to which
 * zeros add nothing since every lane starts from +0. */
static void weigh(float *e, uint64_t n, float *m, float *l) {
    uint64_t padded = (n + LANES - 1) & ~(uint64_t)(LANES - 1);
    for (uint64_t i = n; i < padded; i++) e[i] = -__builtin_inff();
    float32x4_t top = vld1q_f32(e);
    for (uint64_t i = 4; i < padded; i += 4) top = vmaxq_f32(top, vld1q_f32(e + i));
    *m = vmaxvq_f32(top) + 0.0f; /* clause 8: a maximum of zero is +0 */
    float32x4_t max = vdupq_n_f32(*m);
    lanes16 sum = {{vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)}};
    for (uint64_t i = 0; i < padded; i += LANES) {
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++) {
            float32x4_t x = exp4(vsubq_f32(vld1q_f32(e + i + 4 * k), max));
            sum.v[k] = vaddq_f32(sum.v[k], x);
            vst1q_f32(e + i + 4 * k, x);
        }
    }
    *l = fold16(&sum);
}

/* ---- values ------------------------------------------------------------------------------- */

/* One link of the chains of nd x 4 dimensions: acc + e v. */
INLINE void value_step(float32x4_t acc[4], const float *e, const float32x4_t value[4],
                       const unsigned nd) {
    float32x4_t weight = vld1q_dup_f32(e);
#pragma GCC unroll 4
    for (unsigned j = 0; j < nd; j++) acc[j] = vfmaq_f32(acc[j], weight, value[j]);
}

INLINE void load_values(float32x4_t value[4], const uint16_t *p, const unsigned nd) {
    if (nd == 4) {
        lanes16 v = f16_to_lanes(p);
#pragma GCC unroll 4
        for (unsigned j = 0; j < 4; j++) value[j] = v.v[j];
    } else {
        value[0] = load4_f16(p);
    }
}

/* o[i][d] of nq queries from i0 for nd x 4 (nd 1 or 4) dimensions from d0. A chain ends where its
 * query's sight does: more terms, even zeros, could change a -0 or meet stale data. */
INLINE void value_block(const group *g, unsigned i0, const unsigned nq, const uint16_t *v,
                        uint32_t dim, uint64_t d0, const unsigned nd, float *const out[QUERIES]) {
    float32x4_t acc[QUERIES][4], value[4];
    uint64_t common = g->seen[i0];
#pragma GCC unroll 4
    for (unsigned i = 0; i < nq; i++) {
        if (g->seen[i0 + i] < common) common = g->seen[i0 + i];
#pragma GCC unroll 4
        for (unsigned j = 0; j < nd; j++) acc[i][j] = vdupq_n_f32(0.0f);
    }
    for (uint64_t t = 0; t < common; t++) {
        load_values(value, v + t * dim + d0, nd);
#pragma GCC unroll 4
        for (unsigned i = 0; i < nq; i++) value_step(acc[i], &g->e[i0 + i][t], value, nd);
    }
#pragma GCC unroll 4
    for (unsigned i = 0; i < nq; i++) {
        if (!g->seen[i0 + i]) continue;
        for (uint64_t t = common; t < g->seen[i0 + i]; t++) {
            load_values(value, v + t * dim + d0, nd);
            value_step(acc[i], &g->e[i0 + i][t], value, nd);
        }
#pragma GCC unroll 4
        for (unsigned j = 0; j < nd; j++) vst1q_f32(out[i0 + i] + d0 + 4 * j, acc[i][j]);
    }
}

/* The last dimensions where head_dim is not a multiple of four. */
static void value_tail(const group *g, unsigned i, const uint16_t *v, uint32_t dim, uint64_t d,
                       float *out) {
    for (; g->seen[i] && d < dim; d++) {
        float acc = 0.0f;
        for (uint64_t t = 0; t < g->seen[i]; t++)
            acc = bnt_fma(g->e[i][t], from_f16_one(v[t * dim + d]), acc);
        out[d] = acc;
    }
}

static void values(const group *g, const uint16_t *v, uint32_t dim, float *const out[QUERIES]) {
    uint64_t d = 0;
    if (g->n == QUERIES) {
        for (; d + LANES <= dim; d += LANES) value_block(g, 0, QUERIES, v, dim, d, 4, out);
        for (; d + 4 <= dim; d += 4) value_block(g, 0, QUERIES, v, dim, d, 1, out);
    }
    for (unsigned i = 0; i < g->n; i++) {
        uint64_t own = d;
        for (; own + LANES <= dim; own += LANES) value_block(g, i, 1, v, dim, own, 4, out);
        for (; own + 4 <= dim; own += 4) value_block(g, i, 1, v, dim, own, 1, out);
        value_tail(g, i, v, dim, own, out[i]);
    }
}

/* ---- groups, chunks, merging -------------------------------------------------------------- */

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
    uint32_t d = 0;
    float32x4_t old = vdupq_n_f32(j->old);
    for (; d + 4 <= dim; d += 4)
        vst1q_f32(y + d, vfmaq_f32(vmulq_n_f32(vld1q_f32(o + d), j->new), vld1q_f32(y + d), old));
    for (; d < dim; d++) y[d] = bnt_fma(y[d], j->old, o[d] * j->new);
}

static void divide(float *y, uint32_t dim, float l) {
    uint32_t d = 0;
    for (; d + 4 <= dim; d += 4) vst1q_f32(y + d, vdivq_f32(vld1q_f32(y + d), vdupq_n_f32(l)));
    for (; d < dim; d++) y[d] = y[d] / l;
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
