/* vector-only.c - only the vector group, and a part of another, which does not count. */
#include "hostile.h"

static bnt_kernels own;

static const bnt_kernels *kernels(const bnt_host *host) {
    (void)host;
    own.struct_size = sizeof own;
    own.variant = "vectors";
    own.rmsnorm = ref_rmsnorm;
    own.rope = ref_rope;
    own.gate = ref_gate;
    own.add = ref_add;
    own.dense_layout = ref_dense_layout;
    return &own;
}

BNT_PLUGIN("vector-only", "1", "", 50, kernels);
