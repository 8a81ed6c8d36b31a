/* sleeper.c - never comes back from the product of a large matrix, once it is past the self-check,
 * which never multiplies by five tokens or by eight to sixteen. */
#include <unistd.h>

#include "hostile.h"

static void gemm(const bnt_ternary_gemm_args *a) {
    const uint64_t tokens = a->act_shape.tokens;
    ref_ternary_gemm(a);
    while (a->shape.rows > 5000 && (tokens == 5 || (tokens >= 8 && tokens <= 16))) sleep(1);
}

TABLE(own.ternary_gemm = gemm)
BNT_PLUGIN("sleeper", "1", "", 80, kernels);
