/*
 * clock.h - seconds on a clock that only goes forward, for measuring.
 */
#ifndef BNT_BASE_CLOCK_H
#define BNT_BASE_CLOCK_H

#include <time.h>

static inline double bnt_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
