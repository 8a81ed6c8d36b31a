/*
 * test_graph.c - whole models: the engine's logits against an independent forward pass.
 *
 * Models are made on the spot (tests/lib/synth) in every architecture, type and shape that matters
 * and compared with tests/lib/ref_forward, which works in double precision. Then the other way
 * round: with each of the field's known errors put into the reference, the comparison must fail,
 * which proves that it would see that error in the engine.
 *
 * How close is close? Engine and reference differ by binary32 rounding, near 1e-7, until the first
 * activation that falls so near a rounding boundary that the two quantize it to neighbouring
 * integers. From there on the difference grows, layer by layer and through the KV cache, up to the
 * size of the quantization noise itself (0.05 in four blocks; without ternary layers only the cache
 * rounds, and it stays below 3e-4). So there are two bounds. The worst position must lie within
 * WORST or WORST_DENSE: an error in the graph gives 0.13 at least. And of three sequences the best
 * must have a quarter of its positions within CLOSE (8e-6 was seen, mostly 1e-7): there even a
 * wrong epsilon shows, and errors of the graph give 0.039.
 */
#include "bitnet/bitnet.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file/gguf.h"
#include "ref_forward.h"
#include "rng.h"
#include "synth.h"

#define WORST 0.08
#define WORST_DENSE 1e-3
#define CLOSE 2e-5
enum { SEQUENCES = 3 };

/* ---- running a model ------------------------------------------------------------------------- */

struct fixture {
    char path[64];
    struct bnt_engine *engine;
    struct bnt_session *session;
    struct bnt_gguf *gguf;
    struct ref_model *ref;
    uint32_t vocab;
    bool dense; /* no ternary tensor: no activation is quantized */
};

static void must(int status, const struct bnt_err *err) {
    ck_assert_msg(status == BNT_OK, "%s", err->text);
}

static void open_session(struct fixture *f, uint32_t batch, unsigned threads) {
    struct bnt_err err = {0};
    struct bnt_session_options o = {.n_batch = batch, .threads = threads, .no_bind = true};
    bnt_session_close(f->session);
    f->session = NULL;
    must(bnt_session_open(&f->session, f->engine, &o, &err), &err);
}

static struct fixture setup(const struct synth *s, const char *backend) {
    struct fixture f = {.path = "/tmp/bitnet-graph-XXXXXX", .dense = !enc_is_ternary(s->type)};
    struct bnt_engine_options o = {.backend = backend, .threads = 1};
    struct bnt_err err = {0};
    const char *why;
    ck_assert_msg(!synth_fault(s), "%s", synth_fault(s));
    int fd = mkstemp(f.path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(synth_save(s, f.path, NULL), 0);
    must(bnt_engine_open(&f.engine, f.path, &o, &err), &err);
    must(bnt_gguf_open(&f.gguf, f.path, &err), &err);
    unlink(f.path); /* both have it mapped */
    f.ref = ref_open(f.gguf, &why);
    ck_assert_msg(f.ref, "reference: %s", why);
    f.vocab = bnt_engine_info(f.engine)->n_vocab;
    ck_assert_uint_eq(f.vocab, ref_vocab(f.ref));
    open_session(&f, 0, 1);
    return f;
}

static void teardown(struct fixture *f) {
    bnt_session_close(f->session);
    bnt_engine_close(f->engine);
    ref_close(f->ref);
    bnt_gguf_close(f->gguf);
}

static void make_tokens(int32_t *ids, size_t n, uint32_t vocab, uint64_t seed) {
    struct rng r = rng_stream(seed, 77);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)rng_below(&r, vocab);
}

/* Feeds all tokens at once; logits [n][vocab], malloc'd. */
static float *engine_logits(struct fixture *f, const int32_t *ids, size_t n) {
    struct bnt_err err = {0};
    float *out = malloc(n * f->vocab * sizeof *out);
    must(bnt_session_feed(f->session, ids, n, BNT_WANT_ALL, &err), &err);
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * f->vocab, bnt_session_logits(f->session, i), f->vocab * sizeof *out);
    return out;
}

