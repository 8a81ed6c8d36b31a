/* witness.c - good, of low priority; leaves a file when it is loaded. */
#include <stdio.h>
#include <stdlib.h>

#include "hostile.h"

__attribute__((constructor)) static void loaded(void) {
    const char *path = getenv("BITNET_TEST_WITNESS");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (f) fclose(f);
}

TABLE()
BNT_PLUGIN("witness", "1", "", 10, kernels);
