/* lesser-avx512.c - cpu-avx512 as a CPU without VNNI would choose it: see chosen.h. */
#define CHOOSE_FOR ""
#include "chosen.h"

#include "../../plugins/cpu-avx512/plugin.c"
