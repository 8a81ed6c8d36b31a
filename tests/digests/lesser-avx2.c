/* lesser-avx2.c - cpu-avx2 as a CPU without AVX-VNNI would choose it: see lesser.h. */
#include "lesser.h"

#include "../../plugins/cpu-avx2/plugin.c"
