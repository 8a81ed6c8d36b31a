/*
 * model.c - see model.h.
 *
 * The one idea: a tensor is bound once and ticked off; what is left unticked at the end was not
 * understood, and the file is refused rather than half-used.
 */
#include "model/model.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "bitnet/plugin.h"

enum {
    MAX_LAYERS = 1024,
    MAX_WIDTH = 1 << 20,
    MAX_VOCAB = 1 << 24,
    MAX_CONTEXT = 1 << 24,
    MAX_TERNARY_COLS = 132104, /* NUMERICS clause 3: the integer sum is exact as a float */
    MATRICES_PER_LAYER = 7,
};

/* ---- the architectures we run --------------------------------------------------------------- */

struct arch {
    const char *name;
    bool sub_norms, qk_norms;
    uint32_t gate, rope_style;
};

static const struct arch archs[] = {
    {"bitnet-b1.58", true, false, BNT_GATE_RELU2, BNT_ROPE_NEOX},
    {"bitnet-25", true, false, BNT_GATE_RELU2, BNT_ROPE_NEOX},
    {"bitnet", true, false, BNT_GATE_SILU, BNT_ROPE_NEOX},
    {"llama", false, false, BNT_GATE_SILU, BNT_ROPE_NORM},
    {"qwen3", false, true, BNT_GATE_SILU, BNT_ROPE_NEOX},
};

/* ---- metadata ------------------------------------------------------------------------------- */

struct reader {
    const struct bnt_gguf *g;
    const char *arch;
    struct bnt_err *err;
    char key[128];
};

static const char *arch_key(struct reader *r, const char *suffix) {
    snprintf(r->key, sizeof r->key, "%s.%s", r->arch, suffix);
    return r->key;
}

/* Required integer in [1, max]; `def` serves when the key is absent, unless it is 0. */
static int read_u32(struct reader *r, const char *suffix, uint64_t max, uint32_t def,
                    uint32_t *out) {
    const char *key = arch_key(r, suffix);
    uint64_t v = def;
    if (bnt_gguf_find(r->g, key)) {
        if (!bnt_gguf_u64(r->g, key, &v))
            return bnt_fail(r->err, BNT_E_FORMAT, "%s is not an unsigned integer", key);
    } else if (def == 0) {
        return bnt_fail(r->err, BNT_E_FORMAT, "%s is missing", key);
    }
    if (v < 1 || v > max)
        return bnt_fail(r->err, BNT_E_LIMIT, "%s is %" PRIu64 ", not between 1 and %" PRIu64, key,
                        v, max);
    *out = (uint32_t)v;
    return BNT_OK;
}

static int read_f64(struct reader *r, const char *suffix, double lo, double hi, double def,
                    double *out) {
    const char *key = arch_key(r, suffix);
    double v = def;
    if (bnt_gguf_find(r->g, key) && !bnt_gguf_f64(r->g, key, &v))
        return bnt_fail(r->err, BNT_E_FORMAT, "%s is not a floating-point number", key);
    if (!(v >= lo && v <= hi))
        return bnt_fail(r->err, BNT_E_LIMIT, "%s is %g, not between %g and %g", key, v, lo, hi);
    *out = v;
    return BNT_OK;
}

/* Keys of features that change the graph and that this graph does not have. */
static int refuse_unknown_features(struct reader *r) {
    static const char *const zero_keys[] = {"expert_count",
                                            "attention.sliding_window",
                                            "attention.max_alibi_bias",
                                            "attention.logit_softcapping",
                                            "final_logit_softcapping",
                                            "logit_scale",
                                            "residual_scale",
                                            "embedding_scale"};
    for (size_t i = 0; i < sizeof zero_keys / sizeof zero_keys[0]; i++) {
        const struct bnt_gguf_kv *kv = bnt_gguf_find(r->g, arch_key(r, zero_keys[i]));
        if (kv && (kv->type == BNT_GGUF_STRING || kv->type == BNT_GGUF_ARRAY ||
                   bnt_gguf_float_at(kv, 0) != 0.0))
            return bnt_fail(r->err, BNT_E_UNSUPPORTED,
                            "%s is set: the %s graph here has no such step", r->key, r->arch);
    }
    return BNT_OK;
}

