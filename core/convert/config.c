/* config.c - see config.h: sizes, and how weights are meant. The rotation is config_rope.c's. */
#include "convert/config.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/config_internal.h"
#include "convert/json_file.h"

/* ---- numbers -------------------------------------------------------------------------------- */

bool bnt_hf_number(const json_t *object, const char *key, double *out) {
    const json_t *v = json_object_get(object, key);
    if (!json_is_number(v)) return false;
    *out = json_number_value(v);
    return true;
}

static int read_uint(const json_t *json, const char *key, uint32_t most, uint32_t otherwise,
                     uint32_t *out, struct bnt_err *err) {
    const json_t *v = json_object_get(json, key);
    if ((!v || json_is_null(v)) && otherwise) {
        *out = otherwise;
        return BNT_OK;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 1 ||
        json_integer_value(v) > (json_int_t)most)
        return bnt_fail(err, BNT_E_FORMAT, "config.json: \"%s\" is no whole number from 1 to %u",
                        key, most);
    *out = (uint32_t)json_integer_value(v);
    return BNT_OK;
}

static int read_sizes(struct bnt_hf_config *c, struct bnt_err *err) {
    uint32_t context = 0;
    int status;
    if ((status = read_uint(c->json, "num_hidden_layers", 1024, 0, &c->layers, err)) != BNT_OK ||
        (status = read_uint(c->json, "hidden_size", 1 << 20, 0, &c->width, err)) != BNT_OK ||
        (status = read_uint(c->json, "intermediate_size", 1 << 22, 0, &c->ff, err)) != BNT_OK ||
        (status = read_uint(c->json, "num_attention_heads", 1 << 16, 0, &c->heads, err)) !=
            BNT_OK ||
        (status = read_uint(c->json, "num_key_value_heads", 1 << 16, c->heads, &c->kv_heads,
                            err)) != BNT_OK ||
        (status = read_uint(c->json, "vocab_size", 1 << 24, 0, &c->vocab, err)) != BNT_OK ||
        (status = read_uint(c->json, "max_position_embeddings", 1 << 30, 0, &context, err)) !=
            BNT_OK)
        return status;
    c->context = context;
    uint32_t head_dim = c->width / c->heads;
    return read_uint(c->json, "head_dim", 1 << 16, head_dim ? head_dim : 1, &c->head_dim, err);
}

/* ---- what would change the graph ------------------------------------------------------------ */

/* Members of graphs that no GGUF architecture here has, but perhaps one: absent, null, or this
 * value. */
static const struct {
    const char *key;
    double neutral;
    unsigned but; /* architectures that have it */
} neutral[] = {
    {"is_causal", 1.0, 0},
    {"use_bidirectional_attention", 0.0, 0},
    {"query_pre_attn_scalar", 0.0, 0},
    {"logit_scale", 1.0, 0},
    {"scale_emb", 1.0, BNT_HF_MINICPM},
    {"scale_depth", 1.0, BNT_HF_MINICPM},
    {"dim_model_base", 0.0, BNT_HF_MINICPM},
    {"no_rope_layers", 0.0, 0},
    {"parallel_attn", 0.0, 0},
    {"swiglu_limit", 0.0, 0},
    {"partial_rotary_factor", 1.0, 0},
    {"num_experts", 0.0, 0},
    {"num_local_experts", 0.0, 0},
    {"n_routed_experts", 0.0, 0},
    {"attn_logit_softcapping", 0.0, 0},
    {"embedding_multiplier", 1.0, 0},
    {"final_logit_softcapping", 0.0, 0},
    {"attention_multiplier", 1.0, 0},
    {"residual_multiplier", 1.0, 0},
    {"logits_scaling", 1.0, 0},
    {"kv_lora_rank", 0.0, 0},
    {"clip_qkv", 0.0, 0},
    {"use_qk_norm", 0.0, 0},
    {"no_rope_layer_interval", 0.0, 0},
};

