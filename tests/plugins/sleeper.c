/* sleeper.c - never comes back from the product of a large matrix. */
#include <unistd.h>

#include "hostile.h"

static void gemm(const bnt_ternary_gemm_args *a) {
    ref_ternary_gemm(a);
    while (a->shape.rows > 5000) sleep(1);
}

TABLE(own.ternary_gemm = gemm)
BNT_PLUGIN("sleeper", "1", "", 80, kernels);
