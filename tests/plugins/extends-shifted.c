/* extends-shifted.c - the product alone, over the layout of `shifted`; good. */
#include "hostile.h"

static void gemm(const bnt_ternary_gemm_args *a) {
    bnt_ternary_gemm_args b = *a;
    b.packed = (const char *)a->packed + 64;
    ref_ternary_gemm(&b);
}

static const bnt_kernels *kernels(const bnt_host *host) {
    static bnt_kernels own;
    own = (bnt_kernels){.struct_size = sizeof own, .variant = "product", .ternary_gemm = gemm};
    return host->abi_minor < 3 ? NULL : &own;
}

BNT_PLUGIN_EXTENDS("extends-shifted", "1", "", 60, kernels, "shifted");
