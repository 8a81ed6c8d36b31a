/* exit-kernels.c - ends the process when it is asked for its kernels, as if all were well. */
#include <stdlib.h>

#include "hostile.h"

TABLE(exit(0))
BNT_PLUGIN("exit-kernels", "1", "", 90, kernels);
