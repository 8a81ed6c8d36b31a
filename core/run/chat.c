/* chat.c - see chat.h. */
#include "run/chat.h"

#include <stdlib.h>
#include <string.h>

/* ---- contexts ------------------------------------------------------------------------------- */

static void free_context(struct bnt_chat_context *x) {
    free(x->ids);
    free(x->ends);
    free(x->text);
    free(x->marks);
    *x = (struct bnt_chat_context){0};
}

static int new_context(struct bnt_chat_context *x, size_t count, size_t len, struct bnt_err *err) {
    *x = (struct bnt_chat_context){.ids = malloc((count + 1) * sizeof *x->ids),
                                   .ends = malloc((count + 1) * sizeof *x->ends),
                                   .text = malloc(len + 1),
                                   .marks = calloc(len + 1, 1)};
    if (x->ids && x->ends && x->text && x->marks) return BNT_OK;
    free_context(x);
    return bnt_fail_nomem(err, "the conversation", len);
}

static void add_tokens(struct bnt_chat_context *x, const int32_t *ids, const size_t *ends,
                       size_t shift, size_t n) {
    for (size_t i = 0; i < n; i++) {
        x->ids[x->count] = ids[i];
        x->ends[x->count++] = ends[i] + shift;
    }
}

static void add_text(struct bnt_chat_context *x, const char *text, const uint8_t *marks, size_t n) {
    if (n) memcpy(x->text + x->len, text, n);
    if (n && marks)
        memcpy(x->marks + x->len, marks, n);
    else if (n)
        memset(x->marks + x->len, 1, n);
    x->len += n;
    x->text[x->len] = '\0';
}

/* ---- turns ---------------------------------------------------------------------------------- */

static void free_turn(struct bnt_chat_turn *turn) {
    free(turn->user);
    free(turn->answer);
    free_context(&turn->before);
    free_context(&turn->after);
}

void bnt_chat_rewind(struct bnt_chat *c, size_t n) {
    while (c->n_turns > n) free_turn(&c->turns[--c->n_turns]);
}

void bnt_chat_free(struct bnt_chat *c) {
    bnt_chat_rewind(c, 0);
    free(c->turns);
    free(c->system);
    *c = (struct bnt_chat){.tokenizer = c->tokenizer, .template = c->template, .time = c->time};
}

int bnt_chat_begin(struct bnt_chat *c, const char *system, size_t len, struct bnt_err *err) {
    char *copy = system ? malloc(len + 1) : NULL;
    if (system && !copy) return bnt_fail_nomem(err, "the system text", len);
    if (copy) {
        memcpy(copy, system, len);
        copy[len] = '\0';
    }
    bnt_chat_rewind(c, 0);
    free(c->system);
    c->system = copy;
    c->system_len = len;
    return BNT_OK;
}

size_t bnt_chat_count(const struct bnt_chat *c) {
    return c->n_turns ? c->turns[c->n_turns - 1].after.count : 0;
}

static int push_turn(struct bnt_chat *c, const char *user, size_t len, struct bnt_err *err) {
    if (c->n_turns == c->capacity) {
        size_t capacity = 2 * c->capacity + 16;
        void *grown = realloc(c->turns, capacity * sizeof *c->turns);
        if (!grown) return bnt_fail_nomem(err, "the conversation", capacity * sizeof *c->turns);
        c->turns = grown;
        c->capacity = capacity;
    }
    struct bnt_chat_turn *turn = &c->turns[c->n_turns];
    *turn = (struct bnt_chat_turn){.user = malloc(len + 1), .user_len = len};
    if (!turn->user) return bnt_fail_nomem(err, "a message", len);
    if (len) memcpy(turn->user, user, len);
    turn->user[len] = '\0';
    c->n_turns++;
    return BNT_OK;
}

/* ---- asking --------------------------------------------------------------------------------- */

