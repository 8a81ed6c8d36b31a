/*
 * vector.c - the kernels between the products: norm, rotation, gate, residual (NUMERICS 2, 6, 9).
 */
#include "kernels.h"

void KERNEL(rmsnorm)(const bnt_rmsnorm_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const float *x = a->x + t * a->ldx;
        float *y = a->y + t * a->ldy;
        float acc[BNT_LANES] = {0};
        dot16_add(acc, x, x, a->n);
        float ms = fold16(acc) / (float)a->n;
        float r = 1.0f / __builtin_sqrtf(ms + a->eps);
        for (uint64_t i = 0; i < a->n; i++) y[i] = (x[i] * r) * a->gain[i];
    }
}

void KERNEL(rope)(const bnt_rope_args *a) {
    uint32_t half = a->n_rot / 2;
    uint32_t stride = a->style == BNT_ROPE_NEOX ? 1 : 2;   /* from pair to pair */
    uint32_t other = a->style == BNT_ROPE_NEOX ? half : 1; /* from x0 to x1 of a pair */
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const float *c = a->cos + t * half, *s = a->sin + t * half;
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            float *x = a->x + t * a->ldx + (uint64_t)h * a->head_dim;
            for (uint32_t i = 0; i < half; i++) {
                float x0 = x[i * stride], x1 = x[i * stride + other];
                x[i * stride] = bnt_fma(x0, c[i], -(x1 * s[i]));
                x[i * stride + other] = bnt_fma(x0, s[i], x1 * c[i]);
            }
        }
    }
}

static float silu(float x) {
    return x / (1.0f + bnt_exp(-x));
}

/* A NaN stays one, unlike in most maxima: nothing wrong is hidden. */
static float relu2(float x) {
    float m = x <= 0.0f ? 0.0f : x;
    return m * m;
}

void KERNEL(gate)(const bnt_gate_args *a) {
    if (a->kind == BNT_GATE_RELU2)
        for (uint64_t i = a->lo; i < a->hi; i++) a->y[i] = relu2(a->g[i]) * a->u[i];
    else
        for (uint64_t i = a->lo; i < a->hi; i++) a->y[i] = silu(a->g[i]) * a->u[i];
}

void KERNEL(gate_gelu)(const bnt_gate_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i++) a->y[i] = bnt_gelu(a->g[i]) * a->u[i];
}

void KERNEL(add)(const bnt_add_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i++) a->y[i] = a->y[i] + a->x[i];
}
