/*
 * peak.h - what the arithmetic units of this machine can give, measured through a plugin's own loop
 * over registers (slot `peak`), since the core has no instructions of any CPU.
 */
#ifndef BNT_BENCH_PEAK_H
#define BNT_BENCH_PEAK_H

#include "base/err.h"
#include "bitnet/plugin.h"
#include "machine/topology.h"

/* Multiply-adds per second of `threads` threads together, kind BNT_PEAK_*: the best of a hundred
 * passes of about a millisecond. 0 when the set has no such loop. topology may be NULL. */
int bnt_measure_peak(const bnt_kernels *k, uint32_t kind, const struct bnt_topology *topology,
                     unsigned threads, double *per_second, struct bnt_err *err);

#endif
