/*
 * op.h - what an operation of the plan is: which buffers it reads and writes, and how many values.
 *
 * The one idea: one row of a table for each kind of operation. Where threads must meet, how the
 * executor shares an operation out, and what a judge must be given and must compare are all read
 * from that row, so that nobody can forget an operand. Must not know what an operation computes.
 */
#ifndef BNT_MODEL_OP_H
#define BNT_MODEL_OP_H

#include <stdbool.h>
#include <stdint.h>

enum bnt_op_kind {
    BNT_OP_EMBED,     /* out[t] = row id[t] of the embedding */
    BNT_OP_SELECT,    /* out[i] = in[wanted token i]: only these go through the head */
    BNT_OP_NORM,      /* out = RMSNorm(in) * gain, over each head by itself */
    BNT_OP_QUANTIZE,  /* acts(block) = in */
    BNT_OP_LINEAR,    /* out = matrix * in, or * acts for a ternary matrix */
    BNT_OP_ROPE,      /* out is rotated, in place */
    BNT_OP_KV_STORE,  /* cache of layer = in (K), in2 (V) */
    BNT_OP_ATTENTION, /* out = attention(in = Q, cache of layer) */
    BNT_OP_GATE,      /* out = act(in) * in2 */
    BNT_OP_ADD,       /* out += in */
    BNT_OP_BIAS,      /* out += gain, the same for each token */
    BNT_OP_SCALE,     /* out *= factor */
    BNT_OP_COUNT,
};

/* f32 buffers [tokens][width]; ACTS holds quantized activations, CACHE stands for the layer's KV:
 * these two are in a layout of the backend's own. */
enum bnt_buffer {
    BNT_BUF_NONE,
    BNT_BUF_X,      /* residual stream [n_embd] */
    BNT_BUF_NORM,   /* normalised input of linears [max width] */
    BNT_BUF_INPUT,  /* the same, normalised once more for one of them [n_embd] */
    BNT_BUF_Q,      /* [n_head * head_dim] */
    BNT_BUF_K,      /* [n_head_kv * head_dim] */
    BNT_BUF_V,      /* [n_head_kv * head_dim] */
    BNT_BUF_ATTN,   /* [n_head * head_dim] */
    BNT_BUF_GATE,   /* [n_ff] */
    BNT_BUF_UP,     /* [n_ff] */
    BNT_BUF_BRANCH, /* output of a branch, before it joins X [n_embd] */
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
    uint32_t in_width; /* values per token of `in`, and of `in2` where that is f32 */
    uint32_t width;    /* values per token of `out`, all heads together; 0 where out is not f32 */
    uint32_t heads;    /* equal parts that a token's values consist of; 1 where they are one */
    uint32_t matrix;   /* LINEAR, EMBED */
    uint32_t layer;    /* that it belongs to; n_layer for the parts around the layers */
    const float *gain; /* NORM [width / heads], BIAS [width] */
    float factor;      /* SCALE */
    uint32_t set;      /* ROPE: which frequencies (model.h) */
    uint32_t window;   /* ATTENTION: positions that a token sees; 0: all */
    const char
        *tensor;    /* name of the matrix or, without "blk.N.", of the gain; "" without either */
    uint32_t block; /* QUANTIZE */
    uint32_t chain; /* how many operations the chain that begins here has; 0: inside a chain */
    bool wait;      /* threads meet before this chain */
    bool on_wanted; /* writes a row for each wanted token, not for each of the batch */
};

/* What a team of threads shares out. */
enum bnt_op_cut {
    BNT_CUT_TOKENS, /* tokens, each taken by itself: such operations form chains */
    BNT_CUT_ROWS,   /* rows of the matrix */
    BNT_CUT_HEADS,  /* heads, and parts of the context */
};

/* A row of the table. */
struct bnt_op_form {
    const char *name;
    enum bnt_op_cut cut;
    bool updates; /* what it writes it has read before: it is in place */
    bool selects; /* it reads a row for each token of the batch, and writes one for each wanted */
};

const struct bnt_op_form *bnt_op_form(enum bnt_op_kind kind);
const char *bnt_op_name(enum bnt_op_kind kind);

/* One thing that an operation reads or writes. */
struct bnt_operand {
    enum bnt_buffer buffer;
    uint32_t width; /* values per token; of ACTS and CACHE, those that go in */
    bool on_wanted; /* it has a row for each wanted token, not for each of the batch */
};

enum { BNT_OP_MOST_READS = 3 };

/* All that it reads, and how many they are; `out` is among them where it is in place. */
unsigned bnt_op_reads(const struct bnt_op *op, struct bnt_operand reads[BNT_OP_MOST_READS]);
struct bnt_operand bnt_op_writes(const struct bnt_op *op);

/* Values that any backend can read: [tokens][width] f32. */
static inline bool bnt_buffer_is_f32(enum bnt_buffer b) {
    return b != BNT_BUF_NONE && b != BNT_BUF_ACTS && b != BNT_BUF_CACHE;
}

#endif
