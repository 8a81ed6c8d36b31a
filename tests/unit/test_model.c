/*
 * test_model.c - a file that the engine cannot run exactly is refused, by name and with a reason.
 *
 * Wrong models are made by tests/lib/synth with one thing amiss each; the worst outcome would be
 * not an error but plausible text. Only bnt_model_open and the engine's opening are used.
 */
#include "model/model.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bitnet/bitnet.h"
#include "split.h"
#include "suite.h"
#include "synth.h"

static struct synth tiny(const char *arch) {
    struct synth s;
    synth_preset(&s, "tiny");
    s.arch = arch;
    s.blocks = 2;
    s.embd = s.ff = 256;
    s.vocab = 272;
    return s;
}

/* Opens the bytes as a model; the status, with err filled. */
static int open_bytes(const uint8_t *data, size_t size, struct bnt_err *err) {
    struct bnt_gguf *g = NULL;
    struct bnt_model *m = (struct bnt_model *)&m;
    ck_assert_msg(bnt_gguf_open_memory(&g, data, size, err) == BNT_OK, "%s", err->text);
    int status = bnt_model_open(&m, g, err);
    ck_assert((status == BNT_OK) == (m != NULL));
    bnt_model_close(m);
    m = NULL;
    ck_assert_int_eq(bnt_model_open(&m, g, NULL), status); /* err may be NULL */
    bnt_model_close(m);
    bnt_gguf_close(g);
    return status;
}

static void expect_bytes_refused(const uint8_t *data, size_t size, int expected,
                                 const char *words) {
    struct bnt_err err = {0};
    int status = open_bytes(data, size, &err);
    ck_assert_msg(status < 0, "accepted, but should say '%s'", words);
    ck_assert_msg(status == expected, "%s for '%s'", bnt_status_name(status), err.text);
    ck_assert_int_eq(err.status, status);
    ck_assert_msg(strstr(err.text, words), "'%s' does not say '%s'", err.text, words);
}

static void expect_refused(const struct synth *s, int expected, const char *words) {
    size_t size;
    uint8_t *data = synth_memory(s, &size);
    expect_bytes_refused(data, size, expected, words);
    free(data);
}

START_TEST(good_ones_open) {
    static const char *const archs[] = {"bitnet-b1.58", "bitnet-25", "bitnet", "llama"};
    for (size_t a = 0; a < 4; a++) {
        struct synth s = tiny(archs[a]);
        struct bnt_err err = {0};
        s.untied = a % 2;
        s.rope_linear = 2;
        s.rope_freqs = true;
        s.scale_tensors = true;
        size_t size;
        uint8_t *data = synth_memory(&s, &size);
        int status = open_bytes(data, size, &err);
        ck_assert_msg(status == BNT_OK, "%s: %s", archs[a], err.text);
        free(data);
    }
}
END_TEST

START_TEST(hyperparameters_arrive) {
    struct synth s = tiny("bitnet-b1.58");
    struct bnt_gguf *g = NULL;
    struct bnt_model *m = NULL;
    size_t size;
    s.heads = 6;
    s.kv_heads = 3;
    s.n_rot = 48;
    s.eps = 3e-6f;
    s.rope_base = 12345;
    s.rope_linear = 4;
    uint8_t *data = synth_memory(&s, &size);
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, NULL), BNT_OK);
    ck_assert_int_eq(bnt_model_open(&m, g, NULL), BNT_OK);
    const struct bnt_hparams *hp = &m->hp;
    ck_assert_str_eq(hp->arch, "bitnet-b1.58");
    ck_assert_uint_eq(hp->n_layer, 2);
    ck_assert_uint_eq(hp->n_embd, 256);
    ck_assert_uint_eq(hp->n_ff, 256);
    ck_assert_uint_eq(hp->n_head, 6);
    ck_assert_uint_eq(hp->n_head_kv, 3);
    ck_assert_uint_eq(hp->head_dim, 64);
    ck_assert_uint_eq(hp->n_rot, 48);
    ck_assert_uint_eq(hp->n_vocab, 272);
    ck_assert_uint_eq(hp->n_ctx_train, 512);
    ck_assert(hp->norm_eps == 3e-6f && hp->rope_base == 12345 && hp->rope_scaling.factor == 4.0);
    ck_assert(hp->attn_scale == 0.125f && hp->sub_norms);
    ck_assert_uint_eq(m->parameters, synth_parameters(&s));
    bnt_model_close(m);
    bnt_gguf_close(g);
    free(data);
}
END_TEST

