/*
 * constraints.h - output with a shape: which tokens may come next; included by bitnet.h.
 *
 * constraint: a JSON schema, a grammar or "any JSON object", compiled for an engine's vocabulary.
 * guide: one text that follows it, token by token. What a guide allows is given to the row that the
 * next token is chosen from (struct bnt_row, `allowed`), or to bnt_sample_allowed.
 *
 * Threads: a constraint and all of its guides have one caller at a time; it learns from each use,
 * so that the second text of a schema costs less than the first. docs/GRAMMARS.md says what is
 * supported, NUMERICS clause 12 what is allowed where.
 */
#ifndef BITNET_CONSTRAINTS_H
#define BITNET_CONSTRAINTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bitnet/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bnt_engine;
struct bnt_constraint;
struct bnt_guide;

enum bnt_constraint_kind {
    BNT_CONSTRAINT_SCHEMA,  /* text: a JSON schema, draft 2020-12 */
    BNT_CONSTRAINT_GRAMMAR, /* text: a grammar in llama.cpp's GBNF */
    BNT_CONSTRAINT_JSON,    /* no text: any JSON object */
    BNT_CONSTRAINT_CALLS,   /* text: what calls of tools in a free text look like (GRAMMARS.md) */
};

/* text [len], used during the call only. BNT_E_FORMAT: it is no such text, or nothing matches it;
 * BNT_E_UNSUPPORTED names what is not supported, and where; BNT_E_LIMIT: it would need too much.
 * Closed before the engine. */
BNT_API int bnt_constraint_open(struct bnt_constraint **out, struct bnt_engine *engine,
                                uint32_t kind, const char *text, size_t len, struct bnt_err *err);
BNT_API void bnt_constraint_close(struct bnt_constraint *constraint); /* after its guides */
/* SHA-256 of "json-schema", "gbnf", "json" or "calls", a newline and the text: 64 hexadecimal
 * digits. */
BNT_API const char *bnt_constraint_digest(const struct bnt_constraint *constraint);

/* At the beginning of a text. */
BNT_API int bnt_guide_open(struct bnt_guide **out, struct bnt_constraint *constraint,
                           struct bnt_err *err);
BNT_API void bnt_guide_close(struct bnt_guide *guide);
/* The text goes on with this token; BNT_E_USAGE when it may not. A token that ends a text leaves it
 * as it is. */
BNT_API int bnt_guide_accept(struct bnt_guide *guide, int32_t id, struct bnt_err *err);
/* The text may end here. */
BNT_API bool bnt_guide_may_end(const struct bnt_guide *guide);

enum { BNT_GUIDE_AHEAD = 31 }; /* tokens that can be expected */

/* Looking ahead, for tokens that are fed together: bnt_guide_look begins at the end of the text,
 * and bnt_guide_expect goes on from there. false: the token may not follow, or there are as many as
 * can be. */
BNT_API void bnt_guide_look(struct bnt_guide *guide);
BNT_API bool bnt_guide_expect(struct bnt_guide *guide, int32_t id);
/* The token that is the only one after those expected, as part of a forced run; or -1. */
BNT_API int32_t bnt_guide_forced(struct bnt_guide *guide);
/* The tokens that may follow the first `ahead` of those expected: token i is bit i % 64 of word
 * i / 64, of [n_vocab] bits in whole words. Valid until the next bnt_guide_look. BNT_E_UNSUPPORTED
 * when the vocabulary has none. */
BNT_API int bnt_guide_allowed(struct bnt_guide *guide, size_t ahead, const uint64_t **out,
                              struct bnt_err *err);

#ifdef __cplusplus
}
#endif

#endif
