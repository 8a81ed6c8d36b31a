/*
 * test_graph_qwen3.c - whole models of architecture qwen3: norms of q and k per head, YaRN, Q2_0 in
 * both block sizes for layers, embeddings and head.
 *
 * The same comparison as test_graph.c (tests/lib/graph_check.h); and every backend that loads on
 * this machine must give ref-scalar's bytes.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_check.h"
#include "plugin/backend.h"
#include "suite.h"

static const uint32_t q2_0[] = {T_Q2_0, T_Q2_0_128};

static struct synth qwen3(uint32_t type, uint32_t embd_type, bool varied, uint64_t seed) {
    struct synth s = graph_tiny("qwen3", seed);
    s.type = type;
    s.embd_type = s.output_type = embd_type;
    s.tq_varied = varied;
    return s;
}

/* Small enough a context that YaRN's three kinds of dimensions all occur in 32 pairs. */
static void add_yarn(struct synth *s) {
    s->yarn_factor = 4;
    s->yarn_context = 256;
}

static void check(const struct synth *s, size_t n) {
    char what[128];
    snprintf(what, sizeof what, "qwen3 %s, %s%s%s%s", enc_type_name(s->type),
             enc_type_name(s->embd_type), s->untied ? " untied" : "", s->tq_varied ? " varied" : "",
             s->yarn_factor > 0 ? " yarn" : "");
    graph_check_model(s, what, n);
}

START_TEST(every_type) {
    static const uint32_t types[] = {T_Q2_0, T_Q2_0_128, T_I2_S, T_F16, T_TQ1_0, T_Q8_0};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (int varied = 0; varied < 2; varied++) {
            struct synth s = qwen3(types[i], T_F16, varied, 300 + i);
            if (varied && (types[i] == T_I2_S || !enc_is_ternary(types[i]))) continue;
            check(&s, 16);
        }
    }
}
END_TEST

START_TEST(ternary_embeddings) {
    static const uint32_t types[] = {T_Q2_0, T_Q2_0_128, T_I2_S,   T_TQ1_0, T_TQ2_0,
                                     T_Q1_0, T_PTQ1_0,   T_IQ1_BN, T_IQ2_BN};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        for (unsigned variant = 0; variant < 4; variant++) {
            struct synth s = qwen3(types[i], types[i], variant & 1, 320 + i);
            s.untied = variant & 2;
            if (s.tq_varied && types[i] == T_I2_S) continue;
            check(&s, 12);
            s.type = T_F16; /* only the embeddings */
            if (variant < 2) check(&s, 12);
        }
    }
}
END_TEST

/* Blocks of several sizes in one file: 64 of an embedding, 256 of its layers, one scale of a head.
 */
START_TEST(mixed_blocks) {
    static const uint32_t types[] = {T_TQ2_0, T_I2_S, T_Q2_0};
    for (size_t i = 0; i < 3; i++) {
        struct synth s = qwen3(types[i], T_Q2_0, true, 340 + i);
        s.vocab = 1024; /* its scales fill the buffer that loading has for the largest number */
        s.untied = true;
        s.output_type = i == 2 ? T_TQ1_0 : T_I2_S;
        check(&s, 12);
    }
}
END_TEST

START_TEST(every_shape) {
    static const struct {
        uint32_t blocks, embd, ff, heads, kv_heads, head_dim, n_rot;
    } shapes[] = {
        {1, 128, 384, 4, 4, 32, 0},  /* no grouping */
        {2, 128, 256, 8, 2, 128, 0}, /* heads x dim is eight times embd */
        {2, 384, 640, 6, 1, 64, 32}, /* one KV head, rotates half of it */
        {3, 640, 128, 5, 5, 128, 0},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct synth s = qwen3(q2_0[i % 2], q2_0[i % 2], true, 350 + i);
        s.blocks = shapes[i].blocks;
        s.embd = shapes[i].embd;
        s.ff = shapes[i].ff;
        s.heads = shapes[i].heads;
        s.kv_heads = shapes[i].kv_heads;
        s.head_dim = shapes[i].head_dim;
        s.n_rot = shapes[i].n_rot;
        s.vocab = 300;
        check(&s, 16);
    }
}
END_TEST

/* One block of the model that people run, with its rotation. */
START_TEST(the_width_of_bonsai) {
    struct synth s;
    synth_preset(&s, "bonsai-1.7b");
    s.blocks = 1;
    s.vocab = 320;
    check(&s, 3);
}
END_TEST

