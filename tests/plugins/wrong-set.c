/* wrong-set.c - a good kernel set, and another one whose product is wrong. */
#include "hostile.h"

static void gemm(const bnt_ternary_gemm_args *a) {
    ref_ternary_gemm(a);
    if (a->row_lo < a->row_hi && a->tok_lo < a->tok_hi) a->y[a->tok_lo * a->ldy + a->row_lo] += 1;
}

static const bnt_kernels *kernels(const bnt_host *host) {
    static bnt_kernels sets[2];
    if (host->set > 1) return NULL;
    bnt_kernels *own = &sets[host->set];
    *own = ref_table;
    own->variant = host->set ? "wrong-one" : "right-one";
    if (host->set) own->ternary_gemm = gemm;
    return own;
}

BNT_PLUGIN("wrong-set", "1", "", 80, kernels);
