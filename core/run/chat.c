/* chat.c - see chat.h. */
#include "run/chat.h"

#include <stdlib.h>
#include <string.h>

void bnt_chat_free(struct bnt_chat *c) {
    for (size_t i = 0; i < c->n_ends; i++) free(c->ends[i].rest);
    free(c->ends);
    free(c->ids);
    *c = (struct bnt_chat){.tokenizer = c->tokenizer};
}

void bnt_chat_next(const struct bnt_chat *c, struct bnt_turn *turn) {
    const struct bnt_chat_end *last = c->n_ends ? &c->ends[c->n_ends - 1] : NULL;
    turn->first = c->count == 0;
    turn->rest = last ? last->rest : "";
    turn->rest_len = last ? last->rest_len : 0;
}

int bnt_chat_add(struct bnt_chat *c, const int32_t *ids, size_t n, struct bnt_err *err) {
    if (n > c->capacity - c->count) {
        size_t capacity = 2 * c->count + n + 256;
        int32_t *grown = realloc(c->ids, capacity * sizeof *grown);
        if (!grown) return bnt_fail_nomem(err, "the conversation", capacity * sizeof *grown);
        c->ids = grown;
        c->capacity = capacity;
    }
    if (n) memcpy(c->ids + c->count, ids, n * sizeof *ids);
    c->count += n;
    return BNT_OK;
}

/* How many of the answer's tokens stay, and in *bytes how much of its text they are. */
static size_t kept_of(const struct bnt_tokenizer *t, const int32_t *ids, size_t n, size_t text_len,
                      char *scratch, size_t *bytes) {
    size_t room = bnt_tokenizer_max_piece(t), kept = 0, so_far = 0;
    struct bnt_stream s;
    while (n && bnt_tokenizer_is_eog(t, ids[n - 1])) n--;
    bnt_stream_init(&s, t, false, false);
    *bytes = 0;
    for (size_t i = 0; i < n; i++) {
        so_far += bnt_stream_push(&s, ids[i], scratch, room);
        if (so_far + s.n_pending > text_len) break;
        kept = i + 1;
        *bytes = so_far + s.n_pending;
    }
    return kept;
}

/* The text between `from` and `to` of an answer. */
static int text_between(const struct bnt_tokenizer *t, const int32_t *ids, size_t n, size_t from,
                        size_t to, char **out, struct bnt_err *err) {
    size_t room = bnt_tokenizer_max_piece(t), at = 0;
    char *piece = malloc(room), *text = malloc(to - from + 1);
    struct bnt_stream s;
    int status = piece && text ? BNT_OK : bnt_fail_nomem(err, "the conversation", room);
    if (status == BNT_OK) bnt_stream_init(&s, t, false, false);
    for (size_t i = 0; i <= n && status == BNT_OK; i++) {
        size_t got =
            i < n ? bnt_stream_push(&s, ids[i], piece, room) : bnt_stream_flush(&s, piece, room);
        for (size_t k = 0; k < got; k++, at++)
            if (at >= from && at < to) text[at - from] = piece[k];
    }
    free(piece);
    if (status == BNT_OK && at < to) /* only a forged receipt says so */
        status = bnt_fail(err, BNT_E_MISMATCH, "an answer of %zu bytes has tokens for %zu", to, at);
    if (status != BNT_OK) {
        free(text);
        return status;
    }
    text[to - from] = '\0';
    *out = text;
    return BNT_OK;
}

int bnt_chat_answer(struct bnt_chat *c, const int32_t *ids, size_t n, size_t text_len,
                    struct bnt_err *err) {
    struct bnt_chat_end end = {0};
    size_t bytes, kept;
    char *scratch = malloc(bnt_tokenizer_max_piece(c->tokenizer));
    if (!scratch) return bnt_fail_nomem(err, "the conversation", 1);
    kept = kept_of(c->tokenizer, ids, n, text_len, scratch, &bytes);
    free(scratch);
    int status = text_between(c->tokenizer, ids, n, bytes, text_len, &end.rest, err);
    if (status != BNT_OK) return status;
    end.rest_len = text_len - bytes;
    if (c->n_ends == c->ends_capacity) {
        size_t capacity = 2 * c->ends_capacity + 16;
        void *grown = realloc(c->ends, capacity * sizeof *c->ends);
        if (!grown) {
            free(end.rest);
            return bnt_fail_nomem(err, "the conversation", capacity * sizeof *c->ends);
        }
        c->ends = grown;
        c->ends_capacity = capacity;
    }
    if ((status = bnt_chat_add(c, ids, kept, err)) != BNT_OK) {
        free(end.rest);
        return status;
    }
    end.count = c->count;
    c->ends[c->n_ends++] = end;
    return BNT_OK;
}

bool bnt_chat_rewind(struct bnt_chat *c, size_t count) {
    size_t n = c->n_ends;
    while (n && c->ends[n - 1].count > count) n--;
    if (count && !(n && c->ends[n - 1].count == count)) return false;
    if (!count) n = 0;
    while (c->n_ends > n) free(c->ends[--c->n_ends].rest);
    c->count = count;
    return true;
}

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