START_TEST(yarn) {
    static const struct {
        float factor, base, fast, slow;
        uint32_t context, n_rot;
    } cases[] = {
        {4, 1e6f, 0, 0, 256, 0},     /* the usual betas, left out of the file */
        {4, 1e6f, 0, 0, 0, 0},       /* the context as well */
        {8, 10000, 32, 1, 64, 0},    /* never 32 turns: no dimension keeps all of its frequency */
        {2.5f, 10000, 4, 2, 512, 0}, /* a short ramp */
        {16, 500, 8, 0.5f, 4096, 0}, /* all turn more than half: the ramp would end past the end */
        {40, 1e6f, 32, 1, 4096, 32}, /* half of a head */
        {1, 10000, 32, 1, 256, 0},   /* a factor of one changes nothing */
        {4, 10000, 1, 1, 300, 0},    /* no ramp at all */
        {4, 10000, 0.5f, 3, 300, 0}, /* betas the wrong way round */
        {4, 1, 32, 1, 256, 0},       /* a base that does not slow down: all turn 40 times */
        {4, 1, 32, 1, 6, 0},         /* all less than once */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct synth s = qwen3(T_F16, T_F16, false, 360 + i);
        s.yarn_factor = cases[i].factor;
        s.rope_base = cases[i].base;
        s.yarn_context = cases[i].context;
        s.yarn_beta_fast = cases[i].fast;
        s.yarn_beta_slow = cases[i].slow;
        s.n_rot = cases[i].n_rot;
        s.rope_freqs = i % 3 == 1;
        check(&s, 40);
    }
    struct synth s = qwen3(T_Q2_0, T_Q2_0, true, 370);
    add_yarn(&s);
    check(&s, 300); /* and over a chunk of attention and the original context */
}
END_TEST

/* ---- the same bytes, however computed -------------------------------------------------------- */

START_TEST(packings_agree) {
    static const uint32_t types[] = {T_I2_S, T_TQ1_0, T_TQ2_0, T_Q2_0, T_Q2_0_128};
    struct synth s = qwen3(T_I2_S, T_I2_S, false, 380);
    graph_check_packings(&s, types, 5, true);
}
END_TEST

/* Every backend that loads, any batch, pieces and threads. */
START_TEST(backends_agree) {
    enum { N = 40 };
    static const uint32_t types[] = {T_Q2_0, T_Q2_0_128, T_I2_S, T_F16, T_IQ1_BN, T_IQ2_BN};
    struct bnt_backends *table;
    struct bnt_err err = {0};
    struct rng r = rng_stream(7, 7);
    int32_t ids[N];
    graph_must(bnt_backends_open(&table, &(struct bnt_backends_options){.try_all = true}, &err),
               &err);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct synth s = qwen3(types[i], enc_is_ternary(types[i]) ? types[i] : T_Q2_0, i != 1, 390);
        s.heads = 6;
        s.kv_heads = 3;
        add_yarn(&s);
        struct graph judge = graph_open(&s, "ref-scalar");
        graph_tokens(ids, N, judge.vocab, 6 + i);
        float *expected = graph_logits(&judge, ids, N);
        graph_close(&judge);
        for (size_t b = 0; b <= bnt_backends_count(table); b++) {
            const struct bnt_backend *backend =
                b < bnt_backends_count(table) ? bnt_backends_get(table, b) : NULL;
            if (!backend && b < bnt_backends_count(table)) continue; /* not for this machine */
            struct graph f = graph_open(&s, backend ? backend->name : "auto");
            for (uint32_t batch = 0; batch <= 33; batch = 3 * batch + 1) {
                graph_session(&f, batch, 1 + batch % 3);
                graph_feed_in_pieces(&f, ids, N, expected, &r, batch % 2 ? 7 : 40);
            }
            graph_close(&f);
        }
        free(expected);
    }
    bnt_backends_close(table);
}
END_TEST

/* ---- the test of the test -------------------------------------------------------------------- */

START_TEST(known_errors_would_be_seen) {
    for (size_t i = 0; i < 2; i++) {
        struct synth s = qwen3(q2_0[i], q2_0[i], true, 400 + i);
        s.heads = 8;
        s.head_dim = 32;
        add_yarn(&s);
        graph_check_mutations(&s);
    }
    struct synth s = qwen3(T_F16, T_F16, false, 410);
    s.heads = 8;
    s.head_dim = 32;
    graph_check_mutations(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("graph of qwen3");
    TCase *tc = tcase_create("whole models");
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, every_type);
    tcase_add_test(tc, ternary_embeddings);
    tcase_add_test(tc, mixed_blocks);
    tcase_add_test(tc, every_shape);
    tcase_add_test(tc, the_width_of_bonsai);
    tcase_add_test(tc, yarn);
    tcase_add_test(tc, packings_agree);
    tcase_add_test(tc, backends_agree);
    tcase_add_test(tc, known_errors_would_be_seen);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
