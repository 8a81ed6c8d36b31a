/*
 * turns.c - receipts of conversations: result.turns made, taken apart, and their prompts checked.
 *
 * The one idea: a turn is a run whose prompt is all that the model saw before the answer, so that
 * what is known of receipts of runs serves turn by turn (bnt_receipt_turn).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"
#include "run/chat.h"
#include "verify.h"

static json_int_t number(const json_t *o, const char *name) {
    return json_integer_value(json_object_get(o, name));
}

static const json_t *turn_at(const json_t *receipt, size_t k) {
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
        const json_t *turn = turn_at(receipt, i);
        size_t keep = (size_t)number(turn, "keep"), n = json_array_size(ids);
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
    prompt = json_copy(json_object_get(turn_at(receipt, k), "prompt"));
    json_object_set_new(sampling, "seed", json_string(seed));
    json_object_set_new(prompt, "ids", ids);
    json_t *run = json_copy((json_t *)result);
    json_object_del(run, "turns");
    if (json_object_set_new(run, "sampling", sampling) != 0 ||
        json_object_set_new(run, "prompt", prompt) != 0 ||
        json_object_set(run, "output", json_object_get(turn_at(receipt, k), "output")) != 0) {
        json_decref(run);
        return bnt_fail_nomem(err, "a turn", 0);
    }
    *out = json_pack("{s:o, s:O}", "result", run, "circumstance",
                     json_object_get(receipt, "circumstance"));
    return *out ? BNT_OK : bnt_fail_nomem(err, "a turn", 0);
}

/* ---- prompts -------------------------------------------------------------------------------- */

