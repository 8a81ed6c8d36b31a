/*
 * codes.c - see codes.h.
 *
 * One pass in sixteen lanes, so that compilers vectorise it: codes, and the squares of what each
 * part leaves out, are made from a value while it is in a register.
 */
#include "run/codes.h"

#include <math.h>
#include <string.h>

#include "bitnet/numerics.h"
#include "run/int8.h"

const struct bnt_code_part bnt_code_parts[BNT_CODE_PARTS] = {{5, 4.0f, 15.5f}, {2, 1.0f, 1.5f}};

enum { LANES = 16 };

struct squares {
    float left[BNT_CODE_PARTS][LANES]; /* of what is left after each part, in steps of s */
};

/* c = rint(v / s + 63.5), within 0 .. 127 since |v / s| <= 63.5 (1 + 2^-22). u = v / s + 63.5 as
 * computed differs from the truth by at most 2^-15 (two roundings of numbers up to 128), and so
 * does what is left by it; the slack of `error` covers that. 1.5 * 2^23 + u has rint(u) in its low
 * bits. */
static inline void split16(const float *restrict v, float inverse, uint8_t *restrict high,
                           uint8_t *restrict low, struct squares *restrict sq) {
    for (unsigned l = 0; l < LANES; l++) {
        float u = v[l] * inverse + 63.5f;
        int32_t c = (int32_t)(bnt_f32_bits(u + 0x1.8p23f) & 0x7f);
        float e0 = u - ((float)(c & 0x7c) + 1.5f), e1 = u - (float)c;
        high[l] = (uint8_t)(c >> 2);
        low[l] = (uint8_t)(c & 3);
        sq->left[0][l] += e0 * e0;
        sq->left[1][l] += e1 * e1;
    }
}

/* The largest |v|, bit patterns compared: finite ones are in the same order. */
static float largest(const float *v, uint64_t n) {
    int32_t lanes[LANES] = {0}, max = 0;
    uint64_t whole = n / LANES * LANES;
    for (uint64_t i = 0; i < whole; i += LANES) {
        for (unsigned l = 0; l < LANES; l++) {
            int32_t a = (int32_t)(bnt_f32_bits(v[i + l]) & 0x7fffffffu);
            lanes[l] = a > lanes[l] ? a : lanes[l];
        }
    }
    for (uint64_t i = whole; i < n; i++) {
        int32_t a = (int32_t)(bnt_f32_bits(v[i]) & 0x7fffffffu);
        lanes[i - whole] = a > lanes[i - whole] ? a : lanes[i - whole];
    }
    for (unsigned l = 0; l < LANES; l++) max = lanes[l] > max ? lanes[l] : max;
    return bnt_f32_from_bits((uint32_t)max);
}

float bnt_code_split(const float *v, uint64_t n, float norm, uint8_t *const codes[BNT_CODE_PARTS],
                     float error[BNT_CODE_PARTS]) {
    float s = largest(v, n) / 63.5f, inverse = s > 0.0f ? 1.0f / s : 0.0f;
    uint64_t i = 0;
    struct squares sq = {0};
    if (!(inverse <= 0x1p120f)) s = inverse = 0.0f; /* so small that all of it counts as error */
    for (; i + LANES <= n; i += LANES) split16(v + i, inverse, codes[0] + i, codes[1] + i, &sq);
    if (i < n) {
        float last[LANES] = {0};
        uint8_t q[BNT_CODE_PARTS][LANES];
        memcpy(last, v + i, (n - i) * sizeof *v);
        split16(last, inverse, q[0], q[1], &sq);
        for (unsigned p = 0; p < BNT_CODE_PARTS; p++) memcpy(codes[p] + i, q[p], n - i);
    }
    for (unsigned p = 0; p < BNT_CODE_PARTS; p++) {
        float square = 0.0f;
        for (unsigned l = 0; l < LANES; l++) square += sq.left[p][l];
        error[p] = s > 0.0f ? s * (sqrtf(square) * BNT_NORM_SLACK) +
                                  0x1p-13f * s * sqrtf((float)n) + 0x1p-21f * norm
                            : norm;
    }
    return s;
}