/* A file with a factor but no type: the factor counts, and is not silently dropped. */
START_TEST(a_rope_factor_without_a_type_is_linear) {
    struct synth s = tiny("llama");
    struct bnt_gguf *g = NULL;
    struct bnt_model *m = NULL;
    static const char type_key[] = "llama.rope.scaling.type";
    size_t size;
    s.rope_linear = 4;
    uint8_t *data = synth_memory(&s, &size);
    uint8_t *key = memmem(data, size, type_key, sizeof type_key - 1);
    ck_assert_ptr_nonnull(key);
    key[0] = 'x'; /* now a key of somebody else */
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, NULL), BNT_OK);
    ck_assert_int_eq(bnt_model_open(&m, g, NULL), BNT_OK);
    ck_assert(m->hp.rope_scaling.factor == 4.0);
    bnt_model_close(m);
    bnt_gguf_close(g);
    free(data);
}
END_TEST

/* ---- tensors --------------------------------------------------------------------------------- */

START_TEST(missing_tensors) {
    static const char *const names[] = {
        "token_embd.weight",         "output_norm.weight",    "blk.0.attn_norm.weight",
        "blk.1.attn_q.weight",       "blk.1.attn_k.weight",   "blk.0.attn_v.weight",
        "blk.0.attn_output.weight",  "blk.1.ffn_norm.weight", "blk.1.ffn_gate.weight",
        "blk.0.ffn_up.weight",       "blk.0.ffn_down.weight", "blk.1.attn_sub_norm.weight",
        "blk.0.ffn_sub_norm.weight",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct synth s = tiny("bitnet-b1.58");
        s.omit = names[i];
        expect_refused(&s, BNT_E_FORMAT, names[i]);
    }
}
END_TEST

/* What the graph would not use must not be ignored. */
START_TEST(tensors_without_a_place) {
    static const char *const names[] = {
        "blk.0.attn_q.bias",         "blk.1.ffn_down.bias",
        "blk.0.attn_q_norm.weight",  "blk.2.attn_norm.weight",
        "output_norm.bias",          "position_embd.weight",
        "blk.0.ffn_gate_inp.weight", "anything",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct synth s = tiny("bitnet-b1.58");
        s.extra = names[i];
        expect_refused(&s, BNT_E_UNSUPPORTED, names[i]);
    }
    struct synth s = tiny("llama"); /* sub-norms in a graph that has none */
    s.extra = "blk.0.attn_sub_norm.weight";
    expect_refused(&s, BNT_E_UNSUPPORTED, "blk.0.attn_sub_norm.weight");
    s.extra = "blk.1.ffn_sub_norm.weight";
    expect_refused(&s, BNT_E_UNSUPPORTED, "blk.1.ffn_sub_norm.weight");
}
END_TEST

