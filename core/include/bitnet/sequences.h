/*
 * sequences.h - many sequences computed together; included by bitnet.h.
 *
 * context: buffers and a team of threads, for any number of sequences of one engine.
 * sequence: tokens fed so far and their KV cache. Its room is reserved when it is opened and filled
 * as it grows, so an idle one costs next to nothing.
 * What a sequence computes does not depend on what is computed beside it, nor on how its tokens are
 * cut into feeds: every schedule gives each sequence the bits that it has alone.
 *
 * Threads: a context and all of its sequences have one caller at a time; different contexts are
 * independent. Only `cancelled` connects a feed with other threads.
 */
#ifndef BITNET_SEQUENCES_H
#define BITNET_SEQUENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bnt_engine;
struct bnt_context;
struct bnt_sequence;

struct bnt_top {
    float logit;
    int32_t id;
};

struct bnt_context_options {
    size_t struct_size; /* sizeof(struct bnt_context_options); 0 says the same as this version's */
    uint64_t n_ctx;     /* positions of each sequence; 0: the model's context, at most 4096 */
    uint32_t n_batch;   /* tokens computed at once, of all sequences together; 0: 512 */
    unsigned threads;   /* 0: one per physical core */
    bool no_bind;       /* do not bind threads to cores */
    /* Asked by the feeding thread between operations, some hundred times per token: true ends the
     * feed with BNT_E_INTERRUPTED. It may read an atomic flag that another thread sets. NULL: never
     * asked. */
    bool (*cancelled)(void *arg);
    void *cancelled_arg;
};

/* The engine must outlive the context, the context its sequences. */
BNT_API int bnt_context_open(struct bnt_context **out, struct bnt_engine *engine,
                             const struct bnt_context_options *options, struct bnt_err *err);
BNT_API void bnt_context_close(struct bnt_context *context);
BNT_API unsigned bnt_context_threads(const struct bnt_context *context);
BNT_API uint64_t bnt_context_positions(const struct bnt_context *context); /* of a sequence */

/* ---- sequences ------------------------------------------------------------------------------- */

/* An empty one. */
BNT_API int bnt_sequence_open(struct bnt_sequence **out, struct bnt_context *context,
                              struct bnt_err *err);
BNT_API void bnt_sequence_close(struct bnt_sequence *sequence);
/* The tokens fed, *count of them; valid until the sequence changes. */
BNT_API const int32_t *bnt_sequence_tokens(const struct bnt_sequence *sequence, size_t *count);
/* Forgets all tokens from position n on. */
BNT_API void bnt_sequence_truncate(struct bnt_sequence *sequence, uint64_t n);
/* A new sequence with the first n tokens of this one, copied, not computed; n is at most their
 * number. */
BNT_API int bnt_sequence_fork(struct bnt_sequence **out, const struct bnt_sequence *sequence,
                              uint64_t n, struct bnt_err *err);
/* To a file and back, on any backend and machine. BNT_E_IO when it cannot be written whole: then a
 * file of that name is as it was; BNT_E_USAGE when that is something else than a saved sequence.
 * Loading refuses with BNT_E_FORMAT a file that is cut, damaged or no such file, with
 * BNT_E_MISMATCH one of another model or version of the numerics, with BNT_E_LIMIT one that is
 * longer than the context. A load computes one token, to see that it gives what the file has. */
BNT_API int bnt_sequence_save(const struct bnt_sequence *sequence, const char *path,
                              struct bnt_err *err);
BNT_API int bnt_sequence_load(struct bnt_sequence **out, struct bnt_context *context,
                              const char *path, struct bnt_err *err);

/* ---- feeding --------------------------------------------------------------------------------- */

/* What is wanted of a token, together. */
enum bnt_row_want {
    BNT_ROW_HIDDEN = 1, /* the final hidden state [n_embd], after the output norm */
    BNT_ROW_TOP = 2,    /* the k largest logits: highest first, lowest id among equals */
    BNT_ROW_LOGITS = 4, /* all of them [n_vocab] */
};

struct bnt_row {
    uint32_t token; /* of the span's ids */
    uint32_t want;  /* BNT_ROW_* */
    uint32_t k;     /* of BNT_ROW_TOP: 1 to 256 */
    /* Of BNT_ROW_TOP: tokens whose logits are wanted whatever they are, ids rising; the k largest
     * are those of the others. A rule that changes few logits (a penalty, a bias) names their ids,
     * and knows all that it needs. May be NULL when n_ids is 0. */
    uint32_t n_ids;
    const int32_t *ids;
    /* Of BNT_ROW_TOP: the largest are those of these tokens, fewer than k where there are not so
     * many; token i is bit i % 64 of word i / 64, of [n_vocab] bits in whole words. Tokens that are
     * named are not asked whether they are among them. NULL: all. */
    const uint64_t *allowed;
};

enum bnt_pooling {
    BNT_POOL_NONE,
    BNT_POOL_MEAN,  /* of the hidden states of the span's tokens: sums in binary64 in their order,
                       divided, rounded once to binary32 */
    BNT_POOL_FIRST, /* the first token's */
    BNT_POOL_LAST,  /* the last token's */
};

struct bnt_span {
    struct bnt_sequence *sequence; /* each at most once in a feed */
    const int32_t *ids;            /* [count], at least one: they follow the tokens fed before */
    size_t count;
    const struct bnt_row *rows; /* [n_rows], token rising; may be NULL when n_rows is 0 */
    size_t n_rows;
    uint32_t pool; /* BNT_POOL_* */
    uint32_t reserved;
};

/* Computes the tokens of all spans, at most n_batch at a time. Results are then read by the number
 * of their span and row, until the next feed. BNT_E_LIMIT when a context is full or an id is out of
 * range; BNT_E_NUMERIC when a wanted value is not finite, or when the caller changed the rounding
 * mode or flushes denormals; BNT_E_USAGE for wishes that are not as above. On failure all sequences
 * stand where they stood before. */
BNT_API int bnt_context_feed(struct bnt_context *context, const struct bnt_span *spans,
                             size_t n_spans, struct bnt_err *err);
/* NULL for what was not wanted of a row, and for a span or row that there was not. */
BNT_API const float *bnt_context_hidden(const struct bnt_context *context, size_t span, size_t row);
BNT_API const float *bnt_context_logits(const struct bnt_context *context, size_t span, size_t row);
BNT_API const struct bnt_top *bnt_context_top(const struct bnt_context *context, size_t span,
                                              size_t row, uint32_t *count);
/* [n_ids] of the row: the logits of the tokens that it named. */
BNT_API const float *bnt_context_named(const struct bnt_context *context, size_t span, size_t row);
BNT_API const float *bnt_context_pooled(const struct bnt_context *context, size_t span);

#ifdef __cplusplus
}
#endif

#endif
