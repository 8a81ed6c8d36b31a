/*
 * keys.c - see keys.h. The table names all keys that the loader of llama.cpp and the converters of
 * the field know for graphs like ours; what belongs to other graphs alone is left out, and so
 * refused.
 */
#include "model/keys.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum type { UINT, REAL, NUMBER, BOOL, TEXT, ANY }; /* NUMBER: of either kind */

enum meaning {
    COMPUTED, /* hparams.c reads it */
    HARMLESS, /* changes no logit */
    NEUTRAL,  /* belongs to a step that no graph here has: must have one of two values */
    LAYOUT,   /* how the tensors lie: must be the usual one's name */
};

struct key_row {
    const char *name; /* behind "ARCH." */
    enum type type;
    enum meaning meaning;
    double neutral[2]; /* values that change nothing, where there is no such step; of BOOL 0 or 1 */
    unsigned steps;    /* COMPUTED in graphs with this step, elsewhere NEUTRAL; 0: in all */
    bool per_layer;    /* may be a list with a value for each layer */
};

static const struct key_row table[] = {
    {"block_count", UINT, COMPUTED, {0}, 0, false},
    {"context_length", UINT, COMPUTED, {0}, 0, false},
    {"embedding_length", UINT, COMPUTED, {0}, 0, false},
    {"feed_forward_length", UINT, COMPUTED, {0}, 0, true},
    {"vocab_size", UINT, COMPUTED, {0}, 0, false},
    {"hidden_activation", TEXT, COMPUTED, {0}, 0, false},
    {"hidden_act", TEXT, COMPUTED, {0}, 0, false},
    {"activation", TEXT, COMPUTED, {0}, 0, false},
    {"attention.head_count", UINT, COMPUTED, {0}, 0, true},
    {"attention.head_count_kv", UINT, COMPUTED, {0}, 0, true},
    {"attention.key_length", UINT, COMPUTED, {0}, 0, true},
    {"attention.value_length", UINT, COMPUTED, {0}, 0, true},
    {"attention.layer_norm_rms_epsilon", REAL, COMPUTED, {0}, 0, false},
    {"attention.scale", REAL, COMPUTED, {0}, 0, false},
    {"attention.query_pre_attn_scalar", NUMBER, COMPUTED, {0}, 0, false},
    {"query_pre_attn_scalar", NUMBER, COMPUTED, {0}, 0, false},
    {"rope.dimension_count", UINT, COMPUTED, {0}, 0, true},
    {"rope.freq_base", REAL, COMPUTED, {0}, 0, false},
    {"rope.scale_linear", REAL, COMPUTED, {0}, 0, false},
    {"rope.scaling.type", TEXT, COMPUTED, {0}, 0, false},
    {"rope.scaling.factor", REAL, COMPUTED, {0}, 0, false},
    {"rope.scaling.attn_factor", REAL, COMPUTED, {0}, 0, false},
    {"rope.scaling.original_context_length", UINT, COMPUTED, {0}, 0, false},
    {"rope.scaling.yarn_beta_fast", REAL, COMPUTED, {0}, 0, false},
    {"rope.scaling.yarn_beta_slow", REAL, COMPUTED, {0}, 0, false},
    {"rope.scaling.yarn_ext_factor", REAL, COMPUTED, {0}, 0, false},

    {"embedding_scale", REAL, COMPUTED, {0, 1}, BNT_STEP_SCALES, false},
    {"residual_scale", REAL, COMPUTED, {0, 1}, BNT_STEP_SCALES, false},
    {"logit_scale", REAL, COMPUTED, {0, 1}, BNT_STEP_SCALES, false},
    {"attention.sliding_window", UINT, COMPUTED, {0, 0}, BNT_STEP_WINDOWS, false},
    {"attention.sliding_window_pattern", ANY, COMPUTED, {0, 0}, BNT_STEP_WINDOWS, true},
    {"rope.freq_base_swa", REAL, COMPUTED, {0, 0}, BNT_STEP_WINDOWS, false},
    {"rope.local_freq_base", REAL, COMPUTED, {0, 0}, BNT_STEP_WINDOWS, false}, /* the same, by */
    {"rope.local.freq_base", REAL, COMPUTED, {0, 0}, BNT_STEP_WINDOWS, false}, /* other writers */

    {"rope.scaling.finetuned", BOOL, HARMLESS, {0}, 0, false}, /* how it was trained */
    {"pooling_type", UINT, HARMLESS, {0}, 0, false},           /* of embeddings: behind the graph */
    {"tensor_data_layout", TEXT, LAYOUT, {0}, 0, false},

    {"attention.causal", BOOL, NEUTRAL, {1, 1}, 0, false},
    {"use_parallel_residual", BOOL, NEUTRAL, {0, 0}, 0, false},
    {"swin_norm", BOOL, NEUTRAL, {0, 0}, 0, false},
    {"rope.scaling.alpha", REAL, NEUTRAL, {0, 1}, 0, false},
    {"rope.scaling.yarn_attn_factor", REAL, NEUTRAL, {1, 1}, 0, false},
    {"rope.scaling.yarn_log_multiplier", REAL, NEUTRAL, {0, 0}, 0, false},
    {"attention.max_alibi_bias", REAL, NEUTRAL, {0, 0}, 0, false},
    {"attention.clamp_kqv", REAL, NEUTRAL, {0, 0}, 0, false},
    {"attention.logit_softcapping", REAL, NEUTRAL, {0, 0}, 0, false},
    {"attn_logit_softcapping", REAL, NEUTRAL, {0, 0}, 0, false},
    {"router_logit_softcapping", REAL, NEUTRAL, {0, 0}, 0, false},
    {"final_logit_softcapping", REAL, NEUTRAL, {0, 0}, 0, false},
    {"attention.output_scale", REAL, NEUTRAL, {0, 1}, 0, false},
    {"attention.value_scale", REAL, NEUTRAL, {0, 1}, 0, false},
    {"attention.temperature_scale", REAL, NEUTRAL, {0, 0}, 0, false},
    {"attention.temperature_length", UINT, NEUTRAL, {0, 0}, 0, false},
    {"attention.shared_kv_layers", UINT, NEUTRAL, {0, 0}, 0, false},
    {"attention.q_lora_rank", UINT, NEUTRAL, {0, 0}, 0, false},
    {"attention.kv_lora_rank", UINT, NEUTRAL, {0, 0}, 0, false},
    {"embedding_length_per_layer_input", UINT, NEUTRAL, {0, 0}, 0, false},
    {"leading_dense_block_count", UINT, NEUTRAL, {0, 0}, 0, false},
    {"nextn_predict_layers", UINT, NEUTRAL, {0, 0}, 0, false},
    {"n_deepstack_layers", UINT, NEUTRAL, {0, 0}, 0, false},
    {"num_loops", UINT, NEUTRAL, {0, 1}, 0, false},
    {"rescale_every_n_layers", UINT, NEUTRAL, {0, 0}, 0, false},
    {"interleave_moe_layer_step", UINT, NEUTRAL, {0, 0}, 0, false},
    {"moe_every_n_layers", UINT, NEUTRAL, {0, 0}, 0, false},
    {"expert_count", UINT, NEUTRAL, {0, 0}, 0, false},
    {"expert_used_count", UINT, NEUTRAL, {0, 0}, 0, false},
    {"expert_shared_count", UINT, NEUTRAL, {0, 0}, 0, false},
    {"expert_group_count", UINT, NEUTRAL, {0, 0}, 0, false},
    {"expert_group_used_count", UINT, NEUTRAL, {0, 0}, 0, false},
    {"expert_feed_forward_length", UINT, NEUTRAL, {0, 0}, 0, false},
    {"expert_shared_feed_forward_length", UINT, NEUTRAL, {0, 0}, 0, false},
    {"expert_gating_func", UINT, NEUTRAL, {0, 0}, 0, false},
    {"expert_weights_scale", REAL, NEUTRAL, {0, 1}, 0, false},
    {"expert_weights_norm", BOOL, NEUTRAL, {0, 0}, 0, false},
};

