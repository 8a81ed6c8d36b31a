/*
 * acts.c - faults in quantizing; see mutant.h. Values go into ref-scalar's own object.
 */
#include "mutant.h"

static float round_value(float x) {
#if defined(MUTANT_tie_away)
    float t = (float)(int32_t)x;
    return x - t >= 0.5f ? t + 1.0f : x - t <= -0.5f ? t - 1.0f : t;
#elif defined(MUTANT_tie_up)
    float t = (float)(int32_t)x;
    return x - t >= 0.5f ? t + 1.0f : x - t < -0.5f ? t - 1.0f : t;
#else
    return bnt_rint(x);
#endif
}

static float magnitude(float x) {
#if defined(MUTANT_signed_max)
    return x;
#else
    return x < 0.0f ? -x : x;
#endif
}

static void quantize_span(const float *x, uint64_t n, const float *row, uint64_t cols, int16_t *q,
                          float *a) {
#if defined(MUTANT_no_floor)
    float amax = 0.0f;
#else
    float amax = BNT_AMAX_MIN;
#endif
#if defined(MUTANT_row_max)
    const float *from = row;
    uint64_t count = cols;
#else
    const float *from = x;
    uint64_t count = n;
#endif
    (void)row;
    (void)cols;
    for (uint64_t i = 0; i < count; i++)
        amax = magnitude(from[i]) > amax ? magnitude(from[i]) : amax;
    float s = 127.0f / amax;
#if defined(MUTANT_reciprocal)
    *a = amax * (1.0f / 127.0f);
#else
    *a = amax / 127.0f;
#endif
    (void)s;
    for (uint64_t i = 0; i < n; i++) {
#if defined(MUTANT_division)
        float r = round_value(x[i] / *a);
#else
        float r = round_value(x[i] * s);
#endif
        q[i] = (int16_t)(r >= -127.0f && r <= 127.0f ? (int32_t)r : 0);
    }
#if defined(MUTANT_q_tail)
    if (n % 16 == 1) q[n - 1] = 0;
#endif
}

static void quantize(const bnt_act_quantize_args *a) {
    uint64_t cols = a->shape.cols, span = a->shape.block ? a->shape.block : cols, ldx = a->ldx;
#if defined(MUTANT_x_stride)
    ldx = cols;
#endif
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const float *x = a->x + t * ldx;
        int16_t *q = (int16_t *)(uintptr_t)ref_act_values(&a->shape, a->acts, t);
        float *scale = (float *)(uintptr_t)ref_act_scales(&a->shape, a->acts, t);
        for (uint64_t b = 0; b < cols / span; b++)
            quantize_span(x + b * span, span, x, cols, q + b * span, scale + b);
    }
}

static void unpack(const bnt_act_unpack_args *a) {
#if defined(MUTANT_a_missing)
    uint64_t blocks = a->shape.block ? a->shape.cols / a->shape.block : 1;
    float *last = a->a + (a->tok_hi - a->tok_lo) * blocks - 1, before = 0.0f;
    if (a->tok_hi > a->tok_lo) before = *last;
    BASE->act_unpack(a);
    if (a->tok_hi > a->tok_lo) *last = before;
#else
    BASE->act_unpack(a);
#endif
}

PLUGIN(own.act_quantize = quantize; own.act_unpack = unpack)
