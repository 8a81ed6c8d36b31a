/*
 * turns_old.c - turns of receipts from before templates were run.
 *
 * Such a receipt names one of our templates, and its texts are only in its tokens. The one idea:
 * rendered with other texts in their place, a template shows where they stand, and what stands
 * around them.
 */
#include <stdlib.h>
#include <string.h>

#include "turns.h"

/* Where n marked bytes lie together in a rendering: the first such place, or the last. */
static bool find_place(const struct bnt_rendering *r, size_t n, bool last, size_t *at) {
    bool found = false;
    for (size_t i = 0; i + n <= r->len && n; i++) {
        if (!r->marks[i] || (i && r->marks[i - 1])) continue;
        size_t end = i;
        while (end < r->len && r->marks[end]) end++;
        if (end - i != n && !(last && end == r->len)) continue;
        *at = last ? end - n : i;
        found = true;
        if (!last) break;
    }
    return found;
}

/* The conversation so far with texts put in the place of those that are looked for. */
static int render_with(const struct bnt_turn_walk *w, const char *system, size_t system_len,
                       struct bnt_rendering *r, struct bnt_err *err) {
    size_t n = 0, turns = w->chat.n_turns;
    struct bnt_message *m = malloc((2 * turns + 2) * sizeof *m);
    if (!m) return bnt_fail_nomem(err, "a conversation", turns);
    if (system) m[n++] = (struct bnt_message){BNT_ROLE_SYSTEM, system, system_len, 0};
    for (size_t i = 0; i < turns; i++) {
        const struct bnt_chat_turn *t = &w->chat.turns[i];
        m[n++] = (struct bnt_message){BNT_ROLE_USER, t->user, t->user_len, 0};
        m[n++] = (struct bnt_message){BNT_ROLE_ASSISTANT, t->answer, t->answer_len, t->own};
    }
    m[n++] = (struct bnt_message){BNT_ROLE_USER, "\x01", 1, 0};
    int status = bnt_template_render(&w->tm, m, n, 0, r, err);
    free(m);
    return status;
}

/* The text of the turn's tokens behind that of the tokens before them: what is to be rendered. */
static int whole_text(const struct bnt_turn_walk *w, const int32_t *ids, size_t n, char **out,
                      size_t *len, struct bnt_err *err) {
    const struct bnt_chat_context *x =
        w->chat.n_turns ? &w->chat.turns[w->chat.n_turns - 1].after : NULL;
    char *text;
    size_t more;
    int status = bnt_chat_text(w->chat.tokenizer, ids, n, x == NULL, &text, &more, err);
    if (status != BNT_OK || !x) {
        *out = text;
        *len = more;
        return status;
    }
    *out = malloc(x->len + more + 1);
    if (*out) {
        memcpy(*out, x->text, x->len);
        memcpy(*out + x->len, text, more);
    }
    *len = x->len + more;
    free(text);
    return *out ? BNT_OK : bnt_fail_nomem(err, "a conversation", *len);
}

/* The user's text, and of a first turn the system text of so many bytes, by the template's words
 * around them. Not found: *user stays NULL. Both point into `text`. */
static int find_texts(const struct bnt_turn_walk *w, const char *text, size_t len,
                      size_t system_len, const char **system, const char **user, size_t *user_len,
                      struct bnt_err *err) {
    char *filler = malloc(system_len + 1);
    struct bnt_rendering r = {0};
    size_t at = 0, of_system = 0;
    if (!filler) return bnt_fail_nomem(err, "a system text", system_len);
    memset(filler, 1, system_len);
    const char *known = w->chat.system ? w->chat.system : system_len ? filler : NULL;
    int status = render_with(w, known, w->chat.system ? w->chat.system_len : system_len, &r, err);
    bool first = w->chat.n_turns == 0 && system_len > 0;
    if (status == BNT_OK && find_place(&r, 1, true, &at) &&
        (!first || (find_place(&r, system_len, false, &of_system) && of_system < at))) {
        size_t tail = r.len - at - 1;
        bool fits = len >= at + tail && memcmp(text + len - tail, r.text + at + 1, tail) == 0;
        for (size_t i = 0; i < at && fits; i++)
            fits = text[i] == r.text[i] || (first && i >= of_system && i < of_system + system_len);
        if (fits) {
            *system = text + of_system;
            *user = text + at;
            *user_len = len - at - tail;
        }
    }
    bnt_rendering_free(&r);
    free(filler);
    return status;
}

int bnt_turn_verify_old(struct bnt_turn_walk *w, size_t k, const json_t *prompt, const int32_t *ids,
                        size_t n, size_t keep, struct bnt_err *err) {
    size_t system_len = (size_t)bnt_turn_number(prompt, "system_bytes"), len = 0, user_len = 0,
           depth = 0;
    const char *user = NULL, *system = NULL;
    bool fits = false;
    char *text;
    while (keep && depth < w->chat.n_turns && w->chat.turns[depth].after.count != keep) depth++;
    if (keep && depth == w->chat.n_turns) {
        SAY(w, "turns[%zu].keep: no answer ends after %zu tokens", k, keep);
        return BNT_OK;
    }
    if (keep)
        bnt_chat_rewind(&w->chat, depth + 1);
    else
        bnt_chat_begin(&w->chat, NULL, 0, err);
    if (system_len && keep)
        SAY(w, "turns[%zu].prompt.system_bytes: only a first turn has a system text", k);
    int status = whole_text(w, ids, n, &text, &len, err);
    if (status != BNT_OK) return status;
    if (system_len <= len)
        status = find_texts(w, text, len, keep ? 0 : system_len, &system, &user, &user_len, err);
    if (status == BNT_OK && user && system_len && !keep)
        status = bnt_chat_begin(&w->chat, system, system_len, err);
    if (status == BNT_OK && user)
        status = bnt_turn_try(w, ids, n, keep, user, user_len, &fits, err);
    if (status == BNT_OK && fits)
        status = bnt_turn_compare(w, k, prompt, bnt_turn_hashes(user, user_len, err), err);
    /* Byte-level tokens always give their text back; others may not, and the receipt says so. */
    else if (status == BNT_OK && (json_is_true(json_object_get(prompt, "recoverable")) ||
                                  strcmp(bnt_tokenizer_info(w->chat.tokenizer)->kind, "gpt2") == 0))
        SAY(w, "turns[%zu].prompt.ids are no rendering by template '%s'", k, w->tm.name);
    else if (status == BNT_OK)
        w->unchecked = bnt_receipt_turns(w->receipt) - k; /* what follows stands on this */
    free(text);
    return status;
}
