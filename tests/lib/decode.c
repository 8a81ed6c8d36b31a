/*
 * decode.c - tensors to doubles; see decode.h.
 *
 * The one idea: for each type a function from an element's index to its value, so that the layout
 * can be read as a formula. Slow, and meant to be.
 */
#include "decode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double f32_at(const uint8_t *p) {
    float f;
    memcpy(&f, p, sizeof f);
    return (double)f;
}

static uint16_t u16_at(const uint8_t *p) {
    return (uint16_t)(p[0] | p[1] << 8);
}

double dec_f16(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double magnitude = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent     ? ldexp(1.0 + fraction / 1024.0, exponent - 15)
                                      : ldexp(fraction / 1024.0, -14);
    return h >> 15 ? -magnitude : magnitude;
}

double dec_round_f16(double x) {
    int exponent;
    (void)frexp(x, &exponent);                       /* |x| in [2^(e-1), 2^e) */
    int last = exponent < -13 ? -24 : exponent - 11; /* exponent of the last place */
    double rounded = ldexp(rint(ldexp(x, -last)), last);
    return fabs(rounded) > 65504 ? copysign(INFINITY, x) : rounded;
}

/* ---- dense ----------------------------------------------------------------------------------- */

static double f32_value(const uint8_t *data, size_t i) {
    return f32_at(data + 4 * i);
}

static double f16_value(const uint8_t *data, size_t i) {
    return dec_f16(u16_at(data + 2 * i));
}

static double bf16_value(const uint8_t *data, size_t i) {
    uint8_t wide[4] = {0, 0, data[2 * i], data[2 * i + 1]};
    return f32_at(wide);
}

static double q8_0_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 32 * 34;
    return dec_f16(u16_at(block)) * (int8_t)block[2 + i % 32];
}

/* 128 bytes of low nibbles, 64 of high pairs, 16 scales, d. Of each half (128 values), values 0..63
 * take the low nibbles of its 64 bytes and values 64..127 the high ones. */
static double q6_k_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 256 * 210;
    size_t in = i % 256, half = in / 128, j = in % 128;
    int nibble = block[64 * half + j % 64] >> (j < 64 ? 0 : 4) & 15;
    int pair = block[128 + 32 * half + j % 32] >> (j / 32 * 2) & 3;
    int scale = (int8_t)block[192 + in / 16];
    return dec_f16(u16_at(block + 208)) * scale * (nibble + 16 * pair - 32);
}

/* Value k of 32 codes of four bits: the low halves of 16 bytes, then the high ones. */
static int nibble(const uint8_t *codes, size_t k) {
    return codes[k % 16] >> (k / 16 * 4) & 15;
}

/* 32 bits, the first in the lowest of the first byte. */
static int bit(const uint8_t *bits, size_t k) {
    return bits[k / 8] >> k % 8 & 1;
}

static double q4_0_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 32 * 18;
    return dec_f16(u16_at(block)) * (nibble(block + 2, i % 32) - 8);
}

static double q4_1_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 32 * 20;
    return dec_f16(u16_at(block)) * nibble(block + 4, i % 32) + dec_f16(u16_at(block + 2));
}

static double q5_0_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 32 * 22;
    int code = nibble(block + 6, i % 32) + 16 * bit(block + 2, i % 32);
    return dec_f16(u16_at(block)) * (code - 16);
}

static double q5_1_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 32 * 24;
    int code = nibble(block + 8, i % 32) + 16 * bit(block + 4, i % 32);
    return dec_f16(u16_at(block)) * code + dec_f16(u16_at(block + 2));
}

static const int iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};

static double iq4_nl_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 32 * 18;
    return dec_f16(u16_at(block)) * iq4_levels[nibble(block + 2, i % 32)];
}

static double iq4_xs_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 256 * 136;
    size_t run = i % 256 / 32;
    int low = block[4 + run / 2] >> (run % 2 ? 4 : 0) & 15;
    int high = u16_at(block + 2) >> 2 * run & 3;
    return dec_f16(u16_at(block)) * (low + 16 * high - 32) *
           iq4_levels[nibble(block + 8 + 16 * run, i % 32)];
}

/* Of each 128 codes of two bits, a byte has those of four values 32 apart. */
static int two_bits(const uint8_t *codes, size_t in) {
    return codes[in / 128 * 32 + in % 32] >> (in % 128 / 32 * 2) & 3;
}

static double q2_k_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 256 * 84;
    int both = block[i % 256 / 16];
    return dec_f16(u16_at(block + 80)) * (both & 15) * two_bits(block + 16, i % 256) -
           dec_f16(u16_at(block + 82)) * (both >> 4);
}

/* The twelve bytes are three words of four: low halves of scales 0..7 (low nibbles) and 8..15 (high
 * ones) in the first two, and in byte k of the third the high pairs of scales k, k + 4, k + 8 and
 * k + 12. A code whose high bit is missing is 4 less. */
