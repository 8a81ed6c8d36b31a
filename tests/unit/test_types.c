/*
 * test_types.c - tensor types: sizes, and the engine's ternary decoders and 16-bit floats against
 * the tests' own encoders and decoders.
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

static const uint32_t known[] = {T_F32,   T_F16,   T_BF16, T_Q8_0, T_Q6_K,
                                 T_TQ1_0, T_TQ2_0, T_I2_S, T_Q2_0, T_Q2_0_128};
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
        ck_assert_uint_eq(bytes, enc_bytes(known[i], 512 * 3));
    }
    ck_assert_int_eq(bnt_type(9999)->kind, BNT_KIND_UNKNOWN);
    ck_assert_int_eq(bnt_type(UINT32_MAX)->kind, BNT_KIND_UNKNOWN);
    ck_assert_int_eq(bnt_type(38)->kind, BNT_KIND_UNSUPPORTED); /* TL1 */
    ck_assert_str_eq(bnt_type(39)->name, "TL2");
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

/* ---- dense blocks: the tests' encoder against the tests' decoder ----------------------------- */

START_TEST(dense_encoders_agree) {
    enum { N = 4096 };
    static float x[N];
    static uint8_t bytes[4 * N];
    static const struct {
        uint32_t type;
        double worst; /* error in units of the largest value */
    } cases[] = {
        {T_F32, 0}, {T_F16, 0x1p-11}, {T_BF16, 0x1p-8}, {T_Q8_0, 0.51 / 127}, {T_Q6_K, 0.018},
    };
    struct rng r = rng_stream(1, 3);
    for (size_t i = 0; i < N; i++) x[i] = rng_normal(&r);
    x[5] = 0;
    for (size_t i = 512; i < 768; i++) x[i] = 0; /* a block of zeros */
    for (size_t c = 0; c < 5; c++) {
        struct dec_tensor t;
        enc_dense(cases[c].type, x, N, bytes);
        ck_assert(dec_open(&t, cases[c].type, bytes, N));
        ck_assert_ptr_null(t.trit);
        for (size_t i = 0; i < N; i++)
            ck_assert_msg(fabs(t.value[i] - (double)x[i]) <= 3.47 * cases[c].worst,
                          "%s[%zu]: %g for %g", enc_type_name(cases[c].type), i, t.value[i],
                          (double)x[i]);
        dec_close(&t);
    }
}
END_TEST

/* ---- ternary --------------------------------------------------------------------------------- */

struct matrix {
    struct bnt_ternary_src src;
    int8_t *trits;
    float *scales; /* per block; the first one serves I2_S */
    uint8_t *bytes;
};

/* Trits and scales to the file's bytes. */
static void encode(struct matrix *m, uint32_t type, size_t n) {
    if (type == T_TQ1_0) enc_tq1_0(m->trits, m->scales, n, m->bytes);
    if (type == T_TQ2_0) enc_tq2_0(m->trits, m->scales, n, m->bytes);
    if (type == T_Q2_0 || type == T_Q2_0_128)
        enc_q2_0(m->trits, m->scales, enc_block(type), n, m->bytes);
}

static struct matrix make(uint32_t type, uint64_t rows, uint64_t cols, bool varied, uint64_t seed) {
    size_t n = (size_t)(rows * cols), blocks = n / enc_block(type) + 1;
    struct rng r = rng_stream(seed, type);
    struct matrix m = {.trits = malloc(n),
                       .scales = calloc(blocks, sizeof(float)),
                       .bytes = malloc((size_t)enc_bytes(type, n))};
    for (size_t i = 0; i < n; i++) m.trits[i] = (int8_t)((int)rng_below(&r, 3) - 1);
    for (size_t b = 0; b < blocks; b++)
        m.scales[b] = enc_f16_value(varied ? 0.5f + rng_unit(&r) : 0.7f);
    encode(&m, type, n);
    if (type == T_I2_S) {
        m.scales[0] = 0.1234567f; /* all of binary32 */
        enc_i2_s(m.trits, n, m.bytes);
        enc_i2_s_tail(m.scales[0], m.bytes + n / 4);
    }
    m.src = (struct bnt_ternary_src){
        .type = type, .rows = rows, .cols = cols, .data = m.bytes, .bytes = enc_bytes(type, n)};
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
    size_t n = (size_t)(s->rows * s->cols), block = enc_block(s->type);
    struct dec_tensor t;
    ck_assert(dec_open(&t, s->type, s->data, n));
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
        {T_Q2_0_128, 5, 384}, {T_Q2_0_128, 20, 640},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (int v = 0; v <= (shapes[i].type != T_I2_S); v++) {
            struct matrix m = make(shapes[i].type, shapes[i].rows, shapes[i].cols, v, 10 + i);
            struct bnt_err err = {0};
            ck_assert_msg(scan(&m, &err) == BNT_OK, "%s", err.text);
            bool varied = v && m.src.rows * m.src.cols > enc_block(shapes[i].type);
            ck_assert_uint_eq(m.src.block, varied ? enc_block(shapes[i].type) : 0);
            if (!varied) ck_assert(m.src.scale == m.scales[0]);
            check_decoded(&m, varied);
            drop(&m);
        }
    }
}
END_TEST

