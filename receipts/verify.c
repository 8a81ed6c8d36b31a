/*
 * verify.c - the checks that need no computing: seals, model, tokenizer, prompt. See verify.h.
 *
 * The one idea: make the object that an honest receipt would hold, and name the members in which
 * the two differ.
 */
#include "verify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blake3.h"

const char *bnt_check_name(enum bnt_check c) {
    static const char *const names[] = {"seals",  "model",  "tokenizer",
                                        "prompt", "replay", "signature"};
    return (unsigned)c < BNT_CHECK_COUNT ? names[c] : "?";
}

const char *bnt_check_state_name(enum bnt_check_state s) {
    static const char *const names[] = {"not checked", "ok", "differs"};
    return (unsigned)s < 3 ? names[s] : "?";
}

void bnt_verify_say(struct bnt_verification *v, enum bnt_check c, enum bnt_check_state state,
                    const char *fmt, ...) {
    char *text = v->checks[c].text;
    size_t room = sizeof v->checks[c].text, used = 0;
    va_list ap;
    if (v->checks[c].state == BNT_DIFFERS) {
        if (state != BNT_DIFFERS) return;
        used = strlen(text);
        used += (size_t)snprintf(text + used, room - used, "; ");
        if (used >= room) return;
    }
    v->checks[c].state = state;
    va_start(ap, fmt);
    vsnprintf(text + used, room - used, fmt, ap);
    va_end(ap);
}

/* ---- seals ---------------------------------------------------------------------------------- */

static bool is_same(const json_t *a, const json_t *b, const char *key) {
    return json_equal(json_object_get(a, key), json_object_get(b, key));
}

int bnt_verify_seals(struct bnt_verification *v, const json_t *receipt, struct bnt_err *err) {
    const enum bnt_check c = BNT_CHECK_SEALS;
    json_t *now, *value;
    const char *key;
    char shown[80];
    int status = bnt_receipt_seals(receipt, &now, err);
    if (status != BNT_OK) return status;
    const json_t *old_fields = json_object_get(receipt, "field_sha256");
    const json_t *new_fields = json_object_get(now, "field_sha256");
    bool named = false;
    json_object_foreach((json_t *)new_fields, key, value) {
        const json_t *old = json_object_get(old_fields, key);
        bool of_result = strncmp(key, "result.", 7) == 0;
        if (old && json_equal(old, value)) continue;
        /* The whole part still fits its seal: then it is the field's seal that was touched. */
        if (is_same(receipt, now, of_result ? "result_sha256" : "circumstance_sha256"))
            bnt_verify_say(v, c, BNT_DIFFERS, "field_sha256: the seal of %.80s was %s", key,
                           old ? "changed" : "taken out");
        else
            bnt_verify_say(v, c, BNT_DIFFERS, "%.80s was %s after the receipt was written", key,
                           old ? "changed" : "added");
        named = true;
    }
    json_object_foreach((json_t *)old_fields, key, value) {
        if (json_object_get(new_fields, key)) continue;
        bnt_verify_say(v, c, BNT_DIFFERS, "field_sha256: nothing is at %s",
                       bnt_printable(shown, sizeof shown, key, strlen(key)));
        named = true;
    }
    if (!named && !is_same(receipt, now, "result_sha256"))
        bnt_verify_say(v, c, BNT_DIFFERS, "result_sha256 was changed");
    if (!named && !is_same(receipt, now, "circumstance_sha256"))
        bnt_verify_say(v, c, BNT_DIFFERS, "circumstance_sha256 was changed");
    bnt_verify_say(v, c, BNT_AGREES, "result %.16s..., circumstance %.16s...",
                   json_string_value(json_object_get(receipt, "result_sha256")),
                   json_string_value(json_object_get(receipt, "circumstance_sha256")));
    json_decref(now);
    return BNT_OK;
}

/* ---- model and tokenizer ------------------------------------------------------------------------
 */

static const json_t *part_of(const json_t *receipt, const char *name) {
    return json_object_get(json_object_get(receipt, "result"), name);
}

static int compare_member(struct bnt_verification *v, enum bnt_check c, const char *part,
                          const char *key, const json_t *there, const json_t *here,
                          struct bnt_err *err) {
    if (json_equal(there, here)) return BNT_OK;
    char *a = there ? bnt_receipt_canonical(there) : strdup("nothing");
    char *b = here ? bnt_receipt_canonical(here) : strdup("nothing");
    const bool made = a && b;
    if (made)
        bnt_verify_say(v, c, BNT_DIFFERS, "%s.%s: %.80s in the receipt, %.80s here", part, key, a,
                       b);
    free(a);
    free(b);
    return made ? BNT_OK : bnt_fail_nomem(err, "a comparison", 0);
}