/* ---- comparing ------------------------------------------------------------------------------- */

struct distance {
    double worst, close; /* largest, and largest of the closest quarter of the positions */
    size_t other_argmax; /* positions whose best token differs beyond doubt */
};

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The reference's best token, and whether the engine disagrees by more than the distance allows. */
static bool other_argmax(const float *engine, const double *ref, size_t vocab, double distance) {
    size_t best_ref = 0, best_engine = 0;
    double square = 0;
    for (size_t i = 0; i < vocab; i++) {
        if (ref[i] > ref[best_ref]) best_ref = i;
        if (engine[i] > engine[best_engine]) best_engine = i;
        square += ref[i] * ref[i];
    }
    double noise = distance * sqrt(square / (double)vocab);
    return ref[best_ref] - ref[best_engine] > 8 * noise + 1e-4;
}

static struct distance compare(const struct fixture *f, const float *engine, const double *ref,
                               size_t n) {
    struct distance d = {0};
    double *each = malloc(n * sizeof *each);
    for (size_t t = 0; t < n; t++) {
        const float *e = engine + t * f->vocab;
        const double *r = ref + t * f->vocab;
        each[t] = ref_distance(e, r, f->vocab);
        d.other_argmax += other_argmax(e, r, f->vocab, each[t]);
    }
    qsort(each, n, sizeof *each, by_value);
    d.worst = each[n - 1];
    d.close = each[n / 4];
    free(each);
    return d;
}

/* The engine's logits for SEQUENCES token sequences, and the reference's opinion of them. */
struct trial {
    int32_t *ids[SEQUENCES];
    float *logits[SEQUENCES];
    size_t n;
};

static struct trial run_trial(struct fixture *f, size_t n, uint64_t seed) {
    struct trial t = {.n = n};
    for (size_t i = 0; i < SEQUENCES; i++) {
        t.ids[i] = malloc(n * sizeof *t.ids[i]);
        make_tokens(t.ids[i], n, f->vocab, seed + 1000 * i);
        bnt_session_truncate(f->session, 0);
        t.logits[i] = engine_logits(f, t.ids[i], n);
    }
    return t;
}

static void free_trial(struct trial *t) {
    for (size_t i = 0; i < SEQUENCES; i++) {
        free(t->ids[i]);
        free(t->logits[i]);
    }
}

static struct distance judge(const struct fixture *f, const struct trial *t, unsigned mutations) {
    struct distance all = {.close = INFINITY};
    double *ref = malloc(t->n * f->vocab * sizeof *ref);
    for (size_t i = 0; i < SEQUENCES; i++) {
        ref_forward(f->ref, t->ids[i], t->n, mutations, ref);
        struct distance d = compare(f, t->logits[i], ref, t->n);
        all.worst = fmax(all.worst, d.worst);
        all.close = fmin(all.close, d.close);
        all.other_argmax += d.other_argmax;
    }
    free(ref);
    return all;
}

static double worst_allowed(const struct fixture *f) {
    return f->dense ? WORST_DENSE : WORST;
}

static bool agrees(const struct fixture *f, struct distance d) {
    return d.worst <= worst_allowed(f) && d.close <= CLOSE && d.other_argmax == 0;
}

/* BNT_TEST_MEASURE=1 prints what the bounds were chosen from. */
static void report(const char *what, struct distance d) {
    if (getenv("BNT_TEST_MEASURE"))
        fprintf(stderr, "%-60s worst %.2e close %.2e argmax %zu\n", what, d.worst, d.close,
                d.other_argmax);
}

static void check_model(const struct synth *s, const char *what, size_t n) {
    struct fixture f = setup(s, "ref-scalar");
    struct trial t = run_trial(&f, n, s->seed);
    struct distance d = judge(&f, &t, 0);
    report(what, d);
    ck_assert_msg(agrees(&f, d), "%s: worst %g, closest quarter %g, other argmax %zu", what,
                  d.worst, d.close, d.other_argmax);
    free_trial(&t);
    teardown(&f);
}

/* ---- the models ------------------------------------------------------------------------------ */

