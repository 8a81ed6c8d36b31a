/*
 * hparams.h - what a file's metadata says about its network: sizes, and the graph's variants.
 *
 * Knows architectures and keys; must not know tensors. Every key is either computed here, known to
 * change nothing, or the file is refused with the key's name (keys.h).
 */
#ifndef BNT_MODEL_HPARAMS_H
#define BNT_MODEL_HPARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "file/gguf.h"
#include "model/rope.h"

enum { BNT_MAX_LAYERS = 1024 };

struct bnt_hparams {
    char arch[32];
    char name[128]; /* general.name, printable */
    uint32_t n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim;
    uint32_t vocab_size; /* the key, 0 without */
    uint32_t n_vocab;    /* rows of the embedding; 0 until tensors are bound */
    uint64_t n_ctx_train;
    float norm_eps;
    uint32_t n_rot, rope_style; /* BNT_ROPE_* */
    double rope_base;
    struct bnt_rope_scaling rope_scaling;
    bool longrope;          /* two sets of factors; contexts up to original_context are short */
    uint32_t gate;          /* BNT_GATE_* */
    bool sub_norms;         /* attn_sub_norm and ffn_sub_norm */
    bool qk_norms;          /* RMSNorm over each head of q and k */
    bool biases;            /* of q, k and v */
    bool post_norms;        /* RMSNorm of what a branch adds to the residual stream */
    bool may_have_norms_in; /* an RMSNorm of its own before each projection, if tensors say so */
    float attn_scale;       /* of scores: 1 / sqrt(head_dim) unless a key says otherwise */
    /* Factors of the embedding, of what a branch adds, and of what the head reads; 1 without. */
    float embd_scale, branch_scale, head_scale;
    /* Layers that see the last `window` positions only; 0: no layer does. */
    uint32_t window;
    double window_rope_base; /* theirs: without scaling and factors */
    bool windowed[BNT_MAX_LAYERS];
};

enum {
    BNT_MAX_CONTEXT = 1 << 24, /* positions: what rope.c is exact for */
    BNT_MAX_VOCAB = 1 << 24,
};

/* Fills *hp, or says which key is missing, wrong or not understood. */
int bnt_hparams_read(struct bnt_hparams *hp, const struct bnt_gguf *g, struct bnt_err *err);

#endif