/* Each member in which the receipt's part differs from `here` by name and both values. Takes over
 * `here`. */
static int compare(struct bnt_verification *v, enum bnt_check c, const json_t *receipt,
                   const char *part, json_t *here, struct bnt_err *err) {
    const char *key;
    json_t *value;
    int status = BNT_OK;
    json_object_foreach(here, key, value) {
        if (status == BNT_OK)
            status = compare_member(v, c, part, key, json_object_get(part_of(receipt, part), key),
                                    value, err);
    }
    json_decref(here);
    return status;
}

static bool has_i2s(const struct bnt_gguf *g) {
    for (size_t i = 0; i < bnt_gguf_tensor_count(g); i++)
        if (bnt_gguf_tensor_at(g, i)->type == BNT_I2_S) return true;
    return false;
}

/* What the receipt says of the model and the file does not have; which layout an I2_S file has the
 * replay will show. */
static int compare_rest(struct bnt_verification *v, const json_t *receipt, const json_t *here,
                        const struct bnt_gguf *g, struct bnt_err *err) {
    json_t *there = json_object_get(json_object_get(receipt, "result"), "model"), *value;
    const char *key;
    int status = BNT_OK;
    json_object_foreach(there, key, value) {
        bool open = strcmp(key, "i2s_layout") == 0 && has_i2s(g);
        if (status == BNT_OK && !open && !json_object_get(here, key))
            status = compare_member(v, BNT_CHECK_MODEL, "model", key, value, NULL, err);
    }
    return status;
}

int bnt_verify_model(struct bnt_verification *v, const json_t *receipt, const struct bnt_gguf *g,
                     struct bnt_err *err) {
    struct bnt_err why = {.status = BNT_E_NOMEM, .text = "out of memory: facts of the model"};
    json_t *here = bnt_receipt_model(g, v->model_sha256, NULL, &why);
    if (!here) return bnt_fail(err, why.status, "%s", why.text);
    int status = compare_rest(v, receipt, here, g, err);
    if (status != BNT_OK)
        json_decref(here);
    else
        status = compare(v, BNT_CHECK_MODEL, receipt, "model", here, err);
    bnt_verify_say(v, BNT_CHECK_MODEL, BNT_AGREES, "sha256 %s",
                   json_string_value(json_object_get(part_of(receipt, "model"), "sha256")));
    return status;
}

int bnt_verify_tokenizer(struct bnt_verification *v, const json_t *receipt,
                         const struct bnt_tokenizer *t, struct bnt_err *err) {
    struct bnt_err why = {.status = BNT_E_NOMEM, .text = "out of memory: facts of the tokenizer"};
    json_t *here = bnt_receipt_tokenizer(t, &why);
    if (!here) return bnt_fail(err, why.status, "%s", why.text);
    int status = compare(v, BNT_CHECK_TOKENIZER, receipt, "tokenizer", here, err);
    bnt_verify_say(v, BNT_CHECK_TOKENIZER, BNT_AGREES, "digest %s",
                   json_string_value(json_object_get(part_of(receipt, "tokenizer"), "digest")));
    return status;
}

/* ---- prompt --------------------------------------------------------------------------------- */

static bool flag(const json_t *o, const char *name) {
    return json_is_true(json_object_get(o, name));
}

static unsigned flags_of(const json_t *prompt) {
    return (flag(prompt, "add_bos") ? (unsigned)BNT_ENCODE_BOS : 0u) |
           (flag(prompt, "parse_special") ? (unsigned)BNT_ENCODE_PARSE_SPECIAL : 0u) |
           (flag(prompt, "exact") ? (unsigned)BNT_ENCODE_EXACT : 0u);
}

/* The hashes are those of the text. */
static int compare_hashes(struct bnt_verification *v, const json_t *receipt, const char *text,
                          size_t len, struct bnt_err *err) {
    char blake3[65], sha256[65];
    bnt_blake3(text, len, blake3);
    int status = bnt_receipt_sha256(text, len, sha256, err);
    if (status != BNT_OK) return status;
    json_t *here =
        json_pack("{s:I, s:s, s:s}", "bytes", (json_int_t)len, "blake3", blake3, "sha256", sha256);
    if (!here) return bnt_fail_nomem(err, "facts of the prompt", 0);
    return compare(v, BNT_CHECK_PROMPT, receipt, "prompt", here, err);
}