/* The key says another size than the tensors have. */
START_TEST(shapes_that_disagree) {
    static const struct {
        const char *key;
        uint32_t value;
        const char *words;
    } cases[] = {
        {"block_count", 3, "blk.2."},
        {"block_count", 1, "blk.1."},
        {"embedding_length", 128, "token_embd.weight"},
        {"embedding_length", 512, "token_embd.weight"},
        {"feed_forward_length", 512, "blk.0.ffn_"},
        {"attention.head_count", 8, "blk.0.attn_"},
        {"attention.head_count_kv", 4, "blk.0.attn_k.weight"},
        {"attention.key_length", 32, "blk.0.attn_"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct synth s = tiny("llama");
        size_t size;
        struct bnt_err err = {0};
        s.bad_key = cases[i].key;
        s.bad_value = cases[i].value;
        s.head_dim = 32; /* so that key_length is written */
        if (strcmp(s.bad_key, "attention.key_length") == 0) s.bad_value = 64;
        uint8_t *data = synth_memory(&s, &size);
        int status = open_bytes(data, size, &err);
        ck_assert_msg(status < 0, "%s = %u was accepted", s.bad_key, s.bad_value);
        ck_assert_msg(strstr(err.text, cases[i].words) || strstr(err.text, "tensors") ||
                          strstr(err.text, "length"),
                      "%s: %s", s.bad_key, err.text);
        free(data);
    }
}
END_TEST

/* The bytes of a model with a key as a number, and a vector as a square. Either may be NULL. */
static uint8_t *rebuilt(const struct synth *s, const char *key, const char *vector, size_t *size) {
    struct gw *w = gw_new(3, 32);
    struct bnt_gguf *g;
    size_t before;
    uint8_t *data = synth_memory(s, &before), *out;
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, before, NULL), BNT_OK);
    for (size_t i = 0; i < bnt_gguf_kv_count(g); i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(g, i);
        if (key && bnt_str_eq(kv->key, key))
            gw_key_u32(w, key, 7);
        else
            split_copy_key(w, kv);
    }
    for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++) {
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor_at(g, i);
        const bool square = vector && bnt_str_eq(t->name, vector);
        char name[96];
        snprintf(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
        gw_tensor(w, name, t->type, square ? 2 : t->n_dims, square ? (uint64_t[]){16, 16} : t->dims,
                  t->data, t->bytes);
    }
    out = gw_memory(w, size);
    gw_free(w);
    bnt_gguf_close(g);
    free(data);
    return out;
}

/* Each message says what is there, not what it would look like otherwise. */
START_TEST(what_is_there_in_another_form) {
    static const char *const vectors[] = {"blk.0.attn_norm.weight", "output_norm.weight"};
    static const char *const keys[] = {"general.architecture", "llama.rope.scaling.type"};
    struct synth s = tiny("llama");
    size_t size;
    s.rope_linear = 2;
    for (size_t i = 0; i < 2; i++) {
        char says[96];
        uint8_t *data = rebuilt(&s, NULL, vectors[i], &size);
        snprintf(says, sizeof says, "'%s' has 256 elements in rows of 16, not one row of 256",
                 vectors[i]);
        expect_bytes_refused(data, size, BNT_E_FORMAT, says);
        free(data);
        data = rebuilt(&s, keys[i], NULL, &size);
        snprintf(says, sizeof says, "%s is not a text", keys[i]);
        expect_bytes_refused(data, size, BNT_E_FORMAT, says);
        free(data);
    }
    uint8_t *data = rebuilt(&s, NULL, NULL, &size);
    ck_assert_int_eq(open_bytes(data, size, NULL), BNT_OK);
    free(data);
}
END_TEST

/* Without the length that divides short from long, the two tables must be one and the same. */
START_TEST(longrope_knows_its_border) {
    struct synth s = tiny("minicpm");
    struct bnt_gguf *g;
    size_t size;
    s.longrope_context = 128;
    s.omit_key = "rope.scaling.original_context_length";
    uint8_t *data = synth_memory(&s, &size);
    expect_bytes_refused(data, size, BNT_E_FORMAT,
                         "minicpm.rope.scaling.original_context_length is missing");
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, NULL), BNT_OK);
    const struct bnt_gguf_tensor *from = bnt_gguf_tensor(g, "rope_factors_short.weight"),
                                 *to = bnt_gguf_tensor(g, "rope_factors_long.weight");
    memcpy(data + (to->data - data), from->data, to->bytes);
    bnt_gguf_close(g);
    ck_assert_int_eq(open_bytes(data, size, NULL), BNT_OK);
    free(data);
}
END_TEST

/* Rewrites the type id of a tensor in the directory: name, u32 n_dims, u64 dims..., u32 type. */
static void retype(uint8_t *data, size_t size, const char *name, uint32_t type) {
    uint8_t *at = memmem(data, size, name, strlen(name));
    ck_assert_ptr_nonnull(at);
    at += strlen(name);
    uint32_t n_dims;
    memcpy(&n_dims, at, 4);
    memcpy(at + 4 + 8 * n_dims, &type, 4);
}

