/*
 * test_numerics.c - the building blocks of numerics.h against independent witnesses.
 *
 * This file is compiled for the baseline, so bnt_fma is the emulation on x86-64; its witness is the
 * instruction where the CPU has one, and the C library's fmaf everywhere. binary16 is gone through
 * whole; exp is measured against the library's double-precision one.
 */
#include "bitnet/numerics.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ktest.h"
#include "machine/cpu.h"
#include "suite.h"

#if defined(__x86_64__)
#include <immintrin.h>
__attribute__((target("fma"))) static float hardware_fma(float a, float b, float c) {
    return _mm_cvtss_f32(_mm_fmadd_ss(_mm_set_ss(a), _mm_set_ss(b), _mm_set_ss(c)));
}
static int have_hardware_fma(void) {
    return bnt_cpu_has(bnt_cpu_get()->features, "fma", NULL, 0);
}
#else
static float hardware_fma(float a, float b, float c) {
    return __builtin_fmaf(a, b, c);
}
static int have_hardware_fma(void) {
    return 1;
}
#endif

/* Any NaN counts as any other. */
static int same(float want, float got) {
    return bnt_f32_bits(want) == bnt_f32_bits(got) || (want != want && got != got);
}

static void same_bits(const char *what, float in, float want, float got) {
    if (!same(want, got))
        ck_abort_msg("%s(%a): want %a (%08x), got %a (%08x)", what, (double)in, (double)want,
                     bnt_f32_bits(want), (double)got, bnt_f32_bits(got));
}

/* Not a ck_assert: those report to the parent process each time, and there are millions. */
static void same_half(float in, uint32_t want, uint32_t got) {
    if (want != got) ck_abort_msg("f16(%a): want %04x, got %04x", (double)in, want, got);
}

static int with_hardware; /* have_hardware_fma(), set by main */

static void check_fma(float a, float b, float c) {
    float got = bnt_fma(a, b, c), library = fmaf(a, b, c);
    float hardware = with_hardware ? hardware_fma(a, b, c) : library;
    if (!same(library, got) || !same(hardware, got))
        ck_abort_msg("fma(%a, %a, %a): instruction %a, library %a, got %a", (double)a, (double)b,
                     (double)c, (double)hardware, (double)library, (double)got);
}

/* Every class of binary32: zeros, subnormals, the smallest and largest, ones, powers of two, the
 * neighbours of each, infinities, NaN. */
static size_t special_floats(float *out) {
    static const uint32_t base[] = {0x00000000, 0x00000001, 0x00000002, 0x00400000, 0x007fffff,
                                    0x00800000, 0x00800001, 0x0c800000, 0x1f800000, 0x33800000,
                                    0x34000000, 0x3f7fffff, 0x3f800000, 0x3f800001, 0x3fc00000,
                                    0x40000000, 0x4b800000, 0x4b7fffff, 0x4effffff, 0x5f800000,
                                    0x7e800000, 0x7f000000, 0x7f7fffff, 0x7f800000, 0x7fc00000};
    size_t n = 0;
    for (size_t i = 0; i < sizeof base / sizeof *base; i++)
        for (uint32_t sign = 0; sign < 2; sign++)
            out[n++] = bnt_f32_from_bits(base[i] | sign << 31);
    return n;
}

START_TEST(fma_special) {
    float v[64];
    size_t n = special_floats(v);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < n; k++) check_fma(v[i], v[j], v[k]);
}
END_TEST

START_TEST(fma_random) {
    struct rng r = rng_named(kt_seed(), "fma_random");
    for (int i = 0; i < 1000000; i++) { /* any bits */
        uint64_t u = rng_next(&r);
        check_fma(bnt_f32_from_bits((uint32_t)u), bnt_f32_from_bits((uint32_t)(u >> 32)),
                  bnt_f32_from_bits((uint32_t)rng_next(&r)));
    }
    for (int i = 0; i < 1000000; i++) { /* c near the product: cancellation, ties, sticky bits */
        float a = rng_normal(&r), b = rng_normal(&r);
        int shift = (int)rng_below(&r, 60) - 30;
        float c = -ldexpf(a * b, shift);
        c = bnt_f32_from_bits(bnt_f32_bits(c) + rng_below(&r, 5) - 2);
        check_fma(a, b, c);
        check_fma(ldexpf(a, -70), ldexpf(b, -70), ldexpf(c, -140)); /* subnormal results */
        check_fma(ldexpf(a, 63), ldexpf(b, 63), ldexpf(c, 126));    /* overflow */
    }
}
END_TEST

