/* test_pool.c - every member sees what every other wrote before a barrier, thousands of times. */
#include <check.h>
#include <fenv.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "machine/fpenv.h"
#include "machine/pool.h"
#include "suite.h"

#define MEMBERS 7

struct shared {
    struct bnt_pool *pool;
    unsigned rounds;
    unsigned long cell[MEMBERS]; /* plain memory: only the barriers order it */
    unsigned long wrong[MEMBERS];
    uint32_t deviation[MEMBERS];
};

static void exchange(void *arg, unsigned i, unsigned n) {
    struct shared *s = arg;
    for (unsigned r = 1; r <= s->rounds; r++) {
        s->cell[i] = r * 100ul + i;
        bnt_pool_barrier(s->pool);
        for (unsigned k = 0; k < n; k++) s->wrong[i] += s->cell[k] != r * 100ul + k;
        bnt_pool_barrier(s->pool);
    }
}

static void exchange_in(unsigned threads, const struct bnt_topology *t, unsigned runs,
                        unsigned rounds) {
    struct shared s = {.rounds = rounds};
    struct bnt_err err = {0};
    ck_assert_msg(bnt_pool_open(&s.pool, threads, t, &err) == BNT_OK, "%s", err.text);
    ck_assert_uint_eq(bnt_pool_threads(s.pool), threads);
    for (unsigned r = 0; r < runs; r++) bnt_pool_run(s.pool, exchange, &s);
    bnt_pool_close(s.pool);
    for (unsigned k = 0; k < threads; k++) {
        ck_assert_uint_eq(s.wrong[k], 0);
        ck_assert_uint_eq(s.cell[k], rounds * 100ul + k);
    }
}

START_TEST(exchange_all_sizes) {
    for (unsigned n = 1; n <= MEMBERS; n++) exchange_in(n, NULL, 20, 50);
}
END_TEST

START_TEST(exchange_bound) {
    struct bnt_topology *t = NULL;
    cpu_set_t before, after;
    ck_assert_int_eq(bnt_topology_open(&t, NULL), BNT_OK);
    ck_assert_int_eq(sched_getaffinity(0, sizeof before, &before), 0);
    exchange_in(bnt_topology_default_threads(t) < MEMBERS ? bnt_topology_default_threads(t) : 2, t,
                20, 50);
    exchange_in(3, t, 20, 50);
    ck_assert_int_eq(sched_getaffinity(0, sizeof after, &after), 0);
    ck_assert(CPU_EQUAL(&before, &after)); /* the caller got its mask back */
    bnt_topology_close(t);
}
END_TEST

static void wait_a_little(void *arg, unsigned i, unsigned n) {
    struct shared *s = arg;
    struct timespec t = {0, 3000000};
    if (i == n - 1) nanosleep(&t, NULL); /* longer than the others spin: they sleep */
    s->cell[i]++;
    bnt_pool_barrier(s->pool);
    if (i == 0) nanosleep(&t, NULL);
}

START_TEST(sleepers_wake) {
    struct shared s = {0};
    struct timespec t = {0, 2000000};
    ck_assert_int_eq(bnt_pool_open(&s.pool, 3, NULL, NULL), BNT_OK);
    for (int r = 0; r < 10; r++) {
        bnt_pool_run(s.pool, wait_a_little, &s);
        nanosleep(&t, NULL); /* and between two runs */
    }
    bnt_pool_close(s.pool);
    for (unsigned k = 0; k < 3; k++) ck_assert_uint_eq(s.cell[k], 10);
}
END_TEST

START_TEST(open_and_close) {
    struct bnt_pool *p = NULL;
    struct bnt_err err = {0};
    for (unsigned r = 0; r < 50; r++) {
        ck_assert_int_eq(bnt_pool_open(&p, 1 + r % MEMBERS, NULL, &err), BNT_OK);
        bnt_pool_close(p);
    }
    bnt_pool_close(NULL);
    ck_assert_int_eq(bnt_pool_open(&p, 0, NULL, &err), BNT_E_USAGE);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(bnt_pool_open(&p, BNT_POOL_MAX + 1, NULL, &err), BNT_E_USAGE);
}
END_TEST

static void look_at_fpenv(void *arg, unsigned i, unsigned n) {
    struct shared *s = arg;
    (void)n;
    s->deviation[i] = bnt_fpenv_deviation();
}

START_TEST(members_have_the_default_fpenv) {
    struct shared s = {0};
    char text[128];
    ck_assert_uint_eq(bnt_fpenv_deviation(), 0);
    fesetround(FE_DOWNWARD); /* a new thread inherits it */
    ck_assert_int_eq(bnt_pool_open(&s.pool, 3, NULL, NULL), BNT_OK);
    bnt_pool_run(s.pool, look_at_fpenv, &s);
    bnt_pool_close(s.pool);
    ck_assert_uint_ne(s.deviation[0], 0); /* the caller's own business */
    ck_assert_uint_eq(s.deviation[1], 0);
    ck_assert_uint_eq(s.deviation[2], 0);
    ck_assert_str_ne(bnt_fpenv_describe(s.deviation[0], text, sizeof text), "");
    bnt_fpenv_reset();
    ck_assert_uint_eq(bnt_fpenv_deviation(), 0);
    ck_assert_str_eq(bnt_fpenv_describe(0, text, sizeof text), "");
}
END_TEST

START_TEST(slices) {
    const uint64_t totals[] = {0, 1, 5, 64, 67, 1000, 128256, UINT64_MAX};
    const uint64_t steps[] = {1, 2, 16, 64, 100000};
    for (size_t a = 0; a < sizeof totals / sizeof *totals; a++) {
        for (size_t b = 0; b < sizeof steps / sizeof *steps; b++) {
            for (unsigned n = 1; n <= 9; n++) {
                uint64_t end = 0, least = UINT64_MAX, most = 0;
                for (unsigned i = 0; i < n; i++) {
                    uint64_t lo, hi;
                    bnt_slice(totals[a], steps[b], i, n, &lo, &hi);
                    ck_assert(lo == end && hi >= lo); /* they tile [0, total) */
                    ck_assert(lo % steps[b] == 0 || lo == totals[a]);
                    end = hi;
                    if (hi - lo < least) least = hi - lo;
                    if (hi - lo > most) most = hi - lo;
                }
                ck_assert(end == totals[a]);
                ck_assert(most - least <= 2 * steps[b]);
            }
        }
    }
    uint64_t lo, hi;
    bnt_slice(10, 0, 0, 1, &lo, &hi); /* step 0 counts as 1 */
    ck_assert(lo == 0 && hi == 10);
}
END_TEST

int main(void) {
    Suite *s = suite_create("pool");
    TCase *tc = tcase_create("pool");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, exchange_all_sizes);
    tcase_add_test(tc, exchange_bound);
    tcase_add_test(tc, sleepers_wake);
    tcase_add_test(tc, open_and_close);
    tcase_add_test(tc, members_have_the_default_fpenv);
    tcase_add_test(tc, slices);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
