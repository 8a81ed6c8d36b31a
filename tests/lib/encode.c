/*
 * encode.c - tensor formats, the writing side: sizes, 16-bit floats, ternary types; see encode.h.
 *
 * Facts: the block layouts of the ggml project (TQ1_0, TQ2_0, Q1_0, Q2_0), of
 * Microsoft's bitnet.cpp (I2_S), of PrismML (Q2_0 in blocks of 128, PQ2_0, PTQ1_0) and of
 * ik_llama.cpp (IQ1_BN, IQ2_BN). The quantizers are the simplest that are correct, not the best.
 */
#include "encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    uint32_t type, block, bytes; /* per block */
    const char *name;
} types[] = {
    {T_F32, 1, 4, "F32"},           {T_F16, 1, 2, "F16"},
    {T_BF16, 1, 2, "BF16"},         {T_Q8_0, 32, 34, "Q8_0"},
    {T_Q6_K, 256, 210, "Q6_K"},     {T_TQ1_0, 256, 54, "TQ1_0"},
    {T_TQ2_0, 256, 66, "TQ2_0"},    {T_I2_S, 128, 32, "I2_S"},
    {T_Q2_0, 64, 18, "Q2_0"},       {T_Q2_0_128, 128, 34, "Q2_0/128"},
    {T_Q1_0, 128, 18, "Q1_0"},      {T_PQ2_0, 128, 34, "PQ2_0"},
    {T_IQ1_BN, 64, 13, "IQ1_BN"},   {T_IQ2_BN, 64, 16, "IQ2_BN"},
    {T_PTQ1_0, 128, 28, "PTQ1_0"},  {T_Q4_0, 32, 18, "Q4_0"},
    {T_Q4_1, 32, 20, "Q4_1"},       {T_Q5_0, 32, 22, "Q5_0"},
    {T_Q5_1, 32, 24, "Q5_1"},       {T_IQ4_NL, 32, 18, "IQ4_NL"},
    {T_Q2_K, 256, 84, "Q2_K"},      {T_Q3_K, 256, 110, "Q3_K"},
    {T_Q4_K, 256, 144, "Q4_K"},     {T_Q5_K, 256, 176, "Q5_K"},
    {T_IQ4_XS, 256, 136, "IQ4_XS"},
};
enum { N_TYPES = sizeof types / sizeof types[0] };

static size_t find(uint32_t type) {
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].type == type) return i;
    abort();
}

uint32_t enc_file_id(uint32_t type) {
    return type == T_Q2_0_128 ? T_Q2_0 : type;
}

const char *enc_type_name(uint32_t type) {
    return types[find(type)].name;
}

bool enc_type_by_name(const char *name, uint32_t *type) {
    for (size_t i = 0; i < N_TYPES; i++) {
        if (strcmp(types[i].name, name) == 0) {
            *type = types[i].type;
            return true;
        }
    }
    return false;
}

bool enc_is_ternary(uint32_t type) {
    return (type >= T_TQ1_0 && type <= T_I2_S) || type >= T_Q1_0;
}

uint32_t enc_block(uint32_t type) {
    return types[find(type)].block;
}

uint64_t enc_bytes(uint32_t type, uint64_t elements) {
    size_t i = find(type);
    if (elements % types[i].block != 0) return 0;
    return elements / types[i].block * types[i].bytes + (type == T_I2_S ? ENC_I2_S_TAIL : 0);
}

uint64_t enc_row_bytes(uint32_t type) {
    return type == T_IQ1_BN ? 2 : type == T_IQ2_BN ? 4 : 0;
}

uint64_t enc_tensor_bytes(uint32_t type, uint64_t rows, uint64_t cols) {
    return enc_bytes(type, rows * cols) + rows * enc_row_bytes(type);
}

uint64_t enc_span(uint32_t type, uint64_t cols) {
    return enc_row_bytes(type) ? cols : enc_block(type);
}

/* ---- 16-bit floats --------------------------------------------------------------------------- */

/* By arithmetic, not by bits: nearbyint on the value in units of its last place. */
uint16_t enc_f16(float x) {
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    double mag = fabs((double)x);
    if (isnan(x)) return (uint16_t)(sign | 0x7e00);
    if (mag >= 65520.0) return (uint16_t)(sign | 0x7c00);
    int exp = -13;
    if (mag > 0x1p-14) (void)frexp(mag, &exp); /* mag = f * 2^exp, f in [0.5, 1) */
    /* zero and subnormals keep the least exponent */
    long units = lrint(ldexp(mag, 11 - exp));
    /* units counts from the exponent's zero: its carry bit 1024 adds one to the exponent field */
    return (uint16_t)(sign | ((exp + 13) * 1024 + (int)units));
}

