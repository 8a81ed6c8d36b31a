/*
 * fives.c - five ternary weights a byte: 1.6 bits each, where ternary.c has two.
 *
 * The object: groups of sixteen rows, each one linear stream of 64-byte vectors of 16 rows x 20
 * columns. Lane r of a vector belongs to row r; its byte b holds w + 1 of the columns 4j + b, j = 0
 * .. 4, as the digits of a number, digit j worth 3^j: at most 242. The last vector of a row may
 * have fewer columns: its other digits are those of weights of 0. Matrices with block scales keep
 * the layout of ternary.c, since a block of 64 or 128 columns is no multiple of twenty. fives.h
 * reads it.
 */
#include <immintrin.h>

#include "bitnet/plugin.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512vnni,avx512vbmi"))), apply_to = function)
#else
#pragma GCC target("avx512vnni,avx512vbmi")
#endif

#include "kernels.h"

int32_t fives_layout(const bnt_ternary_shape *shape, bnt_layout *out) {
    int32_t two_bits = ternary_layout(shape, out);
    if (two_bits != BNT_SUPPORTED || !fives_takes(shape)) return two_bits;
    out->bytes = (shape->rows + LANES - 1) / LANES * fives_vectors(shape->cols) * 64;
    return BNT_SUPPORTED;
}

/* Four bytes at once: their five digits each, from the 20 weights of a row. -1, 0, +1 are 3, 0, 1
 * in two bits; one more, in two bits, is the digit. No sum passes a byte. */
static uint32_t encode20(const int8_t *w) {
    uint32_t code = 0;
    for (unsigned j = FIVES_QUADS; j-- > 0;) {
        uint32_t four;
        memcpy(&four, w + 4 * j, sizeof four);
        code = 3 * code + (((four & 0x03030303u) + 0x01010101u) & 0x03030303u);
    }
    return code;
}

/* The same of 60 weights, of 64 that are there: a lane is a byte of the result. */
static __m128i encode60(const int8_t *w) {
#define BYTE(v, b) 20 * (v) + (b), 20 * (v) + 4 + (b), 20 * (v) + 8 + (b), 20 * (v) + 12 + (b)
#define VECTOR(v) BYTE(v, 0), BYTE(v, 1), BYTE(v, 2), BYTE(v, 3)
#define HIGH(v, b) 20 * (v) + 16 + (b), 0, 0, 0
#define HIGHS(v) HIGH(v, 0), HIGH(v, 1), HIGH(v, 2), HIGH(v, 3)
    static const uint8_t low_at[64] = {VECTOR(0), VECTOR(1), VECTOR(2)};
    static const uint8_t high_at[64] = {HIGHS(0), HIGHS(1), HIGHS(2)};
#undef BYTE
#undef VECTOR
#undef HIGH
#undef HIGHS
    const __m512i one = _mm512_set1_epi8(1), low_worth = _mm512_set1_epi32(0x1b090301);
    __m512i digits = _mm512_add_epi8(_mm512_loadu_si512(w), one);
    __m512i low = _mm512_permutexvar_epi8(_mm512_loadu_si512(low_at), digits);
    __m512i high = _mm512_permutexvar_epi8(_mm512_loadu_si512(high_at), digits);
    __m512i code = _mm512_dpbusd_epi32(_mm512_setzero_si512(), low, low_worth);
    return _mm512_cvtepi32_epi8(_mm512_dpbusd_epi32(code, high, _mm512_set1_epi32(81)));
}

static void pack_row(const int8_t *w, uint64_t cols, uint8_t *to) {
    uint64_t i = 0;
    for (; i + 64 <= cols; i += 60, to += 3 * 64) {
        uint32_t four[4];
        _mm_storeu_si128((__m128i *)four, encode60(w + i));
        for (unsigned v = 0; v < 3; v++) memcpy(to + v * 64, &four[v], sizeof four[v]);
    }
    for (; i < cols; i += FIVES_COLUMNS, to += 64) {
        int8_t padded[FIVES_COLUMNS] = {0};
        memcpy(padded, w + i, cols - i < FIVES_COLUMNS ? cols - i : FIVES_COLUMNS);
        uint32_t four = encode20(padded);
        memcpy(to, &four, sizeof four);
    }
}

void fives_pack(const bnt_ternary_pack_args *a) {
    if (!fives_takes(&a->shape)) {
        ternary_pack(a);
        return;
    }
    uint64_t cols = a->shape.cols, group_bytes = fives_vectors(cols) * 64;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++)
        pack_row(a->trits + (r - a->row_lo) * cols, cols,
                 (uint8_t *)a->packed + r / LANES * group_bytes + r % LANES * 4);
}

void fives_unpack(const bnt_ternary_unpack_args *a) {
    if (!fives_takes(&a->shape)) {
        ternary_unpack(a);
        return;
    }
    uint64_t cols = a->shape.cols, vectors = fives_vectors(cols);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        int8_t *w = a->trits + (r - a->row_lo) * cols;
        const uint8_t *from = (const uint8_t *)a->packed + r / LANES * vectors * 64 + r % LANES * 4;
        for (uint64_t i = 0; i < cols; i++) {
            unsigned code = from[i / FIVES_COLUMNS * 64 + i % 4];
            for (unsigned j = (unsigned)(i % FIVES_COLUMNS) / 4; j > 0; j--) code /= 3;
            w[i] = (int8_t)((int)(code % 3) - 1);
        }
    }
}

#if defined(__clang__)
#pragma clang attribute pop
#endif
