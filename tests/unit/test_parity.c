/*
 * test_parity.c - the checks that watch a backend at work: do they see every fault, name it
 * rightly, and stay silent where there is none?
 *
 * Faults are planted in one slot of the judge's own table at a time, or in plugins that pass the
 * self-check (tests/plugins/row-5000.c). The command and its watchdog, which ends the process, are
 * tested from outside: tests/parity.sh.
 */
#include <check.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "parity/chaos.h"
#include "parity/lockstep.h"
#include "parity/spotcheck.h"
#include "parity/trace.h"
#include "run/engine.h"
#include "run/exec_state.h"
#include "suite.h"
#include "synth.h"

enum { STEPS = 3, PROMPT = 9, WIDE = 5376 /* rows of the feed-forward matrices */ };

static char dir[64];
static struct bnt_engine *engine;
static struct bnt_session *session;
static struct bnt_err err;

static void must(int status) {
    ck_assert_msg(status == BNT_OK, "%s", err.text);
}

static const char *in_dir(const char *file) {
    static char path[4][PATH_MAX];
    static unsigned turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, file);
    return path[turn];
}

static struct synth tiny(const char *arch, uint64_t seed) {
    struct synth s;
    synth_preset(&s, "tiny");
    s.arch = arch;
    s.seed = seed;
    return s;
}

static void save(const struct synth *s) {
    ck_assert_msg(!synth_fault(s), "%s", synth_fault(s));
    ck_assert_int_eq(synth_save(s, in_dir("model.gguf"), NULL), 0);
}

static void close_model(void) {
    bnt_session_close(session);
    bnt_engine_close(engine);
    session = NULL;
    engine = NULL;
}

static void open_model(const char *backend, unsigned threads) {
    const struct bnt_engine_options e = {
        .backend = backend, .plugin_dir = in_dir("plugins"), .threads = threads};
    const struct bnt_session_options s = {.n_ctx = 64, .threads = threads, .no_bind = true};
    close_model();
    must(bnt_engine_open(&engine, in_dir("model.gguf"), &e, &err));
    must(bnt_session_open(&session, engine, &s, &err));
}

/* Copies a built plugin into the folder of this test; false when there is none for this CPU. */
static bool use_plugin(const char *folder, const char *name) {
    char command[2 * PATH_MAX];
    snprintf(command, sizeof command, "cp '%s/%s/%s.so' '%s' 2>/dev/null", TEST_BUILD, folder, name,
             in_dir("plugins"));
    return system(command) == 0;
}

static bool usable(const char *name) {
    struct bnt_backends *table = NULL;
    const struct bnt_backends_options o = {.plugin_dir = in_dir("plugins"), .want = name};
    int status = bnt_backends_open(&table, &o, &err);
    bnt_backends_close(table);
    return status == BNT_OK;
}

