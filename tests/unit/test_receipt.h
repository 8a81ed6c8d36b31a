/*
 * test_receipt.h - what the tests of receipts share: a small model, runs on it, their receipts.
 */
#ifndef TEST_RECEIPT_H
#define TEST_RECEIPT_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "receipt.h"
#include "synth.h"
#include "verify.h"

static const char prompt_text[] = "some w\xc3\xb6rds";
static char model_path[64];

static inline void must(int status, const struct bnt_err *err) {
    ck_assert_msg(status == BNT_OK, "%s", err->text);
}

static inline void make_model(void) {
    struct synth s;
    uint64_t bytes;
    snprintf(model_path, sizeof model_path, "/tmp/bitnet-test-receipt-%d.gguf", (int)getpid());
    ck_assert(synth_preset(&s, "tiny"));
    ck_assert_int_eq(synth_save(&s, model_path, &bytes), 0);
}

static inline void remove_model(void) {
    unlink(model_path);
}

static inline struct bnt_engine *open_engine(const char *backend) {
    struct bnt_err err = {0};
    struct bnt_engine *e;
    must(bnt_engine_open(&e, model_path,
                         &(struct bnt_engine_options){.backend = backend, .threads = 1}, &err),
         &err);
    return e;
}

static inline struct bnt_sampling drawn(uint64_t seed) {
    struct bnt_sampling s = bnt_sampling_default();
    s.temperature = 0.9f;
    s.top_p = 0.95f;
    s.repeat_penalty = 1.1f;
    s.seed = seed;
    return s;
}

/* A run of its own session, and its receipt. */
static inline json_t *receipt_of(struct bnt_engine *e, const struct bnt_session_options *so,
                                 const char *prompt, const struct bnt_generate_options *o) {
    struct bnt_err err = {0};
    struct bnt_session *s;
    struct bnt_token_list list = {0};
    struct bnt_generation g;
    json_t *receipt;
    must(bnt_session_open(&s, e, so, &err), &err);
    must(bnt_encode_prompt(e->tokenizer, prompt, strlen(prompt), BNT_ENCODE_BOS, &list, &err),
         &err);
    must(bnt_generate(&g, e, s, list.ids, list.count, o, &err), &err);
    must(bnt_receipt_build(&receipt, e, s,
                           &(struct bnt_receipt_run){.template_id = "raw",
                                                     .prompt = prompt,
                                                     .prompt_len = strlen(prompt),
                                                     .encode_flags = BNT_ENCODE_BOS,
                                                     .ids = list.ids,
                                                     .n_ids = list.count,
                                                     .options = o,
                                                     .generation = &g},
                           &err),
         &err);
    bnt_generation_free(&g);
    bnt_token_list_free(&list);
    bnt_session_close(s);
    return receipt;
}

/* 24 drawn tokens: the receipt that most tests use. */
static inline json_t *usual_receipt(struct bnt_engine *e) {
    return receipt_of(e, &(struct bnt_session_options){.threads = 1, .no_bind = true}, prompt_text,
                      &(struct bnt_generate_options){.sampling = drawn(7), .n_predict = 24});
}

static inline struct bnt_verification verify(struct bnt_engine *e, const json_t *receipt,
                                             const char *text) {
    struct bnt_err err = {0};
    struct bnt_verification v = {0};
    must(bnt_receipt_check(receipt, &err), &err);
    must(bnt_verify_seals(&v, receipt, &err), &err);
    must(bnt_verify_model(&v, receipt, e->gguf, &err), &err);
    must(bnt_verify_tokenizer(&v, receipt, e->tokenizer, &err), &err);
    const struct bnt_verify_template at = {.g = e->gguf};
    must(bnt_verify_prompt(&v, receipt, e->tokenizer, text, text ? strlen(text) : 0, &at, &err),
         &err);
    must(bnt_verify_replay(&v, receipt, e,
                           &(struct bnt_session_options){.threads = 2, .no_bind = true}, NULL,
                           &err),
         &err);
    return v;
}

static inline json_t *at(const json_t *o, const char *part, const char *key) {
    return json_object_get(json_object_get(o, part), key);
}

static inline void reseal(json_t *receipt) {
    struct bnt_err err = {0};
    json_t *seals;
    must(bnt_receipt_seals(receipt, &seals, &err), &err);
    ck_assert_int_eq(json_object_update(receipt, seals), 0);
    json_decref(seals);
}

#endif
