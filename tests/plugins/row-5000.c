/*
 * row-5000.c - a fault that no self-check sees: from row 5000 on the product is wrong in its last
 * bit, and only once several such large matrices have been packed, as a model does.
 */
#include <stdatomic.h>

#include "hostile.h"

enum { FIRST = 5000, AWAKE = 3 };

static atomic_uint large;

static void pack(const bnt_ternary_pack_args *a) {
    ref_ternary_pack(a);
    if (a->row_hi == a->shape.rows && a->shape.rows > FIRST) atomic_fetch_add(&large, 1);
}

static void gemm(const bnt_ternary_gemm_args *a) {
    ref_ternary_gemm(a);
    if (atomic_load(&large) < AWAKE) return;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        for (uint64_t r = a->row_lo > FIRST ? a->row_lo : FIRST; r < a->row_hi; r++)
            a->y[t * a->ldy + r] = bnt_f32_from_bits(bnt_f32_bits(a->y[t * a->ldy + r]) ^ 1);
}

TABLE(own.ternary_pack = pack, own.ternary_gemm = gemm)
BNT_PLUGIN("row-5000", "1", "", 80, kernels);
