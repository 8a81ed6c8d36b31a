/* lesser-avx2.c - cpu-avx2 as a CPU without AVX-VNNI would choose it: see chosen.h. */
#define CHOOSE_FOR ""
#include "chosen.h"

#include "../../plugins/cpu-avx2/plugin.c"
