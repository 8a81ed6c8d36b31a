/* worker-crash.c - crashes, but only on threads of a pool. */
#include "hostile.h"
#include "worker.h"

static volatile int *volatile nowhere;

static void add(const bnt_add_args *a) {
    ref_add(a);
    if (is_worker()) *nowhere = 1;
}

TABLE(own.add = add)
BNT_PLUGIN("worker-crash", "1", "", 90, kernels);