/* YaRN has knobs that published models leave at their defaults; other values are refused. */
static int refuse_unusual_yarn(struct reader *r) {
    static const struct {
        const char *key;
        double value;
    } knobs[] = {{"rope.scaling.attn_factor", 1.0},
                 {"rope.scaling.yarn_ext_factor", 1.0},
                 {"rope.scaling.yarn_attn_factor", 1.0},
                 {"rope.scaling.yarn_log_multiplier", 0.0}};
    for (size_t i = 0; i < sizeof knobs / sizeof knobs[0]; i++) {
        double v = knobs[i].value;
        int status = read_f64(r, knobs[i].key, -1e9, 1e9, v, &v);
        if (status != BNT_OK) return status;
        if (v != knobs[i].value)
            return bnt_fail(r->err, BNT_E_UNSUPPORTED, "%s is %g; only %g is supported", r->key, v,
                            knobs[i].value);
    }
    return BNT_OK;
}

/* A factor without a type is linear, as the field reads it; the old key is rope.scale_linear. */
static int read_rope_scaling(struct reader *r, struct bnt_hparams *hp) {
    struct bnt_rope_scaling *s = &hp->rope_scaling;
    struct bnt_str type = {"linear", 6};
    uint32_t original = (uint32_t)hp->n_ctx_train;
    int status;
    *s = (struct bnt_rope_scaling){.factor = 1.0};
    bnt_gguf_str(r->g, arch_key(r, "rope.scaling.type"), &type);
    if (bnt_str_eq(type, "none")) return BNT_OK;
    s->yarn = bnt_str_eq(type, "yarn");
    if (!s->yarn && !bnt_str_eq(type, "linear")) {
        char name[64];
        return bnt_fail(r->err, BNT_E_UNSUPPORTED,
                        "%s '%s': only none, linear and yarn are supported", r->key,
                        bnt_printable(name, sizeof name, type.ptr, type.len));
    }
    bool new_key = bnt_gguf_find(r->g, arch_key(r, "rope.scaling.factor")) != NULL;
    status = read_f64(r, new_key ? "rope.scaling.factor" : "rope.scale_linear", 1e-3, 1e6, 1.0,
                      &s->factor);
    if (status != BNT_OK || !s->yarn) return status;
    if ((status = read_u32(r, "rope.scaling.original_context_length", MAX_CONTEXT, original,
                           &original)) != BNT_OK ||
        (status = read_f64(r, "rope.scaling.yarn_beta_fast", 0.01, 1e4, 32.0, &s->beta_fast)) !=
            BNT_OK ||
        (status = read_f64(r, "rope.scaling.yarn_beta_slow", 0.01, 1e4, 1.0, &s->beta_slow)) !=
            BNT_OK)
        return status;
    s->original_context = original;
    return refuse_unusual_yarn(r);
}

static int read_rope(struct reader *r, struct bnt_hparams *hp) {
    int status = read_u32(r, "rope.dimension_count", hp->head_dim, hp->head_dim, &hp->n_rot);
    if (status != BNT_OK) return status;
    if (hp->n_rot % 2)
        return bnt_fail(r->err, BNT_E_FORMAT, "%s is %u, an odd number", r->key, hp->n_rot);
    status = read_f64(r, "rope.freq_base", 1.0, 1e12, 10000.0, &hp->rope_base);
    if (status != BNT_OK) return status;
    return read_rope_scaling(r, hp);
}

