/*
 * limits.h - what this machine can give to a number of threads: memory (machine/limits.h), and
 * arithmetic, measured through a plugin's own loop over registers (slot `peak`), since the core has
 * no instructions of any CPU.
 *
 * A machine that is shared gives less in one second than in the next. So there are two figures: the
 * best that was ever seen, and what there is right now, for measuring just before and after what is
 * to be judged by it.
 */
#ifndef BNT_BENCH_LIMITS_H
#define BNT_BENCH_LIMITS_H

#include "base/err.h"
#include "bitnet/plugin.h"
#include "machine/topology.h"

enum bnt_limit {
    BNT_LIMIT_INT8 = BNT_PEAK_INT8, /* multiply-adds per second */
    BNT_LIMIT_F32 = BNT_PEAK_F32,
    BNT_LIMIT_READ, /* bytes per second */
    BNT_LIMITS,
};

struct bnt_meter; /* opaque: teams of threads, a loop over registers, and memory to read */

/* n_teams teams, of threads[i] members each. k lives as long as the meter; topology too, or it is
 * NULL: the threads, the caller's among them, are not bound. */
int bnt_meter_open(struct bnt_meter **out, const bnt_kernels *k,
                   const struct bnt_topology *topology, const uint32_t *threads, unsigned n_teams,
                   struct bnt_err *err);
/* What a team gets now, all members together: the mean over about a tenth of a second. 0 when the
 * kernels have no such loop. */
double bnt_meter_now(struct bnt_meter *m, unsigned team, enum bnt_limit what);
/* The same for every limit of every team, for what bnt_meter_best will say. */
void bnt_meter_all(struct bnt_meter *m);
/* The best single pass of all measurements so far: neighbours only ever take away. */
double bnt_meter_best(const struct bnt_meter *m, unsigned team, enum bnt_limit what);
void bnt_meter_close(struct bnt_meter *m);

#endif
