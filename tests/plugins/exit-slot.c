/* exit-slot.c - ends the process in a kernel, as if all were well. */
#include <stdlib.h>

#include "hostile.h"

static void add(const bnt_add_args *a) {
    ref_add(a);
    exit(0);
}

TABLE(own.add = add)
BNT_PLUGIN("exit-slot", "1", "", 90, kernels);