/* Keys outside of the architecture's prefix that change what a file's tensors mean. All others
 * there (general., tokenizer., split., quantize., and what nobody has heard of) describe the file.
 */
static const struct {
    const char *prefix, *what;
} foreign[] = {
    {"prism.", "its weights are rotated, and need inputs rotated alike"},
    {"xielu.", "its activation has parameters that no graph here has"},
    {"diffusion.", "its text does not come from left to right"},
    {"adapter.", "it is an adapter of a model, not a model"},
};

static const char *full_name(struct bnt_keys *k, const char *name) {
    snprintf(k->key, sizeof k->key, "%s.%s", k->arch, name);
    return k->key;
}

const struct bnt_gguf_kv *bnt_keys_find(struct bnt_keys *k, const char *name) {
    return bnt_gguf_find(k->g, full_name(k, name));
}

bool bnt_keys_has(struct bnt_keys *k, const char *name) {
    return bnt_keys_find(k, name) != NULL;
}

/* ---- checking ------------------------------------------------------------------------------- */

static bool is_integer(enum bnt_gguf_type t) {
    return t <= BNT_GGUF_I32 || t == BNT_GGUF_U64 || t == BNT_GGUF_I64;
}

static bool is_real(enum bnt_gguf_type t) {
    return t == BNT_GGUF_F32 || t == BNT_GGUF_F64;
}

