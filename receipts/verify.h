/*
 * verify.h - is what a receipt says true? Its seals, the files it names, and the run itself, again.
 *
 * Each check fills its row of a bnt_verification and returns BNT_OK when it could be made, whatever
 * it found; another status means that it could not (no memory, a file that cannot be read). The
 * receipt has passed bnt_receipt_check. bnt_verify_replay keeps the first step that differs, so
 * that who wants to know where in that step the difference arose can start from there.
 */
#ifndef BNT_VERIFY_H
#define BNT_VERIFY_H

#include "read.h"

enum bnt_check {
    BNT_CHECK_SEALS,     /* nothing was edited since the receipt was written */
    BNT_CHECK_MODEL,     /* the model file is the one that was used */
    BNT_CHECK_TOKENIZER, /* ... and its tokenizer */
    BNT_CHECK_PROMPT,    /* hashes, text and tokens of the prompt fit together */
    BNT_CHECK_REPLAY,    /* computing it again gives the same */
    BNT_CHECK_SIGNATURE, /* who vouches for it, where somebody does or is expected to: sign.h */
    BNT_CHECK_COUNT,
};
enum bnt_check_state { BNT_NOT_CHECKED, BNT_AGREES, BNT_DIFFERS };

struct bnt_difference {
    size_t turn, step; /* turn: of a conversation */
    const char *what;  /* "hidden", "token", "logit", "logprob", "end"; NULL while there is none */
    char receipt[80], replay[80];
    int32_t id; /* of the token that the replay made in that step, and the bits of its logit; not */
    uint32_t logit; /* for "end" and "text" */
};

struct bnt_verification {     /* zero-initialised */
    const char *model_sha256; /* of the file, where it is known already; NULL: it is computed */
    /* What gave the text its shape, of the engine that replays it; may be NULL. */
    struct bnt_constraint *constraint;
    bool no_replay; /* nobody wants it: leaving it out is no lack */
    struct {
        enum bnt_check_state state;
        char text[400]; /* one line: what was found */
    } checks[BNT_CHECK_COUNT];
    struct bnt_difference first;
    size_t steps; /* replayed and equal */
};

const char *bnt_check_name(enum bnt_check c);             /* "seals" */
const char *bnt_check_state_name(enum bnt_check_state s); /* "ok", "differs", "not checked" */

int bnt_verify_seals(struct bnt_verification *v, const json_t *receipt, struct bnt_err *err);
int bnt_verify_model(struct bnt_verification *v, const json_t *receipt, const struct bnt_gguf *g,
                     struct bnt_err *err);
int bnt_verify_tokenizer(struct bnt_verification *v, const json_t *receipt,
                         const struct bnt_tokenizer *t, struct bnt_err *err);
/* Where the template of a conversation may come from: the model's file, and one that was given. */
struct bnt_verify_template {
    const struct bnt_gguf *g;
    const char *text; /* NULL: none was given */
    size_t len;
};

/* text: the prompt, or NULL: then it is had from the tokens where the receipt says it can be, as
 * the prompts of a conversation always are. */
int bnt_verify_prompt(struct bnt_verification *v, const json_t *receipt,
                      const struct bnt_tokenizer *t, const char *text, size_t len,
                      const struct bnt_verify_template *template, struct bnt_err *err);
/* Whether v->constraint is what gave the text its shape; else says so of the replay. */
bool bnt_verify_constraint(struct bnt_verification *v, const json_t *receipt);
/* Of `options` everything but n_ctx counts, which the receipt gives. BNT_E_INTERRUPTED when
 * *interrupted (may be NULL) became true. */
int bnt_verify_replay(struct bnt_verification *v, const json_t *receipt, struct bnt_engine *engine,
                      const struct bnt_session_options *options,
                      const volatile sig_atomic_t *interrupted, struct bnt_err *err);

/* Fills BNT_CHECK_SIGNATURE: whether the receipt is as it was when it was signed, and by the key of
 * `path`, a public one. `path` NULL: nobody is expected; then a receipt without a signature is not
 * checked. BNT_E_IO, BNT_E_FORMAT and BNT_E_UNSUPPORTED
 * are of that file. */
int bnt_verify_signature(struct bnt_verification *v, const json_t *receipt, const char *path,
                         struct bnt_err *err);

/* turns_verify.c: the prompts of a conversation; bnt_verify_prompt calls it. */
int bnt_verify_turns(struct bnt_verification *v, const json_t *receipt,
                     const struct bnt_tokenizer *t, const struct bnt_verify_template *template,
                     struct bnt_err *err);
/* Sets the state and the text of a check; a difference is never taken back, and the texts of
 * differences add up. */
__attribute__((format(printf, 4, 5))) void bnt_verify_say(struct bnt_verification *v,
                                                          enum bnt_check c,
                                                          enum bnt_check_state state,
                                                          const char *fmt, ...);

/* BNT_E_MISMATCH with the texts of all checks that differ; else BNT_E_UNCHECKED with those of all
 * that could not be made, since nothing says that what they would look at is true; else BNT_OK. */
int bnt_verify_outcome(const struct bnt_verification *v, struct bnt_err *err);

#endif
