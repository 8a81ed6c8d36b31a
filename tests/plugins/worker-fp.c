/* worker-fp.c - another rounding mode is left behind, but only on threads of a pool. */
#include <fenv.h>

#include "hostile.h"
#include "worker.h"

static void rmsnorm(const bnt_rmsnorm_args *a) {
    ref_rmsnorm(a);
    if (is_worker()) fesetround(FE_UPWARD);
}

TABLE(own.rmsnorm = rmsnorm)
BNT_PLUGIN("worker-fp", "1", "", 90, kernels);
