/*
 * generate.h - from a prompt's tokens to text: prefill, then sample and decode until something says
 * stop.
 *
 * Knows sessions, sampling, the streaming decoder and stop strings; prints nothing itself.
 */
#ifndef BNT_RUN_GENERATE_H
#define BNT_RUN_GENERATE_H

#include "run/generation.h"
#include "tokenizer.h"

/* The prompt's tokens, never none: an empty one starts from BOS, or else from the token that
 * separates texts. flags as for bnt_tokenizer_encode; replaces *list. */
int bnt_encode_prompt(const struct bnt_tokenizer *t, const char *text, size_t len, unsigned flags,
                      struct bnt_token_list *list, struct bnt_err *err);

/* Generates after ids[0 .. n): all that the model sees. The session holds the first of them
 * already, bnt_session_position of them, fewer than n; the others are fed. *out is valid, to be
 * freed, also after a failure: it holds what was made until then. */
int bnt_generate(struct bnt_generation *out, struct bnt_engine *engine, struct bnt_session *session,
                 const int32_t *ids, size_t n, const struct bnt_generate_options *options,
                 struct bnt_err *err);

#endif
