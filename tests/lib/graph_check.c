/*
 * graph_check.c - see graph_check.h.
 */
#include "graph_check.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORST 0.08
#define WORST_DENSE 1e-3
#define CLOSE 2e-5
enum { SEQUENCES = 3, TRIAL = 12 /* tokens that an error is looked for in */ };

/* ---- running a model ------------------------------------------------------------------------- */

void graph_must(int status, const struct bnt_err *err) {
    ck_assert_msg(status == BNT_OK, "%s", err->text);
}

void graph_session(struct graph *f, uint32_t batch, unsigned threads) {
    struct bnt_err err = {0};
    struct bnt_session_options o = {.n_batch = batch, .threads = threads, .no_bind = true};
    bnt_session_close(f->session);
    f->session = NULL;
    graph_must(bnt_session_open(&f->session, f->engine, &o, &err), &err);
}

struct synth graph_tiny(const char *arch, uint64_t seed) {
    struct synth s;
    synth_preset(&s, "tiny");
    s.arch = arch;
    s.seed = seed;
    return s;
}

struct graph graph_open(const struct synth *s, const char *backend) {
    struct graph f = {.path = "/tmp/bitnet-graph-XXXXXX",
                      .dense = !enc_is_ternary(s->type) &&
                               !enc_is_ternary(s->untied ? s->output_type : s->embd_type)};
    struct bnt_engine_options o = {.backend = backend, .threads = 1};
    struct bnt_err err = {0};
    const char *why;
    ck_assert_msg(!synth_fault(s), "%s", synth_fault(s));
    int fd = mkstemp(f.path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    ck_assert_int_eq(synth_save(s, f.path, NULL), 0);
    graph_must(bnt_engine_open(&f.engine, f.path, &o, &err), &err);
    graph_must(bnt_gguf_open(&f.gguf, f.path, &err), &err);
    unlink(f.path); /* both have it mapped */
    f.ref = ref_open(f.gguf, &why);
    ck_assert_msg(f.ref, "reference: %s", why);
    f.vocab = bnt_engine_info(f.engine)->n_vocab;
    ck_assert_uint_eq(f.vocab, ref_vocab(f.ref));
    graph_session(&f, 0, 1);
    return f;
}

void graph_close(struct graph *f) {
    bnt_session_close(f->session);
    bnt_engine_close(f->engine);
    ref_close(f->ref);
    bnt_gguf_close(f->gguf);
}

void graph_tokens(int32_t *ids, size_t n, uint32_t vocab, uint64_t seed) {
    struct rng r = rng_stream(seed, 77);
    for (size_t i = 0; i < n; i++) ids[i] = (int32_t)rng_below(&r, vocab);
}

float *graph_logits(struct graph *f, const int32_t *ids, size_t n) {
    struct bnt_err err = {0};
    float *out = malloc(n * f->vocab * sizeof *out);
    graph_must(bnt_session_feed(f->session, ids, n, BNT_WANT_ALL, &err), &err);
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

static struct distance compare(const struct graph *f, const float *engine, const double *ref,
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

static struct trial run_trial(struct graph *f, size_t n, uint64_t seed) {
    struct trial t = {.n = n};
    for (size_t i = 0; i < SEQUENCES; i++) {
        t.ids[i] = malloc(n * sizeof *t.ids[i]);
        graph_tokens(t.ids[i], n, f->vocab, seed + 1000 * i);
        bnt_session_truncate(f->session, 0);
        t.logits[i] = graph_logits(f, t.ids[i], n);
    }
    return t;
}

static void free_trial(struct trial *t) {
    for (size_t i = 0; i < SEQUENCES; i++) {
        free(t->ids[i]);
        free(t->logits[i]);
    }
}

static struct distance judge(const struct graph *f, const struct trial *t, uint64_t mutations) {
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

static double worst_allowed(const struct graph *f) {
    return f->dense ? WORST_DENSE : WORST;
}

static bool agrees(const struct graph *f, struct distance d) {
    return d.worst <= worst_allowed(f) && d.close <= CLOSE && d.other_argmax == 0;
}

/* BNT_TEST_MEASURE=1 prints what the bounds were chosen from. */
static void report(const char *what, struct distance d) {
    if (getenv("BNT_TEST_MEASURE"))
        fprintf(stderr, "%-60s worst %.2e close %.2e argmax %zu\n", what, d.worst, d.close,
                d.other_argmax);
}

void graph_check_model(const struct synth *s, const char *what, size_t n) {
    struct graph f = graph_open(s, "ref-scalar");
    struct trial t = run_trial(&f, n, s->seed);
    struct distance d = judge(&f, &t, 0);
    report(what, d);
    ck_assert_msg(agrees(&f, d), "%s: worst %g, closest quarter %g, other argmax %zu", what,
                  d.worst, d.close, d.other_argmax);
    free_trial(&t);
    graph_close(&f);
}

void graph_check_packings(const struct synth *s, const uint32_t *types, size_t n_types,
                          bool embedding) {
    enum { N = 12 };
    int32_t ids[N];
    float *first = NULL;
    for (size_t i = 0; i < n_types; i++) {
        struct synth packed = *s;
        packed.type = types[i];
        if (embedding) packed.embd_type = packed.output_type = types[i];
        packed.f16_scales = true;
        struct graph f = graph_open(&packed, "ref-scalar");
        graph_tokens(ids, N, f.vocab, 5);
        float *logits = graph_logits(&f, ids, N);
        if (!first) first = logits;
        ck_assert_mem_eq(logits, first, N * f.vocab * sizeof *logits);
        if (logits != first) free(logits);
        graph_close(&f);
    }
    free(first);
}

/* ---- pieces and mutations -------------------------------------------------------------------- */

void graph_feed_in_pieces(struct graph *f, const int32_t *ids, size_t n, const float *expected,
                          struct rng *r, uint32_t most) {
    struct bnt_err err = {0};
    for (size_t at = 0; at < n;) {
        size_t piece = 1 + rng_below(r, most);
        if (piece > n - at) piece = n - at;
        enum bnt_want want = (enum bnt_want)rng_below(r, 3);
        graph_must(bnt_session_feed(f->session, ids + at, piece, want, &err), &err);
        size_t shown = want == BNT_WANT_ALL ? piece : want == BNT_WANT_LAST ? 1 : 0;
        for (size_t i = 0; i < shown; i++)
            ck_assert_mem_eq(bnt_session_logits(f->session, i),
                             expected + (at + piece - shown + i) * f->vocab,
                             f->vocab * sizeof *expected);
        at += piece;
        ck_assert_uint_eq(bnt_session_position(f->session), at);
    }
}

/* Errors that only a small distance betrays: they must break the close bound, not the worst one. */
static bool is_subtle(uint64_t m, const struct synth *s) {
    /* a norm behind the product takes its scale away, but for epsilon */
    if (m & REF_NO_WEIGHT_SCALE) return strcmp(s->arch, "gemma3") == 0;
    return m & (REF_NO_ACT_QUANT | REF_EPS | REF_EXACT_KV | REF_GELU_SIGMOID);
}

static bool does_nothing(uint64_t mutation, const struct synth *s) {
    bool sub_norms = strncmp(s->arch, "bitnet", 6) == 0, gemma3 = strcmp(s->arch, "gemma3") == 0;
    bool qk_norms = strcmp(s->arch, "qwen3") == 0 || gemma3,
         minicpm = strcmp(s->arch, "minicpm") == 0;
    bool relu2 =
        s->activation ? strcmp(s->activation, "relu2") == 0 : strncmp(s->arch, "bitnet-", 7) == 0;
    bool gelu = gemma3 && !s->activation, yarn = s->yarn_factor > 0;
    bool ternary = enc_is_ternary(s->type), scaled = s->rope_linear > 0 || yarn || s->rope_freqs;
    if (mutation & (REF_NO_ATTN_SUB_NORM | REF_NO_FFN_SUB_NORM)) return !sub_norms;
    if (mutation & (REF_NO_Q_NORM | REF_NO_K_NORM)) return !qk_norms;
    if (mutation & REF_RELU_NOT_SQUARED) return !relu2;
    if (mutation & REF_GELU_SIGMOID) return !gelu;
    if (mutation & REF_NO_SCALE_TENSORS) return !s->scale_tensors;
    if (mutation & REF_NO_ROPE_SCALING) return !scaled && !s->longrope_context;
    if (mutation & (REF_NO_YARN_FACTOR | REF_YARN_LINEAR | REF_NO_YARN_MAGNITUDE)) return !yarn;
    if (mutation & REF_OTHER_BLOCK_SCALE) return !ternary || s->type == T_I2_S || !s->tq_varied;
    if (mutation & (REF_NO_WEIGHT_SCALE | REF_NO_ACT_QUANT)) return !ternary;
    if (mutation & REF_NO_ATTN_FACTOR) return s->rope_attn_factor == 0;
    if (mutation & REF_NO_ATTN_SCALE) return s->attn_scale == 0;
    if (mutation & (REF_NO_Q_BIAS | REF_NO_K_BIAS | REF_NO_V_BIAS))
        return strcmp(s->arch, "qwen2") != 0;
    if (mutation & REF_NO_EMBD_SCALE) return !minicpm && !gemma3;
    if (mutation & (REF_NO_BRANCH_SCALE | REF_NO_LOGIT_SCALE)) return !minicpm;
    if (mutation & REF_OTHER_LONGROPE) return !s->longrope_context;
    if (mutation & (REF_NO_NORMS_IN | REF_ONE_NORM_IN)) return !s->norms_in;
    if (mutation & REF_NO_POST_NORMS) return !gemma3;
    if (mutation & (REF_NO_WINDOW | REF_WINDOW_OFF)) return !s->window || s->window >= TRIAL;
    if (mutation & REF_ONE_ROPE_BASE) return !s->window;
    return false;
}

void graph_check_mutations(const struct synth *s) {
    static const struct {
        uint64_t bit;
        const char *text;
    } mutations[] = {
#define X(name, bit, text) {UINT64_C(1) << (bit), text},
        REF_MUTATIONS(X)
#undef X
    };
    struct graph f = graph_open(s, "ref-scalar");
    struct trial t = run_trial(&f, TRIAL, s->seed);
    for (size_t i = 0; i < sizeof mutations / sizeof mutations[0]; i++) {
        char what[128];
        uint64_t bit = mutations[i].bit;
        struct distance d = judge(&f, &t, bit);
        snprintf(what, sizeof what, "%s: %s", s->arch, mutations[i].text);
        report(what, d);
        if (does_nothing(bit, s)) {
            ck_assert_msg(agrees(&f, d), "%s", what);
        } else if (is_subtle(bit, s)) {
            ck_assert_msg(d.close > 10 * CLOSE, "%s: closest quarter %g", what, d.close);
        } else { /* a window shows at positions beyond it only */
            bool late = bit & (REF_NO_WINDOW | REF_WINDOW_OFF);
            ck_assert_msg(d.worst > 0.1 && (d.close > 0.03 || late), "%s: worst %g, close %g", what,
                          d.worst, d.close);
        }
    }
    free_trial(&t);
    graph_close(&f);
}
