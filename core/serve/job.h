/*
 * job.h - one text to be made, as the scheduler takes it: a prompt's tokens, how to go on from
 * them, and whom to tell.
 *
 * It belongs to who submits it, stays where it is until on_done, and may be freed by on_done. All
 * callbacks come from the scheduler's thread, which every other job waits for: they may not block.
 */
#ifndef BNT_SERVE_JOB_H
#define BNT_SERVE_JOB_H

#include <stdatomic.h>

#include "run/answer.h"
#include "run/generate.h"

struct serve_job {
    /* ---- what is asked; ids and what the options point to last as long as the job ---- */
    const int32_t *ids; /* [n]: the prompt, at least one token and at most the context */
    size_t n;
    struct bnt_generate_options options; /* n_predict 0: only the prompt's rows */
    /* What is wanted of every token of the prompt: 0, BNT_ROW_HIDDEN or BNT_ROW_LOGITS. In order;
     * `values` last as long as the call. A status other than 0 ends the job with it. */
    uint32_t prompt_want;
    int (*on_prompt_row)(void *arg, size_t token, const float *values, struct bnt_err *err);
    void (*on_done)(void *arg);
    void *arg;

    /* ---- what came of it, complete in on_done ---- */
    int status; /* BNT_E_INTERRUPTED: cancelled */
    struct bnt_err err;
    struct bnt_generation made;              /* the owner frees it by bnt_generation_free */
    size_t cached;                           /* tokens of the prompt that were there already */
    double submitted, started, first, ended; /* bnt_now; first: the first token; 0: never */

    /* ---- the scheduler's ---- */
    atomic_bool cancelled;
    struct serve_job *next;
    struct bnt_sequence *sequence;
    struct bnt_answer answer;
    size_t fed;         /* of the prompt */
    size_t first_row;   /* of its rows in this step */
    uint32_t span_size; /* tokens in this step */
};

#endif
