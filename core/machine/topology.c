/*
 * topology.c - see topology.h.
 *
 * Must not know what the workers compute. The one idea: hwloc is asked once, when opening, and its
 * answer boiled down to an order of hardware threads: performance cores first, first thread of
 * each core before the second ones. Binding then is a look-up in that order and one system call.
 * What hwloc allows (cpuset of the cgroup) is cut with our affinity mask. Where hwloc has nothing
 * to read (a container without /sys), every CPU of the mask counts as a core of its own.
 */
#include "machine/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <hwloc/glibc-sched.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/sort.h"
#include "machine/cgroup.h"

#define MAX_CPUS 8192u /* mask size offered to the kernel; it needs at least its own */

struct pu {
    unsigned os_index;
    unsigned core;  /* running number, logical order */
    unsigned which; /* 0 for the first usable thread of its core */
    int efficiency; /* hwloc's kind rank: higher is faster */
};

struct bnt_topology {
    struct bnt_topology_info info;
    struct pu *pus;      /* [info.pus] in binding order; the first info.cores are one per core */
    unsigned fast_cores; /* leading cores of the highest efficiency */
    cpu_set_t *usable;   /* all of pus */
    size_t mask_size;    /* bytes of each mask */
    unsigned mask_cpus;
};

static int compare_pus(const void *a, const void *b) {
    const struct pu *x = a, *y = b;
    if (x->which != y->which) return x->which < y->which ? -1 : 1;
    if (x->efficiency != y->efficiency) return x->efficiency > y->efficiency ? -1 : 1;
    return (x->core > y->core) - (x->core < y->core);
}

static uint64_t cache_bytes(hwloc_topology_t hw, hwloc_obj_type_t type) {
    hwloc_obj_t o = hwloc_get_obj_by_type(hw, type, 0);
    return o && o->attr ? o->attr->cache.size : 0;
}

/* Objects of a type that hold at least one usable thread. */
static unsigned count_used(hwloc_topology_t hw, hwloc_obj_type_t type, hwloc_const_cpuset_t set) {
    unsigned n = 0;
    hwloc_obj_t o = NULL;
    while ((o = hwloc_get_next_obj_by_type(hw, type, o)) != NULL) {
        n += o->cpuset && hwloc_bitmap_intersects(o->cpuset, set);
    }
    return n;
}

/* Whether the kernel describes our first CPU. hwloc complains on stderr when it does not. */
static bool described(const struct bnt_topology *t) {
    static const char *const places[] = {"/sys/devices/system/cpu", "/sys/bus/cpu/devices"};
    unsigned cpu = 0;
    while (cpu < t->mask_cpus && !CPU_ISSET_S(cpu, t->mask_size, t->usable)) cpu++;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/cpu%u/topology", places[i], cpu);
        if (access(path, R_OK) == 0) return true;
    }
    return false;
}

/* Fills t->pus from hwloc; leaves info.pus at 0 when hwloc cannot tell. */
static int ask_hwloc(struct bnt_topology *t, struct bnt_err *err) {
    hwloc_topology_t hw = NULL;
    hwloc_bitmap_t set = NULL;
    int status = BNT_OK;
    unsigned n = 0, cores = 0;

    if (!described(t) || hwloc_topology_init(&hw) != 0) return BNT_OK;
    if (hwloc_topology_load(hw) != 0) goto out;
    set = hwloc_bitmap_alloc();
    if (!set) {
        status = bnt_fail_nomem(err, "a CPU set", sizeof(cpu_set_t));
        goto out;
    }
    if (hwloc_cpuset_from_glibc_sched_affinity(hw, set, t->usable, t->mask_size) != 0) goto out;
    hwloc_bitmap_and(set, set, hwloc_topology_get_allowed_cpuset(hw));
    int weight = hwloc_bitmap_weight(set);
    if (weight <= 0) goto out;
    t->pus = calloc((size_t)weight, sizeof *t->pus);
    if (!t->pus) {
        status = bnt_fail_nomem(err, "the list of CPUs", (size_t)weight * sizeof *t->pus);
        goto out;
    }
    hwloc_obj_t o = NULL, last_core = NULL;
    unsigned which = 0;
    while ((o = hwloc_get_next_obj_by_type(hw, HWLOC_OBJ_PU, o)) != NULL && n < (unsigned)weight) {
        if (o->os_index >= t->mask_cpus || !hwloc_bitmap_isset(set, o->os_index)) continue;
        hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(hw, HWLOC_OBJ_CORE, o);
        bool first = !core || core != last_core; /* PUs come core by core in logical order */
        which = first ? 0 : which + 1;
        cores += first;
        last_core = core;
        int kind = hwloc_cpukinds_get_by_cpuset(hw, o->cpuset, 0);
        int efficiency = 0;
        if (kind >= 0) {
            hwloc_cpukinds_get_info(hw, (unsigned)kind, NULL, &efficiency, NULL, NULL, 0);
        }
        t->pus[n++] = (struct pu){o->os_index, cores - 1, which, efficiency};
    }
    t->info.pus = n;
    t->info.cores = cores;
    t->info.packages = count_used(hw, HWLOC_OBJ_PACKAGE, set);
    t->info.numa_nodes = count_used(hw, HWLOC_OBJ_NUMANODE, set);
    t->info.l1d = cache_bytes(hw, HWLOC_OBJ_L1CACHE);
    t->info.l2 = cache_bytes(hw, HWLOC_OBJ_L2CACHE);
    t->info.l3 = cache_bytes(hw, HWLOC_OBJ_L3CACHE);
    t->info.memory = hwloc_get_root_obj(hw)->total_memory;
out:
    hwloc_bitmap_free(set);
    hwloc_topology_destroy(hw);
    return status;
}

