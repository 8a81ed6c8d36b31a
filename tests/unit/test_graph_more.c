/*
 * test_graph_more.c - whole models of the architectures that are a row and a few operations more:
 * qwen2, minicpm, gemma3, and qwen3 with a norm before each projection.
 *
 * The same comparison as test_graph.c (tests/lib/graph_check.h): against the reference, with each
 * of the field's errors put into it, and on every backend that loads on this machine.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "graph_check.h"
#include "plugin/backend.h"
#include "suite.h"

enum { GRAPHS = 8 };

/* One of each kind of graph. */
static struct synth graph(unsigned which, uint64_t seed) {
    static const char *const archs[GRAPHS] = {"qwen2",  "minicpm", "minicpm", "minicpm",
                                              "gemma3", "gemma3",  "qwen3",   "gemma3"};
    struct synth s = graph_tiny(archs[which], seed + which);
    if (which == 2) s.longrope_context = 128;  /* the session is long */
    if (which == 3) s.longrope_context = 1024; /* ... and short */
    if (which == 4) s.rope_base = 1e6f;
    if (which == 5) s.window = 6, s.window_period = 2, s.rope_base = 1e6f;
    s.norms_in = which >= 6;
    return s;
}

static void check(const struct synth *s, size_t n) {
    char what[128];
    snprintf(what, sizeof what, "%s %s%s%s%s%s", s->arch, enc_type_name(s->type),
             s->untied ? " untied" : "", s->norms_in ? " norms in" : "",
             s->longrope_context ? " longrope" : "", s->window ? " window" : "");
    graph_check_model(s, what, n);
}

START_TEST(every_graph) {
    for (unsigned g = 0; g < GRAPHS; g++) {
        static const uint32_t types[] = {T_I2_S, T_TQ2_0, T_F16, T_Q8_0};
        for (size_t i = 0; i < 4; i++) {
            struct synth s = graph(g, 500 + 10 * i);
            s.type = types[i];
            s.untied = i & 1;
            s.tq_varied = i == 1;
            check(&s, 20);
        }
    }
}
END_TEST

/* Heads of 256, one KV head, a width that is no multiple of 256: the shape of the smallest gemma3.
 */
START_TEST(the_shapes_of_embedding_models) {
    for (unsigned g = 6; g < 8; g++) {
        struct synth s = graph(g, 540);
        s.embd = 640;
        s.ff = 2048;
        s.heads = 4;
        s.kv_heads = 1;
        s.head_dim = 256;
        s.blocks = 1;
        s.vocab = 300;
        check(&s, 6);
    }
}
END_TEST

START_TEST(rotation_with_other_scalings) {
    struct synth s = graph(0, 560);
    s.yarn_factor = 4;
    s.yarn_context = 256;
    check(&s, 40);
    s = graph(1, 561);
    s.rope_linear = 4;
    s.rope_freqs = true;
    check(&s, 40);
    s = graph(4, 562);
    s.rope_linear = 8;
    check(&s, 40);
    s = graph(5, 563); /* linear scaling concerns the layers without a window */
    s.rope_linear = 8;
    s.window_rope_base = 20000;
    check(&s, 40);
}
END_TEST

/* Windows that begin within a chunk of attention, at its border and before the first position; as
 * long as the text they are no windows, but for the rotation. */
START_TEST(layers_with_windows) {
    static const uint32_t windows[] = {1, 7, 256, 300, 512};
    for (size_t i = 0; i < 5; i++) {
        struct synth s = graph(4, 590 + i);
        s.type = T_F16;
        s.embd = 128;
        s.ff = 256;
        s.window = windows[i];
        s.window_period = 1 + (uint32_t)i % 3;
        check(&s, i < 2 ? 40 : 400);
    }
}
END_TEST

/* Keys that any graph may have. */
START_TEST(keys_of_any_graph) {
    static const char *const archs[] = {"bitnet-b1.58", "bitnet", "llama", "qwen3", "gemma3"};
    static const char *const activations[] = {"silu", "relu2", "gelu_pytorch_tanh"};
    for (size_t a = 0; a < 5; a++) {
        struct synth s = graph_tiny(archs[a], 570 + a);
        s.activation = activations[a % 3];
        check(&s, 16);
        s.activation = activations[(a + 1) % 3];
        s.rope_attn_factor = 1.25f;
        s.attn_scale = 0.2f;
        check(&s, 16);
    }
}
END_TEST

/* ---- the same bytes, however computed -------------------------------------------------------- */

START_TEST(backends_agree) {
    enum { N = 40 };
    struct bnt_backends *table;
    struct bnt_err err = {0};
    struct rng r = rng_stream(8, 8);
    int32_t ids[N];
    graph_must(bnt_backends_open(&table, &(struct bnt_backends_options){.try_all = true}, &err),
               &err);
    for (unsigned g = 0; g < GRAPHS; g++) {
        struct synth s = graph(g, 580);
        s.type = g % 2 ? T_TQ2_0 : T_I2_S;
        s.tq_varied = g % 2;
        struct graph judge = graph_open(&s, "ref-scalar");
        graph_tokens(ids, N, judge.vocab, 6 + g);
        float *expected = graph_logits(&judge, ids, N);
        graph_close(&judge);
        for (size_t b = 0; b < bnt_backends_count(table); b++) {
            const struct bnt_backend *backend = bnt_backends_get(table, b);
            if (!backend) continue; /* not for this machine */
            struct graph f = graph_open(&s, backend->name);
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
    for (unsigned g = 0; g < GRAPHS; g++) {
        struct synth s = graph(g, 600);
        s.heads = 8;
        s.head_dim = 32;
        s.rope_attn_factor = 1.5f;
        s.branch_scale = 2;
        s.blocks = strcmp(s.arch, "gemma3") == 0 ? 6 : 2; /* their branches add little */
        s.eps = 1e-2f;                                    /* beside embeddings that are scaled up */
        graph_check_mutations(&s);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("more graphs");
    TCase *tc = tcase_create("whole models");
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, every_graph);
    tcase_add_test(tc, the_shapes_of_embedding_models);
    tcase_add_test(tc, rotation_with_other_scalings);
    tcase_add_test(tc, layers_with_windows);
    tcase_add_test(tc, keys_of_any_graph);
    tcase_add_test(tc, backends_agree);
    tcase_add_test(tc, known_errors_would_be_seen);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