/* All messages through the template. */
static int render(struct bnt_chat *c, struct bnt_rendering *r, struct bnt_err *err) {
    struct bnt_message *m = malloc((2 * c->n_turns + 1) * sizeof *m);
    size_t n = 0;
    if (!m) return bnt_fail_nomem(err, "the conversation", (2 * c->n_turns + 1) * sizeof *m);
    if (c->system) m[n++] = (struct bnt_message){BNT_ROLE_SYSTEM, c->system, c->system_len, 0};
    for (size_t i = 0; i < c->n_turns; i++) {
        const struct bnt_chat_turn *t = &c->turns[i];
        m[n++] = (struct bnt_message){BNT_ROLE_USER, t->user, t->user_len, 0};
        if (i + 1 < c->n_turns)
            m[n++] = (struct bnt_message){BNT_ROLE_ASSISTANT, t->answer, t->answer_len, t->own};
    }
    int status = bnt_template_render(c->template, m, n, c->time, r, err);
    if (status == BNT_OK) c->used_time = c->used_time || r->used_time;
    free(m);
    return status;
}

static size_t common_text(const struct bnt_chat_context *x, const struct bnt_rendering *r) {
    size_t n = 0;
    while (n < x->len && n < r->len && x->text[n] == r->text[n] && x->marks[n] == r->marks[n]) n++;
    return n;
}

/* How many tokens stay when the text changes at `changed`: those up to a control token. */
static size_t cut_at_control(const struct bnt_chat *c, const struct bnt_chat_context *x,
                             size_t changed) {
    for (size_t i = x->count; i > 0; i--)
        if (x->ends[i - 1] <= changed && x->ends[i - 1] > (i > 1 ? x->ends[i - 2] : 0) &&
            bnt_tokenizer_type(c->tokenizer, x->ids[i - 1]) == BNT_TOKEN_CONTROL)
            return i;
    return 0;
}

/* `old` as far as it stands, then the rest of the rendering; *keep tokens of it are the old ones.
 */
static int continue_context(const struct bnt_chat *c, const struct bnt_chat_context *old,
                            const struct bnt_rendering *r, struct bnt_chat_context *out,
                            size_t *keep, struct bnt_err *err) {
    struct bnt_token_list list = {0};
    size_t same = common_text(old, r);
    bool stands = old->count > 0 && same == old->len;
    *keep = stands ? old->count : cut_at_control(c, old, same);
    size_t from = stands ? old->len : *keep ? old->ends[*keep - 1] : 0;
    int status = bnt_template_encode(c->template, c->tokenizer, r, from, stands, &list, err);
    if (status == BNT_OK) status = new_context(out, *keep + list.count, r->len, err);
    if (status == BNT_OK) {
        add_tokens(out, old->ids, old->ends, 0, *keep);
        add_tokens(out, list.ids, list.end, from, list.count);
        add_text(out, r->text, r->marks, r->len);
        /* What comes out as it was, was seen; but the last token is always fed. */
        while (!stands && *keep < old->count && *keep + 1 < out->count &&
               out->ids[*keep] == old->ids[*keep] && out->ends[*keep] == old->ends[*keep])
            ++*keep;
        if (*keep == out->count) {
            free_context(out);
            status = c->turns[c->n_turns - 1].user_len
                         ? bnt_fail(err, BNT_E_UNSUPPORTED,
                                    "the chat template (%s) writes nothing for this message",
                                    c->template->name)
                         : bnt_fail(err, BNT_E_USAGE, "an empty message");
        }
    }
    bnt_token_list_free(&list);
    return status;
}

int bnt_chat_ask(struct bnt_chat *c, const char *user, size_t len, size_t *keep,
                 struct bnt_err *err) {
    const struct bnt_chat_context nothing = {0};
    struct bnt_rendering r = {0};
    int status = push_turn(c, user, len, err);
    if (status != BNT_OK) return status;
    struct bnt_chat_turn *turn = &c->turns[c->n_turns - 1];
    const struct bnt_chat_context *old = c->n_turns > 1 ? &turn[-1].after : &nothing;
    status = render(c, &r, err);
    if (status == BNT_OK) status = continue_context(c, old, &r, &turn->before, keep, err);
    if (status == BNT_OK) turn->own = bnt_rendering_thinking(&r);
    bnt_rendering_free(&r);
    if (status != BNT_OK) bnt_chat_rewind(c, c->n_turns - 1);
    return status;
}

/* ---- answering ------------------------------------------------------------------------------ */

