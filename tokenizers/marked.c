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
    int status = bnt_tokenizer_encode(w->t, w->text + w->from, to - w->from, flags, &l, w->err);
    for (size_t i = 0; i < l.count && status == BNT_OK; i++)
        status = bnt_token_push(w->out, l.ids[i], w->from + l.begin[i], w->from + l.end[i], w->err);
    bnt_token_list_free(&l);
    if (status == BNT_OK && id >= 0) status = bnt_token_push(w->out, id, to, to + n, w->err);
    w->from = to + n;
    w->continues = false;
    return status;
}

int bnt_tokenizer_encode_marked(const struct bnt_tokenizer *t, const char *text,
                                const uint8_t *marks, size_t len, bool continues,
                                struct bnt_token_list *list, struct bnt_err *err) {
    struct walk w = {.t = t, .out = list, .text = text, .continues = continues, .err = err};
    const uint8_t *bytes = (const uint8_t *)text;
    int status = BNT_OK;
    if (len > INT32_MAX)
        return bnt_fail(err, BNT_E_LIMIT, "a text of %zu bytes (limit %d)", len, INT32_MAX);
    for (size_t at = 0, end = 0; at < len && status == BNT_OK;) {
        int32_t id = -1;
        size_t n = 0;
        if (end < at) end = at;
        while (end < len && !(marks && marks[end])) end++;
        size_t hit = bnt_specials_find(&t->specials, &t->vocab, bytes, at, end, true, &id, &n);
        if (id >= 0) {
            status = put(&w, hit, id, n);
            at = hit + n;
            continue;
        }
        while (end < len && marks[end]) end++; /* somebody else's */
        at = end;
    }
    return status == BNT_OK ? put(&w, len, -1, 0) : status;
}
