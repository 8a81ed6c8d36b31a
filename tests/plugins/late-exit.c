/* late-exit.c - ends the process, as if all were well, after hundreds of calls: in the middle of a
 * run. */
#include <stdatomic.h>
#include <stdlib.h>

#include "hostile.h"

enum { LATE = 200 };

static atomic_uint calls;

static void rmsnorm(const bnt_rmsnorm_args *a) {
    ref_rmsnorm(a);
    if (atomic_fetch_add(&calls, 1) > LATE) exit(0);
}

TABLE(own.rmsnorm = rmsnorm)
BNT_PLUGIN("late-exit", "1", "", 80, kernels);
