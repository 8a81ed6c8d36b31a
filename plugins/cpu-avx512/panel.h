/*
 * panel.h - the integer sums of a panel, 64 rows, with a tile of six tokens: near the integer peak.
 *
 * Included by ternary.c only, once for each kernel set. 24 accumulators stay in registers; for four
 * columns there are four vectors of weights, masked out of the codes, and six broadcasts of
 * activations. Unpacking the weights to bytes beforehand was slower, at any number of tokens.
 */
#ifndef CPU_AVX512_PANEL_H
#define CPU_AVX512_PANEL_H

#include "kernels.h"

enum { GROUPS = 4 }; /* of sixteen rows, in a panel */

/* sum + the products of 16 rows x 4 columns; without VNNI in int16, for up to 256 columns: 64
 * products of u8 <= 2 and i8 pairs are at most 64 x 4 x 127 = 32512. */
INLINE __m512i dot_step(__m512i sum, __m512i w, __m512i q) {
#if defined(AVX512_VNNI)
    return _mm512_dpbusd_epi32(sum, w, q);
#else
    return _mm512_add_epi16(sum, _mm512_maddubs_epi16(w, q));
#endif
}

INLINE __m512i dot_end(__m512i sum) {
#if defined(AVX512_VNNI)
    return sum;
#else
    return _mm512_madd_epi16(sum, _mm512_set1_epi16(1));
#endif
}

/*
 * The accumulators of token t are a<t> .. d<t>, one for each group: variables, since compilers keep
 * an array of them in memory; and without KEEP gcc stores each of them in every round. They use n,
 * q, mask and out of the function they stand in.
 */
#define PANEL_TOKENS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define PANEL_BEGIN(t) __m512i a##t = _mm512_setzero_si512(), b##t = a##t, c##t = a##t, d##t = a##t;
#define PANEL_STEP(t)                                                                              \
    if (t < n) {                                                                                   \
        __m512i x = broadcast4(q + t * 4);                                                         \
        a##t = dot_step(a##t, w0, x);                                                              \
        b##t = dot_step(b##t, w1, x);                                                              \
        c##t = dot_step(c##t, w2, x);                                                              \
        d##t = dot_step(d##t, w3, x);                                                              \
    }
#define PANEL_END(t)                                                                               \
    KEEP(a##t);                                                                                    \
    KEEP(b##t);                                                                                    \
    KEEP(c##t);                                                                                    \
    KEEP(d##t);                                                                                    \
    if (t < n) {                                                                                   \
        out[0][t] = _mm512_add_epi32(out[0][t], dot_end(a##t));                                    \
        out[1][t] = _mm512_add_epi32(out[1][t], dot_end(b##t));                                    \
        out[2][t] = _mm512_add_epi32(out[2][t], dot_end(c##t));                                    \
        out[3][t] = _mm512_add_epi32(out[3][t], dot_end(d##t));                                    \
    }
/* The four columns whose codes are at bit `shift` of each byte; group g's vector is `stride` x g
 * bytes behind `codes`. */
#define PANEL_COLUMNS(codes, stride, shift)                                                        \
    PANEL_COLUMNS_BY(_mm512_srli_epi16, codes, stride, shift)
#define PANEL_COLUMNS_BY(moved, codes, stride, shift)                                              \
    {                                                                                              \
        const uint8_t *from = (codes);                                                             \
        RELOAD(from);                                                                              \
        __m512i w0 = _mm512_and_si512(moved(_mm512_loadu_si512(from), shift), mask);               \
        __m512i w1 = _mm512_and_si512(moved(_mm512_loadu_si512(from + (stride)), shift), mask);    \
        __m512i w2 =                                                                               \
            _mm512_and_si512(moved(_mm512_loadu_si512(from + 2 * (stride)), shift), mask);         \
        __m512i w3 =                                                                               \
            _mm512_and_si512(moved(_mm512_loadu_si512(from + 3 * (stride)), shift), mask);         \
        PANEL_TOKENS(PANEL_STEP)                                                                   \
        q += n * 4;                                                                                \
    }

INLINE void clear_panel(const unsigned n, __m512i out[GROUPS][TILE]) {
    UNROLL for (unsigned g = 0; g < GROUPS; g++) {
        UNROLL for (unsigned t = 0; t < n; t++) {
            out[g][t] = _mm512_setzero_si512();
        }
    }
}

/* out[group][token] += sums of (w + 1) q over `vectors` x 16 columns: q is [columns / 4][n][4], the
 * groups' codes are group_bytes apart. */
INLINE void dot_panel_part(const uint8_t *codes, uint64_t group_bytes, uint64_t vectors,
                           const int8_t *q, const unsigned n, __m512i out[GROUPS][TILE]) {
    const __m512i mask = _mm512_set1_epi8(3);
    PANEL_TOKENS(PANEL_BEGIN)
    for (uint64_t i = 0; i < vectors; i++, codes += 64) {
        UNROLL for (unsigned g = 0; g < GROUPS; g++)
            _mm_prefetch((const char *)codes + (GROUPS + g) * group_bytes, _MM_HINT_T1);
        PANEL_COLUMNS(codes, group_bytes, 0)
        PANEL_COLUMNS(codes, group_bytes, 2)
        PANEL_COLUMNS(codes, group_bytes, 4)
        PANEL_COLUMNS(codes, group_bytes, 6)
    }
    PANEL_TOKENS(PANEL_END)
}

/* out[group][token] = the same for a whole span. */
INLINE void dot_panel(const uint8_t *codes, uint64_t group_bytes, uint64_t vectors, const int8_t *q,
                      const unsigned n, __m512i out[GROUPS][TILE]) {
    clear_panel(n, out);
#if defined(AVX512_VNNI)
    dot_panel_part(codes, group_bytes, vectors, q, n, out);
#else
    for (uint64_t i = 0; i < vectors; i += 16)
        dot_panel_part(codes + i * 64, group_bytes, vectors - i < 16 ? vectors - i : 16,
                       q + i * LANES * n, n, out);
#endif
}

#endif