static int read_hparams(struct bnt_model *m, struct bnt_err *err) {
    struct bnt_hparams *hp = &m->hp;
    struct bnt_str s;
    const struct arch *arch = NULL;
    if (!bnt_gguf_str(m->gguf, "general.architecture", &s))
        return bnt_fail(err, BNT_E_FORMAT, "general.architecture is missing");
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        if (bnt_str_eq(s, archs[i].name)) arch = &archs[i];
    }
    bnt_printable(hp->arch, sizeof hp->arch, s.ptr, s.len);
    if (!arch)
        return bnt_fail(
            err, BNT_E_UNSUPPORTED,
            "architecture '%s'; supported are bitnet-b1.58, bitnet-25, bitnet, llama and qwen3",
            hp->arch);
    if (bnt_gguf_str(m->gguf, "general.name", &s))
        bnt_printable(hp->name, sizeof hp->name, s.ptr, s.len);
    hp->sub_norms = arch->sub_norms;
    hp->qk_norms = arch->qk_norms;
    hp->gate = arch->gate;
    hp->rope_style = arch->rope_style;

    struct reader r = {.g = m->gguf, .arch = arch->name, .err = err};
    uint32_t n_ctx = 0, value_length;
    double eps;
    int status;
    if ((status = read_u32(&r, "block_count", MAX_LAYERS, 0, &hp->n_layer)) != BNT_OK ||
        (status = read_u32(&r, "embedding_length", MAX_WIDTH, 0, &hp->n_embd)) != BNT_OK ||
        (status = read_u32(&r, "feed_forward_length", MAX_WIDTH, 0, &hp->n_ff)) != BNT_OK ||
        (status = read_u32(&r, "attention.head_count", 4096, 0, &hp->n_head)) != BNT_OK ||
        (status = read_u32(&r, "attention.head_count_kv", 4096, hp->n_head, &hp->n_head_kv)) !=
            BNT_OK ||
        (status = read_u32(&r, "context_length", MAX_CONTEXT, 0, &n_ctx)) != BNT_OK)
        return status;
    hp->n_ctx_train = n_ctx;
    if (hp->n_head % hp->n_head_kv)
        return bnt_fail(err, BNT_E_FORMAT, "%u heads are not a multiple of %u KV heads", hp->n_head,
                        hp->n_head_kv);
    uint32_t head_dim = hp->n_embd / hp->n_head;
    if ((status = read_u32(&r, "attention.key_length", 1024, head_dim, &hp->head_dim)) != BNT_OK ||
        (status = read_u32(&r, "attention.value_length", 1024, hp->head_dim, &value_length)) !=
            BNT_OK)
        return status;
    if (value_length != hp->head_dim)
        return bnt_fail(err, BNT_E_UNSUPPORTED, "value length %u differs from key length %u",
                        value_length, hp->head_dim);
    if ((status = read_f64(&r, "attention.layer_norm_rms_epsilon", 0.0, 1.0, 1e-5, &eps)) != BNT_OK)
        return status;
    hp->norm_eps = (float)eps;
    hp->attn_scale = 1.0f / sqrtf((float)hp->head_dim);
    if ((status = refuse_unknown_features(&r)) != BNT_OK) return status;
    return read_rope(&r, hp);
}

/* ---- tensors -------------------------------------------------------------------------------- */

struct binder {
    struct bnt_model *m;
    bool *used; /* per tensor of the file */
    struct bnt_err *err;
};

/* Finds and ticks off a tensor; NULL without an error when it is absent and optional. */
static const struct bnt_gguf_tensor *bind(struct binder *b, const char *name, bool optional) {
    const struct bnt_gguf_tensor *t = bnt_gguf_tensor(b->m->gguf, name);
    if (t)
        b->used[t - bnt_gguf_tensor_at(b->m->gguf, 0)] = true;
    else if (!optional)
        bnt_fail(b->err, BNT_E_FORMAT, "tensor '%s' is missing", name);
    return t;
}

