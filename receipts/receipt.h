/*
 * receipt.h - receipts: what a run computed, and under which circumstances, as checkable JSON.
 *
 * A receipt is one object. `result` says what was computed and has the same bytes on every machine,
 * backend and thread count; `circumstance` says where and how. Each is sealed by the SHA-256 of its
 * canonical form (canon.c), and each field in them by the first 16 digits of its own, so that what
 * was edited afterwards can be named. Nothing in it is signed: docs/RECEIPTS.md says what that
 * proves. Every fact is read from the engine, the session or the machine; none is declared.
 */
#ifndef BNT_RECEIPT_H
#define BNT_RECEIPT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "output.h"
#include "run/engine.h"
#include "run/generate.h"

#define BNT_RECEIPT_SCHEMA 1

/* A turn of a conversation. */
struct bnt_receipt_turn {
    size_t keep;               /* tokens of the context before it that stayed */
    size_t depth;              /* turns of the conversation before it; 0: it begins anew */
    const char *user, *system; /* system NULL: none, or not a first turn */
    size_t user_len, system_len;
    const int32_t *ids; /* what the turn became */
    size_t n_ids;
    const struct bnt_generation *generation;
};

/* What a run knows and neither engine nor session does. */
struct bnt_receipt_run {
    const char *model_path;
    const char *template_id;                     /* "raw": the prompt as it is */
    const char *template_sha256, *template_date; /* of a conversation; date "": not asked for */
    const char *prompt;
    size_t prompt_len;
    unsigned encode_flags; /* BNT_ENCODE_* the prompt was encoded with */
    const int32_t *ids;    /* what it became */
    size_t n_ids;
    bool deterministic; /* the seed was given, or BITNET_DETERMINISTIC */
    const struct bnt_generate_options *options;
    const struct bnt_generation *generation;
    /* A conversation: its turns in the order they were made, and from prompt to n_ids and
     * generation nothing; turn k draws with the seed of `options` + k. */
    const struct bnt_receipt_turn *turns;
    size_t n_turns;
};

/* Builds and seals; *out is the caller's reference. Hashes the model's bytes as the engine has them
 * mapped: about a second for a gigabyte. */
int bnt_receipt_build(json_t **out, const struct bnt_engine *e, const struct bnt_session *s,
                      const struct bnt_receipt_run *run, struct bnt_err *err);

int bnt_receipt_write(const json_t *receipt, struct bnt_output *to, struct bnt_err *err);

/* Reads and checks structure: BNT_E_FORMAT names the field, BNT_E_UNSUPPORTED the version. The
 * seals are not compared: bnt_receipt_verify (verify.h) does. */
int bnt_receipt_read(json_t **out, const char *path, struct bnt_err *err);
/* The same of a text in memory; `name` is for messages. */
int bnt_receipt_parse(json_t **out, const char *name, const char *text, size_t len,
                      struct bnt_err *err);
int bnt_receipt_check(const json_t *receipt, struct bnt_err *err);

extern const char bnt_commit[]; /* of the source, 40 digits; "unknown" outside a git tree */

/* ---- between the parts -------------------------------------------------------------------- */

/* The two parts; NULL when one cannot be made, err then says why unless memory is short. */
json_t *bnt_receipt_result(const struct bnt_engine *e, const struct bnt_session *s,
                           const struct bnt_receipt_run *run, struct bnt_err *err);
json_t *bnt_receipt_circumstance(const struct bnt_engine *e, const struct bnt_session *s,
                                 const struct bnt_receipt_run *run);

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

/* turns.c: result.turns; how many a receipt has (0: it is a run's); and one of them as the receipt
 * of a run, unsealed, whose prompt is all that the model saw before the answer. */
json_t *bnt_receipt_turn_list(const struct bnt_receipt_run *run, struct bnt_err *err);
size_t bnt_receipt_turns(const json_t *receipt);
int bnt_receipt_turn(json_t **out, const json_t *receipt, size_t k, struct bnt_err *err);
/* The layout that a receipt's I2_S weights were read in, for bnt_engine_options. Receipts of
 * programs that knew one layout only do not say it: then it was A. */
const char *bnt_receipt_i2s_layout(const json_t *receipt);
/* Lists of ids, and of what a generation made: {"ids", "logits", ...}. NULL as above. */
json_t *bnt_receipt_ids(const int32_t *ids, size_t n);
json_t *bnt_receipt_output(const struct bnt_generation *g, struct bnt_err *err);

/* SHA-256 of the model's file, or of its parts one behind the other. */
int bnt_receipt_model_sha256(const struct bnt_gguf *g, char hex[65], struct bnt_err *err);
/* What result.model and result.tokenizer say of a mapped file and its tokenizer. i2s_layout: the
 * one that its weights were read in, or NULL. NULL as above. */
json_t *bnt_receipt_model(const struct bnt_gguf *g, const char *i2s_layout, struct bnt_err *err);
json_t *bnt_receipt_tokenizer(const struct bnt_tokenizer *t, struct bnt_err *err);
/* The text that ids stand for: what BOS and EOS flags added is taken off. *text is malloc'd. */
int bnt_receipt_prompt_text(const struct bnt_tokenizer *t, const int32_t *ids, size_t n,
                            unsigned flags, char **text, size_t *len, struct bnt_err *err);

#endif
