/*
 * test_ternary.c - the engine's readers of ternary tensors against the tests' own encoders and
 * decoders.
 *
 * Three parties read the formats here (engine, tests/lib/encode, tests/lib/decode), each with code
 * of its own; they must agree on every bit.
 */
#include "file/ternary.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "encode.h"
#include "file/types.h"
#include "rng.h"
#include "suite.h"

struct matrix {
    struct bnt_ternary_src src;
    int8_t *trits;
    float *scales; /* per block; the first one serves I2_S */
    uint8_t *bytes;
};

/* Trits and scales to the file's bytes. */
static void encode(struct matrix *m) {
    const struct bnt_ternary_src *s = &m->src;
    if (s->type != T_I2_S)
        enc_ternary(s->type, m->trits, m->scales, (size_t)s->rows, (size_t)s->cols, m->bytes);
}

static struct matrix make(uint32_t type, uint64_t rows, uint64_t cols, bool varied, uint64_t seed) {
    size_t n = (size_t)(rows * cols), bytes = (size_t)enc_tensor_bytes(type, rows, cols);
    size_t runs = n / (size_t)enc_span(type, cols) + 1;
    struct rng r = rng_stream(seed, type);
    struct matrix m = {
        .trits = malloc(n), .scales = calloc(runs, sizeof(float)), .bytes = malloc(bytes)};
    for (size_t i = 0; i < n; i++)
        m.trits[i] =
            type == T_Q1_0 ? (rng_below(&r, 2) ? 1 : -1) : (int8_t)((int)rng_below(&r, 3) - 1);
    for (size_t b = 0; b < runs; b++) {
        m.scales[b] = varied ? 0.5f + rng_unit(&r) : 0.7f;
        if (type != T_IQ2_BN) m.scales[b] = enc_f16_value(m.scales[b]); /* whose are binary32 */
    }
    m.src = (struct bnt_ternary_src){
        .type = type, .rows = rows, .cols = cols, .data = m.bytes, .bytes = bytes};
    encode(&m);
    if (type == T_I2_S) {
        m.scales[0] = 0.1234567f; /* all of binary32 */
        enc_i2_s(m.trits, n, m.bytes);
        enc_i2_s_tail(m.scales[0], m.bytes + n / 4);
    }
    return m;
}

static void drop(struct matrix *m) {
    free(m->trits);
    free(m->scales);
    free(m->bytes);
}

static int scan(struct matrix *m, struct bnt_err *err) {
    struct bnt_ternary_scan all = {0}, part = {0};
    uint64_t middle = m->src.rows / 2;
    bnt_ternary_scan_rows(&m->src, middle, m->src.rows, &part); /* in two parts, joined */
    bnt_ternary_scan_rows(&m->src, 0, middle, &all);
    bnt_ternary_scan_join(&all, &part);
    return bnt_ternary_scan_finish(&m->src, &all, "blk.7.ffn_up.weight", err);
}

static void check_decoded(const struct matrix *m, bool varied) {
    const struct bnt_ternary_src *s = &m->src;
    size_t n = (size_t)(s->rows * s->cols), block = (size_t)enc_span(s->type, s->cols);
    struct dec_tensor t;
    ck_assert(dec_open(&t, s->type, s->data, n, (size_t)s->cols));
    ck_assert_mem_eq(t.trit, m->trits, n);
    ck_assert_uint_eq(t.block, varied ? block : n);
    for (uint64_t lo = 0; lo < s->rows; lo++) {
        for (uint64_t hi = lo; hi <= s->rows; hi += 1 + hi / 3) {
            size_t count = (size_t)((hi - lo) * s->cols);
            int8_t *trits = malloc(count + 1);
            float *scales = calloc(count / block + 1, sizeof *scales);
            trits[count] = 99;
            bnt_ternary_decode(s, lo, hi, trits, s->block ? scales : NULL);
            ck_assert_mem_eq(trits, m->trits + lo * s->cols, count);
            ck_assert_int_eq(trits[count], 99);
            for (size_t b = 0; s->block && b < count / block; b++) {
                ck_assert(scales[b] == m->scales[lo * s->cols / block + b]);
                ck_assert((double)scales[b] == t.scale[lo * s->cols / block + b]);
            }
            free(trits);
            free(scales);
        }
    }
    dec_close(&t);
}