/* An owned copy of an F32, F16 or BF16 vector of n finite values. NULL after an error. */
static float *bind_vector(struct binder *b, const char *name, uint64_t n) {
    const struct bnt_gguf_tensor *t = bind(b, name, false);
    if (!t) return NULL;
    if (t->elements != n || t->dims[0] != n) {
        bnt_fail(b->err, BNT_E_FORMAT, "tensor '%s' has %" PRIu64 " elements, not %" PRIu64, name,
                 t->elements, n);
        return NULL;
    }
    if (t->type != BNT_F32 && t->type != BNT_F16 && t->type != BNT_BF16) {
        bnt_fail(b->err, BNT_E_UNSUPPORTED, "tensor '%s' has type %s (%u), not F32, F16 or BF16",
                 name, bnt_type(t->type)->name, t->type);
        return NULL;
    }
    float *v = malloc(n * sizeof *v);
    if (!v) {
        bnt_fail_nomem(b->err, name, n * sizeof *v);
        return NULL;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint16_t h = 0;
        if (t->type == BNT_F32)
            memcpy(&v[i], t->data + 4 * i, 4);
        else
            memcpy(&h, t->data + 2 * i, 2);
        if (t->type == BNT_F16) v[i] = bnt_f16_to_f32(h);
        if (t->type == BNT_BF16) v[i] = bnt_bf16_to_f32(h);
        if (!isfinite(v[i])) {
            bnt_fail(b->err, BNT_E_FORMAT, "tensor '%s': element %" PRIu64 " is not finite", name,
                     i);
            free(v);
            return NULL;
        }
    }
    return v;
}

/* NAME.scale beside NAME.weight: one F32 factor, in files of arch `bitnet`. */
static int bind_extra_scale(struct binder *b, struct bnt_matrix *mat) {
    char name[112];
    size_t stem = strlen(mat->name) - strlen("weight");
    mat->extra_scale = 1.0f;
    snprintf(name, sizeof name, "%.*sscale", (int)stem, mat->name);
    if (!bnt_gguf_tensor(b->m->gguf, name)) return BNT_OK;
    float *v = bind_vector(b, name, 1);
    if (!v) return b->err->status;
    mat->extra_scale = *v;
    free(v);
    if (!mat->ternary && mat->extra_scale != 1.0f)
        return bnt_fail(b->err, BNT_E_UNSUPPORTED, "tensor '%s' beside a %s weight", name,
                        bnt_type(mat->dense_type)->name);
    return BNT_OK;
}

static int refuse_type(struct bnt_err *err, const char *name, uint32_t type) {
    if (type == BNT_TL1 || type == BNT_TL2)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tensor '%s' has type %s, a layout tied to generated kernels; use the "
                        "model's I2_S file instead",
                        name, bnt_type(type)->name);
    return bnt_fail(
        err, BNT_E_UNSUPPORTED,
        "tensor '%s' has type %s (%u); supported are I2_S, TQ1_0, TQ2_0, Q2_0, F32, F16, BF16, "
        "Q8_0 and Q6_K",
        name, bnt_type(type)->name, type);
}