static void expect_type_refused(uint32_t id, const char *name, const char *instead) {
    struct synth s = tiny("bitnet-b1.58");
    size_t size;
    s.type = T_F32; /* large enough for any of them */
    uint8_t *data = synth_memory(&s, &size);
    retype(data, size, "blk.1.ffn_up.weight", id);
    expect_bytes_refused(data, size, BNT_E_UNSUPPORTED, "blk.1.ffn_up.weight");
    expect_bytes_refused(data, size, BNT_E_UNSUPPORTED, name);
    expect_bytes_refused(data, size, BNT_E_UNSUPPORTED, instead);
    free(data);
}

/* By its name, and with what to do instead. */
START_TEST(types_we_do_not_compute_with) {
    const struct bnt_type_info *t;
    char name[80];
    unsigned count = 0;
    for (uint32_t i = 0; (t = bnt_type_at(i)); i++) {
        if (t->kind != BNT_KIND_UNSUPPORTED || t->id != BNT_FILE_ID(t->id)) continue;
        if (t->block_bytes > 4 * t->block) continue; /* two of 64 bits do not fit the place */
        snprintf(name, sizeof name, "type %s (%u)", t->name, t->id);
        expect_type_refused(t->id, name, t->instead);
        count++;
    }
    ck_assert_uint_gt(count, 70);
    expect_type_refused(38, "TL1", "use the model's I2_S file");
    expect_type_refused(39, "TL2", "use the model's I2_S file");
    expect_type_refused(9999, "type unknown (9999)", "docs/FORMATS.md");
    expect_type_refused(700000, "type unknown (700000)", "docs/FORMATS.md");
    struct synth s = tiny("bitnet-b1.58"); /* a quantized norm */
    size_t size;
    uint8_t *data = synth_memory(&s, &size);
    retype(data, size, "blk.0.ffn_norm.weight", T_Q8_0);
    expect_bytes_refused(data, size, BNT_E_UNSUPPORTED, "blk.0.ffn_norm.weight");
    free(data);
}
END_TEST

/* ---- keys ------------------------------------------------------------------------------------ */

START_TEST(architectures_we_do_not_run) {
    static const char *const archs[] = {"gpt2", "qwen35", "bitnet-b1.5", "Llama"};
    for (size_t i = 0; i < 4; i++) {
        struct synth s = tiny(archs[i]);
        expect_refused(&s, BNT_E_UNSUPPORTED, archs[i]);
    }
}
END_TEST

START_TEST(features_we_do_not_have) {
    static const struct {
        const char *key, *text;
        uint32_t value;
    } cases[] = {
        {"expert_count", NULL, 8},
        {"attention.sliding_window", NULL, 4096},
        {"rope.scaling.type", "dynamic", 0},
        {"rope.scaling.type", "longrope", 0},
        {"attention.value_length", NULL, 32},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct synth s = tiny("llama");
        s.bad_key = cases[i].key;
        s.bad_string = cases[i].text;
        s.bad_value = cases[i].value;
        expect_refused(&s, BNT_E_UNSUPPORTED, "");
    }
}
END_TEST

START_TEST(values_out_of_range) {
    static const char *const keys[] = {
        "block_count",          "embedding_length",        "feed_forward_length",
        "attention.head_count", "attention.head_count_kv", "context_length",
        "rope.dimension_count"};
    static const uint32_t values[] = {0, 0x7fffffff, 0xffffffff};
    for (size_t k = 0; k < 7; k++) {
        struct bnt_err err;
        for (size_t v = 0; v < 4; v++) {
            struct synth s = tiny("bitnet-b1.58");
            size_t size;
            s.bad_key = keys[k];
            if (v < 3) s.bad_value = values[v];
            if (v == 3) s.bad_string = "16";
            uint8_t *data = synth_memory(&s, &size);
            ck_assert_int_lt(open_bytes(data, size, &err), 0);
            ck_assert_msg(strstr(err.text, keys[k]), "'%s' does not name %s", err.text, keys[k]);
            free(data);
        }
    }
    struct synth s = tiny("bitnet-b1.58");
    s.bad_key = "rope.dimension_count";
    s.bad_value = 33;
    expect_refused(&s, BNT_E_FORMAT, "33");
    s = tiny("bitnet-b1.58");
    s.bad_key = "attention.head_count_kv";
    s.bad_value = 3;
    expect_refused(&s, BNT_E_FORMAT, "3 KV heads");
    s = tiny("bitnet-b1.58");
    s.bad_key = "attention.layer_norm_rms_epsilon"; /* an integer where a float belongs */
    s.bad_value = 1;
    expect_refused(&s, BNT_E_FORMAT, "epsilon");
}
END_TEST

