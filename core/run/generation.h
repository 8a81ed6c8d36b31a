/*
 * generation.h - a text that is made: what is asked of it, what each step tells, what comes of it.
 */
#ifndef BNT_RUN_GENERATION_H
#define BNT_RUN_GENERATION_H

#include <signal.h>

#include "bitnet/bitnet.h"
#include "run/draft.h"

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
    /* Where they are asked for: log-probabilities (NUMERICS clause 11) of id, and in `logit` those
     * of the likeliest tokens. */
    float logprob;
    const struct bnt_top *top;
    uint32_t n_top;
};

struct bnt_generate_options {
    struct bnt_sampling sampling;
    size_t n_predict;
    bool ignore_eog;
    bool full_logits; /* compute all of them, and digest them, even where the largest would do */
    bool logprobs;    /* give log-probabilities, */
    unsigned top_logprobs;             /* and so many of the likeliest: at most BNT_LOGPROBS_MOST */
    struct bnt_constraint *constraint; /* what the text must be (NUMERICS clause 12); or NULL */
    const char *const *stops;          /* stop strings, none empty */
    unsigned n_stops;
    /* Text as it is made, never ending inside a character or a possible stop string. Returns 0 or a
     * status, which ends generation. May be NULL. */
    int (*on_text)(void *arg, const char *text, size_t len, struct bnt_err *err);
    void *on_text_arg;
    /* Each step, before its text. Returns 0 or a status, which ends generation. May be NULL. */
    int (*on_step)(void *arg, const struct bnt_step *step, struct bnt_err *err);
    void *on_step_arg;
    const volatile sig_atomic_t *interrupted; /* may be NULL */
    /* Guesses of what comes next, which change how soon a token is made and nothing else: by
     * looking up repeated passages; or by `guesser`, where its `guess` is not NULL. */
    bool lookup;
    struct bnt_guesser guesser;
};

struct bnt_generation {
    int32_t *tokens; /* made, an end-of-generation token included */
    size_t n_tokens;
    char *text; /* all of it, NUL-terminated */
    size_t text_len;
    enum bnt_stop_reason reason;
    unsigned stop;                /* BNT_STOP_STRING: which of the options' stops */
    float *chosen_logits;         /* [n_tokens], before penalties */
    float *logprobs;              /* [n_tokens], where asked for; or NULL */
    struct bnt_top *top_logprobs; /* [n_tokens][n_top_logprobs]; see bnt_step */
    uint32_t n_top_logprobs;
    char (*links)[17];      /* [n_tokens]: the first 16 digits of the chain after each step */
    char logits_digest[65]; /* SHA-256 over the f32 logits of each step; "" unless full_logits */
    char hidden_digest[65]; /* SHA-256 chain over the final hidden states: see answer.c */
    double prefill_seconds, decode_seconds;
    size_t prefill_tokens;    /* fed before the first step */
    size_t decode_steps;      /* tokens fed after that and used */
    size_t drafted, accepted; /* tokens that were guessed and fed; of them those that were right */
};

void bnt_generation_free(struct bnt_generation *g);
const char *bnt_stop_reason_name(enum bnt_stop_reason reason); /* "length", ... */

#endif
