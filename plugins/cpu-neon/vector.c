/*
 * vector.c - the kernels between the products: norm, rotation, gate, residual (NUMERICS 2, 6, 9).
 *
 * Knows no layouts. Every loop goes through q registers and ends with a scalar one that rounds in
 * the same places: `/` and square root are the exact instructions, never the estimates.
 */
#include "kernels.h"

/* Dot16(x, x). Lanes after the end are left as they are: adding zeros could turn -0 into +0. */
static float square16(const float *x, uint64_t n) {
    lanes16 acc = {{vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f), vdupq_n_f32(0.0f)}};
    uint64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++) {
            float32x4_t v = vld1q_f32(x + i + 4 * k);
            acc.v[k] = vfmaq_f32(acc.v[k], v, v);
        }
    }
    if (i < n) {
        float s[LANES];
        memcpy(s, &acc, sizeof s);
        for (unsigned l = 0; i < n; i++, l++) s[l] = bnt_fma(x[i], x[i], s[l]);
        memcpy(&acc, s, sizeof s);
    }
    return fold16(&acc);
}

void rmsnorm(const bnt_rmsnorm_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const float *x = a->x + t * a->ldx;
        float *y = a->y + t * a->ldy;
        float ms = square16(x, a->n) / (float)a->n;
        float r = 1.0f / __builtin_sqrtf(ms + a->eps);
        uint64_t i = 0;
        for (; i + 4 <= a->n; i += 4)
            vst1q_f32(y + i, vmulq_f32(vmulq_n_f32(vld1q_f32(x + i), r), vld1q_f32(a->gain + i)));
        for (; i < a->n; i++) y[i] = (x[i] * r) * a->gain[i];
    }
}

typedef struct rotated {
    float32x4_t x0, x1;
} rotated;

INLINE rotated rotate4(float32x4_t x0, float32x4_t x1, float32x4_t c, float32x4_t s) {
    return (rotated){vfmaq_f32(vnegq_f32(vmulq_f32(x1, s)), x0, c),
                     vfmaq_f32(vmulq_f32(x1, c), x0, s)};
}

INLINE void rotate(float *at0, float *at1, float c, float s) {
    float x0 = *at0, x1 = *at1;
    *at0 = bnt_fma(x0, c, -(x1 * s));
    *at1 = bnt_fma(x0, s, x1 * c);
}

/* Pairs (i, i + half). */
static void rope_neox(float *x, const float *cos, const float *sin, uint32_t half) {
    uint32_t i = 0;
    for (; i + 4 <= half; i += 4) {
        rotated r = rotate4(vld1q_f32(x + i), vld1q_f32(x + half + i), vld1q_f32(cos + i),
                            vld1q_f32(sin + i));
        vst1q_f32(x + i, r.x0);
        vst1q_f32(x + half + i, r.x1);
    }
    for (; i < half; i++) rotate(x + i, x + half + i, cos[i], sin[i]);
}

/* Pairs (2i, 2i + 1), taken apart by the load and joined by the store. */
static void rope_norm(float *x, const float *cos, const float *sin, uint32_t half) {
    uint32_t i = 0;
    for (; i + 4 <= half; i += 4) {
        float32x4x2_t v = vld2q_f32(x + 2 * i);
        rotated r = rotate4(v.val[0], v.val[1], vld1q_f32(cos + i), vld1q_f32(sin + i));
        v.val[0] = r.x0;
        v.val[1] = r.x1;
        vst2q_f32(x + 2 * i, v);
    }
    for (; i < half; i++) rotate(x + 2 * i, x + 2 * i + 1, cos[i], sin[i]);
}

void rope(const bnt_rope_args *a) {
    uint32_t half = a->n_rot / 2;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            float *x = a->x + t * a->ldx + (uint64_t)h * a->head_dim;
            if (a->style == BNT_ROPE_NEOX)
                rope_neox(x, a->cos + t * half, a->sin + t * half, half);
            else
                rope_norm(x, a->cos + t * half, a->sin + t * half, half);
        }
    }
}

INLINE float32x4_t silu4(float32x4_t x) {
    return vdivq_f32(x, vaddq_f32(vdupq_n_f32(1.0f), exp4(vnegq_f32(x))));
}

INLINE float32x4_t gelu4(float32x4_t x) {
    float32x4_t u = vfmaq_f32(vdupq_n_f32(BNT_GELU_C1), vmulq_f32(x, x), vdupq_n_f32(BNT_GELU_C3));
    return vdivq_f32(x, vaddq_f32(vdupq_n_f32(1.0f), exp4(vnegq_f32(vmulq_f32(x, u)))));
}

/* fmax makes +0 of -0 and +0, and a NaN stays one: both as clause 9 wants. */
INLINE float32x4_t relu2_4(float32x4_t x) {
    float32x4_t m = vmaxq_f32(x, vdupq_n_f32(0.0f));
    return vmulq_f32(m, m);
}

INLINE float act1(uint32_t kind, float x) {
    float m = x <= 0.0f ? 0.0f : x;
    return kind == BNT_GATE_RELU2 ? m * m : x / (1.0f + bnt_exp(-x));
}

void gate(const bnt_gate_args *a) {
    uint64_t i = a->lo;
    if (a->kind == BNT_GATE_RELU2)
        for (; i + 4 <= a->hi; i += 4)
            vst1q_f32(a->y + i, vmulq_f32(relu2_4(vld1q_f32(a->g + i)), vld1q_f32(a->u + i)));
    else
        for (; i + 4 <= a->hi; i += 4)
            vst1q_f32(a->y + i, vmulq_f32(silu4(vld1q_f32(a->g + i)), vld1q_f32(a->u + i)));
    for (; i < a->hi; i++) a->y[i] = act1(a->kind, a->g[i]) * a->u[i];
}

void gate_gelu(const bnt_gate_args *a) {
    uint64_t i = a->lo;
    for (; i + 4 <= a->hi; i += 4)
        vst1q_f32(a->y + i, vmulq_f32(gelu4(vld1q_f32(a->g + i)), vld1q_f32(a->u + i)));
    for (; i < a->hi; i++) a->y[i] = bnt_gelu(a->g[i]) * a->u[i];
}

void add(const bnt_add_args *a) {
    uint64_t i = a->lo;
    for (; i + 4 <= a->hi; i += 4)
        vst1q_f32(a->y + i, vaddq_f32(vld1q_f32(a->y + i), vld1q_f32(a->x + i)));
    for (; i < a->hi; i++) a->y[i] = a->y[i] + a->x[i];
}