static int check_neutral(const struct bnt_hf_config *c, struct bnt_err *err) {
    for (size_t i = 0; i < sizeof neutral / sizeof neutral[0]; i++) {
        const json_t *v = json_object_get(c->json, neutral[i].key);
        double number = json_is_true(v) ? 1.0 : json_is_number(v) ? json_number_value(v) : 0.0;
        if (!v || json_is_null(v) || (json_is_false(v) && neutral[i].neutral == 0.0)) continue;
        if (neutral[i].but & c->arch->bit) continue;
        if ((json_is_number(v) || json_is_true(v)) && number == neutral[i].neutral) continue;
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "config.json: \"%s\" belongs to a step that %s has not", neutral[i].key,
                        c->arch->gguf);
    }
    const json_t *kinds = json_object_get(c->json, "layer_types");
    for (size_t i = 0; i < json_array_size(kinds); i++) {
        const char *kind = json_string_value(json_array_get(kinds, i));
        if (!kind || strcmp(kind, "full_attention") != 0)
            return bnt_fail(err, BNT_E_UNSUPPORTED,
                            "config.json: \"layer_types\" has '%.40s', and layers of %s see all "
                            "positions",
                            kind ? kind : "?", c->arch->gguf);
    }
    const json_t *window = json_object_get(c->json, "sliding_window");
    if (json_is_integer(window) && (uint64_t)json_integer_value(window) < c->context &&
        !json_is_false(json_object_get(c->json, "use_sliding_window")))
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "config.json: \"sliding_window\" is %" JSON_INTEGER_FORMAT
                        ", and layers of %s see all positions",
                        json_integer_value(window), c->arch->gguf);
    return BNT_OK;
}

/* ---- how weights are meant ------------------------------------------------------------------ */

static int read_quantization(struct bnt_hf_config *c, struct bnt_err *err) {
    const json_t *q = json_object_get(c->json, "quantization_config");
    const char *method = bnt_json_text(q, "quant_method"),
               *class = bnt_json_text(q, "linear_class");
    const char *mode = bnt_json_text(q, "quantization_mode");
    double bits;
    if (!q || json_is_null(q)) {
        /* 1bitLLM's training code says so, and saves master weights. */
        if (bnt_hf_number(c->json, "weight_bits", &bits) && bits == 1.0)
            c->floats = BNT_FLOATS_MASTER;
        snprintf(c->why, sizeof c->why, "config.json has no quantization_config");
        return BNT_OK;
    }
    if (!method || strcmp(method, "bitnet") != 0)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "config.json: the weights are quantized by '%.60s'; only bitnet is read",
                        method ? method : "?");
    if (bnt_json_true(q, "use_rms_norm"))
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "config.json: quantization_config has use_rms_norm: a norm before each "
                        "matrix, which %s has not",
                        c->arch->gguf);
    if (!class || strcmp(class, "bitlinear") == 0) {
        c->scale = BNT_SCALE_DIVIDE;
    } else if (strcmp(class, "autobitlinear") == 0 && (!mode || strcmp(mode, "offline") == 0)) {
        c->scale = BNT_SCALE_MULTIPLY;
    } else if (strcmp(class, "autobitlinear") == 0 && strcmp(mode, "online") == 0) {
        c->floats = BNT_FLOATS_MASTER;
        snprintf(c->why, sizeof c->why,
                 "quantization_mode \"online\" means master weights, and these are packed");
    } else {
        snprintf(c->why, sizeof c->why,
                 "linear_class \"%.30s\" with quantization_mode \"%.30s\" is not known", class,
                 mode ? mode : "");
    }
    return BNT_OK;
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int find_arch(struct bnt_hf_config *c, struct bnt_err *err) {
    const char *name =
        json_string_value(json_array_get(json_object_get(c->json, "architectures"), 0));
    char shown[64], known[300];
    if (!name) return bnt_fail(err, BNT_E_FORMAT, "config.json: no \"architectures\"");
    if ((c->arch = bnt_arch_named(name))) return BNT_OK;
    return bnt_fail(err, BNT_E_UNSUPPORTED, "config.json: architecture '%s'; converted are %s",
                    bnt_printable(shown, sizeof shown, name, strlen(name)),
                    bnt_arch_names(known, sizeof known));
}

