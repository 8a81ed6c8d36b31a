/*
 * dotprod.c - the integer products once more, for CPUs with dotprod (ARMv8.2 and later).
 *
 * build.mk compiles this file for them; nothing here may run on others.
 */
#define NEON_DOTPROD 1
#define KERNEL(name) dotprod_##name

#include "codes.c"
#include "peak.c"
#include "search.c"
#include "ternary.c"
