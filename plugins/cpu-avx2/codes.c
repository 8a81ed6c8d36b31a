/*
 * codes.c - products of rows of small codes and int8 vectors, at memory bandwidth.
 *
 * The object: each row by itself, in lines of 64 bytes. Two bits: a line holds 64 columns in the
 * lowest bits of its bytes, the next 64 in the bits above, and so on. Five bits: first lines of 128
 * columns, the low four bits of each in the same manner; then lines of 512, their highest bits. The
 * last line of a kind is padded with 0. So codes become operands by a shift and a mask, a row can
 * be read alone, and two rows share what is loaded of x. A register is half of a
 * line.
 */
#include "kernels.h"

enum {
    CODE_FAR = 20 << 10, /* prefetch distances, as in ternary.c */
    CODE_NEAR = 4 << 10,
    CODE_ROWS = 2,   /* that go through x together */
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

#if !defined(AVX2_VNNI) /* packing multiplies nothing: once is enough */

int32_t code_layout(const bnt_code_shape *shape, bnt_layout *out) {
    uint64_t bytes;
    if (shape->bits != 2 && shape->bits != 5) return BNT_NOT_SUPPORTED;
    if (!shape->rows || !shape->cols || shape->cols > SPAN_MAX ||
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
INLINE __m256i begin_sums(__m256i acc) {
#if defined(AVX2_VNNI)
    return acc;
#else
    (void)acc;
    return _mm256_setzero_si256();
#endif
}

INLINE __m256i add_products(__m256i total, __m256i codes, __m256i x) {
#if defined(AVX2_VNNI)
    return _mm256_dpbusd_avx_epi32(total, codes, x);
#else
    return _mm256_add_epi16(total, _mm256_maddubs_epi16(codes, x));
#endif
}

INLINE __m256i end_sums(__m256i acc, __m256i total) {
#if defined(AVX2_VNNI)
    (void)acc;
    return total;
#else
    return _mm256_add_epi32(acc, _mm256_madd_epi16(total, _mm256_set1_epi16(1)));
#endif
}

INLINE __m256i load_half(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}

INLINE int32_t total_of(__m256i acc) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(acc), _mm256_extracti128_si256(acc, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

/* The bytes of a line, moved right, or left for less than 0, by a few bits within words. */
INLINE __m256i moved(__m256i line, const int bits) {
    switch (bits) {
    case -4: return _mm256_slli_epi16(line, 4);
    case -3: return _mm256_slli_epi16(line, 3);
    case -2: return _mm256_slli_epi16(line, 2);
    case -1: return _mm256_slli_epi16(line, 1);
    case 1: return _mm256_srli_epi16(line, 1);
    case 2: return _mm256_srli_epi16(line, 2);
    case 3: return _mm256_srli_epi16(line, 3);
    case 4: return _mm256_srli_epi16(line, 4);
    case 6: return _mm256_srli_epi16(line, 6);
    default: return line;
    }
}

/* Part `part` of a line of weights: 64 codes of two bits; or of five, for which `top` has the
 * highest bits of part `above`. */
INLINE __m256i line_codes(__m256i line, __m256i top, const unsigned part, const int above,
                          const unsigned bits) {
    if (bits == 2) return _mm256_and_si256(moved(line, (int)part * 2), _mm256_set1_epi8(3));
    __m256i low = _mm256_and_si256(moved(line, (int)part * 4), _mm256_set1_epi8(15));
    return _mm256_or_si256(low, _mm256_and_si256(moved(top, above - 4), _mm256_set1_epi8(16)));
}

/* Half a line of each of some rows times n vectors. */
INLINE void code_half(const uint8_t *w, uint64_t stride, const __m256i *top, const int above,
                      const int8_t *x0, const int8_t *x1, const unsigned rows, const unsigned n,
                      const unsigned bits, __m256i acc[2][CODE_ROWS]) {
    const unsigned parts = bits == 2 ? 4 : 2;
    __m256i line[CODE_ROWS], sum[2][CODE_ROWS];
    UNROLL(4)
    for (unsigned r = 0; r < rows; r++) {
        line[r] = load_half(w + r * stride);
        UNROLL(4)
        for (unsigned v = 0; v < n; v++) sum[v][r] = begin_sums(acc[v][r]);
    }
    UNROLL(4)
    for (unsigned part = 0; part < parts; part++) {
        __m256i first = load_half(x0 + 64 * part), second = first;
        if (n == 2) second = load_half(x1 + 64 * part);
        UNROLL(4)
        for (unsigned r = 0; r < rows; r++) {
            __m256i codes = line_codes(line[r], top[r], part, above + (int)part, bits);
            sum[0][r] = add_products(sum[0][r], codes, first);
            if (n == 2) sum[1][r] = add_products(sum[1][r], codes, second);
        }
    }
    UNROLL(4)
    for (unsigned r = 0; r < rows; r++) {
        UNROLL(4)
        for (unsigned v = 0; v < n; v++) acc[v][r] = end_sums(acc[v][r], sum[v][r]);
    }
}

/* x, and what lies in its last line of weights if that is not whole, padded with 0. */
typedef struct code_x {
    const int8_t *x[2];
    int8_t last[2][PAIRS];
} code_x;

INLINE void fetch(const uint8_t *w, uint64_t stride, const unsigned rows) {
    UNROLL(4)
    for (unsigned r = 0; r < rows; r++) {
        _mm_prefetch((const char *)w + r * stride + CODE_FAR, _MM_HINT_T1);
        _mm_prefetch((const char *)w + r * stride + CODE_NEAR, _MM_HINT_T0);
    }
}

INLINE void code_rows(const bnt_code_gemv_args *a, const code_x *x, uint64_t row, uint32_t v,
                      const unsigned rows, const unsigned n, const unsigned bits,
                      const unsigned stream) {
    const uint64_t stride = row_stride(&a->shape), of = bits == 2 ? PAIRS : NIBBLES;
    const uint64_t whole = a->shape.cols / of, all = lines(a->shape.cols, of);
    const uint8_t *w = (const uint8_t *)a->packed + row * stride, *tops = w + 64 * all;
    __m256i acc[2][CODE_ROWS], top[2][CODE_ROWS];
    UNROLL(4)
    for (unsigned r = 0; r < rows; r++)
        acc[0][r] = acc[1][r] = top[0][r] = top[1][r] = _mm256_setzero_si256();
    for (uint64_t i = 0; i < all; i += 4) { /* four lines have their highest bits in one */
        if (bits == 5) {
            UNROLL(4)
            for (unsigned r = 0; r < rows; r++) {
                top[0][r] = load_half(tops + r * stride + 16 * i);
                top[1][r] = load_half(tops + r * stride + 16 * i + 32);
            }
            if (stream) fetch(tops + 16 * i, stride, rows);
        }
        UNROLL(4)
        for (unsigned k = 0; k < 4; k++) {
            if (i + k >= all) break;
            const int8_t *x0 = i + k < whole ? x->x[0] + (i + k) * of : x->last[0];
            const int8_t *x1 = i + k < whole ? x->x[1] + (i + k) * of : x->last[1];
            if (stream) fetch(w + 64 * (i + k), stride, rows);
            const uint8_t *line = w + 64 * (i + k);
            code_half(line, stride, top[0], (int)(2 * k), x0, x1, rows, n, bits, acc);
            code_half(line + 32, stride, top[1], (int)(2 * k), x0 + 32, x1 + 32, rows, n, bits,
                      acc);
        }
    }
    UNROLL(4)
    for (unsigned r = 0; r < rows; r++) {
        UNROLL(4)
        for (unsigned k = 0; k < n; k++) a->d[(v + k) * a->ldd + row + r] = total_of(acc[k][r]);
    }
}

INLINE void code_slice(const bnt_code_gemv_args *a, const code_x *x, uint32_t v, const unsigned n,
                       const unsigned bits) {
    uint64_t r = a->row_lo;
    if (a->row_hi - r >= CODE_STREAM)
        for (; r + CODE_ROWS <= a->row_hi; r += CODE_ROWS)
            code_rows(a, x, r, v, CODE_ROWS, n, bits, 1);
    for (; r < a->row_hi; r++) code_rows(a, x, r, v, 1, n, bits, 0);
}

void KERNEL(code_gemv)(const bnt_code_gemv_args *a) {
    uint64_t cols = a->shape.cols, left = cols % (a->shape.bits == 2 ? PAIRS : NIBBLES);
    if (a->row_lo >= a->row_hi) return;
    for (uint32_t v = 0; v < a->vectors; v += 2) {
        const unsigned n = a->vectors - v < 2 ? 1 : 2;
        code_x x;
        for (unsigned k = 0; k < 2; k++) {
            x.x[k] = a->x + (v + (k < n ? k : 0)) * a->ldx;
            if (!left) continue;
            memset(x.last[k], 0, sizeof x.last[k]);
            memcpy(x.last[k], x.x[k] + cols - left, left);
        }
        if (a->shape.bits == 5 && n == 2)
            code_slice(a, &x, v, 2, 5);
        else if (a->shape.bits == 5)
            code_slice(a, &x, v, 1, 5);
        else if (n == 2)
            code_slice(a, &x, v, 2, 2);
        else
            code_slice(a, &x, v, 1, 2);
    }
}
