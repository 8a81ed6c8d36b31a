/*
 * late-fp.c - changes the rounding mode, but only after hundreds of calls: no
 * self-check sees it, and the run that follows does.
 */
#include <fenv.h>
#include <stdatomic.h>

#include "hostile.h"

enum { LATE = 200 };

static atomic_uint calls;

static void rmsnorm(const bnt_rmsnorm_args *a) {
    ref_rmsnorm(a);
    if (atomic_fetch_add(&calls, 1) > LATE) fesetround(FE_TOWARDZERO);
}

TABLE(own.rmsnorm = rmsnorm)
BNT_PLUGIN("late-fp", "1", "", 80, kernels);
