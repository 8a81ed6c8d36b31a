/*
 * int8.c - see int8.h.
 */
#include "run/int8.h"

#include <math.h>
#include <string.h>

#include "bitnet/numerics.h"

#define TINY 0x1p-60f /* covers squares that underflow */

/* Sum of squares in sixteen lanes, so that compilers vectorise it. */
static float norm2(const float *v, uint64_t n) {
    float lanes[16] = {0}, sum = 0.0f;
    uint64_t whole = n / 16 * 16;
    for (uint64_t i = 0; i < whole; i += 16)
        for (unsigned l = 0; l < 16; l++) lanes[l] += v[i + l] * v[i + l];
    for (uint64_t i = whole; i < n; i++) lanes[i - whole] += v[i] * v[i];
    for (unsigned l = 0; l < 16; l++) sum += lanes[l];
    return sum;
}

static float largest(const float *v, uint64_t n) {
    float lanes[16] = {0}, max = 0.0f;
    uint64_t whole = n / 16 * 16;
    for (uint64_t i = 0; i < whole; i += 16) {
        for (unsigned l = 0; l < 16; l++) {
            float a = fabsf(v[i + l]);
            lanes[l] = a > lanes[l] ? a : lanes[l];
        }
    }
    for (uint64_t i = whole; i < n; i++) lanes[i - whole] = fmaxf(lanes[i - whole], fabsf(v[i]));
    for (unsigned l = 0; l < 16; l++) max = lanes[l] > max ? lanes[l] : max;
    return max;
}

/* Sixteen values of bnt_int8_split(). 1.5 * 2^23 + r, r whole, has r's two's complement in its low
 * bits.
 */
static inline void quantize16(float *restrict v, int8_t *restrict q, float inverse, float s) {
    for (unsigned l = 0; l < 16; l++) {
        float t = v[l] * inverse + 0x1.8p23f;
        q[l] = (int8_t)bnt_f32_bits(t);
        v[l] = v[l] - s * (t - 0x1.8p23f);
    }
}

/* Finite v to q = rint(v / s), s = max / 127, and v becomes v - s q. |q| <= 127, since v times the
 * inverse is at most 127 (1 + 2^-22). The subtraction is exact or rounded once; that rounding is at
 * most 2^-23 of s q and in the slack of `error`. */
float bnt_int8_split(float *v, uint64_t n, int8_t *q) {
    float max = largest(v, n), s = max / 127.0f, last[16] = {0};
    float inverse = s > 0.0f ? 1.0f / s : 0.0f;
    int8_t q_last[16];
    uint64_t i = 0;
    if (!(inverse <= 0x1p120f)) s = inverse = 0.0f; /* so small that all of it counts as error */
    for (; i + 16 <= n; i += 16) quantize16(v + i, q + i, inverse, s);
    memcpy(last, v + i, (n - i) * sizeof *v);
    quantize16(last, q_last, inverse, s);
    memcpy(v + i, last, (n - i) * sizeof *v);
    memcpy(q + i, q_last, n - i);
    return s;
}

/* The square root of an upper bound of the sum of squares, or infinity when v is not finite. */
float bnt_norm_above(const float *v, uint64_t n) {
    float square = norm2(v, n);
    if (!(square < 0x1p126f)) return INFINITY;
    return sqrtf(square) * BNT_NORM_SLACK + TINY;
}
