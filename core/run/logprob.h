/*
 * logprob.h - how likely a model finds its tokens: NUMERICS clause 11.
 *
 * Log-softmax of logits as the model gives them, in binary64 and without libm, so that it has the
 * same bits everywhere. Knows nothing of sampling.
 */
#ifndef BNT_RUN_LOGPROB_H
#define BNT_RUN_LOGPROB_H

#include <stdint.h>

#include "bitnet/sequences.h"

enum { BNT_LOGPROBS_MOST = 20 }; /* likeliest tokens that can be listed beside the chosen one */

/* What the log-probabilities of one vector of logits have in common. */
struct bnt_softmax {
    double max, log_sum;
};

struct bnt_softmax bnt_softmax_of(const float *logits, uint32_t n); /* n >= 1, all finite */

static inline double bnt_logprob(const struct bnt_softmax *s, float logit) {
    return ((double)logit - s->max) - s->log_sum;
}

/* The k likeliest tokens in the order of clause 10, each with its log-probability, as binary32, in
 * `logit`; returns how many there are. */
uint32_t bnt_logprob_best(const struct bnt_softmax *s, const float *logits, uint32_t n, uint32_t k,
                          struct bnt_top *best);

#endif
