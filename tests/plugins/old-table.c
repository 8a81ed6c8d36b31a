/* old-table.c - as if built before `attn` was in the table: memory past its end is not a slot. */
#include "hostile.h"

TABLE(own.struct_size = offsetof(bnt_kernels, attn))
BNT_PLUGIN("old-table", "0.9", "", 50, kernels);
