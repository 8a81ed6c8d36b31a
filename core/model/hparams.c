/*
 * hparams.c - see hparams.h.
 *
 * The one idea: a row for each architecture says what its graph has that others lack; keys then
 * give the sizes, and may overrule the row where the field has a key for it.
 */
#include "model/hparams.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bitnet/plugin.h"
#include "model/keys.h"

enum { MAX_WIDTH = 1 << 20, MAX_HEADS = 4096, MAX_HEAD_DIM = 1024 };

/* ---- the architectures we run --------------------------------------------------------------- */

enum {
    SUB_NORMS = 1,
    QK_NORMS = 2,
    BIASES = 4,
    POST_NORMS = 8,
    NORMS_IN = 16,  /* if the tensors are there */
    EMBD_ROOT = 32, /* the embedding times the root of its length */
};

struct arch {
    const char *name;
    unsigned has; /* of the above */
    uint32_t gate, rope_style;
    unsigned steps; /* BNT_STEP_*: what keys decide */
};

static const struct arch archs[] = {
    {"bitnet-b1.58", SUB_NORMS, BNT_GATE_RELU2, BNT_ROPE_NEOX, 0},
    {"bitnet-25", SUB_NORMS, BNT_GATE_RELU2, BNT_ROPE_NEOX, 0},
    {"bitnet", SUB_NORMS, BNT_GATE_SILU, BNT_ROPE_NEOX, 0},
    {"llama", 0, BNT_GATE_SILU, BNT_ROPE_NORM, 0},
    {"qwen2", BIASES, BNT_GATE_SILU, BNT_ROPE_NEOX, 0},
    {"qwen3", QK_NORMS | NORMS_IN, BNT_GATE_SILU, BNT_ROPE_NEOX, 0},
    {"minicpm", 0, BNT_GATE_SILU, BNT_ROPE_NORM, BNT_STEP_SCALES | BNT_STEP_LONGROPE},
    {"gemma3", QK_NORMS | POST_NORMS | NORMS_IN | EMBD_ROOT, BNT_GATE_GELU, BNT_ROPE_NEOX,
     BNT_STEP_WINDOWS},
};
enum { ARCHS = sizeof archs / sizeof archs[0] };

static int refuse_arch(const char *name, struct bnt_err *err) {
    char known[160] = "";
    for (size_t i = 0, n = 0; i < ARCHS && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s",
                              i == 0           ? ""
                              : i + 1 == ARCHS ? " and "
                                               : ", ",
                              archs[i].name);
    return bnt_fail(err, BNT_E_UNSUPPORTED, "architecture '%s'; supported are %s", name, known);
}

static int find_arch(const struct arch **out, struct bnt_hparams *hp, const struct bnt_gguf *g,
                     struct bnt_err *err) {
    struct bnt_str s, type;
    *out = NULL;
    if (!bnt_gguf_str(g, "general.architecture", &s))
        return bnt_fail(err, BNT_E_FORMAT, "general.architecture is %s",
                        bnt_gguf_find(g, "general.architecture") ? "not a text" : "missing");
    for (size_t i = 0; i < ARCHS; i++) {
        if (bnt_str_eq(s, archs[i].name)) *out = &archs[i];
    }
    bnt_printable(hp->arch, sizeof hp->arch, s.ptr, s.len);
    if (bnt_gguf_find(g, "general.type") && !bnt_gguf_str(g, "general.type", &type))
        return bnt_fail(err, BNT_E_FORMAT, "general.type is not a text");
    if (bnt_gguf_str(g, "general.type", &type) && !bnt_str_eq(type, "model")) {
        char name[64];
        return bnt_fail(err, BNT_E_UNSUPPORTED, "general.type is '%s', not 'model'",
                        bnt_printable(name, sizeof name, type.ptr, type.len));
    }
    if (!*out) return refuse_arch(hp->arch, err);
    if (bnt_gguf_str(g, "general.name", &s)) bnt_printable(hp->name, sizeof hp->name, s.ptr, s.len);
    return BNT_OK;
}

/* ---- the gate ------------------------------------------------------------------------------- */

