/* wide-rows.c - wrong in matrices of more than 5000 rows, from the first product on. */
#include "hostile.h"

static void gemm(const bnt_ternary_gemm_args *a) {
    ref_ternary_gemm(a);
    if (a->shape.rows <= 5000 || a->row_hi < a->shape.rows) return;
    float *y = &a->y[a->tok_lo * a->ldy + a->row_hi - 1];
    *y = bnt_f32_from_bits(bnt_f32_bits(*y) ^ 1);
}

TABLE(own.ternary_gemm = gemm)
BNT_PLUGIN("wide-rows", "1", "", 90, kernels);
