/*
 * peak.c - how many multiply-adds plain C gives when nothing has to be loaded.
 *
 * One factor is volatile, so that no compiler works a loop out beforehand.
 */
#include "kernels.h"

enum { SUMS = 64 };

static void int8_steps(uint64_t steps) {
    int16_t w[SUMS];
    int32_t sum[SUMS] = {0}, all = 0;
    volatile int16_t factor = 127;
    for (int i = 0; i < SUMS; i++) w[i] = (int16_t)(i % 3 - 1);
    for (uint64_t s = 0; s < steps; s++) {
        int16_t x = factor;
        for (int i = 0; i < SUMS; i++) sum[i] = (int32_t)((uint32_t)sum[i] + (uint32_t)(w[i] * x));
    }
    for (int i = 0; i < SUMS; i++) all ^= sum[i];
    factor = (int16_t)all;
}

static void f32_steps(uint64_t steps) {
    float sum[SUMS] = {0}, all = 0.0f;
    volatile float factor = 0.0f;
    for (uint64_t s = 0; s < steps; s++) {
        float x = factor;
        for (int i = 0; i < SUMS; i++) sum[i] = bnt_fma(x, x, sum[i]);
    }
    for (int i = 0; i < SUMS; i++) all += sum[i];
    factor = all;
}

void KERNEL(peak)(const bnt_peak_args *a) {
    *a->done = 0;
    if (a->kind == BNT_PEAK_INT8)
        int8_steps(a->steps);
    else if (a->kind == BNT_PEAK_F32)
        f32_steps(a->steps);
    else
        return;
    *a->done = a->steps * SUMS;
}
