/*
 * trits.c - see trits.h.
 *
 * The one idea: each type says how a block's codes 0, 1, 2 (-1, 0, +1) lie in its bytes and where
 * its scale is; all the rest is the same for all, in one loop that is compiled once for each type
 * with its numbers constant. Loops of constant length over memory that is known to be apart are
 * vectorised.
 */
#include "file/trits.h"

#include <string.h>

#include "bitnet/numerics.h"

#define INLINE static inline __attribute__((always_inline))

enum { IN_ROW = -1 }; /* the place of the scale of a type that has one a row */

/* Sixty-four codes become trits; what they have in common goes to *bad (not 0: a code 3) and *any
 * (not 0: a weight that is not 0). */
INLINE void to_trits(int8_t *t, uint8_t *bad, uint8_t *any) {
    uint8_t b = 0, a = 0;
    for (unsigned i = 0; i < 64; i++) {
        uint8_t code = (uint8_t)t[i];
        b |= code & code >> 1;
        code--;
        a |= code;
        t[i] = (int8_t)code;
    }
    *bad |= b;
    *any |= a;
}

typedef void codes_fn(const uint8_t *restrict block, int8_t *restrict codes);

INLINE bool read_blocks(codes_fn *codes, const unsigned block, const unsigned bytes,
                        const int scale_at, const uint8_t *b, uint64_t n, int8_t *trits,
                        float *scales) {
    uint8_t bad = 0;
    for (; n; n--, b += bytes, trits += block) {
        uint8_t any = 0;
        codes(b, trits);
        for (unsigned i = 0; i < block; i += 64) to_trits(trits + i, &bad, &any);
        if (scale_at == IN_ROW) continue;
        uint16_t h;
        memcpy(&h, b + scale_at, sizeof h);
        float scale = bnt_f16_to_f32(h);
        if (scale == 0.0f) memset(trits, 0, block);
        if (scales) *scales++ = scale == 0.0f || any == 0 ? 0.0f : scale; /* of -0, too */
    }
    return bad == 0;
}

/* ---- five digits of base 3 a byte ----------------------------------------------------------- */

/* Digit n (0 = most significant of five) of `count` bytes that hold ceil(value * 256 / 243). */
INLINE void digits(const uint8_t *restrict b, const unsigned count, const unsigned n,
                   int8_t *restrict out) {
    static const uint8_t pow3[5] = {1, 3, 9, 27, 81};
    for (unsigned m = 0; m < count; m++) {
        uint8_t q = (uint8_t)(b[m] * pow3[n]);
        out[m] = (int8_t)((unsigned)q * 3 >> 8);
    }
}

INLINE void tq1_0_codes(const uint8_t *restrict b, int8_t *restrict out) {
    for (unsigned n = 0; n < 5; n++) digits(b, 32, n, out + 32 * n);
    for (unsigned n = 0; n < 5; n++) digits(b + 32, 16, n, out + 160 + 16 * n);
    for (unsigned n = 0; n < 4; n++) digits(b + 48, 4, n, out + 240 + 4 * n);
}

INLINE void ptq1_0_codes(const uint8_t *restrict b, int8_t *restrict out) {
    for (unsigned n = 0; n < 5; n++) digits(b, 16, n, out + 16 * n);
    for (unsigned n = 0; n < 5; n++) digits(b + 16, 8, n, out + 80 + 8 * n);
    for (unsigned n = 0; n < 4; n++) digits(b + 24, 2, n, out + 120 + 2 * n);
}

/* Neighbours share a byte, the first in its last digit; every sixteenth is a digit of byte 12. */
INLINE void iq1_bn_codes(const uint8_t *restrict b, int8_t *restrict out) {
    for (unsigned g = 0; g < 4; g++) {
        for (unsigned k = 0; k < 3; k++)
            for (unsigned j = 0; j < 5; j++)
                digits(b + 3 * g + k, 1, 4 - j, out + 16 * g + 5 * k + j);
        digits(b + 12, 1, 4 - g, out + 16 * g + 15);
    }
}

/* ---- two bits, and one ---------------------------------------------------------------------- */

/* Byte m of `count` holds the elements m, m + count, m + 2 count, m + 3 count from the low end. */
INLINE void planes(const uint8_t *restrict b, const unsigned count, int8_t *restrict out) {
    for (unsigned m = 0; m < count; m++) {
        out[m] = (int8_t)(b[m] & 3);
        out[m + count] = (int8_t)(b[m] >> 2 & 3);
        out[m + 2 * count] = (int8_t)(b[m] >> 4 & 3);
        out[m + 3 * count] = (int8_t)(b[m] >> 6);
    }
}

INLINE void tq2_0_codes(const uint8_t *restrict b, int8_t *restrict out) {
    planes(b, 32, out);
    planes(b + 32, 32, out + 128);
}

INLINE void iq2_bn_codes(const uint8_t *restrict b, int8_t *restrict out) {
    planes(b, 16, out);
}

/* A byte holds four neighbours from the low end. */
INLINE void neighbours(const uint8_t *restrict b, const unsigned count, int8_t *restrict out) {
    for (unsigned i = 0; i < count; i++) { /* a byte's four codes, to a byte each */
        uint32_t four = b[i];
        four = (four | four << 6 | four << 12 | four << 18) & 0x03030303u;
        memcpy(out + 4 * i, &four, sizeof four);
    }
}

INLINE void q2_0_codes(const uint8_t *restrict b, int8_t *restrict out) {
    neighbours(b + 2, 16, out);
}

INLINE void q2_0_128_codes(const uint8_t *restrict b, int8_t *restrict out) {
    neighbours(b + 2, 32, out);
}

/* A bit a weight, from the low end: 0 is -1, 1 is +1. */
INLINE void q1_0_codes(const uint8_t *restrict b, int8_t *restrict out) {
    for (unsigned i = 0; i < 16; i++) { /* a byte's eight bits, to a byte each */
        uint64_t eight = b[2 + i] * UINT64_C(0x0101010101010101) & UINT64_C(0x8040201008040201);
        eight = ((eight + UINT64_C(0x7f7f7f7f7f7f7f7f)) & UINT64_C(0x8080808080808080)) >> 6;
        memcpy(out + 8 * i, &eight, sizeof eight);
    }
}

/* ---- the readers ---------------------------------------------------------------------------- */

#define READER(name, block, bytes, scale_at)                                                       \
    bool bnt_trits_##name(const uint8_t *b, uint64_t n, int8_t *trits, float *scales) {            \
        return read_blocks(name##_codes, block, bytes, scale_at, b, n, trits, scales);             \
    }

READER(tq1_0, 256, 54, 52)
READER(tq2_0, 256, 66, 64)
READER(ptq1_0, 128, 28, 26)
READER(q1_0, 128, 18, 0)
READER(q2_0, 64, 18, 0)
READER(q2_0_128, 128, 34, 0)
READER(iq1_bn, 64, 13, IN_ROW)
READER(iq2_bn, 64, 16, IN_ROW)
