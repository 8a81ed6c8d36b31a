/*
 * openai.h - what OpenAI's interfaces for text and for conversations have in common.
 */
#ifndef BNT_SERVE_OPENAI_H
#define BNT_SERVE_OPENAI_H

#include "serve/completion.h"

/* Fields of both, for the table of each. */
#define OPENAI_FIELD(name, kind, member, lo, hi)                                                   \
    { name, kind, offsetof(struct serve_ask, member), lo, hi }
#define OPENAI_FIELDS                                                                              \
    OPENAI_FIELD("temperature", SERVE_REAL, sampling.temperature, 0, 100),                         \
        OPENAI_FIELD("top_p", SERVE_REAL, sampling.top_p, 0, 1),                                   \
        OPENAI_FIELD("top_k", SERVE_UINT, sampling.top_k, 0, 1e9),                                 \
        OPENAI_FIELD("min_p", SERVE_REAL, sampling.min_p, 0, 1),                                   \
        OPENAI_FIELD("repeat_penalty", SERVE_REAL, sampling.repeat_penalty, 1e-3, 1e3),            \
        OPENAI_FIELD("repetition_penalty", SERVE_REAL, sampling.repeat_penalty, 1e-3, 1e3),        \
        OPENAI_FIELD("seed", SERVE_SEED, sampling.seed, 0, 0),                                     \
        OPENAI_FIELD("stop", SERVE_STOPS, stops, 0, 0),                                            \
        OPENAI_FIELD("max_tokens", SERVE_UINT, max_tokens, 0, 4294967294.0),                       \
        OPENAI_FIELD("n", SERVE_UINT, n, 1, SERVE_MOST_CHOICES),                                   \
        OPENAI_FIELD("stream", SERVE_BOOL, stream, 0, 0),                                          \
        OPENAI_FIELD("ignore_eos", SERVE_BOOL, ignore_eos, 0, 0),                                  \
        OPENAI_FIELD("presence_penalty", SERVE_REAL, sampling.presence_penalty, -100, 100),        \
        OPENAI_FIELD("frequency_penalty", SERVE_REAL, sampling.frequency_penalty, -100, 100),      \
        OPENAI_FIELD("min_tokens", SERVE_REFUSED, n, 0, 0),                                        \
        OPENAI_FIELD("stop_token_ids", SERVE_REFUSED, n, 0, 0),                                    \
        OPENAI_FIELD("mirostat", SERVE_REFUSED, n, 0, 0),                                          \
        OPENAI_FIELD("logit_bias", SERVE_BIASES, biases, -100, 100)

/* {"type": "text"}, or json_object, or json_schema with its schema. False: the client was told. */
bool openai_format(struct serve_completion *c, const json_t *format, const char *param);
/* response_format (text, json_object, json_schema) and grammar (GBNF). False: the client was told.
 */
bool openai_shape(struct serve_completion *c);
/* Of a message: {"name", "arguments"}, whose arguments are a text, as templates want it, which want
 * an object. */
json_t *openai_call(json_t *id, const json_t *call);
/* `tools` in the form of conversations, tool_choice and parallel_tool_calls; `named`: where the
 * choice has the name of a tool. False: the client was told. */
bool openai_tools(struct serve_completion *c, const json_t *tools, const json_t *named);
/* stream_options.include_usage. */
void openai_stream_options(struct serve_completion *c);
/* {"id", "object", "created", "model", "choices", "system_fingerprint"}; takes over choices. */
json_t *openai_object(const struct serve_completion *c, const char *object, json_t *choices);
/* Adds "receipt_id" to a choice, where there is a receipt. */
void openai_receipt(const struct serve_choice *choice, json_t *o);
json_t *openai_usage(const struct serve_completion *c);
/* The end of every stream, and of one that failed. */
void openai_stream_end(struct serve_completion *c, const char *object);
void openai_stream_fail(struct serve_completion *c, unsigned status, const char *why);

#endif
