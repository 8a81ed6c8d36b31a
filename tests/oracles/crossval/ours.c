/* ours.c - our engine as a source of logits; see ours.h. */
#include "ours.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/bitnet.h"
#include "metrics.h"

static int run(struct ours *o, struct bnt_engine *e, int32_t *tokens, size_t prompt, size_t steps,
               struct bnt_err *err) {
    const struct bnt_session_options options = {.n_ctx = prompt + steps, .threads = 1};
    struct bnt_session *s = NULL;
    const size_t row = o->vocab * sizeof(float);
    int status = bnt_session_open(&s, e, &options, err);
    if (status == BNT_OK) status = bnt_session_feed(s, tokens, prompt, BNT_WANT_ALL, err);
    if (status == BNT_OK)
        for (size_t i = 0; i < prompt; i++)
            memcpy(o->logits + i * o->vocab, bnt_session_logits(s, i), row);
    for (size_t i = prompt; status == BNT_OK && i < prompt + steps; i++) {
        tokens[i] = best_token(o->logits + (i - 1) * o->vocab, o->vocab);
        status = bnt_session_feed(s, tokens + i, 1, BNT_WANT_LAST, err);
        if (status == BNT_OK) memcpy(o->logits + i * o->vocab, bnt_session_logits(s, 0), row);
    }
    for (size_t i = 0; status == BNT_OK && i < prompt + steps; i++) {
        bnt_session_truncate(s, 0);
        status = bnt_session_feed(s, tokens + i, 1, BNT_WANT_LAST, err);
        if (status == BNT_OK) memcpy(o->lone + i * o->vocab, bnt_session_logits(s, 0), row);
    }
    bnt_session_close(s);
    return status;
}

bool ours_run(struct ours *o, const char *path, const char *backend, int32_t *tokens, size_t prompt,
              size_t steps, char why[600]) {
    const struct bnt_engine_options options = {.backend = backend, .threads = 1};
    struct bnt_engine *e = NULL;
    struct bnt_err err = {0};
    int status = bnt_engine_open(&e, path, &options, &err);
    *o = (struct ours){0};
    if (status == BNT_OK) {
        o->vocab = bnt_engine_info(e)->n_vocab;
        snprintf(o->backend, sizeof o->backend, "%s", bnt_engine_info(e)->backend);
        o->logits = calloc((prompt + steps) * o->vocab, sizeof *o->logits);
        o->lone = calloc((prompt + steps) * o->vocab, sizeof *o->lone);
        status = o->logits && o->lone ? run(o, e, tokens, prompt, steps, &err) : BNT_E_NOMEM;
        bnt_engine_close(e);
    }
    if (status != BNT_OK) {
        snprintf(why, 600, "%s: %.500s", backend, err.text);
        ours_free(o);
    }
    return status == BNT_OK;
}

void ours_free(struct ours *o) {
    free(o->logits);
    free(o->lone);
    o->logits = o->lone = NULL;
}