/* ---- weights, seen when the engine loads them ------------------------------------------------ */

static void expect_engine_refuses(const uint8_t *data, size_t size, int expected,
                                  const char *words) {
    char path[] = "/tmp/bitnet-model-XXXXXX";
    struct bnt_engine_options o = {.backend = "ref-scalar", .threads = 1};
    struct bnt_engine *e = (struct bnt_engine *)&e;
    struct bnt_err err = {0};
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    close(fd);
    int status = bnt_engine_open(&e, path, &o, &err);
    unlink(path);
    ck_assert_msg(status == expected, "%s: %s", bnt_status_name(status), err.text);
    ck_assert_ptr_null(e);
    ck_assert_msg(strstr(err.text, words), "'%s' does not say '%s'", err.text, words);
}

/* Where a tensor's data lie in the file. */
static uint8_t *data_of(uint8_t *data, size_t size, const char *name, uint64_t *bytes) {
    struct bnt_gguf *g = NULL;
    ck_assert_int_eq(bnt_gguf_open_memory(&g, data, size, NULL), BNT_OK);
    const struct bnt_gguf_tensor *t = bnt_gguf_tensor(g, name);
    ck_assert_ptr_nonnull(t);
    uint8_t *at = data + t->offset;
    *bytes = t->bytes;
    bnt_gguf_close(g);
    return at;
}

START_TEST(damaged_weights) {
    struct synth s = tiny("bitnet-b1.58");
    size_t size;
    uint64_t bytes;
    uint8_t *data = synth_memory(&s, &size);
    uint8_t *codes = data_of(data, size, "blk.1.ffn_down.weight", &bytes), old = codes[77];
    codes[77] = 0x5d; /* 01 01 11 01 */
    expect_engine_refuses(data, size, BNT_E_FORMAT, "blk.1.ffn_down.weight");
    codes[77] = old;
    const float nan = NAN;
    memcpy(codes + bytes - 32, &nan, 4);
    expect_engine_refuses(data, size, BNT_E_FORMAT, "blk.1.ffn_down.weight");
    free(data);
    data = synth_memory(&s, &size);
    memcpy(data_of(data, size, "blk.0.attn_sub_norm.weight", &bytes) + 40, &nan, 4);
    expect_engine_refuses(data, size, BNT_E_FORMAT, "blk.0.attn_sub_norm.weight");
    free(data);
}
END_TEST

/* Block scales and a .scale tensor for the same weights: which one is meant? */
START_TEST(two_kinds_of_scales) {
    struct synth s = tiny("bitnet");
    size_t size;
    s.type = T_TQ2_0;
    s.tq_varied = s.scale_tensors = true;
    uint8_t *data = synth_memory(&s, &size);
    expect_engine_refuses(data, size, BNT_E_UNSUPPORTED, "blk.0.attn_q.weight");
    free(data);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("model");
    TCase *tc = tcase_create("refusals");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, good_ones_open);
    tcase_add_test(tc, hyperparameters_arrive);
    tcase_add_test(tc, a_rope_factor_without_a_type_is_linear);
    tcase_add_test(tc, missing_tensors);
    tcase_add_test(tc, tensors_without_a_place);
    tcase_add_test(tc, shapes_that_disagree);
    tcase_add_test(tc, what_is_there_in_another_form);
    tcase_add_test(tc, longrope_knows_its_border);
    tcase_add_test(tc, types_we_do_not_compute_with);
    tcase_add_test(tc, architectures_we_do_not_run);
    tcase_add_test(tc, features_we_do_not_have);
    tcase_add_test(tc, values_out_of_range);
    tcase_add_test(tc, damaged_weights);
    tcase_add_test(tc, two_kinds_of_scales);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
