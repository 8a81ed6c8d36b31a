/*
 * test_share.c - every row is handed out once, whoever asks; placed rows go to the thread that
 * bnt_slice gives them to; and when it is that memory is placed, on machines that hwloc makes up.
 */
#include "machine/share.h"

#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "machine/pool.h"
#include "machine/topology.h"
#include "suite.h"

enum { ITEMS = 6, MOST = 1000, THREADS = 5 };

static const struct bnt_share_item items[ITEMS] = {
    {1, 64, 100}, {0, 0, 0}, {MOST, 16, 32}, {777, 64, 7}, {64, 1, UINT64_MAX}, {0, 1, 1}};

struct job {
    struct bnt_share share;
    _Atomic unsigned taken[ITEMS][MOST]; /* 1 + the thread that got the row */
    _Atomic unsigned again, too_long, outside;
};

static void take(void *arg, unsigned i, unsigned n) {
    struct job *job = arg;
    struct bnt_share_rows at = {0};
    while (bnt_share_next(&job->share, i, n, &at)) {
        job->outside += at.item >= ITEMS || at.lo >= at.hi || at.hi > items[at.item].rows;
        job->too_long += at.hi - at.lo > items[at.item].chunk;
        for (uint64_t r = at.lo; r < at.hi && !job->outside; r++) {
            unsigned none = 0;
            job->again += !atomic_compare_exchange_strong(&job->taken[at.item][r], &none, i + 1);
        }
    }
    job->again += bnt_share_next(&job->share, i, n, &at); /* and it stays at the end */
}

static void share_all(struct job *job, unsigned threads, bool placed) {
    struct bnt_pool *pool;
    memset(job, 0, sizeof *job);
    job->share = (struct bnt_share){.items = items, .count = ITEMS, .placed = placed};
    ck_assert_int_eq(bnt_pool_open(&pool, threads, NULL, NULL), BNT_OK);
    bnt_pool_run(pool, take, job);
    bnt_pool_close(pool);
    ck_assert_uint_eq(job->again, 0);
    ck_assert_uint_eq(job->too_long, 0);
    ck_assert_uint_eq(job->outside, 0);
    for (unsigned k = 0; k < ITEMS; k++)
        for (uint64_t r = 0; r < items[k].rows; r++) ck_assert_uint_ne(job->taken[k][r], 0);
}

static struct job job;

START_TEST(by_ticket) {
    for (unsigned n = 1; n <= THREADS; n++)
        for (int again = 0; again < 20; again++) share_all(&job, n, false);
}
END_TEST

START_TEST(placed) {
    for (unsigned n = 1; n <= THREADS; n++) {
        share_all(&job, n, true);
        for (unsigned k = 0; k < ITEMS; k++) {
            for (unsigned i = 0; i < n; i++) {
                uint64_t lo, hi;
                bnt_slice(items[k].rows, items[k].step, i, n, &lo, &hi);
                for (uint64_t r = lo; r < hi; r++) ck_assert_uint_eq(job.taken[k][r], i + 1);
            }
        }
    }
}
END_TEST

/* Whether a machine that hwloc makes up from `description` is one to place memory on. */
static bool places(const char *description) {
    struct bnt_topology *t;
    setenv("HWLOC_SYNTHETIC", description, 1);
    ck_assert_int_eq(bnt_topology_open(&t, NULL), BNT_OK);
    bool answer = bnt_topology_places_memory(t);
    bnt_topology_close(t);
    return answer;
}

START_TEST(on_several_nodes_only) {
    cpu_set_t set;
    ck_assert_int_eq(sched_getaffinity(0, sizeof set, &set), 0);
    ck_assert(!places("numa:1 core:64 pu:1"));
    ck_assert(!places("numa:1 core:32 pu:2"));
    if (!CPU_ISSET(0, &set) || !CPU_ISSET(1, &set)) return; /* each on a node of its own below */
    ck_assert(places("numa:64 core:1 pu:1"));
    ck_assert(places("package:32 numa:2 core:1 pu:1"));
    CPU_ZERO(&set); /* of a machine of many nodes, we may use one */
    CPU_SET(1, &set);
    ck_assert_int_eq(sched_setaffinity(0, sizeof set, &set), 0);
    ck_assert(!places("numa:64 core:1 pu:1"));
}
END_TEST

int main(void) {
    Suite *s = suite_create("share");
    TCase *c = tcase_create("all");
    tcase_add_test(c, by_ticket);
    tcase_add_test(c, placed);
    tcase_add_test(c, on_several_nodes_only);
    suite_add_tcase(s, c);
    return run_suite(s);
}
