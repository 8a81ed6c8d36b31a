/*
 * synth_i2s.h - I2_S tensors of synthetic models in any of the three layouts, with or without the
 * structure that training leaves.
 *
 * The structure: some channels matter less than others, and have fewer weights that are not zero
 * wherever they occur. A channel of the feed-forward part occurs as a row of ffn_gate and ffn_up
 * and as a column of ffn_down, one of attention as a row of attn_v and as columns of attn_output
 * (one for each head of a group), one of the residual stream as a column of what reads it and a row
 * of what writes to it.
 */
#ifndef TEST_SYNTH_I2S_H
#define TEST_SYNTH_I2S_H

#include <stdint.h>

#include "gguf_write.h"

struct synth_i2s {
    char name[64]; /* of the tensor: "blk.0.attn_q.weight" */
    uint64_t seed, rows, cols;
    float scale;
    char layout;     /* 'a', 'b' (rows a multiple of 4) or 'c' */
    float structure; /* 0: none; 1: the least of channels has no weights */
    uint32_t head_dim, heads_per_kv;
};

/* A gw_fill over a struct synth_i2s: the trits that a tensor of that seed and name has in every
 * other type, less those that the structure takes. */
void synth_i2s_fill(void *context, struct gw_sink *sink);

#endif
