/*
 * panel.h - the integer sums of sixteen rows with a tile of up to six tokens: near the peak.
 *
 * Included by ternary.c only, once for each kernel set. The twelve accumulators, two vectors of
 * weights and two registers of a step are all the sixteen there are.
 */
#ifndef CPU_AVX2_PANEL_H
#define CPU_AVX2_PANEL_H

#include "kernels.h"

/* a, b += four columns of rows 0-7, 8-15 x one token. Written as one piece, it leaves compilers
 * nothing to move and spill. */
#if defined(AVX2_VNNI)
#define MAC_ROWS(a, b, q)                                                                          \
    {                                                                                              \
        __m256i x = broadcast4(q);                                                                 \
        a = mac(a, u0, x);                                                                         \
        b = mac(b, u1, x);                                                                         \
    }
#else
#define MAC_ROWS(a, b, q)                                                                          \
    {                                                                                              \
        __m256i x, t;                                                                              \
        __asm__("vpbroadcastd %[four], %[x]\n\t"                                                   \
                "vpmaddubsw %[x], %[w0], %[t]\n\t"                                                 \
                "vpmaddubsw %[x], %[w1], %[x]\n\t"                                                 \
                "vpaddw %[t], %[sa], %[sa]\n\t"                                                    \
                "vpaddw %[x], %[sb], %[sb]"                                                        \
                : [sa] "+x"(a), [sb] "+x"(b), [x] "=&x"(x), [t] "=&x"(t)                           \
                : [w0] "x"(u0), [w1] "x"(u1), [four] "m"(*(const int8_t(*)[4])(q)));               \
    }
#endif

#define EACH_TOKEN(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define BEGIN(t) __m256i a##t = _mm256_setzero_si256(), b##t = _mm256_setzero_si256();
#define STEP(t)                                                                                    \
    if (t < n) MAC_ROWS(a##t, b##t, q + 4 * t)
#define END(t)                                                                                     \
    KEEP(a##t);                                                                                    \
    KEEP(b##t);                                                                                    \
    if (t < n) {                                                                                   \
        out[t][0] = _mm256_add_epi32(out[t][0], widen(a##t));                                      \
        out[t][1] = _mm256_add_epi32(out[t][1], widen(b##t));                                      \
    }

/*
 * out[token] += sums of (w + 1) q over `vectors` x 16 columns, at most PIECE: bytes are [columns /
 * 4][16 rows][4], q is [columns / 4][n][4]. `next` is what will be read after q. The sums of token
 * t are a<t> and b<t>: variables, since compilers keep arrays of them in memory; KEEP because gcc
 * would store each of them in every round.
 */
INLINE void tile_sums(const uint8_t *bytes, uint64_t vectors, const int8_t *q, const int8_t *next,
                      const unsigned n, __m256i out[TILE][2]) {
    EACH_TOKEN(BEGIN)
    for (const uint8_t *end = bytes + vectors * 4 * VECTOR; bytes != end; next += AHEAD_Q) {
        _mm_prefetch((const char *)next, _MM_HINT_T0);
        UNROLL(4)
        for (unsigned k = 0; k < 4; k++, bytes += VECTOR, q += 4 * n) {
            __m256i u0 = load(bytes), u1 = load(bytes + 32);
            EACH_TOKEN(STEP)
        }
    }
    EACH_TOKEN(END)
}

/* Codes of 32 bytes to bytes w + 1 of four columns. For five and six tokens codes and mask stay in
 * memory: no register is left, and compilers would take one from the sums. */
#define OPEN(u, from, shift)                                                                       \
    __m256i u = _mm256_and_si256(_mm256_srli_epi16(load(from), shift), three);                     \
    if (n > 4)                                                                                     \
    __asm__("vmovdqu %[c], %[w]\n\t"                                                               \
            "vpsrlw $" #shift ", %[w], %[w]\n\t"                                                   \
            "vpand %[m], %[w], %[w]"                                                               \
            : [w] "=x"(u)                                                                          \
            : [c] "m"(*(const uint8_t(*)[32])(from)), [m] "m"(three))
#define COLUMNS(shift)                                                                             \
    {                                                                                              \
        OPEN(u0, codes, shift);                                                                    \
        OPEN(u1, codes + 32, shift);                                                               \
        EACH_TOKEN(STEP)                                                                           \
        q += 4 * n;                                                                                \
    }

/* The same from codes, read as a stream. */
INLINE void stream_sums(const uint8_t *codes, uint64_t vectors, const int8_t *q, const unsigned n,
                        __m256i out[TILE][2]) {
    const __m256i three = _mm256_set1_epi8(3);
    EACH_TOKEN(BEGIN)
    for (const uint8_t *end = codes + vectors * VECTOR; codes != end; codes += VECTOR) {
        _mm_prefetch((const char *)codes + AHEAD_L2, _MM_HINT_T1);
        _mm_prefetch((const char *)codes + AHEAD_L1, _MM_HINT_T0);
        COLUMNS(0)
        COLUMNS(2)
        COLUMNS(4)
        COLUMNS(6)
    }
    EACH_TOKEN(END)
}

#undef OPEN
#undef COLUMNS
#undef EACH_TOKEN
#undef BEGIN
#undef STEP
#undef END
#undef MAC_ROWS

#endif
