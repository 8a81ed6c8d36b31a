/* crash-slot.c - crashes in a kernel. */
#include "hostile.h"

static volatile int *volatile nowhere;

static void quantize(const bnt_act_quantize_args *a) {
    ref_act_quantize(a);
    *nowhere = 1;
}

TABLE(own.act_quantize = quantize)
BNT_PLUGIN("crash-slot", "1", "", 90, kernels);