START_TEST(ternary_decoders_agree) {
    static const struct {
        uint32_t type;
        uint64_t rows, cols;
    } shapes[] = {
        {T_I2_S, 5, 128},     {T_I2_S, 4, 96},       {T_I2_S, 128, 3},   {T_I2_S, 8, 2560},
        {T_I2_S, 1, 128},     {T_I2_S, 64, 34},      {T_TQ1_0, 3, 256},  {T_TQ1_0, 2, 1024},
        {T_TQ2_0, 3, 256},    {T_TQ2_0, 2, 768},     {T_TQ1_0, 40, 256}, {T_TQ2_0, 40, 256},
        {T_Q2_0, 1, 64},      {T_Q2_0, 5, 192},      {T_Q2_0, 20, 640},  {T_Q2_0_128, 1, 128},
        {T_Q2_0_128, 5, 384}, {T_Q2_0_128, 20, 640}, {T_PQ2_0, 5, 384},  {T_Q1_0, 1, 128},
        {T_Q1_0, 9, 640},     {T_PTQ1_0, 1, 128},    {T_PTQ1_0, 9, 640}, {T_IQ1_BN, 1, 64},
        {T_IQ1_BN, 2, 1088},  {T_IQ1_BN, 20, 192},   {T_IQ2_BN, 1, 64},  {T_IQ2_BN, 2, 1088},
        {T_IQ2_BN, 20, 192},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (int v = 0; v <= (shapes[i].type != T_I2_S); v++) {
            struct matrix m = make(shapes[i].type, shapes[i].rows, shapes[i].cols, v, 10 + i);
            struct bnt_err err = {0};
            ck_assert_msg(scan(&m, &err) == BNT_OK, "%s", err.text);
            uint64_t span = enc_span(shapes[i].type, m.src.cols);
            bool varied = v && m.src.rows * m.src.cols > span;
            ck_assert_uint_eq(m.src.block, varied ? span : 0);
            ck_assert(bnt_ternary_f16_scales(&m.src) ==
                      (shapes[i].type != T_I2_S && shapes[i].type != T_IQ2_BN));
            if (!varied) ck_assert(m.src.scale == m.scales[0]);
            check_decoded(&m, varied);
            drop(&m);
        }
    }
}
END_TEST

/* Every number of five digits, in every place a byte can stand. */
START_TEST(all_bytes_of_base_3) {
    static const uint32_t types[] = {T_TQ1_0, T_PTQ1_0, T_IQ1_BN};
    for (size_t k = 0; k < 3; k++) {
        for (uint64_t v = 0; v < 243; v++) {
            struct matrix m = make(types[k], 1, 256, false, v);
            for (size_t i = 0; i < 256; i++) {
                static const int power[5] = {81, 27, 9, 3, 1};
                m.trits[i] = (int8_t)((int)v / power[(i + i / 16) % 5] % 3 - 1);
            }
            encode(&m);
            int8_t out[256];
            bnt_ternary_decode(&m.src, 0, 1, out, NULL);
            ck_assert_mem_eq(out, m.trits, 256);
            check_decoded(&m, false);
            drop(&m);
        }
    }
}
END_TEST

/* Code i of byte p of a block of Q2_0 stands at bits 2i; the scale is in front. By hand. */
START_TEST(q2_0_by_hand) {
    static const uint32_t types[] = {T_Q2_0, T_Q2_0_128};
    for (size_t t = 0; t < 2; t++) {
        size_t n = enc_block(types[t]), bytes = 2 + n / 4;
        for (size_t i = 0; i < n; i++) {
            for (int code = 0; code < 3; code++) {
                uint8_t block[34];
                int8_t trits[128], want[128];
                memset(block, 0x55, bytes);       /* zeros */
                block[0] = 0x00, block[1] = 0xc1; /* -2.5 */
                block[2 + i / 4] = (uint8_t)(0x55 ^ (1 ^ code) << (i % 4 * 2));
                memset(want, 0, n);
                want[i] = (int8_t)(code - 1);
                struct bnt_ternary_src src = {
                    .type = types[t], .rows = 1, .cols = n, .data = block, .bytes = bytes};
                struct bnt_ternary_scan found = {0};
                bnt_ternary_decode(&src, 0, 1, trits, NULL);
                ck_assert_mem_eq(trits, want, n);
                bnt_ternary_scan_rows(&src, 0, 1, &found);
                ck_assert(found.any == (code != 1) && !found.bad_code && !found.differ);
                ck_assert(code == 1 || found.scale == -2.5f);
            }
        }
    }
    ck_assert_uint_eq(T_Q2_0, BNT_Q2_0);
    ck_assert_uint_eq(T_Q2_0_128, BNT_Q2_0_128);
}
END_TEST

