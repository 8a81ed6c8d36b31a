/*
 * test_graph.c - whole models: the engine's logits against an independent forward pass.
 *
 * Models are made on the spot (tests/lib/synth) in every architecture, type and shape that matters
 * and compared with tests/lib/ref_forward, which works in double precision. Then the other way
 * round: with each of the field's known errors put into the reference, the comparison must fail,
 * which proves that it would see that error in the engine.
 * What the comparison is, and how close is close: tests/lib/graph_check.h.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_check.h"
#include "suite.h"

/* ---- the models ------------------------------------------------------------------------------ */

static const char *const archs[] = {"bitnet-b1.58", "bitnet-25", "bitnet", "llama"};

START_TEST(every_architecture) {
    for (size_t a = 0; a < 4; a++) {
        struct synth s = graph_tiny(archs[a], 10 + a);
        graph_check_model(&s, archs[a], 24);
    }
}
END_TEST

START_TEST(every_linear_type) {
    static const uint32_t types[] = {T_I2_S, T_TQ1_0, T_TQ2_0, T_F32,    T_F16,    T_BF16,  T_Q8_0,
                                     T_Q6_K, T_Q1_0,  T_PQ2_0, T_PTQ1_0, T_IQ1_BN, T_IQ2_BN};
    for (size_t a = 0; a < 4; a += 3) {
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
            bool scales = enc_is_ternary(types[i]) && types[i] != T_I2_S;
            for (int varied = 0; varied <= scales; varied++) {
                char what[64];
                struct synth s = graph_tiny(archs[a], 20 + i);
                s.type = types[i];
                s.tq_varied = varied;
                snprintf(what, sizeof what, "%s %s%s", archs[a], enc_type_name(types[i]),
                         varied ? " varied" : "");
                graph_check_model(&s, what, 16);
            }
        }
    }
}
END_TEST

static const uint32_t dense_types[] = {T_F32,  T_F16,  T_BF16, T_Q8_0,   T_Q6_K,
                                       T_Q4_0, T_Q4_1, T_Q5_0, T_Q5_1,   T_Q2_K,
                                       T_Q3_K, T_Q4_K, T_Q5_K, T_IQ4_NL, T_IQ4_XS};
enum { N_DENSE = sizeof dense_types / sizeof dense_types[0] };

START_TEST(every_embedding_type) {
    for (size_t i = 0; i < N_DENSE; i++) {
        for (int untied = 0; untied < 2; untied++) {
            char what[64];
            struct synth s = graph_tiny("bitnet-b1.58", 40 + i);
            s.embd_type = dense_types[i];
            s.untied = untied;
            s.output_type = dense_types[(i + 2) % N_DENSE];
            snprintf(what, sizeof what, "embedding %s%s%s", enc_type_name(s.embd_type),
                     untied ? ", output " : "", untied ? enc_type_name(s.output_type) : "");
            graph_check_model(&s, what, 12);
        }
    }
}
END_TEST

/* Whole models of one type, as quantizers write them. */
START_TEST(every_dense_type) {
    for (size_t i = 5; i < N_DENSE; i++) {
        struct synth s = graph_tiny("llama", 50 + i);
        s.type = s.embd_type = dense_types[i];
        s.untied = true;
        s.output_type = T_Q6_K;
        graph_check_model(&s, enc_type_name(s.type), 16);
    }
}
END_TEST

