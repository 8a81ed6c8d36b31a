/*
 * bench.h - how fast each slot is, beside what the machine can give.
 */
#ifndef CHECKKERN_BENCH_H
#define CHECKKERN_BENCH_H

#include <jansson.h>

#include "sets.h"

/* Times the slots of all sets, interleaved; prints a table, or fills *out for --json. */
int ck_bench(const struct ck_sets *sets, const struct ck_options *options, json_t *out);

#endif
