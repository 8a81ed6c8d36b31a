/*
 * model.h - a network as a GGUF file has it: hyperparameters (hparams.h) and tensors bound by name
 * (bind.h), every key and every tensor understood or the file refused. Knows nothing of kernels or
 * threads.
 */
#ifndef BNT_MODEL_MODEL_H
#define BNT_MODEL_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "file/gguf.h"
#include "file/ternary.h"
#include "file/types.h"
#include "model/hparams.h"

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

/* The layout of the model's I2_S tensors: i2s_layout.h. */
enum bnt_i2s_known {
    BNT_I2S_NONE,    /* it has none */
    BNT_I2S_STATED,  /* the caller said it */
    BNT_I2S_FOUND,   /* the weights told it */
    BNT_I2S_ASSUMED, /* they could not, and A is what most files have */
};

struct bnt_i2s_finding {
    enum bnt_i2s_layout layout;
    enum bnt_i2s_known known;
    enum bnt_i2s_layout seen; /* the one that the weights fit best ... */
    double margin;            /* ... by this many standard deviations of chance */
    bool contradicted;        /* they tell another layout than was stated */
};

/* Indices into bnt_model.matrices; norms are owned copies. */
struct bnt_layer {
    uint32_t wq, wk, wv, wo, gate, up, down;
    float *attn_norm, *attn_sub_norm, *ffn_norm, *ffn_sub_norm; /* sub-norms NULL without */
    float *q_norm, *k_norm;                                     /* [head_dim]; NULL without */
    float *bq, *bk, *bv;                                        /* biases; NULL without */
    float *post_attn_norm, *post_ffn_norm;                      /* [n_embd]; NULL without */
    float *q_norm_in, *k_norm_in, *v_norm_in, *gate_norm_in, *up_norm_in; /* NULL without */
};

struct bnt_model {
    const struct bnt_gguf *gguf; /* borrowed */
    struct bnt_hparams hp;
    struct bnt_matrix *matrices;
    uint32_t n_matrices;
    struct bnt_layer *layers;
    uint32_t embedding, head; /* matrices; equal when tied */
    float *output_norm;
    bool norms_in; /* an RMSNorm of its own before each projection: of o and down, sub-norms */
    float *rope_factors;      /* [n_rot / 2] divisors of the frequencies, or NULL */
    float *rope_factors_long; /* with longrope; then rope_factors are those of short contexts */
    uint64_t parameters, ternary_parameters;
    struct bnt_i2s_finding i2s; /* set after opening, before weights are decoded */
};

/* The GGUF must outlive the model. */
int bnt_model_open(struct bnt_model **out, const struct bnt_gguf *g, struct bnt_err *err);
void bnt_model_close(struct bnt_model *m);

/* Sets of rotary frequencies. */
enum bnt_rope_set { BNT_ROPE_ALL, BNT_ROPE_WINDOW, BNT_ROPE_SETS };

/* freq [n_rot / 2] of a set, in a session of n_ctx positions. */
void bnt_model_frequencies(const struct bnt_model *m, enum bnt_rope_set set, uint64_t n_ctx,
                           double *freq);
/* The least context that a session may have to compute what one of n_ctx positions does. */
uint64_t bnt_model_least_context(const struct bnt_model *m, uint64_t n_ctx);

#endif
