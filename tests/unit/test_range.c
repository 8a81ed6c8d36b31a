/*
 * test_range.c - values that attention or relu2 would hide are refused by name, wherever they
 * arise, with the same words on every backend, batch and team; and scales of any sign and size are
 * operands like others.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bitnet/numerics.h"
#include "run/engine.h"
#include "suite.h"
#include "synth.h"

enum { COUNT = 12, QUIET = 5 /* tokens whose embedding is zero: nothing can overflow there */ };

static char path[64], plugin_dir[512];
static int32_t ids[COUNT];

static void set_up(void) {
    snprintf(path, sizeof path, "/tmp/bitnet-test-range-%d.gguf", (int)getpid());
    snprintf(plugin_dir, sizeof plugin_dir, "%s/plugins", TEST_BUILD);
    for (int i = 0; i < COUNT; i++) ids[i] = i < QUIET ? 7 : 8 + i;
}

static void tear_down(void) {
    unlink(path);
}

/* A value of an F32 tensor (element 0) or the scale of an I2_S one. */
struct change {
    const char *tensor;
    float to;
};

static void put(uint8_t *data, const struct bnt_gguf *g, const struct change *c) {
    const struct bnt_gguf_tensor *t = bnt_gguf_tensor(g, c->tensor);
    ck_assert_msg(t != NULL, "%s", c->tensor);
    memcpy(data + t->offset + (t->type == T_I2_S ? t->bytes - 32 : 0), &c->to, sizeof c->to);
}

/* The smallest model of an architecture, with token 7's embedding at zero and n changes. */
static void save(const char *arch, const struct change *changes, size_t n) {
    struct synth s;
    struct bnt_gguf *g;
    size_t size;
    ck_assert(synth_preset(&s, "tiny"));
    s.arch = arch;
    s.type = T_I2_S;
    s.embd_type = T_F16;
    s.blocks = 2;
    s.vocab = 272;
    ck_assert_ptr_null(synth_fault(&s));
    uint8_t *data = synth_memory(&s, &size);
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, NULL), BNT_OK);
    for (size_t i = 0; i < n; i++) put(data, g, &changes[i]);
    const struct bnt_gguf_tensor *embd = bnt_gguf_tensor(g, "token_embd.weight");
    memset(data + embd->offset + 7 * (embd->bytes / s.vocab), 0, embd->bytes / s.vocab);
    bnt_gguf_close(g);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, size, f), size);
    ck_assert_int_eq(fclose(f), 0);
    free(data);
}

/* The status of a feed of n tokens; its last logits in out, if that is not NULL. */
static int feed(const char *backend, uint32_t batch, unsigned threads, size_t n, float *out,
                struct bnt_err *err) {
    struct bnt_engine *e = NULL;
    struct bnt_session *s = NULL;
    const struct bnt_engine_options how = {.backend = backend, .plugin_dir = plugin_dir};
    const struct bnt_session_options sizes = {
        .n_ctx = COUNT, .n_batch = batch, .threads = threads, .no_bind = true};
    ck_assert_msg(bnt_engine_open(&e, path, &how, err) == BNT_OK, "%s", err->text);
    ck_assert_msg(bnt_session_open(&s, e, &sizes, err) == BNT_OK, "%s", err->text);
    int status = bnt_session_feed(s, ids, n, BNT_WANT_LAST, err);
    if (status == BNT_OK && out)
        memcpy(out, bnt_session_logits(s, 0), bnt_engine_info(e)->n_vocab * sizeof *out);
    bnt_session_close(s);
    bnt_engine_close(e);
    return status;
}

/* Of every backend, batch and team, the same words. */
static void refused(const char *words) {
    static const char *const backends[] = {"ref-scalar", "auto"};
    static const uint32_t batches[] = {1, 4, COUNT};
    for (unsigned b = 0; b < 2; b++) {
        for (unsigned k = 0; k < 3; k++) {
            for (unsigned threads = 1; threads <= 3; threads += 2) {
                struct bnt_err err = {0};
                int status = feed(backends[b], batches[k], threads, COUNT, NULL, &err);
                ck_assert_msg(status == BNT_E_NUMERIC && strstr(err.text, words) == err.text,
                              "%s, batch %u, %u threads: %d %s; not %s", backends[b], batches[k],
                              threads, status, err.text, words);
            }
        }
    }
}

