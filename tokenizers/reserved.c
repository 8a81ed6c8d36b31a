/*
 * reserved.c - tokens that only one's own text may become (tokenizer.h): marks of turns that the
 * vocabulary calls USER_DEFINED.
 *
 * Knows no templates. The idea: such a token is no piece that merges make (vocab.c), so that
 * leaving its text out of the search for special texts is all there is to do.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

int bnt_reserved_open(struct bnt_reserved **out, const struct bnt_tokenizer *t,
                      struct bnt_err *err) {
    struct bnt_reserved *r = calloc(1, sizeof *r);
    if (r) r->has = calloc(t->vocab.count, 1);
    *out = r;
    if (r && r->has) {
        r->t = t;
        return BNT_OK;
    }
    bnt_reserved_close(r);
    *out = NULL;
    return bnt_fail_nomem(err, "reserved tokens", t->vocab.count);
}

void bnt_reserved_close(struct bnt_reserved *r) {
    if (!r) return;
    bnt_specials_free(&r->others);
    free(r->has);
    free(r);
}

int bnt_reserved_add(struct bnt_reserved *r, const char *text, const uint8_t *marks, size_t len,
                     struct bnt_err *err) {
    struct bnt_own_search s = {
        .t = r->t, .text = (const uint8_t *)text, .marks = marks, .len = len};
    int status = BNT_OK;
    for (;;) {
        int32_t id;
        size_t begin;
        status = bnt_own_next(&s, &begin, &id, err);
        if (status != BNT_OK || id < 0) break;
        const struct bnt_piece *p = &r->t->vocab.pieces[id];
        if (p->type == BNT_TOKEN_USER_DEFINED && bnt_piece_is_mark(p)) r->has[id] = r->some = true;
    }
    bnt_special_search_free(&s.search);
    return status;
}

int bnt_reserved_seal(struct bnt_reserved *r, struct bnt_err *err) {
    return r->some ? bnt_specials_init(&r->others, &r->t->vocab, r->has, err) : BNT_OK;
}

bool bnt_reserved_has(const struct bnt_reserved *r, int32_t id) {
    return r && id >= 0 && (uint32_t)id < r->t->vocab.count && r->has[id];
}
