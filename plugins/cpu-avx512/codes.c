/*
 * codes.c - products of rows of small codes and int8 vectors, at memory bandwidth.
 *
 * The object: each row by itself, in lines of 64 bytes. Two bits: a line holds 64 columns in the
 * lowest bits of its bytes, the next 64 in the bits above, and so on. Five bits: first lines of 128
 * columns, the low four bits of each in the same manner; then lines of 512, their highest bits. The
 * last line of a kind is padded with 0. So codes become operands by a shift and a mask, a row can
 * be read alone, and four rows share what is loaded of x.
 */
#include "kernels.h"

enum {
    CODE_FAR = 20 << 10, /* prefetch distances, as in ternary.c */
    CODE_NEAR = 4 << 10,
    CODE_ROWS = 4,   /* that go through x together */
    CODE_X = 8,      /* vectors that a row's codes are taken apart for at once */
    CODE_STREAM = 16 /* rows of a slice from which on more is fetched than it needs */
};

enum { PAIRS = 256, NIBBLES = 128, TOPS = 512 }; /* columns of a line */

INLINE uint64_t lines(uint64_t cols, uint64_t of) {
    return (cols + of - 1) / of;
}

/* Bytes of a row. */
INLINE uint64_t row_stride(const bnt_code_shape *s) {
    if (s->bits == 2) return 64 * lines(s->cols, PAIRS);
    return 64 * (lines(s->cols, NIBBLES) + lines(s->cols, TOPS));
}

#if !defined(AVX512_VNNI) /* packing multiplies nothing: once is enough */

int32_t code_layout(const bnt_code_shape *shape, bnt_layout *out) {
    uint64_t bytes;
    if (shape->bits != 2 && shape->bits != 5) return BNT_NOT_SUPPORTED;
    if (!shape->rows || !shape->cols || shape->cols > 132104 ||
        __builtin_mul_overflow(shape->rows, row_stride(shape), &bytes) || bytes > UINT64_MAX / 16)
        return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = CODE_ROWS};
    return BNT_SUPPORTED;
}

/* One line: `bits` of each code from bit `from` on; n columns, `of` of them when it is full. */
INLINE void pack_line(const uint8_t *codes, uint64_t n, uint64_t of, unsigned from, unsigned bits,
                      uint8_t *out) {
    uint8_t room[TOPS], line[64] = {0};
    if (n < of) {
        memset(room, 0, sizeof room);
        memcpy(room, codes, n);
        codes = room;
    }
    for (unsigned part = 0; part < of / 64; part++)
        for (unsigned i = 0; i < 64; i++)
            line[i] = (uint8_t)(line[i] | (codes[64 * part + i] >> from & ((1u << bits) - 1))
                                              << part * bits);
    memcpy(out, line, 64);
}

INLINE uint8_t *pack_lines(const uint8_t *codes, uint64_t cols, const uint64_t of, unsigned from,
                           unsigned bits, uint8_t *out) {
    uint64_t i = 0;
    for (; i + of <= cols; i += of, out += 64) pack_line(codes + i, of, of, from, bits, out);
    if (i == cols) return out;
    pack_line(codes + i, cols - i, of, from, bits, out);
    return out + 64;
}

void code_pack(const bnt_code_pack_args *a) {
    uint64_t cols = a->shape.cols, stride = row_stride(&a->shape);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *codes = a->codes + (r - a->row_lo) * cols;
        uint8_t *out = (uint8_t *)a->packed + r * stride;
        if (a->shape.bits == 2) {
            pack_lines(codes, cols, PAIRS, 0, 2, out);
        } else {
            out = pack_lines(codes, cols, NIBBLES, 0, 4, out);
            pack_lines(codes, cols, TOPS, 4, 1, out);
        }
    }
}

INLINE unsigned code_at(const uint8_t *line, uint64_t i, uint64_t of, unsigned bits) {
    return (unsigned)line[i / of * 64 + i % 64] >> i % of / 64 * bits & ((1u << bits) - 1);
}

void code_unpack(const bnt_code_unpack_args *a) {
    uint64_t cols = a->shape.cols, stride = row_stride(&a->shape);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *in = (const uint8_t *)a->packed + r * stride;
        const uint8_t *top = in + 64 * lines(cols, NIBBLES);
        uint8_t *codes = a->codes + (r - a->row_lo) * cols;
        for (uint64_t i = 0; i < cols; i++)
            codes[i] = (uint8_t)(a->shape.bits == 2
                                     ? code_at(in, i, PAIRS, 2)
                                     : code_at(in, i, NIBBLES, 4) | code_at(top, i, TOPS, 1) << 4);
    }
}

