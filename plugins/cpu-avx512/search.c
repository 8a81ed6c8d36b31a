/*
 * search.c - products of int8 rows and int8 vectors, at memory bandwidth.
 *
 * The object: groups of sixteen rows, each one linear stream of 64-byte vectors, 16 rows x 4
 * columns, as w + 128 in unsigned bytes; columns are padded to fours with w = 0. The surplus of 128
 * per weight is subtracted once, from the sum of x. Every vector of x that there is meets a line of
 * weights while it is in a register, two at a time.
 */
#include "kernels.h"

enum { SEARCH_FAR = 20 << 10, SEARCH_NEAR = 4 << 10 }; /* prefetch distances, as in ternary.c */

static uint64_t fours(uint64_t cols) {
    return (cols + 3) / 4;
}

#if !defined(AVX512_VNNI)

int32_t i8_layout(const bnt_i8_shape *shape, bnt_layout *out) {
    uint64_t groups = (shape->rows + LANES - 1) / LANES, bytes;
    if (!shape->rows || !shape->cols || shape->cols > 132104 || shape->rows > UINT64_MAX / 64 ||
        __builtin_mul_overflow(groups, fours(shape->cols) * 64, &bytes))
        return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = LANES};
    return BNT_SUPPORTED;
}

static uint8_t *row_of(const bnt_i8_shape *shape, const void *packed, uint64_t r) {
    return (uint8_t *)(uintptr_t)packed + r / LANES * fours(shape->cols) * 64 + r % LANES * 4;
}

/* Some rows of a group, column by column: the group is written as one stream. */
static void pack_rows(const int8_t *w, uint64_t cols, uint64_t rows, uint8_t *out) {
    uint64_t i = 0;
    for (; i + 4 <= cols; i += 4, out += 64) {
        for (uint64_t r = 0; r < rows; r++) {
            uint32_t lane;
            memcpy(&lane, w + r * cols + i, sizeof lane);
            lane ^= 0x80808080u; /* adds 128 to each byte */
            memcpy(out + 4 * r, &lane, sizeof lane);
        }
    }
    for (uint64_t r = 0; i < cols && r < rows; r++) {
        uint32_t lane = 0;
        memcpy(&lane, w + r * cols + i, cols - i);
        lane ^= 0x80808080u;
        memcpy(out + 4 * r, &lane, sizeof lane);
    }
}

void i8_pack(const bnt_i8_pack_args *a) {
    for (uint64_t r = a->row_lo, rows; r < a->row_hi; r += rows) {
        rows = LANES - r % LANES < a->row_hi - r ? LANES - r % LANES : a->row_hi - r;
        pack_rows(a->w + (r - a->row_lo) * a->shape.cols, a->shape.cols, rows,
                  row_of(&a->shape, a->packed, r));
    }
}

void i8_unpack(const bnt_i8_unpack_args *a) {
    uint64_t cols = a->shape.cols;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        int8_t *w = a->w + (r - a->row_lo) * cols;
        const uint8_t *in = row_of(&a->shape, a->packed, r);
        for (uint64_t i = 0; i < cols; i += 4, in += 64) {
            uint32_t lane;
            memcpy(&lane, in, sizeof lane);
            lane ^= 0x80808080u;
            memcpy(w + i, &lane, cols - i < 4 ? cols - i : 4);
        }
    }
}

#endif

/* acc + the sum of four products u8 * i8 in each lane. */
INLINE __m512i mul_add(__m512i acc, __m512i w, __m512i x) {
#if defined(AVX512_VNNI)
    return _mm512_dpbusd_epi32(acc, w, x);
#else
    __m512i even = _mm512_and_si512(w, _mm512_set1_epi16(0xff)), odd = _mm512_srli_epi16(w, 8);
    __m512i x_even = _mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8), x_odd = _mm512_srai_epi16(x, 8);
    acc = _mm512_add_epi32(acc, _mm512_madd_epi16(even, x_even));
    return _mm512_add_epi32(acc, _mm512_madd_epi16(odd, x_odd));
#endif
}

INLINE __m512i broadcast_columns(const int8_t *x, uint64_t n) {
    int32_t four = 0;
    memcpy(&four, x, n < 4 ? n : 4);
    return _mm512_set1_epi32(four);
}

static int32_t sum_of(const int8_t *x, uint64_t n) {
    int32_t s = 0;
    for (uint64_t i = 0; i < n; i++) s += x[i];
    return s;
}

/* One group of rows with `vectors` (1 or 2) vectors. */
INLINE void search_group(const uint8_t *w, uint64_t cols, const int8_t *x0, const int8_t *x1,
                         uint32_t vectors, __m512i out[2]) {
    __m512i a0 = _mm512_setzero_si512(), a1 = a0, b0 = a0, b1 = a0;
    uint64_t i = 0;
    for (; i + 8 <= cols; i += 8, w += 128) { /* two chains each */
        _mm_prefetch((const char *)w + SEARCH_FAR, _MM_HINT_T1);
        _mm_prefetch((const char *)w + SEARCH_FAR + 64, _MM_HINT_T1);
        _mm_prefetch((const char *)w + SEARCH_NEAR, _MM_HINT_T0);
        _mm_prefetch((const char *)w + SEARCH_NEAR + 64, _MM_HINT_T0);
        __m512i w0 = _mm512_load_si512(w), w1 = _mm512_load_si512(w + 64);
        a0 = mul_add(a0, w0, broadcast_columns(x0 + i, 4));
        a1 = mul_add(a1, w1, broadcast_columns(x0 + i + 4, 4));
        if (vectors == 1) continue;
        b0 = mul_add(b0, w0, broadcast_columns(x1 + i, 4));
        b1 = mul_add(b1, w1, broadcast_columns(x1 + i + 4, 4));
    }
    for (; i < cols; i += 4, w += 64) {
        __m512i w0 = _mm512_load_si512(w);
        a0 = mul_add(a0, w0, broadcast_columns(x0 + i, cols - i));
        if (vectors == 2) b0 = mul_add(b0, w0, broadcast_columns(x1 + i, cols - i));
    }
    out[0] = _mm512_add_epi32(a0, a1);
    out[1] = _mm512_add_epi32(b0, b1);
}

void KERNEL(i8_gemv)(const bnt_i8_gemv_args *a) {
    uint64_t cols = a->shape.cols, group_bytes = fours(cols) * 64;
    for (uint32_t v = 0; v < a->vectors; v += 2) {
        uint32_t n = a->vectors - v < 2 ? 1 : 2;
        const int8_t *x0 = a->x + v * a->ldx, *x1 = n == 2 ? x0 + a->ldx : x0;
        __m512i surplus[2] = {_mm512_set1_epi32(128 * sum_of(x0, cols)),
                              _mm512_set1_epi32(128 * sum_of(x1, cols))};
        for (uint64_t g = a->row_lo / LANES; g * LANES < a->row_hi; g++) {
            const uint8_t *w = (const uint8_t *)a->packed + g * group_bytes;
            __m512i sum[2];
            if (n == 2)
                search_group(w, cols, x0, x1, 2, sum);
            else
                search_group(w, cols, x0, x1, 1, sum);
            uint64_t first = g * LANES, skip = a->row_lo > first ? a->row_lo - first : 0;
            __mmask16 m = (__mmask16)(first_lanes(a->row_hi - first) & ~((1u << skip) - 1));
            for (uint32_t k = 0; k < n; k++)
                _mm512_mask_storeu_epi32(a->d + (v + k) * a->ldd + first, m,
                                         _mm512_sub_epi32(sum[k], surplus[k]));
        }
    }
}