/* Where single weights of the other types stand, by hand: set one and look for it. */
START_TEST(bits_by_hand) {
    static const struct {
        uint32_t type;
        uint64_t cols;
        size_t at; /* byte of the row that is changed */
        uint8_t was, is;
        size_t place; /* ... which makes this weight +1 where it was -1 or 0 */
    } cases[] = {
        {T_Q1_0, 128, 2, 0x00, 0x01, 0},
        {T_Q1_0, 128, 2, 0x00, 0x80, 7},
        {T_Q1_0, 128, 17, 0x00, 0x80, 127},
        {T_Q1_0, 256, 18 + 3, 0x00, 0x02, 128 + 9},
        {T_PQ2_0, 128, 2, 0x55, 0x56, 0},
        {T_PQ2_0, 256, 34 + 33, 0x55, 0x95, 255},
        {T_IQ2_BN, 64, 4, 0x55, 0x56, 0},
        {T_IQ2_BN, 64, 4, 0x55, 0x95, 48},
        {T_IQ2_BN, 128, 4 + 31, 0x55, 0x65, 64 + 47},
        /* zeros are 121 of 243, which is the byte 128: 81 more (213) is a digit 4, 1 more a digit 0
         */
        {T_PTQ1_0, 128, 0, 128, 213, 0},
        {T_PTQ1_0, 128, 15, 128, 129, 79},
        {T_PTQ1_0, 128, 16, 128, 213, 80},
        {T_PTQ1_0, 128, 25, 127, 212, 121},
        {T_IQ1_BN, 64, 2, 128, 129, 0},
        {T_IQ1_BN, 64, 2, 128, 213, 4},
        {T_IQ1_BN, 64, 2 + 3, 128, 129, 16},
        {T_IQ1_BN, 64, 2 + 12, 43, 44, 15},
        {T_IQ1_BN, 64, 2 + 12, 43, 71, 63},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct matrix m = make(cases[i].type, 1, cases[i].cols, false, 1);
        int8_t before[256], after[256];
        memset(m.trits, cases[i].type == T_Q1_0 ? -1 : 0, (size_t)cases[i].cols);
        encode(&m);
        bnt_ternary_decode(&m.src, 0, 1, before, NULL);
        ck_assert_uint_eq(m.bytes[cases[i].at], cases[i].was);
        m.bytes[cases[i].at] = cases[i].is;
        bnt_ternary_decode(&m.src, 0, 1, after, NULL);
        ck_assert_mem_eq(before, m.trits, (size_t)cases[i].cols);
        before[cases[i].place] = 1;
        ck_assert_msg(memcmp(before, after, (size_t)cases[i].cols) == 0, "case %zu", i);
        drop(&m);
    }
}
END_TEST

static const uint32_t block_types[] = {T_TQ1_0, T_TQ2_0,  T_Q2_0,   T_Q2_0_128,
                                       T_PQ2_0, T_PTQ1_0, T_IQ1_BN, T_IQ2_BN};
enum { N_BLOCK_TYPES = sizeof block_types / sizeof block_types[0] };

/* Two files that mean the same weights decode alike: a scale without trits says nothing, and trits
 * without a scale are zeros. So they do not keep a tensor from having one scale, and where it has
 * several, theirs is +0. */
