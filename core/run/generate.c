/*
 * generate.c - see generate.h.
 *
 * Feeds a session what the answer asks for (answer.c), until the answer is over.
 */
#include "run/generate.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "run/engine.h"
#include "run/feeder.h"

/* Without a token there is nothing to feed. */
static int start_from_nothing(const struct bnt_tokenizer *t, struct bnt_token_list *list,
                              struct bnt_err *err) {
    const struct bnt_tokenizer_info *info = bnt_tokenizer_info(t);
    int32_t id = info->bos >= 0 ? info->bos : info->eos;
    if (id < 0)
        return bnt_fail(err, BNT_E_USAGE,
                        "the prompt is empty and the model has no token to start from");
    bnt_token_list_free(list);
    *list = (struct bnt_token_list){.ids = calloc(1, sizeof(int32_t)),
                                    .begin = calloc(1, sizeof(size_t)),
                                    .end = calloc(1, sizeof(size_t)),
                                    .count = 1,
                                    .capacity = 1};
    if (!list->ids || !list->begin || !list->end) return bnt_fail_nomem(err, "the prompt", 1);
    list->ids[0] = id;
    return BNT_OK;
}

int bnt_encode_prompt(const struct bnt_tokenizer *t, const char *text, size_t len, unsigned flags,
                      struct bnt_token_list *list, struct bnt_err *err) {
    int status = bnt_tokenizer_encode(t, text, len, flags, list, err);
    if (status == BNT_OK && list->count == 0) status = start_from_nothing(t, list, err);
    return status;
}

/* Feeds what the answer asks for. */
static int feed(struct bnt_feeder *f, struct bnt_session *s, struct bnt_err *err) {
    const struct bnt_guesser guesser = f->guesser;
    struct bnt_span span = bnt_feeder_span(f, SIZE_MAX);
    int status = bnt_session_feed_span(s, &span, err);
    if (status != BNT_E_NUMERIC || !f->guesses) return status;
    f->guesser.guess = NULL; /* it may be a guess whose values are not finite: then nothing is */
    span = bnt_feeder_span(f, SIZE_MAX);
    status = bnt_session_feed_span(s, &span, err);
    f->guesser = guesser;
    return status;
}

/* The prompt, then token after token; the times of both. */
static int make(struct bnt_feeder *f, struct bnt_session *s, struct bnt_err *err) {
    struct bnt_answer *a = f->answer;
    const double start = bnt_now();
    int status = feed(f, s, err);
    const double prefilled = bnt_now();
    a->out->prefill_seconds = prefilled - start;
    while (status == BNT_OK && !a->over) {
        status = bnt_feeder_take(f, 0);
        if (status == BNT_OK && !a->over) status = feed(f, s, err);
    }
    a->out->decode_seconds = bnt_now() - prefilled;
    return status;
}

int bnt_generate(struct bnt_generation *out, struct bnt_engine *engine, struct bnt_session *session,
                 const int32_t *ids, size_t n, const struct bnt_generate_options *options,
                 struct bnt_err *err) {
    const uint64_t fed = bnt_session_position(session);
    struct bnt_answer a;
    struct bnt_feeder f = {
        .answer = &a, .sequence = bnt_session_sequence(session), .guesser = options->guesser};
    struct bnt_lookup *lookup = NULL;
    int status =
        bnt_answer_begin(&a, out, engine, options, ids, n, bnt_session_context(session), err);
    if (status == BNT_OK && fed >= n)
        status = bnt_fail(err, BNT_E_USAGE,
                          "the session holds %zu tokens and the text to go on from has %zu: "
                          "none is left to compute",
                          (size_t)fed, n);
    if (status == BNT_OK && options->lookup && !f.guesser.guess) {
        status = bnt_lookup_open(&lookup, err);
        f.guesser = (struct bnt_guesser){bnt_lookup_guess, lookup};
    }
    if (status == BNT_OK) {
        out->prefill_tokens = n - (size_t)fed;
        status = make(&f, session, err);
    }
    bnt_lookup_close(lookup);
    return bnt_answer_end(&a, status);
}
