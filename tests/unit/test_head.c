/*
 * test_head.c - the search of the largest logits against the full product.
 *
 * The promise is equality: ids, bits and order, for every k, also where logits are equal, nearly
 * equal, huge, tiny or not finite. And it must be a search: on ordinary rows few are computed.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/backend.h"
#include "rng.h"
#include "run/head.h"
#include "suite.h"

enum { ROWS = 5003, COLS = 200, THREADS = 2 }; /* ragged on purpose */

static float rows[ROWS][COLS];
static float x[COLS];
static float logits[ROWS];

static float uniform(struct rng *r) {
    return (float)(int32_t)(rng_next(r) >> 32) * 0x1p-31f;
}

static void random_rows(uint64_t seed) {
    struct rng r = rng_stream(seed, 0);
    for (int i = 0; i < ROWS; i++)
        for (int c = 0; c < COLS; c++) rows[i][c] = uniform(&r) * 0.1f;
    for (int c = 0; c < COLS; c++) x[c] = uniform(&r) * (c % 17 == 0 ? 20.0f : 1.0f);
}

enum { KS = 4 };
static const uint32_t ks[KS] = {1, 2, 40, BNT_HEAD_MOST};
static float vectors[KS][COLS]; /* what is searched for in one pass */

static int32_t best_row; /* of x */

struct run {
    struct bnt_search *search;
    struct bnt_pool *pool;
    uint32_t n;
    struct bnt_search_ask ask[KS];
    uint64_t computed[THREADS];
};

static void run_slice(void *arg, unsigned i, unsigned n) {
    struct run *run = arg;
    run->computed[i] = bnt_search_run(run->search, vectors[0], run->n, run->ask, run->pool, i, n);
}

/* The result for one of the vectors of the last search, against the full product. */
static void expect_result(const struct run *run, uint32_t v, bool finite) {
    struct bnt_top want[BNT_HEAD_MOST], got[BNT_HEAD_MOST];
    uint32_t n_want = 0, n_got = 0;
    bnt_judge()->kernels.dense_gemm(&(bnt_dense_gemm_args){.shape = {ROWS, COLS, BNT_TYPE_F32, 0},
                                                           .w = rows,
                                                           .x = vectors[v],
                                                           .ldx = COLS,
                                                           .row_hi = ROWS,
                                                           .tok_hi = 1,
                                                           .y = logits,
                                                           .ldy = ROWS});
    ck_assert_int_eq(bnt_search_result(run->search, v, got, &n_got), finite);
    if (!finite) return;
    const struct bnt_search_ask *ask = &run->ask[v];
    uint32_t at = 0;
    for (int i = 0; i < ROWS; i++) {
        if (at < ask->n_ids && ask->ids[at] == i) {
            ck_assert_uint_eq(bnt_f32_bits(ask->logits[at]), bnt_f32_bits(logits[i]));
            at++;
        } else if (!ask->allowed || (ask->allowed[i / 64] >> i % 64 & 1)) {
            bnt_keep_best(want, &n_want, ask->k, (struct bnt_top){logits[i], i});
        }
    }
    ck_assert_uint_eq(at, ask->n_ids);
    bnt_sort_best(want, n_want);
    ck_assert_uint_eq(n_got, n_want);
    if (!ask->allowed) ck_assert_uint_eq(n_got, ask->k);
    for (uint32_t i = 0; i < n_got; i++) {
        ck_assert_int_eq(got[i].id, want[i].id);
        ck_assert_uint_eq(bnt_f32_bits(got[i].logit), bnt_f32_bits(want[i].logit));
    }
}

/* For vector j: the largest, so that it is not among the others; every third row; nothing; or
 * neighbours across the middle, where threads meet. */
static struct bnt_search_ask name_some(int j) {
    static int32_t ids[KS][ROWS];
    static float room[KS][ROWS];
    struct bnt_search_ask ask = {.k = ks[j], .ids = ids[j], .logits = room[j]};
    for (int i = 0; i < ROWS; i++)
        if ((j == 0 && i == best_row) || (j == 1 && i % 3 == 0) ||
            (j == 3 && i > ROWS / 2 - 40 && i < ROWS / 2 + 40))
            ids[j][ask.n_ids++] = i;
    memset(room[j], 0xff, sizeof room[j]);
    return ask;
}

/* Mask m of vector j: no row, one of five, all but the largest, or one of so many that they are few
 * (search.c: FEW_ROWS). */
static const uint64_t *allow_some(int j, int m) {
    static uint64_t masks[KS][(ROWS + 63) / 64];
    memset(masks[j], 0, sizeof masks[j]);
    for (int i = 0; i < ROWS; i++) {
        bool in = m == 1 ? i % 5 == j : m == 2 ? i != best_row : m == 3 && i % 97 == 3 * j;
        if (in) masks[j][i / 64] |= UINT64_C(1) << i % 64;
    }
    return masks[j];
}

/* x for each k by itself, then several vectors with a k each in one pass. Rows computed exactly for
 * x and the largest. What is found is false when something is not finite. */
