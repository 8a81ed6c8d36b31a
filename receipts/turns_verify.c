/*
 * turns_verify.c - are the prompts of a conversation what its template makes of its texts?
 *
 * The one idea: a verifier holds the same conversation again, with the answers that the receipt
 * has, and compares the tokens. Nothing a user wrote can then be a control token, since the
 * rendering sees to that.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_memory.h"
#include "turns.h"

int bnt_turn_compare(struct bnt_turn_walk *w, size_t k, const json_t *prompt, json_t *here,
                     struct bnt_err *err) {
    const char *key;
    json_t *value;
    if (!here) return bnt_fail_nomem(err, "facts of a turn", 0);
    json_object_foreach(here, key, value) {
        if (!json_equal(value, json_object_get(prompt, key)))
            SAY(w, "turns[%zu].prompt.%s is not that of the text in its tokens", k, key);
    }
    json_decref(here);
    return BNT_OK;
}

/* The tokens of the turn that the template makes of these texts are those of the receipt. Adds the
 * turn. *fits false: they are others, and nothing was added. */
int bnt_turn_try(struct bnt_turn_walk *w, const int32_t *ids, size_t n, size_t keep,
                 const char *user, size_t len, bool *fits, struct bnt_err *err) {
    size_t made_keep;
    struct bnt_err why = {0};
    *fits = false;
    int status = bnt_chat_ask(&w->chat, user, len, &made_keep, &why);
    if (status == BNT_E_NOMEM) return bnt_fail(err, status, "%s", why.text);
    if (status != BNT_OK) return BNT_OK; /* the template refuses the texts */
    const struct bnt_chat_context *x = &w->chat.turns[w->chat.n_turns - 1].before;
    *fits = made_keep == keep && x->count == keep + n && keep <= w->n_seen &&
            memcmp(x->ids + keep, ids, n * sizeof *ids) == 0 &&
            (keep == 0 || memcmp(x->ids, w->seen, keep * sizeof *ids) == 0);
    if (!*fits) bnt_chat_rewind(&w->chat, w->chat.n_turns - 1);
    return BNT_OK;
}

/* The reverse, to be freed; NULL: no digits, or no memory (json_memory.h). */
static char *text_of(const json_t *o, size_t *len) {
    const json_t *text = json_object_get(o, "text");
    const char *s = json_string_value(text);
    size_t n = json_string_length(text);
    char *out = bnt_json_take(n + 1);
    if (!out || strcmp(json_string_value(json_object_get(o, "encoding")), "hex") != 0) {
        if (out) memcpy(out, s, n + 1);
        *len = n;
        return out;
    }
    *len = n / 2;
    for (size_t i = 0; i < n; i += 2) {
        unsigned byte;
        if (n % 2 || strspn(s + i, "0123456789abcdef") < 2 || sscanf(s + i, "%2x", &byte) != 1) {
            free(out);
            return NULL;
        }
        out[i / 2] = (char)byte;
    }
    out[n / 2] = '\0';
    return out;
}

/* ---- of any -----------------------------------------------------------------------------------
 */

/* A text has one form in a receipt, and what is said of it follows from it. */
static int compare_texts(struct bnt_turn_walk *w, size_t k, const json_t *prompt, const char *user,
                         size_t len, const char *system, size_t system_len, struct bnt_err *err) {
    json_t *forms[2] = {bnt_turn_text(user, len),
                        system ? bnt_turn_text(system, system_len) : NULL};
    if (!forms[0] || (system && !forms[1])) return bnt_fail_nomem(err, "a text", len + system_len);
    if (!json_equal(forms[0], json_object_get(prompt, "user")) ||
        (system && !json_equal(forms[1], json_object_get(prompt, "system"))))
        SAY(w, "turns[%zu].prompt: a text is not in the form that it has in receipts", k);
    if (bnt_turn_number(prompt, "system_bytes") != (json_int_t)system_len)
        SAY(w, "turns[%zu].prompt.system_bytes is not that of the text", k);
    if (!json_is_true(json_object_get(prompt, "recoverable")))
        SAY(w, "turns[%zu].prompt.recoverable: the texts are there", k);
    json_decref(forms[0]);
    json_decref(forms[1]);
    return BNT_OK;
}