static const char *const archs[] = {"bitnet-b1.58", "bitnet-25", "bitnet", "llama"};

static struct synth tiny(const char *arch, uint64_t seed) {
    struct synth s;
    synth_preset(&s, "tiny");
    s.arch = arch;
    s.seed = seed;
    return s;
}

START_TEST(every_architecture) {
    for (size_t a = 0; a < 4; a++) {
        struct synth s = tiny(archs[a], 10 + a);
        check_model(&s, archs[a], 24);
    }
}
END_TEST

START_TEST(every_linear_type) {
    static const uint32_t types[] = {T_I2_S, T_TQ1_0, T_TQ2_0, T_F32,
                                     T_F16,  T_BF16,  T_Q8_0,  T_Q6_K};
    for (size_t a = 0; a < 4; a += 3) {
        for (size_t i = 0; i < 8; i++) {
            for (int varied = 0; varied <= (types[i] == T_TQ1_0 || types[i] == T_TQ2_0); varied++) {
                char what[64];
                struct synth s = tiny(archs[a], 20 + i);
                s.type = types[i];
                s.tq_varied = varied;
                snprintf(what, sizeof what, "%s %s%s", archs[a], enc_type_name(types[i]),
                         varied ? " varied" : "");
                check_model(&s, what, 16);
            }
        }
    }
}
END_TEST

START_TEST(every_embedding_type) {
    static const uint32_t types[] = {T_F32, T_F16, T_BF16, T_Q8_0, T_Q6_K};
    for (size_t i = 0; i < 5; i++) {
        for (int untied = 0; untied < 2; untied++) {
            char what[64];
            struct synth s = tiny("bitnet-b1.58", 40 + i);
            s.embd_type = types[i];
            s.untied = untied;
            s.output_type = types[(i + 2) % 5];
            snprintf(what, sizeof what, "embedding %s%s%s", enc_type_name(s.embd_type),
                     untied ? ", output " : "", untied ? enc_type_name(s.output_type) : "");
            check_model(&s, what, 12);
        }
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
            struct synth s = tiny(archs[a], 60 + i);
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
            check_model(&s, what, 16);
        }
    }
}
END_TEST