START_TEST(tq1_0_all_bytes) {
    /* Every number of five digits, in every place a byte can stand. */
    int8_t trits[256];
    uint8_t block[54];
    float scale = 1;
    for (int v = 0; v < 243; v++) {
        for (size_t i = 0; i < 256; i++) {
            static const int power[5] = {81, 27, 9, 3, 1};
            size_t digit = i < 160 ? i / 32 : i < 240 ? (i - 160) / 16 : (i - 240) / 4;
            trits[i] = (int8_t)(v / power[digit] % 3 - 1);
        }
        enc_tq1_0(trits, &scale, 256, block);
        struct bnt_ternary_src src = {
            .type = T_TQ1_0, .rows = 1, .cols = 256, .data = block, .bytes = 54};
        int8_t out[256];
        bnt_ternary_decode(&src, 0, 1, out, NULL);
        ck_assert_mem_eq(out, trits, 256);
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

static const uint32_t block_types[] = {T_TQ1_0, T_TQ2_0, T_Q2_0, T_Q2_0_128};

/* Two files that mean the same weights decode alike: a scale without trits says nothing, and trits
 * without a scale are zeros. So they do not keep a tensor from having one scale, and where it has
 * several, theirs is +0. */
START_TEST(zero_blocks_are_canonical) {
    enum { ROWS = 4, COLS = 512, N = ROWS * COLS };
    for (size_t i = 0; i < 4; i++) {
        size_t block = enc_block(block_types[i]);
        for (int varied = 0; varied < 2; varied++) {
            struct matrix m = make(block_types[i], ROWS, COLS, varied, 3);
            memset(m.trits + block, 0, block); /* zeros under another scale */
            m.scales[1] = 3;
            m.scales[5] = 0; /* trits under scale zero, of either sign */
            m.scales[6] = -0.0f;
            encode(&m, block_types[i], N);
            struct bnt_err err = {0};
            ck_assert_msg(scan(&m, &err) == BNT_OK, "%s", err.text);
            ck_assert_uint_eq(m.src.block, varied ? block : 0);
            if (!varied) ck_assert(m.src.scale == m.scales[0]);
            int8_t trits[N];
            float scales[N / 64];
            struct dec_tensor t;
            memset(m.trits + 5 * block, 0, 2 * block);
            m.scales[1] = m.scales[5] = m.scales[6] = 0;
            bnt_ternary_decode(&m.src, 0, ROWS, trits, varied ? scales : NULL);
            ck_assert_mem_eq(trits, m.trits, N);
            if (varied) ck_assert_mem_eq(scales, m.scales, N / block * sizeof *scales); /* bits */
            ck_assert(dec_open(&t, block_types[i], m.bytes, N));
            ck_assert_mem_eq(t.trit, m.trits, N);
            ck_assert_uint_eq(t.block, varied ? block : N);
            dec_close(&t);
            drop(&m);
        }
    }
}
END_TEST

/* No block has a scale of its own: the tensor's is 0. And one deviating block is enough. */
START_TEST(one_scale_or_many) {
    enum { ROWS = 6, COLS = 256, N = ROWS * COLS };
    for (size_t i = 0; i < 4; i++) {
        size_t block = enc_block(block_types[i]), blocks = N / block;
        struct bnt_err err = {0};
        struct matrix m = make(block_types[i], ROWS, COLS, true, 4);
        memset(m.trits, 0, N);
        encode(&m, block_types[i], N);
        ck_assert_int_eq(scan(&m, &err), BNT_OK);
        ck_assert(m.src.block == 0 && m.src.scale == 0.0f && !signbit(m.src.scale));
        drop(&m);
        for (size_t odd = 0; odd < blocks; odd++) { /* in either part of the scan */
            m = make(block_types[i], ROWS, COLS, false, 5);
            m.scales[odd] = -m.scales[odd];
            encode(&m, block_types[i], N);
            ck_assert_int_eq(scan(&m, &err), BNT_OK);
            ck_assert_uint_eq(m.src.block, block);
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
        for (size_t i = 0; i < 2; i++) {
            uint32_t type = i ? T_Q2_0_128 : T_Q2_0;
            size_t row = 256 / enc_block(type) * (2 + enc_block(type) / 4), at = row * 5 + 7;
            m = make(type, 8, 256, i, 4);
            m.bytes[at] = (uint8_t)(m.bytes[at] | 3 << shift);
            expect_refused(&m, "row 5 has a code 3");
            expect_refused(&m, enc_type_name(type));
            m.scales[0] = 0; /* not even in a block that counts as zeros */
            encode(&m, type, 8 * 256);
            m.bytes[2] = (uint8_t)(m.bytes[2] | 3 << shift);
            expect_refused(&m, "row 0 has a code 3");
            drop(&m);
        }
    }
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    for (size_t i = 0; i < 3; i++) {
        struct matrix m = make(T_I2_S, 8, 256, false, 4);
        enc_i2_s_tail(bad[i], m.bytes + 8 * 64);
        expect_refused(&m, "not finite");
        drop(&m);
        m = make(T_TQ1_0, 8, 256, true, 4);
        m.scales[6] = bad[i];
        enc_tq1_0(m.trits, m.scales, 8 * 256, m.bytes);
        expect_refused(&m, "row 6");
        drop(&m);
        m = make(T_Q2_0, 8, 256, true, 4);
        m.scales[4 * 6 + 3] = bad[i];
        encode(&m, T_Q2_0, 8 * 256);
        expect_refused(&m, "row 6");
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

int main(void) {
    Suite *suite = suite_create("types");
    TCase *tc = tcase_create("types");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, table_agrees);
    tcase_add_test(tc, sizes_are_checked);
    tcase_add_test(tc, f16_agrees);
    tcase_add_test(tc, f16_rounds_alike);
    tcase_add_test(tc, dense_encoders_agree);
    tcase_add_test(tc, ternary_decoders_agree);
    tcase_add_test(tc, tq1_0_all_bytes);
    tcase_add_test(tc, q2_0_by_hand);
    tcase_add_test(tc, zero_blocks_are_canonical);
    tcase_add_test(tc, one_scale_or_many);
    tcase_add_test(tc, refuses_damage);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
