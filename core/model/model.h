/*
 * model.h - what a GGUF file says about its network: sizes, the graph's variants, the weights.
 *
 * Reads metadata and binds tensors by name, checking every shape; refuses tensors the graph would
 * not use, since ignoring one (a bias, a norm) is how engines become silently wrong. Knows nothing
 * of kernels or threads.
 */
#ifndef BNT_MODEL_MODEL_H
#define BNT_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "file/gguf.h"
#include "file/types.h"
#include "model/rope.h"

struct bnt_hparams {
    char arch[32];
    char name[128]; /* general.name, printable */
    uint32_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim, n_vocab;
    uint64_t n_ctx_train;
    float norm_eps;
    uint32_t n_rot, rope_style; /* BNT_ROPE_* */
    double rope_base;
    struct bnt_rope_scaling rope_scaling;
    uint32_t gate;    /* BNT_GATE_* */
    bool sub_norms;   /* attn_sub_norm and ffn_sub_norm */
    bool qk_norms;    /* RMSNorm over each head of q and k */
    float attn_scale; /* 1 / sqrt(head_dim) */
};

/* A weight matrix as it lies in the file, [rows][cols]. */
struct bnt_matrix {
    char name[96];
    uint64_t rows, cols;
    bool ternary;
    struct bnt_ternary_src src; /* ternary: block and scale are set by loading (run/weights.c) */
    float extra_scale;          /* NAME.scale tensor, 1 without one; ternary only */
    uint32_t dense_type;        /* dense: BNT_TYPE_* */
    const uint8_t *data;        /* dense */
    uint64_t bytes;
};

/* Indices into bnt_model.matrices; norms are owned copies. */
struct bnt_layer {
    uint32_t wq, wk, wv, wo, gate, up, down;
    float *attn_norm, *attn_sub_norm, *ffn_norm, *ffn_sub_norm; /* sub-norms NULL without */
    float *q_norm, *k_norm;                                     /* [head_dim]; NULL without */
};

struct bnt_model {
    const struct bnt_gguf *gguf; /* borrowed */
    struct bnt_hparams hp;
    struct bnt_matrix *matrices;
    uint32_t n_matrices;
    struct bnt_layer *layers;
    uint32_t embedding, head; /* matrices; equal when tied */
    float *output_norm;
    float *rope_factors; /* [n_rot / 2] divisors of the frequencies, or NULL */
    uint64_t parameters, ternary_parameters;
};

/* The GGUF must outlive the model. */
int bnt_model_open(struct bnt_model **out, const struct bnt_gguf *g, struct bnt_err *err);
void bnt_model_close(struct bnt_model *m);

#endif
