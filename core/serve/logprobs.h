/*
 * logprobs.h - log-probabilities of tokens, as OpenAI's interfaces write them.
 */
#ifndef BNT_SERVE_LOGPROBS_H
#define BNT_SERVE_LOGPROBS_H

#include "serve/completion.h"

/* Those of tokens [from, to) of an answer: {"content": [{"token", "logprob", "bytes",
 * "top_logprobs"}], "refusal": null}; null where none were asked for. */
json_t *serve_chat_logprobs(const struct serve_choice *choice, size_t from, size_t to);
/* {"tokens", "token_logprobs", "top_logprobs", "text_offset"}, with those of the prompt before them
 * where it is echoed and `from` is 0. *offset: characters of the text before, then behind. */
json_t *serve_text_logprobs(const struct serve_choice *choice, size_t from, size_t to,
                            size_t *offset);
/* How many of an answer's tokens have a text: all but one that ended it. */
size_t serve_shown_tokens(const struct serve_choice *choice);
/* A job's on_prompt_row: keeps the log-probabilities of the prompt's tokens. */
int serve_keep_logprobs(void *choice, size_t token, const float *logits, struct bnt_err *err);

#endif
