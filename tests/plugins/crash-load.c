/* crash-load.c - crashes while it is loaded. */
#include "hostile.h"

static volatile int *volatile nowhere;

__attribute__((constructor)) static void loaded(void) {
    *nowhere = 1;
}

TABLE()
BNT_PLUGIN("crash-load", "1", "", 90, kernels);