static int32_t *ids_of(const json_t *list, size_t *n) {
    *n = json_array_size(list);
    int32_t *ids = malloc((*n + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < *n; i++)
        ids[i] = (int32_t)json_integer_value(json_array_get(list, i));
    return ids;
}

/* Finds the texts in a turn's tokens; `*own`, which they point into, is malloc'd. False when the
 * tokens are not those that the template makes of these texts. */
static int find_texts(bool *found, const struct bnt_template *tm, const struct bnt_tokenizer *t,
                      struct bnt_turn *turn, const int32_t *ids, size_t n, char **own,
                      struct bnt_err *err) {
    struct bnt_token_list again = {0};
    size_t len;
    *found = false;
    int status = bnt_chat_text(t, ids, n, turn->first, own, &len, err);
    if (status == BNT_OK && bnt_template_parse(tm, t, *own, len, turn)) {
        status = bnt_template_encode(tm, t, turn, &again, err);
        *found = status == BNT_OK && again.count == n && !memcmp(again.ids, ids, n * sizeof *ids);
    }
    bnt_token_list_free(&again);
    return status;
}

static json_t *hashes_of(const char *text, size_t len, struct bnt_err *err) {
    char blake3[65], sha256[65];
    bnt_blake3(text, len, blake3);
    if (bnt_receipt_sha256(text, len, sha256, err) != BNT_OK) return NULL;
    return json_pack("{s:I, s:s, s:s}", "bytes", (json_int_t)len, "blake3", blake3, "sha256",
                     sha256);
}

/* What the tokens themselves say of the template: whether it puts BOS first. */
static int template_of(struct bnt_template *tm, const struct bnt_tokenizer *t, const char *name,
                       int32_t first_id, struct bnt_err *err) {
    int status = bnt_template_choose(tm, NULL, t, name, err);
    int32_t bos = bnt_tokenizer_info(t)->bos;
    tm->bos = bos >= 0 && first_id == bos;
    return status;
}

/* ---- writing -------------------------------------------------------------------------------- */

static json_t *one_turn(const struct bnt_receipt_turn *turn, bool recoverable,
                        struct bnt_err *err) {
    json_t *prompt = hashes_of(turn->user, turn->user_len, err);
    json_object_set_new(prompt, "system_bytes", json_integer((json_int_t)turn->system_len));
    json_object_set_new(prompt, "recoverable", json_boolean(recoverable));
    json_object_set_new(prompt, "ids", bnt_receipt_ids(turn->ids, turn->n_ids));
    return json_pack("{s:I, s:o, s:o}", "keep", (json_int_t)turn->keep, "prompt", prompt, "output",
                     bnt_receipt_output(turn->generation, err));
}

/* Whether the tokens give back the texts, as a verifier will try. */
static int try_texts(bool *recoverable, const struct bnt_template *tm, struct bnt_chat *chat,
                     const struct bnt_receipt_turn *r, struct bnt_err *err) {
    struct bnt_turn turn = {.system_len = r->system_len};
    const struct bnt_generation *g = r->generation;
    char *own = NULL;
    if (!bnt_chat_rewind(chat, r->keep))
        return bnt_fail(err, BNT_E_USAGE, "a turn after %zu tokens: no answer ended there",
                        r->keep);
    bnt_chat_next(chat, &turn);
    int status = find_texts(recoverable, tm, chat->tokenizer, &turn, r->ids, r->n_ids, &own, err);
    *recoverable = *recoverable && turn.user_len == r->user_len &&
                   (r->user_len == 0 || memcmp(turn.user, r->user, r->user_len) == 0);
    if (status == BNT_OK) status = bnt_chat_add(chat, r->ids, r->n_ids, err);
    if (status == BNT_OK) status = bnt_chat_answer(chat, g->tokens, g->n_tokens, g->text_len, err);
    free(own);
    return status;
}

json_t *bnt_receipt_turn_list(const struct bnt_engine *e, const struct bnt_receipt_run *run,
                              struct bnt_err *err) {
    struct bnt_chat chat = {.tokenizer = e->tokenizer};
    struct bnt_template tm;
    json_t *list = json_array();
    int status = template_of(&tm, e->tokenizer, run->template_id, run->turns[0].ids[0], err);
    for (size_t k = 0; k < run->n_turns && status == BNT_OK; k++) {
        bool recoverable;
        status = try_texts(&recoverable, &tm, &chat, &run->turns[k], err);
        if (status == BNT_OK &&
            json_array_append_new(list, one_turn(&run->turns[k], recoverable, err)) != 0)
            status = bnt_fail_nomem(err, "the receipt", 0);
    }
    bnt_chat_free(&chat);
    if (status == BNT_OK) return list;
    json_decref(list);
    return NULL;
}

/* ---- verifying ------------------------------------------------------------------------------ */

/* Takes over `here`. */
static int compare_hashes(struct bnt_verification *v, size_t k, const json_t *prompt, json_t *here,
                          struct bnt_err *err) {
    const char *key;
    json_t *value;
    if (!here) return bnt_fail_nomem(err, "facts of a turn", 0);
    json_object_foreach(here, key, value) {
        if (!json_equal(value, json_object_get(prompt, key)))
            bnt_verify_say(v, BNT_CHECK_PROMPT, BNT_DIFFERS,
                           "turns[%zu].prompt.%s is not that of the text in its tokens", k, key);
    }
    json_decref(here);
    return BNT_OK;
}

static int verify_turn(struct bnt_verification *v, const json_t *receipt, size_t k,
                       const struct bnt_template *tm, struct bnt_chat *chat, size_t *unchecked,
                       struct bnt_err *err) {
    const json_t *prompt = json_object_get(turn_at(receipt, k), "prompt");
    struct bnt_turn turn = {.system_len = (size_t)number(prompt, "system_bytes")};
    bool said = json_is_true(json_object_get(prompt, "recoverable")), found;
    size_t n;
    int32_t *ids = ids_of(json_object_get(prompt, "ids"), &n);
    char *own = NULL;
    if (!ids) return bnt_fail_nomem(err, "a turn", n * sizeof *ids);
    bnt_chat_next(chat, &turn);
    if (turn.system_len && !turn.first)
        bnt_verify_say(v, BNT_CHECK_PROMPT, BNT_DIFFERS,
                       "turns[%zu].prompt.system_bytes: only a first turn has a system text", k);
    int status = find_texts(&found, tm, chat->tokenizer, &turn, ids, n, &own, err);
    if (status == BNT_OK && found)
        status = compare_hashes(v, k, prompt, hashes_of(turn.user, turn.user_len, err), err);
    /* Byte-level tokens always give their text back; others may not, and the receipt says so. */
    else if (status == BNT_OK &&
             (said || strcmp(bnt_tokenizer_info(chat->tokenizer)->kind, "gpt2") == 0))
        bnt_verify_say(v, BNT_CHECK_PROMPT, BNT_DIFFERS,
                       "turns[%zu].prompt.ids are no rendering by template '%s'", k, tm->name);
    else if (status == BNT_OK)
        ++*unchecked;
    if (status == BNT_OK) status = bnt_chat_add(chat, ids, n, err);
    free(own);
    free(ids);
    return status;
}

/* The answer's tokens become context; what is no text of theirs is told. */
static int pass_answer(struct bnt_verification *v, const json_t *receipt, size_t k,
                       struct bnt_chat *chat, struct bnt_err *err) {
    const json_t *output = json_object_get(turn_at(receipt, k), "output");
    struct bnt_err why = {0};
    size_t n;
    int32_t *ids = ids_of(json_object_get(output, "ids"), &n);
    if (!ids) return bnt_fail_nomem(err, "a turn", n * sizeof *ids);
    int status = bnt_chat_answer(chat, ids, n, (size_t)number(output, "text_bytes"), &why);
    free(ids);
    if (status == BNT_E_MISMATCH) {
        bnt_verify_say(v, BNT_CHECK_PROMPT, BNT_DIFFERS, "turns[%zu].output: %s", k, why.text);
        return BNT_OK;
    }
    return status == BNT_OK ? BNT_OK : bnt_fail(err, status, "%s", why.text);
}

static bool ids_known(struct bnt_verification *v, const json_t *receipt, size_t k, const char *part,
                      uint32_t vocab_size) {
    const json_t *list = json_object_get(json_object_get(turn_at(receipt, k), part), "ids");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t id = json_integer_value(json_array_get(list, i));
        if (id < (json_int_t)vocab_size) continue;
        bnt_verify_say(v, BNT_CHECK_PROMPT, BNT_DIFFERS,
                       "turns[%zu].%s.ids[%zu]: %" JSON_INTEGER_FORMAT
                       " is not in the vocabulary of %u",
                       k, part, i, id, vocab_size);
        return false;
    }
    return true;
}

