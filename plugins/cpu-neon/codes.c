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
    CODE_AHEAD = 2 << 10,
    CODE_ROWS = 4,   /* that go through x together */
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

#if !defined(NEON_DOTPROD) /* packing multiplies nothing: once is enough */

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

/* Sums of products code * x. Without sdot those of a quarter line are added in 16 bits first: at
 * most 4 of 31 x 127, or 8 of 3 x 127, in a lane. */
#if defined(NEON_DOTPROD)

typedef int32x4_t code_sums;

INLINE code_sums begin_sums(int32x4_t acc) {
    return acc;
}

INLINE code_sums add_products(code_sums total, int8x16_t codes, int8x16_t x) {
    return vdotq_s32(total, codes, x);
}

INLINE int32x4_t end_sums(int32x4_t acc, code_sums total) {
    (void)acc;
    return total;
}

#else

typedef int16x8_t code_sums;

INLINE code_sums begin_sums(int32x4_t acc) {
    (void)acc;
    return vdupq_n_s16(0);
}

INLINE code_sums add_products(code_sums total, int8x16_t codes, int8x16_t x) {
    total = vmlal_s8(total, vget_low_s8(codes), vget_low_s8(x));
    return vmlal_high_s8(total, codes, x);
}

INLINE int32x4_t end_sums(int32x4_t acc, code_sums total) {
    return vpadalq_s16(acc, total);
}

#endif

/* Part `part` of a line of weights: codes of two bits; or of five, for which `top` has the highest
 * bits of part `above`. Shifts go left for more than 0. */
INLINE int8x16_t line_codes(uint8x16_t line, uint8x16_t top, const unsigned part, const int above,
                            const unsigned bits) {
    if (bits == 2)
        return vreinterpretq_s8_u8(
            vandq_u8(vshlq_u8(line, vdupq_n_s8((int8_t)(-2 * (int)part))), vdupq_n_u8(3)));
    uint8x16_t low = vandq_u8(vshlq_u8(line, vdupq_n_s8((int8_t)(-4 * (int)part))), vdupq_n_u8(15));
    uint8x16_t high = vandq_u8(vshlq_u8(top, vdupq_n_s8((int8_t)(4 - above))), vdupq_n_u8(16));
    return vreinterpretq_s8_u8(vorrq_u8(low, high));
}

/* A quarter of a line of each of some rows times n vectors. */
INLINE void code_quarter(const uint8_t *w, uint64_t stride, const uint8x16_t *top, const int above,
                         const int8_t *x0, const int8_t *x1, const unsigned rows, const unsigned n,
                         const unsigned bits, int32x4_t acc[2][CODE_ROWS]) {
    const unsigned parts = bits == 2 ? 4 : 2;
    uint8x16_t line[CODE_ROWS];
    code_sums sum[2][CODE_ROWS];
#pragma GCC unroll 4
    for (unsigned r = 0; r < rows; r++) {
        line[r] = vld1q_u8(w + r * stride);
#pragma GCC unroll 4
        for (unsigned v = 0; v < n; v++) sum[v][r] = begin_sums(acc[v][r]);
    }
#pragma GCC unroll 4
    for (unsigned part = 0; part < parts; part++) {
        int8x16_t first = vld1q_s8(x0 + 64 * part), second = first;
        if (n == 2) second = vld1q_s8(x1 + 64 * part);
#pragma GCC unroll 4
        for (unsigned r = 0; r < rows; r++) {
            int8x16_t codes = line_codes(line[r], top[r], part, above + (int)part, bits);
            sum[0][r] = add_products(sum[0][r], codes, first);
            if (n == 2) sum[1][r] = add_products(sum[1][r], codes, second);
        }
    }
#pragma GCC unroll 4
    for (unsigned r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (unsigned v = 0; v < n; v++) acc[v][r] = end_sums(acc[v][r], sum[v][r]);
    }
}

/* x, and what lies in its last line of weights if that is not whole, padded with 0. */
typedef struct code_x {
    const int8_t *x[2];
    int8_t last[2][PAIRS];
} code_x;

INLINE void fetch(const uint8_t *w, uint64_t stride, const unsigned rows) {
#pragma GCC unroll 4
    for (unsigned r = 0; r < rows; r++) {
        __builtin_prefetch(w + r * stride + CODE_AHEAD);
    }
}

INLINE void code_rows(const bnt_code_gemv_args *a, const code_x *x, uint64_t row, uint32_t v,
                      const unsigned rows, const unsigned n, const unsigned bits,
                      const unsigned stream) {
    const uint64_t stride = row_stride(&a->shape), of = bits == 2 ? PAIRS : NIBBLES;
    const uint64_t whole = a->shape.cols / of, all = lines(a->shape.cols, of);
    const uint8_t *w = (const uint8_t *)a->packed + row * stride, *tops = w + 64 * all;
    int32x4_t acc[2][CODE_ROWS];
    uint8x16_t top[4][CODE_ROWS];
#pragma GCC unroll 4
    for (unsigned r = 0; r < rows; r++) acc[0][r] = acc[1][r] = vdupq_n_s32(0);
    memset(top, 0, sizeof top);
    for (uint64_t i = 0; i < all; i += 4) { /* four lines have their highest bits in one */
        if (bits == 5) {
#pragma GCC unroll 4
            for (unsigned q = 0; q < 4; q++) {
#pragma GCC unroll 4
                for (unsigned r = 0; r < rows; r++)
                    top[q][r] = vld1q_u8(tops + r * stride + 16 * i + 16 * q);
            }
            if (stream) fetch(tops + 16 * i, stride, rows);
        }
#pragma GCC unroll 4
        for (unsigned k = 0; k < 4; k++) {
            if (i + k >= all) break;
            const int8_t *x0 = i + k < whole ? x->x[0] + (i + k) * of : x->last[0];
            const int8_t *x1 = i + k < whole ? x->x[1] + (i + k) * of : x->last[1];
            if (stream) fetch(w + 64 * (i + k), stride, rows);
#pragma GCC unroll 4
            for (unsigned q = 0; q < 4; q++)
                code_quarter(w + 64 * (i + k) + 16 * q, stride, top[q], (int)(2 * k), x0 + 16 * q,
                             x1 + 16 * q, rows, n, bits, acc);
        }
    }
#pragma GCC unroll 4
    for (unsigned r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (unsigned k = 0; k < n; k++) a->d[(v + k) * a->ldd + row + r] = vaddvq_s32(acc[k][r]);
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
