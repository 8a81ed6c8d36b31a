/* drop-row.c - the product leaves out the last row of the matrix. */
#include "hostile.h"

static void gemm(const bnt_ternary_gemm_args *a) {
    bnt_ternary_gemm_args part = *a;
    if (part.row_hi == part.shape.rows && part.row_hi > part.row_lo) part.row_hi--;
    ref_ternary_gemm(&part);
}

TABLE(own.ternary_gemm = gemm)
BNT_PLUGIN("drop-row", "1", "", 80, kernels);
