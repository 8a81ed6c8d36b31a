/*
 * fives.c - five ternary weights a byte: 1.6 bits each, where ternary.c has two.
 *
 * The object: groups of sixteen rows, each one linear stream of 64-byte vectors of 16 rows x 20
 * columns. Lane r of a vector belongs to row r; its byte b holds w + 1 of the columns 4j + b, j = 0
 * .. 4, as the digits of a number, digit j worth 3^j: at most 242. The last vector of a row may
 * have fewer columns: its other digits are those of weights of 0. Matrices with block scales keep
 * the layout of ternary.c, since a block of 64 or 128 columns is no multiple of twenty. fives.h
 * reads it.
 */
#include "kernels.h"

int32_t fives_layout(const bnt_ternary_shape *shape, bnt_layout *out) {
    int32_t two_bits = ternary_layout(shape, out);
    if (two_bits != BNT_SUPPORTED || !fives_takes(shape)) return two_bits;
    out->bytes = (shape->rows + LANES - 1) / LANES * fives_vectors(shape->cols) * 64;
    return BNT_SUPPORTED;
}

void fives_pack(const bnt_ternary_pack_args *a) {
    if (!fives_takes(&a->shape)) {
        ternary_pack(a);
        return;
    }
    uint64_t cols = a->shape.cols, vectors = fives_vectors(cols);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const int8_t *w = a->trits + (r - a->row_lo) * cols;
        uint8_t *to = (uint8_t *)a->packed + r / LANES * vectors * 64 + r % LANES * 4;
        for (uint64_t i = 0; i < cols; i += FIVES_COLUMNS, to += 64) {
            int8_t padded[FIVES_COLUMNS] = {0};
            memcpy(padded, w + i, cols - i < FIVES_COLUMNS ? cols - i : FIVES_COLUMNS);
            for (unsigned b = 0; b < 4; b++) {
                unsigned code = 0;
                for (unsigned j = FIVES_QUADS; j-- > 0;)
                    code = 3 * code + (unsigned)(padded[4 * j + b] + 1);
                to[b] = (uint8_t)code;
            }
        }
    }
}

void fives_unpack(const bnt_ternary_unpack_args *a) {
    if (!fives_takes(&a->shape)) {
        ternary_unpack(a);
        return;
    }
    uint64_t cols = a->shape.cols, vectors = fives_vectors(cols);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        int8_t *w = a->trits + (r - a->row_lo) * cols;
        const uint8_t *from = (const uint8_t *)a->packed + r / LANES * vectors * 64 + r % LANES * 4;
        for (uint64_t i = 0; i < cols; i++) {
            unsigned code = from[i / FIVES_COLUMNS * 64 + i % 4];
            for (unsigned j = (unsigned)(i % FIVES_COLUMNS) / 4; j > 0; j--) code /= 3;
            w[i] = (int8_t)((int)(code % 3) - 1);
        }
    }
}
