/* extends-wrong.c - the product alone, as if `shifted` had ref-scalar's layout. */
#include "hostile.h"

static const bnt_kernels *kernels(const bnt_host *host) {
    static bnt_kernels own;
    (void)host;
    own = (bnt_kernels){.struct_size = sizeof own, .ternary_gemm = ref_ternary_gemm};
    return &own;
}

BNT_PLUGIN_EXTENDS("extends-wrong", "1", "", 90, kernels, "shifted");
