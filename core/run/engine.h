/*
 * engine.h - the inside of struct bnt_engine, for the program's own commands (decision table,
 * topology); other programs see bitnet.h only.
 */
#ifndef BNT_RUN_ENGINE_H
#define BNT_RUN_ENGINE_H

#include <pthread.h>

#include "bitnet/bitnet.h"
#include "file/gguf.h"
#include "machine/topology.h"
#include "model/model.h"
#include "pieces.h"
#include "plugin/backend.h"
#include "run/head.h"
#include "run/weights.h"
#include "tokenizer.h"

/* Immutable once open, but for the pieces. */
struct bnt_engine {
    char *model_path; /* as it was given */
    struct bnt_gguf *gguf;
    struct bnt_model *model;
    struct bnt_tokenizer *tokenizer;
    struct bnt_backends *backends;
    const struct bnt_backend *backend;
    struct bnt_topology *topology;
    struct bnt_weights weights;
    struct bnt_head head; /* the copy that top logits are searched in */
    struct bnt_engine_info info;
    pthread_mutex_t pieces_lock;
    struct bnt_pieces *pieces; /* of the first constraint on; NULL before */
};

/* The tokenizer, with all that it can say; it belongs to the engine. */
const struct bnt_tokenizer *bnt_engine_tokenizer(const struct bnt_engine *engine);

/* Bytes of weights that one token's greedy step reads: every matrix once, the embedding (of which
 * it reads one row) only if it is the head too, and of the head what searches have read of it and
 * its copy, on average of those of this session. */
uint64_t bnt_session_bytes_per_token(const struct bnt_session *s);
/* Bytes of K and V that it reads besides, for each position before it. */
uint64_t bnt_engine_bytes_per_position(const struct bnt_engine *e);
/* Multiply-adds of ternary products that a token takes; head and embedding are not among them. */
uint64_t bnt_engine_ternary_macs(const struct bnt_engine *e);

/* For receipts: memory of the KV cache and buffers. */
uint64_t bnt_session_bytes(const struct bnt_session *s);
/* For checks of its operations (core/parity), and its one sequence; they belong to the session. */
struct bnt_exec *bnt_session_exec(struct bnt_session *s);
struct bnt_sequence *bnt_session_sequence(struct bnt_session *s);
/* Feeds a span of that sequence; the results are those of its context (context.h). */
int bnt_session_feed_span(struct bnt_session *s, const struct bnt_span *span, struct bnt_err *err);

#endif
