/*
 * fives.h - sums of rows that are packed five weights a byte (fives.c), for CPUs with VBMI.
 *
 * Included by ternary.c only, for one kernel set. The highest digit of a byte is found by two
 * subtractions, 162 and 81, each kept where it does not pass below zero (the smaller of the two as
 * unsigned bytes). What remains, 0 .. 80, is looked up as four codes of two bits at 0, 2, 4 and 6,
 * the layout of ternary.c; what was subtracted is 81 times the highest digit.
 */
#ifndef CPU_AVX512_FIVES_H
#define CPU_AVX512_FIVES_H

#include "panel.h"

static const uint8_t fives_codes[128] = {
#define ONE(high) (high), (high) | 1, (high) | 2
#define TWO(high) ONE(high), ONE((high) | 1 << 2), ONE((high) | 2 << 2)
#define THREE(high) TWO(high), TWO((high) | 1 << 4), TWO((high) | 2 << 4)
    THREE(0), THREE(1 << 6), THREE(2 << 6)};
#undef ONE
#undef TWO
#undef THREE

typedef struct fives {
    __m512i codes[2]; /* the table's two halves */
} fives;

typedef struct digits {
    __m512i low;  /* codes of the four low digits */
    __m512i high; /* 81 times the highest one; its two lowest bits are the digit */
} digits;

INLINE fives fives_table(void) {
    return (fives){{_mm512_loadu_si512(fives_codes), _mm512_loadu_si512(fives_codes + 64)}};
}

INLINE digits digits_of(const fives *f, const uint8_t *codes) {
    __m512i x = _mm512_loadu_si512(codes);
    __m512i rest = _mm512_min_epu8(x, _mm512_sub_epi8(x, _mm512_set1_epi8((char)162)));
    rest = _mm512_min_epu8(rest, _mm512_sub_epi8(rest, _mm512_set1_epi8(81)));
    return (digits){_mm512_permutex2var_epi8(f->codes[0], rest, f->codes[1]),
                    _mm512_sub_epi8(x, rest)};
}

/* Sixteen rows x `count` tokens, from number `first` of the n of a tile, over `quads` x 4 columns:
 * out[token] = sums of (w + 1) q, a token to a register. */
INLINE void fives_stream(const uint8_t *codes, uint64_t quads, const int8_t *q, const unsigned n,
                         const unsigned first, const unsigned count, __m512i out[TILE]) {
    const fives f = fives_table();
    const __m512i mask = _mm512_set1_epi8(3);
    const __m512i masks[4] = {mask, _mm512_slli_epi16(mask, 2), _mm512_slli_epi16(mask, 4),
                              _mm512_slli_epi16(mask, 6)};
    __m512i acc[FIVES_QUADS][STREAM];
    UNROLL for (unsigned j = 0; j < FIVES_QUADS; j++) {
        UNROLL for (unsigned t = 0; t < count; t++) {
            acc[j][t] = _mm512_setzero_si512();
        }
    }
    q += first * 4;
    for (; quads >= FIVES_QUADS; quads -= FIVES_QUADS, codes += 64, q += FIVES_QUADS * n * 4) {
        digits d = digits_of(&f, codes);
        _mm_prefetch((const char *)codes + AHEAD_L2, _MM_HINT_T1);
        _mm_prefetch((const char *)codes + AHEAD_L1, _MM_HINT_T0);
        UNROLL for (unsigned j = 0; j < FIVES_QUADS; j++) {
            __m512i u = j < 4 ? _mm512_and_si512(d.low, masks[j]) : d.high;
            UNROLL for (unsigned t = 0; t < count; t++) {
                acc[j][t] = dot4(acc[j][t], u, broadcast4(q + (j * n + t) * 4));
            }
        }
    }
    __m512i left = quads ? digits_of(&f, codes).low : mask;
    for (unsigned j = 0; j < quads; j++, left = _mm512_srli_epi16(left, 2)) {
        __m512i u = _mm512_and_si512(left, mask);
        UNROLL for (unsigned t = 0; t < count; t++) {
            acc[0][t] = dot4(acc[0][t], u, broadcast4(q + (j * n + t) * 4));
        }
    }
    const __m512i inverse = _mm512_set1_epi32(0x781948b1); /* of 81 modulo 2^32: divides exactly */
    UNROLL for (unsigned t = 0; t < count; t++) {
        __m512i top = _mm512_mullo_epi32(acc[4][t], inverse);
        out[first + t] = _mm512_add_epi32(join4(acc[0][t], acc[1][t], acc[2][t], acc[3][t]), top);
    }
}

/*
 * A panel is opened once, for all its tiles: 80 columns, four vectors of each group, become five
 * vectors of codes of two bits, [5][GROUPS][64]: the low digits of each vector, then the four high
 * ones.
 */
enum { SET = 4, SET_QUADS = SET * FIVES_QUADS, SET_BYTES = FIVES_QUADS * GROUPS * 64 };
enum { FIVES_OPENED = FIVES_WIDEST / (SET_QUADS * 4) * SET_BYTES };
enum { OPENED_TILES = 8 }; /* so many pay for it */

/* One set, of which `vectors` are there. */
INLINE void fives_open_set(const fives *f, const uint8_t *codes, uint64_t group_bytes,
                           const unsigned vectors, uint8_t *to) {
    const __m512i mask = _mm512_set1_epi8(3);
    UNROLL for (unsigned g = 0; g < GROUPS; g++, codes += group_bytes) {
        __m512i high = _mm512_setzero_si512();
        UNROLL for (unsigned v = vectors; v-- > 0;) {
            digits d = digits_of(f, codes + v * 64);
            high = _mm512_or_si512(_mm512_slli_epi16(high, 2), _mm512_and_si512(d.high, mask));
            _mm512_store_si512(to + (v * GROUPS + g) * 64, d.low);
        }
        _mm512_store_si512(to + (SET * GROUPS + g) * 64, high);
        _mm_prefetch((const char *)codes + GROUPS * group_bytes, _MM_HINT_T1);
    }
}

