/*
 * mutant.h - plugins with one planted fault each, for the test of the checker.
 *
 * Each source here is a simple kernel set, right when compiled as it is; -DMUTANT_name plants one
 * fault. The list of faults, and the slot that each must be caught in, is the file `list`. What a
 * source does not define comes from ref-scalar.
 */
#ifndef CHECKKERN_MUTANT_H
#define CHECKKERN_MUTANT_H

#include <stdlib.h>

#include "kernels.h"

#if defined(__x86_64__) /* ref-scalar's faster set, where the CPU has what it needs */
#define BASE                                                                                       \
    (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &ref_fma_table : &ref_table)
#else
#define BASE (&ref_table)
#endif

/* A copy of ref-scalar's table with some slots replaced: PLUGIN(own.add = add) */
#define PLUGIN(...)                                                                                \
    static const bnt_kernels *kernels(const bnt_host *host) {                                      \
        static bnt_kernels own;                                                                    \
        (void)host;                                                                                \
        own = *BASE;                                                                               \
        own.variant = "mutant";                                                                    \
        __VA_ARGS__;                                                                               \
        return &own;                                                                               \
    }                                                                                              \
    BNT_PLUGIN("mutant", "1", "", 10, kernels);

/* Dot16 and Sum16's tree, one step at a time. */
static inline float tree16(const float *acc) {
    float s[BNT_LANES];
    memcpy(s, acc, sizeof s);
    return fold16(s);
}

#endif