static void set_up(void) {
    strcpy(dir, "/tmp/bitnet-parity-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(mkdir(in_dir("plugins"), 0755), 0);
}

static void tear_down(void) {
    char command[128];
    close_model();
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
}

static const int32_t *prompt(void) {
    static int32_t ids[PROMPT];
    for (int i = 0; i < PROMPT; i++) ids[i] = (int32_t)((unsigned)i * 7919u % engine->info.n_vocab);
    return ids;
}

static struct bnt_trace run(void) {
    struct bnt_trace t;
    must(bnt_trace_open(&t, STEPS, engine->info.n_vocab, &err));
    must(bnt_trace_session(&t, session, prompt(), PROMPT, 0, NULL, &err));
    return t;
}

/* ---- lock-step ------------------------------------------------------------------------------ */

/* The session's run, judged. */
static struct bnt_lockstep_report judged(bool stop_at_first) {
    struct bnt_lockstep *l;
    struct bnt_weights weights;
    struct bnt_exec *x = bnt_session_exec(session);
    const bnt_kernels *judge = &bnt_judge()->kernels;
    must(bnt_weights_load(&weights, engine->model, judge, &(struct bnt_loading){.pool = x->pool},
                          &err));
    must(bnt_lockstep_open(&l, x, &weights, judge, stop_at_first, NULL, &err));
    struct bnt_trace t = run();
    struct bnt_lockstep_report r = *bnt_lockstep_report(l);
    bnt_trace_close(&t);
    bnt_lockstep_close(l);
    bnt_weights_free(&weights);
    return r;
}

static uint64_t total(const uint64_t *counts) {
    uint64_t n = 0;
    for (unsigned k = 0; k < BNT_OP_COUNT; k++) n += counts[k];
    return n;
}

static void check_agrees(const char *what) {
    char text[400] = "";
    struct bnt_lockstep_report r = judged(false);
    if (r.found) bnt_op_difference_text(&r.first, engine->info.n_layer, text, sizeof text);
    ck_assert_msg(!r.found, "%s: %s", what, text);
    ck_assert_uint_eq(r.runs, STEPS);
    ck_assert_uint_eq(total(r.compared), STEPS * bnt_session_exec(session)->plan.n_ops);
    ck_assert_uint_eq(total(r.different) + r.unjudged, 0);
    ck_assert_uint_gt(r.values, STEPS * engine->info.n_vocab);
}

/* Every architecture and type, on every backend there is here. */
START_TEST(backends_agree_with_the_judge) {
    static const char *const archs[] = {"bitnet-b1.58", "bitnet-25", "bitnet", "llama"};
    static const uint32_t types[] = {T_I2_S, T_TQ1_0, T_TQ2_0, T_F16, T_BF16, T_Q8_0, T_Q6_K};
    static const char *const names[] = {"cpu-avx512", "cpu-avx2", "cpu-neon", "ref-scalar"};
    for (size_t b = 0; b < 3; b++) use_plugin("plugins", names[b]);
    for (size_t b = 0; b < 4; b++) {
        if (!usable(names[b])) continue;
        for (unsigned i = 0; i < 4 * 7 * 2; i++) {
            struct synth s = tiny(archs[i % 4], 300 + i);
            char what[96];
            s.type = types[i / 4 % 7];
            s.tq_varied = i >= 28;
            if (s.tq_varied && s.type != T_TQ1_0 && s.type != T_TQ2_0) continue;
            s.embd_type = types[3 + i % 4];
            snprintf(what, sizeof what, "%s: %s %s%s", names[b], s.arch, enc_type_name(s.type),
                     s.tq_varied ? " varied" : "");
            save(&s);
            open_model(names[b], 1 + i % 3);
            check_agrees(what);
        }
    }
}
END_TEST

/* One slot at a time gives one wrong bit, always in the same place. */
static const bnt_kernels *right;

static void flip(float *x) {
    *x = bnt_f32_from_bits(bnt_f32_bits(*x) ^ 1);
}

static void bad_rmsnorm(const bnt_rmsnorm_args *a) {
    right->rmsnorm(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) flip(&a->y[t * a->ldy + 5]);
}

/* Value 7 gets the largest magnitude of its token and the other sign. */
static void bad_quantize(const bnt_act_quantize_args *a) {
    uint64_t ld = a->ldx;
    float *x = malloc(a->shape.tokens * ld * sizeof *x);
    memcpy(x, a->x, a->shape.tokens * ld * sizeof *x);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        float most = 0.0f;
        for (uint64_t i = 0; i < a->shape.cols; i++) most = fmaxf(most, fabsf(x[t * ld + i]));
        x[t * ld + 7] = x[t * ld + 7] < 0.0f ? most : -most;
    }
    bnt_act_quantize_args b = *a;
    b.x = x;
    right->act_quantize(&b);
    free(x);
}

