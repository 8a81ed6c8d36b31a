/* half-groups.c - something of every group, nothing whole. */
#include "hostile.h"

TABLE(own.ternary_unpack = NULL, own.dense_gemm = NULL, own.add = NULL, own.attn_merge = NULL)
BNT_PLUGIN("half-groups", "1", "", 90, kernels);
