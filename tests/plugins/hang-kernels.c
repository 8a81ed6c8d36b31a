/* hang-kernels.c - never comes back when it is asked for its kernels, and computes all the while.
 */
#include "hostile.h"

static volatile int stop;

TABLE(while (!stop){})
BNT_PLUGIN("hang-kernels", "1", "", 90, kernels);
