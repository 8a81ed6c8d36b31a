/*
 * acts.c - activations of the ternary product: float to int8, a scale and a sum (NUMERICS 3, 4).
 *
 * It knows no weights; act_view in kernels.h says how the object lies. Each token of a span is read
 * twice, for its largest magnitude and to be rounded, and written four values at a time to the
 * places where the product will broadcast them from.
 */
#include "kernels.h"

int32_t act_layout(const bnt_act_shape *shape, bnt_layout *out) {
    if (!spans_supported(shape->cols, shape->block, shape->tokens)) return BNT_NOT_SUPPORTED;
    spans s = spans_of(shape->cols, shape->block);
    uint64_t beside = shape->tokens * s.count * (sizeof(int32_t) + sizeof(float));
    *out = (bnt_layout){
        .bytes = act_value_bytes(shape->tokens, &s) + beside, .align = 64, .step = TILE};
    return BNT_SUPPORTED;
}

INLINE int32_t largest8(__m256i v) {
    __m128i x = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, _MM_SHUFFLE(1, 0, 3, 2)));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtsi128_si32(x);
}

INLINE int32_t sum8(__m256i v) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, _MM_SHUFFLE(1, 0, 3, 2)));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, _MM_SHUFFLE(2, 3, 0, 1)));
    return _mm_cvtsi128_si32(x);
}

/* max(|x|, least) of n values. Bit patterns compare as finite magnitudes do, and a NaN or infinity
 * wins and stays visible in the scale. */
static float magnitude(const float *x, uint64_t n) {
    const __m256 bits = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256i top = _mm256_castps_si256(_mm256_set1_ps(BNT_AMAX_MIN));
    for (uint64_t i = 0; i < n; i += HALF) {
        __m256 v = _mm256_and_ps(load_first(x + i, n - i), bits);
        top = _mm256_max_epi32(top, _mm256_castps_si256(v));
    }
    return bnt_f32_from_bits((uint32_t)largest8(top));
}

/* One span of one token; fours of q are `stride` bytes apart. Padding is written as zeros. What is
 * no number after scaling becomes 0, as in ref-scalar: -128 would break the 16-bit sums. */
static void quantize(const float *x, const spans *s, int8_t *q, uint64_t stride, int32_t *sum,
                     float *a) {
    const __m256i invalid = _mm256_set1_epi32(INT32_MIN); /* what the conversion makes of a NaN */
    float amax = magnitude(x, s->width);
    __m256 scale = _mm256_set1_ps(127.0f / amax);
    __m256i total = _mm256_setzero_si256();
    for (uint64_t i = 0; i < s->padded; i += HALF) {
        __m256 v = load_first(x + i, i < s->width ? s->width - i : 0);
        __m256i r = _mm256_cvtps_epi32(_mm256_mul_ps(v, scale)); /* nearest, ties to even */
        r = _mm256_andnot_si256(_mm256_cmpeq_epi32(r, invalid), r);
        total = _mm256_add_epi32(total, r);
        __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1));
        __m128i bytes = _mm_packs_epi16(words, words);
        _mm_storeu_si32(q + i / 4 * stride, bytes);
        _mm_storeu_si32(q + (i / 4 + 1) * stride, _mm_srli_si128(bytes, 4));
    }
    *sum = sum8(total);
    *a = amax / 127.0f;
}

void act_quantize(const bnt_act_quantize_args *args) {
    act_view v = act_view_of(&args->shape, args->acts);
    const spans *s = &v.span;
    for (uint64_t t = args->tok_lo; t < args->tok_hi; t++) {
        uint64_t n = tile_tokens(&v, t / TILE), at = t * s->count;
        int8_t *q = tile_values(&v, t / TILE) + 4 * (t % TILE);
        const float *x = args->x + t * args->ldx;
        for (uint64_t b = 0; b < s->count; b++)
            quantize(x + b * s->width, s, q + b * s->padded * n, 4 * n, v.sum + at + b,
                     v.a + at + b);
    }
}

void act_unpack(const bnt_act_unpack_args *args) {
    act_view v = act_view_of(&args->shape, args->acts);
    const spans *s = &v.span;
    int8_t *q_out = args->q;
    float *a_out = args->a;
    for (uint64_t t = args->tok_lo; t < args->tok_hi; t++) {
        uint64_t n = tile_tokens(&v, t / TILE);
        const int8_t *q = tile_values(&v, t / TILE) + 4 * (t % TILE);
        for (uint64_t b = 0; b < s->count; b++, q += s->padded * n) {
            for (uint64_t i = 0; i < s->width; i++) *q_out++ = q[i / 4 * 4 * n + i % 4];
            *a_out++ = v.a[t * s->count + b];
        }
    }
}
