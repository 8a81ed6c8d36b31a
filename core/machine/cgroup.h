/*
 * cgroup.h - how much CPU time and memory the control group of this process may use.
 *
 * Knows the two layouts of Linux control groups (v2: one tree, cpu.max and memory.max; v1: a tree
 * per controller, cpu.cfs_quota_us and memory.limit_in_bytes); knows nothing of cores.
 */
#ifndef BNT_MACHINE_CGROUP_H
#define BNT_MACHINE_CGROUP_H

#include <stdint.h>

struct bnt_cgroup {
    unsigned quota_cpus; /* CPU time per wall time, rounded up; 0 for no limit */
    uint64_t memory;     /* bytes; 0 for no limit */
};

/* The tightest limits from our group up to the root. `root` is /sys/fs/cgroup and `self`
 * /proc/self/cgroup, or a test's own. What cannot be read is no limit. */
void bnt_cgroup_read(struct bnt_cgroup *out, const char *root, const char *self);

#endif
