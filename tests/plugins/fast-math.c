/* fast-math.c - good but for being linked with -ffast-math: see plugins.mk. */
#include "hostile.h"

TABLE()
BNT_PLUGIN("fast-math", "1", "", 90, kernels);