START_TEST(zero_blocks_are_canonical) {
    enum { ROWS = 8, COLS = 512, N = ROWS * COLS };
    for (size_t i = 0; i < N_BLOCK_TYPES; i++) {
        size_t span = (size_t)enc_span(block_types[i], COLS);
        for (int varied = 0; varied < 2; varied++) {
            struct matrix m = make(block_types[i], ROWS, COLS, varied, 3);
            memset(m.trits + span, 0, span); /* zeros under another scale */
            m.scales[1] = 3;
            m.scales[5] = 0; /* trits under scale zero, of either sign */
            m.scales[6] = -0.0f;
            encode(&m);
            struct bnt_err err = {0};
            ck_assert_msg(scan(&m, &err) == BNT_OK, "%s", err.text);
            ck_assert_uint_eq(m.src.block, varied ? span : 0);
            if (!varied) ck_assert(m.src.scale == m.scales[0]);
            int8_t trits[N];
            float scales[N / 64];
            struct dec_tensor t;
            memset(m.trits + 5 * span, 0, 2 * span);
            m.scales[1] = m.scales[5] = m.scales[6] = 0;
            bnt_ternary_decode(&m.src, 0, ROWS, trits, varied ? scales : NULL);
            ck_assert_mem_eq(trits, m.trits, N);
            if (varied) ck_assert_mem_eq(scales, m.scales, N / span * sizeof *scales); /* bits */
            ck_assert(dec_open(&t, block_types[i], m.bytes, N, COLS));
            ck_assert_mem_eq(t.trit, m.trits, N);
            ck_assert_uint_eq(t.block, varied ? span : N);
            dec_close(&t);
            drop(&m);
        }
    }
}
END_TEST

/* No block has a scale of its own: the tensor's is 0. And one deviating block is enough. */
START_TEST(one_scale_or_many) {
    enum { ROWS = 6, COLS = 256, N = ROWS * COLS };
    for (size_t i = 0; i < N_BLOCK_TYPES; i++) {
        size_t span = (size_t)enc_span(block_types[i], COLS), runs = N / span;
        struct bnt_err err = {0};
        struct matrix m = make(block_types[i], ROWS, COLS, true, 4);
        memset(m.trits, 0, N);
        encode(&m);
        ck_assert_int_eq(scan(&m, &err), BNT_OK);
        ck_assert(m.src.block == 0 && m.src.scale == 0.0f && !signbit(m.src.scale));
        drop(&m);
        for (size_t odd = 0; odd < runs; odd++) { /* in either part of the scan */
            m = make(block_types[i], ROWS, COLS, false, 5);
            m.scales[odd] = -m.scales[odd];
            encode(&m);
            ck_assert_int_eq(scan(&m, &err), BNT_OK);
            ck_assert_uint_eq(m.src.block, span);
            check_decoded(&m, true);
            drop(&m);
        }
    }
}
END_TEST

static void expect_refused(struct matrix *m, const char *words) {
    struct bnt_err err = {0};
    ck_assert_int_eq(scan(m, &err), BNT_E_FORMAT);
    ck_assert_msg(strstr(err.text, "blk.7.ffn_up.weight"), "%s", err.text);
    ck_assert_msg(strstr(err.text, words), "'%s' does not say '%s'", err.text, words);
}

