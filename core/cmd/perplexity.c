/*
 * perplexity.c - `bitnet perplexity`: how well the model foresees a text.
 *
 * The text's tokens (without BOS) are cut into windows of n_ctx - 1; each window is fed after a BOS
 * into an empty context, and every token after the BOS is scored: models/README.md describes the
 * same procedure for the trainer. Log-probabilities are those of NUMERICS clause 11.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "cmd/terminal.h"
#include "run/logprob.h"

enum { STEP = 32 }; /* tokens fed at once, since all their logits are kept */

int cmd_score_window(struct bnt_session *s, uint32_t n_vocab, const int32_t *ids, size_t n,
                     double *nats, double *each, struct bnt_err *err) {
    bnt_session_truncate(s, 0);
    for (size_t at = 0; at + 1 < n; at += STEP) {
        size_t count = n - 1 - at < STEP ? n - 1 - at : STEP;
        int status = bnt_session_feed(s, ids + at, count, BNT_WANT_ALL, err);
        if (status != BNT_OK) return status;
        for (size_t i = 0; i < count; i++) {
            const float *logits = bnt_session_logits(s, i);
            const struct bnt_softmax softmax = bnt_softmax_of(logits, n_vocab);
            const double logprob = bnt_logprob(&softmax, logits[ids[at + i + 1]]);
            *nats -= logprob;
            if (each) each[at + i] = logprob;
        }
    }
    return BNT_OK;
}

/* The log-probabilities as a list, where they are asked for. */
static json_t *list_of(const double *each, size_t n) {
    json_t *list = each ? json_array() : NULL;
    for (size_t i = 0; each && i < n; i++) json_array_append_new(list, json_real(each[i]));
    return list;
}

static int score(const struct cmd_args *args, const struct bnt_engine *engine,
                 struct bnt_session *s, const struct bnt_token_list *list, struct bnt_err *err) {
    const struct bnt_engine_info *info = bnt_engine_info(engine);
    size_t window = (size_t)bnt_session_context(s), scored = 0;
    int32_t bos = bnt_tokenizer_info(bnt_engine_tokenizer(engine))->bos;
    int32_t *ids = malloc(window * sizeof *ids);
    double *each = args->each ? calloc(list->count, sizeof *each) : NULL;
    struct bar bar;
    double nats = 0.0, start = bnt_now();
    int status = BNT_OK;
    if (!ids || (args->each && !each)) {
        free(ids);
        free(each);
        return bnt_fail_nomem(err, "the scores", list->count * sizeof *each);
    }
    ids[0] = bos;
    bar_begin(&bar, "scoring");
    for (size_t at = 0; at < list->count && status == BNT_OK; at += window - 1) {
        size_t n = list->count - at < window - 1 ? list->count - at : window - 1;
        memcpy(ids + 1, list->ids + at, n * sizeof *ids);
        status =
            cmd_score_window(s, info->n_vocab, ids, n + 1, &nats, each ? each + at : NULL, err);
        scored += n;
        bar_show(&bar, scored, list->count);
    }
    bar_end(&bar);
    free(ids);
    json_t *scores = status == BNT_OK ? list_of(each, scored) : NULL;
    free(each);
    if (status != BNT_OK) return status;
    double perplexity = exp(nats / (double)scored), seconds = bnt_now() - start;
    if (args->json)
        return cmd_write_json(
            json_pack("{s:o, s:o, s:s, s:o, s:i, s:I, s:I, s:f, s:f, s:f, s:o*}", "model",
                      cmd_json_text(cmd_model_path(args), strlen(cmd_model_path(args))), "i2s",
                      cmd_json_i2s(info->i2s_layout, info->i2s_known, info->i2s_margin), "backend",
                      info->backend, "backend_warning", cmd_json_warning(engine), "threads",
                      (int)bnt_session_threads(s), "n_ctx", (json_int_t)window, "tokens",
                      (json_int_t)scored, "nats", nats, "perplexity", perplexity, "seconds",
                      seconds, "each", scores),
            err);
    printf("perplexity %.4f over %zu tokens (%.4f nats each), windows of %zu\n", perplexity, scored,
           nats / (double)scored, window);
    return cmd_flush(err);
}

int cmd_perplexity(const struct cmd_args *args, struct bnt_err *err) {
    struct bnt_engine *engine = NULL;
    struct bnt_session *session = NULL;
    struct bnt_token_list list = {0};
    char *text = NULL;
    size_t len = 0;
    int status;
    if (!args->file) return bnt_fail(err, BNT_E_USAGE, "-f FILE names the text");
    if ((status = cmd_read_file(args->file, &text, &len, err)) != BNT_OK) return status;
    if ((status = cmd_open_engine(&engine, args, err)) != BNT_OK) goto out;
    const struct bnt_tokenizer *t = bnt_engine_tokenizer(engine);
    if ((status = bnt_tokenizer_encode(t, text, len, 0, &list, err)) != BNT_OK) goto out;
    if (list.count == 0) {
        status = bnt_fail(err, BNT_E_USAGE, "%s: the text is empty", args->file);
        goto out;
    }
    if (bnt_tokenizer_info(t)->bos < 0) {
        status = bnt_fail(err, BNT_E_UNSUPPORTED, "the model has no BOS token to begin a window");
        goto out;
    }
    status = cmd_open_session(&session, engine, args,
                              args->threads.count ? args->threads.values[0] : 0, err);
    if (status == BNT_OK && bnt_session_context(session) < 2)
        status = bnt_fail(err, BNT_E_USAGE, "windows of one token score nothing");
    if (status == BNT_OK) status = score(args, engine, session, &list, err);
out:
    bnt_session_close(session);
    bnt_token_list_free(&list);
    bnt_engine_close(engine);
    free(text);
    return status;
}
