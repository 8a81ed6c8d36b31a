/*
 * generate.h - from a prompt's tokens to text: prefill, then sample and decode until something says
 * stop.
 *
 * Knows sessions, sampling, the streaming decoder and stop strings; prints nothing itself.
 */
#ifndef BNT_RUN_GENERATE_H
#define BNT_RUN_GENERATE_H

#include <signal.h>

#include "bitnet/bitnet.h"
#include "tokenizer.h"

enum bnt_stop_reason {
    BNT_STOP_LENGTH,      /* n_predict tokens were made */
    BNT_STOP_EOG,         /* the model ended its text */
    BNT_STOP_STRING,      /* a stop string came up; the text ends before it */
    BNT_STOP_CONTEXT,     /* the context is full */
    BNT_STOP_INTERRUPTED, /* *interrupted became true */
};

/* What one step made. */
struct bnt_step {
    size_t index;
    int32_t id;
    float logit;       /* of id, before penalties */
    const char *chain; /* the chain of hidden states up to and with this step: 64 digits */
};

struct bnt_generate_options {
    struct bnt_sampling sampling;
    size_t n_predict;
    bool ignore_eog;
    bool full_logits; /* compute all of them, and digest them, even where the largest would do */
    const char *const *stops; /* stop strings, none empty */
    unsigned n_stops;
    /* Text as it is made, never ending inside a character or a possible stop string. Returns 0 or a
     * status, which ends generation. May be NULL. */
    int (*on_text)(void *arg, const char *text, size_t len, struct bnt_err *err);
    void *on_text_arg;
    /* Each step, before its text. Returns 0 or a status, which ends generation. May be NULL. */
    int (*on_step)(void *arg, const struct bnt_step *step, struct bnt_err *err);
    void *on_step_arg;
    const volatile sig_atomic_t *interrupted; /* may be NULL */
};

struct bnt_generation {
    int32_t *tokens; /* made, an end-of-generation token included */
    size_t n_tokens;
    char *text; /* all of it, NUL-terminated */
    size_t text_len;
    enum bnt_stop_reason reason;
    float *chosen_logits;   /* [n_tokens], before penalties */
    char (*links)[17];      /* [n_tokens]: the first 16 digits of the chain after each step */
    char logits_digest[65]; /* SHA-256 over the f32 logits of each step; "" unless full_logits */
    char hidden_digest[65]; /* SHA-256 chain over the final hidden states: see generate.c */
    double prefill_seconds, decode_seconds;
    size_t prefill_tokens; /* fed before the first step */
    size_t decode_steps;   /* forward passes of one token */
};

/* The prompt's tokens, never none: an empty one starts from BOS, or else from the token that
 * separates texts. flags as for bnt_tokenizer_encode; replaces *list. */
int bnt_encode_prompt(const struct bnt_tokenizer *t, const char *text, size_t len, unsigned flags,
                      struct bnt_token_list *list, struct bnt_err *err);

/* Generates after ids[0 .. n): all that the model sees. The session holds the first of them
 * already, bnt_session_position of them, fewer than n; the others are fed. *out is valid, to be
 * freed, also after a failure: it holds what was made until then. */
int bnt_generate(struct bnt_generation *out, struct bnt_engine *engine, struct bnt_session *session,
                 const int32_t *ids, size_t n, const struct bnt_generate_options *options,
                 struct bnt_err *err);
void bnt_generation_free(struct bnt_generation *g);
const char *bnt_stop_reason_name(enum bnt_stop_reason reason); /* "length", ... */

#endif
