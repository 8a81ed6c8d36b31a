/*
 * dense.h - the types of ordinary weights and how each becomes binary32: NUMERICS clause 5, as
 * code.
 *
 * The one idea: one list. A type's id in files, its block and its reader stand in one line below,
 * for the core, for ref-scalar, and for any plugin that wants them. A reader is plain C over bytes
 * at any address; a plugin may vectorise it, and must give its bits. Formats: the block layouts of
 * the ggml project, in words in docs/FORMATS.md.
 *
 * Every weight below is a real number rounded once: a product of a binary16 value and small
 * integers is exact in binary32 but for the last factor, so that contraction could change nothing.
 */
#ifndef BITNET_DENSE_H
#define BITNET_DENSE_H

#include <stdint.h>
#include <string.h>

#include "bitnet/numerics.h"

/* name, id, weights and bytes of a block, places of its two binary16 factors (-1: none), reader of
 * a block. Ids and layouts are the files'. */
#define BNT_DENSE_TYPES(X)                                                                         \
    X(F32, 0, 1, 4, -1, -1, bnt_f32_block)                                                         \
    X(F16, 1, 1, 2, -1, -1, bnt_f16_block)                                                         \
    X(BF16, 30, 1, 2, -1, -1, bnt_bf16_block)                                                      \
    X(Q4_0, 2, 32, 18, 0, -1, bnt_q4_0_block)                                                      \
    X(Q4_1, 3, 32, 20, 0, 2, bnt_q4_1_block)                                                       \
    X(Q5_0, 6, 32, 22, 0, -1, bnt_q5_0_block)                                                      \
    X(Q5_1, 7, 32, 24, 0, 2, bnt_q5_1_block)                                                       \
    X(Q8_0, 8, 32, 34, 0, -1, bnt_q8_0_block)                                                      \
    X(IQ4_NL, 20, 32, 18, 0, -1, bnt_iq4_nl_block)                                                 \
    X(Q2_K, 10, 256, 84, 80, 82, bnt_q2_k_block)                                                   \
    X(Q3_K, 11, 256, 110, 108, -1, bnt_q3_k_block)                                                 \
    X(Q4_K, 12, 256, 144, 0, 2, bnt_q4_k_block)                                                    \
    X(Q5_K, 13, 256, 176, 0, 2, bnt_q5_k_block)                                                    \
    X(Q6_K, 14, 256, 210, 208, -1, bnt_q6_k_block)                                                 \
    X(IQ4_XS, 23, 256, 136, 0, -1, bnt_iq4_xs_block)

enum {
#define BNT_DENSE_ID_(name, id, values, bytes, at, at2, block) BNT_TYPE_##name = id,
    BNT_DENSE_TYPES(BNT_DENSE_ID_)
#undef BNT_DENSE_ID_
};

enum { BNT_DENSE_BLOCK_MAX = 256 }; /* weights; a multiple of every type's block */

/* ---- readers: one block at p to out ------------------------------------------------------- */

static inline uint16_t bnt_u16_at(const unsigned char *p) {
    uint16_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

static inline float bnt_f16_at(const unsigned char *p) {
    return bnt_f16_to_f32(bnt_u16_at(p));
}

static inline void bnt_f32_block(const unsigned char *__restrict p, float *__restrict out) {
    memcpy(out, p, sizeof *out);
}

static inline void bnt_f16_block(const unsigned char *__restrict p, float *__restrict out) {
    *out = bnt_f16_at(p);
}

static inline void bnt_bf16_block(const unsigned char *__restrict p, float *__restrict out) {
    *out = bnt_bf16_to_f32(bnt_u16_at(p));
}

/* f16 d, 16 bytes: byte k has weight k in its low half, weight k + 16 in its high one. d (q - 8).
 */
static inline void bnt_q4_0_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p);
    for (int k = 0; k < 16; k++) {
        out[k] = d * (float)((p[2 + k] & 15) - 8);
        out[k + 16] = d * (float)((p[2 + k] >> 4) - 8);
    }
}

/* The same with f16 m after d: d q + m. */
static inline void bnt_q4_1_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p), m = bnt_f16_at(p + 2);
    for (int k = 0; k < 16; k++) {
        out[k] = d * (float)(p[4 + k] & 15) + m;
        out[k + 16] = d * (float)(p[4 + k] >> 4) + m;
    }
}

/* f16 d, 32 fifth bits, weight k's in bit k, 16 bytes as of Q4_0: d (q - 16). */
static inline void bnt_q5_0_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p);
    uint32_t high;
    memcpy(&high, p + 2, sizeof high);
    for (int k = 0; k < 16; k++) {
        int lo = (p[6 + k] & 15) | (int)(high >> k & 1) << 4;
        int hi = p[6 + k] >> 4 | (int)(high >> (k + 16) & 1) << 4;
        out[k] = d * (float)(lo - 16);
        out[k + 16] = d * (float)(hi - 16);
    }
}

