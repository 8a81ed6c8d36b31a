/*
 * bench.h - how fast each slot is, beside what the machine can give.
 */
#ifndef CHECKKERN_BENCH_H
#define CHECKKERN_BENCH_H

#include <jansson.h>

#include "sets.h"

/* Times the slots of all sets, interleaved; prints a table, or fills *out for --json. */
int ck_bench(const struct ck_sets *sets, const struct ck_options *options, json_t *out);

/* Multiply-adds per second of registers alone, on one thread: int8 sums, the best instruction this
 * CPU has and one for each lesser one, by name; and binary32 fma. Returns how many. */
struct ck_peak {
    const char *name;
    double per_second;
};
size_t ck_measure_peaks(struct ck_peak *peaks, size_t max);

#endif