/* Binds NAME as matrix [rows][cols]; rows 0 takes what the file has. */
static int bind_matrix(struct binder *b, const char *name, uint64_t rows, uint64_t cols,
                       uint32_t *index) {
    const struct bnt_gguf_tensor *t = bind(b, name, false);
    if (!t) return BNT_E_FORMAT;
    enum bnt_type_kind kind = bnt_type(t->type)->kind;
    if (kind != BNT_KIND_DENSE && kind != BNT_KIND_TERNARY)
        return refuse_type(b->err, name, t->type);
    uint64_t have = t->elements / t->dims[0];
    if (t->dims[0] != cols || (rows && have != rows))
        return bnt_fail(b->err, BNT_E_FORMAT,
                        "tensor '%s' is %" PRIu64 " x %" PRIu64 ", not %" PRIu64 " x %" PRIu64,
                        name, t->dims[0], have, cols, rows ? rows : have);
    if (kind == BNT_KIND_TERNARY && cols > MAX_TERNARY_COLS)
        return bnt_fail(b->err, BNT_E_LIMIT,
                        "tensor '%s': rows of %" PRIu64 " ternary weights; sums are exact up to %d",
                        name, cols, MAX_TERNARY_COLS);
    struct bnt_matrix *mat = &b->m->matrices[b->m->n_matrices];
    snprintf(mat->name, sizeof mat->name, "%s", name);
    mat->rows = have;
    mat->cols = cols;
    mat->data = t->data;
    mat->bytes = t->bytes;
    mat->ternary = kind == BNT_KIND_TERNARY;
    mat->dense_type = t->type;
    mat->src = (struct bnt_ternary_src){t->type, have, cols, t->data, t->bytes, 0, 0.0f, BNT_I2S_A};
    b->m->parameters += t->elements;
    if (mat->ternary) b->m->ternary_parameters += t->elements;
    *index = b->m->n_matrices++;
    return bind_extra_scale(b, mat);
}