static uint64_t expect_equal(const bnt_kernels *k, bool finite) {
    struct bnt_err err = {0};
    struct bnt_weight w = {
        .dshape = {ROWS, COLS, BNT_TYPE_F32, 0}, .w = rows, .bytes = sizeof rows, .step = 1};
    struct bnt_head head;
    struct run run = {.n = 1};
    uint64_t least = 0;
    ck_assert_int_eq(bnt_pool_open(&run.pool, THREADS, NULL, &err), BNT_OK);
    ck_assert_msg(bnt_head_build(&head, &w, k, &(struct bnt_loading){.pool = run.pool}, &err) ==
                      BNT_OK,
                  "%s", err.text);
    ck_assert_ptr_nonnull(head.exact);
    ck_assert_int_eq(bnt_search_open(&run.search, &head, KS, THREADS, &err), BNT_OK);
    memcpy(vectors[0], x, sizeof x);
    for (int j = 0; j < KS; j++) {
        run.ask[0] = (struct bnt_search_ask){.k = ks[j]};
        bnt_pool_run(run.pool, run_slice, &run);
        expect_result(&run, 0, finite);
        if (j == 0) least = run.computed[0] + run.computed[1];
        uint32_t n = 0;
        struct bnt_top top[BNT_HEAD_MOST];
        if (bnt_search_result(run.search, 0, top, &n)) best_row = top[0].id;
    }
    run.n = KS;
    for (int j = 0; j < KS; j++) {
        run.ask[j] = name_some(j);
        for (int c = 0; c < COLS; c++) vectors[j][c] = (j % 2 ? -x[c] : x[c]) * (1.0f + (float)j);
    }
    /* Masks alone and beside each other, with named rows and without. */
    for (int m = 0; m < 16 && finite; m++) {
        run.n = m < 4 ? 1 : KS;
        for (int j = 0; j < KS; j++) {
            run.ask[j] = m % 2 ? name_some(j) : (struct bnt_search_ask){.k = ks[j]};
            run.ask[j].allowed = m < 4 || j < m / 4 ? allow_some(j, (m + j) % 4) : NULL;
            if (m >= 12) run.ask[j].allowed = allow_some(j, 3);
        }
        bnt_pool_run(run.pool, run_slice, &run);
        for (uint32_t v = 0; v < run.n; v++) expect_result(&run, v, finite);
    }
    run.n = KS;
    for (int j = 0; j < KS; j++) run.ask[j] = name_some(j);
    vectors[2][9] = NAN; /* and one that is not finite beside them */
    bnt_pool_run(run.pool, run_slice, &run);
    for (uint32_t v = 0; v < KS; v++) expect_result(&run, v, finite && v != 2);
    bnt_search_close(run.search);
    bnt_head_free(&head);
    bnt_pool_close(run.pool);
    return least;
}

/* The judge and every backend of this machine that can search, each also as it would be without
 * products of codes: then there is one level, of int8. */
static bnt_kernels sets[32];
static size_t n_sets;
static struct bnt_backends *table;

static void add_set(const bnt_kernels *k) {
    if (!k->i8_gemv || n_sets + 2 > sizeof sets / sizeof sets[0]) return;
    sets[n_sets++] = *k;
    if (!k->code_gemv) return;
    sets[n_sets] = *k;
    sets[n_sets++].code_gemv = NULL;
}

static void set_up(void) {
    struct bnt_err err = {0};
    add_set(&bnt_judge()->kernels);
    ck_assert_int_eq(
        bnt_backends_open(&table, &(struct bnt_backends_options){.try_all = true}, &err), BNT_OK);
    for (size_t i = 0; i < bnt_backends_count(table); i++) {
        const struct bnt_backend *b = bnt_backends_get(table, i);
        if (b) add_set(&b->kernels);
    }
}

static void tear_down(void) {
    bnt_backends_close(table);
}

START_TEST(naive_order_is_the_order_of_clause_10) {
    struct bnt_top kept[3];
    uint32_t n = 0;
    static const struct bnt_top offered[] = {{1, 5}, {2, 9}, {2, 3}, {0, 0}, {2, 7}, {1, 4}};
    for (size_t i = 0; i < 6; i++) bnt_keep_best(kept, &n, 3, offered[i]);
    bnt_sort_best(kept, n);
    ck_assert_uint_eq(n, 3);
    ck_assert(kept[0].id == 3 && kept[1].id == 7 && kept[2].id == 9);
}
END_TEST

START_TEST(random_rows_and_few_are_computed) {
    for (size_t s = 0; s < n_sets; s++) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
            random_rows(seed);
            uint64_t computed = expect_equal(&sets[s], true);
            ck_assert_uint_ge(computed, 1);
            ck_assert_uint_le(computed, ROWS / 20);
        }
    }
}
END_TEST

