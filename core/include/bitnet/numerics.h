/*
 * numerics.h - the scalar building blocks of docs/NUMERICS.md, as code.
 *
 * Everything here is IEEE binary32, round to nearest even, no contraction. A plugin may use these
 * functions or vectorise them; either way it must give their bits. They know nothing of models,
 * layouts or threads.
 */
#ifndef BITNET_NUMERICS_H
#define BITNET_NUMERICS_H

#include <stdint.h>
#include <string.h>

#define BNT_NUMERICS_VERSION 1

#define BNT_LANES 16       /* lanes of Dot16 and Sum16, clause 1 */
#define BNT_ATTN_CHUNK 256 /* positions per attention chunk, clause 8 */
#define BNT_AMAX_MIN 1e-5f /* least absolute maximum of a quantized activation, clause 3 */

/* exp, clause 9: x = n ln2 + r, |r| <= ln2/2 + a little; exp(r) by Horner, highest degree first.
 * The coefficients are a weighted Chebyshev fit on [-0.3466, 0.3466], C0 and C1 held at 1. */
#define BNT_EXP_MIN (-87.0f) /* below: 0 */
#define BNT_EXP_MAX 88.0f    /* above: +infinity */
#define BNT_LOG2E 0x1.715476p+0f
#define BNT_LN2_HI 0x1.62e400p-1f
#define BNT_LN2_LO 0x1.7f7d1cp-20f
#define BNT_EXP_C6 0x1.6a21acp-10f
#define BNT_EXP_C5 0x1.123b6ap-7f
#define BNT_EXP_C4 0x1.5558fap-5f
#define BNT_EXP_C3 0x1.55549p-3f
#define BNT_EXP_C2 0x1.fffffcp-2f
#define BNT_EXP_C1 1.0f
#define BNT_EXP_C0 1.0f

/* gelu, clause 9: 2 sqrt(2 / pi), and 0.044715 times that. */
#define BNT_GELU_C1 0x1.988454p+0f
#define BNT_GELU_C3 0x1.2444f2p-4f

static inline uint32_t bnt_f32_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float bnt_f32_from_bits(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/*
 * Fused multiply-add, one rounding. Where the compiler may emit the instruction it does; elsewhere
 * the product is formed exactly in binary64 (24 + 24 bits fit in 53), added with the rounding error
 * recovered (Knuth's two-sum), and the sum made odd when inexact, so that the final rounding to
 * binary32 is the only one (Boldo & Melquiond, "Emulation of FMA and correctly rounded sums").
 */
static inline float bnt_fma(float a, float b, float c) {
#if defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__ARM_FEATURE_FMA) ||                   \
    defined(BNT_FMA_INSTRUCTION) /* set where a function attribute, not a flag, grants it */
    return __builtin_fmaf(a, b, c);
#else
    double p = (double)a * (double)b, z = (double)c;
    double s = p + z;
    double t = s - p;
    double e = (p - (s - t)) + (z - t);
    uint64_t u, v;
    memcpy(&u, &s, sizeof u);
    memcpy(&v, &e, sizeof v);
    uint64_t inexact = __builtin_fabs(e) > 0.0 ? ~(uint64_t)0 : 0; /* false for NaN: s not finite */
    uint64_t even = (u & 1) - 1, step = 1 - ((u ^ v) >> 63) * 2;   /* towards e */
    u += step & inexact & even;
    memcpy(&s, &u, sizeof s);
    return (float)s;
#endif
}

/* Round to nearest integer, ties to even, for |x| < 2^22; the sign of zero is not kept. */
static inline float bnt_rint(float x) {
    const float magic = 0x1.8p23f;
    float t = x + magic;
    return t - magic;
}

/* All ones when c holds, else 0: selecting by masks, where a branch would keep loops from
 * vectorising (compilers do not move float operations across one). */
static inline uint32_t bnt_mask(int c) {
    return 0u - (uint32_t)(c != 0);
}

/* exp(x), clause 9. NaN gives NaN. */
static inline float bnt_exp(float x) {
    float z = x >= BNT_EXP_MIN ? x : BNT_EXP_MIN;
    z = z <= BNT_EXP_MAX ? z : BNT_EXP_MAX;
    float n = bnt_rint(z * BNT_LOG2E);
    float r = bnt_fma(n, -BNT_LN2_HI, z);
    r = bnt_fma(n, -BNT_LN2_LO, r);
    float p = BNT_EXP_C6;
    p = bnt_fma(p, r, BNT_EXP_C5);
    p = bnt_fma(p, r, BNT_EXP_C4);
    p = bnt_fma(p, r, BNT_EXP_C3);
    p = bnt_fma(p, r, BNT_EXP_C2);
    p = bnt_fma(p, r, BNT_EXP_C1);
    p = bnt_fma(p, r, BNT_EXP_C0);
    uint32_t y = bnt_f32_bits(p) + ((uint32_t)(int32_t)n << 23);
    uint32_t high = bnt_mask(x > BNT_EXP_MAX), nan = bnt_mask(x != x);
    y &= bnt_mask(x >= BNT_EXP_MIN) & ~high;
    return bnt_f32_from_bits(y | (high & 0x7f800000u) | (nan & bnt_f32_bits(x)));
}

/* gelu(x) by its tanh form, clause 9: x (1 + tanh z) / 2 = x / (1 + exp(-2 z)). NaN gives NaN. */
static inline float bnt_gelu(float x) {
    float w = x * bnt_fma(x * x, BNT_GELU_C3, BNT_GELU_C1);
    return x / (1.0f + bnt_exp(-w));
}

/* binary16 to binary32, exact; NaN comes out quiet. The exponent is moved by a multiplication,
 * which subnormals survive; infinities and NaN then get the exponent they need. */
static inline float bnt_f16_to_f32(uint16_t h) {
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, mag = (uint32_t)(h & 0x7fffu) << 13;
    uint32_t u = bnt_f32_bits(bnt_f32_from_bits(mag) * 0x1p112f);
    u |= (bnt_mask(mag >= 0x0f800000u) & 0x7f800000u) | (bnt_mask(mag > 0x0f800000u) & 0x400000u);
    return bnt_f32_from_bits(sign | u);
}

/* binary32 to binary16, round to nearest even; overflow gives infinity, NaN a quiet NaN. */
static inline uint16_t bnt_f32_to_f16(float f) {
    const uint32_t u = bnt_f32_bits(f), sign = u >> 16 & 0x8000u, mag = u & 0x7fffffffu;
    const uint32_t normal = (mag - 0x38000000u + 0xfffu + (mag >> 13 & 1u)) >> 13;
    /* below 2^-14; the ulp of 0.5 is 2^-24, so the sum rounds */
    const uint32_t subnormal = bnt_f32_bits(bnt_f32_from_bits(mag) + 0.5f) - 0x3f000000u;
    const uint32_t nan = 0x7e00u | (mag >> 13 & 0x3ffu);
    /* selections, not branches: a loop of it is vectorised */
    uint32_t half = mag < 0x38800000u ? subnormal : normal;
    half = mag >= 0x477ff000u ? 0x7c00u : half; /* 65520 and above */
    half = mag > 0x7f800000u ? nan : half;
    return (uint16_t)(sign | half);
}

/* bfloat16 to binary32, exact. */
static inline float bnt_bf16_to_f32(uint16_t h) {
    return bnt_f32_from_bits((uint32_t)h << 16);
}

#endif
