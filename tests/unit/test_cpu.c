/* test_cpu.c - feature names from raw registers: CPUID alone is not permission, XCR0 must agree. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "machine/cpu.h"
#include "suite.h"

#define ALL 0xffffffffu

START_TEST(every_feature_and_sorted) {
    struct bnt_cpu_x86 raw = {ALL, ALL, ALL, ALL, 0xe7};
    char list[512];
    bnt_cpu_features_x86(&raw, list, sizeof list);
    ck_assert_str_eq(list, "avx,avx2,avx512bf16,avx512bw,avx512cd,avx512dq,avx512f,avx512vbmi,"
                           "avx512vl,avx512vnni,avxvnni,bmi1,bmi2,f16c,fma,popcnt,sse3,sse4_1,"
                           "sse4_2,ssse3");
    bnt_cpu_features_arm(~0ull, ~0ull, list, sizeof list);
    ck_assert_str_eq(list, "bf16,dotprod,fp16,i8mm,neon,sve");
    bnt_cpu_features_arm(1u << 1, 0, list, sizeof list);
    ck_assert_str_eq(list, "neon");
}
END_TEST

START_TEST(unsaved_state_is_not_listed) {
    struct bnt_cpu_x86 raw = {ALL, ALL, ALL, ALL, 0x07}; /* the OS saves YMM, not ZMM */
    char list[512];
    bnt_cpu_features_x86(&raw, list, sizeof list);
    ck_assert_ptr_null(strstr(list, "avx512"));
    ck_assert(bnt_cpu_has(list, "avx2,fma,avxvnni", NULL, 0));
    raw.xcr0 = 0xc7; /* opmask missing */
    bnt_cpu_features_x86(&raw, list, sizeof list);
    ck_assert_ptr_null(strstr(list, "avx512"));
    raw.xcr0 = 0x03; /* SSE only */
    bnt_cpu_features_x86(&raw, list, sizeof list);
    ck_assert_str_eq(list, "bmi1,bmi2,popcnt,sse3,sse4_1,sse4_2,ssse3");
    raw.xcr0 = 0; /* no xsave at all */
    bnt_cpu_features_x86(&raw, list, sizeof list);
    ck_assert_ptr_null(strstr(list, "avx"));
}
END_TEST

START_TEST(needs) {
    char missing[64];
    ck_assert(bnt_cpu_has("avx2,fma", "", missing, sizeof missing));
    ck_assert(bnt_cpu_has("", "", missing, sizeof missing));
    ck_assert(bnt_cpu_has("avx2,f16c,fma", "fma,avx2", missing, sizeof missing));
    ck_assert_str_eq(missing, "");
    ck_assert(!bnt_cpu_has("avx2,fma", "avx", missing, sizeof missing)); /* not a prefix match */
    ck_assert_str_eq(missing, "avx");
    ck_assert(!bnt_cpu_has("avx2,fma", "avx512f,fma,sve", missing, sizeof missing));
    ck_assert_str_eq(missing, "avx512f,sve");
    ck_assert(!bnt_cpu_has("avx2", "abcdefgh,x", missing, 4)); /* a small buffer stays valid */
    ck_assert_str_eq(missing, "x");
    ck_assert(!bnt_cpu_has("avx2", "sve", NULL, 0));
}
END_TEST

START_TEST(this_machine) {
    const bnt_cpu *cpu = bnt_cpu_get();
    const char *p = cpu->features;
    char previous[64] = "";
    ck_assert_ptr_eq(cpu, bnt_cpu_get());
    ck_assert_uint_eq(cpu->struct_size, sizeof *cpu);
    ck_assert_uint_ge(cpu->threads, 1);
    ck_assert_uint_gt(strlen(bnt_cpu_model()), 0);
    while (*p) { /* sorted, no empty names */
        size_t n = strcspn(p, ",");
        char name[64];
        ck_assert(n > 0 && n < sizeof name);
        memcpy(name, p, n);
        name[n] = '\0';
        ck_assert_int_lt(strcmp(previous, name), 0);
        strcpy(previous, name);
        p += n + (p[n] == ',');
    }
#if defined(__x86_64__)
    /* The compiler's runtime asks the same questions; it is an independent answer. */
    ck_assert_int_eq(bnt_cpu_has(cpu->features, "avx2", NULL, 0),
                     __builtin_cpu_supports("avx2") != 0);
    ck_assert_int_eq(bnt_cpu_has(cpu->features, "fma", NULL, 0),
                     __builtin_cpu_supports("fma") != 0);
    ck_assert_int_eq(bnt_cpu_has(cpu->features, "avx512bw", NULL, 0),
                     __builtin_cpu_supports("avx512bw") != 0);
    ck_assert_int_eq(bnt_cpu_has(cpu->features, "avx512vnni", NULL, 0),
                     __builtin_cpu_supports("avx512vnni") != 0);
#elif defined(__aarch64__)
    ck_assert(bnt_cpu_has(cpu->features, "neon", NULL, 0));
#endif
}
END_TEST

int main(void) {
    Suite *s = suite_create("cpu");
    TCase *tc = tcase_create("cpu");
    tcase_add_test(tc, every_feature_and_sorted);
    tcase_add_test(tc, unsaved_state_is_not_listed);
    tcase_add_test(tc, needs);
    tcase_add_test(tc, this_machine);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
