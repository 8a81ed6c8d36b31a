/*
 * search.c - exact products of an int8 matrix with int8 vectors: where the core looks for the
 * largest logits before it computes them (NUMERICS 5). Compiled by itself and through dotprod.c.
 *
 * The object: groups of sixteen rows, each one linear stream of 64-byte vectors, four columns of
 * every row; columns are padded with zeros to a multiple of 16. So a q register is four rows, as in
 * ternary.c, and one or two vectors go through the stream together. Knows nothing of scales.
 */
#include "kernels.h"

enum { GROUP_ROWS = LANES, AHEAD_BYTES = 2 << 10 };

/* 127 x 127 x cols fits in int32. */
enum { COLS_MAX = 132104 };

INLINE uint64_t padded_cols(const bnt_i8_shape *shape) {
    return (shape->cols + LANES - 1) & ~(uint64_t)(LANES - 1);
}

INLINE int8_t *group_at(const bnt_i8_shape *shape, const void *packed, uint64_t g) {
    return (int8_t *)(uintptr_t)packed + g * GROUP_ROWS * padded_cols(shape);
}

#if !defined(NEON_DOTPROD) /* packing needs no products: once is enough */

int32_t i8_layout(const bnt_i8_shape *shape, bnt_layout *out) {
    if (!shape->rows || !shape->cols || shape->cols > COLS_MAX || shape->rows > UINT64_MAX >> 20)
        return BNT_NOT_SUPPORTED;
    uint64_t groups = (shape->rows + GROUP_ROWS - 1) / GROUP_ROWS;
    *out = (bnt_layout){
        .bytes = groups * GROUP_ROWS * padded_cols(shape), .align = 64, .step = GROUP_ROWS};
    return BNT_SUPPORTED;
}

/* Some rows of a group, column by column: the group is written as one stream. */
static void pack_rows(const int8_t *w, const bnt_i8_shape *shape, uint64_t rows, int8_t *to) {
    uint64_t i = 0;
    for (; i + 4 <= shape->cols; i += 4, to += 64)
        for (uint64_t r = 0; r < rows; r++) memcpy(to + 4 * r, w + r * shape->cols + i, 4);
    for (; i < padded_cols(shape); i += 4, to += 64) {
        for (uint64_t r = 0; r < rows; r++) {
            int8_t four[4] = {0};
            if (i < shape->cols) memcpy(four, w + r * shape->cols + i, shape->cols - i);
            memcpy(to + 4 * r, four, sizeof four);
        }
    }
}

void i8_pack(const bnt_i8_pack_args *a) {
    for (uint64_t r = a->row_lo, rows; r < a->row_hi; r += rows) {
        uint64_t at = r % GROUP_ROWS;
        rows = GROUP_ROWS - at < a->row_hi - r ? GROUP_ROWS - at : a->row_hi - r;
        pack_rows(a->w + (r - a->row_lo) * a->shape.cols, &a->shape, rows,
                  group_at(&a->shape, a->packed, r / GROUP_ROWS) + 4 * at);
    }
}

void i8_unpack(const bnt_i8_unpack_args *a) {
    uint64_t cols = a->shape.cols;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        int8_t *w = a->w + (r - a->row_lo) * cols;
        const int8_t *from = group_at(&a->shape, a->packed, r / GROUP_ROWS) + r % GROUP_ROWS * 4;
        for (uint64_t i = 0; i < cols; i += 4, from += 64)
            memcpy(w + i, from, cols - i < 4 ? cols - i : 4);
    }
}

#endif

/* Sixteen rows x sixteen columns x nv vectors, v[] their values, added to acc[quad][vector]. */
#if defined(NEON_DOTPROD)

typedef int32x4_t sums[QUADS][2];

INLINE void add16(const int8_t *p, const int8x16_t v[2], const unsigned nv, sums acc) {
#pragma GCC unroll 4
    for (unsigned k = 0; k < QUADS; k++) {
        int8x16_t w[4] = {vld1q_s8(p + 16 * k), vld1q_s8(p + 64 + 16 * k),
                          vld1q_s8(p + 128 + 16 * k), vld1q_s8(p + 192 + 16 * k)};
#pragma GCC unroll 2
        for (unsigned j = 0; j < nv; j++) {
            acc[k][j] = vdotq_laneq_s32(acc[k][j], w[0], v[j], 0);
            acc[k][j] = vdotq_laneq_s32(acc[k][j], w[1], v[j], 1);
            acc[k][j] = vdotq_laneq_s32(acc[k][j], w[2], v[j], 2);
            acc[k][j] = vdotq_laneq_s32(acc[k][j], w[3], v[j], 3);
        }
    }
}

