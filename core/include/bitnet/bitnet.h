/*
 * bitnet.h - the public face of libbitnet.
 *
 * engine: a model file, its tokenizer, a backend and the weights packed for it; immutable once
 * open, so any number of sessions may share it from different threads.
 * session: one conversation: a KV cache, buffers and a team of threads; one caller at a time.
 * Many at once, computed together: sequences.h. Texts with receipts, and receipts verified:
 * receipts.h.
 * Same model + same tokens = same logits, bit for bit, on every backend, thread count, batch size
 * and machine (docs/NUMERICS.md).
 *
 * In short: bnt_engine_open, bnt_engine_encode, bnt_session_open; then, for each token,
 * bnt_session_feed, bnt_sample, bnt_decoder_push. What is opened is closed by the function of that
 * name, sessions and decoders before their engine. Strings in are copied or used only during the
 * call. No function prints, exits or changes the locale; none may be called from a signal handler.
 */
#ifndef BITNET_BITNET_H
#define BITNET_BITNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/constraints.h"
#include "bitnet/receipts.h"
#include "bitnet/sequences.h"
#include "bitnet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bnt_engine;
struct bnt_session;
struct bnt_decoder;

/* Of this header; before 1.0 another MINOR may not fit programs that were compiled with this one.
 */
#define BITNET_VERSION_MAJOR 0
#define BITNET_VERSION_MINOR 11
#define BITNET_VERSION_PATCH 0
#define BITNET_VERSION                                                                             \
    (BITNET_VERSION_MAJOR * 10000 + BITNET_VERSION_MINOR * 100 + BITNET_VERSION_PATCH)

BNT_API const char *bnt_version(void); /* of the library: "0.10.0" */

/* Frees what the functions below hand out; NULL is fine. */
BNT_API void bnt_free(void *memory);

/* ---- the model --------------------------------------------------------------------------------
 */

/* Options structs: zero-initialise, then set what differs from the default. They grow at their end
 * only; a program that sets struct_size goes on working with later libraries. */
struct bnt_engine_options {
    size_t struct_size;  /* sizeof(struct bnt_engine_options); 0 says the same as this version's */
    const char *backend; /* "auto" (default), or the name of a plugin: that one or an error;
                            NAME:VARIANT: one of its kernel sets */
    const char *plugin_dir; /* where plugins lie; default: BITNET_PLUGIN_DIR or compiled in */
    unsigned threads;       /* for loading; 0: one per physical core */
    /* Called now and then while weights are packed, from the opening thread; may be NULL. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
    void *progress_arg;
    /* Asked by the opening thread now and then while weights are packed: true ends the opening with
     * BNT_E_INTERRUPTED. It may read an atomic flag that another thread sets. NULL: never asked. */
    bool (*cancelled)(void *arg);
    void *cancelled_arg;
    /* Keys of the file that count as not there: for a file that is refused because of a key that
     * the caller knows to change nothing. Receipts name those that the file has. Those that say
     * how the file itself is read (general.alignment, split.) are BNT_E_USAGE. */
    const char *const *ignore_keys;
    unsigned n_ignore_keys;
    /* The layout of I2_S tensors (docs/FORMATS.md): "a", "b", "c", or "auto" (default), as the
     * weights tell it. Says nothing for a model without such tensors. */
    const char *i2s_layout;
    /* Tokens that will be computed together when texts are continued, one of each sequence, as far
     * as that is known; 0: 1. A backend with several kernel sets is asked by it. */
    unsigned together;
};

struct bnt_engine_info {
    const char *architecture; /* general.architecture */
    const char *name;         /* general.name, or "" ; printable */
    const char *backend, *backend_variant;
    /* n_vocab: rows of the head, and logits. A tokenizer may have fewer tokens: ids beyond them can
     * be chosen and fed, and have no text (bnt_engine_decode refuses them). */
    uint32_t n_vocab, n_layer, n_embd, n_ff, n_head, n_head_kv, head_dim;
    uint64_t n_ctx_train;
    uint64_t parameters, ternary_parameters;
    uint64_t file_bytes, packed_bytes;
    double load_seconds;
    /* The layout that I2_S tensors were read in, "a", "b" or "c", and how it was known: "stated",
     * "found" in the weights, or "assumed", since they could not tell; NULL without such tensors.
     * i2s_seen is the layout that the weights fit best, by i2s_margin standard deviations of what
     * chance gives; what was stated and cannot be true is i2s_contradicted. */
    const char *i2s_layout, *i2s_known, *i2s_seen;
    double i2s_margin;
    bool i2s_contradicted;
    /* One line when `auto` perhaps took a slower backend than it could have, and why: a plugin was
     * refused, or there is no folder of plugins. "" when all is well. */
    const char *backend_warning;
};

