/*
 * test_faults.c - whatever operation of whatever architecture goes wrong: do the checks see it, and
 * name that operation?
 *
 * The one idea: the table that is tested here is not believed here. A wrong bit is planted in each
 * operation of a plan in turn, whatever its kind: in the last value of the last token that its
 * kernel wrote, where a count that is too small forgets it.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parity/lockstep.h"
#include "run/engine.h"
#include "run/exec_state.h"
#include "suite.h"
#include "synth.h"

enum { PROMPT = 5 };

static char path[64];
static struct bnt_engine *engine;
static struct bnt_session *session;
static struct bnt_err err;

static void must(int status) {
    ck_assert_msg(status == BNT_OK, "%s", err.text);
}

static void close_model(void) {
    bnt_session_close(session);
    bnt_engine_close(engine);
    session = NULL;
    engine = NULL;
}

/* One thread: then a kernel's slice is the whole operation. */
static void open_model(const struct synth *s) {
    const struct bnt_engine_options e = {.backend = "ref-scalar", .threads = 1};
    const struct bnt_session_options o = {.n_ctx = 32, .threads = 1, .no_bind = true};
    ck_assert_msg(!synth_fault(s), "%s", synth_fault(s));
    close_model();
    ck_assert_int_eq(synth_save(s, path, NULL), 0);
    must(bnt_engine_open(&engine, path, &e, &err));
    must(bnt_session_open(&session, engine, &o, &err));
}

/* ---- a backend that is wrong in one operation ------------------------------------------------ */

static const bnt_kernels *right;
static struct bnt_watch watch; /* says in which operation a kernel is called, and for whom */
static uint32_t wrong_op;

static bool now(void) {
    return atomic_load(&watch.inside[0].op) == wrong_op + 1 &&
           atomic_load(&watch.inside[0].backend) == watch.tested;
}

static void flip(float *x) {
    if (now()) *x = bnt_f32_from_bits(bnt_f32_bits(*x) ^ 1);
}

static void bad_rmsnorm(const bnt_rmsnorm_args *a) {
    right->rmsnorm(a);
    flip(&a->y[(a->tok_hi - 1) * a->ldy + a->n - 1]);
}

/* The last value of the last token has the largest magnitude, and the other sign. */
static void bad_quantize(const bnt_act_quantize_args *a) {
    bnt_act_quantize_args b = *a;
    float *x = malloc(a->shape.tokens * a->ldx * sizeof *x);
    float *last = x + (a->tok_hi - 1) * a->ldx + a->shape.cols - 1;
    memcpy(x, a->x, a->shape.tokens * a->ldx * sizeof *x);
    if (now()) *last = *last > 0.0f ? -1e3f : 1e3f;
    b.x = x;
    right->act_quantize(&b);
    free(x);
}

static void bad_ternary(const bnt_ternary_gemm_args *a) {
    right->ternary_gemm(a);
    flip(&a->y[(a->tok_hi - 1) * a->ldy + a->row_hi - 1]);
}

static void bad_dense(const bnt_dense_gemm_args *a) {
    right->dense_gemm(a);
    flip(&a->y[(a->tok_hi - 1) * a->ldy + a->row_hi - 1]);
}

static void bad_rope(const bnt_rope_args *a) {
    right->rope(a);
    flip(&a->x[(a->tok_hi - 1) * a->ldx + (uint64_t)a->head_hi * a->head_dim - 1]);
}

static void bad_gate(const bnt_gate_args *a) {
    right->gate(a);
    flip(&a->y[a->hi - 1]);
}

static void bad_gelu(const bnt_gate_args *a) {
    right->gate_gelu(a);
    flip(&a->y[a->hi - 1]);
}

static void bad_add(const bnt_add_args *a) {
    right->add(a);
    flip(&a->y[a->hi - 1]);
}