START_TEST(every_shape) {
    static const struct {
        uint32_t blocks, embd, ff, heads, kv_heads, head_dim, n_rot, type, embd_type;
    } shapes[] = {
        {1, 256, 512, 4, 4, 64, 0, T_I2_S, T_F16},  /* no grouping */
        {2, 256, 512, 8, 1, 32, 0, T_I2_S, T_F16},  /* one KV head */
        {2, 256, 512, 6, 3, 64, 0, T_I2_S, T_F16},  /* heads x dim is not embd */
        {2, 320, 640, 20, 5, 16, 0, T_I2_S, T_F16}, /* the ratio of 2B-4T */
        {3, 128, 384, 4, 2, 32, 0, T_I2_S, T_F16},  /* 384 is no multiple of 256 */
        {2, 96, 160, 4, 2, 24, 0, T_I2_S, T_F32},   /* nothing is a multiple of 64 */
        {2, 64, 34, 2, 1, 32, 0, T_I2_S, T_F16},    /* a row of 34 */
        {2, 256, 512, 4, 2, 64, 32, T_I2_S, T_F16}, /* rotates half of a head */
        {2, 32, 96, 2, 2, 16, 0, T_Q8_0, T_Q8_0},     {2, 40, 72, 2, 1, 20, 0, T_F16, T_BF16},
        {1, 512, 256, 2, 1, 256, 0, T_TQ2_0, T_Q6_K}, {4, 768, 1536, 12, 4, 64, 0, T_TQ1_0, T_Q6_K},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (size_t a = 0; a < 4; a += 3) {
            char what[80];
            struct synth s = graph_tiny(archs[a], 60 + i);
            s.blocks = shapes[i].blocks;
            s.embd = shapes[i].embd;
            s.ff = shapes[i].ff;
            s.heads = shapes[i].heads;
            s.kv_heads = shapes[i].kv_heads;
            s.head_dim = shapes[i].head_dim;
            s.n_rot = shapes[i].n_rot;
            s.type = shapes[i].type;
            s.embd_type = shapes[i].embd_type;
            s.vocab = 300;
            snprintf(what, sizeof what, "%s %u x %u ff %u heads %u/%u x %u", archs[a],
                     (unsigned)s.blocks, (unsigned)s.embd, (unsigned)s.ff, (unsigned)s.heads,
                     (unsigned)s.kv_heads, (unsigned)s.head_dim);
            graph_check_model(&s, what, 16);
        }
    }
}
END_TEST

/* What some files have besides: factors of single layers, scaled rotation. */
START_TEST(every_extra) {
    for (size_t a = 0; a < 4; a++) {
        for (unsigned extras = 1; extras < 8; extras++) {
            char what[80];
            struct synth s = graph_tiny(archs[a], 80 + extras);
            s.type = a % 2 ? T_TQ2_0 : T_I2_S;
            s.tq_varied = !(extras & 1); /* together they are refused */
            s.scale_tensors = extras & 1;
            s.rope_linear = extras & 2 ? 4.0f : 0;
            s.rope_freqs = extras & 4;
            snprintf(what, sizeof what, "%s%s%s%s", archs[a], s.scale_tensors ? " scales" : "",
                     s.rope_freqs ? " rope_freqs" : "", s.rope_linear > 0 ? " linear" : "");
            graph_check_model(&s, what, 12);
        }
    }
}
END_TEST

/* One block of the model that people run: sums over 2560 and 6912, 20 heads over 5. */
START_TEST(the_width_of_2b4t) {
    struct synth s;
    synth_preset(&s, "2b4t");
    s.blocks = 1;
    s.vocab = 300;
    s.ctx = 64;
    graph_check_model(&s, "one block of 2B-4T", 4);
}
END_TEST

/* More positions than a chunk of attention (256), so that chunks merge. */
START_TEST(long_context) {
    struct synth s = graph_tiny("bitnet-b1.58", 90);
    s.embd = 128;
    s.ff = 256;
    s.heads = 2;
    s.kv_heads = 1;
    s.rope_base = 500000;
    s.vocab = 272;
    s.ctx = 1024;
    graph_check_model(&s, "600 positions", 600);
}
END_TEST

/* ---- the same bytes, however computed -------------------------------------------------------- */

START_TEST(packings_agree) {
    static const uint32_t types[] = {T_I2_S,  T_TQ1_0,  T_TQ2_0,  T_Q2_0,
                                     T_PQ2_0, T_PTQ1_0, T_IQ1_BN, T_IQ2_BN};
    struct synth s = graph_tiny("bitnet-b1.58", 100);
    graph_check_packings(&s, types, sizeof types / sizeof types[0], false);
}
END_TEST

/* Any batch, any pieces, any number of threads, any backend. */
START_TEST(splits_agree) {
    enum { N = 40 };
    static const char *const backends[] = {"ref-scalar", "auto"};
    static const uint32_t batches[] = {0, 1, 5, 33};
    int32_t ids[N];
    struct rng r = rng_stream(6, 6);
    for (size_t a = 0; a < 4; a += 3) {
        struct synth s = graph_tiny(archs[a], 110 + a);
        s.ff = 768;
        s.type = a ? T_TQ2_0 : T_I2_S;
        s.tq_varied = true;
        float *expected = NULL;
        for (size_t b = 0; b < 2; b++) {
            struct graph f = graph_open(&s, backends[b]);
            graph_tokens(ids, N, f.vocab, 6);
            if (!expected) expected = graph_logits(&f, ids, N);
            for (size_t i = 0; i < 4; i++) {
                for (unsigned threads = 1; threads <= 3; threads++) {
                    graph_session(&f, batches[i], threads);
                    graph_feed_in_pieces(&f, ids, N, expected, &r, i % 2 ? 7 : 40);
                }
            }
            graph_close(&f);
        }
        free(expected);
    }
}
END_TEST

