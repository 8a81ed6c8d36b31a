/*
 * limits.h - what this machine can give to a number of threads: memory (machine/limits.h), and
 * arithmetic, measured through a plugin's own loop over registers (slot `peak`), since the core has
 * no instructions of any CPU.
 */
#ifndef BNT_BENCH_LIMITS_H
#define BNT_BENCH_LIMITS_H

#include "base/err.h"
#include "bitnet/plugin.h"
#include "machine/topology.h"

/* Per second, of all threads together; 0 when not known. */
struct bnt_limits {
    double read_bytes;
    double macs[2]; /* multiply-adds, by BNT_PEAK_* */
};

/* Measures them all and keeps the better figure of each: neighbours only ever take away. For
 * measuring right before and after what is to be judged by them; about a second each time. */
int bnt_limits_raise(struct bnt_limits *limits, const bnt_kernels *k,
                     const struct bnt_topology *topology, unsigned threads, struct bnt_err *err);

/* Multiply-adds per second of `threads` threads together, kind BNT_PEAK_*: the best of a hundred
 * passes of about a millisecond. 0 when the set has no such loop. topology may be NULL. */
int bnt_measure_peak(const bnt_kernels *k, uint32_t kind, const struct bnt_topology *topology,
                     unsigned threads, double *per_second, struct bnt_err *err);

#endif
