/*
 * encode_dense.c - tensor formats, the writing side: types of ordinary weights; see encode.h.
 *
 * Facts: the block layouts of the ggml project. The quantizers are the simplest that are correct,
 * not the best. Codes are put where a formula says, field by field.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"

static void put16(uint8_t *out, uint16_t v) {
    out[0] = (uint8_t)v;
    out[1] = (uint8_t)(v >> 8);
}

/* Writes bits that are still 0. */
static void put_bits(uint8_t *byte, size_t shift, unsigned value) {
    *byte = (uint8_t)(*byte | value << shift);
}

static float amax_of(const float *x, size_t n) {
    float amax = 0;
    for (size_t i = 0; i < n; i++) amax = fabsf(x[i]) > amax ? fabsf(x[i]) : amax;
    return amax;
}

/* Half away from zero, without a libm call: this runs for every embedding of a large model. */
static int round_int(float x) {
    return (int)(x < 0 ? x - 0.5f : x + 0.5f);
}

/* f16 d, 32 x int8. */
static void q8_0_block(const float *x, uint8_t *out) {
    float d = enc_f16_value(amax_of(x, 32) / 127);
    float inv = d > 0 ? 1 / d : 0;
    put16(out, enc_f16(d));
    for (size_t i = 0; i < 32; i++) {
        int q = round_int(x[i] * inv);
        q = q > 127 ? 127 : q < -127 ? -127 : q;
        out[2 + i] = (uint8_t)(int8_t)q;
    }
}

/* ql[128], qh[64], int8 scales[16], f16 d; value = d * scale[i / 16] * (code - 32).
 * Each half of 128 has four quarters of 32: the quarter's low nibbles share bytes with the one two
 * further on, its high pairs of bits lie at shift 2 * quarter. */
static void q6_k_block(const float *x, uint8_t *out) {
    uint8_t *ql = out, *qh = out + 128, *scales = out + 192;
    float d = enc_f16_value(amax_of(x, 256) / (31.0f * 127.0f));
    float inv = d > 0 ? 1 / d : 0;
    memset(out, 0, 192);
    put16(out + 208, enc_f16(d));
    for (size_t g = 0; g < 16; g++) {
        int scale = (int)ceilf(amax_of(x + 16 * g, 16) * inv / 31);
        if (scale > 127) scale = 127;
        scales[g] = (uint8_t)scale;
        float step = scale ? inv / (float)scale : 0;
        for (size_t i = 16 * g; i < 16 * g + 16; i++) {
            int q = round_int(x[i] * step);
            q = q > 31 ? 31 : q < -32 ? -32 : q;
            unsigned code = (unsigned)(q + 32);
            size_t half = i / 128, quarter = i % 128 / 32, l = i % 32;
            uint8_t *low = &ql[64 * half + 32 * (quarter & 1) + l];
            *low = (uint8_t)(*low | (code & 15) << (quarter & 2 ? 4 : 0));
            uint8_t *high = &qh[32 * half + l];
            *high = (uint8_t)(*high | code >> 4 << 2 * quarter);
        }
    }
}

/* x in whole steps above -zero steps, 0 to most. */
static unsigned code_of(float x, float step, int zero, int most) {
    int q = step > 0 ? round_int(x / step) + zero : zero;
    return (unsigned)(q < 0 ? 0 : q > most ? most : q);
}

static void range_of(const float *x, size_t n, float *lo, float *hi) {
    *lo = *hi = 0;
    for (size_t i = 0; i < n; i++) {
        if (x[i] < *lo) *lo = x[i];
        if (x[i] > *hi) *hi = x[i];
    }
}

/* ---- blocks of 32 ---------------------------------------------------------------------------- */

static void put_nibble(uint8_t *codes, size_t k, unsigned code) {
    put_bits(&codes[k % 16], k < 16 ? 0 : 4, code);
}

static void q4_block(const float *x, int offset, uint8_t *out) {
    float lo, hi, d;
    uint8_t *codes = out + (offset ? 4 : 2);
    range_of(x, 32, &lo, &hi);
    d = enc_f16_value(offset ? (hi - lo) / 15 : amax_of(x, 32) / 7);
    lo = enc_f16_value(lo);
    memset(out, 0, offset ? 20 : 18);
    put16(out, enc_f16(d));
    if (offset) put16(out + 2, enc_f16(lo));
    for (size_t k = 0; k < 32; k++)
        put_nibble(codes, k, offset ? code_of(x[k] - lo, d, 0, 15) : code_of(x[k], d, 8, 15));
}

