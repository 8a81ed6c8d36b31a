/*
 * dots.h - the integer sums of the ternary product, in three ways to multiply int8.
 *
 * Knows the packed vector of codes (ternary.c) and the activation tile (kernels.h); knows nothing
 * of scales, floats or slices. Sums are of (w + 1) q. NEON_DOTPROD and NEON_I8MM say which way;
 * each offers the same two functions: dot_stream takes one or two tokens through the codes as they
 * lie, dot_tile takes up to eight through codes that unpack_octet has made bytes of, in the operand
 * order of its multiplier.
 */
#ifndef CPU_NEON_DOTS_H
#define CPU_NEON_DOTS_H

#include "kernels.h"

/* How far ahead of the loads a stream is fetched: enough for a memory latency at the bandwidth of
 * one core; not yet measured on hardware. */
enum { AHEAD = 2 << 10 };

enum {
    ROWS = 32,      /* rows of a panel */
    PIECE = 256,    /* its columns unpacked at a time */
    OCTET_STEP = 64 /* unpacked bytes of eight rows x eight columns */
};

/* ---- one or two tokens: the stream kernel ------------------------------------------------- */

/* Of sixteen bytes, four rows: the codes of columns 4j .. 4j + 3, each in a byte of its own. */
INLINE int8x16_t codes_of(uint8x16_t w, const int j) {
    const uint8x16_t mask = vdupq_n_u8(3);
    return vreinterpretq_s8_u8(j == 0   ? vandq_u8(w, mask)
                               : j == 1 ? vandq_u8(vshrq_n_u8(w, 2), mask)
                               : j == 2 ? vandq_u8(vshrq_n_u8(w, 4), mask)
                                        : vshrq_n_u8(w, 6));
}

#if defined(NEON_DOTPROD)

/* Sixteen rows x n tokens (1 or 2) over `vectors` x 16 columns. Codes at 4 and 16 times their value
 * (at most 32) are not shifted down: they go to accumulators of their own, shifted once at the end;
 * the largest sum is 32 x 127 x 132104 / 4, far from overflow. Two tokens would need more of those
 * than there are registers, so there only the first kind is used. */
INLINE void dot_stream(const uint8_t *codes, uint64_t vectors, const int8_t *q, const unsigned n,
                       int32x4_t out[QUADS][2]) {
    const uint8x16_t mask4 = vdupq_n_u8(12), mask16 = vdupq_n_u8(48);
    int32x4_t acc[QUADS][2], acc4[QUADS][2], acc16[QUADS];
#pragma GCC unroll 4
    for (unsigned k = 0; k < QUADS; k++)
        acc[k][0] = acc[k][1] = acc4[k][0] = acc4[k][1] = acc16[k] = vdupq_n_s32(0);
    for (uint64_t i = 0; i < vectors; i++) {
        const uint8_t *p = codes + i * 64;
        int8x16_t v = vld1q_s8(q + i * 16 * n);
        int8x16_t v2 = n == 2 ? vld1q_s8(q + i * 32 + 16) : v;
        __builtin_prefetch(p + AHEAD);
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++) {
            uint8x16_t w = vld1q_u8(p + 16 * k);
            int8x16_t w1 = vreinterpretq_s8_u8(vandq_u8(w, mask4));
            if (n == 1) { /* v: four times four columns */
                int8x16_t w2 = vreinterpretq_s8_u8(vandq_u8(w, mask16));
                acc[k][0] = vdotq_laneq_s32(acc[k][0], codes_of(w, 0), v, 0);
                acc4[k][0] = vdotq_laneq_s32(acc4[k][0], w1, v, 1);
                acc16[k] = vdotq_laneq_s32(acc16[k], w2, v, 2);
                acc[k][0] = vdotq_laneq_s32(acc[k][0], codes_of(w, 3), v, 3);
            } else { /* v: eight columns of each token; v2: the next eight */
                acc[k][0] = vdotq_laneq_s32(acc[k][0], codes_of(w, 0), v, 0);
                acc[k][1] = vdotq_laneq_s32(acc[k][1], codes_of(w, 0), v, 2);
                acc4[k][0] = vdotq_laneq_s32(acc4[k][0], w1, v, 1);
                acc4[k][1] = vdotq_laneq_s32(acc4[k][1], w1, v, 3);
                acc[k][0] = vdotq_laneq_s32(acc[k][0], codes_of(w, 2), v2, 0);
                acc[k][1] = vdotq_laneq_s32(acc[k][1], codes_of(w, 2), v2, 2);
                acc[k][0] = vdotq_laneq_s32(acc[k][0], codes_of(w, 3), v2, 1);
                acc[k][1] = vdotq_laneq_s32(acc[k][1], codes_of(w, 3), v2, 3);
            }
        }
    }
