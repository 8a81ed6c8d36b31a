/*
 * plan.h - the network as a flat list of operations, built once from a model.
 *
 * An operation names buffers, a matrix or a gain, and sizes; it knows no arithmetic and no threads.
 * Consecutive operations that take each token by itself form a chain: one thread does all of them
 * for a token, so that its values stay in the cache and nobody waits in between. `wait` marks where
 * threads must meet: before a chain that touches what others have touched since the last meeting.
 */
#ifndef BNT_MODEL_PLAN_H
#define BNT_MODEL_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "model/model.h"

enum bnt_op_kind {
    BNT_OP_EMBED,     /* out[t] = row id[t] of the embedding */
    BNT_OP_SELECT,    /* out[i] = in[wanted token i]: only these go through the head */
    BNT_OP_NORM,      /* out = RMSNorm(in) * gain */
    BNT_OP_QUANTIZE,  /* acts(block) = in */
    BNT_OP_LINEAR,    /* out = matrix * in, or * acts for a ternary matrix */
    BNT_OP_ROPE,      /* in place on out */
    BNT_OP_KV_STORE,  /* cache of layer = in (K), in2 (V) */
    BNT_OP_ATTENTION, /* out = attention(in = Q, cache of layer) */
    BNT_OP_GATE,      /* out = act(in) * in2 */
    BNT_OP_ADD,       /* out += in */
    BNT_OP_COUNT,
};

/* f32 buffers [tokens][width]; ACTS holds quantized activations, CACHE stands for the layer's KV.
 */
enum bnt_buffer {
    BNT_BUF_NONE,
    BNT_BUF_X,      /* residual stream [n_embd] */
    BNT_BUF_NORM,   /* normalised input of linears [max width] */
    BNT_BUF_Q,      /* [n_head * head_dim] */
    BNT_BUF_K,      /* [n_head_kv * head_dim] */
    BNT_BUF_V,      /* [n_head_kv * head_dim] */
    BNT_BUF_ATTN,   /* [n_head * head_dim] */
    BNT_BUF_GATE,   /* [n_ff] */
    BNT_BUF_UP,     /* [n_ff] */
    BNT_BUF_BRANCH, /* output of a block, before it joins X [n_embd] */
    BNT_BUF_WANTED, /* X of the wanted tokens [n_embd] */
    BNT_BUF_LOGITS, /* [n_vocab] */
    BNT_BUF_ACTS,
    BNT_BUF_CACHE,
    BNT_BUF_COUNT,
};

#define BNT_NO_MATRIX UINT32_MAX

struct bnt_op {
    enum bnt_op_kind kind;
    enum bnt_buffer in, in2, out;
    uint32_t matrix;   /* LINEAR, EMBED */
    uint32_t layer;    /* the block it belongs to; n_layer for the parts around the blocks */
    const float *gain; /* NORM */
    uint32_t width; /* values per token (NORM: and head) of `out`; of `in` for QUANTIZE, KV_STORE */
    uint32_t heads; /* ROPE, KV_STORE; NORM: of width values each, per token (1 but for q, k) */
    uint32_t block; /* QUANTIZE */
    uint32_t chain; /* how many operations the chain that begins here has; 0: inside a chain */
    bool wait;      /* threads meet before this chain */
    bool on_wanted; /* runs over the wanted tokens, not all of the batch */
};

struct bnt_plan {
    struct bnt_op *ops;
    uint32_t n_ops;
    uint32_t width[BNT_BUF_COUNT]; /* values per token; 0 for ACTS and CACHE */
};

/* After weights are scanned: a matrix's block decides how its input is quantized. */
int bnt_plan_build(struct bnt_plan *plan, const struct bnt_model *m, struct bnt_err *err);
void bnt_plan_free(struct bnt_plan *plan);
/* Whether the operation takes each token by itself; if not, it is sliced by rows or heads, and is a
 * chain of its own. */
bool bnt_op_by_token(enum bnt_op_kind kind);
const char *bnt_op_name(enum bnt_op_kind kind);

#endif
