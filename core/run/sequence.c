/*
 * sequence.c - a sequence: its tokens, their KV cache, and how it is copied and cut.
 *
 * Must not know how tokens are computed (feed.c).
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "run/context.h"

int bnt_sequence_open(struct bnt_sequence **out, struct bnt_context *context, struct bnt_err *err) {
    *out = NULL;
    struct bnt_sequence *s = calloc(1, sizeof *s);
    if (!s) return bnt_fail_nomem(err, "the sequence", sizeof *s);
    s->context = context;
    int status = bnt_exec_open_kv(context->exec, &s->kv, err);
    if (status != BNT_OK) {
        free(s);
        return status;
    }
    *out = s;
    return BNT_OK;
}

void bnt_sequence_close(struct bnt_sequence *s) {
    if (!s) return;
    bnt_kv_close(&s->kv);
    free(s->tokens);
    free(s);
}

int bnt_sequence_reserve(struct bnt_sequence *s, uint64_t tokens, struct bnt_err *err) {
    if (tokens <= s->capacity) return BNT_OK;
    uint64_t capacity = tokens + tokens / 2; /* far below 2^60: a context bounds it */
    int32_t *p = realloc(s->tokens, capacity * sizeof *p);
    if (!p) return bnt_fail_nomem(err, "the sequence's tokens", capacity * sizeof *p);
    s->tokens = p;
    s->capacity = capacity;
    return BNT_OK;
}

const int32_t *bnt_sequence_tokens(const struct bnt_sequence *s, size_t *count) {
    *count = (size_t)s->position;
    return s->tokens;
}

void bnt_sequence_truncate(struct bnt_sequence *s, uint64_t n) {
    if (n >= s->position) return;
    s->position = n;
    if (n == 0) bnt_kv_forget(&s->kv);
}

int bnt_sequence_fork(struct bnt_sequence **out, const struct bnt_sequence *from, uint64_t n,
                      struct bnt_err *err) {
    struct bnt_sequence *s;
    *out = NULL;
    if (n > from->position)
        return bnt_fail(err, BNT_E_USAGE, "a fork of %" PRIu64 " tokens; the sequence has %" PRIu64,
                        n, from->position);
    int status = bnt_sequence_open(&s, from->context, err);
    if (status != BNT_OK) return status;
    status = bnt_sequence_reserve(s, n, err);
    if (status == BNT_OK) status = bnt_kv_copy(&s->kv, &from->kv, 0, n, from->context->pool, err);
    if (status != BNT_OK) {
        bnt_sequence_close(s);
        return status;
    }
    if (n) memcpy(s->tokens, from->tokens, n * sizeof *s->tokens);
    s->position = n;
    *out = s;
    return BNT_OK;
}