BNT_API int bnt_engine_open(struct bnt_engine **out, const char *model_path,
                            const struct bnt_engine_options *options, struct bnt_err *err);
BNT_API void bnt_engine_close(struct bnt_engine *engine); /* after its sessions */
BNT_API const struct bnt_engine_info *bnt_engine_info(const struct bnt_engine *engine);
/* The model that was installed with the library: a path, whether or not the file is there. */
BNT_API const char *bnt_default_model(void);

/* ---- text and tokens --------------------------------------------------------------------------
 */

enum bnt_text_flags {
    BNT_TEXT_BOS = 1,     /* begin (and end) with the tokens that the model's file asks for */
    BNT_TEXT_SPECIAL = 2, /* encode: texts of control tokens become them; decode: they are shown */
    BNT_TEXT_PROMPT = 4,  /* BOS, and never no token at all: an empty text starts from BOS alone */
};

/* text [len], any bytes, to *ids [*count], which the caller gives to bnt_free. */
BNT_API int bnt_engine_encode(const struct bnt_engine *engine, const char *text, size_t len,
                              unsigned flags, int32_t **ids, size_t *count, struct bnt_err *err);
/* The reverse, to *text [*len] and a NUL that is not counted; the caller gives it to bnt_free. The
 * ids are taken as a whole text: the one space that encoding may put first is taken off. */
BNT_API int bnt_engine_decode(const struct bnt_engine *engine, const int32_t *ids, size_t count,
                              unsigned flags, char **text, size_t *len, struct bnt_err *err);
/* Whether the model ends its text with this token. */
BNT_API bool bnt_engine_is_end(const struct bnt_engine *engine, int32_t id);

/* A conversation as tokens, by the model's chat template. What messages say never becomes a control
 * token, whatever it looks like. */
struct bnt_chat_message {
    const char *role; /* "system", "user" or "assistant" */
    const char *text; /* [len], any bytes */
    size_t len;
};
struct bnt_chat_options {
    size_t struct_size; /* sizeof(struct bnt_chat_options); 0 says the same as this version's */
    /* A template by its name, as --chat-template of the command has them, or a Jinja program
     * [template_len]; both NULL: the model's own, or `instruct` where its file has none. */
    const char *template_name, *template_text;
    size_t template_len;
    int64_t time; /* seconds since 1970, which some templates print as a date */
};
/* The tokens that an answer goes on from, to *ids [*count], which the caller gives to bnt_free;
 * after an "assistant" at the end those of the conversation as it stands. *stop: a text that ends
 * the answer where no token does, as long as the program lives, or NULL; stop may be NULL.
 * BNT_E_USAGE for an unknown role or name; what a template says against these messages. */
BNT_API int bnt_engine_chat(const struct bnt_engine *engine,
                            const struct bnt_chat_message *messages, size_t n,
                            const struct bnt_chat_options *options, int32_t **ids, size_t *count,
                            const char **stop, struct bnt_err *err);

/* Text as it is made, token by token, never ending inside a UTF-8 character. `continues`: it goes
 * on from a prompt; otherwise it is a text's beginning. */
BNT_API int bnt_decoder_open(struct bnt_decoder **out, const struct bnt_engine *engine,
                             bool continues, unsigned flags, struct bnt_err *err);
BNT_API void bnt_decoder_close(struct bnt_decoder *decoder);
/* What the token adds, *len bytes and a NUL that is not counted, perhaps none; it lasts until the
 * decoder's next call. Ids outside the vocabulary add nothing. */
BNT_API const char *bnt_decoder_push(struct bnt_decoder *decoder, int32_t id, size_t *len);
/* What an unfinished character has left at the end, as it is. */
BNT_API const char *bnt_decoder_flush(struct bnt_decoder *decoder, size_t *len);

/* ---- a conversation ---------------------------------------------------------------------------
 */

struct bnt_session_options {
    size_t struct_size; /* sizeof(struct bnt_session_options); 0 says the same as this version's */
    uint64_t n_ctx;     /* positions of KV cache; 0: the model's context, at most 4096 */
    uint32_t n_batch;   /* tokens computed at once; 0: 512 */
    unsigned threads;   /* 0: one per physical core */
    bool no_bind;       /* do not bind threads to cores */
    bool (*cancelled)(void *arg); /* as in struct bnt_context_options */
    void *cancelled_arg;
};

enum bnt_want { BNT_WANT_NONE, BNT_WANT_LAST, BNT_WANT_ALL };