/* The same with f16 m after d: d q + m. */
static inline void bnt_q5_1_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p), m = bnt_f16_at(p + 2);
    uint32_t high;
    memcpy(&high, p + 4, sizeof high);
    for (int k = 0; k < 16; k++) {
        int lo = (p[8 + k] & 15) | (int)(high >> k & 1) << 4;
        int hi = p[8 + k] >> 4 | (int)(high >> (k + 16) & 1) << 4;
        out[k] = d * (float)lo + m;
        out[k + 16] = d * (float)hi + m;
    }
}

/* f16 d, 32 int8: d q. */
static inline void bnt_q8_0_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p);
    for (int k = 0; k < 32; k++) out[k] = d * (float)(signed char)p[2 + k];
}

/* The sixteen values of IQ4_NL and IQ4_XS. */
static inline float bnt_iq4_value(unsigned code) {
    static const signed char values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                           1,    13,   25,  38,  53,  69,  89,  113};
    return (float)values[code];
}

/* As Q4_0, but the codes are indices. */
static inline void bnt_iq4_nl_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p);
    for (int k = 0; k < 16; k++) {
        out[k] = d * bnt_iq4_value(p[2 + k] & 15u);
        out[k + 16] = d * bnt_iq4_value((unsigned)p[2 + k] >> 4);
    }
}

/* 16 bytes of scale (low half) and minimum of sixteen weights each, 64 bytes of two-bit codes, f16
 * d and dmin: (d scale) q - (dmin minimum). Of each 128 weights, 32 bytes hold weights k, k + 32,
 * k + 64, k + 96 at bits 0, 2, 4, 6. */
static inline void bnt_q2_k_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p + 80), dmin = bnt_f16_at(p + 82);
    for (int i = 0; i < 16; i++) { /* sixteen weights */
        const unsigned char *q = p + 16 + i / 8 * 32 + i % 2 * 16;
        float ds = d * (float)(p[i] & 15), m = dmin * (float)(p[i] >> 4);
        for (int k = 0; k < 16; k++) out[16 * i + k] = ds * (float)(q[k] >> i % 8 / 2 * 2 & 3) - m;
    }
}

/* 32 bytes of third bits, 64 of two-bit codes as in Q2_K, 12 of sixteen six-bit scales, f16 d:
 * (d (scale - 32)) (q - 4). Weight 32 j + k has its third bit in bit j of byte k. Scale i has its
 * low four bits in half i / 8 of byte i % 8, its high two at bits 2 (i / 4) of byte 8 + i % 4. */
static inline void bnt_q3_k_block(const unsigned char *__restrict p, float *__restrict out) {
    const unsigned char *s = p + 96;
    float d = bnt_f16_at(p + 108);
    for (int i = 0; i < 16; i++) {
        const unsigned char *q = p + 32 + i / 8 * 32 + i % 2 * 16, *third = p + i % 2 * 16;
        int scale = (s[i % 8] >> i / 8 * 4 & 15) | (s[8 + i % 4] >> i / 4 * 2 & 3) << 4;
        float ds = d * (float)(scale - 32);
        for (int k = 0; k < 16; k++) {
            int code = (q[k] >> i % 8 / 2 * 2 & 3) | (third[k] >> i / 2 & 1) << 2;
            out[16 * i + k] = ds * (float)(code - 4);
        }
    }
}

/* Scale and minimum j of eight, six bits each in twelve bytes: of Q4_K and Q5_K. */
static inline void bnt_k_scale(const unsigned char *s, int j, int *scale, int *minimum) {
    if (j < 4) {
        *scale = s[j] & 63;
        *minimum = s[j + 4] & 63;
    } else {
        *scale = (s[j + 4] & 15) | s[j - 4] >> 6 << 4;
        *minimum = s[j + 4] >> 4 | s[j] >> 6 << 4;
    }
}

/* f16 d and dmin, twelve bytes of scales, 128 of codes: (d scale) q - (dmin minimum), a scale for
 * 32 weights. Of each 64 weights 32 bytes hold the first half in their low halves. */
static inline void bnt_q4_k_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p), dmin = bnt_f16_at(p + 2);
    for (int j = 0; j < 8; j++) {
        const unsigned char *q = p + 16 + j / 2 * 32;
        int scale, minimum;
        bnt_k_scale(p + 4, j, &scale, &minimum);
        float ds = d * (float)scale, m = dmin * (float)minimum;
        for (int k = 0; k < 32; k++) out[32 * j + k] = ds * (float)(q[k] >> j % 2 * 4 & 15) - m;
    }
}

