/*
 * lost-token.c - a fault that no self-check sees: the search of a large head does not see its later
 * rows, so that greedy tokens are wrong while every operation of the model is right.
 */
#include "hostile.h"

enum { LARGE = 5000, SEEN = 1000 };

static void gemv(const bnt_code_gemv_args *a) {
    ref_code_gemv(a);
    if (a->shape.rows < LARGE) return;
    for (uint32_t v = 0; v < a->vectors; v++)
        for (uint64_t r = a->row_lo > SEEN ? a->row_lo : SEEN; r < a->row_hi; r++)
            a->d[v * a->ldd + r] = 0;
}

TABLE(own.code_gemv = gemv)
BNT_PLUGIN("lost-token", "1", "", 80, kernels);