/* Products of few bits against a c many binades above or below: exact halfway cases, and the same
 * with one more bit far below that decides them. */
START_TEST(fma_halfway) {
    for (int e = -60; e <= 60; e++) {
        for (uint32_t m = 0; m < 8; m++) {
            for (uint32_t k = 0; k < 8; k++) {
                float c = bnt_f32_from_bits(0x3f800000u + m),
                      p = ldexpf(1.0f + (float)k * 0x1p-23f, e);
                check_fma(p, 1.0f, c);
                check_fma(p, -1.0f, c);
                check_fma(p, 1.0f + 0x1p-23f, c);
                check_fma(p, -(1.0f - 0x1p-24f), -c);
                check_fma(ldexpf(p, -60), 0x1p-60f, ldexpf(c, -130));
            }
        }
    }
}
END_TEST

START_TEST(rint_even) {
    struct rng r = rng_named(kt_seed(), "rint");
    for (int i = -4000; i <= 4000; i++)
        for (int k = -2; k <= 2; k++) {
            float x = (float)i * 0.5f;
            x = bnt_f32_from_bits(bnt_f32_bits(x) + (uint32_t)(i ? k : 0));
            same_bits("rint", x, nearbyintf(x) + 0.0f, bnt_rint(x));
        }
    for (int i = 0; i < 1000000; i++) {
        float x = rng_normal(&r) * (float)(1u << rng_below(&r, 21));
        same_bits("rint", x, nearbyintf(x) + 0.0f, bnt_rint(x));
    }
}
END_TEST

START_TEST(binary16) {
    for (uint32_t h = 0; h < 0x10000; h++) { /* by the definition of the format */
        uint32_t e = h >> 10 & 31, m = h & 1023;
        float want = e == 0 ? ldexpf((float)m, -24) : ldexpf((float)(m + 1024), (int)e - 25);
        if (e == 31) want = m ? NAN : INFINITY;
        float got = bnt_f16_to_f32((uint16_t)h);
        same_bits("f16", (float)h, h & 0x8000 ? -want : want, got);
        if (e == 31 && m)
            ck_assert_uint_eq(bnt_f32_bits(got), (h & 0x8000) << 16 | 0x7fc00000u | m << 13);
        if (e < 31 || m == 0) same_half(got, h, bnt_f32_to_f16(got));
    }
    /* Between neighbours: below, at and above the middle. */
    for (uint32_t h = 0; h < 0x7bff; h++) {
        float lo = bnt_f16_to_f32((uint16_t)h), hi = bnt_f16_to_f32((uint16_t)(h + 1));
        float middle = (lo + hi) * 0.5f; /* exact */
        uint32_t even = h & 1 ? h + 1 : h;
        same_half(middle, even, bnt_f32_to_f16(middle));
        same_half(-middle, even | 0x8000, bnt_f32_to_f16(-middle));
        float below = nextafterf(middle, 0.0f), above = nextafterf(middle, INFINITY);
        same_half(below, h, bnt_f32_to_f16(below));
        same_half(above, h + 1, bnt_f32_to_f16(above));
    }
    ck_assert_uint_eq(bnt_f32_to_f16(65519.996f), 0x7bff);
    ck_assert_uint_eq(bnt_f32_to_f16(65520.0f), 0x7c00);
    ck_assert_uint_eq(bnt_f32_to_f16(-INFINITY), 0xfc00);
    ck_assert_uint_eq(bnt_f32_to_f16(bnt_f32_from_bits(0x7f800001u)), 0x7e00);
    ck_assert_uint_eq(bnt_f32_to_f16(bnt_f32_from_bits(0xffc02000u)), 0xfe01);
}
END_TEST

#if defined(__x86_64__)
__attribute__((target("f16c"))) static void check_f16c(void) {
    for (uint64_t u = 0; u < 0x100000000u;
         u += 251) { /* 17 million patterns, any residue of 8192 */
        float f = bnt_f32_from_bits((uint32_t)u);
        same_half(f, (uint16_t)_cvtss_sh(f, _MM_FROUND_TO_NEAREST_INT), bnt_f32_to_f16(f));
    }
    for (uint32_t h = 0; h < 0x10000; h++)
        if (bnt_f32_bits(bnt_f16_to_f32((uint16_t)h)) != bnt_f32_bits(_cvtsh_ss((uint16_t)h)))
            ck_abort_msg("f16_to_f32(%04x)", h);
}