#pragma GCC unroll 4
    for (unsigned k = 0; k < QUADS; k++) {
        out[k][0] = vaddq_s32(acc[k][0], vshrq_n_s32(acc4[k][0], 2));
        out[k][1] = vaddq_s32(acc[k][1], vshrq_n_s32(acc4[k][1], 2));
        out[k][0] = vaddq_s32(out[k][0], vshrq_n_s32(acc16[k], 4));
    }
}

#else

/* The same by widening multiply-adds: int16 lanes take 128 products of at most 254 (32512), that is
 * 32 vectors, before they are widened to int32. */
enum { CALM = 32 };

INLINE int8x16_t four_columns(int8x16_t v, const int j) { /* in the place of each of four rows */
    int32x4_t words = vreinterpretq_s32_s8(v);
    return vreinterpretq_s8_s32(j == 0   ? vdupq_laneq_s32(words, 0)
                                : j == 1 ? vdupq_laneq_s32(words, 1)
                                : j == 2 ? vdupq_laneq_s32(words, 2)
                                         : vdupq_laneq_s32(words, 3));
}

INLINE void dot_stream(const uint8_t *codes, uint64_t vectors, const int8_t *q, const unsigned n,
                       int32x4_t out[QUADS][2]) {
#pragma GCC unroll 4
    for (unsigned k = 0; k < QUADS; k++) out[k][0] = out[k][1] = vdupq_n_s32(0);
    for (uint64_t i0 = 0; i0 < vectors; i0 += CALM) {
        uint64_t end = vectors - i0 < CALM ? vectors : i0 + CALM;
        int16x8_t lo[QUADS][2], hi[QUADS][2]; /* rows 0, 1 and rows 2, 3 of each four */
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++)
            lo[k][0] = lo[k][1] = hi[k][0] = hi[k][1] = vdupq_n_s16(0);
        for (uint64_t i = i0; i < end; i++) {
            const uint8_t *p = codes + i * 64;
            int8x16_t v = vld1q_s8(q + i * 16 * n);
            int8x16_t v2 = n == 2 ? vld1q_s8(q + i * 32 + 16) : v;
            uint8x16_t w[QUADS] = {vld1q_u8(p), vld1q_u8(p + 16), vld1q_u8(p + 32),
                                   vld1q_u8(p + 48)};
            __builtin_prefetch(p + AHEAD);
#pragma GCC unroll 4
            for (int j = 0; j < 4; j++) {
                int8x16_t b = n == 1 ? four_columns(v, j) : four_columns(j < 2 ? v : v2, j % 2);
                int8x16_t b2 = n == 1 ? b : four_columns(j < 2 ? v : v2, 2 + j % 2);
#pragma GCC unroll 4
                for (unsigned k = 0; k < QUADS; k++) {
                    int8x16_t u = codes_of(w[k], j);
                    lo[k][0] = vmlal_s8(lo[k][0], vget_low_s8(u), vget_low_s8(b));
                    hi[k][0] = vmlal_high_s8(hi[k][0], u, b);
                    if (n == 1) continue;
                    lo[k][1] = vmlal_s8(lo[k][1], vget_low_s8(u), vget_low_s8(b2));
                    hi[k][1] = vmlal_high_s8(hi[k][1], u, b2);
                }
            }
        }
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++)
#pragma GCC unroll 2
            for (unsigned t = 0; t < n; t++) {
                int32x4_t four = vpaddq_s32(vpaddlq_s16(lo[k][t]), vpaddlq_s16(hi[k][t]));
                out[k][t] = vaddq_s32(out[k][t], four);
            }
    }
}

