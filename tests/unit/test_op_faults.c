/*
 * test_op_faults.c - a fault in any slot, in every architecture: lock-step and the spot-check find
 * it and name the operation in which it strikes first.
 *
 * Which operation that is follows from the plan: the first that calls the slot. Where no operation
 * of the architecture calls it, nothing may be found.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bad_slots.h"
#include "parity/lockstep.h"
#include "parity/spotcheck.h"
#include "run/engine.h"
#include "run/exec_state.h"
#include "suite.h"
#include "synth.h"

enum { PROMPT = 9, WINDOW = 4 };

static const struct arch {
    const char *name;
    uint32_t type, embd;
    bool norms_in;
} archs[] = {
    {"bitnet-b1.58", T_I2_S, T_F16, false}, {"bitnet-25", T_TQ2_0, T_TQ2_0, false},
    {"bitnet", T_I2_S, T_Q6_K, false},      {"llama", T_TQ1_0, T_F16, false},
    {"qwen2", T_TQ2_0, T_F16, false},       {"qwen3", T_TQ2_0, T_F16, true},
    {"minicpm", T_TQ2_0, T_F16, false},     {"gemma3", T_TQ2_0, T_F16, false},
    {"llama", T_Q8_0, T_Q8_0, false},
};
enum { ARCHS = sizeof archs / sizeof archs[0] };

static char path[64];
static struct bnt_engine *engine;
static struct bnt_session *session;
static int32_t ids[PROMPT];

static void open_model(const struct arch *a, unsigned threads) {
    struct bnt_err err = {0};
    struct synth s;
    synth_preset(&s, "tiny");
    s.arch = a->name;
    s.type = a->type;
    s.embd_type = a->embd;
    s.norms_in = a->norms_in;
    s.tq_varied = a->type == T_TQ1_0;
    s.vocab = 272;
    if (strcmp(a->name, "gemma3") == 0) {
        s.window = WINDOW;
        s.window_period = 2;
        s.window_rope_base = 10000;
    }
    ck_assert_msg(!synth_fault(&s), "%s: %s", a->name, synth_fault(&s));
    ck_assert_int_eq(synth_save(&s, path, NULL), 0);
    ck_assert_msg(bnt_engine_open(&engine, path,
                                  &(struct bnt_engine_options){.backend = "ref-scalar"},
                                  &err) == BNT_OK,
                  "%s", err.text);
    ck_assert_msg(bnt_session_open(&session, engine,
                                   &(struct bnt_session_options){
                                       .n_ctx = 32, .threads = threads, .no_bind = true},
                                   &err) == BNT_OK,
                  "%s", err.text);
    for (int i = 0; i < PROMPT; i++) ids[i] = (int32_t)((unsigned)i * 7919u % 272);
}

static void set_up(void) {
    snprintf(path, sizeof path, "/tmp/bitnet-test-op-faults-%d.gguf", (int)getpid());
    right = &bnt_judge()->kernels;
}

static void tear_down(void) {
    unlink(path);
}

static void close_model(void) {
    bnt_session_close(session);
    bnt_engine_close(engine);
}

/* The slot whose output is the operation's; NULL where the core computes it itself. */
static const char *slot_of(const struct bnt_op *op) {
    const bool ternary = op->matrix != BNT_NO_MATRIX && engine->model->matrices[op->matrix].ternary;
    switch (op->kind) {
    case BNT_OP_EMBED: return ternary ? "ternary_unpack" : "dense_unpack";
    case BNT_OP_NORM: return "rmsnorm";
    case BNT_OP_QUANTIZE: return "act_quantize";
    case BNT_OP_LINEAR: return ternary ? "ternary_gemm" : "dense_gemm";
    case BNT_OP_ROPE: return "rope";
    case BNT_OP_KV_STORE: return "kv_store";
    case BNT_OP_ATTENTION: return op->window ? "attn_window" : "attn";
    case BNT_OP_GATE: return engine->model->hp.gate == BNT_GATE_GELU ? "gate_gelu" : "gate";
    case BNT_OP_ADD:
    case BNT_OP_BIAS: return "add";
    case BNT_OP_SELECT:
    case BNT_OP_SCALE:
    case BNT_OP_COUNT: break;
    }
    return NULL;
}

