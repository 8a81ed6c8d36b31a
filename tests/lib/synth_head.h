/*
 * synth_head.h - embeddings, head and last norm of synthetic models with what training leaves in
 * them, as far as a search of the head can tell: random ones are the hardest that there are.
 *
 * Two things were measured on the demo model of 0.10 (4096 x 256, 300 tokens of a text it never
 * saw). Some channels matter more, in embedding, head and last norm alike: cosines between rows of
 * the head and hidden states spread 1.33 times as far as those of random vectors. And the row of
 * the token that comes next stands out: by 5.7 times that spread, on the median. Here channels have
 * log-normal factors, the same in all three tensors, and row r + 1 of the head is row r of the
 * embedding, which the residual stream keeps: so that the next token is the next id.
 */
#ifndef TEST_SYNTH_HEAD_H
#define TEST_SYNTH_HEAD_H

#include <stdint.h>

#include "gguf_write.h"

struct synth_head {
    uint64_t seed, rows, cols;
    uint32_t type;  /* dense */
    uint64_t later; /* rows that all are moved by: 0 for the embedding, 1 for the head */
    float scale;    /* standard deviation where a channel's factor is 1 */
};

/* A gw_fill over a struct synth_head. */
void synth_head_fill(void *context, struct gw_sink *sink);
/* One over the last norm: rows 0, type F32. */
void synth_head_norm(void *context, struct gw_sink *sink);
/* The factor by which branches add less than in a random model, for a row that stands out by z. */
float synth_head_branches(float z, uint32_t blocks);

#endif
