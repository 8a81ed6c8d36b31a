/*
 * pieces.c - see pieces.h.
 */
#include "pieces.h"

#include <stdlib.h>
#include <string.h>

#include "trigger.h"

/* Shows text of its own in any place. */
static bool is_text(const struct bnt_tokenizer *t, int32_t id) {
    enum bnt_token_type type = bnt_tokenizer_type(t, id);
    return type == BNT_TOKEN_NORMAL || type == BNT_TOKEN_BYTE || type == BNT_TOKEN_USER_DEFINED;
}

/* Its bytes, whole characters or not, as the stream shows them in the middle of a text. */
static size_t bytes_of(const struct bnt_tokenizer *t, int32_t id, char *out, size_t room) {
    struct bnt_stream s;
    bnt_stream_init(&s, t, false, false);
    size_t n = bnt_stream_push(&s, id, out, room);
    return n == SIZE_MAX ? 0 : n + bnt_stream_flush(&s, out + n, room - n);
}

static int collect(struct bnt_pieces *p, struct bnt_err *err) {
    size_t room = bnt_tokenizer_max_piece(p->tokenizer) + 16, used = 0, capacity = 0;
    p->sorted = malloc((p->n_ids + 1) * sizeof *p->sorted);
    p->place = malloc((p->n_ids + 1) * sizeof *p->place);
    p->ends = malloc((p->n_ids + 1) * sizeof *p->ends);
    if (!p->sorted || !p->place || !p->ends) return bnt_fail_nomem(err, "pieces", p->n_ids);
    for (uint32_t i = 0; i < p->n_ids; i++) {
        int32_t id = (int32_t)i;
        p->place[i] = UINT32_MAX;
        if (bnt_tokenizer_is_eog(p->tokenizer, id)) {
            p->ends[p->n_ends++] = id;
            continue;
        }
        if (capacity - used < room) {
            capacity = 2 * capacity + room + 65536;
            uint8_t *bytes = capacity < UINT32_MAX ? realloc(p->bytes, capacity) : NULL;
            if (!bytes) return bnt_fail_nomem(err, "pieces", capacity);
            p->bytes = bytes;
        }
        size_t n = 0;
        if (is_text(p->tokenizer, id))
            n = bytes_of(p->tokenizer, id, (char *)p->bytes + used, capacity - used);
        if (n == 0) p->bytes[used + n++] = BNT_NO_TEXT;
        p->sorted[p->count++] = (struct bnt_piece_at){(uint32_t)used, (uint32_t)n, 0, id};
        used += n;
        if (n > p->longest) p->longest = (uint32_t)n;
    }
    return BNT_OK;
}

static int by_bytes(const void *a, const void *b, void *arg) {
    const struct bnt_pieces *p = arg;
    const struct bnt_piece_at *x = a, *y = b;
    uint32_t n = x->len < y->len ? x->len : y->len;
    int c = memcmp(p->bytes + x->offset, p->bytes + y->offset, n);
    if (c == 0) c = (x->len > y->len) - (x->len < y->len);
    return c ? c : (x->id > y->id) - (x->id < y->id);
}

static void connect(struct bnt_pieces *p) {
    uint32_t at = 0;
    for (uint32_t i = 0; i < p->count; i++) {
        struct bnt_piece_at *here = &p->sorted[i], *before = i ? here - 1 : NULL;
        while (before && here->common < here->len && here->common < before->len &&
               p->bytes[here->offset + here->common] == p->bytes[before->offset + here->common])
            here->common++;
        p->place[here->id] = i;
    }
    for (unsigned b = 0; b <= 256; b++) {
        while (at < p->count && p->bytes[p->sorted[at].offset] < b) at++;
        p->first[b] = at;
    }
}

int bnt_pieces_open(struct bnt_pieces **out, const struct bnt_tokenizer *t, struct bnt_err *err) {
    struct bnt_pieces *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p) return bnt_fail_nomem(err, "pieces", sizeof *p);
    p->tokenizer = t;
    p->n_ids = bnt_tokenizer_info(t)->vocab_size;
    int status = collect(p, err);
    if (status == BNT_OK && p->n_ends == 0)
        status =
            bnt_fail(err, BNT_E_UNSUPPORTED,
                     "the vocabulary has no token that ends a text: it cannot follow a grammar");
    if (status != BNT_OK) {
        bnt_pieces_close(p);
        return status;
    }
    qsort_r(p->sorted, p->count, sizeof *p->sorted, by_bytes, p);
    connect(p);
    *out = p;
    return BNT_OK;
}

void bnt_pieces_close(struct bnt_pieces *p) {
    if (!p) return;
    free(p->bytes);
    free(p->sorted);
    free(p->place);
    free(p->ends);
    free(p);
}

bool bnt_pieces_of(const struct bnt_pieces *p, int32_t id, const uint8_t **bytes, uint32_t *len) {
    if (id < 0 || (uint32_t)id >= p->n_ids || p->place[id] == UINT32_MAX) return false;
    const struct bnt_piece_at *at = &p->sorted[p->place[id]];
    *bytes = p->bytes + at->offset;
    *len = at->len;
    return true;
}
