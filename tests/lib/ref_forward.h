/*
 * ref_forward.h - an independent forward pass in double precision, the tests' opinion of what a
 * model's logits are.
 *
 * Written from the facts about the models (docs/FORMATS.md), NUMERICS clauses 3, 4, 7 and the paper
 * on YaRN, in the plainest order: one token, one layer, one head at a time. Must share no code with
 * the engine but the GGUF reader, and must not follow it. It takes mutations: the errors that
 * engines of this field have really made, so that a test can prove that it would see each one.
 */
#ifndef TEST_REF_FORWARD_H
#define TEST_REF_FORWARD_H

#include <stddef.h>
#include <stdint.h>

#include "file/gguf.h"

/* X(name, bit, what is wrong) */
#define REF_MUTATIONS(X)                                                                           \
    X(REF_SWAP_GATE, 0, "SiLU for squared ReLU, or the reverse")                                   \
    X(REF_NO_ATTN_SUB_NORM, 1, "no attn_sub_norm")                                                 \
    X(REF_NO_FFN_SUB_NORM, 2, "no ffn_sub_norm")                                                   \
    X(REF_OTHER_ROPE, 3, "interleaved pairs for halves, or the reverse")                           \
    X(REF_NO_ROPE, 4, "no rotation at all")                                                        \
    X(REF_KV_MODULO, 5, "KV head h % kv_heads")                                                    \
    X(REF_NO_ATTN_RESIDUAL, 6, "attention replaces the residual stream")                           \
    X(REF_NO_FFN_RESIDUAL, 7, "feed-forward replaces the residual stream")                         \
    X(REF_NO_SCORE_SCALE, 8, "scores not divided by sqrt(head_dim)")                               \
    X(REF_SWAP_GATE_UP, 9, "activation on up instead of gate")                                     \
    X(REF_NO_GAINS, 10, "norms without their gains")                                               \
    X(REF_NO_OUTPUT_NORM, 11, "no output norm")                                                    \
    X(REF_NOT_CAUSAL, 12, "the last position invisible to itself")                                 \
    X(REF_ROPE_BASE, 13, "rope base 10000 whatever the file says (or 500000)")                     \
    X(REF_POSITION_OFF, 14, "positions of queries one too high")                                   \
    X(REF_RELU_NOT_SQUARED, 15, "ReLU without the square")                                         \
    X(REF_NO_WEIGHT_SCALE, 16, "ternary scale of ffn_down read as 1")                              \
    X(REF_NO_ACT_QUANT, 17, "activations not quantized")                                           \
    X(REF_EPS, 18, "epsilon ten times too small")                                                  \
    X(REF_EXACT_KV, 19, "keys and values not rounded to binary16")                                 \
    X(REF_NO_SCALE_TENSORS, 20, "NAME.scale tensors ignored")                                      \
    X(REF_NO_ROPE_SCALING, 21, "rope scaling keys and rope_freqs ignored")                         \
    X(REF_NO_Q_NORM, 22, "no norm of the queries' heads")                                          \
    X(REF_NO_K_NORM, 23, "no norm of the keys' heads")                                             \
    X(REF_NO_YARN_FACTOR, 24, "YaRN's factor read as 1 for the frequencies")                       \
    X(REF_YARN_LINEAR, 25, "YaRN's factor taken for all frequencies")                              \
    X(REF_NO_YARN_MAGNITUDE, 26, "YaRN's magnitude read as 1")                                     \
    X(REF_OTHER_BLOCK_SCALE, 27, "the scale of the next block")                                    \
    X(REF_NO_ATTN_FACTOR, 28, "rope.scaling.attn_factor ignored")                                  \
    X(REF_NO_ATTN_SCALE, 29, "attention.scale ignored")                                            \
    X(REF_NO_Q_BIAS, 30, "no bias of the queries")                                                 \
    X(REF_NO_K_BIAS, 31, "no bias of the keys")                                                    \
    X(REF_NO_V_BIAS, 32, "no bias of the values")                                                  \
    X(REF_NO_EMBD_SCALE, 33, "the embedding not scaled")                                           \
    X(REF_NO_BRANCH_SCALE, 34, "what branches add not scaled")                                     \
    X(REF_NO_LOGIT_SCALE, 35, "logits not divided")                                                \
    X(REF_OTHER_LONGROPE, 36, "the other set of longrope factors")                                 \
    X(REF_NO_NORMS_IN, 37, "no norm before each projection")                                       \
    X(REF_ONE_NORM_IN, 38, "the norm before q taken for k and v, too")                             \
    X(REF_NO_POST_NORMS, 39, "no norm of what branches add")                                       \
    X(REF_NO_WINDOW, 40, "layers with a window see all positions")                                 \
    X(REF_WINDOW_OFF, 41, "windows one position too long")                                         \
    X(REF_ONE_ROPE_BASE, 42, "layers with a window rotate like the others")                        \
    X(REF_GELU_SIGMOID, 43, "GELU by the sigmoid of 1.702 x")

#define X(name, bit, text) static const uint64_t name = UINT64_C(1) << (bit);
REF_MUTATIONS(X)
#undef X

struct ref_model; /* opaque */

/* NULL with *why set when the model is of a kind not known here. The GGUF must outlive it. */
struct ref_model *ref_open(const struct bnt_gguf *g, const char **why);
void ref_close(struct ref_model *m);
size_t ref_vocab(const struct ref_model *m);

/* logits[n][vocab] for tokens[n] from position 0; mutations are REF_* joined by |. */
void ref_forward(const struct ref_model *m, const int32_t *tokens, size_t n, uint64_t mutations,
                 double *logits);

/* sqrt(sum (a - b)^2 / sum b^2); infinite when a is not finite. */
double ref_distance(const float *a, const double *b, size_t n);

#endif