/* The last V value of the last token doubles, which binary16 shows. */
static void bad_store(const bnt_kv_store_args *a) {
    bnt_kv_store_args b = *a;
    float *v = malloc(a->tok_hi * a->ldkv * sizeof *v);
    float *last = v + (a->tok_hi - 1) * a->ldkv + (uint64_t)a->head_hi * a->shape.head_dim - 1;
    memcpy(v, a->v, a->tok_hi * a->ldkv * sizeof *v);
    if (now()) *last = *last * 2.0f + 1.0f;
    b.v = v;
    right->kv_store(&b);
    free(v);
}

static void bad_merge(const bnt_attn_args *a) {
    right->attn_merge(a);
    if (a->head_hi == a->heads)
        flip(&a->y[(a->tok_hi - 1) * a->ldy + (uint64_t)a->head_hi * a->shape.head_dim - 1]);
}

static void bad_attn(const bnt_attn_args *a) {
    right->attn(a);
    if (a->head_hi == a->heads)
        flip(&a->y[(a->tok_hi - 1) * a->ldy + (uint64_t)a->head_hi * a->shape.head_dim - 1]);
}

static void bad_window(const bnt_attn_window_args *a) {
    right->attn_window(a);
    if (a->head_hi == (uint32_t)(a->ldy / a->head_dim) && a->tok_hi == PROMPT)
        flip(&a->y[(a->tok_hi - 1) * a->ldy + (uint64_t)a->head_hi * a->head_dim - 1]);
}

static void bad_lookup(const bnt_dense_unpack_args *a) {
    right->dense_unpack(a);
    flip(&a->out[a->shape.cols - 1]);
}

static void bad_unpack(const bnt_ternary_unpack_args *a) {
    right->ternary_unpack(a);
    if (now()) a->trits[a->shape.cols - 1] = a->trits[a->shape.cols - 1] == 1 ? 0 : 1;
}

static bnt_kernels wrong_kernels(void) {
    bnt_kernels k = *right;
    k.rmsnorm = bad_rmsnorm;
    k.act_quantize = bad_quantize;
    k.ternary_gemm = bad_ternary;
    k.dense_gemm = bad_dense;
    k.rope = bad_rope;
    k.gate = bad_gate;
    k.gate_gelu = bad_gelu;
    k.add = bad_add;
    k.kv_store = bad_store;
    k.attn_merge = bad_merge;
    if (right->attn) k.attn = bad_attn;
    k.attn_window = bad_window;
    k.dense_unpack = bad_lookup;
    k.ternary_unpack = bad_unpack;
    return k;
}

/* ---- lock-step ------------------------------------------------------------------------------- */

/* Part of the output that the fault is in, as the shapes of the model say: not the table. */
static uint32_t last_head(const struct bnt_op *op) {
    const struct bnt_hparams *hp = &engine->model->hp;
    switch (op->kind) {
    case BNT_OP_ATTENTION: return hp->n_head - 1;
    case BNT_OP_KV_STORE: return hp->n_head_kv - 1;
    case BNT_OP_ROPE: return op->out == BNT_BUF_Q ? hp->n_head - 1 : hp->n_head_kv - 1;
    case BNT_OP_NORM:
        if (op->out == BNT_BUF_Q) return hp->n_head - 1;
        return op->out == BNT_BUF_K ? hp->n_head_kv - 1 : 0;
    default: return 0;
    }
}

static void check_found(const struct bnt_op *op, const struct bnt_lockstep_report *r,
                        const char *what) {
    char text[500] = "nothing";
    uint64_t different = 0;
    if (r->found) bnt_op_difference_text(&r->first, engine->info.n_layer, text, sizeof text);
    ck_assert_msg(r->found && r->first.op == wrong_op, "%s, operation %u (%s %s) was wrong: %s",
                  what, wrong_op, bnt_op_name(op->kind), op->tensor, text);
    for (unsigned k = 0; k < BNT_OP_COUNT; k++) different += r->different[k];
    ck_assert_uint_eq(different, 1);
    ck_assert_int_eq(r->first.kind, op->kind);
    ck_assert_uint_eq(r->first.layer, op->layer);
    ck_assert_str_eq(r->first.tensor, op->tensor);
    /* tokens are looked up and biased one by one, so the first is wrong already */
    bool one_by_one = op->kind == BNT_OP_EMBED || op->kind == BNT_OP_BIAS;
    ck_assert_uint_eq(r->first.position, one_by_one ? 0 : PROMPT - 1);
    ck_assert_uint_eq(r->first.head, last_head(op));
    ck_assert_ptr_nonnull(strstr(text, bnt_op_name(op->kind)));
}

