/* hang-load.c - never comes back from being loaded, and computes all the while. */
#include "hostile.h"

static volatile int stop;

__attribute__((constructor)) static void loaded(void) {
    while (!stop) {
    }
}

TABLE()
BNT_PLUGIN("hang-load", "1", "", 90, kernels);
