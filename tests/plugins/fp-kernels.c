/* fp-kernels.c - kernels() changes the rounding mode. */
#include <fenv.h>

#include "hostile.h"

TABLE(fesetround(FE_TOWARDZERO))
BNT_PLUGIN("fp-kernels", "1", "", 90, kernels);
