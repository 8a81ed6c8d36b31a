/*
 * test_keys.c - every key that may change what a model computes is computed, or the file is refused
 * with the key's name.
 *
 * Models are made by tests/lib/synth, each with one key more, less or otherwise than usual. Whether
 * what is computed is right is asked of the reference by test_graph.c.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/plugin.h"
#include "suite.h"
#include "test_keys.h"

/* ---- refused --------------------------------------------------------------------------------- */

START_TEST(steps_that_no_graph_has) {
    static const struct key keys[] = {
        {.name = "llama.attention.causal", .type = 'b', .number = 0},
        {.name = "llama.use_parallel_residual", .type = 'b', .number = 1},
        {.name = "llama.expert_count", .type = 'u', .number = 8},
        {.name = "llama.expert_used_count", .type = 'u', .number = 2},
        {.name = "llama.attention.sliding_window", .type = 'u', .number = 4096},
        {.name = "llama.attention.sliding_window_pattern", .type = 'B', .list = {1, 0}, .count = 2},
        {.name = "llama.attention.max_alibi_bias", .type = 'f', .number = 8},
        {.name = "llama.attention.clamp_kqv", .type = 'f', .number = 8},
        {.name = "llama.attn_logit_softcapping", .type = 'f', .number = 50},
        {.name = "llama.final_logit_softcapping", .type = 'f', .number = 30},
        {.name = "llama.logit_scale", .type = 'f', .number = 0.5},
        {.name = "llama.residual_scale", .type = 'f', .number = 0.2},
        {.name = "llama.embedding_scale", .type = 'f', .number = 12},
        {.name = "llama.rope.scaling.alpha", .type = 'f', .number = 1000},
        {.name = "llama.rope.scaling.yarn_ext_factor", .type = 'f', .number = 1},
        {.name = "llama.rope.scaling.yarn_attn_factor", .type = 'f', .number = 2},
        {.name = "llama.rope.scaling.yarn_log_multiplier", .type = 'f', .number = 0.1},
        {.name = "llama.nextn_predict_layers", .type = 'u', .number = 1},
        {.name = "llama.rope.scaling.type", .type = 's', .text = "dynamic"},
        {.name = "llama.hidden_activation", .type = 's', .text = "gelu"},
        {.name = "llama.activation", .type = 's', .text = "tanh"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        refused("llama", &keys[i], BNT_E_UNSUPPORTED);
}
END_TEST

/* What no table names may mean anything. */
START_TEST(keys_that_nobody_knows) {
    static const struct key keys[] = {
        {.name = "llama.attention.frobnicate", .type = 'u', .number = 0},
        {.name = "llama.rope.dimension_sections", .type = 'A', .list = {1, 2}, .count = 2},
        {.name = "llama.ssm.conv_kernel", .type = 'u', .number = 4},
        {.name = "llama.", .type = 'u', .number = 4},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        refused("llama", &keys[i], BNT_E_UNSUPPORTED);
}
END_TEST

START_TEST(keys_of_other_prefixes) {
    static const struct key bad[] = {
        {.name = "prism.hadamard.version", .type = 'u', .number = 1},
        {.name = "prism.anything", .type = 's', .text = ""},
        {.name = "xielu.beta", .type = 'f', .number = 0.5},
        {.name = "adapter.type", .type = 's', .text = "lora"},
        {.name = "general.type", .type = 's', .text = "adapter"},
        {.name = "general.tensor_data_layout", .type = 's', .text = "blocked 8x8"},
        {.name = "tokenizer.ggml.suppress_tokens", .type = 'A', .list = {7, 8}, .count = 2},
        {.name = "llama.tensor_data_layout", .type = 's', .text = "jploski"},
    };
    static const struct key fine[] = {
        {.name = "general.type", .type = 's', .text = "model"},
        {.name = "general.quantization_version", .type = 'u', .number = 2},
        {.name = "general.tensor_data_layout", .type = 's', .text = "reference"},
        {.name = "tokenizer.ggml.suppress_tokens", .type = 'A', .list = {0}, .count = 0},
        {.name = "llama.tensor_data_layout", .type = 's', .text = ""},
        {.name = "general.sampling.temp", .type = 'f', .number = 0.6},
        {.name = "tokenizer.ggml.padding_token_id", .type = 'u', .number = 3},
        {.name = "tokenizer.of.tomorrow", .type = 's', .text = "x"},
        {.name = "quantize.imatrix.file", .type = 's', .text = "x"},
        {.name = "split.count", .type = 'u', .number = 0},
        {.name = "llamas.attention.causal", .type = 'b', .number = 0},
        {.name = "qwen2.attention.causal", .type = 'b', .number = 0},
        {.name = "llama", .type = 'u', .number = 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused("llama", &bad[i], BNT_E_UNSUPPORTED);
    refused("llama", &(struct key){.name = "general.type", .type = 'u', .number = 0}, BNT_E_FORMAT);
    refused("llama", &(struct key){.name = "general.type", .type = 'A', .list = {1}, .count = 1},
            BNT_E_FORMAT);
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
        struct opened o = accepted("llama", &fine[i]);
        forget(&o);
    }
}
END_TEST

START_TEST(values_of_the_wrong_type) {
    static const struct key keys[] = {
        {.name = "llama.rope.scaling.type", .type = 'u', .number = 2},
        {.name = "llama.rope.scaling.factor", .type = 'u', .number = 2},
        {.name = "llama.rope.freq_base", .type = 's', .text = "10000"},
        {.name = "llama.attention.layer_norm_rms_epsilon", .type = 'u', .number = 1},
        {.name = "llama.attention.layer_norm_rms_epsilon", .type = 'F', .list = {1e-5}, .count = 1},
        {.name = "llama.attention.causal", .type = 'u', .number = 1},
        {.name = "llama.block_count", .type = 'f', .number = 2},
        {.name = "llama.block_count", .type = 'A', .list = {2}, .count = 1},
        {.name = "llama.block_count", .type = 'i', .number = -2},
        {.name = "llama.attention.head_count", .type = 'F', .list = {4, 4}, .count = 2},
        {.name = "llama.hidden_activation", .type = 'b', .number = 1},
        {.name = "llama.vocab_size", .type = 's', .text = "272"},
        {.name = "llama.pooling_type", .type = 's', .text = "last"},
        {.name = "llama.tensor_data_layout", .type = 'u', .number = 0},
        {.name = "general.tensor_data_layout", .type = 'u', .number = 0},
        {.name = "tokenizer.ggml.suppress_tokens", .type = 'u', .number = 7},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        refused("llama", &keys[i], BNT_E_FORMAT);
}
END_TEST

START_TEST(values_beyond_their_range) {
    static const struct key keys[] = {
        {.name = "llama.attention.layer_norm_rms_epsilon", .type = 'f', .number = 0},
        {.name = "llama.attention.layer_norm_rms_epsilon", .type = 'f', .number = -1e-5},
        {.name = "llama.attention.layer_norm_rms_epsilon", .type = 'f', .number = 1e-40},
        {.name = "llama.attention.layer_norm_rms_epsilon", .type = 'd', .number = 1e-300},
        {.name = "llama.attention.layer_norm_rms_epsilon", .type = 'f', .number = INFINITY},
        {.name = "llama.attention.layer_norm_rms_epsilon", .type = 'f', .number = NAN},
        {.name = "llama.attention.scale", .type = 'f', .number = -0.125},
        {.name = "llama.attention.scale", .type = 'f', .number = 1e-40},
        {.name = "llama.attention.scale", .type = 'f', .number = NAN},
        {.name = "llama.rope.freq_base", .type = 'f', .number = 0.5},
        {.name = "llama.rope.freq_base", .type = 'f', .number = NAN},
        {.name = "llama.rope.freq_base", .type = 'd', .number = 1e300},
        {.name = "llama.rope.scaling.factor", .type = 'f', .number = 0},
        {.name = "llama.rope.scaling.attn_factor", .type = 'f', .number = 0},
        {.name = "llama.rope.scaling.attn_factor", .type = 'f', .number = -1},
        {.name = "llama.context_length", .type = 'u', .number = 1 << 25},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        refused("llama", &keys[i], BNT_E_LIMIT);
}
END_TEST

START_TEST(keys_that_are_missing) {
    static const char *const names[] = {"attention.layer_norm_rms_epsilon",
                                        "block_count",
                                        "embedding_length",
                                        "feed_forward_length",
                                        "attention.head_count",
                                        "context_length",
                                        "embedding_scale",
                                        "residual_scale",
                                        "logit_scale"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct synth s;
        struct bnt_gguf *g = NULL;
        struct bnt_model *m = NULL;
        struct bnt_err err = {0};
        size_t size;
        synth_preset(&s, "tiny");
        if (i >= 6) s.arch = "minicpm";
        s.omit_key = names[i];
        uint8_t *data = synth_memory(&s, &size);
        ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, &err), BNT_OK);
        ck_assert_int_eq(bnt_model_open(&m, g, &err), BNT_E_FORMAT);
        ck_assert_msg(strstr(err.text, names[i]) && strstr(err.text, "missing"), "%s", err.text);
        bnt_gguf_close(g);
        free(data);
    }
}
END_TEST

/* ---- computed -------------------------------------------------------------------------------- */

START_TEST(values_that_change_nothing) {
    static const struct key keys[] = {
        {.name = "llama.attention.causal", .type = 'b', .number = 1},
        {.name = "llama.expert_count", .type = 'u', .number = 0},
        {.name = "llama.expert_used_count", .type = 'U', .number = 0},
        {.name = "llama.logit_scale", .type = 'f', .number = 1},
        {.name = "llama.residual_scale", .type = 'd', .number = 0},
        {.name = "llama.attention.sliding_window", .type = 'u', .number = 0},
        {.name = "llama.attn_logit_softcapping", .type = 'f', .number = 0},
        {.name = "llama.rope.scaling.finetuned", .type = 'b', .number = 1},
        {.name = "llama.rope.scaling.yarn_ext_factor", .type = 'f', .number = -1},
        {.name = "llama.rope.scaling.yarn_beta_fast", .type = 'f', .number = 32},
        {.name = "llama.rope.scaling.original_context_length", .type = 'u', .number = 64},
        {.name = "llama.pooling_type", .type = 'u', .number = 3},
        {.name = "llama.tensor_data_layout", .type = 's', .text = "Meta AI original pth"},
        {.name = "llama.hidden_activation", .type = 's', .text = "silu"},
        {.name = "llama.attention.scale", .type = 'f', .number = 0},
        {.name = "llama.attention.head_count", .type = 'A', .list = {4, 4}, .count = 2},
        {.name = "llama.attention.head_count_kv", .type = 'A', .list = {2, 2}, .count = 2},
        {.name = "llama.feed_forward_length", .type = 'A', .list = {512, 512}, .count = 2},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct opened o = accepted("llama", &keys[i]);
        ck_assert_uint_eq(o.m->hp.n_head, 4);
        ck_assert_uint_eq(o.m->hp.n_head_kv, 2);
        ck_assert_uint_eq(o.m->hp.n_ff, 512);
        ck_assert_uint_eq(o.m->hp.gate, BNT_GATE_SILU);
        ck_assert(o.m->hp.attn_scale == 0.125f);
        ck_assert(bnt_rope_magnitude(&o.m->hp.rope_scaling) == 1.0);
        forget(&o);
    }
}
END_TEST

START_TEST(layers_of_different_shapes) {
    static const struct key keys[] = {
        {.name = "llama.attention.head_count", .type = 'A', .list = {4, 8}, .count = 2},
        {.name = "llama.attention.head_count_kv", .type = 'A', .list = {2, 1}, .count = 2},
        {.name = "llama.feed_forward_length", .type = 'A', .list = {512, 256}, .count = 2},
    };
    static const struct key lengths[] = {
        {.name = "llama.attention.head_count", .type = 'A', .list = {4}, .count = 1},
        {.name = "llama.attention.head_count_kv", .type = 'A', .list = {2, 2, 2}, .count = 3},
        {.name = "llama.feed_forward_length", .type = 'A', .list = {0}, .count = 0},
    };
    for (size_t i = 0; i < 3; i++) {
        refused("llama", &keys[i], BNT_E_UNSUPPORTED);
        refused("llama", &lengths[i], BNT_E_FORMAT);
    }
}
END_TEST

START_TEST(the_key_decides_the_gate) {
    static const struct {
        const char *arch;
        struct key key;
        uint32_t gate;
    } cases[] = {
        {"bitnet", {.name = "bitnet.hidden_activation", .type = 's', .text = "relu2"}, 1},
        {"bitnet", {.name = "bitnet.hidden_activation", .type = 's', .text = "silu"}, 0},
        {"bitnet-b1.58",
         {.name = "bitnet-b1.58.hidden_activation", .type = 's', .text = "silu"},
         0},
        {"bitnet-b1.58", {.name = "bitnet-b1.58.hidden_act", .type = 's', .text = "relu2"}, 1},
        {"llama", {.name = "llama.activation", .type = 's', .text = "relu2"}, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct opened o = accepted(cases[i].arch, &cases[i].key);
        ck_assert_uint_eq(o.m->hp.gate, cases[i].gate);
        forget(&o);
    }
}
END_TEST

/* Keys that say the same thing, by different writers: any two agree, or the file is refused by both
 * names. */
static const struct twins {
    const char *arch;
    struct key keys[3], otherwise; /* otherwise: the last one's value that disagrees */
    size_t n;
} twins[] = {
    {"llama",
     {{.name = "llama.hidden_activation", .type = 's', .text = "relu2"},
      {.name = "llama.hidden_act", .type = 's', .text = "relu_squared"},
      {.name = "llama.activation", .type = 's', .text = "squared_relu"}},
     {.type = 's', .text = "silu"},
     3},
    {"gemma3",
     {{.name = "gemma3.rope.freq_base_swa", .type = 'f', .number = 30000},
      {.name = "gemma3.rope.local_freq_base", .type = 'f', .number = 30000},
      {.name = "gemma3.rope.local.freq_base", .type = 'f', .number = 30000}},
     {.type = 'f', .number = 10000},
     3},
    {"llama",
     {{.name = "llama.attention.scale", .type = 'f', .number = 0.0771516749810459}, /* 168^-1/2 */
      {.name = "llama.attention.query_pre_attn_scalar", .type = 'u', .number = 168},
      {.name = "llama.query_pre_attn_scalar", .type = 'f', .number = 168}},
     {.type = 'u', .number = 128},
     3},
    {"llama",
     {{.name = "llama.rope.scaling.factor", .type = 'f', .number = 4},
      {.name = "llama.rope.scale_linear", .type = 'f', .number = 4}},
     {.type = 'f', .number = 2},
     2},
};

static void write_two(struct gw *w, const void *arg) {
    const struct key *const *two = arg;
    write_key(w, two[0]);
    write_key(w, two[1]);
}

static void try_twins(const char *arch, const struct key *one, const struct key *other,
                      bool agree) {
    const struct key *two[] = {one, other};
    struct opened o = {0};
    struct synth s;
    size_t size;
    describe(&s, arch);
    s.more_keys = write_two;
    s.more_keys_arg = two;
    o.data = synth_memory(&s, &size);
    ck_assert_int_eq(bnt_gguf_open_memory(&o.g, o.data, size, &o.err), BNT_OK);
    o.status = bnt_model_open(&o.m, o.g, &o.err);
    ck_assert_msg(o.status == (agree ? BNT_OK : BNT_E_FORMAT), "%s and %s: %s", one->name,
                  other->name, o.err.text);
    if (!agree)
        ck_assert_msg(strstr(o.err.text, one->name) && strstr(o.err.text, other->name), "%s",
                      o.err.text);
    forget(&o);
}

START_TEST(keys_that_say_the_same_agree) {
    const struct twins *t = &twins[_i];
    for (size_t i = 0; i < t->n; i++) {
        for (size_t k = 0; k < t->n; k++) {
            struct key other = t->otherwise;
            if (i == k) continue;
            try_twins(t->arch, &t->keys[i], &t->keys[k], true);
            other.name = t->keys[k].name;
            if (strstr(other.name, "attention.scale")) other.type = 'f', other.number = 0.5;
            try_twins(t->arch, &t->keys[i], &other, false);
        }
    }
}
END_TEST

START_TEST(factors_arrive) {
    struct opened o = accepted(
        "llama", &(struct key){.name = "llama.rope.scaling.attn_factor", .type = 'f', .number = 2});
    ck_assert(bnt_rope_magnitude(&o.m->hp.rope_scaling) == 2.0);
    forget(&o);
    o = accepted("llama",
                 &(struct key){.name = "llama.attention.scale", .type = 'f', .number = 0.25});
    ck_assert(o.m->hp.attn_scale == 0.25f);
    forget(&o);
    o = accepted("llama",
                 &(struct key){.name = "llama.query_pre_attn_scalar", .type = 'u', .number = 256});
    ck_assert(o.m->hp.attn_scale == 1.0f / 16);
    forget(&o);
}
END_TEST

START_TEST(factors_of_minicpm) {
    static const char *const names[] = {"minicpm.embedding_scale", "minicpm.residual_scale",
                                        "minicpm.logit_scale"};
    static const double bad[] = {0, -1, 1e-40, 1e30, INFINITY, NAN};
    for (size_t n = 0; n < 3; n++)
        for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
            struct key key = {.name = names[n], .type = 'f', .number = bad[i]};
            refused("minicpm", &key, BNT_E_LIMIT);
        }
    struct opened o =
        accepted("minicpm", &(struct key){.name = "minicpm.logit_scale", .type = 'f', .number = 4});
    ck_assert(o.m->hp.head_scale == 0.25f && o.m->hp.embd_scale == 5 &&
              o.m->hp.branch_scale == 0.5f);
    forget(&o);
}
END_TEST

/* 272 rows and 272 tokens; a row more than tokens is fine, and so is a key that counts either. */
START_TEST(the_vocabulary_key_agrees) {
    refused("llama", &(struct key){.name = "llama.vocab_size", .type = 'u', .number = 271},
            BNT_E_FORMAT);
    refused("llama", &(struct key){.name = "llama.vocab_size", .type = 'u', .number = 32000},
            BNT_E_FORMAT);
}
END_TEST

/* ---- ignored --------------------------------------------------------------------------------- */

START_TEST(an_ignored_key_is_as_if_it_were_not_there) {
    static const struct key keys[] = {
        {.name = "llama.attention.causal", .type = 'b', .number = 0},
        {.name = "llama.attention.frobnicate", .type = 'u', .number = 7},
        {.name = "llama.rope.scaling.type", .type = 'u', .number = 2},
        {.name = "llama.vocab_size", .type = 'u', .number = 1},
        {.name = "prism.hadamard.version", .type = 'u', .number = 1},
        {.name = "llama.tensor_data_layout", .type = 's', .text = "blocked"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct opened o = open_with("llama", &keys[i], keys[i].name);
        ck_assert_msg(o.status == BNT_OK, "%s", o.err.text);
        ck_assert_ptr_null(bnt_gguf_find(o.g, keys[i].name));
        ck_assert(!bnt_gguf_ignore(o.g, "llama.not_there"));
        forget(&o);
    }
    struct opened o = open_with("llama", NULL, "llama.attention.layer_norm_rms_epsilon");
    ck_assert_int_eq(o.status, BNT_E_FORMAT); /* ignoring does not make up a value */
    forget(&o);
}
END_TEST

/* ---- rotary angles --------------------------------------------------------------------------- */

static int open_factors(float factor, uint32_t ctx, struct bnt_err *err) {
    struct synth s;
    struct bnt_gguf *g = NULL;
    struct bnt_model *m = NULL;
    size_t size;
    synth_preset(&s, "tiny");
    s.rope_freqs = true;
    s.ctx = ctx;
    uint8_t *data = synth_memory(&s, &size);
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, err), BNT_OK);
    memcpy(data + bnt_gguf_tensor(g, "rope_freqs.weight")->offset, &factor, sizeof factor);
    int status = bnt_model_open(&m, g, err);
    bnt_model_close(m);
    bnt_gguf_close(g);
    free(data);
    return status;
}

START_TEST(rotary_factors_within_the_exact_range) {
    static const float bad[] = {6e-20f, 1e-45f, 1e-38f, 1e-5f, 0, -1, INFINITY, NAN};
    static const float good[] = {1, 0.5f, 3.1e-5f, 1e30f, 3.4e38f};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bnt_err err = {0};
        ck_assert_msg(open_factors(bad[i], 512, &err) < 0, "%g was accepted", (double)bad[i]);
        ck_assert_msg(strstr(err.text, "rope_freqs.weight"), "%s", err.text);
    }
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct bnt_err err = {0};
        ck_assert_msg(open_factors(good[i], 512, &err) == BNT_OK, "%s", err.text);
    }
    /* The same factor, with more positions. */
    struct bnt_err err = {0};
    ck_assert_int_eq(open_factors(3.1e-5f, 1024, &err), BNT_E_LIMIT);
    ck_assert_int_eq(open_factors(1, 1 << 24, &err), BNT_OK);
    ck_assert_int_eq(open_factors(0.999f, 1 << 24, &err), BNT_E_LIMIT);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("keys");
    TCase *tc = tcase_create("keys");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, steps_that_no_graph_has);
    tcase_add_test(tc, keys_that_nobody_knows);
    tcase_add_test(tc, keys_of_other_prefixes);
    tcase_add_test(tc, values_of_the_wrong_type);
    tcase_add_test(tc, values_beyond_their_range);
    tcase_add_test(tc, keys_that_are_missing);
    tcase_add_test(tc, values_that_change_nothing);
    tcase_add_test(tc, layers_of_different_shapes);
    tcase_add_test(tc, the_key_decides_the_gate);
    tcase_add_loop_test(tc, keys_that_say_the_same_agree, 0, sizeof twins / sizeof twins[0]);
    tcase_add_test(tc, factors_arrive);
    tcase_add_test(tc, factors_of_minicpm);
    tcase_add_test(tc, the_vocabulary_key_agrees);
    tcase_add_test(tc, an_ignored_key_is_as_if_it_were_not_there);
    tcase_add_test(tc, rotary_factors_within_the_exact_range);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
