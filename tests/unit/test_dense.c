/*
 * test_dense.c - types of ordinary weights: the engine's readers (bitnet/dense.h) against the
 * tests' own encoders and decoders.
 *
 * Three parties read the formats here, each with code of its own; they must agree on every bit.
 */
#include "bitnet/dense.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "convert/dense_out.h"
#include "decode.h"
#include "encode.h"
#include "rng.h"
#include "suite.h"

static const struct {
    uint32_t type;
    double worst; /* error of the encoder in units of the largest value */
} types[] = {
    {T_F32, 0},          {T_F16, 0x1p-11},   {T_BF16, 0x1p-8},    {T_Q8_0, 0.51 / 127},
    {T_Q6_K, 0.018},     {T_Q4_0, 0.52 / 7}, {T_Q4_1, 1.04 / 15}, {T_Q5_0, 0.52 / 15},
    {T_Q5_1, 1.04 / 31}, {T_IQ4_NL, 0.15},   {T_Q2_K, 0.4},       {T_Q3_K, 0.18},
    {T_Q4_K, 0.08},      {T_Q5_K, 0.04},     {T_IQ4_XS, 0.15},
};
enum { N_TYPES = sizeof types / sizeof types[0], N = 4096 };

START_TEST(every_type_is_listed) {
    unsigned count = 0;
#define COUNT(name, id, values, bytes, at, at2, block)                                             \
    ck_assert_str_eq(#name, enc_type_name(id));                                                    \
    ck_assert_uint_eq(bnt_dense_block(id), enc_block(id));                                         \
    ck_assert_uint_eq(bnt_dense_bytes(id, N), enc_bytes(id, N));                                   \
    ck_assert_str_eq(bnt_dense_name(id), #name);                                                   \
    ck_assert_uint_eq(BNT_DENSE_BLOCK_MAX % (values), 0);                                          \
    count++;
    BNT_DENSE_TYPES(COUNT)
#undef COUNT
    ck_assert_uint_eq(count, N_TYPES);
    ck_assert_uint_eq(bnt_dense_block(T_TQ2_0), 0);
    ck_assert_uint_eq(bnt_dense_bytes(9999, N), 0);
}
END_TEST

START_TEST(encoders_agree) {
    static float x[N];
    static uint8_t bytes[4 * N];
    struct rng r = rng_stream(1, 3);
    for (size_t i = 0; i < N; i++) x[i] = rng_normal(&r);
    x[5] = 0;
    for (size_t i = 512; i < 768; i++) x[i] = 0;    /* a block of zeros */
    for (size_t i = 1024; i < 1280; i++) x[i] += 5; /* none is negative, or hardly one */
    for (size_t c = 0; c < N_TYPES; c++) {
        struct dec_tensor t;
        double largest = 8.5;
        enc_dense(types[c].type, x, N, bytes);
        ck_assert(dec_open(&t, types[c].type, bytes, N, N));
        ck_assert_ptr_null(t.trit);
        for (size_t i = 0; i < N; i++) {
            if (i % 256 == 0) {
                largest = 0;
                for (size_t k = i; k < i + 256; k++) largest = fmax(largest, fabs((double)x[k]));
            }
            ck_assert_msg(fabs(t.value[i] - (double)x[i]) <= largest * types[c].worst,
                          "%s[%zu]: %g for %g", enc_type_name(types[c].type), i, t.value[i],
                          (double)x[i]);
        }
        dec_close(&t);
    }
}
END_TEST

/* What a weight is, rounded once, is what the engine has: to the bit, and zeros to the sign. A NaN
 * is a NaN. */
static void agree(uint32_t type, const uint8_t *bytes, size_t n) {
    float *out = malloc((n + 1) * sizeof *out);
    struct dec_tensor t;
    out[n] = 77;
    bnt_dense_read(type, bytes, n, out);
    ck_assert(dec_open(&t, type, bytes, n, n));
    ck_assert(out[n] == 77);
    for (size_t i = 0; i < n; i++) {
        float wanted = (float)t.value[i];
        bool same = isnan(wanted) ? isnan(out[i]) : memcmp(&wanted, &out[i], sizeof wanted) == 0;
        if (!same)
            ck_abort_msg("%s[%zu]: %a, not %a", enc_type_name(type), i, (double)out[i],
                         (double)wanted);
    }
    dec_close(&t);
    free(out);
}

/* Of what encoders write, and at an odd address. */
START_TEST(readers_agree) {
    static float x[N];
    static uint8_t bytes[4 * N + 1];
    struct rng r = rng_stream(1, 4);
    for (size_t c = 0; c < N_TYPES; c++) {
        for (size_t i = 0; i < N; i++) x[i] = rng_normal(&r) * 0.02f;
        enc_dense(types[c].type, x, N, bytes + 1);
        agree(types[c].type, bytes + 1, N);
    }
}
END_TEST

/* Of any bytes: infinite and NaN scales, subnormal ones, codes that no quantizer writes. */
START_TEST(readers_agree_on_any_bytes) {
    static uint8_t bytes[4 * N];
    struct rng r = rng_stream(1, 5);
    for (unsigned round = 0; round < 40; round++) {
        for (size_t c = 0; c < N_TYPES; c++) {
            size_t size = (size_t)enc_bytes(types[c].type, N);
            for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)rng_next(&r);
            agree(types[c].type, bytes, N);
        }
    }
}
END_TEST

/* Every bit of a block by itself: where a code lies, and which way it counts. */
START_TEST(readers_agree_on_every_bit) {
    for (size_t c = 0; c < N_TYPES; c++) {
        size_t n = enc_block(types[c].type), size = (size_t)enc_bytes(types[c].type, n);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            uint8_t block[256], base[256];
            struct rng r = rng_stream(bit % 3, c);
            for (size_t i = 0; i < size; i++) base[i] = (uint8_t)rng_next(&r);
            memcpy(block, base, size);
            block[bit / 8] = (uint8_t)(block[bit / 8] ^ 1 << bit % 8);
            agree(types[c].type, block, n);
        }
    }
}
END_TEST