/* Whether a value is of the row's type; a list of them, where there may be one. */
static bool fits(const struct key_row *row, const struct bnt_gguf_kv *kv) {
    enum bnt_gguf_type t = kv->elem_type;
    if (kv->type == BNT_GGUF_ARRAY && !row->per_layer && row->type != ANY) return false;
    switch (row->type) {
    case UINT: return is_integer(t);
    case REAL: return is_real(t);
    case NUMBER: return is_integer(t) || is_real(t);
    case BOOL: return t == BNT_GGUF_BOOL;
    case TEXT: return kv->type == BNT_GGUF_STRING;
    case ANY: break;
    }
    return true;
}

static const char *describe(enum type type) {
    static const char *const names[] = {"an unsigned integer",
                                        "a floating-point number",
                                        "a number",
                                        "true or false",
                                        "a text",
                                        "a value"};
    return names[type];
}

/* All values, of a list as well, are neutral. */
static bool is_neutral(const struct key_row *row, const struct bnt_gguf_kv *kv) {
    if (kv->elem_type == BNT_GGUF_STRING) return false;
    for (uint64_t i = 0; i < kv->count; i++) {
        double v = bnt_gguf_float_at(kv, i);
        if (!(v == row->neutral[0] || v == row->neutral[1])) return false;
    }
    return true;
}

/* The names under which writers have put tensors as every reader takes them. */
static int check_layout(const struct bnt_gguf_kv *kv, const char *name, struct bnt_err *err) {
    static const char *const usual[] = {"", "reference", "Meta AI original pth"};
    uint64_t cursor = 0;
    char shown[64];
    if (kv->type != BNT_GGUF_STRING) return bnt_fail(err, BNT_E_FORMAT, "%s is not a text", name);
    const struct bnt_str layout = bnt_gguf_next_string(kv, &cursor);
    for (size_t i = 0; i < sizeof usual / sizeof usual[0]; i++)
        if (bnt_str_eq(layout, usual[i])) return BNT_OK;
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "%s is '%s', not 'reference' or 'Meta AI original pth': the tensors may lie "
                    "otherwise than they are read here; --ignore-key=%s runs without it",
                    name, bnt_printable(shown, sizeof shown, layout.ptr, layout.len), name);
}

/* Tokens that a model must not choose: sampling here leaves none out but by --logit-bias. */
static int check_suppressed(const struct bnt_gguf_kv *kv, const char *name, struct bnt_err *err) {
    if (kv->type != BNT_GGUF_ARRAY) return bnt_fail(err, BNT_E_FORMAT, "%s is not a list", name);
    if (kv->count == 0) return BNT_OK;
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "%s has %" PRIu64 " tokens that must not be chosen, which is not done here; "
                    "--ignore-key=%s runs without it",
                    name, kv->count, name);
}

static const struct key_row *find_row(const char *name, size_t len) {
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0) return &table[i];
    }
    return NULL;
}

/* One key under the architecture's prefix. */
static int check_own(const struct bnt_keys *k, const struct bnt_gguf_kv *kv, size_t prefix) {
    const struct key_row *row = find_row(kv->key.ptr + prefix, kv->key.len - prefix);
    char name[128];
    bnt_printable(name, sizeof name, kv->key.ptr, kv->key.len);
    if (!row)
        return bnt_fail(k->err, BNT_E_UNSUPPORTED,
                        "key '%s' is not known to this program and may change what the model "
                        "computes; --ignore-key=%s runs without it",
                        name, name);
    if (!fits(row, kv))
        return bnt_fail(k->err, BNT_E_FORMAT, "%s is not %s", name, describe(row->type));
    if (row->meaning == LAYOUT) return check_layout(kv, name, k->err);
    bool computed = row->meaning == COMPUTED && (!row->steps || (row->steps & k->steps));
    if (computed || row->meaning == HARMLESS || is_neutral(row, kv)) return BNT_OK;
    return bnt_fail(k->err, BNT_E_UNSUPPORTED,
                    "%s asks for a step that the %s graph here does not have; --ignore-key=%s runs "
                    "without it",
                    name, k->arch, name);
}

static int check_foreign(const struct bnt_keys *k, const struct bnt_gguf_kv *kv) {
    char name[128];
    bnt_printable(name, sizeof name, kv->key.ptr, kv->key.len);
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        size_t n = strlen(foreign[i].prefix);
        if (kv->key.len < n || memcmp(kv->key.ptr, foreign[i].prefix, n) != 0) continue;
        return bnt_fail(k->err, BNT_E_UNSUPPORTED, "the file has the key '%s': %s", name,
                        foreign[i].what);
    }
    if (bnt_str_eq(kv->key, "general.tensor_data_layout")) return check_layout(kv, name, k->err);
    if (bnt_str_eq(kv->key, "tokenizer.ggml.suppress_tokens"))
        return check_suppressed(kv, name, k->err);
    return BNT_OK;
}

