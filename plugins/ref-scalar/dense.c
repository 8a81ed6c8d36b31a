/*
 * dense.c - rows of ordinary weights (NUMERICS 5): embeddings, output heads, unquantized matrices.
 *
 * All types are used in place, as they lie in the file, which may be at any address: every load of
 * more than a byte is a memcpy (dense.h). A piece of a row becomes binary32, then Dot16 goes over
 * it.
 */
#include "kernels.h"

/* Columns converted at a time, and who shares them. */
enum { DENSE_PIECE = BNT_DENSE_BLOCK_MAX, DENSE_TOKENS = 8 };

int32_t KERNEL(dense_layout)(const bnt_dense_shape *shape, bnt_layout *out) {
    uint64_t values = bnt_dense_block(shape->type);
    if (!values || !shape->rows || !shape->cols || shape->cols % values) return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){.bytes = 0, .align = 1, .step = 1};
    return BNT_SUPPORTED;
}

/* In place: nothing to do, and the core does not ask. */
void KERNEL(dense_pack)(const bnt_dense_pack_args *a) {
    (void)a;
}

void KERNEL(dense_unpack)(const bnt_dense_unpack_args *a) {
    uint64_t cols = a->shape.cols, bytes = bnt_dense_bytes(a->shape.type, cols);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++)
        bnt_dense_read(a->shape.type, (const uint8_t *)a->w + r * bytes, cols,
                       a->out + (r - a->row_lo) * cols);
}

/* One row times tokens [lo, hi), at most DENSE_TOKENS of them. */
static void dense_row(const bnt_dense_gemm_args *a, uint64_t r, uint64_t lo, uint64_t hi) {
    uint64_t cols = a->shape.cols;
    const uint8_t *row = (const uint8_t *)a->w + r * bnt_dense_bytes(a->shape.type, cols);
    float acc[DENSE_TOKENS][BNT_LANES] = {{0}}, w[DENSE_PIECE];
    for (uint64_t i = 0; i < cols; i += DENSE_PIECE) {
        uint64_t n = cols - i < DENSE_PIECE ? cols - i : DENSE_PIECE;
        bnt_dense_read(a->shape.type, row + bnt_dense_bytes(a->shape.type, i), n, w);
        for (uint64_t t = lo; t < hi; t++) dot16_add(acc[t - lo], w, a->x + t * a->ldx + i, n);
    }
    for (uint64_t t = lo; t < hi; t++) a->y[t * a->ldy + r] = fold16(acc[t - lo]);
}

void KERNEL(dense_gemm)(const bnt_dense_gemm_args *a) {
    for (uint64_t r = a->row_lo; r < a->row_hi; r++)
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t += DENSE_TOKENS)
            dense_row(a, r, t, a->tok_hi - t < DENSE_TOKENS ? a->tok_hi : t + DENSE_TOKENS);
}