int bnt_verify_turns(struct bnt_verification *v, const json_t *receipt,
                     const struct bnt_tokenizer *t, struct bnt_err *err) {
    const enum bnt_check c = BNT_CHECK_PROMPT;
    const char *name =
        json_string_value(json_object_get(json_object_get(receipt, "result"), "template"));
    const json_t *first = json_object_get(json_object_get(turn_at(receipt, 0), "prompt"), "ids");
    struct bnt_chat chat = {.tokenizer = t};
    struct bnt_template tm;
    struct bnt_err why = {0};
    size_t n = bnt_receipt_turns(receipt), unchecked = 0;
    int status =
        template_of(&tm, t, name, (int32_t)json_integer_value(json_array_get(first, 0)), &why);
    if (status != BNT_OK) {
        bnt_verify_say(v, c, BNT_DIFFERS, "template: %s", why.text);
        return BNT_OK;
    }
    for (size_t k = 0; k < n && status == BNT_OK; k++) {
        size_t keep = (size_t)number(turn_at(receipt, k), "keep");
        bool ends = bnt_chat_rewind(&chat, keep);
        if (!ends)
            bnt_verify_say(v, c, BNT_DIFFERS, "turns[%zu].keep: no answer ends after %zu tokens", k,
                           keep);
        if (!ends || !ids_known(v, receipt, k, "prompt", bnt_tokenizer_info(t)->vocab_size) ||
            !ids_known(v, receipt, k, "output", bnt_tokenizer_info(t)->vocab_size))
            break;
        status = verify_turn(v, receipt, k, &tm, &chat, &unchecked, err);
        if (status == BNT_OK) status = pass_answer(v, receipt, k, &chat, err);
        if (v->checks[c].state == BNT_DIFFERS) break; /* what follows stands on this */
    }
    bnt_chat_free(&chat);
    if (status != BNT_OK) return status;
    if (unchecked)
        bnt_verify_say(v, c, BNT_NOT_CHECKED,
                       "the texts of %zu of %zu turns cannot be had from their tokens", unchecked,
                       n);
    else
        bnt_verify_say(v, c, BNT_AGREES, "%zu turn%s by template '%s', as the tokens say", n,
                       n == 1 ? "" : "s", tm.name);
    return BNT_OK;
}
