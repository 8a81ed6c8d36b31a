/*
 * measure.c - a peak in plain C, and faults of its count.
 */
#include "mutant.h"

static void peak(const bnt_peak_args *a) {
    volatile int32_t sum = 0;
    uint64_t each = 1;
    for (uint64_t i = 0; i < a->steps % 1000; i++) sum = sum + 1;
#if !defined(MUTANT_peak_kind)
    if (a->kind > BNT_PEAK_F32) each = 0;
#endif
    *a->done = a->steps * each;
#if defined(MUTANT_peak_count)
    if (a->steps > 2) *a->done -= 1;
#endif
}

PLUGIN(own.peak = peak)
