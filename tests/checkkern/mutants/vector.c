/*
 * vector.c - faults in norm, rotation, gate and residual; see mutant.h.
 */
#include "mutant.h"

static void rmsnorm(const bnt_rmsnorm_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const float *x = a->x + t * a->ldx;
        float *y = a->y + t * a->ldy, acc[BNT_LANES] = {0};
        for (uint64_t i = 0; i < a->n; i++) {
            acc[i % BNT_LANES] = bnt_fma(x[i], x[i], acc[i % BNT_LANES]);
#if defined(MUTANT_norm_seen)
            if (i + 16 < a->n) y[i] = x[i] * a->gain[i];
#endif
        }
#if defined(MUTANT_norm_mean)
        float ms = tree16(acc) * (1.0f / (float)a->n);
#else
        float ms = tree16(acc) / (float)a->n;
#endif
        float r = 1.0f / __builtin_sqrtf(ms + a->eps);
#if defined(MUTANT_norm_estimate)
        r = bnt_f32_from_bits(bnt_f32_bits(r) + (bnt_f32_bits(ms) & 1));
#endif
        for (uint64_t i = 0; i < a->n; i++)
#if defined(MUTANT_norm_order)
            y[i] = x[i] * (r * a->gain[i]);
#else
            y[i] = (x[i] * r) * a->gain[i];
#endif
    }
}

static void rope(const bnt_rope_args *a) {
    uint32_t half = a->n_rot / 2, neox = a->style == BNT_ROPE_NEOX;
#if defined(MUTANT_rope_half)
    uint32_t other = neox ? a->head_dim / 2 : 1;
#else
    uint32_t other = neox ? half : 1;
#endif
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const float *c = a->cos + t * half, *s = a->sin + t * half;
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            float *x = a->x + t * a->ldx + (uint64_t)h * a->head_dim;
            for (uint32_t i = 0; i < half; i++) {
                uint32_t i0 = neox ? i : 2 * i;
                float x0 = x[i0], x1 = x[i0 + other];
#if defined(MUTANT_rope_no_fma)
                x[i0] = x0 * c[i] - x1 * s[i];
                x[i0 + other] = x0 * s[i] + x1 * c[i];
#else
                x[i0] = bnt_fma(x0, c[i], -(x1 * s[i]));
                x[i0 + other] = bnt_fma(x0, s[i], x1 * c[i]);
#endif
            }
#if defined(MUTANT_rope_rest)
            if (a->n_rot < a->head_dim) x[a->n_rot] = x[a->n_rot] * 1.0000001f;
#endif
        }
    }
}

static float silu(float x) {
#if defined(MUTANT_exp_limit)
    if (-x > 87.0f) return -0.0f;
#endif
    return x / (1.0f + bnt_exp(-x));
}

static float relu2(float x) {
#if defined(MUTANT_relu2_zero)
    float m = x < 0.0f ? 0.0f : x;
    return x == 0.0f ? m : m * m;
#else
    float m = x <= 0.0f ? 0.0f : x;
    return m * m;
#endif
}

static void gate(const bnt_gate_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i++) {
#if defined(MUTANT_silu_for_relu2)
        (void)relu2;
        float act = silu(a->g[i]);
#else
        float act = a->kind == BNT_GATE_RELU2 ? relu2(a->g[i]) : silu(a->g[i]);
#endif
#if defined(MUTANT_gate_alias)
        a->y[i] = act;
        a->y[i] = act * ((const volatile float *)a->u)[i];
#else
        a->y[i] = act * a->u[i];
#endif
    }
}

static void gate_gelu(const bnt_gate_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i++) {
        float x = a->g[i];
#if defined(MUTANT_gelu_sigmoid)
        float act = x / (1.0f + bnt_exp(-(1.702f * x)));
#elif defined(MUTANT_gelu_no_fma)
        float act = x / (1.0f + bnt_exp(-(x * (x * x * BNT_GELU_C3 + BNT_GELU_C1))));
#else
        float act = bnt_gelu(x);
#endif
        a->y[i] = act * a->u[i];
    }
}

static void add(const bnt_add_args *a) {
    uint64_t lo = a->lo, hi = a->hi;
#if defined(MUTANT_add_first)
    if (lo > 0 && hi > lo) lo--;
#elif defined(MUTANT_add_tail)
    if ((hi - lo) % 8 == 1) hi--;
#endif
    for (uint64_t i = lo; i < hi; i++) {
        float y = a->y[i] + a->x[i];
#if defined(MUTANT_add_ftz)
        if ((bnt_f32_bits(y) & 0x7f800000u) == 0) y = 0.0f;
#endif
        a->y[i] = y;
    }
}

PLUGIN(own.rmsnorm = rmsnorm; own.rope = rope; own.gate = gate; own.add = add;
       own.gate_gelu = gate_gelu)
