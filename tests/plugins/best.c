/* best.c - another good one, of higher priority: chosen before `good`. */
#include "hostile.h"

TABLE(own.variant = "best of all")
BNT_PLUGIN("best", "2.0.0", "", 60, kernels);
