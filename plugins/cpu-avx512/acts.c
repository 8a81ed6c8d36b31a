/*
 * acts.c - activations of the ternary product: float to int8, a scale and a sum (NUMERICS 3, 4).
 *
 * The layout is described at act_view in kernels.h. The sum of q is stored because weights are kept
 * as w + 1: the product subtracts it once instead of one from every weight.
 */
#include "kernels.h"

int32_t act_layout(const bnt_act_shape *shape, bnt_layout *out) {
    uint64_t values;
    if (!shape->tokens || !spans_supported(shape->cols, shape->block)) return BNT_NOT_SUPPORTED;
    if (__builtin_mul_overflow(shape->tokens, shape->cols + LANES, &values) ||
        values > UINT64_MAX / 16)
        return BNT_NOT_SUPPORTED;
    spans s = spans_of(shape->cols, shape->block);
    uint64_t bytes = act_value_bytes(shape, &s) + shape->tokens * s.count * 8; /* sum and a */
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = TILE};
    return BNT_SUPPORTED;
}

/* One span of one token, to q with `stride` bytes from one four of values to the next. Magnitudes
 * are compared as integers: the order of finite floats, and a NaN or infinity wins and stays
 * visible. */
static void quantize(const float *x, uint64_t n, int8_t *q, uint64_t stride, int32_t *sum,
                     float *a) {
    const __m512i magnitude = _mm512_set1_epi32(0x7fffffff);
    __m512i top = _mm512_castps_si512(_mm512_set1_ps(BNT_AMAX_MIN));
    for (uint64_t i = 0; i < n; i += LANES) {
        __m512i v = _mm512_maskz_loadu_epi32(first_lanes(n - i), x + i);
        top = _mm512_max_epi32(top, _mm512_and_si512(v, magnitude));
    }
    float amax = bnt_f32_from_bits((uint32_t)_mm512_reduce_max_epi32(top));
    __m512 s = _mm512_set1_ps(127.0f / amax);
    __m512i total = _mm512_setzero_si512();
    for (uint64_t i = 0; i < n; i += LANES) { /* the padding of the last vector becomes zeros */
        __m512 v = _mm512_maskz_loadu_ps(first_lanes(n - i), x + i);
        __m512i r = _mm512_cvtps_epi32(_mm512_mul_ps(v, s));
        __m128i bytes = _mm512_cvtsepi32_epi8(r);
        total = _mm512_add_epi32(total, _mm512_cvtepi8_epi32(bytes));
        int32_t four[4];
        _mm_storeu_si128((__m128i *)four, bytes);
        for (unsigned j = 0; j < 4; j++) memcpy(q + (i / 4 + j) * stride, &four[j], 4);
    }
    *sum = _mm512_reduce_add_epi32(total);
    *a = amax / 127.0f;
}

void act_quantize(const bnt_act_quantize_args *args) {
    act_view v = act_view_of(&args->shape, args->acts);
    for (uint64_t t = args->tok_lo; t < args->tok_hi; t++) {
        uint64_t stride = 4 * tile_tokens(&v, t / TILE);
        int8_t *q = tile_values(&v, t / TILE) + 4 * (t % TILE);
        for (uint64_t b = 0; b < v.span.count; b++)
            quantize(args->x + t * args->ldx + b * v.span.width, v.span.width,
                     q + b * v.span.padded / 4 * stride, stride, v.sum + t * v.span.count + b,
                     v.a + t * v.span.count + b);
    }
}

void act_unpack(const bnt_act_unpack_args *args) {
    act_view v = act_view_of(&args->shape, args->acts);
    uint64_t cols = args->shape.cols;
    for (uint64_t t = args->tok_lo; t < args->tok_hi; t++) {
        uint64_t stride = 4 * tile_tokens(&v, t / TILE);
        const int8_t *q = tile_values(&v, t / TILE) + 4 * (t % TILE);
        int8_t *q_out = args->q + (t - args->tok_lo) * cols;
        float *a_out = args->a + (t - args->tok_lo) * v.span.count;
        for (uint64_t i = 0; i < cols; i++) q_out[i] = q[i / 4 * stride + i % 4];
        for (uint64_t b = 0; b < v.span.count; b++) a_out[b] = v.a[t * v.span.count + b];
    }
}
