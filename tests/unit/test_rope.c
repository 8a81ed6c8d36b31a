/*
 * test_rope.c - our own binary64 exp, log, sin and cos, against libm.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "model/rope.h"
#include "suite.h"

START_TEST(exp_and_log_are_within_an_ulp_or_two) {
    for (double x = -700.0; x < 700.0; x += 0.0537)
        ck_assert_double_le(fabs(bnt_exp_f64(x) / exp(x) - 1.0), 4e-16);
    for (double x = 1e-300; x < 1e300; x *= 1.0137)
        ck_assert_double_le(fabs(bnt_log_f64(x) - log(x)), 4e-16 * (1.0 + fabs(log(x))));
    ck_assert_double_eq(bnt_exp_f64(0.0), 1.0);
    ck_assert_double_eq(bnt_log_f64(1.0), 0.0);
}
END_TEST

START_TEST(sine_and_cosine_over_every_context) {
    double s, c;
    for (double x = 0.0; x < 1.6e6; x += 3.719) {
        bnt_sincos_f64(x, &s, &c);
        ck_assert_double_le(fabs(s - sin(x)), 1e-15);
        ck_assert_double_le(fabs(c - cos(x)), 1e-15);
    }
    for (double x = 1.6e6; x <= BNT_ROPE_MAX_ANGLE; x += 31.719) {
        bnt_sincos_f64(x, &s, &c);
        ck_assert_double_le(fabs(s - sin(x)), 2e-9);
        ck_assert_double_le(fabs(c - cos(x)), 2e-9);
    }
    bnt_sincos_f64(0.0, &s, &c);
    ck_assert(s == 0.0 && c == 1.0);
}
END_TEST

/* A frequency of any size is either within for all positions or named. */
START_TEST(angles_beyond_the_range_are_found) {
    double freq[4] = {1.0, 0.5, 16.0, 0.25};
    ck_assert_uint_eq(bnt_rope_first_beyond(freq, 8, 1 << 20), 4);
    ck_assert_uint_eq(bnt_rope_first_beyond(freq, 8, (1 << 20) + 1), 2);
    freq[1] = INFINITY;
    ck_assert_uint_eq(bnt_rope_first_beyond(freq, 8, 1), 1);
    freq[0] = NAN;
    ck_assert_uint_eq(bnt_rope_first_beyond(freq, 8, 1), 0);
}
END_TEST

START_TEST(tables_hold_the_angles_of_the_formula) {
    enum { ROT = 128, COUNT = 8 };
    double freq[ROT / 2];
    float cosines[COUNT * ROT / 2], sines[COUNT * ROT / 2], factors[ROT / 2];
    for (int i = 0; i < ROT / 2; i++) factors[i] = 1.0f + (float)i / 8;
    for (int with_factors = 0; with_factors < 2; with_factors++) {
        bnt_rope_frequencies(freq, ROT, 500000.0,
                             &(struct bnt_rope_scaling){.factor = 4.0, .attn_factor = 1.0},
                             with_factors ? factors : NULL);
        bnt_rope_table(cosines, sines, freq, ROT, 1.0, 4000, COUNT);
        for (int t = 0; t < COUNT; t++) {
            for (int i = 0; i < ROT / 2; i++) {
                double angle = (4000.0 + t) * 0.25 * pow(500000.0, -2.0 * i / (double)ROT);
                if (with_factors) angle /= (double)factors[i];
                ck_assert_double_le(fabs((double)cosines[t * ROT / 2 + i] - cos(angle)), 1e-7);
                ck_assert_double_le(fabs((double)sines[t * ROT / 2 + i] - sin(angle)), 1e-7);
            }
        }
    }
}
END_TEST

/* YaRN against the formulas of its paper, written with libm. */
START_TEST(yarn_mixes_and_magnifies) {
    enum { ROT = 128 };
    const struct bnt_rope_scaling yarn = {.factor = 4.0,
                                          .attn_factor = 1.0,
                                          .yarn = true,
                                          .original_context = 8192.0,
                                          .beta_fast = 32.0,
                                          .beta_slow = 1.0};
    const double base = 1e6, pi = acos(-1.0);
    double freq[ROT / 2];
    int kept = 0, divided = 0;
    bnt_rope_frequencies(freq, ROT, base, &yarn, NULL);
    double low = floor((double)ROT * log(8192.0 / (32.0 * 2 * pi)) / (2 * log(base)));
    double high = ceil((double)ROT * log(8192.0 / (1.0 * 2 * pi)) / (2 * log(base)));
    for (int i = 0; i < ROT / 2; i++) {
        double full = pow(base, -2.0 * i / (double)ROT), ramp = (i - low) / (high - low);
        ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
        double wanted = full * (1 - ramp) + full / 4.0 * ramp;
        ck_assert_double_le(fabs(freq[i] / wanted - 1.0), 1e-14);
        kept += freq[i] == full || fabs(freq[i] / full - 1.0) < 1e-14;
        divided += fabs(freq[i] / full - 0.25) < 1e-14;
    }
    ck_assert_int_gt(kept, 5);
    ck_assert_int_gt(divided, 5);
    ck_assert_double_le(fabs(bnt_rope_magnitude(&yarn) - (1.0 + 0.1 * log(4.0))), 1e-15);
    ck_assert_double_eq(
        bnt_rope_magnitude(&(struct bnt_rope_scaling){.factor = 4.0, .attn_factor = 1.0}), 1.0);
    ck_assert_double_eq(
        bnt_rope_magnitude(&(struct bnt_rope_scaling){.factor = 4.0, .attn_factor = 1.5}), 1.5);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("rope");
    TCase *tc = tcase_create("rope");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, exp_and_log_are_within_an_ulp_or_two);
    tcase_add_test(tc, sine_and_cosine_over_every_context);
    tcase_add_test(tc, angles_beyond_the_range_are_found);
    tcase_add_test(tc, tables_hold_the_angles_of_the_formula);
    tcase_add_test(tc, yarn_mixes_and_magnifies);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