/* Where a file names its activation, the name decides, whatever is usual for the architecture. */
static int read_gate(struct bnt_keys *k, struct bnt_hparams *hp) {
    static const char *const keys[] = {"hidden_activation", "hidden_act", "activation"};
    static const struct {
        const char *name;
        uint32_t gate;
    } gates[] = {{"silu", BNT_GATE_SILU},
                 {"swish", BNT_GATE_SILU},
                 {"relu2", BNT_GATE_RELU2},
                 {"relu_squared", BNT_GATE_RELU2},
                 {"relu^2", BNT_GATE_RELU2},
                 {"squared_relu", BNT_GATE_RELU2},
                 {"gelu_pytorch_tanh", BNT_GATE_GELU},
                 {"gelu_tanh", BNT_GATE_GELU},
                 {"gelu_new", BNT_GATE_GELU}};
    const char *first = NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct bnt_str s;
        const uint32_t before = hp->gate;
        bool known = false;
        char name[64];
        if (!bnt_keys_str(k, keys[i], &s)) continue;
        for (size_t n = 0; n < sizeof gates / sizeof gates[0]; n++) {
            if (!bnt_str_eq(s, gates[n].name)) continue;
            known = true;
            hp->gate = gates[n].gate;
        }
        if (!known)
            return bnt_fail(
                k->err, BNT_E_UNSUPPORTED,
                "%s is '%s'; supported are silu, relu2 (squared ReLU) and gelu_pytorch_tanh",
                k->key, bnt_printable(name, sizeof name, s.ptr, s.len));
        if (first && hp->gate != before) return bnt_keys_disagree(k, first, keys[i]);
        if (!first) first = keys[i];
    }
    return BNT_OK;
}

/* ---- RoPE ----------------------------------------------------------------------------------- */

/* A factor without a type is linear, as the field reads it. */
static int read_rope_type(struct bnt_keys *k, struct bnt_hparams *hp, bool *none) {
    struct bnt_str type = {"linear", 6};
    char name[64];
    bnt_keys_str(k, "rope.scaling.type", &type);
    *none = bnt_str_eq(type, "none");
    hp->rope_scaling.yarn = bnt_str_eq(type, "yarn") && !(k->steps & BNT_STEP_WINDOWS);
    hp->longrope = bnt_str_eq(type, "longrope") && (k->steps & BNT_STEP_LONGROPE);
    if (*none || hp->rope_scaling.yarn || hp->longrope || bnt_str_eq(type, "linear")) return BNT_OK;
    return bnt_fail(k->err, BNT_E_UNSUPPORTED, "%s '%s': the %s graph here knows none, linear%s",
                    k->key, bnt_printable(name, sizeof name, type.ptr, type.len), k->arch,
                    k->steps & BNT_STEP_WINDOWS    ? " only"
                    : k->steps & BNT_STEP_LONGROPE ? ", yarn and longrope"
                                                   : " and yarn");
}

/* How much of YaRN's mixture is taken: all of it with YaRN, none without (-1: as usual). */
static int check_yarn_share(struct bnt_keys *k, bool yarn) {
    double usual = yarn ? 1.0 : 0.0, v;
    int status = bnt_keys_f64(k, "rope.scaling.yarn_ext_factor", -1.0, 1e9, usual, &v);
    if (status != BNT_OK || v == usual || v == -1.0) return status;
    return bnt_fail(k->err, BNT_E_UNSUPPORTED, "%s is %g; only %g is supported", k->key, v, usual);
}

static int read_rope_scaling(struct bnt_keys *k, struct bnt_hparams *hp) {
    static const char *const factors[] = {"rope.scaling.factor",
                                          "rope.scale_linear"}; /* new, old */
    struct bnt_rope_scaling *s = &hp->rope_scaling;
    bool none;
    int status;
    *s = (struct bnt_rope_scaling){.factor = 1.0, .attn_factor = 1.0};
    if ((status = read_rope_type(k, hp, &none)) != BNT_OK ||
        (status = check_yarn_share(k, s->yarn)) != BNT_OK ||
        (status = bnt_keys_f64(k, "rope.scaling.attn_factor", 1e-3, 1e3, 1.0, &s->attn_factor)) !=
            BNT_OK ||
        none)
        return status;
    status = bnt_keys_one_of(k, factors, 2, 1e-3, 1e6, 1.0, &s->factor);
    if (status != BNT_OK || !(s->yarn || hp->longrope)) return status;
    uint32_t original = (uint32_t)hp->n_ctx_train;
    if ((status = bnt_keys_u32(k, "rope.scaling.original_context_length", BNT_MAX_CONTEXT, original,
                               &original)) != BNT_OK ||
        (status = bnt_keys_f64(k, "rope.scaling.yarn_beta_fast", 0.01, 1e4, 32.0, &s->beta_fast)) !=
            BNT_OK ||
        (status = bnt_keys_f64(k, "rope.scaling.yarn_beta_slow", 0.01, 1e4, 1.0, &s->beta_slow)) !=
            BNT_OK)
        return status;
    s->original_context = original;
    return BNT_OK;
}

static int read_rope(struct bnt_keys *k, struct bnt_hparams *hp) {
    int status = bnt_keys_u32(k, "rope.dimension_count", hp->head_dim, hp->head_dim, &hp->n_rot);
    if (status != BNT_OK) return status;
    if (hp->n_rot % 2)
        return bnt_fail(k->err, BNT_E_FORMAT, "%s is %u, an odd number", k->key, hp->n_rot);
    status = bnt_keys_f64(k, "rope.freq_base", 1.0, 1e12, 10000.0, &hp->rope_base);
    if (status != BNT_OK) return status;
    return read_rope_scaling(k, hp);
}

