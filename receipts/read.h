/*
 * read.h - receipts read: their structure checked, and what they record.
 *
 * Whether it is true is another question (verify.h).
 */
#ifndef BNT_RECEIPT_READ_H
#define BNT_RECEIPT_READ_H

#include "facts.h"
#include "run/sample.h"

/* Reads and checks structure: BNT_E_FORMAT names the field, BNT_E_UNSUPPORTED the version. The
 * seals are not compared: bnt_receipt_verify (verify.h) does. */
int bnt_receipt_read(json_t **out, const char *path, struct bnt_err *err);
/* The same of a text in memory; `name` is for messages. */
int bnt_receipt_parse(json_t **out, const char *name, const char *text, size_t len,
                      struct bnt_err *err);
int bnt_receipt_check(const json_t *receipt, struct bnt_err *err);
/* Within the limits of what is read: bytes, values, lists and objects. */
int bnt_receipt_check_size(const char *path, const char *text, size_t len, struct bnt_err *err);

/* How many turns a receipt has (0: it is a run's); and one of them as the receipt of a run,
 * unsealed, whose prompt is all that the model saw before the answer. */
size_t bnt_receipt_turns(const json_t *receipt);
int bnt_receipt_turn(json_t **out, const json_t *receipt, size_t k, struct bnt_err *err);
json_int_t bnt_turn_number(const json_t *o, const char *name);
const json_t *bnt_turn_at(const json_t *receipt, size_t k);
int32_t *bnt_turn_ids(const json_t *list, size_t *n); /* malloc'd; NULL: no memory */
/* The layout that a receipt's I2_S weights were read in, for bnt_engine_options. Receipts of
 * programs that knew one layout only do not say it: then it was A. */
const char *bnt_receipt_i2s_layout(const json_t *receipt);
/* As recorded; the biases are put into `biases`. */
struct bnt_sampling bnt_receipt_sampling(const json_t *receipt,
                                         struct bnt_bias biases[BNT_BIASES_MOST]);
/* Whether log-probabilities were asked for, and of how many tokens beside the chosen one. */
bool bnt_receipt_wants_logprobs(const json_t *receipt, unsigned *top);

#endif
