/*
 * search.c - products of int8 rows and int8 vectors, exact in int32.
 *
 * The object: the rows as they are. What the core does with the sums (core/run/search.c) is not
 * known here.
 */
#include "kernels.h"

int32_t KERNEL(i8_layout)(const bnt_i8_shape *shape, bnt_layout *out) {
    uint64_t bytes;
    if (!shape->rows || !shape->cols || shape->cols > REF_TERNARY_COLS_MAX ||
        __builtin_mul_overflow(shape->rows, shape->cols, &bytes) || bytes > UINT64_MAX / 16)
        return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = 1};
    return BNT_SUPPORTED;
}

void KERNEL(i8_pack)(const bnt_i8_pack_args *a) {
    uint64_t cols = a->shape.cols;
    memcpy((int8_t *)a->packed + a->row_lo * cols, a->w, (a->row_hi - a->row_lo) * cols);
}

void KERNEL(i8_unpack)(const bnt_i8_unpack_args *a) {
    uint64_t cols = a->shape.cols;
    memcpy(a->w, (const int8_t *)a->packed + a->row_lo * cols, (a->row_hi - a->row_lo) * cols);
}

void KERNEL(i8_gemv)(const bnt_i8_gemv_args *a) {
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const int8_t *w = (const int8_t *)a->packed + r * a->shape.cols;
        for (uint32_t v = 0; v < a->vectors; v++) {
            const int8_t *x = a->x + v * a->ldx;
            int32_t d = 0;
            for (uint64_t i = 0; i < a->shape.cols; i++) d += (int16_t)(w[i] * x[i]);
            a->d[v * a->ldd + r] = d;
        }
    }
}
