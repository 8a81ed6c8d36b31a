/*
 * sample.h - the parts of NUMERICS clause 10, for who knows some logits only (choose.c).
 */
#ifndef BNT_RUN_SAMPLE_H
#define BNT_RUN_SAMPLE_H

#include <stdbool.h>

#include "bitnet/bitnet.h"

enum { BNT_BIASES_MOST = 1024 }; /* that a command line, a request or a receipt may have */

struct bnt_token_value {
    float value; /* a logit, then a probability */
    uint32_t id;
};

bool bnt_sampling_greedy(const struct bnt_sampling *s);
/* Whether the repetition penalty, or one of the penalties on tokens that were made, does anything.
 */
bool bnt_sampling_looks_back(const struct bnt_sampling *s);
bool bnt_sampling_counts(const struct bnt_sampling *s);

/* Steps 2 and 3: a logit, with its bias, of a token that is among the last repeat_last (recent) and
 * was made so often. */
float bnt_sample_penalised(const struct bnt_sampling *s, float logit, bool recent, uint32_t made);

/* Steps 4 to 8, from all candidates that can count, in any order; `scratch` has room for as many.
 */
int32_t bnt_sample_from(const struct bnt_sampling *s, struct bnt_token_value *c, uint32_t count,
                        uint64_t draw, struct bnt_token_value *scratch);

/* The seed that answer k of several under one seed draws with: 0 is the seed itself. */
uint64_t bnt_sampling_seed(uint64_t seed, uint32_t k);

#endif