/* Without hwloc: each CPU of the affinity mask is a core. */
static int ask_affinity(struct bnt_topology *t, struct bnt_err *err) {
    unsigned n = 0, weight = (unsigned)CPU_COUNT_S(t->mask_size, t->usable);
    free(t->pus);
    t->pus = calloc(weight ? weight : 1, sizeof *t->pus);
    if (!t->pus) return bnt_fail_nomem(err, "the list of CPUs", weight * sizeof *t->pus);
    for (unsigned i = 0; i < t->mask_cpus && n < weight; i++) {
        if (!CPU_ISSET_S(i, t->mask_size, t->usable)) continue;
        t->pus[n] = (struct pu){i, n, 0, 0};
        n++;
    }
    if (n == 0) n = 1; /* affinity unknown: CPU 0, which binding will find out about */
    t->info.pus = t->info.cores = n;
    return BNT_OK;
}

static void add_limits(struct bnt_topology *t) {
    struct bnt_cgroup group;
    struct bnt_topology_info *info = &t->info;
    bnt_cgroup_read(&group, "/sys/fs/cgroup", "/proc/self/cgroup");
    info->quota_cpus = group.quota_cpus;
    if (info->memory == 0) {
        long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
        if (pages > 0 && page > 0) info->memory = (uint64_t)pages * (uint64_t)page;
    }
    if (group.memory && (info->memory == 0 || group.memory < info->memory)) {
        info->memory = group.memory;
    }
    if (info->packages == 0) info->packages = 1;
    if (info->numa_nodes == 0) info->numa_nodes = 1;
}

int bnt_topology_open(struct bnt_topology **out, struct bnt_err *err) {
    int status = BNT_OK;
    *out = NULL;
    struct bnt_topology *t = calloc(1, sizeof *t);
    if (!t) return bnt_fail_nomem(err, "the topology", sizeof *t);
    t->mask_cpus = MAX_CPUS;
    t->mask_size = CPU_ALLOC_SIZE(MAX_CPUS);
    t->usable = CPU_ALLOC(MAX_CPUS);
    if (!t->usable) {
        status = bnt_fail_nomem(err, "a CPU mask", t->mask_size);
        goto out;
    }
    CPU_ZERO_S(t->mask_size, t->usable);
    if (sched_getaffinity(0, t->mask_size, t->usable) == 0) {
        status = ask_hwloc(t, err);
        if (status != BNT_OK) goto out;
    }
    if (t->info.pus == 0) {
        status = ask_affinity(t, err);
        if (status != BNT_OK) goto out;
    }
    bnt_sort(t->pus, t->info.pus, sizeof *t->pus, compare_pus);
    CPU_ZERO_S(t->mask_size, t->usable);
    for (unsigned i = 0; i < t->info.pus; i++) {
        CPU_SET_S(t->pus[i].os_index, t->mask_size, t->usable);
    }
    while (t->fast_cores < t->info.cores &&
           t->pus[t->fast_cores].efficiency == t->pus[0].efficiency) {
        t->fast_cores++;
    }
    add_limits(t);
    *out = t;
out:
    if (status != BNT_OK) bnt_topology_close(t);
    return status;
}

void bnt_topology_close(struct bnt_topology *t) {
    if (!t) return;
    CPU_FREE(t->usable);
    free(t->pus);
    free(t);
}

const struct bnt_topology_info *bnt_topology_info(const struct bnt_topology *t) {
    return &t->info;
}

unsigned bnt_topology_default_threads(const struct bnt_topology *t) {
    unsigned n = t->info.cores;
    if (t->info.quota_cpus && t->info.quota_cpus < n) n = t->info.quota_cpus;
    return n ? n : 1;
}

bool bnt_topology_places_memory(const struct bnt_topology *t) {
    return t->info.numa_nodes > 1;
}

/* Which core worker i of n gets, n <= cores. Workers of one speed are spread evenly over the cores
 * of that speed, in rising order: they reach every package and cache, and neighbours in the
 * partition stay neighbours in the machine. */
static unsigned core_of(const struct bnt_topology *t, unsigned i, unsigned n) {
    unsigned fast = t->fast_cores, slow = t->info.cores - fast;
    if (n <= fast) return (unsigned)((uint64_t)i * fast / n);
    if (i < fast) return i;
    return fast + (unsigned)((uint64_t)(i - fast) * slow / (n - fast));
}

int bnt_topology_bind(const struct bnt_topology *t, unsigned i, unsigned n) {
    int status = BNT_OK;
    if (n == 0 || i >= n) return BNT_E_USAGE;
    cpu_set_t *mask = CPU_ALLOC(t->mask_cpus);
    if (!mask) return BNT_E_NOMEM;
    CPU_ZERO_S(t->mask_size, mask);
    if (n <= t->info.cores) { /* any thread of its core */
        unsigned core = t->pus[core_of(t, i, n)].core;
        for (unsigned k = 0; k < t->info.pus; k++) {
            if (t->pus[k].core == core) CPU_SET_S(t->pus[k].os_index, t->mask_size, mask);
        }
    } else if (n <= t->info.pus) {
        CPU_SET_S(t->pus[i].os_index, t->mask_size, mask);
    } else { /* more workers than hardware threads: the scheduler shares them out best */
        CPU_OR_S(t->mask_size, mask, mask, t->usable);
    }
    if (pthread_setaffinity_np(pthread_self(), t->mask_size, mask) != 0) {
        status = BNT_E_UNSUPPORTED;
    }
    CPU_FREE(mask);
    return status;
}