#endif

/* Sums of products code * x. Without VNNI those of a line are added in 16 bits first: at most 4 of
 * 31 x 127, or 8 of 3 x 127, in a lane. */
INLINE __m512i begin_sums(__m512i acc) {
#if defined(AVX512_VNNI)
    return acc;
#else
    (void)acc;
    return _mm512_setzero_si512();
#endif
}

INLINE __m512i add_products(__m512i total, __m512i codes, __m512i x) {
#if defined(AVX512_VNNI)
    return _mm512_dpbusd_epi32(total, codes, x);
#else
    return _mm512_add_epi16(total, _mm512_maddubs_epi16(codes, x));
#endif
}

INLINE __m512i end_sums(__m512i acc, __m512i total) {
#if defined(AVX512_VNNI)
    (void)acc;
    return total;
#else
    return _mm512_add_epi32(acc, _mm512_madd_epi16(total, _mm512_set1_epi16(1)));
#endif
}

/* The bytes of a line, moved right, or left for less than 0, by a few bits within words. */
INLINE __m512i moved(__m512i line, const int bits) {
    switch (bits) {
    case -4: return _mm512_slli_epi16(line, 4);
    case -3: return _mm512_slli_epi16(line, 3);
    case -2: return _mm512_slli_epi16(line, 2);
    case -1: return _mm512_slli_epi16(line, 1);
    case 1: return _mm512_srli_epi16(line, 1);
    case 2: return _mm512_srli_epi16(line, 2);
    case 3: return _mm512_srli_epi16(line, 3);
    case 4: return _mm512_srli_epi16(line, 4);
    case 6: return _mm512_srli_epi16(line, 6);
    default: return line;
    }
}

/* Part `part` of a line of weights: 64 codes of two bits; or of five, for which `top` has the
 * highest bits of part `above`. */
INLINE __m512i line_codes(__m512i line, __m512i top, const unsigned part, const int above,
                          const unsigned bits) {
    if (bits == 2) return _mm512_and_si512(moved(line, (int)part * 2), _mm512_set1_epi8(3));
    __m512i low = _mm512_and_si512(moved(line, (int)part * 4), _mm512_set1_epi8(15));
    return _mm512_or_si512(low, _mm512_and_si512(moved(top, above - 4), _mm512_set1_epi8(16)));
}

/* One line of each of some rows times n vectors: its codes are taken apart once for all of them. */
INLINE void code_line(const uint8_t *w, uint64_t stride, const __m512i *top, const int above,
                      const int8_t *const *x, uint64_t at, const unsigned rows, const unsigned n,
                      const unsigned bits, __m512i acc[CODE_X][CODE_ROWS]) {
    const unsigned parts = bits == 2 ? 4 : 2;
    __m512i codes[CODE_ROWS][4];
    UNROLL
    for (unsigned r = 0; r < rows; r++) {
        __m512i line = _mm512_load_si512(w + r * stride);
        UNROLL
        for (unsigned part = 0; part < parts; part++)
            codes[r][part] = line_codes(line, top[r], part, above + (int)part, bits);
    }
    UNROLL
    for (unsigned v = 0; v < n; v++) {
        __m512i values[4];
        UNROLL
        for (unsigned part = 0; part < parts; part++) {
            values[part] = _mm512_loadu_si512(x[v] + at + 64 * part);
            if (n > 2) KEEP(values[part]); /* else it is loaded again for each row */
        }
        UNROLL
        for (unsigned r = 0; r < rows; r++) {
            __m512i sum = begin_sums(acc[v][r]);
            UNROLL
            for (unsigned part = 0; part < parts; part++)
                sum = add_products(sum, codes[r][part], values[part]);
            acc[v][r] = end_sums(acc[v][r], sum);
        }
    }
}

/* Vectors that are multiplied together, and what lies in the last line of weights of each if that
 * is not whole, padded with 0. */
typedef struct code_x {
    const int8_t *x[CODE_X], *end[CODE_X];
    int8_t last[CODE_X][PAIRS];
} code_x;

