/* rounding.c - its constructor changes the rounding mode. */
#include <fenv.h>

#include "hostile.h"

__attribute__((constructor)) static void round_up(void) {
    fesetround(FE_UPWARD);
}

TABLE()
BNT_PLUGIN("rounding", "1", "", 90, kernels);