BNT_API int bnt_session_open(struct bnt_session **out, struct bnt_engine *engine,
                             const struct bnt_session_options *options, struct bnt_err *err);
BNT_API void bnt_session_close(struct bnt_session *session);

/* Computes `count` tokens after those already fed. Afterwards bnt_session_logits gives the logits
 * of the last token (LAST), or of every token of this call (ALL). BNT_E_LIMIT when the context is
 * full or an id is out of range; BNT_E_NUMERIC when a wanted logit is not finite, or when the
 * caller changed the rounding mode or flushes denormals. On failure the session stands where it
 * stood before the call. */
BNT_API int bnt_session_feed(struct bnt_session *session, const int32_t *ids, size_t count,
                             enum bnt_want want, struct bnt_err *err);
/* [n_vocab] of token i of those whose logits were wanted; NULL beyond them. */
BNT_API const float *bnt_session_logits(const struct bnt_session *session, size_t i);
/* The final hidden state [n_embd] of the last token fed, after the output norm: what the head was
 * applied to. NULL when no logits were wanted. */
BNT_API const float *bnt_session_hidden(const struct bnt_session *session);
/*
 * As bnt_session_feed with BNT_WANT_LAST, but only the k largest logits of the last token are
 * found, which for a large vocabulary takes half the memory traffic: exactly those of the full
 * product, highest first, lowest id among equals. bnt_session_logits then gives NULL, unless the
 * model or the backend made it compute them all.
 */
BNT_API int bnt_session_feed_top(struct bnt_session *session, const int32_t *ids, size_t count,
                                 uint32_t k, struct bnt_err *err);
BNT_API const struct bnt_top *bnt_session_top(const struct bnt_session *session, uint32_t *count);
BNT_API uint64_t bnt_session_position(const struct bnt_session *session); /* tokens fed */
BNT_API uint64_t bnt_session_context(const struct bnt_session *session);  /* positions in all */
BNT_API unsigned bnt_session_threads(const struct bnt_session *session);
/* Forgets all tokens from position n on. */
BNT_API void bnt_session_truncate(struct bnt_session *session, uint64_t n);

/* ---- sampling: NUMERICS clause 10 ----------------------------------------------------------- */

struct bnt_bias {
    int32_t id;
    float bias; /* added to the token's logit */
};

struct bnt_sampling {
    float temperature;    /* below 2^-126: greedy, lowest id among equals */
    uint32_t top_k;       /* 0: all */
    float top_p;          /* 1: all */
    float min_p;          /* 0: all */
    float repeat_penalty; /* 1: none */
    uint32_t repeat_last; /* tokens the penalty looks back on */
    uint64_t seed;
    float presence_penalty;        /* taken from the logit of each token that was made; 0: none */
    float frequency_penalty;       /* ... and this as often as it was made; 0: none */
    const struct bnt_bias *biases; /* [n_biases], ids rising; may be NULL when there are none */
    uint32_t n_biases;
};

/* Greedy, no penalty, repeat_last 64, seed 0. */
BNT_API struct bnt_sampling bnt_sampling_default(void);

/* How many of the largest logits are enough to sample with these parameters: 1 when greedy, top_k
 * when that is at most 256; 0 when all are needed (a penalty, a bias, no small top_k). */
BNT_API uint32_t bnt_sampling_needs(const struct bnt_sampling *s);
/* The same token as bnt_sample, from bnt_sampling_needs(s) largest logits in order. scratch: count
 * * 16 bytes, or NULL when greedy. */
BNT_API int32_t bnt_sample_top(const struct bnt_sampling *s, const struct bnt_top *top,
                               uint32_t count, uint64_t draw, void *scratch);

/* Picks the token after history[0 .. n). `draw` counts the calls of one generation from 0: with the
 * seed it names the random number, and so many tokens at the end of history were made, the others
 * given. scratch: n_vocab * 16 bytes, aligned to 4, or NULL when greedy without penalty or bias.
 * logits are not changed. */
BNT_API int32_t bnt_sample(const struct bnt_sampling *s, const float *logits, uint32_t n_vocab,
                           const int32_t *history, size_t n, uint64_t draw, void *scratch);
/* The same among the tokens of `allowed`, of which there is at least one: a guide's
 * (constraints.h), [n_vocab] bits. NULL: all. */
BNT_API int32_t bnt_sample_allowed(const struct bnt_sampling *s, const float *logits,
                                   uint32_t n_vocab, const uint64_t *allowed,
                                   const int32_t *history, size_t n, uint64_t draw, void *scratch);

#ifdef __cplusplus
}
#endif

#endif
