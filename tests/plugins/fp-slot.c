/* fp-slot.c - right results, but a kernel leaves another rounding mode behind. */
#include <fenv.h>

#include "hostile.h"

static void rope(const bnt_rope_args *a) {
    ref_rope(a);
    fesetround(FE_DOWNWARD);
}

TABLE(own.rope = rope)
BNT_PLUGIN("fp-slot", "1", "", 90, kernels);
