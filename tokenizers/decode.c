/* decode.c - tokens to bytes, whole or as they come. See tokenizer.h. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "unicode.h"

/* The bytes that a token shows. *strip: the space in front of the next text is one that encoding
 * invents, at the start and behind every special token; it is updated. */
static const uint8_t *shown(const struct bnt_tokenizer *t, int32_t id, bool special, bool *strip,
                            size_t *len) {
    const struct bnt_piece *p = &t->vocab.pieces[id];
    const uint8_t *s = p->bytes;
    bool invisible = p->type == BNT_TOKEN_CONTROL || p->type == BNT_TOKEN_UNKNOWN;
    *len = p->bytes_len;
    if (invisible || (p->type == BNT_TOKEN_USER_DEFINED && !bnt_piece_is_spaced(p))) {
        if (invisible && !special) *len = 0;
        *strip = t->info.add_space_prefix;
        return s;
    }
    if (*strip && *len) {
        if (*s == ' ') {
            s++;
            --*len;
        }
        *strip = false;
    }
    return s;
}

int bnt_tokenizer_decode(const struct bnt_tokenizer *t, const int32_t *ids, size_t count,
                         bool special, char **text, size_t *len, struct bnt_err *err) {
    size_t total = 0, at = 0, n;
    bool strip = t->info.add_space_prefix;
    char *out;
    *text = NULL;
    *len = 0;
    for (size_t i = 0; i < count; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= t->vocab.count)
            return bnt_fail(err, BNT_E_USAGE, "token %d is not in the vocabulary of %u", ids[i],
                            t->vocab.count);
        if (__builtin_add_overflow(total, t->vocab.pieces[ids[i]].bytes_len, &total))
            return bnt_fail(err, BNT_E_LIMIT, "%zu tokens are too much text", count);
    }
    out = malloc(total + 1);
    if (!out) return bnt_fail_nomem(err, "decoded text", total + 1);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *s = shown(t, ids[i], special, &strip, &n);
        memcpy(out + at, s, n);
        at += n;
    }
    out[at] = 0;
    *text = out;
    *len = at;
    return BNT_OK;
}

/* ---- streaming --------------------------------------------------------------------------------
 */

size_t bnt_tokenizer_max_piece(const struct bnt_tokenizer *t) {
    return (size_t)t->vocab.longest + 4; /* and what was held back */
}

void bnt_stream_init(struct bnt_stream *s, const struct bnt_tokenizer *t, bool text_start,
                     bool special) {
    memset(s, 0, sizeof *s);
    s->t = t;
    s->special = special;
    s->strip = text_start && t->info.add_space_prefix;
}

size_t bnt_stream_push(struct bnt_stream *s, int32_t id, char *out, size_t size) {
    const uint8_t *bytes;
    size_t n, keep;
    bool strip = s->strip;
    if (id < 0 || (uint32_t)id >= s->t->vocab.count) return 0;
    bytes = shown(s->t, id, s->special, &strip, &n);
    if (n + s->n_pending > size) return SIZE_MAX;
    s->strip = strip;
    memcpy(out, s->pending, s->n_pending);
    memcpy(out + s->n_pending, bytes, n);
    n += s->n_pending;
    keep = bnt_utf8_incomplete_tail((const uint8_t *)out, n);
    memcpy(s->pending, out + n - keep, keep);
    s->n_pending = keep;
    return n - keep;
}

size_t bnt_stream_flush(struct bnt_stream *s, char *out, size_t size) {
    size_t n = s->n_pending;
    if (n > size) return SIZE_MAX;
    memcpy(out, s->pending, n);
    s->n_pending = 0;
    return n;
}
