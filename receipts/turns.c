/*
 * turns.c - receipts of conversations: result.turns made, and taken apart.
 *
 * The one idea: a turn is a run whose prompt is all that the model saw before the answer, so that
 * what is known of receipts of runs serves turn by turn (bnt_receipt_turn).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "turns.h"

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
    snprintf(seed, sizeof seed, "%" PRIu64, bnt_receipt_sampling(receipt).seed + k);
    sampling = json_copy(json_object_get(result, "sampling"));
    prompt = json_copy(json_object_get(bnt_turn_at(receipt, k), "prompt"));
    json_object_set_new(sampling, "seed", json_string(seed));
    json_object_set_new(prompt, "ids", ids);
    json_t *run = json_copy((json_t *)result);
    json_object_del(run, "turns");
    if (json_object_set_new(run, "sampling", sampling) != 0 ||
        json_object_set_new(run, "prompt", prompt) != 0 ||
        json_object_set(run, "output", json_object_get(bnt_turn_at(receipt, k), "output")) != 0) {
        json_decref(run);
        return bnt_fail_nomem(err, "a turn", 0);
    }
    *out = json_pack("{s:o, s:O}", "result", run, "circumstance",
                     json_object_get(receipt, "circumstance"));
    return *out ? BNT_OK : bnt_fail_nomem(err, "a turn", 0);
}

/* ---- texts ---------------------------------------------------------------------------------- */

int32_t *bnt_turn_ids(const json_t *list, size_t *n) {
    *n = json_array_size(list);
    int32_t *ids = malloc((*n + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < *n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return ids;
}

json_t *bnt_turn_hashes(const char *text, size_t len, struct bnt_err *err) {
    char blake3[65], sha256[65];
    bnt_blake3(text, len, blake3);
    if (bnt_receipt_sha256(text, len, sha256, err) != BNT_OK) return NULL;
    return json_pack("{s:I, s:s, s:s}", "bytes", (json_int_t)len, "blake3", blake3, "sha256",
                     sha256);
}

/* A text as it is where JSON can carry it, else the digits of its bytes. */
json_t *bnt_turn_text(const char *text, size_t len) {
    json_t *as_is = memchr(text, '\0', len) ? NULL : json_stringn(text, len);
    if (as_is) return json_pack("{s:s, s:o}", "encoding", "utf-8", "text", as_is);
    char *hex = malloc(2 * len + 1);
    for (size_t i = 0; hex && i < len; i++)
        snprintf(hex + 2 * i, 3, "%02x", (unsigned)(unsigned char)text[i]);
    json_t *o = hex ? json_pack("{s:s, s:s}", "encoding", "hex", "text", hex) : NULL;
    free(hex);
    return o;
}

/* ---- writing -------------------------------------------------------------------------------- */

static json_t *one_turn(const struct bnt_receipt_turn *turn, struct bnt_err *err) {
    json_t *prompt = bnt_turn_hashes(turn->user, turn->user_len, err);
    json_object_set_new(prompt, "user", bnt_turn_text(turn->user, turn->user_len));
    if (turn->system)
        json_object_set_new(prompt, "system", bnt_turn_text(turn->system, turn->system_len));
    json_object_set_new(prompt, "system_bytes",
                        json_integer(turn->system ? (json_int_t)turn->system_len : 0));
    json_object_set_new(prompt, "recoverable", json_true());
    json_object_set_new(prompt, "ids", bnt_receipt_ids(turn->ids, turn->n_ids));
    return json_pack("{s:I, s:I, s:o, s:o}", "keep", (json_int_t)turn->keep, "depth",
                     (json_int_t)turn->depth, "prompt", prompt, "output",
                     bnt_receipt_output(turn->generation, err));
}

json_t *bnt_receipt_turn_list(const struct bnt_receipt_run *run, struct bnt_err *err) {
    json_t *list = json_array();
    for (size_t k = 0; k < run->n_turns; k++) {
        if (json_array_append_new(list, one_turn(&run->turns[k], err)) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}
