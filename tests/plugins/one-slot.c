/* one-slot.c - two slots of two groups, good; and one of a third, with a layout that nobody else
 * reads. */
#include "hostile.h"

static bnt_kernels own;

static const bnt_kernels *kernels(const bnt_host *host) {
    (void)host;
    own.struct_size = sizeof own;
    own.variant = "a slot here and there";
    own.ternary_gemm = ref_ternary_gemm;
    own.rope = ref_rope;
    own.attn_chunk = ref_attn_chunk;
    own.dense_layout = ref_dense_layout;
    own.dense_gemm = ref_dense_gemm;
    return &own;
}

BNT_PLUGIN("one-slot", "1", "", 50, kernels);
