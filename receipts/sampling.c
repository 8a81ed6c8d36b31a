/*
 * sampling.c - how tokens were chosen, as a receipt says it, and their log-probabilities.
 *
 * Members that came later than the first receipts are written where they say something, so that a
 * run without them has the receipt that it always had.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "facts.h"

static json_t *bias_facts(const struct bnt_sampling *s) {
    json_t *list = s->n_biases ? json_array() : NULL;
    for (uint32_t i = 0; i < s->n_biases; i++) {
        json_t *one = json_pack("{s:i, s:o}", "id", (int)s->biases[i].id, "bias",
                                bnt_receipt_bits(s->biases[i].bias));
        if (json_array_append_new(list, one) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *bits_unless_zero(float f) {
    return f != 0.0f ? bnt_receipt_bits(f) : NULL;
}

json_t *bnt_receipt_sampling_facts(const struct bnt_generate_options *o) {
    const struct bnt_sampling *s = &o->sampling;
    char seed[24];
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    return json_pack("{s:o, s:I, s:o, s:o, s:o, s:I, s:s, s:o*, s:o*, s:o*, s:o*}", "temperature",
                     bnt_receipt_bits(s->temperature), "top_k", (json_int_t)s->top_k, "top_p",
                     bnt_receipt_bits(s->top_p), "min_p", bnt_receipt_bits(s->min_p),
                     "repeat_penalty", bnt_receipt_bits(s->repeat_penalty), "repeat_last",
                     (json_int_t)s->repeat_last, "seed", seed, "presence_penalty",
                     bits_unless_zero(s->presence_penalty), "frequency_penalty",
                     bits_unless_zero(s->frequency_penalty), "logit_bias", bias_facts(s),
                     "logprobs", o->logprobs ? json_integer(o->top_logprobs) : NULL);
}

json_t *bnt_receipt_step_logprobs(float logprob, const struct bnt_top *top, uint32_t n) {
    json_t *ids = json_array(), *values = json_array();
    for (uint32_t i = 0; i < n; i++) {
        json_array_append_new(ids, json_integer(top[i].id));
        json_array_append_new(values, bnt_receipt_bits(top[i].logit));
    }
    return json_pack("{s:o, s:o, s:o}", "logprob", bnt_receipt_bits(logprob), "top_ids", ids,
                     "top_logprobs", values);
}

json_t *bnt_receipt_logprobs(const struct bnt_generation *g) {
    json_t *list = json_array();
    for (size_t i = 0; i < g->n_tokens; i++) {
        json_t *step = bnt_receipt_step_logprobs(
            g->logprobs[i], g->top_logprobs + i * g->n_top_logprobs, g->n_top_logprobs);
        if (json_array_append_new(list, step) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}