INLINE int32x4_t total(int32x4_t acc) {
    return acc;
}

#else

/* Rows 0, 1 and rows 2, 3 of each four, two sums to a row. */
typedef struct half_sums {
    int32x4_t lo, hi;
} half_sums;
typedef half_sums sums[QUADS][2];

/* Two products of at most 127 x 127 fit in an int16 lane; then it is widened. */
INLINE void add8(const int8_t *p, int8x16_t b0, int8x16_t b1, half_sums *acc) {
    int8x16_t w0 = vld1q_s8(p), w1 = vld1q_s8(p + 64);
    int16x8_t lo = vmull_s8(vget_low_s8(w0), vget_low_s8(b0)), hi = vmull_high_s8(w0, b0);
    lo = vmlal_s8(lo, vget_low_s8(w1), vget_low_s8(b1));
    hi = vmlal_high_s8(hi, w1, b1);
    acc->lo = vpadalq_s16(acc->lo, lo);
    acc->hi = vpadalq_s16(acc->hi, hi);
}

INLINE void add16(const int8_t *p, const int8x16_t v[2], const unsigned nv, sums acc) {
#pragma GCC unroll 2
    for (unsigned j = 0; j < nv; j++) {
        int32x4_t words = vreinterpretq_s32_s8(v[j]);
        int8x16_t b0 = vreinterpretq_s8_s32(vdupq_laneq_s32(words, 0));
        int8x16_t b1 = vreinterpretq_s8_s32(vdupq_laneq_s32(words, 1));
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++) add8(p + 16 * k, b0, b1, &acc[k][j]);
        b0 = vreinterpretq_s8_s32(vdupq_laneq_s32(words, 2));
        b1 = vreinterpretq_s8_s32(vdupq_laneq_s32(words, 3));
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++) add8(p + 128 + 16 * k, b0, b1, &acc[k][j]);
    }
}

INLINE int32x4_t total(half_sums acc) {
    return vpaddq_s32(acc.lo, acc.hi);
}

#endif

/* Group g x vectors [v0, v0 + nv); the rows of the slice are written. */
INLINE void search_group(const bnt_i8_gemv_args *a, uint64_t g, uint64_t v0, const unsigned nv) {
    const int8_t *p = group_at(&a->shape, a->packed, g), *x = a->x + v0 * a->ldx;
    uint64_t cols = a->shape.cols, i = 0;
    int8x16_t v[2];
    sums acc;
#pragma GCC unroll 4
    for (unsigned k = 0; k < QUADS; k++)
#pragma GCC unroll 2
        for (unsigned j = 0; j < nv; j++) memset(&acc[k][j], 0, sizeof acc[k][j]);
    for (; i + LANES <= cols; i += LANES, p += LANES * GROUP_ROWS) {
#pragma GCC unroll 2
        for (unsigned j = 0; j < nv; j++) v[j] = vld1q_s8(x + j * a->ldx + i);
#pragma GCC unroll 4
        for (unsigned line = 0; line < 4; line++)
            __builtin_prefetch(p + AHEAD_BYTES + line * (uint64_t)64);
        add16(p, v, nv, acc);
    }
    if (i < cols) {
#pragma GCC unroll 2
        for (unsigned j = 0; j < nv; j++) {
            int8_t rest[LANES] = {0};
            memcpy(rest, x + j * a->ldx + i, cols - i);
            v[j] = vld1q_s8(rest);
        }
        add16(p, v, nv, acc);
    }
    uint64_t first = g * GROUP_ROWS, lo = a->row_lo > first ? a->row_lo - first : 0;
    uint64_t hi = a->row_hi - first < GROUP_ROWS ? a->row_hi - first : GROUP_ROWS;
#pragma GCC unroll 2
    for (unsigned j = 0; j < nv; j++) {
        int32_t rows[GROUP_ROWS];
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++) vst1q_s32(rows + 4 * k, total(acc[k][j]));
        memcpy(a->d + (v0 + j) * a->ldd + first + lo, rows + lo, (hi - lo) * sizeof *rows);
    }
}

void KERNEL(i8_gemv)(const bnt_i8_gemv_args *a) {
    if (a->row_lo >= a->row_hi) return;
    uint64_t end = (a->row_hi + GROUP_ROWS - 1) / GROUP_ROWS;
    for (uint64_t g = a->row_lo / GROUP_ROWS; g < end; g++) {
        uint32_t v = 0;
        for (; a->vectors - v >= 2; v += 2) search_group(a, g, v, 2);
        if (v < a->vectors) search_group(a, g, v, 1);
    }
}