static double q3_k_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 256 * 110, *packed = block + 96;
    size_t in = i % 256, run = in / 16;
    int low = run < 8 ? packed[run] & 15 : packed[run - 8] >> 4;
    int high = packed[8 + run % 4] >> (run / 4 * 2) & 3;
    int code = two_bits(block + 32, in) - (block[in % 32] >> in / 32 & 1 ? 0 : 4);
    return dec_f16(u16_at(block + 108)) * (low + 16 * high - 32) * code;
}

/* Scale (or minimum) `run` of eight: the first four have their six bits in bytes 0..3 (4..7); the
 * others four low bits in the low (high) halves of bytes 8..11 and two high ones above the six of
 * bytes 0..3 (4..7). */
static int six_bits(const uint8_t *packed, size_t run, bool minimum) {
    const uint8_t *word = packed + (minimum ? 4 : 0);
    if (run < 4) return word[run] & 63;
    return (packed[8 + run - 4] >> (minimum ? 4 : 0) & 15) + 16 * (word[run - 4] >> 6);
}

/* 256 codes of four bits, 64 in 32 bytes: 32 low halves, then 32 high ones. */
static int long_nibble(const uint8_t *codes, size_t in) {
    return codes[in / 64 * 32 + in % 32] >> (in % 64 / 32 * 4) & 15;
}

static double q4_k_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 256 * 144;
    size_t in = i % 256;
    return dec_f16(u16_at(block)) * six_bits(block + 4, in / 32, false) *
               long_nibble(block + 16, in) -
           dec_f16(u16_at(block + 2)) * six_bits(block + 4, in / 32, true);
}

static double q5_k_value(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 256 * 176;
    size_t in = i % 256;
    int code = long_nibble(block + 48, in) + 16 * (block[16 + in % 32] >> in / 32 & 1);
    return dec_f16(u16_at(block)) * six_bits(block + 4, in / 32, false) * code -
           dec_f16(u16_at(block + 2)) * six_bits(block + 4, in / 32, true);
}

/* ---- ternary --------------------------------------------------------------------------------- */

/* Digit k of 5 (0 = most significant) of the number that the byte approximates from above. */
static int base3_digit(uint8_t byte, size_t k) {
    static const int power[5] = {81, 27, 9, 3, 1};
    int number = byte * 243 / 256; /* floor undoes the ceiling of the writer */
    return number / power[k] % 3;
}

static int tq1_0_code(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 256 * 54;
    size_t in = i % 256;
    if (in < 160) return base3_digit(block[in % 32], in / 32);
    if (in < 240) return base3_digit(block[32 + (in - 160) % 16], (in - 160) / 16);
    return base3_digit(block[48 + (in - 240) % 4], (in - 240) / 4);
}

static double tq1_0_scale(const uint8_t *data, size_t block) {
    return dec_f16(u16_at(data + 54 * block + 52));
}

static int tq2_0_code(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 256 * 66;
    size_t half = i % 256 / 128, j = i % 128;
    return block[32 * half + j % 32] >> (j / 32 * 2) & 3;
}

static double tq2_0_scale(const uint8_t *data, size_t block) {
    return dec_f16(u16_at(data + 66 * block + 64));
}

static int q2_0_code_64(const uint8_t *data, size_t i) {
    return data[i / 64 * 18 + 2 + i % 64 / 4] >> (i % 4 * 2) & 3;
}

static double q2_0_scale_64(const uint8_t *data, size_t block) {
    return dec_f16(u16_at(data + 18 * block));
}

static int q2_0_code_128(const uint8_t *data, size_t i) {
    return data[i / 128 * 34 + 2 + i % 128 / 4] >> (i % 4 * 2) & 3;
}

static double q2_0_scale_128(const uint8_t *data, size_t block) {
    return dec_f16(u16_at(data + 34 * block));
}

static int q1_0_code(const uint8_t *data, size_t i) {
    return 2 * (data[i / 128 * 18 + 2 + i % 128 / 8] >> i % 8 & 1);
}

static double q1_0_scale(const uint8_t *data, size_t block) {
    return dec_f16(u16_at(data + 18 * block));
}

static int ptq1_0_code(const uint8_t *data, size_t i) {
    const uint8_t *block = data + i / 128 * 28;
    size_t in = i % 128;
    if (in < 80) return base3_digit(block[in % 16], in / 16);
    if (in < 120) return base3_digit(block[16 + (in - 80) % 8], (in - 80) / 8);
    return base3_digit(block[24 + in % 2], (in - 120) / 2);
}

static double ptq1_0_scale(const uint8_t *data, size_t block) {
    return dec_f16(u16_at(data + 28 * block + 26));
}

/* Blocks of 64 lie behind their row's scale: `blocks` begins behind it. */
static int iq1_bn_code(const uint8_t *blocks, size_t i) {
    const uint8_t *block = blocks + i / 64 * 13;
    size_t sixteen = i % 64 / 16, in = i % 16;
    if (in == 15) return base3_digit(block[12], 4 - sixteen);
    return base3_digit(block[3 * sixteen + in / 5], 4 - in % 5);
}

static int iq2_bn_code(const uint8_t *blocks, size_t i) {
    return blocks[i / 64 * 16 + i % 16] >> (i % 64 / 16 * 2) & 3;
}

