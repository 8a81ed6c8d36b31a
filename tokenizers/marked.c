/*
 * marked.c - a text of which parts are somebody else's, as tokens (tokenizer.h).
 *
 * The one idea: texts of control tokens are looked for in the parts that nobody else wrote;
 * everything between two of them is encoded in one go, whoever wrote it, so that words which both
 * make together are the words of the whole text.
 */
#include <string.h>

#include "internal.h"

struct walk {
    const struct bnt_tokenizer *t;
    const struct bnt_specials *between; /* what is found in all that is between control tokens */
    struct bnt_token_list *out;
    const char *text;
    size_t from;    /* what is before it has its tokens */
    bool continues; /* the text goes on from another: no space is put first */
    struct bnt_err *err;
};

/* The text up to `to`, and then the token whose text is the next n bytes, unless it is -1. */
static int put(struct walk *w, size_t to, int32_t id, size_t n) {
    struct bnt_token_list l = {0};
    unsigned flags = BNT_ENCODE_EXACT | (w->continues ? (unsigned)BNT_ENCODE_CONTINUES : 0u);
    int status =
        bnt_encode_by(w->t, w->between, w->text + w->from, to - w->from, flags, &l, w->err);
    for (size_t i = 0; i < l.count && status == BNT_OK; i++)
        status = bnt_token_push(w->out, l.ids[i], w->from + l.begin[i], w->from + l.end[i], w->err);
    bnt_token_list_free(&l);
    if (status == BNT_OK && id >= 0) status = bnt_token_push(w->out, id, to, to + n, w->err);
    w->from = to + n;
    w->continues = false;
    return status;
}

int bnt_own_next(struct bnt_own_search *s, size_t *begin, int32_t *id, struct bnt_err *err) {
    for (*id = -1; *id < 0 && s->at < s->len;) {
        if (s->at >= s->end) { /* on to the next part that nobody else wrote */
            while (s->at < s->len && s->marks && s->marks[s->at]) s->at++;
            s->end = s->marks ? s->at : s->len;
            while (s->end < s->len && !s->marks[s->end]) s->end++;
            s->search.count = s->search.window_end = 0;
        }
        int status = bnt_specials_next(&s->t->specials, s->text, s->at, s->end, true, &s->search,
                                       begin, id, err);
        if (status != BNT_OK) return status;
        s->at = *begin + (*id < 0 ? 0 : s->t->vocab.pieces[*id].text_len);
    }
    return BNT_OK;
}

int bnt_tokenizer_encode_marked(const struct bnt_tokenizer *t, const struct bnt_reserved *reserved,
                                const char *text, const uint8_t *marks, size_t len, bool continues,
                                struct bnt_token_list *list, struct bnt_err *err) {
    struct walk w = {.t = t,
                     .between = reserved && reserved->some ? &reserved->others : &t->specials,
                     .out = list,
                     .text = text,
                     .continues = continues,
                     .err = err};
    struct bnt_own_search own = {.t = t, .text = (const uint8_t *)text, .marks = marks, .len = len};
    int status = BNT_OK;
    if (len > INT32_MAX)
        return bnt_fail(err, BNT_E_LIMIT, "a text of %zu bytes (limit %d)", len, INT32_MAX);
    while (status == BNT_OK) {
        int32_t id;
        size_t begin;
        status = bnt_own_next(&own, &begin, &id, err);
        if (status != BNT_OK || id < 0) break;
        status = put(&w, begin, id, own.at - begin);
    }
    bnt_special_search_free(&own.search);
    return status == BNT_OK ? put(&w, len, -1, 0) : status;
}
