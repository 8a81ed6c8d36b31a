/*
 * limits.h - what this machine's memory can give, measured.
 */
#ifndef BNT_MACHINE_LIMITS_H
#define BNT_MACHINE_LIMITS_H

#include "base/err.h"
#include "machine/topology.h"

/* Bytes per second that `threads` threads read together from memory far larger than the caches:
 * each a linear stream of its own, prefetched; the best of a few passes. */
int bnt_measure_read(const struct bnt_topology *topology, unsigned threads, double *bytes_per_s,
                     struct bnt_err *err);

#endif
