/*
 * acts.c - activations of the ternary product: float to int8, a scale and a sum (NUMERICS 3, 4).
 *
 * Knows the layout at act_view in kernels.h, nothing of weights but this: they are kept as w + 1,
 * so the product has to subtract the sum of q once, and the sum is stored beside the scale.
 */
#include "kernels.h"

int32_t act_layout(const bnt_act_shape *shape, bnt_layout *out) {
    uint64_t values;
    if (!shape->tokens || !spans_supported(shape->cols, shape->block)) return BNT_NOT_SUPPORTED;
    if (shape->tokens > UINT64_MAX / 2 ||
        __builtin_mul_overflow(shape->tokens + 1, shape->cols + LANES, &values) ||
        values > UINT64_MAX / 16)
        return BNT_NOT_SUPPORTED;
    spans s = spans_of(shape->cols, shape->block);
    uint64_t bytes = act_value_bytes(shape, &s) + shape->tokens * s.count * 8; /* sum and a */
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = TILE};
    return BNT_SUPPORTED;
}

/* Values [i, i + 16) of n, zeros after the end. */
INLINE lanes16 load_padded(const float *x, uint64_t i, uint64_t n) {
    float rest[LANES] = {0};
    if (n - i < LANES) {
        memcpy(rest, x + i, (n - i) * sizeof *x);
        x = rest;
    } else {
        x += i;
    }
    return (lanes16){{vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}};
}

/* One span of one token, to q with `stride` bytes from one eight of values to the next. Magnitudes
 * are compared as integers: the order of finite floats, and a NaN or infinity wins and stays
 * visible in a, while its own q becomes 0, as vcvtn makes of NaN. */
static void quantize(const float *x, uint64_t n, int8_t *q, uint64_t stride, int32_t *sum,
                     float *a) {
    const int32x4_t magnitude = vdupq_n_s32(0x7fffffff);
    int32x4_t top = vdupq_n_s32((int32_t)bnt_f32_bits(BNT_AMAX_MIN));
    for (uint64_t i = 0; i < n; i += LANES) {
        lanes16 v = load_padded(x, i, n);
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++)
            top = vmaxq_s32(top, vandq_s32(vreinterpretq_s32_f32(v.v[k]), magnitude));
    }
    float amax = bnt_f32_from_bits((uint32_t)vmaxvq_s32(top));
    float s = 127.0f / amax;
    int32x4_t total = vdupq_n_s32(0);
    for (uint64_t i = 0; i < n; i += LANES) {
        lanes16 v = load_padded(x, i, n);
        int32x4_t r[QUADS];
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++) r[k] = vcvtnq_s32_f32(vmulq_n_f32(v.v[k], s));
        int16x8_t lo = vcombine_s16(vmovn_s32(r[0]), vmovn_s32(r[1]));
        int16x8_t hi = vcombine_s16(vmovn_s32(r[2]), vmovn_s32(r[3]));
        total = vpadalq_s16(vpadalq_s16(total, lo), hi);
        vst1_s8(q + i / STEP * stride, vmovn_s16(lo));
        vst1_s8(q + (i / STEP + 1) * stride, vmovn_s16(hi));
    }
    *sum = vaddvq_s32(total);
    *a = amax / 127.0f;
}

void act_quantize(const bnt_act_quantize_args *args) {
    act_view v = act_view_of(&args->shape, args->acts);
    for (uint64_t t = args->tok_lo; t < args->tok_hi; t++) {
        uint64_t stride = STEP * tile_slots(&v, t / TILE);
        int8_t *q = tile_values(&v, t / TILE) + STEP * (t % TILE);
        for (uint64_t b = 0; b < v.span.count; b++)
            quantize(args->x + t * args->ldx + b * v.span.width, v.span.width,
                     q + b * v.span.padded / STEP * stride, stride, v.sum + t * v.span.count + b,
                     v.a + t * v.span.count + b);
    }
}

void act_unpack(const bnt_act_unpack_args *args) {
    act_view v = act_view_of(&args->shape, args->acts);
    uint64_t cols = args->shape.cols;
    for (uint64_t t = args->tok_lo; t < args->tok_hi; t++) {
        uint64_t stride = STEP * tile_slots(&v, t / TILE);
        const int8_t *q = tile_values(&v, t / TILE) + STEP * (t % TILE);
        int8_t *q_out = args->q + (t - args->tok_lo) * cols;
        float *a_out = args->a + (t - args->tok_lo) * v.span.count;
        for (uint64_t i = 0; i < cols; i++) q_out[i] = q[i / STEP * stride + i % STEP];
        memcpy(a_out, v.a + t * v.span.count, v.span.count * sizeof *a_out);
    }
}
