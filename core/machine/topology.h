/*
 * topology.h - cores and memory of the machine, by hwloc, inside our cgroup and affinity mask.
 *
 * The only file that knows hwloc.
 */
#ifndef BNT_MACHINE_TOPOLOGY_H
#define BNT_MACHINE_TOPOLOGY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct bnt_topology; /* opaque */

struct bnt_topology_info {
    unsigned packages, numa_nodes, cores, pus; /* physical cores and hardware threads we may use */
    unsigned quota_cpus;                       /* the cgroup's CPU quota rounded up; 0 for none */
    uint64_t l1d, l2, l3;                      /* bytes; 0 when unknown */
    uint64_t memory;                           /* bytes of the machine (or the cgroup's limit) */
};

int bnt_topology_open(struct bnt_topology **out, struct bnt_err *err);
void bnt_topology_close(struct bnt_topology *t);
const struct bnt_topology_info *bnt_topology_info(const struct bnt_topology *t);

/* Threads to use by default: one per usable physical core, within the quota. */
unsigned bnt_topology_default_threads(const struct bnt_topology *t);

/* Whether memory should lie near the thread that uses it: our cores are on several NUMA nodes. */
bool bnt_topology_places_memory(const struct bnt_topology *t);

/* Binds the calling thread to the core for worker i of n (performance cores first, one thread per
 * core before hardware threads are shared). Returns 0, or a status when binding is impossible. */
int bnt_topology_bind(const struct bnt_topology *t, unsigned i, unsigned n);

#endif
