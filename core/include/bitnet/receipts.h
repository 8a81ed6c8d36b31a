/*
 * receipts.h - texts that can be proven; included by bitnet.h.
 *
 * text: what a session made of a prompt, with its receipt: JSON that says which model, prompt and
 * sampling gave which tokens, logits and hidden states (docs/RECEIPTS.md). Whoever has the model
 * verifies it by computing it again, on any backend and machine.
 *
 * Threads: as sessions have it; a text, once made, may be read by any number.
 */
#ifndef BITNET_RECEIPTS_H
#define BITNET_RECEIPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bnt_engine;
struct bnt_session;
struct bnt_constraint;
struct bnt_sampling;
struct bnt_text;

struct bnt_text_options {
    size_t struct_size; /* sizeof(struct bnt_text_options); 0 says the same as this version's */
    const char *prompt; /* [prompt_len], any bytes */
    size_t prompt_len;
    unsigned flags;                      /* BNT_TEXT_BOS, BNT_TEXT_SPECIAL */
    const struct bnt_sampling *sampling; /* NULL: greedy */
    size_t max_tokens;                   /* 0: as many as the context has room for */
    const char *const *stops;            /* [n_stops] texts that end it, and are not in it */
    unsigned n_stops;
    bool ignore_end;                   /* tokens that end a text are tokens like others */
    struct bnt_constraint *constraint; /* what the text must be; NULL: anything */
    /* Text as it is made, never ending inside a character; false ends it, and nothing is made. May
     * be NULL. */
    bool (*on_text)(void *arg, const char *text, size_t len);
    void *on_text_arg;
    const char *sign_key; /* a file with the key that signs the receipt; NULL: nobody signs it */
};

/* The session forgets what it holds, and makes a text. BNT_E_LIMIT: the prompt is longer than the
 * context; BNT_E_INTERRUPTED: on_text, or the session's `cancelled`, ended it; what
 * bnt_session_feed says, and of sign_key BNT_E_IO, BNT_E_FORMAT and BNT_E_UNSUPPORTED. */
BNT_API int bnt_text_make(struct bnt_text **out, struct bnt_session *session,
                          const struct bnt_text_options *options, struct bnt_err *err);
BNT_API void bnt_text_close(struct bnt_text *text);
/* *len bytes and a NUL that is not counted; they last as long as the text. */
BNT_API const char *bnt_text_bytes(const struct bnt_text *text, size_t *len);
/* *count tokens, one that ended it included. */
BNT_API const int32_t *bnt_text_tokens(const struct bnt_text *text, size_t *count);
/* Why it ended: "length", "eog", "stop" or "context". */
BNT_API const char *bnt_text_end(const struct bnt_text *text);
/* Its receipt, as a file has it: *len bytes and a NUL that is not counted. */
BNT_API const char *bnt_text_receipt(const struct bnt_text *text, size_t *len);
/* To a new file, or in the place of an empty one or of another receipt; BNT_E_USAGE for what holds
 * something else. Under the name stands the whole receipt, or what stood there before. */
BNT_API int bnt_text_save_receipt(const struct bnt_text *text, const char *path,
                                  struct bnt_err *err);

struct bnt_verify_options {
    size_t struct_size; /* sizeof(struct bnt_verify_options); 0 says the same as this version's */
    /* The prompt [prompt_len], where its tokens do not give it back; NULL: they do. */
    const char *prompt;
    size_t prompt_len;
    struct bnt_constraint *constraint; /* of a text with a shape: the same schema or grammar */
    const char *template_text;    /* of a conversation: the template [template_len], where it */
    size_t template_len;          /* is not the model's; NULL: it is */
    const char *signer;           /* a file with the public key that must have signed it */
    unsigned threads;             /* 0: one per physical core */
    bool no_bind;                 /* do not bind threads to cores */
    bool (*cancelled)(void *arg); /* as in struct bnt_context_options */
    void *cancelled_arg;
};

/* Where a replay first came to something else than the receipt. */
struct bnt_first_difference {
    size_t turn, step; /* turn: of a conversation */
    const char *what;  /* "hidden", "token", "logit", "logprob", "text" or "end"; NULL: */
    char receipt[80], replay[80]; /* the replay did not differ, or was not made */
};

/*
 * Whether all that the receipt [len] says of a result is true of the engine's model: seals, model,
 * tokenizer, prompt, the whole computation again, and the signature where there is one or one is
 * expected. BNT_OK: all of it. BNT_E_MISMATCH: err names what differs, and where the replay did,
 * the first step; *first, which may be NULL, has it in parts. BNT_E_FORMAT: it is no receipt;
 * BNT_E_UNSUPPORTED: of another version; BNT_E_UNCHECKED: nothing differs, but something that the
 * receipt does not hold is needed and was not given.
 */
BNT_API int bnt_receipt_verify(struct bnt_engine *engine, const char *receipt, size_t len,
                               const struct bnt_verify_options *options,
                               struct bnt_first_difference *first, struct bnt_err *err);

#ifdef __cplusplus
}
#endif

#endif
