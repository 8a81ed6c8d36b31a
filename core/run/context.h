/*
 * context.h - the inside of contexts and sequences, for the files that make them up (context.c,
 * feed.c, sequence.c, session.c) and for the program's own commands.
 *
 * Other programs see bitnet.h only.
 */
#ifndef BNT_RUN_CONTEXT_H
#define BNT_RUN_CONTEXT_H

#include "bitnet/bitnet.h"
#include "run/engine.h"
#include "run/exec.h"

struct bnt_sequence {
    struct bnt_context *context;
    struct bnt_kv kv;
    int32_t *tokens; /* [position], capacity of them allocated */
    uint64_t position, capacity;
    bool in_feed; /* while spans are checked: it is among them */
};

/* A wanted row's results; in the executor's buffers or in the context's own. */
struct bnt_result {
    float *hidden;       /* NULL: not wanted */
    float *kept_logits;  /* room for them, where they are wanted */
    const float *logits; /* there, or in the executor's buffer */
    const float *all;    /* as logits, also where only the largest were wanted; or NULL */
    struct bnt_top *top;
    uint32_t n_top;
    float *named; /* of the ids that the row names; NULL: none */
};

/* A span while it is fed, and its results. */
struct bnt_feed_span {
    size_t first_result, n_results;
    size_t done;     /* tokens that a run was made of */
    size_t next_row; /* of its rows, the first that no run had */
    double *sums;    /* [n_embd], for BNT_POOL_MEAN */
    float *pooled;   /* [n_embd], or NULL */
};

/* Whose sake a row of the run is wanted for. */
struct bnt_wish {
    uint32_t row;              /* of the batch */
    uint32_t span;             /* of the feed */
    const struct bnt_row *ask; /* NULL: for pooling alone */
    struct bnt_result *result; /* of ask */
    bool pools;
    enum { BNT_WISH_LOGITS, BNT_WISH_TOP, BNT_WISH_HIDDEN } kind;
};

struct bnt_context {
    struct bnt_engine *engine;
    struct bnt_pool *pool;
    struct bnt_exec *exec;
    struct bnt_exec_options options;

    /* one run */
    struct bnt_exec_span *exec_spans; /* [n_batch] */
    uint32_t n_exec_spans;
    struct bnt_wish *wishes, *sorted; /* [n_batch]: as rows come; as the executor wants them */
    uint32_t n_wishes;
    uint32_t *wanted;            /* [n_batch] */
    struct bnt_search_ask *asks; /* [n_batch] */

    /* the last feed */
    struct bnt_feed_span *spans; /* [n_spans], room for span_capacity */
    size_t n_spans, span_capacity;
    struct bnt_result *results; /* room for result_capacity */
    size_t result_capacity;
    uint8_t *kept; /* one block that results point into, in which nothing else lies */
    size_t kept_capacity;
};

/* Room for so many tokens in all. */
int bnt_sequence_reserve(struct bnt_sequence *s, uint64_t tokens, struct bnt_err *err);
/* Whether these tokens could be fed now, by this thread. */
int bnt_sequence_check(const struct bnt_sequence *s, const int32_t *ids, size_t count,
                       struct bnt_err *err);
/* The result of a row; NULL when there is no such span or row. */
const struct bnt_result *bnt_context_result(const struct bnt_context *c, size_t span, size_t row);

#endif