START_TEST(binary16_instruction) {
    if (bnt_cpu_has(bnt_cpu_get()->features, "f16c", NULL, 0))
        check_f16c();
    else
        fprintf(stderr, "binary16_instruction: not run, this CPU lacks f16c\n");
}
END_TEST
#endif

/* Exactly x or 0 far from 0, odd parts that differ by x, and no more than rounding between. */
START_TEST(gelu) {
    double worst = 0;
    for (uint32_t u = 0x2f800000u; u < 0x41a00000u; u += 997) { /* 2^-32 .. 20 */
        float x = bnt_f32_from_bits(u);
        for (int sign = 0; sign < 2; sign++, x = -x) {
            double d = (double)x, z = sqrt(2 / acos(-1.0)) * (d + 0.044715 * d * d * d);
            double want = d / (1 + exp(-2 * z)), got = (double)bnt_gelu(x);
            if (fabs(want) < 1e-35) continue;
            worst = fmax(worst, fabs(got - want) / (fabs(want) * (1 + fabs(2 * z))));
        }
    }
    ck_assert_double_le(worst, 3e-7); /* exp multiplies the rounding of its argument by it */
    same_bits("gelu", 0, 0.0f, bnt_gelu(0.0f));
    same_bits("gelu", -0.0f, -0.0f, bnt_gelu(-0.0f));
    same_bits("gelu", 30, 30.0f, bnt_gelu(30.0f));
    same_bits("gelu", -30, -0.0f, bnt_gelu(-30.0f));
    same_bits("gelu", 3e38f, 3e38f, bnt_gelu(3e38f));
    same_bits("gelu", -3e38f, -0.0f, bnt_gelu(-3e38f));
    same_bits("gelu", NAN, NAN, bnt_gelu(NAN));
}
END_TEST

START_TEST(exponential) {
    double worst = 0;
    float at = 0;
    for (uint32_t u = 0; u <= 0x42b00000u; u += 101) { /* 0 .. 88, and its mirror */
        for (uint32_t sign = 0; sign < 2; sign++) {
            float x = bnt_f32_from_bits(u | sign << 31);
            if (x < BNT_EXP_MIN || x > BNT_EXP_MAX) continue;
            double want = exp((double)x), got = (double)bnt_exp(x);
            int e;
            frexp(want, &e);
            double ulps = fabs(got - want) / ldexp(1.0, e - 24);
            if (ulps > worst) worst = ulps, at = x;
        }
    }
    fprintf(stderr, "exp: at most %.3f ulp off, at %.9g\n", worst, (double)at);
    ck_assert_double_lt(worst, 1.0);
    same_bits("exp", 0, 1.0f, bnt_exp(0.0f));
    same_bits("exp", -0.0f, 1.0f, bnt_exp(-0.0f));
    same_bits("exp", -87.00001f, 0.0f, bnt_exp(nextafterf(-87.0f, -100.0f)));
    same_bits("exp", 88.00001f, INFINITY, bnt_exp(nextafterf(88.0f, 100.0f)));
    same_bits("exp", -INFINITY, 0.0f, bnt_exp(-INFINITY));
    same_bits("exp", INFINITY, INFINITY, bnt_exp(INFINITY));
    same_bits("exp", NAN, NAN, bnt_exp(NAN));
    ck_assert(bnt_exp(-87.0f) >= 0x1p-126f); /* never subnormal */
}
END_TEST

int main(void) {
    with_hardware = have_hardware_fma();
    Suite *suite = suite_create("numerics");
    TCase *tc = tcase_create("building blocks");
    tcase_set_timeout(tc, 300);
    tcase_add_test(tc, fma_special);
    tcase_add_test(tc, fma_random);
    tcase_add_test(tc, fma_halfway);
    tcase_add_test(tc, rint_even);
    tcase_add_test(tc, binary16);
#if defined(__x86_64__)
    tcase_add_test(tc, binary16_instruction);
#endif
    tcase_add_test(tc, exponential);
    tcase_add_test(tc, gelu);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