static uint64_t count_of(const char *text, size_t len, char c) {
    uint64_t count = 0;
    for (size_t i = 0; i < len; i++) count += text[i] == c;
    return count;
}

static bool holds(const int32_t *ids, size_t n, int32_t id) {
    for (size_t i = 0; i < n; i++) {
        if (ids[i] == id) return true;
    }
    return false;
}

static int encodes_to(bool *same, const struct bnt_tokenizer *t, const json_t *prompt,
                      const char *text, size_t len, const int32_t *ids, size_t n,
                      struct bnt_err *err) {
    struct bnt_token_list list = {0};
    int status = bnt_encode_prompt(t, text, len, flags_of(prompt), &list, err);
    *same = status == BNT_OK && list.count == n && memcmp(list.ids, ids, n * sizeof *ids) == 0;
    bnt_token_list_free(&list);
    return status;
}

/* The tokens are said not to give back their text. What texts could they have had? Byte-level
 * tokens have one, but for BOS alone, which an empty prompt has as well. SentencePiece writes a
 * literal U+2581 (three bytes) like a space; an unknown token hides anything. */
static int check_unrecoverable(struct bnt_verification *v, const json_t *receipt,
                               const struct bnt_tokenizer *t, const int32_t *ids, size_t n,
                               struct bnt_err *err) {
    const enum bnt_check c = BNT_CHECK_PROMPT;
    const json_t *prompt = part_of(receipt, "prompt");
    const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
    json_int_t bytes = json_integer_value(json_object_get(prompt, "bytes"));
    char *text = NULL;
    size_t len;
    bool same = false;
    int status = BNT_OK;
    if (bytes == 0) status = encodes_to(&same, t, prompt, "", 0, ids, n, err);
    if (status == BNT_OK && same) {
        status = compare_hashes(v, receipt, "", 0, err);
        bnt_verify_say(v, c, BNT_AGREES, "it was empty, and so begins with BOS alone");
        return status;
    }
    if (status == BNT_OK && strcmp(info->kind, "gpt2") == 0) {
        bnt_verify_say(
            v, c, BNT_DIFFERS,
            "prompt.recoverable: false, but byte-level tokens always give back their text");
        return BNT_OK;
    }
    if (status == BNT_OK)
        status = bnt_receipt_prompt_text(t, ids, n, flags_of(prompt), &text, &len, err);
    if (status == BNT_OK) status = encodes_to(&same, t, prompt, text, len, ids, n, err);
    if (status == BNT_OK && same && !holds(ids, n, info->unk)) {
        json_int_t more = bytes - (json_int_t)len;
        uint64_t spaces = count_of(text, len, ' ');
        if (more < 2 || more % 2 != 0 || (uint64_t)more > 2 * spaces)
            bnt_verify_say(v, c, BNT_DIFFERS,
                           "prompt.bytes: %" JSON_INTEGER_FORMAT
                           ", but tokens of a text of %zu bytes with %" PRIu64
                           " spaces may only stand for others in which some of these are U+2581",
                           bytes, len, spaces);
    }
    free(text);
    bnt_verify_say(v, c, BNT_NOT_CHECKED,
                   "its text cannot be had from its tokens; -p or -f gives it");
    return status;
}

/* The tokens are those of the text. */
static int compare_ids(struct bnt_verification *v, const json_t *prompt,
                       const struct bnt_tokenizer *t, const char *text, size_t len,
                       struct bnt_err *err) {
    struct bnt_token_list list = {0};
    const json_t *ids = json_object_get(prompt, "ids");
    size_t n = json_array_size(ids);
    int status = bnt_encode_prompt(t, text, len, flags_of(prompt), &list, err);
    for (size_t i = 0; i < n && i < list.count && status == BNT_OK; i++) {
        int32_t id = (int32_t)json_integer_value(json_array_get(ids, i));
        if (id == list.ids[i]) continue;
        bnt_verify_say(v, BNT_CHECK_PROMPT, BNT_DIFFERS,
                       "prompt.ids[%zu]: %d in the receipt, %d here", i, id, list.ids[i]);
        break;
    }
    if (status == BNT_OK && n != list.count)
        bnt_verify_say(v, BNT_CHECK_PROMPT, BNT_DIFFERS,
                       "prompt.ids: %zu tokens in the receipt, %zu here", n, list.count);
    bnt_token_list_free(&list);
    return status;
}

