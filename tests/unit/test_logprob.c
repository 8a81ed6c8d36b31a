/*
 * test_logprob.c - NUMERICS clause 11 against libm in a wider format, and by its own rules.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "rng.h"
#include "run/logprob.h"
#include "suite.h"

enum { VOCAB = 5000 };

static float logits[VOCAB];

static void random_logits(uint64_t seed, float width) {
    struct rng r = rng_stream(seed, 0);
    for (int i = 0; i < VOCAB; i++) logits[i] = ((float)(rng_next(&r) % 65536) / 65536.0f) * width;
}

START_TEST(as_libm_says) {
    for (uint64_t seed = 1; seed <= 30; seed++) {
        random_logits(seed, (float)(seed * seed));
        const struct bnt_softmax s = bnt_softmax_of(logits, VOCAB);
        long double max = (long double)s.max, sum = 0;
        for (int i = 0; i < VOCAB; i++) {
            ck_assert(logits[i] <= (float)max);
            sum += (long double)exp((double)((long double)logits[i] - max));
        }
        for (int i = 0; i < VOCAB; i += 97) {
            long double want = (long double)logits[i] - max - (long double)log((double)sum);
            ck_assert_double_le((double)fabsl((long double)bnt_logprob(&s, logits[i]) - want),
                                2e-15 * (1.0 + (double)fabsl(want)));
        }
    }
}
END_TEST

START_TEST(probabilities_sum_to_one) {
    for (uint64_t seed = 40; seed < 50; seed++) {
        double sum = 0;
        random_logits(seed, 20.0f);
        const struct bnt_softmax s = bnt_softmax_of(logits, VOCAB);
        for (int i = 0; i < VOCAB; i++) sum += exp(bnt_logprob(&s, logits[i]));
        ck_assert_double_le(fabs(sum - 1.0), 1e-12);
    }
}
END_TEST

START_TEST(edges) {
    struct bnt_softmax s = bnt_softmax_of((const float[]){-3.5f}, 1);
    ck_assert(bnt_logprob(&s, -3.5f) == 0.0); /* nothing else can come */
    s = bnt_softmax_of((const float[]){1e30f, -1e30f, 1e30f}, 3);
    ck_assert_double_le(fabs(bnt_logprob(&s, 1e30f) - log(0.5)), 1e-15);
    ck_assert(bnt_logprob(&s, -1e30f) < -1e30);
    for (int i = 0; i < VOCAB; i++) logits[i] = 7.0f;
    for (uint32_t n = 1; n <= VOCAB; n++) { /* every logarithm that equal logits can ask for */
        s = bnt_softmax_of(logits, n);
        ck_assert_double_le(fabs(bnt_logprob(&s, 7.0f) + log((double)n)), 4e-15);
    }
}
END_TEST

START_TEST(the_likeliest_come_in_order) {
    struct bnt_top best[BNT_LOGPROBS_MOST];
    random_logits(60, 5.0f);
    logits[17] = logits[4000] = logits[3] = 9.0f; /* equal ones by id */
    const struct bnt_softmax s = bnt_softmax_of(logits, VOCAB);
    ck_assert_uint_eq(bnt_logprob_best(&s, logits, VOCAB, 20, best), 20);
    ck_assert(best[0].id == 3 && best[1].id == 17 && best[2].id == 4000);
    for (int i = 0; i < 20; i++) {
        ck_assert(best[i].logit == (float)bnt_logprob(&s, logits[best[i].id]));
        if (i) ck_assert(best[i].logit <= best[i - 1].logit);
    }
    ck_assert_uint_eq(bnt_logprob_best(&s, logits, VOCAB, 0, best), 0);
    ck_assert_uint_eq(bnt_logprob_best(&s, logits, 2, 20, best), 2);
}
END_TEST

/* The bits of one computation, so that every compiler and machine is held to the same. */
START_TEST(known_bits) {
    float few[40];
    for (int i = 0; i < 40; i++) few[i] = (float)(i * i % 23) * 0.37f;
    const struct bnt_softmax s = bnt_softmax_of(few, 40);
    ck_assert_msg(s.log_sum == 0x1.e49ead18a2ee0p+0, "log_sum %a", s.log_sum);
    ck_assert_msg(bnt_logprob(&s, few[5]) == -0x1.f408f24628bb8p+2, "%a", bnt_logprob(&s, few[5]));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("logprob");
    TCase *tc = tcase_create("logprob");
    tcase_add_test(tc, as_libm_says);
    tcase_add_test(tc, probabilities_sum_to_one);
    tcase_add_test(tc, edges);
    tcase_add_test(tc, the_likeliest_come_in_order);
    tcase_add_test(tc, known_bits);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