static void bad_ternary(const bnt_ternary_gemm_args *a) {
    right->ternary_gemm(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        if (a->row_lo <= 11 && a->row_hi > 11) flip(&a->y[t * a->ldy + 11]);
}

static void bad_dense(const bnt_dense_gemm_args *a) {
    right->dense_gemm(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        if (a->row_lo <= 13 && a->row_hi > 13) flip(&a->y[t * a->ldy + 13]);
}

static void bad_rope(const bnt_rope_args *a) {
    right->rope(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        for (uint32_t h = a->head_lo; h < a->head_hi; h++)
            flip(&a->x[t * a->ldx + (uint64_t)h * a->head_dim + 1]);
}

static void bad_gate(const bnt_gate_args *a) {
    right->gate(a);
    flip(&a->y[a->lo]);
}

static void bad_add(const bnt_add_args *a) {
    right->add(a);
    flip(&a->y[a->lo]);
}

static void bad_store(const bnt_kv_store_args *a) {
    bnt_kv_store_args b = *a;
    b.v = a->k; /* K where V belongs */
    right->kv_store(&b);
}

static void bad_merge(const bnt_attn_args *a) {
    right->attn_merge(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        flip(&a->y[t * a->ldy + (uint64_t)a->head_lo * a->shape.head_dim]);
}

static void bad_attn(const bnt_attn_args *a) {
    right->attn(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        flip(&a->y[t * a->ldy + (uint64_t)a->head_lo * a->shape.head_dim]);
}

static void bad_lookup(const bnt_dense_unpack_args *a) {
    right->dense_unpack(a);
    flip(&a->out[3]);
}

static const struct fault {
    enum bnt_op_kind kind; /* where it must be found */
    const char *tensor;    /* "" for none */
    bool everywhere;       /* in every operation of the kind */
    unsigned row;
} faults[] = {
    {BNT_OP_NORM, "attn_norm.weight", true, 5},
    {BNT_OP_QUANTIZE, "", true, 7},
    {BNT_OP_LINEAR, "blk.0.attn_q.weight", false, 11},
    {BNT_OP_LINEAR, "token_embd.weight", false, 13},
    {BNT_OP_ROPE, "", true, 1},
    {BNT_OP_GATE, "", true, 0},
    {BNT_OP_ADD, "", true, 0},
    {BNT_OP_KV_STORE, "", true, 0},
    {BNT_OP_ATTENTION, "", true, 0},
    {BNT_OP_EMBED, "token_embd.weight", true, 3},
};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static bnt_kernels with_fault(unsigned i) {
    bnt_kernels k = *right;
    switch (i) {
    case 0: k.rmsnorm = bad_rmsnorm; break;
    case 1: k.act_quantize = bad_quantize; break;
    case 2: k.ternary_gemm = bad_ternary; break;
    case 3: k.dense_gemm = bad_dense; break;
    case 4: k.rope = bad_rope; break;
    case 5: k.gate = bad_gate; break;
    case 6: k.add = bad_add; break;
    case 7: k.kv_store = bad_store; break;
    case 8:
        k.attn_merge = bad_merge;
        k.attn = bad_attn;
        break;
    default: k.dense_unpack = bad_lookup;
    }
    return k;
}

static void check_fault(unsigned i) {
    const struct fault *f = &faults[i];
    bool around = f->kind == BNT_OP_EMBED || strcmp(f->tensor, "token_embd.weight") == 0;
    struct bnt_lockstep_report r = judged(false);
    ck_assert_msg(r.found && r.first.kind == f->kind, "fault %u: %s", i, bnt_op_name(r.first.kind));
    ck_assert_uint_eq(r.different[f->kind], total(r.different));
    if (f->everywhere)
        ck_assert_uint_eq(r.different[f->kind], r.compared[f->kind]);
    else
        ck_assert_uint_eq(r.different[f->kind], STEPS * (around ? 1 : 7 * engine->info.n_layer));
    ck_assert_int_eq(r.unjudged > 0, f->kind == BNT_OP_QUANTIZE);
    ck_assert_uint_eq(r.first.run, 0);
    ck_assert_uint_eq(r.first.layer, around ? engine->info.n_layer : 0);
    ck_assert_str_eq(r.first.tensor, f->tensor);
    ck_assert_uint_eq(r.first.row, f->row);
    ck_assert_uint_eq(r.first.position, f->kind == BNT_OP_LINEAR && around ? PROMPT - 1 : 0);
    r = judged(true);
    ck_assert_uint_eq(total(r.different), 1);
}

/* Each is found where it happens, in all of its operations and in no other: what comes after it is
 * judged from the values that it left. */
START_TEST(a_fault_is_found_in_its_own_operation) {
    struct synth s = tiny("bitnet-b1.58", 7);
    save(&s);
    right = &bnt_judge()->kernels;
    for (unsigned threads = 1; threads <= 3; threads++) {
        for (unsigned i = 0; i < FAULTS; i++) {
            bnt_kernels bad = with_fault(i);
            open_model("ref-scalar", threads);
            bnt_session_exec(session)->k = &bad;
            check_fault(i);
            close_model();
        }
    }
}
END_TEST

/* ---- plugins that pass the self-check ---------------------------------------------------------
 */

static void save_wide(void) {
    struct synth s = tiny("bitnet-b1.58", 11);
    s.ff = WIDE;
    save(&s);
    ck_assert(use_plugin("test-plugins", "row-5000"));
}

START_TEST(lockstep_finds_row_5000) {
    char text[400];
    save_wide();
    for (unsigned threads = 1; threads <= 3; threads++) {
        open_model("row-5000", threads);
        struct bnt_lockstep_report r = judged(false);
        ck_assert(r.found);
        ck_assert_int_eq(r.first.kind, BNT_OP_LINEAR);
        ck_assert_uint_eq(r.first.layer, 0);
        ck_assert_str_eq(r.first.tensor, "blk.0.ffn_gate.weight");
        ck_assert_uint_eq(r.first.row, 5000);
        ck_assert_uint_eq(r.first.got ^ r.first.wanted, 1);
        ck_assert_uint_eq(r.different[BNT_OP_LINEAR], STEPS * 2 * engine->info.n_layer);
        ck_assert_uint_eq(total(r.different), r.different[BNT_OP_LINEAR]);
        bnt_op_difference_text(&r.first, engine->info.n_layer, text, sizeof text);
        ck_assert_ptr_nonnull(
            strstr(text, "layer 0, linear 'blk.0.ffn_gate.weight', token 0, row 5000: value is "));
    }
}
END_TEST

/* Tokens until the spot-check stops the run; 0 when it never does. */
static unsigned stopped_after(double share, uint64_t seed, unsigned most, uint64_t *rows) {
    struct bnt_spotcheck *s;
    unsigned n = 0;
    int status = BNT_OK;
    must(bnt_spotcheck_open(&s, bnt_session_exec(session), &bnt_judge()->kernels, share, seed,
                            &err));
    bnt_session_truncate(session, 0);
    for (; n < most && status == BNT_OK; n++) {
        int32_t id = (int32_t)(n * 31u % engine->info.n_vocab);
        if (bnt_session_position(session) == 64) bnt_session_truncate(session, 0);
        status = bnt_session_feed(session, &id, 1, BNT_WANT_LAST, &err);
    }
    *rows = bnt_spotcheck_rows(s);
    bnt_spotcheck_close(s);
    if (status == BNT_OK) return 0;
    ck_assert_int_eq(status, BNT_E_MISMATCH);
    return n;
}

/* 7 % of the rows of 4 of 15 products a token are wrong. At P = 1 a run of 60 tokens that sees none
 * of them has probability 0.93^240 = 3e-8, at P = 0.1 one of 600 tokens the same. */
START_TEST(spotcheck_stops_a_wrong_run) {
    uint64_t rows;
    save_wide();
    open_model("row-5000", 1);
    ck_assert_uint_gt(stopped_after(1.0, 1, 60, &rows), 0);
    ck_assert_ptr_nonnull(strstr(err.text, "ffn_"));
    ck_assert_ptr_nonnull(strstr(err.text, "layer "));
    ck_assert_ptr_nonnull(strstr(err.text, ", row 5"));
    unsigned first = stopped_after(0.1, 2, 600, &rows);
    ck_assert_uint_gt(first, 0);
    ck_assert_uint_eq(stopped_after(0.1, 2, 600, &rows), first); /* the seed says where */
    open_model("row-5000", 3);
    ck_assert_uint_gt(stopped_after(1.0, 3, 60, &rows), 0);
}
END_TEST

START_TEST(spotcheck_leaves_a_right_run_alone) {
    static const uint32_t types[] = {T_I2_S, T_TQ1_0, T_Q8_0, T_Q6_K, T_BF16};
    bool avx512 = use_plugin("plugins", "cpu-avx512") && usable("cpu-avx512");
    uint64_t rows, all;
    for (unsigned i = 0; i < 20; i++) {
        struct synth s = tiny(i % 2 ? "llama" : "bitnet", 400 + i);
        s.type = types[i % 5];
        s.tq_varied = i % 5 == 1 && i >= 10;
        s.scale_tensors = i % 5 == 0;
        save(&s);
        open_model(avx512 ? "cpu-avx512" : "ref-scalar", 1 + i / 5);
        struct bnt_spotcheck *c;
        must(
            bnt_spotcheck_open(&c, bnt_session_exec(session), &bnt_judge()->kernels, 1.0, i, &err));
        must(bnt_session_feed(session, prompt(), PROMPT, BNT_WANT_ALL, &err));
        ck_assert_uint_gt(bnt_spotcheck_rows(c), 0);
        bnt_spotcheck_close(c);
    }
    open_model("ref-scalar", 1);
    ck_assert_uint_eq(stopped_after(1.0, 1, 200, &all), 0);
    ck_assert_uint_eq(all, 200 * bnt_session_exec(session)->plan.n_ops);
    ck_assert_uint_eq(stopped_after(0.25, 1, 200, &rows), 0);
    ck_assert_uint_gt(rows, all / 5);
    ck_assert_uint_lt(rows, all * 3 / 10);
    ck_assert_uint_eq(stopped_after(0.0, 1, 200, &rows), 0);
    ck_assert_uint_eq(rows, 0);
}
END_TEST

/* ---- chaos ----------------------------------------------------------------------------------- */

static struct bnt_agreement chaotic(const struct bnt_trace *reference, uint64_t seed) {
    struct bnt_chaos *c;
    bnt_session_truncate(session, 0);
    must(bnt_chaos_open(&c, engine, session, in_dir("plugins"), seed, NULL, &err));
    struct bnt_trace t = run();
    for (size_t i = 0; i < bnt_chaos_count(c); i++)
        ck_assert_msg(bnt_chaos_slices(c, i) > 0, "%s was never drawn", bnt_chaos_name(c, i));
    ck_assert_uint_ge(bnt_chaos_count(c), 2);
    bnt_chaos_close(c);
    struct bnt_agreement a = bnt_trace_compare(&t, reference);
    bnt_trace_close(&t);
    return a;
}

START_TEST(chaos_changes_nothing) {
    use_plugin("plugins", "cpu-avx512");
    use_plugin("plugins", "cpu-avx2");
    ck_assert(use_plugin("test-plugins", "good"));
    ck_assert(use_plugin("test-plugins", "vector-only"));
    for (unsigned i = 0; i < 8; i++) {
        struct synth s = tiny(i % 2 ? "llama" : "bitnet-b1.58", 500 + i);
        s.type = i % 4 == 3 ? T_Q8_0 : T_TQ2_0;
        s.tq_varied = i % 4 == 2;
        save(&s);
        open_model("ref-scalar", 1 + i % 3);
        struct bnt_trace reference = run();
        struct bnt_agreement a = chaotic(&reference, i);
        ck_assert_uint_eq(a.equal_tokens, STEPS);
        ck_assert_uint_eq(a.equal_logits, STEPS);
        open_model("auto", 4);
        a = chaotic(&reference, i);
        ck_assert_uint_eq(a.equal_logits, STEPS);
        struct bnt_trace after = run(); /* and leaves the session as it was */
        ck_assert_uint_eq(bnt_trace_compare(&after, &reference).equal_logits, STEPS);
        bnt_trace_close(&after);
        bnt_trace_close(&reference);
    }
}
END_TEST

START_TEST(chaos_needs_two) {
    struct bnt_chaos *c;
    struct synth s = tiny("llama", 1);
    save(&s);
    open_model("ref-scalar", 1);
    ck_assert_int_eq(bnt_chaos_open(&c, engine, session, in_dir("plugins"), 1, NULL, &err),
                     BNT_E_BACKEND);
    ck_assert_ptr_null(c);
}
END_TEST

/* A judge that is led astray by a guess still runs its own way. */
START_TEST(the_judges_run_is_its_own) {
    struct synth s = tiny("bitnet-b1.58", 21);
    save(&s);
    open_model("ref-scalar", 2);
    struct bnt_trace alone = run(), guided;
    struct bnt_exec *judge, *x = bnt_session_exec(session);
    must(bnt_exec_open_beside(&judge, x, x->weights, x->k, &err));
    for (int wrong = 0; wrong <= STEPS; wrong++) {
        int32_t guess[STEPS];
        memcpy(guess, alone.tokens, sizeof guess);
        for (int i = wrong; i < STEPS; i++) guess[i] = (guess[i] + 1) % (int32_t)alone.n_vocab;
        must(bnt_trace_open(&guided, STEPS, alone.n_vocab, &err));
        must(bnt_trace_judge(&guided, judge, prompt(), PROMPT, guess, &err));
        struct bnt_agreement a = bnt_trace_compare(&guided, &alone);
        ck_assert_uint_eq(a.equal_tokens, STEPS);
        ck_assert_uint_eq(a.equal_logits, STEPS);
        ck_assert(a.cosine == 1.0 && a.first_divergence == STEPS);
        bnt_trace_close(&guided);
    }
    bnt_exec_close(judge);
    bnt_trace_close(&alone);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("parity");
    TCase *tc = tcase_create("parity");
    tcase_set_timeout(tc, 600);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, backends_agree_with_the_judge);
    tcase_add_test(tc, a_fault_is_found_in_its_own_operation);
    tcase_add_test(tc, lockstep_finds_row_5000);
    tcase_add_test(tc, spotcheck_stops_a_wrong_run);
    tcase_add_test(tc, spotcheck_leaves_a_right_run_alone);
    tcase_add_test(tc, chaos_changes_nothing);
    tcase_add_test(tc, chaos_needs_two);
    tcase_add_test(tc, the_judges_run_is_its_own);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
