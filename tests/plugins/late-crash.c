/* late-crash.c - crashes after hundreds of calls: in the middle of a run. */
#include <stdatomic.h>

#include "hostile.h"

enum { LATE = 200 };

static atomic_uint calls;

static volatile int *volatile nowhere;

static void rmsnorm(const bnt_rmsnorm_args *a) {
    ref_rmsnorm(a);
    if (atomic_fetch_add(&calls, 1) > LATE) *nowhere = 1;
}

TABLE(own.rmsnorm = rmsnorm)
BNT_PLUGIN("late-crash", "1", "", 80, kernels);
