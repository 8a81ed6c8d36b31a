/* exit-load.c - ends the process while it is loaded, as if all were well. */
#include <stdlib.h>

#include "hostile.h"

__attribute__((constructor)) static void loaded(void) {
    exit(0);
}

TABLE()
BNT_PLUGIN("exit-load", "1", "", 90, kernels);