/* ---- layers with a window ------------------------------------------------------------------- */

/* A period p: the last of every p layers sees all positions. Or a list: whether a layer has a
 * window. */
static int read_window_pattern(struct bnt_keys *k, struct bnt_hparams *hp) {
    const struct bnt_gguf_kv *kv = bnt_keys_find(k, "attention.sliding_window_pattern");
    bool list = kv && kv->type == BNT_GGUF_ARRAY;
    uint64_t period = 6; /* what gemma3 means without the key */
    if (kv && kv->elem_type != BNT_GGUF_BOOL && (list || !bnt_gguf_u64(k->g, k->key, &period)))
        return bnt_fail(k->err, BNT_E_FORMAT, "%s is neither a period nor a list of true or false",
                        k->key);
    if (list && kv->count != hp->n_layer)
        return bnt_fail(k->err, BNT_E_FORMAT, "%s has %" PRIu64 " values for %" PRIu32 " layers",
                        k->key, kv->count, hp->n_layer);
    if (kv && !list && kv->type == BNT_GGUF_BOOL)
        return bnt_fail(k->err, BNT_E_FORMAT, "%s is true or false, not a period", k->key);
    for (uint32_t i = 0; i < hp->n_layer; i++)
        hp->windowed[i] = list          ? bnt_gguf_int_at(kv, i) != 0
                          : period == 0 ? true
                                        : i % period < period - 1;
    return BNT_OK;
}

/* Whatever is said of such layers is looked at, and means nothing where none has a window. */
static int read_windows(struct bnt_keys *k, struct bnt_hparams *hp) {
    static const char size[] = "attention.sliding_window";
    static const char *const others[] = {"rope.freq_base_swa", "rope.local_freq_base",
                                         "rope.local.freq_base",
                                         "attention.sliding_window_pattern"};
    hp->window_rope_base = 10000.0;
    if (!(k->steps & BNT_STEP_WINDOWS)) return BNT_OK;
    int status = bnt_keys_one_of(k, others, 3, 1.0, 1e12, 10000.0, &hp->window_rope_base);
    if (status == BNT_OK) status = read_window_pattern(k, hp);
    const struct bnt_gguf_kv *kv = bnt_keys_find(k, size);
    for (size_t i = 0; i < 4 && status == BNT_OK && !kv; i++)
        if (bnt_keys_has(k, others[i]))
            status = bnt_fail(k->err, BNT_E_FORMAT,
                              "%s is of layers with a window, and %s.%s is missing; "
                              "--ignore-key=%s runs without any",
                              k->key, k->arch, size, k->key);
    if (status == BNT_OK && kv && (kv->type == BNT_GGUF_ARRAY || bnt_gguf_int_at(kv, 0) != 0))
        status = bnt_keys_u32(k, size, BNT_MAX_CONTEXT, 0, &hp->window);
    if (!hp->window) memset(hp->windowed, 0, sizeof hp->windowed);
    return status;
}

/* ---- attention ------------------------------------------------------------------------------ */

static int read_attn_scale(struct bnt_keys *k, struct bnt_hparams *hp) {
    static const char *const names[] = {"attention.scale", "attention.query_pre_attn_scalar",
                                        "query_pre_attn_scalar"};
    double first = 0.0;
    const char *first_name = NULL;
    hp->attn_scale = 1.0f / sqrtf((float)hp->head_dim);
    /* Of gemma3, the one size that was trained otherwise; the field tells it by its layers. */
    if (strcmp(k->arch, "gemma3") == 0 && hp->n_layer == 62)
        hp->attn_scale = 1.0f / sqrtf((float)(hp->n_embd / hp->n_head));
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        double v;
        int status = bnt_keys_f64(k, names[i], 0.0, 1e6, 0.0, &v);
        if (status != BNT_OK) return status;
        if (v == 0.0) continue; /* no such key, or nothing said */
        if (v < 1e-6)
            return bnt_fail(k->err, BNT_E_LIMIT, "%s is %g, not between 1e-06 and 1e+06", k->key,
                            v);
        if (i > 0) v = (double)(1.0f / sqrtf((float)v));
        /* One of them may have been rounded on its way from the other. */
        if (first_name && fabs(v - first) > 1e-6 * first)
            return bnt_keys_disagree(k, first_name, names[i]);
        if (first_name) continue;
        first_name = names[i];
        first = v;
        hp->attn_scale = (float)v;
    }
    return BNT_OK;
}

