/*
 * answer.h - one answer in the making: what the row of each step becomes, token by token.
 *
 * Who feeds the model, a session (generate.c) or a scheduler of many sequences, gives
 * each step's results and is told whether to go on. Knows sampling, the streaming decoder and stop
 * strings; must not know where the results come from, nor what else was computed beside them.
 */
#ifndef BNT_RUN_ANSWER_H
#define BNT_RUN_ANSWER_H

#include "base/sha256.h"
#include "run/choose.h"
#include "run/generation.h"
#include "tokenizer.h"

/* What the model gives behind the last token, of a row that bnt_answer_ask filled in. */
struct bnt_answer_row {
    const float *hidden;
    struct bnt_choices choices;
};

struct bnt_answer {
    const struct bnt_generate_options *o;
    struct bnt_generation *out;
    uint32_t n_embd, n_vocab;
    uint64_t context; /* positions that may be fed */
    bool over;        /* nothing more is to be fed: out->reason says why */
    bool cut;         /* the text ended at a stop string */
    struct bnt_chooser chooser;
    struct bnt_guide *guide; /* of a constraint, or NULL */
    int trouble;             /* what the guide had to say when it was asked */
    struct bnt_stream stream;
    int32_t *history; /* all ids, then out->tokens: what the repetition penalty sees */
    size_t n_history;
    size_t capacity; /* of out->text */
    size_t emitted;
    struct bnt_sha256 digest; /* of all logits, where they are wanted */
    struct bnt_err *err;
};

/* After ids[0 .. n), which the model sees. `o`, `out` and `err` outlive the answer. Whatever this
 * returns, bnt_answer_end frees it. */
int bnt_answer_begin(struct bnt_answer *a, struct bnt_generation *out, struct bnt_engine *engine,
                     const struct bnt_generate_options *o, const int32_t *ids, size_t n,
                     uint64_t context, struct bnt_err *err);
/* Before a feed: what was expected before is forgotten. Then bnt_answer_expect is told of each
 * token that is fed in the hope that it comes; a failure means that it cannot. bnt_answer_forced is
 * the token that must come next, where a constraint leaves but one, or -1. */
void bnt_answer_look(struct bnt_answer *a);
int bnt_answer_expect(struct bnt_answer *a, int32_t id);
int32_t bnt_answer_forced(const struct bnt_answer *a);
/* What the step needs of the row behind the last token and the first `ahead` of those expected:
 * want, k, ids and allowed, which last until the next look. */
void bnt_answer_ask(struct bnt_answer *a, size_t ahead, struct bnt_row *row);
/* One step. Unless `over` is set then, the last of out->tokens is to be fed. */
int bnt_answer_step(struct bnt_answer *a, const struct bnt_answer_row *row);
/* Gives out what was held back, closes the digests and frees; `status` is how it went so far, and
 * is given back unless the end itself fails. */
int bnt_answer_end(struct bnt_answer *a, int status);

#endif