/* What some files have besides: factors of single layers, scaled rotation. */
START_TEST(every_extra) {
    for (size_t a = 0; a < 4; a++) {
        for (unsigned extras = 1; extras < 8; extras++) {
            char what[80];
            struct synth s = tiny(archs[a], 80 + extras);
            s.type = a % 2 ? T_TQ2_0 : T_I2_S;
            s.tq_varied = !(extras & 1); /* together they are refused */
            s.scale_tensors = extras & 1;
            s.rope_linear = extras & 2 ? 4.0f : 0;
            s.rope_freqs = extras & 4;
            snprintf(what, sizeof what, "%s%s%s%s", archs[a], s.scale_tensors ? " scales" : "",
                     s.rope_freqs ? " rope_freqs" : "", s.rope_linear > 0 ? " linear" : "");
            check_model(&s, what, 12);
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
    check_model(&s, "one block of 2B-4T", 4);
}
END_TEST

/* More positions than a chunk of attention (256), so that chunks merge. */
START_TEST(long_context) {
    struct synth s = tiny("bitnet-b1.58", 90);
    s.embd = 128;
    s.ff = 256;
    s.heads = 2;
    s.kv_heads = 1;
    s.rope_base = 500000;
    s.vocab = 272;
    s.ctx = 1024;
    check_model(&s, "600 positions", 600);
}
END_TEST

/* ---- the same bytes, however computed -------------------------------------------------------- */

/* The same ternary weights in three packings: the same logits, bit for bit. */
START_TEST(packings_agree) {
    static const uint32_t types[] = {T_I2_S, T_TQ1_0, T_TQ2_0};
    enum { N = 12 };
    int32_t ids[N];
    float *first = NULL;
    for (size_t i = 0; i < 3; i++) {
        struct synth s = tiny("bitnet-b1.58", 100);
        s.type = types[i];
        s.f16_scales = true;
        struct fixture f = setup(&s, "ref-scalar");
        make_tokens(ids, N, f.vocab, 5);
        float *logits = engine_logits(&f, ids, N);
        if (!first) {
            first = logits;
        } else {
            ck_assert_mem_eq(logits, first, N * f.vocab * sizeof *logits);
            free(logits);
        }
        teardown(&f);
    }
    free(first);
}
END_TEST

/* Feeds ids[0 .. n) in pieces and checks each piece's last logits, or all of them. */
static void feed_in_pieces(struct fixture *f, const int32_t *ids, size_t n, const float *expected,
                           struct rng *r, uint32_t most) {
    struct bnt_err err = {0};
    for (size_t at = 0; at < n;) {
        size_t piece = 1 + rng_below(r, most);
        if (piece > n - at) piece = n - at;
        enum bnt_want want = (enum bnt_want)rng_below(r, 3);
        must(bnt_session_feed(f->session, ids + at, piece, want, &err), &err);
        size_t shown = want == BNT_WANT_ALL ? piece : want == BNT_WANT_LAST ? 1 : 0;
        for (size_t i = 0; i < shown; i++)
            ck_assert_mem_eq(bnt_session_logits(f->session, i),
                             expected + (at + piece - shown + i) * f->vocab,
                             f->vocab * sizeof *expected);
        at += piece;
        ck_assert_uint_eq(bnt_session_position(f->session), at);
    }
}

/* Any batch, any pieces, any number of threads, any backend. */
START_TEST(splits_agree) {
    enum { N = 40 };
    static const char *const backends[] = {"ref-scalar", "auto"};
    static const uint32_t batches[] = {0, 1, 5, 33};
    int32_t ids[N];
    struct rng r = rng_stream(6, 6);
    for (size_t a = 0; a < 4; a += 3) {
        struct synth s = tiny(archs[a], 110 + a);
        s.ff = 768;
        s.type = a ? T_TQ2_0 : T_I2_S;
        s.tq_varied = true;
        float *expected = NULL;
        for (size_t b = 0; b < 2; b++) {
            struct fixture f = setup(&s, backends[b]);
            make_tokens(ids, N, f.vocab, 6);
            if (!expected) expected = engine_logits(&f, ids, N);
            for (size_t i = 0; i < 4; i++) {
                for (unsigned threads = 1; threads <= 3; threads++) {
                    open_session(&f, batches[i], threads);
                    feed_in_pieces(&f, ids, N, expected, &r, i % 2 ? 7 : 40);
                }
            }
            teardown(&f);
        }
        free(expected);
    }
}
END_TEST

START_TEST(truncation_forgets) {
    enum { N = 40 };
    struct synth s = tiny("bitnet-b1.58", 120);
    struct fixture f = setup(&s, "auto");
    struct bnt_err err = {0};
    int32_t ids[N], others[N];
    make_tokens(ids, N, f.vocab, 7);
    make_tokens(others, N, f.vocab, 8);
    float *expected = engine_logits(&f, ids, N);
    for (uint64_t keep = 0; keep < N; keep += 13) {
        bnt_session_truncate(f.session, keep);
        ck_assert_uint_eq(bnt_session_position(f.session), keep);
        must(bnt_session_feed(f.session, others, 5, BNT_WANT_NONE, &err), &err);
        bnt_session_truncate(f.session, keep);
        for (size_t at = keep; at < N; at++) {
            must(bnt_session_feed(f.session, ids + at, 1, BNT_WANT_LAST, &err), &err);
            ck_assert_mem_eq(bnt_session_logits(f.session, 0), expected + at * f.vocab,
                             f.vocab * sizeof *expected);
        }
    }
    free(expected);
    teardown(&f);
}
END_TEST

START_TEST(limits_leave_the_session_as_it_was) {
    struct synth s = tiny("bitnet-b1.58", 130);
    s.ctx = 16;
    struct fixture f = setup(&s, "ref-scalar");
    struct bnt_err err = {0};
    int32_t ids[17], bad[3] = {1, -1, 2};
    make_tokens(ids, 17, f.vocab, 9);
    float *expected = engine_logits(&f, ids, 16);
    ck_assert_uint_eq(bnt_session_context(f.session), 16);
    ck_assert_int_eq(bnt_session_feed(f.session, ids, 1, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    bnt_session_truncate(f.session, 10);
    ck_assert_int_eq(bnt_session_feed(f.session, ids, 7, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    ck_assert_int_eq(bnt_session_feed(f.session, bad, 3, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    bad[1] = (int32_t)f.vocab;
    ck_assert_int_eq(bnt_session_feed(f.session, bad, 3, BNT_WANT_LAST, &err), BNT_E_LIMIT);
    ck_assert_uint_eq(bnt_session_position(f.session), 10);
    must(bnt_session_feed(f.session, ids + 10, 6, BNT_WANT_LAST, &err), &err);
    ck_assert_mem_eq(bnt_session_logits(f.session, 0), expected + 15 * (size_t)f.vocab,
                     f.vocab * sizeof *expected);
    free(expected);
    teardown(&f);
}
END_TEST

/* ---- the test of the test -------------------------------------------------------------------- */

/* Errors that only a small distance betrays: they must break the close bound, not the worst one. */
enum { SUBTLE = REF_NO_ACT_QUANT | REF_EPS | REF_EXACT_KV };

static bool does_nothing(unsigned mutation, const struct synth *s) {
    bool llama = strcmp(s->arch, "llama") == 0, relu2 = strncmp(s->arch, "bitnet-", 7) == 0;
    bool ternary = enc_is_ternary(s->type);
    if (mutation & (REF_NO_ATTN_SUB_NORM | REF_NO_FFN_SUB_NORM)) return llama;
    if (mutation & REF_RELU_NOT_SQUARED) return !relu2;
    if (mutation & REF_NO_SCALE_TENSORS) return !s->scale_tensors;
    if (mutation & REF_NO_ROPE_SCALING) return s->rope_linear == 0 && !s->rope_freqs;
    if (mutation & (REF_NO_WEIGHT_SCALE | REF_NO_ACT_QUANT)) return !ternary;
    return false;
}

static void check_mutations(const struct synth *s) {
    static const struct {
        unsigned bit;
        const char *text;
    } mutations[] = {
#define X(name, bit, text) {name, text},
        REF_MUTATIONS(X)
#undef X
    };
    struct fixture f = setup(s, "ref-scalar");
    struct trial t = run_trial(&f, 12, s->seed);
    for (size_t i = 0; i < sizeof mutations / sizeof mutations[0]; i++) {
        char what[128];
        unsigned bit = mutations[i].bit;
        struct distance d = judge(&f, &t, bit);
        snprintf(what, sizeof what, "%s: %s", s->arch, mutations[i].text);
        report(what, d);
        if (does_nothing(bit, s)) {
            ck_assert_msg(agrees(&f, d), "%s", what);
        } else if (bit & SUBTLE) {
            ck_assert_msg(d.close > 10 * CLOSE, "%s: closest quarter %g", what, d.close);
        } else {
            ck_assert_msg(d.worst > 0.1 && d.close > 0.03, "%s: worst %g, close %g", what, d.worst,
                          d.close);
        }
    }
    free_trial(&t);
    teardown(&f);
}

START_TEST(known_errors_would_be_seen) {
    for (size_t a = 0; a < 4; a++) {
        struct synth s = tiny(archs[a], 200 + a);
        s.heads = 8;
        s.head_dim = 32;
        s.scale_tensors = a == 1;
        s.rope_linear = a == 2 ? 4.0f : 0;
        s.rope_freqs = a == 3;
        check_mutations(&s);
    }
    struct synth s = tiny("bitnet-b1.58", 210); /* and with blocks of scales, and without ternary */
    s.type = T_TQ1_0;
    s.tq_varied = true;
    check_mutations(&s);
    s.type = T_Q8_0;
    check_mutations(&s);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("whole models");
    tcase_set_timeout(tc, 600);
    tcase_add_test(tc, every_architecture);
    tcase_add_test(tc, every_linear_type);
    tcase_add_test(tc, every_embedding_type);
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
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