START_TEST(truncation_forgets) {
    enum { N = 40 };
    struct synth s = graph_tiny("bitnet-b1.58", 120);
    struct graph f = graph_open(&s, "auto");
    struct bnt_err err = {0};
    int32_t ids[N], others[N];
    graph_tokens(ids, N, f.vocab, 7);
    graph_tokens(others, N, f.vocab, 8);
    float *expected = graph_logits(&f, ids, N);
    for (uint64_t keep = 0; keep < N; keep += 13) {
        bnt_session_truncate(f.session, keep);
        ck_assert_uint_eq(bnt_session_position(f.session), keep);
        graph_must(bnt_session_feed(f.session, others, 5, BNT_WANT_NONE, &err), &err);
        bnt_session_truncate(f.session, keep);
        for (size_t at = keep; at < N; at++) {
            graph_must(bnt_session_feed(f.session, ids + at, 1, BNT_WANT_LAST, &err), &err);
            ck_assert_mem_eq(bnt_session_logits(f.session, 0), expected + at * f.vocab,
                             f.vocab * sizeof *expected);
        }
    }
    free(expected);
    graph_close(&f);
}
END_TEST

START_TEST(limits_leave_the_session_as_it_was) {
    struct synth s = graph_tiny("bitnet-b1.58", 130);
    s.ctx = 16;
    struct graph f = graph_open(&s, "ref-scalar");
    struct bnt_err err = {0};
    int32_t ids[17], bad[3] = {1, -1, 2};
    graph_tokens(ids, 17, f.vocab, 9);
    float *expected = graph_logits(&f, ids, 16);
    ck_assert_uint_eq(bnt_session_context(f.session), 16);
    ck_assert_int_eq(bnt_session_feed(f.session, ids, 1, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    bnt_session_truncate(f.session, 10);
    ck_assert_int_eq(bnt_session_feed(f.session, ids, 7, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    ck_assert_int_eq(bnt_session_feed(f.session, bad, 3, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    bad[1] = (int32_t)f.vocab;
    ck_assert_int_eq(bnt_session_feed(f.session, bad, 3, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    ck_assert_uint_eq(bnt_session_position(f.session), 10);
    graph_must(bnt_session_feed(f.session, ids + 10, 6, BNT_WANT_LAST, &err), &err);
    ck_assert_mem_eq(bnt_session_logits(f.session, 0), expected + 15 * (size_t)f.vocab,
                     f.vocab * sizeof *expected);
    free(expected);
    graph_close(&f);
}
END_TEST

/* ---- the test of the test -------------------------------------------------------------------- */

START_TEST(known_errors_would_be_seen) {
    for (size_t a = 0; a < 4; a++) {
        struct synth s = graph_tiny(archs[a], 200 + a);
        s.heads = 8;
        s.head_dim = 32;
        s.scale_tensors = a == 1;
        s.rope_linear = a == 2 ? 4.0f : 0;
        s.rope_freqs = a == 3;
        graph_check_mutations(&s);
    }
    struct synth s =
        graph_tiny("bitnet-b1.58", 210); /* and with blocks of scales, and without ternary */
    s.type = T_TQ1_0;
    s.tq_varied = true;
    graph_check_mutations(&s);
    s.type = T_Q8_0;
    graph_check_mutations(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("whole models");
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, every_architecture);
    tcase_add_test(tc, every_linear_type);
    tcase_add_test(tc, every_embedding_type);
    tcase_add_test(tc, every_dense_type);
    tcase_add_test(tc, every_shape);
    tcase_add_test(tc, every_extra);
    tcase_add_test(tc, the_width_of_2b4t);
    tcase_add_test(tc, long_context);
    tcase_add_test(tc, packings_agree);
    tcase_add_test(tc, splits_agree);
    tcase_add_test(tc, truncation_forgets);
    tcase_add_test(tc, limits_leave_the_session_as_it_was);
    tcase_add_test(tc, known_errors_would_be_seen);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
