/*
 * i8mm.c - the ternary product a third time, for CPUs with i8mm (ARMv8.6, some earlier).
 *
 * build.mk compiles this file for them; nothing here may run on others. A single token still goes
 * through dotprod: half of a 2x2 tile would be idle.
 */
#define NEON_DOTPROD 1
#define NEON_I8MM 1
#define KERNEL(name) i8mm_##name

#include "peak.c"
#include "ternary.c"