/* A factor that is infinite is where the list says, and nothing else can make a weight so. */
START_TEST(factors_are_where_they_are) {
    struct rng r = rng_stream(1, 7);
    for (size_t c = 0; c < N_TYPES; c++) {
        uint32_t type = types[c].type;
        size_t n = enc_block(type), size = (size_t)enc_bytes(type, n);
        int factors = (bnt_dense_factor(type, 0) >= 0) + (bnt_dense_factor(type, 1) >= 0);
        for (unsigned round = 0; n > 1 && round < 3000; round++) {
            uint8_t block[256];
            float out[256];
            bool bad = false, infinite = false;
            for (size_t i = 0; i < size; i++) block[i] = (uint8_t)rng_next(&r);
            for (int f = 0; f < factors; f++) {
                uint8_t *high = &block[bnt_dense_factor(type, f) + 1];
                if (round % 2) *high = (uint8_t)((*high & 0x80) | 0x3c);
                infinite |= (*high & 0x7c) == 0x7c;
            }
            bnt_dense_read(type, block, n, out);
            for (size_t i = 0; i < n; i++) bad |= !isfinite(out[i]);
            ck_assert_msg(bad == infinite, "%s", enc_type_name(type));
        }
        ck_assert(n == 1 || factors > 0);
    }
}
END_TEST

/* A row in pieces is the row. */
START_TEST(pieces_agree) {
    static float x[N], whole[N], pieces[N];
    static uint8_t bytes[4 * N];
    struct rng r = rng_stream(1, 6);
    for (size_t i = 0; i < N; i++) x[i] = rng_normal(&r);
    for (size_t c = 0; c < N_TYPES; c++) {
        uint32_t type = types[c].type;
        size_t block = enc_block(type);
        enc_dense(type, x, N, bytes);
        bnt_dense_read(type, bytes, N, whole);
        for (size_t at = 0, n; at < N; at += n) {
            n = block * (1 + rng_below(&r, 5));
            if (n > N - at) n = N - at;
            bnt_dense_read(type, bytes + bnt_dense_bytes(type, at), n, pieces + at);
        }
        ck_assert_mem_eq(whole, pieces, sizeof whole);
    }
}
END_TEST

/* Each of the 65536 numbers of BF16, among ones: the bits that are moved are those that rounding
 * gives, or the run is left to it; and no number that both types hold normally is left. */
START_TEST(bits_of_bf16_are_moved_rightly) {
    static const float least = 0x1p-14f, past = 65536.0f;
    uint8_t in[2 * BNT_DENSE_RUN], moved[2 * BNT_DENSE_RUN], rounded[2 * BNT_DENSE_RUN];
    float x[BNT_DENSE_RUN];
    struct bnt_err err = {0};
    for (unsigned code = 0; code < 65536; code++) {
        const unsigned at = code % BNT_DENSE_RUN;
        for (unsigned i = 0; i < BNT_DENSE_RUN; i++) memcpy(in + 2 * i, &(uint16_t){0x3f80}, 2);
        memcpy(in + 2 * at, &(uint16_t){(uint16_t)code}, 2);
        bnt_dense_read(BNT_TYPE_BF16, in, BNT_DENSE_RUN, x);
        const bool both = fabsf(x[at]) >= least && fabsf(x[at]) < past;
        ck_assert_msg(bnt_dense_bf16_as_f16(in, moved) == both, "code %04x, %g", code,
                      (double)x[at]);
        if (!both) continue;
        ck_assert_int_eq(bnt_dense_write(BNT_TYPE_F16, x, BNT_DENSE_RUN, rounded, "t", 0, &err),
                         BNT_OK);
        ck_assert_mem_eq(moved, rounded, sizeof moved);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dense");
    TCase *tc = tcase_create("dense");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_type_is_listed);
    tcase_add_test(tc, encoders_agree);
    tcase_add_test(tc, readers_agree);
    tcase_add_test(tc, readers_agree_on_any_bytes);
    tcase_add_test(tc, readers_agree_on_every_bit);
    tcase_add_test(tc, factors_are_where_they_are);
    tcase_add_test(tc, pieces_agree);
    tcase_add_test(tc, bits_of_bf16_are_moved_rightly);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
