/*
 * ends.h - numbers at the ends of what there is, for fuzzers: a byte chooses one.
 */
#ifndef TEST_ENDS_H
#define TEST_ENDS_H

#include <math.h>
#include <stdint.h>

static inline uint64_t end_of_integers(uint8_t which) {
    static const uint64_t of[] = {0,          1,          2,           0x7f,       0xff, 0xffff,
                                  0x7fffffff, 0xffffffff, 0x100000000, UINT64_MAX, 31,   64};
    return of[which % (sizeof of / sizeof *of)];
}

static inline double end_of_reals(uint8_t which) {
    static const double of[] = {0.0,  -0.0,     1e-45,     6e-20, 1e-5,    -1.0, 1e30,
                                3e38, INFINITY, -INFINITY, NAN,   65504.0, 1.0,  10000.0};
    return of[which % (sizeof of / sizeof *of)];
}

#endif