/* A fault in operation wrong_op of one batch; the lock-step must find it there and only there. */
static void check_operation(const bnt_kernels *wrong, const struct bnt_weights *weights,
                            const char *what) {
    static const int32_t ids[PROMPT] = {3, 141, 59, 26, 5};
    struct bnt_exec *x = bnt_session_exec(session);
    struct bnt_lockstep *l;
    bnt_session_truncate(session, 0);
    x->k = wrong;
    must(bnt_lockstep_open(&l, x, weights, right, false, &watch, &err));
    must(bnt_session_feed(session, ids, PROMPT, BNT_WANT_LAST, &err));
    check_found(&x->plan.ops[wrong_op], bnt_lockstep_report(l), what);
    bnt_lockstep_close(l);
    x->k = right;
}

static void check_model(const struct synth *s, const char *what) {
    struct bnt_weights weights;
    open_model(s);
    struct bnt_exec *x = bnt_session_exec(session);
    bnt_kernels wrong = wrong_kernels();
    must(bnt_weights_load(&weights, engine->model, right, &(struct bnt_loading){.pool = x->pool},
                          &err));
    for (wrong_op = 0; wrong_op < x->plan.n_ops; wrong_op++) {
        const enum bnt_op_kind kind = x->plan.ops[wrong_op].kind;
        /* no kernel does these: a backend cannot get them wrong */
        if (kind == BNT_OP_SELECT || kind == BNT_OP_SCALE) continue;
        check_operation(&wrong, &weights, what);
    }
    bnt_weights_free(&weights);
}

static struct synth tiny(const char *arch, uint32_t type, uint64_t seed) {
    struct synth s;
    synth_preset(&s, "tiny");
    s.arch = arch;
    s.type = type;
    s.seed = seed;
    return s;
}

static const char *const archs[] = {"bitnet-b1.58", "bitnet-25", "bitnet",  "llama",
                                    "qwen2",        "qwen3",     "minicpm", "gemma3"};
enum { ARCHS = sizeof archs / sizeof *archs };

START_TEST(lockstep_names_every_operation) {
    static const uint32_t types[] = {T_I2_S, T_TQ2_0, T_F16};
    char what[64];
    for (unsigned i = 0; i < 3; i++) {
        struct synth s = tiny(archs[_i], types[i], 40 + i);
        s.norms_in = i == 0 && (strcmp(s.arch, "qwen3") == 0 || strcmp(s.arch, "gemma3") == 0);
        if (i == 1 && strcmp(s.arch, "gemma3") == 0) s.window = 3, s.window_period = 2;
        s.embd_type = i == 1 ? T_TQ2_0 : T_F16; /* a ternary embedding is looked up otherwise */
        snprintf(what, sizeof what, "%s %s", s.arch, enc_type_name(s.type));
        check_model(&s, what);
    }
}
END_TEST

static void set_up(void) {
    strcpy(path, "/tmp/bitnet-faults-XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    right = &bnt_judge()->kernels;
    watch.tested = "tested";
    watch.judge = "judge";
}

static void tear_down(void) {
    close_model();
    unlink(path);
}

int main(void) {
    Suite *suite = suite_create("faults");
    TCase *tc = tcase_create("faults");
    tcase_set_timeout(tc, 600);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, lockstep_names_every_operation, 0, ARCHS);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
