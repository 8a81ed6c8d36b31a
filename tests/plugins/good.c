/* good.c - a plugin as it should be: accepted. */
#include "hostile.h"

TABLE()
BNT_PLUGIN("good", "1.2.3", "", 40, kernels);