static int read_heads(struct bnt_keys *k, struct bnt_hparams *hp) {
    uint32_t value_length;
    int status;
    if ((status = bnt_keys_u32(k, "attention.head_count", MAX_HEADS, 0, &hp->n_head)) != BNT_OK ||
        (status = bnt_keys_u32(k, "attention.head_count_kv", MAX_HEADS, hp->n_head,
                               &hp->n_head_kv)) != BNT_OK)
        return status;
    if (hp->n_head % hp->n_head_kv)
        return bnt_fail(k->err, BNT_E_FORMAT, "%u heads are not a multiple of %u KV heads",
                        hp->n_head, hp->n_head_kv);
    uint32_t head_dim = hp->n_embd / hp->n_head;
    if ((status = bnt_keys_u32(k, "attention.key_length", MAX_HEAD_DIM, head_dim, &hp->head_dim)) !=
            BNT_OK ||
        (status = bnt_keys_u32(k, "attention.value_length", MAX_HEAD_DIM, hp->head_dim,
                               &value_length)) != BNT_OK)
        return status;
    if (value_length != hp->head_dim)
        return bnt_fail(k->err, BNT_E_UNSUPPORTED, "value length %u differs from key length %u",
                        value_length, hp->head_dim);
    return read_attn_scale(k, hp);
}

/* ---- all of it ------------------------------------------------------------------------------ */

static int read_sizes(struct bnt_keys *k, struct bnt_hparams *hp) {
    uint32_t n_ctx = 0;
    int status;
    if ((status = bnt_keys_u32(k, "block_count", BNT_MAX_LAYERS, 0, &hp->n_layer)) != BNT_OK)
        return status;
    k->n_layer = hp->n_layer;
    if ((status = bnt_keys_u32(k, "embedding_length", MAX_WIDTH, 0, &hp->n_embd)) != BNT_OK ||
        (status = bnt_keys_u32(k, "feed_forward_length", MAX_WIDTH, 0, &hp->n_ff)) != BNT_OK ||
        (status = bnt_keys_u32(k, "context_length", BNT_MAX_CONTEXT, 0, &n_ctx)) != BNT_OK)
        return status;
    hp->n_ctx_train = n_ctx;
    if (!bnt_keys_has(k, "vocab_size")) return BNT_OK;
    return bnt_keys_u32(k, "vocab_size", BNT_MAX_VOCAB, 0, &hp->vocab_size);
}

/* Added to a mean of squares: a row of zeros divides by its root, so it is not 0, and it is a
 * normal binary32. */
static int read_epsilon(struct bnt_keys *k, struct bnt_hparams *hp) {
    double eps;
    int status =
        bnt_keys_f64(k, "attention.layer_norm_rms_epsilon", (double)FLT_MIN, 1.0, NAN, &eps);
    if (status == BNT_OK) hp->norm_eps = (float)eps;
    return status;
}

/* Three keys, or none of these steps. The head's is a divisor. */
static int read_scales(struct bnt_keys *k, struct bnt_hparams *hp, bool root) {
    static const char *const names[] = {"embedding_scale", "residual_scale", "logit_scale"};
    double v[3] = {1.0, 1.0, 1.0};
    for (size_t i = 0; i < 3 && (k->steps & BNT_STEP_SCALES); i++) {
        int status = bnt_keys_f64(k, names[i], 1e-6, 1e6, NAN, &v[i]);
        if (status != BNT_OK) return status;
    }
    hp->embd_scale = root ? sqrtf((float)hp->n_embd) : (float)v[0];
    hp->branch_scale = (float)v[1];
    hp->head_scale = 1.0f / (float)v[2];
    return BNT_OK;
}

int bnt_hparams_read(struct bnt_hparams *hp, const struct bnt_gguf *g, struct bnt_err *err) {
    const struct arch *arch;
    int status = find_arch(&arch, hp, g, err);
    if (status != BNT_OK) return status;
    hp->sub_norms = arch->has & SUB_NORMS;
    hp->qk_norms = arch->has & QK_NORMS;
    hp->biases = arch->has & BIASES;
    hp->post_norms = arch->has & POST_NORMS;
    hp->may_have_norms_in = arch->has & NORMS_IN;
    hp->gate = arch->gate;
    hp->rope_style = arch->rope_style;
    struct bnt_keys k = {.g = g, .arch = arch->name, .steps = arch->steps, .err = err};
    if ((status = bnt_keys_check(&k)) != BNT_OK || (status = read_sizes(&k, hp)) != BNT_OK ||
        (status = read_heads(&k, hp)) != BNT_OK || (status = read_epsilon(&k, hp)) != BNT_OK ||
        (status = read_gate(&k, hp)) != BNT_OK || (status = read_windows(&k, hp)) != BNT_OK ||
        (status = read_scales(&k, hp, arch->has & EMBD_ROOT)) != BNT_OK)
        return status;
    return read_rope(&k, hp);
}
