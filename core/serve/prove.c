/* prove.c - see prove.h; and GET /v1/receipts/ID, and /v1/constraints/SHA256 of what it names. */
#include "serve/prove.h"

#include <stdlib.h>
#include <string.h>

#include "receipt.h"

/* *same: the text that the tokens give by these flags gives them back. */
static int round_trip(const struct serve_server *s, const int32_t *ids, size_t n, unsigned flags,
                      bool *same, struct bnt_err *err) {
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(s->engine);
    struct bnt_token_list list = {0};
    char *text = NULL;
    size_t len = 0;
    *same = false;
    int status = bnt_receipt_prompt_text(t, ids, n, flags, &text, &len, err);
    if (status == BNT_OK) status = bnt_encode_prompt(t, text, len, flags, &list, err);
    if (status == BNT_OK) *same = list.count == n && memcmp(list.ids, ids, n * sizeof *ids) == 0;
    bnt_token_list_free(&list);
    free(text);
    return status;
}

int serve_prove_flags(const struct serve_server *s, const int32_t *ids, size_t n, unsigned *flags,
                      struct bnt_err *err) {
    static const unsigned all[] = {BNT_ENCODE_BOS, BNT_ENCODE_PARSE_SPECIAL, 0};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        bool same;
        int status = round_trip(s, ids, n, all[i], &same, err);
        *flags = all[i];
        if (status != BNT_OK || same) return status;
    }
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "receipt: the text of this prompt does not give back its tokens (a message "
                    "spells a control token?), and a receipt cannot tell it");
}

int serve_prove(struct serve_choice *choice, struct bnt_err *err) {
    struct serve_server *s = choice->completion->server;
    const struct serve_job *job = &choice->job;
    struct bnt_receipt_run run = {.model_sha256 = s->model_sha256,
                                  .template_id = "raw",
                                  .ids = job->ids,
                                  .n_ids = job->n,
                                  .signer = s->signer,
                                  .deterministic = choice->completion->ask.seed_given,
                                  .options = &job->options,
                                  .generation = &job->made};
    char *text = NULL;
    json_t *receipt = NULL;
    int status = serve_prove_flags(s, job->ids, job->n, &run.encode_flags, err);
    if (status == BNT_OK)
        status = bnt_receipt_prompt_text(bnt_engine_tokenizer(s->engine), job->ids, job->n,
                                         run.encode_flags, &text, &run.prompt_len, err);
    run.prompt = text;
    if (status == BNT_OK)
        status = bnt_receipt_build_at(&receipt, s->engine, &choice->completion->place, &run, err);
    if (status == BNT_OK)
        status = serve_receipts_put(&s->receipts, choice->receipt_id, receipt, err);
    json_decref(receipt);
    free(text);
    return status;
}

void serve_receipt(struct serve_server *s, struct serve_request *r) {
    char *text = serve_receipts_get(&s->receipts, serve_path_rest(r));
    if (text)
        serve_reply(r, 200, "application/json", text, strlen(text));
    else
        serve_fail(s, r, 404, NULL, "there is no receipt of that id, or no more");
}

void serve_constraint(struct serve_server *s, struct serve_request *r) {
    size_t len;
    char *text = serve_shape_text(&s->shapes, serve_path_rest(r), &len);
    if (text)
        serve_reply(r, 200, "text/plain; charset=utf-8", text, len);
    else
        serve_fail(s, r, 404, NULL, "there is no schema or grammar of that digest, or no more");
}
