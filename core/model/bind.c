/*
 * bind.c - see bind.h.
 *
 * The one idea: a tensor is bound once and ticked off; what is left unticked at the end was not
 * understood, and the file is refused rather than half-used.
 */
#include "model/bind.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/numerics.h"

enum {
    MAX_TERNARY_COLS = 132104, /* NUMERICS clause 3: the integer sum is exact as a float */
    MATRICES_PER_LAYER = 7,
};

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
        bnt_fail(b->err, BNT_E_FORMAT,
                 "tensor '%s' has %" PRIu64 " elements in rows of %" PRIu64
                 ", not one row of %" PRIu64,
                 name, t->elements, t->dims[0], n);
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

static int refuse_type(struct bnt_err *err, const char *name, uint32_t id) {
    const struct bnt_type_info *type = bnt_type(id);
    return bnt_fail(
        err, BNT_E_UNSUPPORTED, "tensor '%s' has type %s (%u), which is not computed with: %s",
        name, type->name, type->kind == BNT_KIND_UNKNOWN ? id : BNT_FILE_ID(id), type->instead);
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
    const bool in = b->m->norms_in;
    const struct {
        const char *name;
        uint64_t n;
        float **values;
        bool wanted;
    } vectors[] = {
        {"attn_norm.weight", hp->n_embd, &l->attn_norm, true},
        {"attn_q_norm_in.weight", hp->n_embd, &l->q_norm_in, in},
        {"attn_k_norm_in.weight", hp->n_embd, &l->k_norm_in, in},
        {"attn_v_norm_in.weight", hp->n_embd, &l->v_norm_in, in},
        {"attn_q.bias", q, &l->bq, hp->biases},
        {"attn_k.bias", kv, &l->bk, hp->biases},
        {"attn_v.bias", kv, &l->bv, hp->biases},
        {"attn_q_norm.weight", hp->head_dim, &l->q_norm, hp->qk_norms},
        {"attn_k_norm.weight", hp->head_dim, &l->k_norm, hp->qk_norms},
        {"attn_sub_norm.weight", q, &l->attn_sub_norm, hp->sub_norms},
        {"attn_output_norm_in.weight", q, &l->attn_sub_norm, in},
        {"post_attention_norm.weight", hp->n_embd, &l->post_attn_norm, hp->post_norms},
        {"ffn_norm.weight", hp->n_embd, &l->ffn_norm, true},
        {"ffn_gate_norm_in.weight", hp->n_embd, &l->gate_norm_in, in},
        {"ffn_up_norm_in.weight", hp->n_embd, &l->up_norm_in, in},
        {"ffn_sub_norm.weight", hp->n_ff, &l->ffn_sub_norm, hp->sub_norms},
        {"ffn_down_norm_in.weight", hp->n_ff, &l->ffn_sub_norm, in},
        {"post_ffw_norm.weight", hp->n_embd, &l->post_ffn_norm, hp->post_norms},
    };
    char name[64];
    for (size_t k = 0; k < sizeof vectors / sizeof vectors[0]; k++) {
        if (!vectors[k].wanted) continue;
        snprintf(name, sizeof name, "blk.%u.%s", i, vectors[k].name);
        if (!(*vectors[k].values = bind_vector(b, name, vectors[k].n))) return b->err->status;
    }
    for (size_t k = 0; k < MATRICES_PER_LAYER; k++) {
        snprintf(name, sizeof name, "blk.%u.%s.weight", i, matrices[k].name);
        int status = bind_matrix(b, name, matrices[k].rows, matrices[k].cols, matrices[k].index);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

static int bind_factors(struct binder *b, const char *name, float **out) {
    uint32_t n = b->m->hp.n_rot / 2;
    if (!(*out = bind_vector(b, name, n))) return b->err->status;
    for (uint32_t i = 0; i < n; i++) {
        if (!((*out)[i] > 0.0f))
            return bnt_fail(b->err, BNT_E_FORMAT, "tensor '%s': element %" PRIu32 " is %g", name, i,
                            (double)(*out)[i]);
    }
    return BNT_OK;
}

/* From which context on the long table counts must be known, unless both are the same. */
static int check_border(struct binder *b) {
    const struct bnt_model *m = b->m;
    char key[128];
    snprintf(key, sizeof key, "%s.rope.scaling.original_context_length", m->hp.arch);
    if (bnt_gguf_find(m->gguf, key)) return BNT_OK;
    for (uint32_t i = 0; i < m->hp.n_rot / 2; i++) {
        if (m->rope_factors[i] != m->rope_factors_long[i])
            return bnt_fail(b->err, BNT_E_FORMAT,
                            "%s is missing, which says when rope_factors_long.weight counts and "
                            "when rope_factors_short.weight",
                            key);
    }
    return BNT_OK;
}

static int bind_rope_factors(struct binder *b) {
    struct bnt_model *m = b->m;
    if (m->hp.longrope) {
        int status = bind_factors(b, "rope_factors_short.weight", &m->rope_factors);
        if (status != BNT_OK) return status;
        status = bind_factors(b, "rope_factors_long.weight", &m->rope_factors_long);
        return status == BNT_OK ? check_border(b) : status;
    }
    if (!bnt_gguf_tensor(m->gguf, "rope_freqs.weight")) return BNT_OK;
    if (m->hp.window)
        return bnt_fail(b->err, BNT_E_UNSUPPORTED,
                        "tensor 'rope_freqs.weight' in a model whose layers have a window: nobody "
                        "has said which of them it is for");
    return bind_factors(b, "rope_freqs.weight", &m->rope_factors);
}

static int bind_embedding_and_head(struct binder *b) {
    struct bnt_model *m = b->m;
    int status = bind_matrix(b, "token_embd.weight", 0, m->hp.n_embd, &m->embedding);
    if (status != BNT_OK) return status;
    const struct bnt_matrix *e = &m->matrices[m->embedding];
    if (e->rows > BNT_MAX_VOCAB)
        return bnt_fail(b->err, BNT_E_LIMIT, "a vocabulary of %" PRIu64 " tokens", e->rows);
    m->hp.n_vocab = (uint32_t)e->rows;
    m->head = m->embedding;
    if (bnt_gguf_tensor(m->gguf, "output.weight")) {
        status = bind_matrix(b, "output.weight", e->rows, m->hp.n_embd, &m->head);
        if (status != BNT_OK) return status;
    }
    if (!(m->output_norm = bind_vector(b, "output_norm.weight", m->hp.n_embd)))
        return b->err->status;
    return bind_rope_factors(b);
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

int bnt_bind(struct bnt_model *m, struct bnt_err *err) {
    size_t n_tensors = bnt_gguf_tensor_count(m->gguf);
    /* Each block has matrices of its own, so a block count the file cannot hold ends here. */
    if (n_tensors < (size_t)m->hp.n_layer * MATRICES_PER_LAYER)
        return bnt_fail(err, BNT_E_FORMAT, "%u blocks, but only %zu tensors", m->hp.n_layer,
                        n_tensors);
    m->norms_in =
        m->hp.may_have_norms_in && bnt_gguf_tensor(m->gguf, "blk.0.attn_q_norm_in.weight");
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
