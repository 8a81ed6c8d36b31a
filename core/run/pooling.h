/*
 * pooling.h - one vector for a text: which hidden states a model's file says it is made of, and its
 * length. The pooling itself is a context's (sequences.h), or the server's, whose prompts are cut.
 */
#ifndef BNT_RUN_POOLING_H
#define BNT_RUN_POOLING_H

#include "bitnet/bitnet.h"

/* ARCHITECTURE.pooling_type of the file: 1 mean, 2 the first token, 3 the last; without it, or
 * where it is -1 (unspecified), the mean. BNT_E_UNSUPPORTED for 0, a vector for each token, and for
 * what is no pooling of hidden states. */
int bnt_pooling_of(const struct bnt_engine *engine, enum bnt_pooling *pooling, struct bnt_err *err);

/* To length 1: squares summed in binary64, in order, and each value divided, rounded once. A vector
 * of zeros stays. */
void bnt_normalize(float *v, uint32_t n);

#endif