int bnt_keys_check(struct bnt_keys *k) {
    size_t n = strlen(k->arch);
    for (size_t i = 0; i < bnt_gguf_kv_count(k->g); i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_kv_at(k->g, i);
        bool own = kv->key.len > n && kv->key.ptr[n] == '.' && !memcmp(kv->key.ptr, k->arch, n);
        if (kv->ignored) continue;
        int status = own ? check_own(k, kv, n + 1) : check_foreign(k, kv);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

/* ---- values --------------------------------------------------------------------------------- */

/* A scalar, or a list as long as the layers of one and the same value: index 0 stands for all. */
static int check_uniform(const struct bnt_keys *k, const struct bnt_gguf_kv *kv) {
    if (kv->type != BNT_GGUF_ARRAY) return BNT_OK;
    if (kv->count == 0 || (k->n_layer && kv->count != k->n_layer))
        return bnt_fail(k->err, BNT_E_FORMAT, "%s has %" PRIu64 " values for %" PRIu32 " layers",
                        k->key, kv->count, k->n_layer);
    for (uint64_t i = 1; i < kv->count; i++) {
        if (bnt_gguf_float_at(kv, i) != bnt_gguf_float_at(kv, 0))
            return bnt_fail(k->err, BNT_E_UNSUPPORTED,
                            "%s is %g in layer 0 and %g in layer %" PRIu64
                            ": layers of different shapes are not supported",
                            k->key, bnt_gguf_float_at(kv, 0), bnt_gguf_float_at(kv, i), i);
    }
    return BNT_OK;
}

static int wrong_type(const struct bnt_keys *k, enum type type) {
    return bnt_fail(k->err, BNT_E_FORMAT, "%s is not %s", k->key, describe(type));
}

int bnt_keys_u32(struct bnt_keys *k, const char *name, uint64_t max, uint32_t def, uint32_t *out) {
    const struct bnt_gguf_kv *kv = bnt_keys_find(k, name);
    uint64_t v = def;
    if (kv) {
        if (!is_integer(kv->elem_type)) return wrong_type(k, UINT);
        int status = check_uniform(k, kv);
        if (status != BNT_OK) return status;
        int64_t first = bnt_gguf_int_at(kv, 0);
        if (first < 0) return wrong_type(k, UINT);
        v = (uint64_t)first;
    } else if (def == 0) {
        return bnt_fail(k->err, BNT_E_FORMAT, "%s is missing", k->key);
    }
    if (v < 1 || v > max)
        return bnt_fail(k->err, BNT_E_LIMIT, "%s is %" PRIu64 ", not between 1 and %" PRIu64,
                        k->key, v, max);
    *out = (uint32_t)v;
    return BNT_OK;
}

int bnt_keys_f64(struct bnt_keys *k, const char *name, double lo, double hi, double def,
                 double *out) {
    const struct bnt_gguf_kv *kv = bnt_keys_find(k, name);
    double v = def;
    if (kv) {
        const struct key_row *row = find_row(name, strlen(name));
        bool integer = row && row->type == NUMBER && is_integer(kv->type);
        if (!integer && !is_real(kv->type)) return wrong_type(k, REAL);
        v = bnt_gguf_float_at(kv, 0);
    } else if (isnan(def)) {
        return bnt_fail(k->err, BNT_E_FORMAT, "%s is missing", k->key);
    }
    if (!(v >= lo && v <= hi))
        return bnt_fail(k->err, BNT_E_LIMIT, "%s is %g, not between %g and %g", k->key, v, lo, hi);
    *out = v;
    return BNT_OK;
}

int bnt_keys_disagree(struct bnt_keys *k, const char *one, const char *other) {
    return bnt_fail(k->err, BNT_E_FORMAT,
                    "%s.%s and %s.%s say the same thing, and disagree; --ignore-key=%s.%s runs "
                    "without the second",
                    k->arch, one, k->arch, other, k->arch, other);
}

int bnt_keys_one_of(struct bnt_keys *k, const char *const *names, size_t n, double lo, double hi,
                    double def, double *out) {
    const char *first = NULL;
    *out = def;
    for (size_t i = 0; i < n; i++) {
        double v;
        if (!bnt_keys_has(k, names[i])) continue;
        int status = bnt_keys_f64(k, names[i], lo, hi, def, &v);
        if (status != BNT_OK) return status;
        if (first && v != *out) return bnt_keys_disagree(k, first, names[i]);
        if (!first) first = names[i];
        *out = v;
    }
    return BNT_OK;
}

bool bnt_keys_str(struct bnt_keys *k, const char *name, struct bnt_str *out) {
    return bnt_gguf_str(k->g, full_name(k, name), out);
}