/* NULL: the architecture has no use for the slot. */
static const struct bnt_op *first_with(const char *slot) {
    const struct bnt_plan *plan = &bnt_session_exec(session)->plan;
    for (uint32_t k = 0; k < plan->n_ops; k++) {
        const char *of = slot_of(&plan->ops[k]);
        if (of && strcmp(of, slot) == 0) return &plan->ops[k];
    }
    return NULL;
}

static struct bnt_lockstep_report judged(void) {
    struct bnt_err err = {0};
    struct bnt_weights weights;
    struct bnt_lockstep *l;
    struct bnt_exec *x = bnt_session_exec(session);
    ck_assert_int_eq(bnt_weights_load(&weights, engine->model, right,
                                      &(struct bnt_loading){.pool = x->pool}, &err),
                     BNT_OK);
    ck_assert_int_eq(bnt_lockstep_open(&l, x, &weights, right, true, NULL, &err), BNT_OK);
    bnt_session_truncate(session, 0);
    bnt_session_feed(session, ids, PROMPT, BNT_WANT_LAST, &err);
    struct bnt_lockstep_report r = *bnt_lockstep_report(l);
    bnt_lockstep_close(l);
    bnt_weights_free(&weights);
    return r;
}

static int spotted(struct bnt_err *err) {
    struct bnt_spotcheck *s;
    struct bnt_exec *x = bnt_session_exec(session);
    ck_assert_int_eq(bnt_spotcheck_open(&s, x, right, 1.0, 7, err), BNT_OK);
    bnt_session_truncate(session, 0);
    int status = bnt_session_feed(session, ids, PROMPT, BNT_WANT_LAST, err);
    ck_assert_uint_ge(bnt_spotcheck_rows(s), x->plan.n_ops); /* one of each at least */
    bnt_spotcheck_close(s);
    return status;
}

static void check(const struct arch *a, const char *slot, unsigned threads) {
    struct bnt_err err = {0};
    char where[64] = "";
    const struct bnt_op *op = first_with(slot);
    bnt_kernels bad = *right;
    bad_plant(&bad, slot);
    bnt_session_exec(session)->k = &bad;
    struct bnt_lockstep_report r = judged();
    ck_assert_msg(r.found == (op != NULL), "%s, %s: lock-step", a->name, slot);
    int status = spotted(&err);
    ck_assert_msg(status == (op ? BNT_E_MISMATCH : BNT_OK), "%s, %s, %u threads: spot-check: %s",
                  a->name, slot, threads, err.text);
    if (!op) return;
    ck_assert_msg(r.first.kind == op->kind && r.first.layer == op->layer &&
                      strcmp(r.first.tensor, op->tensor) == 0,
                  "%s, %s: lock-step names %s '%s' of layer %u", a->name, slot,
                  bnt_op_name(r.first.kind), r.first.tensor, r.first.layer);
    if (op->layer < engine->info.n_layer)
        snprintf(where, sizeof where, "layer %u, %s", op->layer, bnt_op_name(op->kind));
    else
        snprintf(where, sizeof where, "outside the layers, %s", bnt_op_name(op->kind));
    ck_assert_msg(strstr(err.text, where) && strstr(err.text, op->tensor),
                  "%s, %s: spot-check says %s", a->name, slot, err.text);
}

START_TEST(a_fault_in_any_slot_is_named) {
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        open_model(&archs[_i], threads);
        for (unsigned i = 0; i < BAD_SLOTS; i++) check(&archs[_i], bad_slots[i], threads);
        close_model();
    }
}
END_TEST

/* Every slot is called by some architecture here, or the test above would prove nothing of it. */
START_TEST(every_slot_is_called) {
    bool called[BAD_SLOTS] = {false};
    for (unsigned a = 0; a < ARCHS; a++) {
        open_model(&archs[a], 1);
        for (unsigned i = 0; i < BAD_SLOTS; i++) called[i] |= first_with(bad_slots[i]) != NULL;
        close_model();
    }
    for (unsigned i = 0; i < BAD_SLOTS; i++) ck_assert_msg(called[i], "%s", bad_slots[i]);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("op faults");
    TCase *tc = tcase_create("op faults");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, a_fault_in_any_slot_is_named, 0, ARCHS);
    tcase_add_test(tc, every_slot_is_called);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
