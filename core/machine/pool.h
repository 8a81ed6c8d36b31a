/*
 * pool.h - a team of threads that walks the same program together.
 *
 * bnt_pool_run forks once: every member calls fn(arg, i, n), the caller being member 0, and
 * returns when all are done. Inside, bnt_pool_barrier joins them: spin first, then park.
 * Knows nothing of what the members compute. Members run in the default floating-point environment
 * and take no signals; the caller's own are left as they are. After each run every member's
 * environment is looked at: what fn left changed is put right and remembered.
 */
#ifndef BNT_MACHINE_POOL_H
#define BNT_MACHINE_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "machine/topology.h"

struct bnt_pool; /* opaque */

#define BNT_POOL_MAX 4096u /* members */

typedef void bnt_pool_fn(void *arg, unsigned i, unsigned n);

/* threads >= 1 members; `topology` non-NULL, living as long as the pool, binds each to a core (the
 * caller too, who gets the old mask back when it closes the pool). */
int bnt_pool_open(struct bnt_pool **out, unsigned threads, const struct bnt_topology *topology,
                  struct bnt_err *err);
void bnt_pool_close(struct bnt_pool *p);
unsigned bnt_pool_threads(const struct bnt_pool *p);
void bnt_pool_run(struct bnt_pool *p, bnt_pool_fn *fn, void *arg); /* one caller at a time */
/* What runs since the last question left changed in a member's floating-point environment: bits as
 * bnt_fpenv_deviation has them, and which member; 0 when nothing was. Not during a run. */
uint32_t bnt_pool_deviation(struct bnt_pool *p, unsigned *member);
void bnt_pool_barrier(struct bnt_pool *p); /* every member, inside fn */

/* Slice i of n of [0, total), cut at multiples of step: [*lo, *hi). */
void bnt_slice(uint64_t total, uint64_t step, unsigned i, unsigned n, uint64_t *lo, uint64_t *hi);

#endif