#endif

/* ---- more tokens: the panel kernel -------------------------------------------------------- */

/* A piece of eight rows, `vectors` x 16 columns from p on, to bytes. For sdot, per four columns:
 * [8 rows][4]. For the others, per eight columns: [8 rows][8], rows two by two to a register. */
INLINE void unpack_octet(const uint8_t *p, uint64_t vectors, int8_t *to) {
    for (uint64_t i = 0; i < vectors; i++, p += 64, to += 2 * OCTET_STEP) {
        uint8x16_t w[2] = {vld1q_u8(p), vld1q_u8(p + 16)};
#pragma GCC unroll 2
        for (unsigned k = 0; k < 2; k++)
#pragma GCC unroll 2
            for (int j = 0; j < 4; j += 2) {
                int8x16_t first = codes_of(w[k], j), second = codes_of(w[k], j + 1);
                int8_t *at = to + j / 2 * OCTET_STEP;
#if defined(NEON_DOTPROD) && !defined(NEON_I8MM)
                vst1q_s8(at + 16 * k, first);
                vst1q_s8(at + 32 + 16 * k, second);
#else
                int32x4_t left = vreinterpretq_s32_s8(first);
                int32x4_t right = vreinterpretq_s32_s8(second);
                vst1q_s8(at + 32 * k, vreinterpretq_s8_s32(vzip1q_s32(left, right)));
                vst1q_s8(at + 32 * k + 16, vreinterpretq_s8_s32(vzip2q_s32(left, right)));
#endif
            }
    }
}

INLINE void add4(int32_t *sum, int32x4_t d) {
    vst1q_s32(sum, vaddq_s32(vld1q_s32(sum), d));
}

/* Eight rows x np pairs of tokens over `steps` x 8 columns, added to sum[token][ROWS]. q advances
 * by `stride` from one step to the next. */
#if defined(NEON_I8MM)

INLINE void dot_tile(const int8_t *w, const int8_t *q, uint64_t stride, uint64_t steps,
                     const unsigned np, int32_t *sum) {
    int32x4_t acc[4][4]; /* [rows][tokens], two of each: t0 r0, t0 r1, t1 r0, t1 r1 */
#pragma GCC unroll 4
    for (unsigned r = 0; r < 4; r++)
#pragma GCC unroll 4
        for (unsigned t = 0; t < np; t++) acc[r][t] = vdupq_n_s32(0);
    for (uint64_t i = 0; i < steps; i++, w += OCTET_STEP, q += stride) {
        int8x16_t rows[4] = {vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48)};
#pragma GCC unroll 4
        for (unsigned t = 0; t < np; t++) {
            int8x16_t pair = vld1q_s8(q + 16 * t);
#pragma GCC unroll 4
            for (unsigned r = 0; r < 4; r++) acc[r][t] = vmmlaq_s32(acc[r][t], pair, rows[r]);
        }
    }
#pragma GCC unroll 4
    for (unsigned t = 0; t < np; t++)
#pragma GCC unroll 2
        for (unsigned k = 0; k < 2; k++) {
            int64x2_t left = vreinterpretq_s64_s32(acc[2 * k][t]);
            int64x2_t right = vreinterpretq_s64_s32(acc[2 * k + 1][t]);
            int32_t *at = sum + 2 * t * ROWS + 4 * k;
            add4(at, vreinterpretq_s32_s64(vzip1q_s64(left, right)));
            add4(at + ROWS, vreinterpretq_s32_s64(vzip2q_s64(left, right)));
        }
}

#elif defined(NEON_DOTPROD)