static int bind_layer(struct binder *b, unsigned i) {
    struct bnt_layer *l = &b->m->layers[i];
    const struct bnt_hparams *hp = &b->m->hp;
    uint64_t q = (uint64_t)hp->n_head * hp->head_dim, kv = (uint64_t)hp->n_head_kv * hp->head_dim;
    const struct {
        const char *name;
        uint64_t rows, cols;
        uint32_t *index;
    } matrices[MATRICES_PER_LAYER] = {
        {"attn_q", q, hp->n_embd, &l->wq},
        {"attn_k", kv, hp->n_embd, &l->wk},
        {"attn_v", kv, hp->n_embd, &l->wv},
        {"attn_output", hp->n_embd, q, &l->wo},
        {"ffn_gate", hp->n_ff, hp->n_embd, &l->gate},
        {"ffn_up", hp->n_ff, hp->n_embd, &l->up},
        {"ffn_down", hp->n_embd, hp->n_ff, &l->down},
    };
    const struct {
        const char *name;
        uint64_t n;
        float **gain;
        bool wanted;
    } norms[] = {
        {"attn_norm", hp->n_embd, &l->attn_norm, true},
        {"attn_sub_norm", q, &l->attn_sub_norm, hp->sub_norms},
        {"ffn_norm", hp->n_embd, &l->ffn_norm, true},
        {"ffn_sub_norm", hp->n_ff, &l->ffn_sub_norm, hp->sub_norms},
        {"attn_q_norm", hp->head_dim, &l->q_norm, hp->qk_norms},
        {"attn_k_norm", hp->head_dim, &l->k_norm, hp->qk_norms},
    };
    char name[64];
    for (size_t k = 0; k < sizeof norms / sizeof norms[0]; k++) {
        if (!norms[k].wanted) continue;
        snprintf(name, sizeof name, "blk.%u.%s.weight", i, norms[k].name);
        if (!(*norms[k].gain = bind_vector(b, name, norms[k].n))) return b->err->status;
    }
    for (size_t k = 0; k < MATRICES_PER_LAYER; k++) {
        snprintf(name, sizeof name, "blk.%u.%s.weight", i, matrices[k].name);
        int status = bind_matrix(b, name, matrices[k].rows, matrices[k].cols, matrices[k].index);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

static int bind_embedding_and_head(struct binder *b) {
    struct bnt_model *m = b->m;
    int status = bind_matrix(b, "token_embd.weight", 0, m->hp.n_embd, &m->embedding);
    if (status != BNT_OK) return status;
    const struct bnt_matrix *e = &m->matrices[m->embedding];
    if (e->rows > MAX_VOCAB)
        return bnt_fail(b->err, BNT_E_LIMIT, "a vocabulary of %" PRIu64 " tokens", e->rows);
    m->hp.n_vocab = (uint32_t)e->rows;
    m->head = m->embedding;
    if (bnt_gguf_tensor(m->gguf, "output.weight")) {
        status = bind_matrix(b, "output.weight", e->rows, m->hp.n_embd, &m->head);
        if (status != BNT_OK) return status;
    }
    if (!(m->output_norm = bind_vector(b, "output_norm.weight", m->hp.n_embd)))
        return b->err->status;
    if (bnt_gguf_tensor(m->gguf, "rope_freqs.weight")) {
        if (!(m->rope_factors = bind_vector(b, "rope_freqs.weight", m->hp.n_rot / 2)))
            return b->err->status;
        for (uint32_t i = 0; i < m->hp.n_rot / 2; i++) {
            if (!(m->rope_factors[i] > 0.0f))
                return bnt_fail(b->err, BNT_E_FORMAT,
                                "tensor 'rope_freqs.weight': element %u is %g", i,
                                (double)m->rope_factors[i]);
        }
    }
    return BNT_OK;
}

static int refuse_unused(struct binder *b) {
    char name[96];
    for (size_t i = 0; i < bnt_gguf_tensor_count(b->m->gguf); i++) {
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor_at(b->m->gguf, i);
        if (!b->used[i])
            return bnt_fail(b->err, BNT_E_UNSUPPORTED,
                            "tensor '%s' has no place in the %s graph; running without it would "
                            "give wrong text",
                            bnt_printable(name, sizeof name, t->name.ptr, t->name.len),
                            b->m->hp.arch);
    }
    return BNT_OK;
}

static int bind_all(struct bnt_model *m, struct bnt_err *err) {
    size_t n_tensors = bnt_gguf_tensor_count(m->gguf);
    /* Each block has matrices of its own, so a block count the file cannot hold ends here. */
    if (n_tensors < (size_t)m->hp.n_layer * MATRICES_PER_LAYER)
        return bnt_fail(err, BNT_E_FORMAT, "%u blocks, but only %zu tensors", m->hp.n_layer,
                        n_tensors);
    struct bnt_err local = {0};
    struct binder b = {.m = m, .used = calloc(n_tensors, sizeof(bool)), .err = err ? err : &local};
    m->layers = calloc(m->hp.n_layer, sizeof *m->layers);
    m->matrices = calloc((size_t)m->hp.n_layer * MATRICES_PER_LAYER + 2, sizeof *m->matrices);
    int status;
    if (!b.used || !m->layers || !m->matrices)
        status = bnt_fail_nomem(err, "the model's directory", n_tensors);
    else
        status = bind_embedding_and_head(&b);
    for (unsigned i = 0; i < m->hp.n_layer && status == BNT_OK; i++) status = bind_layer(&b, i);
    if (status == BNT_OK) status = refuse_unused(&b);
    free(b.used);
    return status;
}

int bnt_model_open(struct bnt_model **out, const struct bnt_gguf *g, struct bnt_err *err) {
    *out = NULL;
    struct bnt_model *m = calloc(1, sizeof *m);
    if (!m) return bnt_fail_nomem(err, "the model", sizeof *m);
    m->gguf = g;
    int status = read_hparams(m, err);
    if (status == BNT_OK) status = bind_all(m, err);
    if (status != BNT_OK) {
        bnt_model_close(m);
        return status;
    }
    *out = m;
    return BNT_OK;
}

void bnt_model_close(struct bnt_model *m) {
    if (!m) return;
    for (uint32_t i = 0; m->layers && i < m->hp.n_layer; i++) {
        free(m->layers[i].attn_norm);
        free(m->layers[i].attn_sub_norm);
        free(m->layers[i].ffn_norm);
        free(m->layers[i].ffn_sub_norm);
        free(m->layers[i].q_norm);
        free(m->layers[i].k_norm);
    }
    free(m->layers);
    free(m->matrices);
    free(m->output_norm);
    free(m->rope_factors);
    free(m);
}