static void q5_block(const float *x, int offset, uint8_t *out) {
    float lo, hi, d;
    uint8_t *fifth = out + (offset ? 4 : 2), *codes = fifth + 4;
    range_of(x, 32, &lo, &hi);
    d = enc_f16_value(offset ? (hi - lo) / 31 : amax_of(x, 32) / 15);
    lo = enc_f16_value(lo);
    memset(out, 0, offset ? 24 : 22);
    put16(out, enc_f16(d));
    if (offset) put16(out + 2, enc_f16(lo));
    for (size_t k = 0; k < 32; k++) {
        unsigned code = offset ? code_of(x[k] - lo, d, 0, 31) : code_of(x[k], d, 16, 31);
        put_nibble(codes, k, code & 15);
        put_bits(&fifth[k / 8], k % 8, code >> 4);
    }
}

/* The nearest of IQ4's values to x, in units of step. */
static unsigned iq4_code(float x, float step) {
    static const float values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};
    unsigned best = 8;
    for (unsigned c = 0; c < 16 && step > 0; c++)
        if (fabsf(values[c] - x / step) < fabsf(values[best] - x / step)) best = c;
    return best;
}

static void iq4_nl_block(const float *x, uint8_t *out) {
    float d = enc_f16_value(amax_of(x, 32) / 113);
    memset(out, 0, 18);
    put16(out, enc_f16(d));
    for (size_t k = 0; k < 32; k++) put_nibble(out + 2, k, iq4_code(x[k], d));
}

/* ---- blocks of 256 --------------------------------------------------------------------------- */

/* Runs of a block have a scale and a minimum each, whole numbers up to `most`, in units of d and
 * dmin: the range of a run in `codes` steps. */
struct k_scales {
    float d, dmin;
    unsigned scale[16], minimum[16];
};

static struct k_scales k_scales_of(const float *x, size_t runs, int codes, int most) {
    struct k_scales s = {0};
    size_t n = 256 / runs;
    float widest = 0, deepest = 0, lo, hi;
    for (size_t i = 0; i < runs; i++) {
        range_of(x + i * n, n, &lo, &hi);
        if (hi - lo > widest) widest = hi - lo;
        if (-lo > deepest) deepest = -lo;
    }
    s.d = enc_f16_value(widest / (float)(codes * most) * 1.01f); /* rounded down, it would clip */
    s.dmin = enc_f16_value(deepest / (float)most * 1.01f);
    for (size_t i = 0; i < runs; i++) {
        range_of(x + i * n, n, &lo, &hi);
        s.minimum[i] = s.dmin > 0 ? (unsigned)fminf(ceilf(-lo / s.dmin), (float)most) : 0;
        hi += s.dmin * (float)s.minimum[i];
        s.scale[i] = s.d > 0 ? (unsigned)fminf(ceilf(hi / ((float)codes * s.d)), (float)most) : 0;
    }
    return s;
}

static unsigned k_code(const struct k_scales *s, size_t run, float x, int most) {
    return code_of(x + s->dmin * (float)s->minimum[run], s->d * (float)s->scale[run], 0, most);
}

/* scales[16], qs[64], f16 d, f16 dmin. */
static void q2_k_block(const float *x, uint8_t *out) {
    struct k_scales s = k_scales_of(x, 16, 3, 15);
    memset(out, 0, 84);
    put16(out + 80, enc_f16(s.d));
    put16(out + 82, enc_f16(s.dmin));
    for (size_t i = 0; i < 16; i++) out[i] = (uint8_t)(s.scale[i] | s.minimum[i] << 4);
    for (size_t i = 0; i < 256; i++)
        put_bits(&out[16 + i / 128 * 32 + i % 32], i % 128 / 32 * 2, k_code(&s, i / 16, x[i], 3));
}

