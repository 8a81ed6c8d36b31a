/*
 * turns.c - receipts of conversations, taken apart.
 *
 * The one idea: a turn is a run whose prompt is all that the model saw before the answer, so that
 * what is known of receipts of runs serves turn by turn (bnt_receipt_turn).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_memory.h"
#include "read.h"

json_int_t bnt_turn_number(const json_t *o, const char *name) {
    return json_integer_value(json_object_get(o, name));
}

const json_t *bnt_turn_at(const json_t *receipt, size_t k) {
    return json_array_get(json_object_get(json_object_get(receipt, "result"), "turns"), k);
}

size_t bnt_receipt_turns(const json_t *receipt) {
    return json_array_size(json_object_get(json_object_get(receipt, "result"), "turns"));
}

/* ---- a turn as a run ------------------------------------------------------------------------ */

/* Appends a list to `ids`. */
static int add_all(json_t *ids, const json_t *more, struct bnt_err *err) {
    return json_array_extend(ids, (json_t *)more) == 0 ? BNT_OK : bnt_fail_nomem(err, "a turn", 0);
}

/* The context of turn k, its own tokens included, as a new list. */
static int context_of(json_t **out, const json_t *receipt, size_t k, struct bnt_err *err) {
    json_t *ids = json_array();
    int status = ids ? BNT_OK : bnt_fail_nomem(err, "a turn", 0);
    for (size_t i = 0; i <= k && status == BNT_OK; i++) {
        const json_t *turn = bnt_turn_at(receipt, i);
        size_t keep = (size_t)bnt_turn_number(turn, "keep"), n = json_array_size(ids);
        if (keep > n)
            status = bnt_fail(err, BNT_E_FORMAT,
                              "receipt: result.turns[%zu].keep: %zu of %zu tokens", i, keep, n);
        while (status == BNT_OK && n > keep) json_array_remove(ids, --n);
        if (status == BNT_OK)
            status = add_all(ids, json_object_get(json_object_get(turn, "prompt"), "ids"), err);
        if (status == BNT_OK && i < k)
            status = add_all(ids, json_object_get(json_object_get(turn, "output"), "ids"), err);
    }
    if (status == BNT_OK) {
        *out = ids;
        return BNT_OK;
    }
    json_decref(ids);
    return status;
}

int bnt_receipt_turn(json_t **out, const json_t *receipt, size_t k, struct bnt_err *err) {
    const json_t *result = json_object_get(receipt, "result");
    json_t *ids = NULL, *prompt, *sampling;
    char seed[24];
    *out = NULL;
    int status = context_of(&ids, receipt, k, err);
    if (status != BNT_OK) return status;
    struct bnt_bias biases[BNT_BIASES_MOST];
    snprintf(seed, sizeof seed, "%" PRIu64, bnt_receipt_sampling(receipt, biases).seed + k);
    sampling = json_copy(json_object_get(result, "sampling"));
    prompt = json_copy(json_object_get(bnt_turn_at(receipt, k), "prompt"));
    json_object_set_new(sampling, "seed", json_string(seed));
    json_object_set_new(prompt, "ids", ids);
    json_t *run = json_copy((json_t *)result);
    json_object_del(run, "turns");
    if (json_object_set_new(run, "sampling", sampling) != 0 ||
        json_object_set_new(run, "prompt", prompt) != 0 ||
        json_object_set(run, "output", json_object_get(bnt_turn_at(receipt, k), "output")) != 0)
        json_decref(run);
    else
        *out = json_pack("{s:o, s:O}", "result", run, "circumstance",
                         json_object_get(receipt, "circumstance"));
    if (!bnt_json_lost() && *out) return BNT_OK;
    json_decref(*out); /* a copy may lack a member */
    *out = NULL;
    return bnt_fail_nomem(err, "a turn", 0);
}

int32_t *bnt_turn_ids(const json_t *list, size_t *n) {
    *n = json_array_size(list);
    int32_t *ids = malloc((*n + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < *n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return ids;
}
