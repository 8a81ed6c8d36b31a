/*
 * facts.h - what receipts are made of: values in the forms that they have there, hashes and seals,
 * and what is said of a model, a tokenizer and a generation.
 *
 * Those who build receipts and those who verify them both begin here; knows neither.
 */
#ifndef BNT_RECEIPT_FACTS_H
#define BNT_RECEIPT_FACTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "run/engine.h"
#include "run/generate.h"

#define BNT_RECEIPT_SCHEMA 1

/* UTC, between the years 0000 and 9999, which RFC 3339 can write: a clock that is beyond them is
 * set to their end, since no receipt should be lost for it. */
struct tm bnt_receipt_utc(time_t now);
int bnt_receipt_sha256(const void *data, size_t size, char hex[65], struct bnt_err *err);
char *bnt_receipt_canonical(const json_t *value); /* malloc'd; NULL when memory is short */
/* SHA-256 of the canonical form of any value. */
int bnt_receipt_hash(const json_t *value, char hex[65], struct bnt_err *err);
/* The seals of a receipt's result and circumstance: {"result_sha256", "circumstance_sha256",
 * "field_sha256"}. */
int bnt_receipt_seals(const json_t *receipt, json_t **out, struct bnt_err *err);

/* A string that may hold any bytes; those that JSON cannot carry are escaped as \xNN. */
json_t *bnt_receipt_text(const char *text);
json_t *bnt_receipt_bits(float f);           /* "3f800000" */
float bnt_receipt_float(const json_t *bits); /* the inverse; bits has been checked */

/* sampling.c: result.sampling; and output.logprobs, of a generation that has them, and of a step.
 */
json_t *bnt_receipt_sampling_facts(const struct bnt_generate_options *o);
json_t *bnt_receipt_logprobs(const struct bnt_generation *g);
json_t *bnt_receipt_step_logprobs(float logprob, const struct bnt_top *top, uint32_t n);
/* Lists of ids, and of what a generation made: {"ids", "logits", ...}. NULL as above. */
json_t *bnt_receipt_ids(const int32_t *ids, size_t n);
json_t *bnt_receipt_output(const struct bnt_generation *g, struct bnt_err *err);

/* SHA-256 of the model's file, or of its parts one behind the other. progress (may be NULL) is
 * called every few megabytes. */
int bnt_receipt_model_sha256(const struct bnt_gguf *g, char hex[65],
                             void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                             struct bnt_err *err);
/* What result.model and result.tokenizer say of a mapped file and its tokenizer. sha256: of the
 * file, where it is known; or NULL. i2s_layout: the one that its weights were read in, or NULL.
 * NULL as above. */
json_t *bnt_receipt_model(const struct bnt_gguf *g, const char *sha256, const char *i2s_layout,
                          struct bnt_err *err);
json_t *bnt_receipt_tokenizer(const struct bnt_tokenizer *t, struct bnt_err *err);
/* The text that ids stand for: what BOS and EOS flags added is taken off. *text is malloc'd. */
int bnt_receipt_prompt_text(const struct bnt_tokenizer *t, const int32_t *ids, size_t n,
                            unsigned flags, char **text, size_t *len, struct bnt_err *err);

/* Of a user's text: {"bytes", "blake3", "sha256"}; NULL when it cannot be made. */
json_t *bnt_turn_hashes(const char *text, size_t len, struct bnt_err *err);
/* A text in the one form that it has in receipts: as it is where JSON can carry it, else as digits.
 */
json_t *bnt_turn_text(const char *text, size_t len);

#endif