INLINE void fetch(const uint8_t *w, uint64_t stride, const unsigned rows) {
    UNROLL
    for (unsigned r = 0; r < rows; r++) {
        _mm_prefetch((const char *)w + r * stride + CODE_FAR, _MM_HINT_T1);
        _mm_prefetch((const char *)w + r * stride + CODE_NEAR, _MM_HINT_T0);
    }
}

INLINE void load_tops(const uint8_t *tops, uint64_t stride, const unsigned rows,
                      const unsigned bits, const unsigned stream, __m512i top[CODE_ROWS]) {
    if (bits == 2) return;
    UNROLL
    for (unsigned r = 0; r < rows; r++) top[r] = _mm512_load_si512(tops + r * stride);
    if (stream) fetch(tops, stride, rows);
}

INLINE void code_rows(const bnt_code_gemv_args *a, const code_x *x, uint64_t row, uint32_t v,
                      const unsigned rows, const unsigned n, const unsigned bits,
                      const unsigned stream) {
    const uint64_t stride = row_stride(&a->shape), of = bits == 2 ? PAIRS : NIBBLES;
    const uint64_t whole = a->shape.cols / of, all = lines(a->shape.cols, of);
    const uint8_t *w = (const uint8_t *)a->packed + row * stride, *tops = w + 64 * all;
    __m512i acc[CODE_X][CODE_ROWS], top[CODE_ROWS];
    UNROLL
    for (unsigned r = 0; r < rows; r++) {
        top[r] = _mm512_setzero_si512();
        UNROLL
        for (unsigned k = 0; k < n; k++) acc[k][r] = _mm512_setzero_si512();
    }
    uint64_t i = 0; /* four lines have their highest bits in one */
    for (; i + 4 <= whole; i += 4) {
        load_tops(tops + 16 * i, stride, rows, bits, stream, top);
        UNROLL
        for (unsigned k = 0; k < 4; k++) {
            if (stream) fetch(w + 64 * (i + k), stride, rows);
            code_line(w + 64 * (i + k), stride, top, (int)(2 * k), x->x, (i + k) * of, rows, n,
                      bits, acc);
        }
    }
    if (i < all) load_tops(tops + 16 * i, stride, rows, bits, 0, top);
    UNROLL
    for (unsigned k = 0; k < 4; k++) {
        if (i + k >= all) break;
        const int is_whole = i + k < whole;
        code_line(w + 64 * (i + k), stride, top, (int)(2 * k), is_whole ? x->x : x->end,
                  is_whole ? (i + k) * of : 0, rows, n, bits, acc);
    }
    UNROLL
    for (unsigned r = 0; r < rows; r++) {
        UNROLL
        for (unsigned k = 0; k < n; k++)
            a->d[(v + k) * a->ldd + row + r] = _mm512_reduce_add_epi32(acc[k][r]);
    }
}

INLINE void code_slice(const bnt_code_gemv_args *a, const code_x *x, uint32_t v, const unsigned n,
                       const unsigned bits) {
    const unsigned rows = n == CODE_X ? CODE_ROWS / 2 : CODE_ROWS; /* sums stay in registers */
    uint64_t r = a->row_lo;
    if (a->row_hi - r >= CODE_STREAM)
        for (; r + rows <= a->row_hi; r += rows) code_rows(a, x, r, v, rows, n, bits, 1);
    for (; r < a->row_hi; r++) code_rows(a, x, r, v, 1, n, bits, 0);
}

void KERNEL(code_gemv)(const bnt_code_gemv_args *a) {
    const uint64_t cols = a->shape.cols, left = cols % (a->shape.bits == 2 ? PAIRS : NIBBLES);
    if (a->row_lo >= a->row_hi) return;
    for (uint32_t v = 0, n; v < a->vectors; v += n) {
        code_x x;
        n = a->vectors - v;
        n = n >= CODE_X ? CODE_X : n >= 4 ? 4 : n >= 2 ? 2 : 1;
        for (unsigned k = 0; k < n; k++) {
            x.x[k] = a->x + (v + k) * a->ldx;
            x.end[k] = x.last[k];
            if (!left) continue;
            memset(x.last[k], 0, sizeof x.last[k]);
            memcpy(x.last[k], x.x[k] + cols - left, left);
        }
#define SLICE(n_)                                                                                  \
    case n_: a->shape.bits == 5 ? code_slice(a, &x, v, n_, 5) : code_slice(a, &x, v, n_, 2); break
        switch (n) {
            SLICE(1);
            SLICE(2);
            SLICE(4);
            SLICE(CODE_X);
        }
#undef SLICE
    }
}