/* How many of the answer's tokens stay; where each ends in its text goes to ends[]. */
static size_t kept_of(const struct bnt_tokenizer *t, const int32_t *ids, size_t n, size_t text_len,
                      char *scratch, size_t *ends) {
    size_t room = bnt_tokenizer_max_piece(t), kept = 0, so_far = 0;
    struct bnt_stream s;
    while (n && bnt_tokenizer_is_eog(t, ids[n - 1])) n--;
    bnt_stream_init(&s, t, false, false);
    for (size_t i = 0; i < n; i++) {
        so_far += bnt_stream_push(&s, ids[i], scratch, room);
        if (so_far + s.n_pending > text_len) break;
        ends[kept++] = so_far + s.n_pending;
    }
    return kept;
}

/* The answer's text, at `out`, which has room for `len` bytes. False: the tokens have less. */
static bool answer_text(const struct bnt_tokenizer *t, const int32_t *ids, size_t n, size_t len,
                        char *scratch, char *out, size_t *had) {
    size_t room = bnt_tokenizer_max_piece(t);
    struct bnt_stream s;
    *had = 0;
    bnt_stream_init(&s, t, false, false);
    for (size_t i = 0; i <= n; i++) {
        size_t got = i < n ? bnt_stream_push(&s, ids[i], scratch, room)
                           : bnt_stream_flush(&s, scratch, room);
        for (size_t k = 0; k < got && *had < len; k++) out[(*had)++] = scratch[k];
    }
    return *had == len;
}

/* The conversation behind the answer: what was asked, and the tokens that stay. */
static int context_after(struct bnt_chat_turn *turn, const int32_t *ids, const size_t *ends,
                         size_t kept, struct bnt_err *err) {
    const struct bnt_chat_context *b = &turn->before;
    size_t shown = kept ? ends[kept - 1] : 0;
    int status = new_context(&turn->after, b->count + kept, b->len + shown, err);
    if (status != BNT_OK) return status;
    add_tokens(&turn->after, b->ids, b->ends, 0, b->count);
    add_tokens(&turn->after, ids, ends, b->len, kept);
    add_text(&turn->after, b->text, b->marks, b->len);
    add_text(&turn->after, turn->answer + turn->own, NULL, shown);
    return BNT_OK;
}

int bnt_chat_answer(struct bnt_chat *c, const int32_t *ids, size_t n, size_t text_len,
                    struct bnt_err *err) {
    struct bnt_chat_turn *turn = &c->turns[c->n_turns - 1];
    size_t room = bnt_tokenizer_max_piece(c->tokenizer), most = n * room, had;
    char *scratch = malloc(room),
         *answer = malloc(turn->own + (text_len < most ? text_len : most) + 1);
    size_t *ends = malloc((n + 1) * sizeof *ends);
    int status = BNT_OK;
    if (!scratch || !answer || !ends) {
        status = bnt_fail_nomem(err, "the conversation", text_len);
    } else if (text_len > most ||
               !answer_text(c->tokenizer, ids, n, text_len, scratch, answer + turn->own, &had)) {
        status =
            bnt_fail(err, BNT_E_MISMATCH, "an answer of %zu bytes has tokens for %zu", text_len,
                     text_len > most ? most : had); /* only a forged receipt says so */
    } else {
        memcpy(answer, turn->before.text + turn->before.len - turn->own, turn->own);
        turn->answer_len = turn->own + text_len;
        answer[turn->answer_len] = '\0';
        turn->answer = answer;
        answer = NULL;
        status = context_after(turn, ids, ends,
                               kept_of(c->tokenizer, ids, n, text_len, scratch, ends), err);
    }
    free(scratch);
    free(answer);
    free(ends);
    return status;
}

/* ---- and back ------------------------------------------------------------------------------- */

int bnt_chat_text(const struct bnt_tokenizer *t, const int32_t *ids, size_t n, bool first,
                  char **text, size_t *len, struct bnt_err *err) {
    size_t room = bnt_tokenizer_max_piece(t), capacity = 0, at = 0;
    struct bnt_stream s;
    char *out = NULL;
    bnt_stream_init(&s, t, first, true);
    for (size_t i = 0; i <= n; i++) {
        if (capacity - at < room + 1) {
            capacity = 2 * capacity + room + 1;
            char *grown = realloc(out, capacity);
            if (!grown) {
                free(out);
                return bnt_fail_nomem(err, "the text of a turn", capacity);
            }
            out = grown;
        }
        at += i < n ? bnt_stream_push(&s, ids[i], out + at, room)
                    : bnt_stream_flush(&s, out + at, room);
    }
    out[at] = '\0';
    *text = out;
    *len = at;
    return BNT_OK;
}
