/*
 * search.c - products of int8 rows and int8 vectors, at memory bandwidth.
 *
 * The object: groups of sixteen rows, each one linear stream of 64-byte vectors, 16 rows x 4
 * columns; columns are padded to fours with 0. Two vectors of x meet a line of weights while it is
 * in registers.
 *
 * The one idea: products are of unsigned and signed bytes, in four columns at once. With vpdpbusd,
 * which sums in 32 bits, the weights are stored as w + 128 and the surplus is subtracted once, from
 * the sum of x. vpmaddubsw sums pairs in 16 bits, which 255 x 127 twice overflows; but |w| times x
 * with the sign of w is at most 127 x 127 twice, 32258, and is then widened at once. Both read the
 * same object, so w + 128 becomes w again by one operation on its way.
 */
#include "kernels.h"

enum { SEARCH_FAR = 20 << 10, SEARCH_NEAR = 4 << 10 }; /* prefetch distances, as in ternary.c */

static uint64_t fours(uint64_t cols) {
    return (cols + 3) / 4;
}

#if !defined(AVX2_VNNI) /* packing multiplies nothing: once is enough */

int32_t i8_layout(const bnt_i8_shape *shape, bnt_layout *out) {
    uint64_t groups = shape->rows / LANES + (shape->rows % LANES != 0), bytes;
    if (!shape->rows || !shape->cols || shape->cols > SPAN_MAX ||
        __builtin_mul_overflow(groups, fours(shape->cols) * 64, &bytes))
        return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = LANES};
    return BNT_SUPPORTED;
}

/* The first four bytes of row r; the next ones follow every 64. */
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
    int8_t *w = a->w;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++, w += a->shape.cols) {
        const uint8_t *in = row_of(&a->shape, a->packed, r);
        for (uint64_t i = 0; i < a->shape.cols; i += 4, in += 64) {
            uint64_t left = a->shape.cols - i;
            uint32_t lane;
            memcpy(&lane, in, sizeof lane);
            lane ^= 0x80808080u;
            memcpy(w + i, &lane, left < 4 ? left : 4);
        }
    }
}

#endif

/* Eight rows x four columns as the product wants them. */
typedef struct operand {
    __m256i w, magnitude; /* the second without VNNI only */
} operand;

INLINE operand operand_of(const uint8_t *p) {
    __m256i w = _mm256_load_si256((const __m256i *)(const void *)p);
#if defined(AVX2_VNNI)
    return (operand){w, w};
#else
    w = _mm256_xor_si256(w, _mm256_set1_epi8(-128));
    return (operand){w, _mm256_abs_epi8(w)};
#endif
}

INLINE __m256i search_mac(__m256i acc, operand o, __m256i x) {
#if defined(AVX2_VNNI)
    return _mm256_dpbusd_avx_epi32(acc, o.w, x);
#else
    __m256i pairs = _mm256_maddubs_epi16(o.magnitude, _mm256_sign_epi8(x, o.w));
    return _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#endif
}

/* What the sums are too large by. */
static int32_t surplus_of(const int8_t *x, uint64_t n) {
#if defined(AVX2_VNNI)
    int32_t sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += x[i];
    return 128 * sum;
#else
    (void)x, (void)n;
    return 0;
#endif
}

INLINE __m256i broadcast_first(const int8_t *x, uint64_t n) {
    int32_t four = 0;
    memcpy(&four, x, n < 4 ? n : 4);
    return _mm256_set1_epi32(four);
}

/* Sixteen rows x n (1 or 2) vectors. */
INLINE void search_group(const uint8_t *w, uint64_t cols, const int8_t *const x[2],
                         const unsigned n, __m256i d[2][2]) {
    __m256i acc[2][2]; /* [vector][half of the rows] */
    UNROLL(2)
    for (unsigned v = 0; v < n; v++) acc[v][0] = acc[v][1] = _mm256_setzero_si256();
    uint64_t i = 0;
    for (; i + 4 <= cols; i += 4, w += 64) {
        _mm_prefetch((const char *)w + SEARCH_FAR, _MM_HINT_T1);
        _mm_prefetch((const char *)w + SEARCH_NEAR, _MM_HINT_T0);
        operand low = operand_of(w), high = operand_of(w + 32);
        UNROLL(2)
        for (unsigned v = 0; v < n; v++) {
            __m256i four = broadcast_first(x[v] + i, 4);
            acc[v][0] = search_mac(acc[v][0], low, four);
            acc[v][1] = search_mac(acc[v][1], high, four);
        }
    }
    if (i < cols) {
        operand low = operand_of(w), high = operand_of(w + 32);
        UNROLL(2)
        for (unsigned v = 0; v < n; v++) {
            __m256i four = broadcast_first(x[v] + i, cols - i);
            acc[v][0] = search_mac(acc[v][0], low, four);
            acc[v][1] = search_mac(acc[v][1], high, four);
        }
    }
    UNROLL(2)
    for (unsigned v = 0; v < n; v++) d[v][0] = acc[v][0], d[v][1] = acc[v][1];
}

/* Lanes of one half of a group that are rows of the slice. */
INLINE void store_sums(const bnt_i8_gemv_args *a, uint64_t first, int32_t *d, __m256i sum) {
    if (first >= a->row_hi) return;
    __m256i rows = _mm256_andnot_si256(first8(a->row_lo > first ? a->row_lo - first : 0),
                                       first8(a->row_hi - first));
    _mm256_maskstore_epi32(d + first, rows, sum);
}

void KERNEL(i8_gemv)(const bnt_i8_gemv_args *a) {
    uint64_t cols = a->shape.cols, group_bytes = fours(cols) * 64;
    for (uint32_t v = 0; v < a->vectors; v += 2) {
        const unsigned n = a->vectors - v < 2 ? 1 : 2;
        const int8_t *x[2] = {a->x + v * a->ldx, a->x + (v + n - 1) * a->ldx};
        __m256i surplus[2] = {_mm256_set1_epi32(surplus_of(x[0], cols)),
                              _mm256_set1_epi32(surplus_of(x[1], cols))};
        for (uint64_t g = a->row_lo / LANES; g * LANES < a->row_hi; g++) {
            const uint8_t *w = (const uint8_t *)a->packed + g * group_bytes;
            __m256i d[2][2];
            if (n == 2)
                search_group(w, cols, x, 2, d);
            else
                search_group(w, cols, x, 1, d);
            for (unsigned k = 0; k < n; k++) {
                int32_t *out = a->d + (v + k) * a->ldd;
                for (unsigned h = 0; h < 2; h++)
                    store_sums(a, g * LANES + h * HALF, out, _mm256_sub_epi32(d[k][h], surplus[k]));
            }
        }
    }
}