static int verify_turn(struct bnt_turn_walk *w, size_t k, const json_t *prompt, const int32_t *ids,
                       size_t n, size_t keep, struct bnt_err *err) {
    const json_t *texts[2] = {json_object_get(prompt, "user"), json_object_get(prompt, "system")};
    size_t depth = (size_t)bnt_turn_number(bnt_turn_at(w->receipt, k), "depth"), len = 0,
           system_len = 0;
    bool fits = false;
    if (depth > w->chat.n_turns || (depth && texts[1])) {
        SAY(w,
            depth > w->chat.n_turns ? "turns[%zu].depth: there are fewer turns before it"
                                    : "turns[%zu].prompt.system: only a first turn has one",
            k);
        return BNT_OK;
    }
    char *user = text_of(texts[0], &len),
         *system = texts[1] ? text_of(texts[1], &system_len) : NULL;
    int status = BNT_OK;
    if (!user || (texts[1] && !system)) {
        SAY(w, "turns[%zu].prompt: a text that is none", k);
    } else {
        if (depth)
            bnt_chat_rewind(&w->chat, depth);
        else
            status = bnt_chat_begin(&w->chat, system, system_len, err);
        if (status == BNT_OK) status = bnt_turn_try(w, ids, n, keep, user, len, &fits, err);
        if (status == BNT_OK && !fits)
            SAY(w, "turns[%zu].prompt.ids are no rendering by template '%s'", k, w->tm.name);
        if (status == BNT_OK)
            status = bnt_turn_compare(w, k, prompt, bnt_turn_hashes(user, len, err), err);
        if (status == BNT_OK)
            status = compare_texts(w, k, prompt, user, len, system, system_len, err);
    }
    free(user);
    free(system);
    return status;
}

/* The answer's tokens become context; what is no text of theirs is told. */
static int pass_answer(struct bnt_turn_walk *w, size_t k, struct bnt_err *err) {
    const json_t *output = json_object_get(bnt_turn_at(w->receipt, k), "output");
    const struct bnt_chat_context *x = &w->chat.turns[w->chat.n_turns - 1].before;
    struct bnt_err why = {0};
    size_t n;
    int32_t *ids = bnt_turn_ids(json_object_get(output, "ids"), &n);
    int32_t *seen = realloc(w->seen, (x->count + n + 1) * sizeof *seen);
    if (seen) w->seen = seen;
    if (!ids || !seen) {
        free(ids);
        return bnt_fail_nomem(err, "a turn", n * sizeof *ids);
    }
    memcpy(seen, x->ids, x->count * sizeof *seen);
    memcpy(seen + x->count, ids, n * sizeof *seen);
    w->n_seen = x->count + n;
    int status =
        bnt_chat_answer(&w->chat, ids, n, (size_t)bnt_turn_number(output, "text_bytes"), &why);
    free(ids);
    if (status == BNT_E_MISMATCH) {
        SAY(w, "turns[%zu].output: %s", k, why.text);
        return BNT_OK;
    }
    return status == BNT_OK ? BNT_OK : bnt_fail(err, status, "%s", why.text);
}

static bool ids_known(struct bnt_turn_walk *w, size_t k, const char *part) {
    const json_t *list = json_object_get(json_object_get(bnt_turn_at(w->receipt, k), part), "ids");
    uint32_t vocab_size = bnt_tokenizer_info(w->chat.tokenizer)->vocab_size;
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_int_t id = json_integer_value(json_array_get(list, i));
        if (id < (json_int_t)vocab_size) continue;
        SAY(w, "turns[%zu].%s.ids[%zu]: %" JSON_INTEGER_FORMAT " is not in the vocabulary of %u", k,
            part, i, id, vocab_size);
        return false;
    }
    return true;
}

static int walk_turns(struct bnt_turn_walk *w, struct bnt_err *err) {
    size_t n = bnt_receipt_turns(w->receipt);
    int status = BNT_OK;
    for (size_t k = 0; k < n && status == BNT_OK && !w->unchecked; k++) {
        const json_t *prompt = json_object_get(bnt_turn_at(w->receipt, k), "prompt");
        size_t keep = (size_t)bnt_turn_number(bnt_turn_at(w->receipt, k), "keep"), count;
        if (!ids_known(w, k, "prompt") || !ids_known(w, k, "output")) break;
        int32_t *ids = bnt_turn_ids(json_object_get(prompt, "ids"), &count);
        if (!ids) return bnt_fail_nomem(err, "a turn", 0);
        status = w->old ? bnt_turn_verify_old(w, k, prompt, ids, count, keep, err)
                        : verify_turn(w, k, prompt, ids, count, keep, err);
        free(ids);
        /* What follows stands on this. */
        if (status != BNT_OK || w->v->checks[BNT_CHECK_PROMPT].state == BNT_DIFFERS || w->unchecked)
            break;
        status = pass_answer(w, k, err);
        if (w->v->checks[BNT_CHECK_PROMPT].state == BNT_DIFFERS) break;
    }
    return status;
}

