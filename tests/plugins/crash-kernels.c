/* crash-kernels.c - crashes when it is asked for its kernels. */
#include "hostile.h"

static volatile int *volatile nowhere;

TABLE(*nowhere = 1)
BNT_PLUGIN("crash-kernels", "1", "", 90, kernels);
