/* needs.c - for another CPU. If any of its code runs, it leaves a file and dies. */
#include <stdio.h>
#include <stdlib.h>

#include "hostile.h"

#if defined(__x86_64__)
#define FOREIGN "sve,avx"
#else
#define FOREIGN "avx2"
#endif

__attribute__((constructor)) static void must_not_run(void) {
    const char *path = getenv("BITNET_TEST_WITNESS");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (f) fclose(f);
    abort();
}

TABLE()
BNT_PLUGIN("needs", "1", FOREIGN, 99, kernels);