START_TEST(ties_and_near_ties) {
    for (size_t s = 0; s < n_sets; s++) {
        random_rows(9); /* equal rows everywhere: the lowest ids win */
        for (int i = 1; i < ROWS; i++) memcpy(rows[i], rows[0], sizeof rows[0]);
        expect_equal(&sets[s], true);
        for (int i = 0; i < ROWS; i++) /* each row one ulp from another somewhere */
            rows[i][i % COLS] = nextafterf(rows[i][i % COLS], i % 2 ? 1.0f : -1.0f);
        expect_equal(&sets[s], true);
        random_rows(10); /* pairs of rows that differ in the last bit of one weight */
        for (int i = 0; i + 1 < ROWS; i += 2) {
            memcpy(rows[i + 1], rows[i], sizeof rows[i]);
            rows[i + 1][i % COLS] = nextafterf(rows[i][i % COLS], 1.0f);
        }
        expect_equal(&sets[s], true);
    }
}
END_TEST

START_TEST(odd_magnitudes) {
    for (size_t s = 0; s < n_sets; s++) {
        random_rows(20);
        memset(x, 0, sizeof x); /* all logits are zero */
        expect_equal(&sets[s], true);
        random_rows(21);
        for (int i = 0; i < ROWS; i++) { /* rows from denormal to large, and zeros */
            float scale = ldexpf(1.0f, i % 160 - 140);
            for (int c = 0; c < COLS; c++) rows[i][c] = i % 13 ? rows[i][c] * scale : 0.0f;
        }
        expect_equal(&sets[s], true);
        random_rows(22);
        for (int i = 0; i < ROWS; i++) rows[i][7] = i % 3 ? 1e18f : -1e18f; /* one outlier a row */
        expect_equal(&sets[s], true);
        random_rows(23);
        for (int c = 0; c < COLS; c++) x[c] *= c == 5 ? 1e6f : 1e-6f; /* and in x */
        expect_equal(&sets[s], true);
        random_rows(24);
        for (int i = 0; i < ROWS; i++) /* cancellation: the logit is the rounding */
            for (int c = 0; c < COLS; c++)
                rows[i][c] = (c % 2 ? 1.0f : -1.0f) * (1.0f + 1e-6f * rows[i][c]);
        for (int c = 0; c < COLS; c++) x[c] = 3.0f;
        expect_equal(&sets[s], true);
    }
}
END_TEST

START_TEST(what_is_not_finite_is_noticed) {
    for (size_t s = 0; s < n_sets; s++) {
        random_rows(30);
        x[3] = NAN;
        expect_equal(&sets[s], false);
        random_rows(31);
        rows[4321][5] = NAN;
        expect_equal(&sets[s], false);
        random_rows(32);
        rows[17][0] = INFINITY;
        expect_equal(&sets[s], false);
    }
}
END_TEST

/* Many searches one after the other, of vectors that few rows stand out for and of such that all
 * rows are near: however many levels are read together, the result is the same; and a row is read
 * further only as long as it can matter. */
START_TEST(easy_and_hard_vectors_in_turn) {
    for (size_t s = 0; s < n_sets; s++) {
        struct bnt_err err = {0};
        struct bnt_weight w = {
            .dshape = {ROWS, COLS, BNT_TYPE_F32, 0}, .w = rows, .bytes = sizeof rows, .step = 1};
        struct bnt_head head;
        struct run run = {.n = 1, .ask = {{.k = 1}}};
        struct bnt_search_cost cost, before = {0};
        random_rows(40);
        ck_assert_int_eq(bnt_pool_open(&run.pool, THREADS, NULL, &err), BNT_OK);
        ck_assert_int_eq(
            bnt_head_build(&head, &w, &sets[s], &(struct bnt_loading){.pool = run.pool}, &err),
            BNT_OK);
        ck_assert_uint_eq(head.n_levels, sets[s].code_gemv ? BNT_CODE_PARTS : 1);
        ck_assert_int_eq(bnt_search_open(&run.search, &head, 1, THREADS, &err), BNT_OK);
        for (int turn = 0; turn < 80; turn++) {
            const bool hard = turn / 20 % 2;
            for (int c = 0; c < COLS; c++) /* row 77 itself; or all that rows differ by is noise */
                vectors[0][c] = hard ? (c == 0 ? 1e-3f : 0.0f) : rows[77][c];
            bnt_pool_run(run.pool, run_slice, &run);
            expect_result(&run, 0, true);
            bnt_search_cost(run.search, &cost);
            ck_assert_uint_eq(cost.vectors, (uint64_t)turn + 1);
            if (turn == 19) /* most rows were looked at in the first level alone */
                for (unsigned l = 1; l < head.n_levels; l++)
                    ck_assert_uint_lt(cost.rows[l], cost.rows[0] / 10);
            for (unsigned l = 0; l < head.n_levels; l++) /* never one twice, but for the leaders */
                ck_assert_uint_le(cost.rows[l] - before.rows[l], ROWS + THREADS * 9);
            before = cost;
        }
        bnt_search_close(run.search);
        bnt_head_free(&head);
        bnt_pool_close(run.pool);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("head");
    TCase *tc = tcase_create("head");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, naive_order_is_the_order_of_clause_10);
    tcase_add_test(tc, random_rows_and_few_are_computed);
    tcase_add_test(tc, ties_and_near_ties);
    tcase_add_test(tc, odd_magnitudes);
    tcase_add_test(tc, what_is_not_finite_is_noticed);
    tcase_add_test(tc, easy_and_hard_vectors_in_turn);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