/* The same with 32 bytes of fifth bits before the codes: weight 32 j + k's in bit j of byte k. */
static inline void bnt_q5_k_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p), dmin = bnt_f16_at(p + 2);
    const unsigned char *fifth = p + 16;
    for (int j = 0; j < 8; j++) {
        const unsigned char *q = p + 48 + j / 2 * 32;
        int scale, minimum;
        bnt_k_scale(p + 4, j, &scale, &minimum);
        float ds = d * (float)scale, m = dmin * (float)minimum;
        for (int k = 0; k < 32; k++) {
            int code = (q[k] >> j % 2 * 4 & 15) | (fifth[k] >> j & 1) << 4;
            out[32 * j + k] = ds * (float)code - m;
        }
    }
}

/* 128 bytes of low halves, 64 of high two bits, 16 int8 scales, f16 d: (d scale) (q - 32), a scale
 * for sixteen weights. Of each 128 weights, weight 32 j + k has its low half in half j / 2 of byte
 * 32 (j % 2) + k of 64, its high bits at 2 j of byte k of 32. */
static inline void bnt_q6_k_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p + 208);
    for (int i = 0; i < 16; i++) {
        const unsigned char *low = p + i / 8 * 64 + i / 2 % 2 * 32 + i % 2 * 16;
        const unsigned char *high = p + 128 + i / 8 * 32 + i % 2 * 16;
        float ds = d * (float)(signed char)p[192 + i];
        for (int k = 0; k < 16; k++) {
            int code = (low[k] >> i % 8 / 4 * 4 & 15) | (high[k] >> i % 8 / 2 * 2 & 3) << 4;
            out[16 * i + k] = ds * (float)(code - 32);
        }
    }
}

/* f16 d, eight scales of six bits (two high ones each in a u16, four low ones in half a byte), 128
 * bytes of eight times IQ4_NL's codes: (d (scale - 32)) value. */
static inline void bnt_iq4_xs_block(const unsigned char *__restrict p, float *__restrict out) {
    float d = bnt_f16_at(p);
    unsigned high = bnt_u16_at(p + 2);
    for (int j = 0; j < 8; j++) {
        const unsigned char *q = p + 8 + 16 * j;
        int scale = (p[4 + j / 2] >> j % 2 * 4 & 15) | (int)(high >> 2 * j & 3) << 4;
        float ds = d * (float)(scale - 32);
        for (int k = 0; k < 16; k++) {
            out[32 * j + k] = ds * bnt_iq4_value(q[k] & 15u);
            out[32 * j + 16 + k] = ds * bnt_iq4_value((unsigned)q[k] >> 4);
        }
    }
}

/* ---- by type ------------------------------------------------------------------------------ */

/* Weights per block, 0 for a type that is not in the list. */
static inline uint32_t bnt_dense_block(uint32_t type) {
    switch (type) {
#define BNT_DENSE_VALUES_(name, id, values, bytes, at, at2, block)                                 \
    case id: return values;
        BNT_DENSE_TYPES(BNT_DENSE_VALUES_)
#undef BNT_DENSE_VALUES_
    default: return 0;
    }
}

/* Bytes of n weights, whole blocks. */
static inline uint64_t bnt_dense_bytes(uint32_t type, uint64_t n) {
    switch (type) {
#define BNT_DENSE_BYTES_(name, id, values, bytes, at, at2, block)                                  \
    case id: return n / values * bytes;
        BNT_DENSE_TYPES(BNT_DENSE_BYTES_)
#undef BNT_DENSE_BYTES_
    default: return 0;
    }
}

/* Where a block has its first (0) or second (1) binary16 factor, or -1. What a kernel is tried with
 * must have finite ones. */
static inline int bnt_dense_factor(uint32_t type, int which) {
    switch (type) {
#define BNT_DENSE_FACTOR_(name, id, values, bytes, at, at2, block)                                 \
    case id: return which ? at2 : at;
        BNT_DENSE_TYPES(BNT_DENSE_FACTOR_)
#undef BNT_DENSE_FACTOR_
    default: return -1;
    }
}

/* "Q4_K", or "?". */
static inline const char *bnt_dense_name(uint32_t type) {
    switch (type) {
#define BNT_DENSE_NAME_(name, id, values, bytes, at, at2, block)                                   \
    case id: return #name;
        BNT_DENSE_TYPES(BNT_DENSE_NAME_)
#undef BNT_DENSE_NAME_
    default: return "?";
    }
}

/* n weights, whole blocks, from p to out. */
static inline void bnt_dense_read(uint32_t type, const void *p, uint64_t n, float *out) {
    const unsigned char *in = (const unsigned char *)p;
    switch (type) {
#define BNT_DENSE_READ_(name, id, values, bytes, at, at2, block)                                   \
    case id:                                                                                       \
        for (uint64_t i = 0; i < n; i += values, in += bytes) block(in, out + i);                  \
        break;
        BNT_DENSE_TYPES(BNT_DENSE_READ_)
#undef BNT_DENSE_READ_
    default: break;
    }
}

#endif