/* hmask[32], qs[64], scales[12], f16 d. */
static void q3_k_block(const float *x, uint8_t *out) {
    float d = enc_f16_value(amax_of(x, 256) / (3 * 31) * 1.01f);
    memset(out, 0, 110);
    put16(out + 108, enc_f16(d));
    for (size_t i = 0; i < 16; i++) {
        int scale = d > 0 ? (int)fminf(ceilf(amax_of(x + 16 * i, 16) / (3 * d)), 31) : 0;
        unsigned six = (unsigned)(scale + 32);
        put_bits(&out[96 + i % 8], i / 8 * 4, six & 15);
        put_bits(&out[104 + i % 4], i / 4 * 2, six >> 4);
        for (size_t k = 16 * i; k < 16 * i + 16; k++) {
            unsigned code = code_of(x[k], d * (float)scale, 4, 7);
            put_bits(&out[32 + k / 128 * 32 + k % 32], k % 128 / 32 * 2, code & 3);
            put_bits(&out[k % 32], k / 32, code >> 2);
        }
    }
}

/* Eight scales and minima of six bits in twelve bytes. */
static void put_k_scales(const struct k_scales *s, uint8_t *out) {
    for (size_t j = 0; j < 4; j++) {
        put_bits(&out[j], 0, s->scale[j]);
        put_bits(&out[j], 6, s->scale[j + 4] >> 4);
        put_bits(&out[j + 4], 0, s->minimum[j]);
        put_bits(&out[j + 4], 6, s->minimum[j + 4] >> 4);
        put_bits(&out[j + 8], 0, s->scale[j + 4] & 15);
        put_bits(&out[j + 8], 4, s->minimum[j + 4] & 15);
    }
}

/* f16 d, f16 dmin, scales[12], of Q5_K qh[32], qs[128]. */
static void q45_k_block(const float *x, int five, uint8_t *out) {
    struct k_scales s = k_scales_of(x, 8, five ? 31 : 15, 63);
    uint8_t *fifth = out + 16, *codes = out + (five ? 48 : 16);
    memset(out, 0, five ? 176 : 144);
    put16(out, enc_f16(s.d));
    put16(out + 2, enc_f16(s.dmin));
    put_k_scales(&s, out + 4);
    for (size_t i = 0; i < 256; i++) {
        unsigned code = k_code(&s, i / 32, x[i], five ? 31 : 15);
        put_bits(&codes[i / 64 * 32 + i % 32], i / 32 % 2 * 4, code & 15);
        if (five) put_bits(&fifth[i % 32], i / 32, code >> 4);
    }
}

/* f16 d, u16 of high bits, four bytes of low ones, qs[128]. */
static void iq4_xs_block(const float *x, uint8_t *out) {
    float d = enc_f16_value(amax_of(x, 256) / (113 * 31) * 1.01f);
    memset(out, 0, 136);
    put16(out, enc_f16(d));
    for (size_t j = 0; j < 8; j++) {
        int scale = d > 0 ? (int)fminf(ceilf(amax_of(x + 32 * j, 32) / (113 * d)), 31) : 0;
        unsigned six = (unsigned)(scale + 32);
        put_bits(&out[2 + j / 4], j % 4 * 2, six >> 4);
        put_bits(&out[4 + j / 2], j % 2 * 4, six & 15);
        for (size_t k = 0; k < 32; k++)
            put_nibble(out + 8 + 16 * j, k, iq4_code(x[32 * j + k], d * (float)scale));
    }
}

/* ---- tensors --------------------------------------------------------------------------------- */

static void one_block(uint32_t type, const float *x, uint8_t *out) {
    switch (type) {
    case T_F32: memcpy(out, x, 4); return;
    case T_F16: put16(out, enc_f16(*x)); return;
    case T_BF16: put16(out, enc_bf16(*x)); return;
    case T_Q4_0: q4_block(x, 0, out); return;
    case T_Q4_1: q4_block(x, 1, out); return;
    case T_Q5_0: q5_block(x, 0, out); return;
    case T_Q5_1: q5_block(x, 1, out); return;
    case T_Q8_0: q8_0_block(x, out); return;
    case T_IQ4_NL: iq4_nl_block(x, out); return;
    case T_Q2_K: q2_k_block(x, out); return;
    case T_Q3_K: q3_k_block(x, out); return;
    case T_Q4_K: q45_k_block(x, 0, out); return;
    case T_Q5_K: q45_k_block(x, 1, out); return;
    case T_Q6_K: q6_k_block(x, out); return;
    case T_IQ4_XS: iq4_xs_block(x, out); return;
    default: abort();
    }
}

void enc_dense(uint32_t type, const float *x, size_t n, uint8_t *out) {
    const size_t block = enc_block(type), bytes = (size_t)enc_bytes(type, block);
    for (size_t i = 0; i < n; i += block, out += bytes) one_block(type, x + i, out);
}
