/*
 * fma.c - the same kernels once more, for x86-64 CPUs that have the FMA instruction.
 *
 * Baseline x86-64 lacks it, and bnt_fma then costs some twenty instructions. Here the compiler is
 * given AVX2 and FMA for the whole file, and the sources are included unchanged: what is rounded,
 * and where, is written in them, so both sets give the same bytes (the tests compare them).
 */
#if defined(__x86_64__)

#define BNT_FMA_INSTRUCTION 1
#define KERNEL(name) ref_fma_##name
#define REF_VARIANT "fma"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#include "acts.c"
#include "attention.c"
#include "codes.c"
#include "dense.c"
#include "peak.c"
#include "search.c"
#include "table.c"
#include "ternary.c"
#include "vector.c"
#include "window.c"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#else

typedef int ref_fma_not_needed; /* the instruction is in the baseline; C wants a declaration */

#endif