/* The template that the receipt names; *missing: of a file that was not given. */
static int open_template(struct bnt_turn_walk *w, const struct bnt_verify_template *at,
                         bool *missing, struct bnt_err *err) {
    const json_t *result = json_object_get(w->receipt, "result");
    const char *name = json_string_value(json_object_get(result, "template"));
    const json_t *prompt = json_object_get(bnt_turn_at(w->receipt, 0), "prompt");
    const json_t *first = json_object_get(prompt, "ids");
    int32_t bos = bnt_tokenizer_info(w->chat.tokenizer)->bos;
    bool file = !w->old && strcmp(name, "file") == 0, model = !w->old && strcmp(name, "model") == 0;
    struct bnt_template_choice choice = {.old = w->old};
    *missing = file && (!at || !at->text);
    if (*missing) return BNT_OK;
    if (file) {
        choice.text = at->text;
        choice.len = at->len;
    } else if (!model) {
        choice.name = name;
    }
    choice.old_bos = bos >= 0 && json_integer_value(json_array_get(first, 0)) == bos;
    const json_t *given = w->old ? NULL : json_object_get(prompt, "system");
    char *system = given ? text_of(given, &choice.system_len) : NULL;
    choice.system = system;
    int status = bnt_template_open(&w->tm, at ? at->g : NULL, w->chat.tokenizer, &choice, err);
    free(system);
    return status;
}

/* "2026-01-31" as seconds since 1970; "": nobody asked for the date. */
static int64_t time_of(const char *date) {
    struct tm t = {0};
    if (!date || sscanf(date, "%4d-%2d-%2d", &t.tm_year, &t.tm_mon, &t.tm_mday) != 3) return 0;
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    return (int64_t)timegm(&t);
}

/* The date is there if somebody asked for it, and has one form. */
static void compare_date(struct bnt_turn_walk *w, const char *date) {
    time_t day = (time_t)w->chat.time;
    struct tm parts;
    char form[16] = "";
    if (w->chat.used_time && gmtime_r(&day, &parts))
        strftime(form, sizeof form, "%Y-%m-%d", &parts);
    if (strcmp(date, form) != 0)
        SAY(w, "template_date: %s", w->chat.used_time ? "no date" : "nobody asked for it");
}

static void say_outcome(const struct bnt_turn_walk *w) {
    size_t n = bnt_receipt_turns(w->receipt);
    if (w->unchecked)
        bnt_verify_say(w->v, BNT_CHECK_PROMPT, BNT_NOT_CHECKED,
                       "the texts of %zu of %zu turns cannot be had from their tokens",
                       w->unchecked, n);
    else
        bnt_verify_say(w->v, BNT_CHECK_PROMPT, BNT_AGREES,
                       "%zu turn%s by template '%s', as the tokens say", n, n == 1 ? "" : "s",
                       w->tm.name);
}

int bnt_verify_turns(struct bnt_verification *v, const json_t *receipt,
                     const struct bnt_tokenizer *t, const struct bnt_verify_template *at,
                     struct bnt_err *err) {
    const json_t *result = json_object_get(receipt, "result");
    const char *sha256 = json_string_value(json_object_get(result, "template_sha256"));
    const char *date = json_string_value(json_object_get(result, "template_date"));
    struct bnt_turn_walk w = {
        .v = v, .receipt = receipt, .chat = {.tokenizer = t}, .old = sha256 == NULL};
    struct bnt_err why = {0};
    bool missing;
    int status = open_template(&w, at, &missing, &why);
    if (status == BNT_E_NOMEM) return bnt_fail(err, status, "%s", why.text);
    if (status != BNT_OK) {
        SAY(&w, "template: %s", why.text);
        return BNT_OK;
    }
    if (missing) {
        bnt_verify_say(v, BNT_CHECK_PROMPT, BNT_NOT_CHECKED,
                       "the conversation was made with a template file (sha256 %.16s...): "
                       "--chat-template=FILE names it",
                       sha256);
        return BNT_OK;
    }
    w.chat.template = &w.tm;
    w.chat.time = time_of(date);
    if (sha256 && strcmp(sha256, w.tm.sha256) != 0)
        SAY(&w, "template_sha256: the receipt's is %.16s..., that of '%s' is %.16s...", sha256,
            w.tm.name, w.tm.sha256);
    else
        status = walk_turns(&w, err);
    if (status == BNT_OK && !w.old) compare_date(&w, date);
    if (status == BNT_OK) say_outcome(&w);
    bnt_chat_free(&w.chat);
    bnt_template_close(&w.tm);
    free(w.seen);
    return status;
}
