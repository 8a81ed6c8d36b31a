/*
 * test_sample.c - sampling (NUMERICS clause 10) and its generator.
 *
 * The generator is held to its authors' published vectors; the truncations to a naive version that
 * sorts everything; the draw to the probabilities it should have.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/bitnet.h"
#include "rng.h"
#include "run/rng.h"
#include "suite.h"

enum { VOCAB = 1000 };

/* Random123's kat_vectors, philox 4x32, 10 rounds. */
START_TEST(philox_known_answers) {
    static const uint32_t counters[3][4] = {{0, 0, 0, 0},
                                            {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
                                            {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}};
    static const uint32_t keys[3][2] = {{0, 0}, {0xffffffff, 0xffffffff}, {0xa4093822, 0x299f31d0}};
    static const uint32_t wanted[3][4] = {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
                                          {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
                                          {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}};
    for (int i = 0; i < 3; i++) {
        uint32_t got[4];
        bnt_philox4x32(counters[i], keys[i], got);
        ck_assert_mem_eq(got, wanted[i], sizeof got);
    }
}
END_TEST

static float logits[VOCAB];
static char scratch[VOCAB * 16];

static void random_logits(uint64_t seed) {
    struct rng r = rng_stream(seed, 0);
    for (int i = 0; i < VOCAB; i++) logits[i] = (float)(rng_next(&r) % 4000) / 400.0f; /* ties */
}

static int32_t pick(struct bnt_sampling s, uint64_t draw) {
    return bnt_sample(&s, logits, VOCAB, NULL, 0, draw, scratch);
}

START_TEST(greedy_takes_the_lowest_id_among_equals) {
    struct bnt_sampling s = bnt_sampling_default();
    for (int i = 0; i < VOCAB; i++) logits[i] = -1.0f;
    logits[700] = logits[31] = logits[999] = 2.5f;
    ck_assert_int_eq(pick(s, 0), 31);
    s.repeat_penalty = 1.5f;
    ck_assert_int_eq(bnt_sample(&s, logits, VOCAB, (int32_t[]){31}, 1, 0, scratch), 700);
    s.temperature = 1.0f;
    s.repeat_penalty = 1.0f;
    s.top_k = 1;
    for (uint64_t d = 0; d < 100; d++) ck_assert_int_eq(pick(s, d), 31);
}
END_TEST

/* 1 / T is infinite below 2^-126, and 0 times that is no number: such a T counts as 0. */
START_TEST(the_smallest_temperatures_are_greedy) {
    const float tiny[] = {0x1p-126f, 0x1p-127f, 2.9e-39f, 0x1p-149f, -0.0f};
    random_logits(3);
    logits[412] = 77.0f;
    for (size_t i = 0; i < sizeof tiny / sizeof tiny[0]; i++) {
        struct bnt_sampling s = bnt_sampling_default();
        const struct bnt_top top[] = {{77.0f, 412}, {10.0f, 5}, {9.0f, 1}};
        s.temperature = tiny[i];
        for (uint64_t d = 0; d < 50; d++) {
            ck_assert_int_eq(pick(s, d), 412);
            ck_assert_int_eq(bnt_sample_top(&s, top, 3, d, scratch), 412);
        }
    }
}
END_TEST

START_TEST(penalty_divides_positive_and_multiplies_negative_logits_once) {
    struct bnt_sampling s = bnt_sampling_default();
    s.repeat_penalty = 2.0f;
    for (int i = 0; i < VOCAB; i++) logits[i] = -10.0f;
    logits[1] = 8.0f; /* becomes 4 however often it was seen */
    logits[2] = 4.5f;
    ck_assert_int_eq(bnt_sample(&s, logits, VOCAB, (int32_t[]){1, 1, 1}, 3, 0, scratch), 2);
    logits[2] = 3.9f;
    ck_assert_int_eq(bnt_sample(&s, logits, VOCAB, (int32_t[]){1, 1, 1}, 3, 0, scratch), 1);
    for (int i = 0; i < VOCAB; i++) logits[i] = -5.0f;
    logits[1] = -3.0f; /* becomes -6 */
    ck_assert_int_eq(bnt_sample(&s, logits, VOCAB, (int32_t[]){1}, 1, 0, scratch), 0);
    s.repeat_last = 1; /* looks back on one token only */
    ck_assert_int_eq(bnt_sample(&s, logits, VOCAB, (int32_t[]){1, 0}, 2, 0, scratch), 1);
}
END_TEST

/* ids in the order of clause 10: highest logit first, lowest id among equals */
static int before(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    if (logits[x] != logits[y]) return logits[x] > logits[y] ? -1 : 1;
    return x - y;
}

/* What may be drawn: the first `keep` of the naive order, and nothing else over many draws. */
static void expect_only_first(struct bnt_sampling s, size_t keep) {
    static int32_t order[VOCAB];
    bool seen[VOCAB] = {false};
    for (int i = 0; i < VOCAB; i++) order[i] = i;
    qsort(order, VOCAB, sizeof *order, before);
    for (uint64_t d = 0; d < 4000; d++) seen[pick(s, d)] = true;
    for (size_t i = keep; i < VOCAB; i++)
        ck_assert_msg(!seen[order[i]],
                      "id %d, number %zu of the order, was drawn; %zu were to be kept", order[i], i,
                      keep);
    ck_assert(seen[order[0]]);
    if (keep <= 8) ck_assert(seen[order[keep - 1]]);
}

START_TEST(top_k_keeps_the_first_k) {
    for (uint64_t seed = 1; seed <= 5; seed++) {
        random_logits(seed);
        for (uint32_t k = 1; k <= 500; k = k * 3 + 1) {
            struct bnt_sampling s = {.temperature = 3.0f,
                                     .top_k = k,
                                     .top_p = 1.0f,
                                     .repeat_penalty = 1.0f,
                                     .seed = seed};
            expect_only_first(s, k);
        }
    }
}
END_TEST

/* Probabilities at temperature 1 in the naive order, in double. */
static void probabilities(double *p) {
    static int32_t order[VOCAB];
    double sum = 0;
    for (int i = 0; i < VOCAB; i++) order[i] = i;
    qsort(order, VOCAB, sizeof *order, before);
    for (int i = 0; i < VOCAB; i++)
        sum += p[i] = exp((double)logits[order[i]] - (double)logits[order[0]]);
    for (int i = 0; i < VOCAB; i++) p[i] /= sum;
}

START_TEST(top_p_and_min_p_truncate_before_temperature) {
    static double p[VOCAB];
    random_logits(7);
    probabilities(p);
    for (double top = 0.01; top < 0.2; top += 0.03) {
        size_t keep = 0;
        double sum = 0;
        while (sum < top) sum += p[keep++];
        expect_only_first(
            (struct bnt_sampling){
                .temperature = 5.0f, .top_p = (float)top, .repeat_penalty = 1.0f, .seed = 3},
            keep);
    }
    for (double least = 0.9; least > 0.5; least -= 0.1) {
        size_t keep = 0;
        while (p[keep] / p[0] >= least) keep++;
        expect_only_first((struct bnt_sampling){.temperature = 5.0f,
                                                .top_p = 1.0f,
                                                .min_p = (float)least,
                                                .repeat_penalty = 1.0f,
                                                .seed = 4},
                          keep);
    }
}
END_TEST

START_TEST(draws_have_the_probabilities_of_softmax) {
    enum { DRAWS = 200000 };
    static int count[4];
    const float small[4] = {0.0f, 1.0f, 2.0f, 2.0f};
    double sum = 0;
    struct bnt_sampling s = {
        .temperature = 0.5f, .top_p = 1.0f, .repeat_penalty = 1.0f, .seed = 99};
    for (uint64_t d = 0; d < DRAWS; d++) count[bnt_sample(&s, small, 4, NULL, 0, d, scratch)]++;
    for (int i = 0; i < 4; i++) sum += exp((double)small[i] / 0.5);
    for (int i = 0; i < 4; i++) {
        double p = exp((double)small[i] / 0.5) / sum, sigma = sqrt(p * (1 - p) / (double)DRAWS);
        ck_assert_double_le(fabs((double)count[i] / (double)DRAWS - p), 5 * sigma);
    }
}
END_TEST

START_TEST(seed_and_draw_name_the_token) {
    struct bnt_sampling a = {.temperature = 2.0f, .top_p = 1.0f, .repeat_penalty = 1.0f, .seed = 1},
                        b = a;
    int differ = 0;
    random_logits(11);
    b.seed = UINT64_C(1) << 32; /* the high half of the seed counts */
    for (uint64_t d = 0; d < 100; d++) {
        ck_assert_int_eq(pick(a, d), pick(a, d));
        differ += pick(a, d) != pick(b, d);
    }
    ck_assert_int_gt(differ, 50);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("sample");
    TCase *tc = tcase_create("sample");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, philox_known_answers);
    tcase_add_test(tc, greedy_takes_the_lowest_id_among_equals);
    tcase_add_test(tc, the_smallest_temperatures_are_greedy);
    tcase_add_test(tc, penalty_divides_positive_and_multiplies_negative_logits_once);
    tcase_add_test(tc, top_k_keeps_the_first_k);
    tcase_add_test(tc, top_p_and_min_p_truncate_before_temperature);
    tcase_add_test(tc, draws_have_the_probabilities_of_softmax);
    tcase_add_test(tc, seed_and_draw_name_the_token);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
