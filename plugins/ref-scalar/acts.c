/*
 * acts.c - activations of the ternary product: float to int8 and a scale (NUMERICS 3 and 4).
 *
 * The object: int16 q[tokens][cols], then float a[tokens][blocks], blocks = 1 when block is 0.
 * Values of q fit int8; they are kept as int16 because that is what compilers multiply fastest.
 */
#include "kernels.h"

static uint64_t act_span(const bnt_act_shape *shape) {
    return shape->block ? shape->block : shape->cols;
}

int32_t KERNEL(act_layout)(const bnt_act_shape *shape, bnt_layout *out) {
    uint64_t span = act_span(shape), values, scales, bytes;
    if (!shape->tokens || !shape->cols || span > REF_TERNARY_COLS_MAX || shape->cols % span)
        return BNT_NOT_SUPPORTED;
    if (__builtin_mul_overflow(shape->tokens, shape->cols, &values) || values > UINT64_MAX / 16)
        return BNT_NOT_SUPPORTED;
    scales = shape->tokens * (shape->cols / span);
    bytes = (values + 1) / 2 * 4 + scales * sizeof(float);
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = 1};
    return BNT_SUPPORTED;
}

const int16_t *KERNEL(act_values)(const bnt_act_shape *shape, const void *acts, uint64_t token) {
    return (const int16_t *)acts + token * shape->cols;
}

const float *KERNEL(act_scales)(const bnt_act_shape *shape, const void *acts, uint64_t token) {
    uint64_t values = (shape->tokens * shape->cols + 1) / 2; /* in floats */
    return (const float *)acts + values + token * (shape->cols / act_span(shape));
}

/* n values with one scale. The largest magnitude is found on bit patterns: for finite x the same
 * order, and a NaN or infinity wins, reaches the scale and from there the logits, where the core
 * refuses it. |x * s| <= 127 for finite x; anything else becomes 0. */
static float quantize(const float *x, uint64_t n, int16_t *q) {
    int32_t top = (int32_t)bnt_f32_bits(BNT_AMAX_MIN);
    for (uint64_t i = 0; i < n; i++) {
        int32_t mag = (int32_t)(bnt_f32_bits(x[i]) & 0x7fffffffu);
        top = mag > top ? mag : top;
    }
    float amax = bnt_f32_from_bits((uint32_t)top);
    float s = 127.0f / amax;
    for (uint64_t i = 0; i < n; i++) {
        float r = bnt_rint(x[i] * s);
        r = r >= -127.0f ? r : 0.0f;
        r = r <= 127.0f ? r : 0.0f;
        q[i] = (int16_t)(int32_t)r;
    }
    return amax / 127.0f;
}

void KERNEL(act_quantize)(const bnt_act_quantize_args *a) {
    uint64_t span = act_span(&a->shape), blocks = a->shape.cols / span;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        int16_t *q = (int16_t *)(uintptr_t)KERNEL(act_values)(&a->shape, a->acts, t);
        float *scale = (float *)(uintptr_t)KERNEL(act_scales)(&a->shape, a->acts, t);
        for (uint64_t b = 0; b < blocks; b++)
            scale[b] = quantize(a->x + t * a->ldx + b * span, span, q + b * span);
    }
}

void KERNEL(act_unpack)(const bnt_act_unpack_args *a) {
    uint64_t cols = a->shape.cols, blocks = cols / act_span(&a->shape);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const int16_t *q = KERNEL(act_values)(&a->shape, a->acts, t);
        const float *scale = KERNEL(act_scales)(&a->shape, a->acts, t);
        int8_t *q_out = a->q + (t - a->tok_lo) * cols;
        float *a_out = a->a + (t - a->tok_lo) * blocks;
        for (uint64_t i = 0; i < cols; i++) q_out[i] = (int8_t)q[i];
        for (uint64_t b = 0; b < blocks; b++) a_out[b] = scale[b];
    }
}