START_TEST(refuses_damage) {
    struct bnt_err err = {0};
    for (unsigned shift = 0; shift < 8; shift += 2) { /* code 3 at each place of a byte */
        struct matrix m = make(T_I2_S, 8, 256, false, 4);
        m.bytes[100] = (uint8_t)(m.bytes[100] | 3 << shift);
        expect_refused(&m, "code 3");
        drop(&m);
        m = make(T_TQ2_0, 8, 256, false, 4);
        m.bytes[66 * 5 + 7] = (uint8_t)(m.bytes[66 * 5 + 7] | 3 << shift);
        expect_refused(&m, "row 5");
        drop(&m);
        for (size_t i = 0; i < 3; i++) {
            static const uint32_t types[] = {T_Q2_0, T_Q2_0_128, T_PQ2_0};
            uint32_t type = types[i];
            size_t row = 256 / enc_block(type) * (2 + enc_block(type) / 4), at = row * 5 + 7;
            m = make(type, 8, 256, i, 4);
            m.bytes[at] = (uint8_t)(m.bytes[at] | 3 << shift);
            expect_refused(&m, "row 5 has a code 3");
            expect_refused(&m, enc_type_name(type));
            m.scales[0] = 0; /* not even in a block that counts as zeros */
            encode(&m);
            m.bytes[2] = (uint8_t)(m.bytes[2] | 3 << shift);
            expect_refused(&m, "row 0 has a code 3");
            drop(&m);
        }
    }
    struct matrix bn = make(T_IQ2_BN, 8, 256, true, 4);
    bn.bytes[68 * 5 + 9] = 0xff;
    expect_refused(&bn, "row 5 has a code 3, which IQ2_BN never has");
    drop(&bn);
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < 3; i++) {
        struct matrix m = make(T_I2_S, 8, 256, false, 4);
        enc_i2_s_tail(bad[i], m.bytes + 8 * 64);
        expect_refused(&m, "not finite");
        drop(&m);
        m = make(T_TQ1_0, 8, 256, true, 4);
        m.scales[6] = bad[i];
        encode(&m);
        expect_refused(&m, "row 6");
        drop(&m);
        m = make(T_Q2_0, 8, 256, true, 4);
        m.scales[4 * 6 + 3] = bad[i];
        encode(&m);
        expect_refused(&m, "row 6");
        drop(&m);
    }
    for (size_t i = 0; i < 6; i++) { /* of a row; but zeros have no scale */
        struct matrix m = make(i % 2 ? T_IQ1_BN : T_IQ2_BN, 8, 256, true, 4);
        m.scales[6] = bad[i / 2];
        encode(&m);
        expect_refused(&m, "scale in row 6 is not finite");
        memset(m.trits + 6 * 256, 0, 256);
        encode(&m);
        ck_assert_int_eq(scan(&m, &err), BNT_OK);
        m.scales[6] = 0;
        check_decoded(&m, true);
        drop(&m);
    }
    struct matrix m = make(T_I2_S, 8, 256, false, 4); /* all zeros is the byte 0x55 */
    memset(m.bytes, 0x55, 8 * 64);
    memset(m.trits, 0, 8 * 256);
    ck_assert_int_eq(scan(&m, &err), BNT_OK);
    check_decoded(&m, false);
    drop(&m);
}
END_TEST

/* Random bytes: they are refused, or the engine and the tests' decoder see the same weights. */
START_TEST(any_bytes_are_read_or_refused) {
    struct rng r = rng_stream(8, 8);
    unsigned read = 0;
    for (unsigned k = 0; k < 4000; k++) {
        static const uint32_t types[] = {T_TQ1_0, T_Q1_0, T_PTQ1_0, T_IQ1_BN, T_IQ2_BN, T_TQ2_0};
        struct matrix m = make(types[k % 6], 3, 256, false, k);
        struct bnt_err err = {0};
        for (size_t i = 0; i < m.src.bytes; i++)
            if (k % 3 || rng_below(&r, 64) == 0) m.bytes[i] = (uint8_t)rng_next(&r);
        if (scan(&m, &err) == BNT_OK) {
            struct dec_tensor t;
            int8_t trits[3 * 256];
            bnt_ternary_decode(&m.src, 0, 3, trits, NULL);
            ck_assert(dec_open(&t, m.src.type, m.bytes, 3 * 256, 256));
            ck_assert_mem_eq(trits, t.trit, 3 * 256);
            ck_assert_uint_eq(t.block, m.src.block ? m.src.block : 3 * 256);
            dec_close(&t);
            read++;
        }
        drop(&m);
    }
    ck_assert_uint_gt(read, 1000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ternary");
    TCase *tc = tcase_create("ternary");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, ternary_decoders_agree);
    tcase_add_test(tc, all_bytes_of_base_3);
    tcase_add_test(tc, q2_0_by_hand);
    tcase_add_test(tc, bits_by_hand);
    tcase_add_test(tc, zero_blocks_are_canonical);
    tcase_add_test(tc, one_scale_or_many);
    tcase_add_test(tc, refuses_damage);
    tcase_add_test(tc, any_bytes_are_read_or_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