float enc_f16_value(float x) {
    uint16_t h = enc_f16(x);
    int exp = h >> 10 & 31, man = h & 1023;
    double mag = exp ? ldexp(man + 1024, exp - 25) : ldexp(man, -24);
    return (float)(h & 0x8000 ? -mag : mag);
}

uint16_t enc_bf16(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if (isnan(x)) return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static void put16(uint8_t *out, uint16_t v) {
    out[0] = (uint8_t)v;
    out[1] = (uint8_t)(v >> 8);
}

/* ---- ternary --------------------------------------------------------------------------------- */

/* Digits of a number below 243, the first the most significant, as the byte nearest above
 * value / 243 * 256: multiplying by 3 then carries out one digit after another. */
static uint8_t base3(const int8_t *trits, size_t stride, size_t count) {
    unsigned v = 0;
    for (size_t i = 0; i < 5; i++) v = 3 * v + (i < count ? (unsigned)(trits[i * stride] + 1) : 0);
    return (uint8_t)((v * 256 + 242) / 243);
}

/* 48 bytes of five trits (32 bytes for elements 0..159, 16 for 160..239), 4 of four, f16 d. */
void enc_tq1_0(const int8_t *trits, const float *scales, size_t n, uint8_t *out) {
    for (size_t b = 0; b < n / 256; b++, trits += 256, out += 54) {
        for (size_t m = 0; m < 32; m++) out[m] = base3(trits + m, 32, 5);
        for (size_t m = 0; m < 16; m++) out[32 + m] = base3(trits + 160 + m, 16, 5);
        for (size_t m = 0; m < 4; m++) out[48 + m] = base3(trits + 240 + m, 4, 4);
        put16(out + 52, enc_f16(scales[b]));
    }
}

/* Per half of 128, byte m holds elements m, m + 32, m + 64, m + 96 at shifts 0, 2, 4, 6; f16 d. */
void enc_tq2_0(const int8_t *trits, const float *scales, size_t n, uint8_t *out) {
    for (size_t b = 0; b < n / 256; b++, trits += 256, out += 66) {
        for (size_t h = 0; h < 2; h++) {
            const int8_t *t = trits + 128 * h;
            for (size_t m = 0; m < 32; m++)
                out[32 * h + m] = (uint8_t)((t[m] + 1) | (t[m + 32] + 1) << 2 |
                                            (t[m + 64] + 1) << 4 | (t[m + 96] + 1) << 6);
        }
        put16(out + 64, enc_f16(scales[b]));
    }
}

/* f16 d, then four elements a byte from the low end. */
void enc_q2_0(const int8_t *trits, const float *scales, size_t block, size_t n, uint8_t *out) {
    for (size_t b = 0; b < n / block; b++) {
        put16(out, enc_f16(scales[b]));
        out += 2;
        for (size_t i = 0; i < block; i += 4, trits += 4)
            *out++ = (uint8_t)((trits[0] + 1) | (trits[1] + 1) << 2 | (trits[2] + 1) << 4 |
                               (trits[3] + 1) << 6);
    }
}

/* 16 bytes of five trits (0..79), 8 of five (80..119), 2 of four (120..127), f16 d. */
static void ptq1_0_block(const int8_t *trits, float scale, uint8_t *out) {
    for (size_t m = 0; m < 16; m++) out[m] = base3(trits + m, 16, 5);
    for (size_t m = 0; m < 8; m++) out[16 + m] = base3(trits + 80 + m, 8, 5);
    for (size_t m = 0; m < 2; m++) out[24 + m] = base3(trits + 120 + m, 2, 4);
    put16(out + 26, enc_f16(scale));
}

/* f16 d, then a bit for each weight from the low end: set for +1. */
static void q1_0_block(const int8_t *trits, float scale, uint8_t *out) {
    put16(out, enc_f16(scale));
    memset(out + 2, 0, 16);
    for (size_t i = 0; i < 128; i++)
        out[2 + i / 8] = (uint8_t)(out[2 + i / 8] | (trits[i] > 0) << i % 8);
}

/* The number whose digit k, counted from the least, is the k-th of `count` trits, `stride` apart;
 * as a byte as above. */
static uint8_t base3_from_least(const int8_t *trits, size_t stride, size_t count) {
    unsigned v = 0;
    for (size_t i = count; i-- > 0;) v = 3 * v + (unsigned)(trits[i * stride] + 1);
    return (uint8_t)((v * 256 + 242) / 243);
}

/* Of each sixteen, three bytes hold five each; the last ones of the four sixteens share byte 12. */
static void iq1_bn_block(const int8_t *trits, uint8_t *out) {
    for (size_t g = 0; g < 4; g++)
        for (size_t k = 0; k < 3; k++)
            out[3 * g + k] = base3_from_least(trits + 16 * g + 5 * k, 1, 5);
    out[12] = base3_from_least(trits + 15, 16, 4);
}

/* Byte m holds elements m, m + 16, m + 32, m + 48 at shifts 0, 2, 4, 6. */
static void iq2_bn_block(const int8_t *t, uint8_t *out) {
    for (size_t m = 0; m < 16; m++)
        out[m] = (uint8_t)((t[m] + 1) | (t[m + 16] + 1) << 2 | (t[m + 32] + 1) << 4 |
                           (t[m + 48] + 1) << 6);
}

/* A row's scale, f16 or f32, then its blocks. */
static uint8_t *bn_row(uint32_t type, const int8_t *trits, float scale, size_t cols, uint8_t *out) {
    if (type == T_IQ1_BN) put16(out, enc_f16(scale));
    if (type == T_IQ2_BN) memcpy(out, &scale, sizeof scale);
    out += enc_row_bytes(type);
    for (size_t i = 0; i < cols; i += 64, out += type == T_IQ1_BN ? 13 : 16) {
        if (type == T_IQ1_BN) iq1_bn_block(trits + i, out);
        if (type == T_IQ2_BN) iq2_bn_block(trits + i, out);
    }
    return out;
}

void enc_ternary(uint32_t type, const int8_t *trits, const float *scales, size_t rows, size_t cols,
                 uint8_t *out) {
    size_t n = rows * cols;
    switch (type) {
    case T_TQ1_0: enc_tq1_0(trits, scales, n, out); return;
    case T_TQ2_0: enc_tq2_0(trits, scales, n, out); return;
    case T_Q2_0: enc_q2_0(trits, scales, 64, n, out); return;
    case T_PQ2_0:
    case T_Q2_0_128: enc_q2_0(trits, scales, 128, n, out); return;
    case T_Q1_0:
        for (size_t b = 0; b < n / 128; b++) q1_0_block(trits + 128 * b, scales[b], out + 18 * b);
        return;
    case T_PTQ1_0:
        for (size_t b = 0; b < n / 128; b++) ptq1_0_block(trits + 128 * b, scales[b], out + 28 * b);
        return;
    case T_IQ1_BN:
    case T_IQ2_BN:
        for (size_t r = 0; r < rows; r++)
            out = bn_row(type, trits + r * cols, scales[r], cols, out);
        return;
    default: abort();
    }
}

/* The encoder of the other layouts is a formula for where an element's code lies, not a loop over
 * groups as the decoder has: byte and shift of element (row, col). */
static size_t i2_s_byte(char layout, size_t cols, size_t row, size_t col, unsigned *shift) {
    size_t i = row * cols + col;
    switch (layout) {
    case 'a': *shift = 6 - 2 * (unsigned)(i % 128 / 32); return i / 128 * 32 + i % 32;
    case 'b': *shift = 6 - 2 * (unsigned)(row % 4); return row / 4 * cols + col;
    default: *shift = 6 - 2 * (unsigned)(i % 64 / 16); return i / 64 * 16 + i % 16;
    }
}

void enc_i2_s_layout(char layout, const int8_t *trits, size_t rows, size_t cols, uint8_t *out) {
    memset(out, 0, rows * cols / 4);
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < cols; c++) {
            unsigned shift;
            size_t byte = i2_s_byte(layout, cols, r, c, &shift);
            out[byte] = (uint8_t)(out[byte] | (trits[r * cols + c] + 1) << shift);
        }
    }
}

void enc_i2_s(const int8_t *trits, size_t n, uint8_t *out) {
    enc_i2_s_layout('a', trits, 1, n, out);
}

void enc_i2_s_tail(float scale, uint8_t out[ENC_I2_S_TAIL]) {
    memset(out, 0, ENC_I2_S_TAIL);
    uint32_t u;
    memcpy(&u, &scale, sizeof u);
    put16(out, (uint16_t)u);
    put16(out + 2, (uint16_t)(u >> 16));
}
