/*
 * library.c - the part of bitnet.h that makes texts with their receipts, and verifies receipts
 * (bitnet/receipts.h).
 *
 * Adds nothing to what the room can do; knows files of keys and receipts by their names only.
 */
#include <stdlib.h>
#include <string.h>

#include "bitnet/bitnet.h"
#include "run/context.h"
#include "run/generate.h"
#include "run/options.h"
#include "sign.h"
#include "verify.h"
#include "write.h"

struct bnt_text {
    struct bnt_generation made;
    char *receipt;
    size_t len;
};

/* ---- a text ---------------------------------------------------------------------------------- */

static int hand_over(void *arg, const char *text, size_t len, struct bnt_err *err) {
    const struct bnt_text_options *o = arg;
    if (o->on_text(o->on_text_arg, text, len)) return BNT_OK;
    return bnt_fail(err, BNT_E_INTERRUPTED, "the caller of the text ended it");
}

static int generate(struct bnt_text *t, struct bnt_engine *engine, struct bnt_session *session,
                    struct bnt_text_options *o, const struct bnt_signer *signer,
                    struct bnt_err *err) {
    const char *prompt = o->prompt ? o->prompt : "";
    const struct bnt_generate_options options = {
        .sampling = o->sampling ? *o->sampling : bnt_sampling_default(),
        .n_predict = o->max_tokens ? o->max_tokens : (size_t)bnt_session_context(session),
        .ignore_eog = o->ignore_end,
        .constraint = o->constraint,
        .stops = o->stops,
        .n_stops = o->n_stops,
        .on_text = o->on_text ? hand_over : NULL,
        .on_text_arg = o,
        .lookup = true};
    struct bnt_receipt_run run = {
        .template_id = "raw",
        .prompt = prompt,
        .prompt_len = o->prompt ? o->prompt_len : 0,
        .encode_flags = (o->flags & BNT_TEXT_BOS ? (unsigned)BNT_ENCODE_BOS : 0u) |
                        (o->flags & BNT_TEXT_SPECIAL ? (unsigned)BNT_ENCODE_PARSE_SPECIAL : 0u),
        .deterministic = true, /* the caller's seed, or greedy */
        .options = &options,
        .generation = &t->made,
        .signer = signer};
    struct bnt_token_list list = {0};
    json_t *receipt = NULL;
    int status = bnt_encode_prompt(engine->tokenizer, run.prompt, run.prompt_len, run.encode_flags,
                                   &list, err);
    bnt_session_truncate(session, 0);
    if (status == BNT_OK)
        status = bnt_generate(&t->made, engine, session, list.ids, list.count, &options, err);
    run.ids = list.ids;
    run.n_ids = list.count;
    if (status == BNT_OK) status = bnt_receipt_build(&receipt, engine, session, &run, err);
    if (status == BNT_OK && !(t->receipt = bnt_receipt_as_text(receipt, &t->len)))
        status = bnt_fail_nomem(err, "the receipt", 0);
    json_decref(receipt);
    bnt_token_list_free(&list);
    return status;
}

int bnt_text_make(struct bnt_text **out, struct bnt_session *session,
                  const struct bnt_text_options *options, struct bnt_err *err) {
    struct bnt_text_options o;
    struct bnt_signer *signer = NULL;
    bool exposed;
    *out = NULL;
    int status = bnt_read_options(&o, sizeof o, options, options ? options->struct_size : 0, err);
    if (status == BNT_OK && o.sign_key)
        status = bnt_signer_open(&signer, o.sign_key, &exposed, err);
    if (status != BNT_OK) return status;
    struct bnt_text *t = calloc(1, sizeof *t);
    status =
        t ? generate(t, bnt_session_sequence(session)->context->engine, session, &o, signer, err)
          : bnt_fail_nomem(err, "a text", sizeof *t);
    bnt_signer_close(signer);
    if (status == BNT_OK)
        *out = t;
    else
        bnt_text_close(t);
    return status;
}

void bnt_text_close(struct bnt_text *t) {
    if (!t) return;
    bnt_generation_free(&t->made);
    free(t->receipt);
    free(t);
}

const char *bnt_text_bytes(const struct bnt_text *t, size_t *len) {
    if (len) *len = t->made.text_len;
    return t->made.text;
}

const int32_t *bnt_text_tokens(const struct bnt_text *t, size_t *count) {
    *count = t->made.n_tokens;
    return t->made.tokens;
}

const char *bnt_text_end(const struct bnt_text *t) {
    return bnt_stop_reason_name(t->made.reason);
}

const char *bnt_text_receipt(const struct bnt_text *t, size_t *len) {
    if (len) *len = t->len;
    return t->receipt;
}

int bnt_text_save_receipt(const struct bnt_text *t, const char *path, struct bnt_err *err) {
    struct bnt_output *to = NULL;
    int status = bnt_output_open(&to, BNT_OUTPUT_RECEIPT, path, false, NULL, 0, err);
    if (status == BNT_OK) status = bnt_receipt_check_size(path, t->receipt, t->len, err);
    if (status == BNT_OK) status = bnt_output_write(to, t->receipt, t->len, err);
    bnt_output_close(to);
    return status;
}

/* ---- a receipt ------------------------------------------------------------------------------- */

static int check(struct bnt_verification *v, const json_t *receipt, struct bnt_engine *e,
                 const struct bnt_verify_options *o, struct bnt_err *err) {
    const struct bnt_verify_template template = {e->gguf, o->template_text, o->template_len};
    int status = bnt_verify_seals(v, receipt, err);
    if (status == BNT_OK) status = bnt_verify_signature(v, receipt, o->signer, err);
    if (status == BNT_OK) status = bnt_verify_model(v, receipt, e->gguf, err);
    if (status == BNT_OK) status = bnt_verify_tokenizer(v, receipt, e->tokenizer, err);
    if (status == BNT_OK)
        status =
            bnt_verify_prompt(v, receipt, e->tokenizer, o->prompt, o->prompt_len, &template, err);
    if (status != BNT_OK || v->checks[BNT_CHECK_MODEL].state == BNT_DIFFERS) return status;
    const struct bnt_session_options so = {.threads = o->threads,
                                           .no_bind = o->no_bind,
                                           .cancelled = o->cancelled,
                                           .cancelled_arg = o->cancelled_arg};
    return bnt_verify_replay(v, receipt, e, &so, NULL, err);
}

int bnt_receipt_verify(struct bnt_engine *engine, const char *receipt, size_t len,
                       const struct bnt_verify_options *options, struct bnt_first_difference *first,
                       struct bnt_err *err) {
    struct bnt_verify_options o;
    struct bnt_verification v = {0};
    json_t *read = NULL;
    if (first) *first = (struct bnt_first_difference){0};
    int status = bnt_read_options(&o, sizeof o, options, options ? options->struct_size : 0, err);
    if (status == BNT_OK) status = bnt_receipt_parse(&read, "the receipt", receipt, len, err);
    v.constraint = o.constraint;
    if (status == BNT_OK && o.prompt && bnt_receipt_turns(read))
        status = bnt_fail(err, BNT_E_USAGE, "a conversation has many prompts, and they are in it");
    if (status == BNT_OK) status = check(&v, read, engine, &o, err);
    if (status == BNT_OK) status = bnt_verify_outcome(&v, err);
    json_decref(read);
    if (!first || !v.first.what) return status;
    *first = (struct bnt_first_difference){
        .turn = v.first.turn, .step = v.first.step, .what = v.first.what};
    memcpy(first->receipt, v.first.receipt, sizeof first->receipt);
    memcpy(first->replay, v.first.replay, sizeof first->replay);
    return status;
}