INLINE void dot_tile(const int8_t *w, const int8_t *q, uint64_t stride, uint64_t steps,
                     const unsigned np, int32_t *sum) {
    int32x4_t acc[2][TILE];
#pragma GCC unroll 2
    for (unsigned k = 0; k < 2; k++)
#pragma GCC unroll 8
        for (unsigned t = 0; t < 2 * np; t++) acc[k][t] = vdupq_n_s32(0);
    for (uint64_t i = 0; i < steps; i++, w += OCTET_STEP, q += stride) {
        int8x16_t left[2] = {vld1q_s8(w), vld1q_s8(w + 16)};       /* columns 0 .. 3 */
        int8x16_t right[2] = {vld1q_s8(w + 32), vld1q_s8(w + 48)}; /* columns 4 .. 7 */
#pragma GCC unroll 4
        for (unsigned t = 0; t < np; t++) {
            int8x16_t pair = vld1q_s8(q + 16 * t);
#pragma GCC unroll 2
            for (unsigned k = 0; k < 2; k++) {
                acc[k][2 * t] = vdotq_laneq_s32(acc[k][2 * t], left[k], pair, 0);
                acc[k][2 * t + 1] = vdotq_laneq_s32(acc[k][2 * t + 1], left[k], pair, 2);
            }
#pragma GCC unroll 2
            for (unsigned k = 0; k < 2; k++) {
                acc[k][2 * t] = vdotq_laneq_s32(acc[k][2 * t], right[k], pair, 1);
                acc[k][2 * t + 1] = vdotq_laneq_s32(acc[k][2 * t + 1], right[k], pair, 3);
            }
        }
    }
#pragma GCC unroll 8
    for (unsigned t = 0; t < 2 * np; t++)
#pragma GCC unroll 2
        for (unsigned k = 0; k < 2; k++) add4(sum + t * ROWS + 4 * k, acc[k][t]);
}

#else

_Static_assert(PIECE / STEP <= 128, "a piece must not overflow int16 lanes of products <= 254");

/* Two pairs of rows x np (1 or 2) pairs of tokens; multiplying by the pair as it is and swapped
 * gives all four of rows x tokens. */
INLINE void dot_small(const int8_t *w, const int8_t *q, uint64_t stride, uint64_t steps,
                      const unsigned np, int32_t *sum) {
    int16x8_t acc[4][4]; /* [row][token], eight columns to a register */
#pragma GCC unroll 4
    for (unsigned r = 0; r < 4; r++)
#pragma GCC unroll 4
        for (unsigned t = 0; t < 2 * np; t++) acc[r][t] = vdupq_n_s16(0);
    for (uint64_t i = 0; i < steps; i++, w += OCTET_STEP, q += stride) {
        int8x16_t rows[2] = {vld1q_s8(w), vld1q_s8(w + 16)};
#pragma GCC unroll 2
        for (unsigned t = 0; t < 2 * np; t += 2) {
            int8x16_t pair = vld1q_s8(q + 8 * t), swapped = vextq_s8(pair, pair, 8);
#pragma GCC unroll 2
            for (unsigned r = 0; r < 4; r += 2) {
                int8x16_t two = rows[r / 2];
                acc[r][t] = vmlal_s8(acc[r][t], vget_low_s8(two), vget_low_s8(pair));
                acc[r + 1][t + 1] = vmlal_high_s8(acc[r + 1][t + 1], two, pair);
                acc[r][t + 1] = vmlal_s8(acc[r][t + 1], vget_low_s8(two), vget_low_s8(swapped));
                acc[r + 1][t] = vmlal_high_s8(acc[r + 1][t], two, swapped);
            }
        }
    }
#pragma GCC unroll 4
    for (unsigned t = 0; t < 2 * np; t++) {
        int32x4_t r01 = vpaddq_s32(vpaddlq_s16(acc[0][t]), vpaddlq_s16(acc[1][t]));
        int32x4_t r23 = vpaddq_s32(vpaddlq_s16(acc[2][t]), vpaddlq_s16(acc[3][t]));
        add4(sum + t * ROWS, vpaddq_s32(r01, r23));
    }
}

INLINE void dot_tile(const int8_t *w, const int8_t *q, uint64_t stride, uint64_t steps,
                     const unsigned np, int32_t *sum) {
    for (unsigned k = 0; k < 2; k++) {
        if (np >= 2) dot_small(w + 32 * k, q, stride, steps, 2, sum + 4 * k);
        if (np == 4) dot_small(w + 32 * k, q + 32, stride, steps, 2, sum + 4 * ROWS + 4 * k);
        if (np % 2)
            dot_small(w + 32 * k, q + 16 * (np - 1), stride, steps, 1,
                      sum + 2 * (np - 1) * ROWS + 4 * k);
    }
}

#endif

#endif