/* The last set of a row. */
static void fives_open_rest(const fives *f, const uint8_t *codes, uint64_t group_bytes,
                            uint64_t quads, uint8_t *to) {
    switch ((quads + FIVES_QUADS - 1) / FIVES_QUADS) {
    case 1: fives_open_set(f, codes, group_bytes, 1, to); break;
    case 2: fives_open_set(f, codes, group_bytes, 2, to); break;
    case 3: fives_open_set(f, codes, group_bytes, 3, to); break;
    default: fives_open_set(f, codes, group_bytes, 4, to); break;
    }
}

/* Opens a whole panel. */
static void fives_open(const uint8_t *codes, uint64_t group_bytes, uint64_t quads, uint8_t *to) {
    const fives f = fives_table();
    for (; quads >= SET_QUADS; quads -= SET_QUADS, codes += SET * 64, to += SET_BYTES)
        fives_open_set(&f, codes, group_bytes, SET, to);
    if (quads) fives_open_rest(&f, codes, group_bytes, quads, to);
}

/* The sums of a panel that is open. */
INLINE void fives_panel(const uint8_t *set, uint64_t quads, const int8_t *q, const unsigned n,
                        __m512i out[GROUPS][TILE]) {
#define PANEL_VECTOR(v)                                                                            \
    PANEL_COLUMNS(set + (v)*GROUPS * 64, 64, 0)                                                    \
    PANEL_COLUMNS(set + (v)*GROUPS * 64, 64, 2)                                                    \
    PANEL_COLUMNS(set + (v)*GROUPS * 64, 64, 4)                                                    \
    PANEL_COLUMNS(set + (v)*GROUPS * 64, 64, 6)                                                    \
    PANEL_COLUMNS(set + SET * GROUPS * 64, 64, 2 * (v))
    const __m512i mask = _mm512_set1_epi8(3);
    clear_panel(n, out);
    PANEL_TOKENS(PANEL_BEGIN)
    for (; quads >= SET_QUADS; quads -= SET_QUADS, set += SET_BYTES) {
        PANEL_VECTOR(0)
        PANEL_VECTOR(1)
        PANEL_VECTOR(2)
        PANEL_VECTOR(3)
    }
    for (unsigned i = 0; i < quads; i++) {
        unsigned v = i / FIVES_QUADS, j = i % FIVES_QUADS;
        const uint8_t *at = set + (j < 4 ? v : SET) * GROUPS * 64;
        __m128i shift = _mm_cvtsi32_si128((int)(2 * (j < 4 ? j : v)));
        PANEL_COLUMNS_BY(_mm512_srl_epi16, at, 64, shift)
    }
    PANEL_TOKENS(PANEL_END)
#undef PANEL_VECTOR
}

/* The same of a panel that is not, a vector of each group at a time: the digits are found between
 * the products, which is quicker for few tiles. */
INLINE void fives_closed_panel(const uint8_t *codes, uint64_t group_bytes, uint64_t quads,
                               const int8_t *q, const unsigned n, __m512i out[GROUPS][TILE]) {
    _Alignas(64) uint8_t low[GROUPS][64], high[GROUPS][64];
    const fives f = fives_table();
    const __m512i mask = _mm512_set1_epi8(3);
    clear_panel(n, out);
    PANEL_TOKENS(PANEL_BEGIN)
    for (; quads >= FIVES_QUADS; quads -= FIVES_QUADS, codes += 64) {
        UNROLL for (unsigned g = 0; g < GROUPS; g++) {
            digits d = digits_of(&f, codes + g * group_bytes);
            _mm_prefetch((const char *)codes + (GROUPS + g) * group_bytes, _MM_HINT_T1);
            _mm512_store_si512(low[g], d.low);
            _mm512_store_si512(high[g], d.high);
        }
        PANEL_COLUMNS(low[0], 64, 0)
        PANEL_COLUMNS(low[0], 64, 2)
        PANEL_COLUMNS(low[0], 64, 4)
        PANEL_COLUMNS(low[0], 64, 6)
        PANEL_COLUMNS(high[0], 64, 0)
    }
    UNROLL for (unsigned g = 0; quads && g < GROUPS; g++) {
        _mm512_store_si512(low[g], digits_of(&f, codes + g * group_bytes).low);
    }
    for (unsigned j = 0; j < quads; j++)
        PANEL_COLUMNS_BY(_mm512_srl_epi16, low[0], 64, _mm_cvtsi32_si128(2 * (int)j))
    PANEL_TOKENS(PANEL_END)
}

/* ng groups of rows, 1 or GROUPS, x n tokens; `opened` is NULL where their panel is not. */
INLINE void fives_dot(const uint8_t *codes, const uint8_t *opened, uint64_t group_bytes,
                      const unsigned ng, uint64_t quads, const int8_t *q, const unsigned n,
                      __m512i out[GROUPS][TILE]) {
    if (ng == GROUPS && opened) {
        fives_panel(opened, quads, q, n, out);
    } else if (ng == GROUPS) {
        fives_closed_panel(codes, group_bytes, quads, q, n, out);
    } else {
        fives_stream(codes, quads, q, n, 0, n < STREAM ? n : STREAM, out[0]);
        if (n > STREAM) fives_stream(codes, quads, q, n, STREAM, n - STREAM, out[0]);
    }
}

#endif
