/* lesser-avx512.c - cpu-avx512 as a CPU without VNNI would choose it: see lesser.h. */
#include "lesser.h"

#include "../../plugins/cpu-avx512/plugin.c"
