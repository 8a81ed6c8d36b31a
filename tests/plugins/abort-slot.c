/* abort-slot.c - gives up in a kernel: what assert() does. */
#include <stdlib.h>

#include "hostile.h"

static void gate(const bnt_gate_args *a) {
    ref_gate(a);
    abort();
}

TABLE(own.gate = gate)
BNT_PLUGIN("abort-slot", "1", "", 90, kernels);
