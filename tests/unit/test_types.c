/*
 * test_types.c - the table of tensor types, sizes, and 16-bit floats against the tests' own
 * encoders and decoders.
 *
 * Three parties read the formats here (engine, tests/lib/encode, tests/lib/decode), each with code
 * of its own; they must agree on every bit.
 */
#include "file/types.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/numerics.h"
#include "decode.h"
#include "encode.h"
#include "rng.h"
#include "suite.h"

static const uint32_t known[] = {T_F32,      T_F16,    T_BF16,   T_Q8_0,  T_Q6_K,
                                 T_TQ1_0,    T_TQ2_0,  T_I2_S,   T_Q1_0,  T_Q2_0,
                                 T_Q2_0_128, T_IQ1_BN, T_IQ2_BN, T_PQ2_0, T_PTQ1_0};
enum { N_KNOWN = sizeof known / sizeof known[0] };

START_TEST(table_agrees) {
    for (size_t i = 0; i < N_KNOWN; i++) {
        const struct bnt_type_info *t = bnt_type(known[i]);
        ck_assert_str_eq(t->name, enc_type_name(known[i]));
        ck_assert_uint_eq(t->id, known[i]);
        ck_assert_uint_eq(t->block, enc_block(known[i]));
        ck_assert_int_eq(t->kind, enc_is_ternary(known[i]) ? BNT_KIND_TERNARY : BNT_KIND_DENSE);
        uint64_t bytes = 0;
        ck_assert(bnt_type_bytes(known[i], 512, 512 * 3, &bytes));
        ck_assert_uint_eq(bytes, enc_tensor_bytes(known[i], 3, 512));
        ck_assert_uint_eq(t->row_bytes, enc_row_bytes(known[i]));
    }
    ck_assert_int_eq(bnt_type(9999)->kind, BNT_KIND_UNKNOWN);
    ck_assert_int_eq(bnt_type(UINT32_MAX)->kind, BNT_KIND_UNKNOWN);
    ck_assert_int_eq(bnt_type(38)->kind, BNT_KIND_UNSUPPORTED); /* TL1 */
    ck_assert_str_eq(bnt_type(39)->name, "TL2 or MXFP4");
}
END_TEST

/* Every row can be used for what it says: what is computed with has a size and, but for I2_S, a
 * reader; what is not has advice; no id stands twice; a further layout of an id has a first one,
 * and another size than it. */
START_TEST(table_is_whole) {
    const struct bnt_type_info *t, *u;
    uint32_t n = 0;
    for (; (t = bnt_type_at(n)); n++) {
        bool ternary = t->kind == BNT_KIND_TERNARY, computed = ternary || t->kind == BNT_KIND_DENSE;
        ck_assert_ptr_eq(bnt_type(t->id), t);
        ck_assert_msg(computed == (t->instead == NULL), "%s", t->name);
        ck_assert_msg(!computed || t->block_bytes, "%s", t->name);
        ck_assert_msg((t->trits != NULL) == (ternary && t->id != T_I2_S), "%s", t->name);
        for (uint32_t k = 0; k < n; k++) ck_assert_str_ne(bnt_type_at(k)->name, t->name);
        if (t->id == BNT_FILE_ID(t->id)) continue;
        u = bnt_type(BNT_FILE_ID(t->id));
        ck_assert_msg(u->kind != BNT_KIND_UNKNOWN && t->block_bytes, "%s", t->name);
        uint64_t a = 0, b = 0;
        ck_assert(bnt_type_bytes(t->id, 1024, 1024 * 64, &a));
        ck_assert(bnt_type_bytes(u->id, 1024, 1024 * 64, &b));
        ck_assert_uint_ne(a, b);
    }
    ck_assert_uint_gt(n, 110);
    ck_assert_ptr_null(bnt_type_at(n));
    ck_assert_ptr_nonnull(bnt_type(9999)->instead);
}
END_TEST

