/* test_topology.c - cores within affinity and quota, and cgroup limits read from folders we make.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "machine/cgroup.h"
#include "machine/topology.h"
#include "suite.h"

static char root[] = "/tmp/bitnet-topology-XXXXXX";
static char self_path[128];

static void put(const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0700);
        *p = '/';
    }
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

static void make_root(void) {
    strcpy(root, "/tmp/bitnet-topology-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    snprintf(self_path, sizeof self_path, "%s/self", root);
}

static void remove_root(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(cgroup_v2) {
    struct bnt_cgroup g;
    put("self", "0::/a/b\n");
    put("cpu.max", "max 100000\n");
    put("a/cpu.max", "250000 100000\n");
    put("a/b/cpu.max", "400000 100000\n"); /* looser than its parent */
    put("a/b/memory.max", "1073741824\n");
    put("a/memory.max", "max\n");
    bnt_cgroup_read(&g, root, self_path);
    ck_assert_uint_eq(g.quota_cpus, 3); /* 2.5 rounded up */
    ck_assert_uint_eq(g.memory, 1073741824u);
}
END_TEST

START_TEST(cgroup_v1) {
    struct bnt_cgroup g;
    put("self", "5:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n1:name=systemd:/\n");
    put("cpu,cpuacct/cpu.cfs_quota_us", "50000\n"); /* the path is not mounted, the mount is us */
    put("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    put("memory/memory.limit_in_bytes", "9223372036854771712\n"); /* how v1 writes none */
    bnt_cgroup_read(&g, root, self_path);
    ck_assert_uint_eq(g.quota_cpus, 1);
    ck_assert_uint_eq(g.memory, 0);
}
END_TEST

START_TEST(cgroup_none) {
    struct bnt_cgroup g;
    bnt_cgroup_read(&g, root, self_path); /* no such files */
    ck_assert_uint_eq(g.quota_cpus, 0);
    ck_assert_uint_eq(g.memory, 0);
    put("self", "garbage\n::\n0::/../../other\n");
    put("cpu.max", "max\n");
    put("memory.max", "-\n");
    bnt_cgroup_read(&g, root, self_path);
    ck_assert_uint_eq(g.quota_cpus, 0);
    ck_assert_uint_eq(g.memory, 0);
    put("cpu.max", "-1 100000\n");
    put("cpu.cfs_quota_us", "-1\n");
    put("cpu.cfs_period_us", "100000\n");
    bnt_cgroup_read(&g, root, self_path);
    ck_assert_uint_eq(g.quota_cpus, 0);
}
END_TEST

static unsigned affinity_count(void) {
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    return (unsigned)CPU_COUNT(&set);
}

START_TEST(this_machine) {
    struct bnt_err err = {0};
    struct bnt_topology *t = NULL;
    ck_assert_int_eq(bnt_topology_open(&t, &err), BNT_OK);
    const struct bnt_topology_info *info = bnt_topology_info(t);
    ck_assert_uint_ge(info->cores, 1);
    ck_assert_uint_ge(info->pus, info->cores);
    ck_assert_uint_le(info->pus, affinity_count());
    ck_assert_uint_ge(info->packages, 1);
    ck_assert_uint_ge(info->numa_nodes, 1);
    ck_assert_uint_gt(info->memory, 1u << 20);
    unsigned n = bnt_topology_default_threads(t);
    ck_assert_uint_ge(n, 1);
    ck_assert_uint_le(n, info->cores);
    bnt_topology_close(t);
    bnt_topology_close(NULL);
}
END_TEST

START_TEST(inside_the_affinity_mask) {
    struct bnt_topology *t = NULL;
    cpu_set_t set;
    unsigned cpu = 0;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    for (unsigned i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &set)) cpu = i; /* the last one allowed */
    }
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ck_assert_int_eq(sched_setaffinity(0, sizeof set, &set), 0);
    ck_assert_int_eq(bnt_topology_open(&t, NULL), BNT_OK);
    ck_assert_uint_eq(bnt_topology_info(t)->cores, 1);
    ck_assert_uint_eq(bnt_topology_info(t)->pus, 1);
    ck_assert_uint_eq(bnt_topology_default_threads(t), 1);
    ck_assert_int_eq(bnt_topology_bind(t, 0, 1), BNT_OK);
    ck_assert_int_eq(bnt_topology_bind(t, 2, 3), BNT_OK);
    ck_assert_int_eq(sched_getcpu(), (int)cpu);
    bnt_topology_close(t);
}
END_TEST

START_TEST(binding) {
    struct bnt_topology *t = NULL;
    cpu_set_t seen;
    ck_assert_int_eq(bnt_topology_open(&t, NULL), BNT_OK);
    unsigned cores = bnt_topology_info(t)->cores, all = affinity_count();
    CPU_ZERO(&seen);
    for (unsigned i = 0; i < cores; i++) { /* every worker a core of its own */
        cpu_set_t mine, both;
        ck_assert_int_eq(bnt_topology_bind(t, i, cores), BNT_OK);
        ck_assert_int_eq(sched_getaffinity(0, sizeof mine, &mine), 0);
        CPU_AND(&both, &mine, &seen);
        ck_assert_int_eq(CPU_COUNT(&both), 0);
        CPU_OR(&seen, &seen, &mine);
    }
    ck_assert_int_eq(bnt_topology_bind(t, 0, bnt_topology_info(t)->pus + 1), BNT_OK);
    ck_assert_uint_eq(affinity_count(), bnt_topology_info(t)->pus); /* too many: any CPU */
    ck_assert_uint_le(bnt_topology_info(t)->pus, all);
    ck_assert_int_eq(bnt_topology_bind(t, 1, 1), BNT_E_USAGE);
    ck_assert_int_eq(bnt_topology_bind(t, 0, 0), BNT_E_USAGE);
    bnt_topology_close(t);
}
END_TEST

int main(void) {
    Suite *s = suite_create("topology");
    TCase *groups = tcase_create("cgroup"), *machine = tcase_create("machine");
    tcase_add_checked_fixture(groups, make_root, remove_root);
    tcase_add_test(groups, cgroup_v2);
    tcase_add_test(groups, cgroup_v1);
    tcase_add_test(groups, cgroup_none);
    tcase_add_test(machine, this_machine);
    tcase_add_test(machine, inside_the_affinity_mask);
    tcase_add_test(machine, binding);
    suite_add_tcase(s, groups);
    suite_add_tcase(s, machine);
    return run_suite(s);
}
