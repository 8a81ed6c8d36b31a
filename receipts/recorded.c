/*
 * recorded.c - what a receipt says of how its run was made: its sampling and its layout of weights.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "read.h"

static const json_t *sampling_of(const json_t *receipt) {
    return json_object_get(json_object_get(receipt, "result"), "sampling");
}

static float optional(const json_t *o, const char *name) {
    const json_t *bits = json_object_get(o, name);
    return bits ? bnt_receipt_float(bits) : 0.0f;
}

struct bnt_sampling bnt_receipt_sampling(const json_t *receipt,
                                         struct bnt_bias biases[BNT_BIASES_MOST]) {
    const json_t *o = sampling_of(receipt), *list = json_object_get(o, "logit_bias");
    struct bnt_sampling s = {
        .temperature = bnt_receipt_float(json_object_get(o, "temperature")),
        .top_k = (uint32_t)json_integer_value(json_object_get(o, "top_k")),
        .top_p = bnt_receipt_float(json_object_get(o, "top_p")),
        .min_p = bnt_receipt_float(json_object_get(o, "min_p")),
        .repeat_penalty = bnt_receipt_float(json_object_get(o, "repeat_penalty")),
        .repeat_last = (uint32_t)json_integer_value(json_object_get(o, "repeat_last")),
        .seed = strtoull(json_string_value(json_object_get(o, "seed")), NULL, 10),
        .presence_penalty = optional(o, "presence_penalty"),
        .frequency_penalty = optional(o, "frequency_penalty"),
        .biases = biases,
        .n_biases = (uint32_t)json_array_size(list)};
    for (uint32_t i = 0; i < s.n_biases; i++) {
        const json_t *one = json_array_get(list, i);
        biases[i] = (struct bnt_bias){(int32_t)json_integer_value(json_object_get(one, "id")),
                                      bnt_receipt_float(json_object_get(one, "bias"))};
    }
    return s;
}

bool bnt_receipt_wants_logprobs(const json_t *receipt, unsigned *top) {
    const json_t *n = json_object_get(sampling_of(receipt), "logprobs");
    *top = (unsigned)json_integer_value(n);
    return n != NULL;
}

const char *bnt_receipt_i2s_layout(const json_t *receipt) {
    const json_t *model = json_object_get(json_object_get(receipt, "result"), "model");
    const char *layout = json_string_value(json_object_get(model, "i2s_layout"));
    return layout ? layout : "a";
}
