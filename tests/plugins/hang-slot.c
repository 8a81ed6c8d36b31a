/* hang-slot.c - never comes back from a kernel, and computes all the while. */
#include "hostile.h"

static volatile int stop;

static void unpack(const bnt_act_unpack_args *a) {
    ref_act_unpack(a);
    while (!stop) {
    }
}

TABLE(own.act_unpack = unpack)
BNT_PLUGIN("hang-slot", "1", "", 90, kernels);