/* The ids as an array, unless one is no token: *ids stays NULL then. */
static int ids_of(struct bnt_verification *v, const json_t *prompt, uint32_t vocab_size,
                  int32_t **ids, size_t *n, struct bnt_err *err) {
    const json_t *list = json_object_get(prompt, "ids");
    *n = json_array_size(list);
    *ids = malloc(*n * sizeof **ids);
    if (!*ids) return bnt_fail_nomem(err, "the prompt", *n * sizeof **ids);
    for (size_t i = 0; i < *n; i++) {
        json_int_t id = json_integer_value(json_array_get(list, i));
        (*ids)[i] = (int32_t)id;
        if (id < (json_int_t)vocab_size) continue;
        bnt_verify_say(v, BNT_CHECK_PROMPT, BNT_DIFFERS,
                       "prompt.ids[%zu]: %" JSON_INTEGER_FORMAT " is not in the vocabulary of %u",
                       i, id, vocab_size);
        free(*ids);
        *ids = NULL;
        return BNT_OK;
    }
    return BNT_OK;
}

int bnt_verify_prompt(struct bnt_verification *v, const json_t *receipt,
                      const struct bnt_tokenizer *t, const char *text, size_t len,
                      const struct bnt_verify_template *template, struct bnt_err *err) {
    const enum bnt_check c = BNT_CHECK_PROMPT;
    const json_t *prompt = part_of(receipt, "prompt");
    const char *how = "its text hashes and encodes to what the receipt says";
    int32_t *ids = NULL;
    char *own = NULL;
    size_t n;
    if (bnt_receipt_turns(receipt)) return bnt_verify_turns(v, receipt, t, template, err);
    int status = ids_of(v, prompt, bnt_tokenizer_info(t)->vocab_size, &ids, &n, err);
    if (status != BNT_OK || !ids) goto out;
    if (strcmp(json_string_value(part_of(receipt, "template")), "raw") != 0)
        bnt_verify_say(
            v, c, BNT_DIFFERS,
            "template: a run's prompt goes to the model as it is, which is called 'raw'");
    if (!text && !flag(prompt, "recoverable")) {
        status = check_unrecoverable(v, receipt, t, ids, n, err);
        goto out;
    }
    if (!text) {
        status = bnt_receipt_prompt_text(t, ids, n, flags_of(prompt), &own, &len, err);
        if (status != BNT_OK) goto out;
        text = own;
        how = "the text of its tokens hashes and encodes to what the receipt says";
    }
    status = compare_hashes(v, receipt, text, len, err);
    if (status == BNT_OK) status = compare_ids(v, prompt, t, text, len, err);
    if (status == BNT_OK) bnt_verify_say(v, c, BNT_AGREES, "%s", how);
out:
    free(own);
    free(ids);
    return status;
}

/* ---- outcome -------------------------------------------------------------------------------- */

/* Nobody has to sign a receipt. */
static bool is_optional(const struct bnt_verification *v, enum bnt_check c) {
    return c == BNT_CHECK_SIGNATURE || (c == BNT_CHECK_REPLAY && v->no_replay);
}

/* The texts of all checks in that state; false: none is. */
static bool gather(struct bnt_err *all, const struct bnt_verification *v,
                   enum bnt_check_state state) {
    size_t used = 0;
    for (unsigned c = 0; c < BNT_CHECK_COUNT && used < sizeof all->text; c++) {
        if (v->checks[c].state != state) continue;
        if (state == BNT_NOT_CHECKED && is_optional(v, (enum bnt_check)c)) continue;
        used +=
            (size_t)snprintf(all->text + used, sizeof all->text - used, "%s%s: %s%s",
                             used ? "; " : "", bnt_check_name((enum bnt_check)c),
                             state == BNT_NOT_CHECKED ? "not checked: " : "", v->checks[c].text);
    }
    return used > 0;
}

int bnt_verify_outcome(const struct bnt_verification *v, struct bnt_err *err) {
    struct bnt_err all = {0};
    if (gather(&all, v, BNT_DIFFERS)) return bnt_fail(err, BNT_E_MISMATCH, "%s", all.text);
    if (gather(&all, v, BNT_NOT_CHECKED)) return bnt_fail(err, BNT_E_UNCHECKED, "%s", all.text);
    return BNT_OK;
}
