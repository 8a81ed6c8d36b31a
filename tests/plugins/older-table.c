/* older-table.c - as if built when there was only the ternary group; ends in half a pointer. */
#include "hostile.h"

TABLE(own.struct_size = offsetof(bnt_kernels, dense_layout) + 4)
BNT_PLUGIN("older-table", "0.1", "", 50, kernels);
