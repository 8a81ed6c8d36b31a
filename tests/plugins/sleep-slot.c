/* sleep-slot.c - never comes back from a kernel, and sleeps. */
#include <unistd.h>

#include "hostile.h"

static void load(const bnt_kv_load_args *a) {
    ref_kv_load(a);
    for (;;) sleep(100);
}

TABLE(own.kv_load = load)
BNT_PLUGIN("sleep-slot", "1", "", 90, kernels);