static int i2_s_code(const uint8_t *data, size_t i) {
    size_t j = i % 128;
    return data[i / 128 * 32 + j % 32] >> (6 - j / 32 * 2) & 3;
}

/* ---- tensors --------------------------------------------------------------------------------- */

static void *alloc(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size);
    if (!p) abort();
    return p;
}

typedef double value_at(const uint8_t *, size_t);
typedef int code_at(const uint8_t *, size_t);

static bool open_dense(struct dec_tensor *t, value_at *value, const uint8_t *data) {
    t->value = alloc(t->n, sizeof *t->value);
    for (size_t i = 0; i < t->n; i++) t->value[i] = value(data, i);
    return true;
}

/* A run of trits that share a scale: a run of zeros has no scale and one without a scale is zeros.
 */
static void canonical_run(int8_t *trit, size_t n, double *scale) {
    bool zeros = true;
    for (size_t i = 0; i < n; i++) zeros &= trit[i] == 0;
    if (*scale == 0) memset(trit, 0, n);
    if (zeros || *scale == 0) *scale = 0; /* +0 */
}

/* Where all scales there are are alike they are one. */
static void canonical(struct dec_tensor *t, size_t runs) {
    double common = 0;
    bool same = true;
    t->block = t->n / runs;
    for (size_t r = 0; r < runs; r++) {
        canonical_run(t->trit + r * t->block, t->block, &t->scale[r]);
        if (t->scale[r] == 0) continue;
        if (common == 0) common = t->scale[r];
        same &= t->scale[r] == common;
    }
    if (same) {
        t->block = t->n;
        t->scale[0] = common;
    }
}

/* scale_of is NULL for I2_S, whose scale follows the codes. */
static bool open_ternary(struct dec_tensor *t, code_at *code, value_at *scale_of, size_t block,
                         const uint8_t *data) {
    size_t runs = scale_of ? t->n / block : 1;
    t->trit = alloc(t->n, 1);
    t->scale = alloc(runs, sizeof *t->scale);
    for (size_t i = 0; i < t->n; i++) t->trit[i] = (int8_t)(code(data, i) - 1);
    for (size_t r = 0; r < runs; r++)
        t->scale[r] = scale_of ? scale_of(data, r) : f32_at(data + t->n / 4);
    canonical(t, runs);
    return true;
}

/* Types with a scale a row, f16 or f32, in front of it; a block of 64 takes `bytes`. */
static bool open_rows(struct dec_tensor *t, code_at *code, size_t scale_bytes, size_t bytes,
                      size_t cols, const uint8_t *data) {
    size_t rows = t->n / cols, row_bytes = scale_bytes + cols / 64 * bytes;
    t->trit = alloc(t->n, 1);
    t->scale = alloc(rows, sizeof *t->scale);
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *row = data + r * row_bytes;
        t->scale[r] = scale_bytes == 2 ? dec_f16(u16_at(row)) : f32_at(row);
        for (size_t c = 0; c < cols; c++)
            t->trit[r * cols + c] = (int8_t)(code(row + scale_bytes, c) - 1);
    }
    canonical(t, rows);
    return true;
}

bool dec_open(struct dec_tensor *t, uint32_t type, const uint8_t *data, size_t n, size_t cols) {
    *t = (struct dec_tensor){.n = n};
    switch (type) {
    case 0: return open_dense(t, f32_value, data);
    case 1: return open_dense(t, f16_value, data);
    case 30: return open_dense(t, bf16_value, data);
    case 8: return open_dense(t, q8_0_value, data);
    case 14: return open_dense(t, q6_k_value, data);
    case 2: return open_dense(t, q4_0_value, data);
    case 3: return open_dense(t, q4_1_value, data);
    case 6: return open_dense(t, q5_0_value, data);
    case 7: return open_dense(t, q5_1_value, data);
    case 10: return open_dense(t, q2_k_value, data);
    case 11: return open_dense(t, q3_k_value, data);
    case 12: return open_dense(t, q4_k_value, data);
    case 13: return open_dense(t, q5_k_value, data);
    case 20: return open_dense(t, iq4_nl_value, data);
    case 23: return open_dense(t, iq4_xs_value, data);
    case 34: return open_ternary(t, tq1_0_code, tq1_0_scale, 256, data);
    case 35: return open_ternary(t, tq2_0_code, tq2_0_scale, 256, data);
    case 36: return open_ternary(t, i2_s_code, NULL, 0, data);
    case 41: return open_ternary(t, q1_0_code, q1_0_scale, 128, data);
    case 134: return open_rows(t, iq1_bn_code, 2, 13, cols, data);
    case 135: return open_rows(t, iq2_bn_code, 4, 16, cols, data);
    case 143: return open_ternary(t, ptq1_0_code, ptq1_0_scale, 128, data);
    case 42: return open_ternary(t, q2_0_code_64, q2_0_scale_64, 64, data);
    case 142:
    case 0x1002a: return open_ternary(t, q2_0_code_128, q2_0_scale_128, 128, data); /* encode.h */
    default: dec_close(t); return false;
    }
}

void dec_close(struct dec_tensor *t) {
    free(t->value);
    free(t->trit);
    free(t->scale);
    *t = (struct dec_tensor){0};
}
