/* no-kernels.c - finds no kernel set for this CPU. */
#include "hostile.h"

static const bnt_kernels *kernels(const bnt_host *host) {
    (void)host;
    return NULL;
}

BNT_PLUGIN("no-kernels", "1", "", 90, kernels);
