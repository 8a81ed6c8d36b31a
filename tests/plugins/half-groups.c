/* half-groups.c - something of every group, with layouts of its own that nobody else could read. */
#include "hostile.h"

TABLE(own.ternary_unpack = NULL, own.dense_gemm = NULL, own.kv_load = NULL, own.i8_pack = NULL,
      own.code_pack = NULL, own.rmsnorm = NULL, own.rope = NULL, own.gate = NULL, own.add = NULL,
      own.gate_gelu = NULL, own.attn_window = NULL)
BNT_PLUGIN("half-groups", "1", "", 90, kernels);
