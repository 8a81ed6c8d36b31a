/*
 * codes.c - products of rows of small codes and int8 vectors, exact in int32.
 *
 * The object: each row by itself, a byte for each code of five bits, or for four of two bits. Code
 * i lies in byte i mod n of the n there are, above the codes i - n, i - 2n and so on: so loops over
 * bytes are plain. What the codes stand for is not known here.
 */
#include "kernels.h"

static uint64_t code_bytes(const bnt_code_shape *s) {
    uint64_t per = 8 / s->bits;
    return s->cols / per + (s->cols % per != 0);
}

int32_t KERNEL(code_layout)(const bnt_code_shape *shape, bnt_layout *out) {
    uint64_t bytes;
    if (shape->bits != 2 && shape->bits != 5) return BNT_NOT_SUPPORTED;
    if (!shape->rows || !shape->cols || shape->cols > REF_TERNARY_COLS_MAX ||
        __builtin_mul_overflow(shape->rows, code_bytes(shape), &bytes) || bytes > UINT64_MAX / 16)
        return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = 1};
    return BNT_SUPPORTED;
}

void KERNEL(code_pack)(const bnt_code_pack_args *a) {
    uint64_t n = code_bytes(&a->shape), cols = a->shape.cols;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *codes = a->codes + (r - a->row_lo) * cols;
        uint8_t *row = (uint8_t *)a->packed + r * n;
        memcpy(row, codes, n);
        for (uint64_t i = n; i < cols; i++)
            row[i % n] = (uint8_t)(row[i % n] | codes[i] << i / n * a->shape.bits);
    }
}

void KERNEL(code_unpack)(const bnt_code_unpack_args *a) {
    uint64_t n = code_bytes(&a->shape), cols = a->shape.cols;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *row = (const uint8_t *)a->packed + r * n;
        uint8_t *codes = a->codes + (r - a->row_lo) * cols;
        for (uint64_t i = 0; i < cols; i++)
            codes[i] = (uint8_t)((uint32_t)row[i % n] >> i / n * a->shape.bits &
                                 ((1u << a->shape.bits) - 1));
    }
}

void KERNEL(code_gemv)(const bnt_code_gemv_args *a) {
    uint64_t n = code_bytes(&a->shape), cols = a->shape.cols;
    uint32_t bits = a->shape.bits;
    uint8_t mask = (uint8_t)((1u << bits) - 1);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *row = (const uint8_t *)a->packed + r * n;
        for (uint32_t v = 0; v < a->vectors; v++) {
            const int8_t *x = a->x + v * a->ldx;
            int32_t d = 0;
            for (uint64_t from = 0, shift = 0; from < cols; from += n, shift += bits) {
                uint64_t here = cols - from < n ? cols - from : n;
                for (uint64_t i = 0; i < here; i++)
                    d += (int16_t)((row[i] >> shift & mask) * x[from + i]);
            }
            a->d[v * a->ldd + r] = d;
        }
    }
}