int bnt_hf_config_read(struct bnt_hf_config *c, const json_t *json, struct bnt_err *err) {
    *c = (struct bnt_hf_config){.json = json, .tied = -1};
    const json_t *tied = json_object_get(json, "tie_word_embeddings");
    if (json_is_boolean(tied)) c->tied = json_is_true(tied);
    int status = find_arch(c, err);
    if (status == BNT_OK) status = read_sizes(c, err);
    if (status == BNT_OK) status = check_neutral(c, err);
    if (status == BNT_OK) status = read_quantization(c, err);
    return status;
}

void bnt_hf_config_free(struct bnt_hf_config *c) {
    free(c->rope_freqs);
    free(c->rope_short);
    free(c->rope_long);
    c->rope_freqs = c->rope_short = c->rope_long = NULL;
}

/* ---- keys ----------------------------------------------------------------------------------- */

const char *bnt_hf_key(const struct bnt_hf_config *c, const char *name, char room[96]) {
    snprintf(room, 96, "%s.%s", c->arch->gguf, name);
    return room;
}

static int put_activation(const struct bnt_hf_config *c, struct bnt_gguf_out *out,
                          struct bnt_err *err) {
    const char *act = bnt_json_text(c->json, "hidden_act");
    char key[96];
    if (!act) act = bnt_json_text(c->json, "hidden_activation");
    if (!act || strcmp(act, c->arch->activation) == 0) return BNT_OK;
    if (strcmp(act, "silu") != 0 && strcmp(act, "relu2") != 0)
        return bnt_fail(err, BNT_E_UNSUPPORTED, "config.json: activation '%.60s'", act);
    bnt_gguf_out_str(out, bnt_hf_key(c, "hidden_activation", key), act, strlen(act));
    return BNT_OK;
}

/* The three factors of MiniCPM's graph. */
static int put_scales(const struct bnt_hf_config *c, struct bnt_gguf_out *out,
                      struct bnt_err *err) {
    double embedding, depth, base;
    char key[96];
    if (c->arch->bit != BNT_HF_MINICPM) return BNT_OK;
    if (!bnt_hf_number(c->json, "scale_emb", &embedding) ||
        !bnt_hf_number(c->json, "scale_depth", &depth) ||
        !bnt_hf_number(c->json, "dim_model_base", &base) || !(base > 0.0))
        return bnt_fail(err, BNT_E_FORMAT,
                        "config.json: scale_emb, scale_depth or dim_model_base is missing");
    bnt_gguf_out_f32(out, bnt_hf_key(c, "embedding_scale", key), (float)embedding);
    bnt_gguf_out_f32(out, bnt_hf_key(c, "residual_scale", key),
                     (float)(depth / sqrt((double)c->layers)));
    bnt_gguf_out_f32(out, bnt_hf_key(c, "logit_scale", key), (float)((double)c->width / base));
    return BNT_OK;
}

int bnt_hf_config_keys(struct bnt_hf_config *c, struct bnt_gguf_out *out, struct bnt_err *err) {
    const struct {
        const char *name;
        uint32_t v;
    } sizes[] = {{"vocab_size", c->vocab},
                 {"context_length", (uint32_t)c->context},
                 {"embedding_length", c->width},
                 {"block_count", c->layers},
                 {"feed_forward_length", c->ff},
                 {"attention.head_count", c->heads},
                 {"attention.head_count_kv", c->kv_heads},
                 {"attention.key_length", c->head_dim},
                 {"attention.value_length", c->head_dim},
                 {"rope.dimension_count", c->head_dim}};
    double eps;
    char key[96];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        bnt_gguf_out_u32(out, bnt_hf_key(c, sizes[i].name, key), sizes[i].v);
    if (!bnt_hf_number(c->json, "rms_norm_eps", &eps))
        return bnt_fail(err, BNT_E_FORMAT, "config.json: \"rms_norm_eps\" is missing");
    bnt_gguf_out_f32(out, bnt_hf_key(c, "attention.layer_norm_rms_epsilon", key), (float)eps);
    int status = put_activation(c, out, err);
    if (status == BNT_OK) status = put_scales(c, out, err);
    if (status == BNT_OK) status = bnt_hf_rope_keys(c, out, err);
    return status;
}