START_TEST(sizes_are_checked) {
    uint64_t bytes = 7;
    ck_assert(!bnt_type_bytes(9999, 32, 32, &bytes));
    ck_assert(!bnt_type_bytes(T_Q8_0, 31, 62, &bytes));
    ck_assert(!bnt_type_bytes(T_Q8_0, 16, 32, &bytes)); /* blocks lie inside a row */
    ck_assert(!bnt_type_bytes(T_TQ1_0, 128, 256, &bytes));
    ck_assert(!bnt_type_bytes(T_Q2_0, 32, 64, &bytes));
    ck_assert(!bnt_type_bytes(T_Q2_0_128, 64, 128, &bytes));
    ck_assert(!bnt_type_bytes(T_F32, 1, 1ull << 62, &bytes));
    ck_assert(!bnt_type_bytes(T_I2_S, 64, 192, &bytes));
    ck_assert_uint_eq(bytes, 7);
    ck_assert(bnt_type_bytes(T_I2_S, 64, 256, &bytes)); /* but I2_S groups do not */
    ck_assert_uint_eq(bytes, 64 + 32);
    ck_assert(bnt_type_bytes(T_F32, 1ull << 61, 1ull << 61, &bytes));
    ck_assert(bnt_type_bytes(T_IQ2_BN, 128, 128 * 5, &bytes)); /* 5 scales, 10 blocks */
    ck_assert_uint_eq(bytes, 5 * 4 + 10 * 16);
}
END_TEST

/* ---- 16-bit floats --------------------------------------------------------------------------- */

/* ck_assert writes to a pipe each time; in loops of millions only a failure is worth it. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) ck_abort_msg("%s: %s", #condition, note);                                \
    } while (0)

START_TEST(f16_agrees) {
    char note[64];
    for (uint32_t h = 0; h < 65536; h++) {
        float engine = bnt_f16_to_f32((uint16_t)h);
        double ours = dec_f16((uint16_t)h);
        snprintf(note, sizeof note, "%04x", h);
        if (isnan(ours)) {
            MUST(isnan(engine));
            continue;
        }
        MUST((double)engine == ours && !signbit(engine) == !signbit(ours));
        MUST(bnt_f32_to_f16(engine) == h);
        MUST(enc_f16(engine) == h);
        MUST(dec_f16(enc_f16(enc_f16_value(engine))) == ours);
    }
    for (uint32_t h = 0; h < 65536; h++) {
        bool nan = (h & 0x7f80) == 0x7f80 && (h & 0x7f);
        snprintf(note, sizeof note, "bf16 %04x", h);
        MUST(enc_bf16(bnt_bf16_to_f32((uint16_t)h)) == (nan ? (h | 0x40) : h));
    }
}
END_TEST

static void rounds_alike(float x) {
    char note[64];
    snprintf(note, sizeof note, "%a", (double)x);
    MUST(bnt_f32_to_f16(x) == enc_f16(x));
    MUST(bnt_f32_to_f16(-x) == enc_f16(-x));
    MUST(dec_round_f16((double)x) == dec_f16(enc_f16(x)));
}

/* Around every boundary between two f16 values, and at random. */
START_TEST(f16_rounds_alike) {
    for (uint32_t h = 0; h < 0x7c00; h++) {
        float lo = bnt_f16_to_f32((uint16_t)h);
        float hi = h == 0x7bff ? 65536.0f : bnt_f16_to_f32((uint16_t)(h + 1));
        uint32_t middle = bnt_f32_bits((lo + hi) / 2);
        for (int d = -2; d <= 2; d++) rounds_alike(bnt_f32_from_bits(middle + (uint32_t)d));
    }
    struct rng r = rng_stream(1, 2);
    for (int i = 0; i < 200000; i++) {
        float x = bnt_f32_from_bits((uint32_t)rng_next(&r));
        if (!isnan(x)) rounds_alike(x);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("types");
    TCase *tc = tcase_create("types");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, table_agrees);
    tcase_add_test(tc, table_is_whole);
    tcase_add_test(tc, sizes_are_checked);
    tcase_add_test(tc, f16_agrees);
    tcase_add_test(tc, f16_rounds_alike);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