START_TEST(a_key_that_overflows_is_named) {
    save("bitnet-b1.58", &(struct change){"blk.0.attn_k.weight", 1e9f}, 1);
    refused("layer 0, position 5: a key is ");
}
END_TEST

START_TEST(a_value_that_overflows_is_named) {
    save("llama", &(struct change){"blk.0.attn_v.weight", -1e9f}, 1);
    refused("layer 0, position 5: a value is ");
}
END_TEST

START_TEST(a_query_that_is_too_large_is_named) {
    save("llama", &(struct change){"blk.0.attn_q.weight", 1e25f}, 1);
    refused("layer 0, position 5: a query is ");
}
END_TEST

START_TEST(a_gate_that_overflows_is_named) {
    save("bitnet-b1.58", &(struct change){"blk.0.ffn_gate.weight", 3e38f}, 1);
    refused("layer 0, position 5: a gate is not finite");
}
END_TEST

/* Where two things are wrong, the first position counts, and there the first layer. */
START_TEST(the_first_is_named) {
    save("bitnet-b1.58",
         (struct change[]){{"blk.1.attn_k.weight", 1e9f}, {"blk.0.attn_v.weight", 1e9f}}, 2);
    refused("layer 0, position 5: a value is ");
}
END_TEST

/* qwen2 adds biases: with weights of scale 0 they are K, V and Q themselves at position 0. */
START_TEST(the_limits_are_exact) {
    static const struct {
        const char *weight, *bias;
        uint32_t last, first; /* bits of what is accepted, and refused */
    } edges[] = {
        {"blk.0.attn_k.weight", "blk.0.attn_k.bias", 0x477fefff, 0x477ff000},
        {"blk.0.attn_v.weight", "blk.0.attn_v.bias", 0x477fefff, 0x477ff000},
        {"blk.0.attn_q.weight", "blk.0.attn_q.bias", 0x5f7fffff, 0x5f800000},
    };
    for (unsigned k = 0; k < 3; k++) {
        for (unsigned sign = 0; sign < 2; sign++) {
            for (unsigned over = 0; over < 2; over++) {
                struct bnt_err err = {0};
                uint32_t bits = (over ? edges[k].first : edges[k].last) | sign << 31;
                struct change c[2] = {{edges[k].weight, 0.0f},
                                      {edges[k].bias, bnt_f32_from_bits(bits)}};
                save("qwen2", c, 2);
                int status = feed("ref-scalar", 1, 1, 1, NULL, &err);
                ck_assert_msg(status == (over ? BNT_E_NUMERIC : BNT_OK), "%s 0x%08x: %s",
                              edges[k].bias, bits, err.text);
            }
        }
    }
}
END_TEST

/* Negative, subnormal and zero scales and gains: no refusal, and the judge's bytes. */
START_TEST(scales_of_any_sign_and_size_are_operands) {
    static const float values[] = {-0.37f, 1e-42f, -1e-45f, 0.0f, -0.0f, 0x1p-126f, -2.5f};
    static const char *const tensors[] = {"blk.0.attn_q.weight", "blk.1.ffn_down.weight",
                                          "blk.0.attn_norm.weight", "output_norm.weight"};
    for (unsigned t = 0; t < 4; t++) {
        for (unsigned v = 0; v < sizeof values / sizeof *values; v++) {
            float want[272], got[272];
            struct bnt_err err = {0};
            save("bitnet-b1.58", &(struct change){tensors[t], values[v]}, 1);
            int judge = feed("ref-scalar", COUNT, 1, COUNT, want, &err);
            ck_assert_msg(judge == BNT_OK, "%s %g: %s", tensors[t], (double)values[v], err.text);
            ck_assert_int_eq(feed("auto", 4, 2, COUNT, got, &err), BNT_OK);
            ck_assert_mem_eq(want, got, sizeof want);
        }
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("range");
    TCase *tc = tcase_create("range");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, a_key_that_overflows_is_named);
    tcase_add_test(tc, a_value_that_overflows_is_named);
    tcase_add_test(tc, a_query_that_is_too_large_is_named);
    tcase_add_test(tc, a_gate_that_overflows_is_named);
    tcase_add_test(tc, the_first_is_named);
    tcase_add_test(tc, the_limits_are_exact);
    tcase_add_test(tc, scales_of_any_sign_and_size_are_operands);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
