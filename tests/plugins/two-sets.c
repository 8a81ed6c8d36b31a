/* two-sets.c - two kernel sets for this CPU; the first one computes every product ten times. */
#include "hostile.h"

static void gemm(const bnt_ternary_gemm_args *a) {
    for (int i = 0; i < 10; i++) ref_ternary_gemm(a);
}

static const bnt_kernels *kernels(const bnt_host *host) {
    static bnt_kernels sets[2];
    if (host->set > 1) return NULL;
    bnt_kernels *own = &sets[host->set];
    *own = ref_table;
    own->variant = host->set ? "swift" : "slow";
    if (!host->set) own->ternary_gemm = gemm;
    return own;
}

BNT_PLUGIN("two-sets", "1", "", 80, kernels);
