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

/* scale_of is NULL for I2_S, whose scale follows the codes. A block of zeros has no scale and one
 * without a scale is zeros; where all other scales are alike they are one. */
static bool open_ternary(struct dec_tensor *t, code_at *code, value_at *scale_of, size_t block,
                         const uint8_t *data) {
    size_t blocks = scale_of ? t->n / block : 1;
    double common = 0;
    bool same = true;
    t->block = t->n / blocks;
    t->trit = alloc(t->n, 1);
    t->scale = alloc(blocks, sizeof *t->scale);
    for (size_t b = 0; b < blocks; b++) {
        int8_t *trit = t->trit + b * t->block;
        double scale = scale_of ? scale_of(data, b) : f32_at(data + t->n / 4);
        bool zeros = true;
        for (size_t i = 0; i < t->block; i++) {
            trit[i] = (int8_t)(code(data, b * t->block + i) - 1);
            zeros &= trit[i] == 0;
        }
        if (scale == 0) memset(trit, 0, t->block);
        if (zeros || scale == 0) continue; /* the scale stays +0 */
        t->scale[b] = scale;
        if (common == 0) common = scale;
        same &= scale == common;
    }
    if (same) {
        t->block = t->n;
        t->scale[0] = common;
    }
    return true;
}

bool dec_open(struct dec_tensor *t, uint32_t type, const uint8_t *data, size_t n) {
    *t = (struct dec_tensor){.n = n};
    switch (type) {
    case 0: return open_dense(t, f32_value, data);
    case 1: return open_dense(t, f16_value, data);
    case 30: return open_dense(t, bf16_value, data);
    case 8: return open_dense(t, q8_0_value, data);
    case 14: return open_dense(t, q6_k_value, data);
    case 34: return open_ternary(t, tq1_0_code, tq1_0_scale, 256, data);
    case 35: return open_ternary(t, tq2_0_code, tq2_0_scale, 256, data);
    case 36: return open_ternary(t, i2_s_code, NULL, 0, data);
    case 42: return open_ternary(t, q2_0_code_64, q2_0_scale_64, 64, data);
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
