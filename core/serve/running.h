/*
 * running.h - the jobs that are computed together, step by step; a job may join and leave between
 * any two steps.
 *
 * A step feeds each job that makes an answer its next token, and shares what time there is beside
 * that among prompts, evenly, so that a long one delays nobody by more than its share. How a prompt
 * is cut changes no bit of what comes of it. One thread, the one that opened it.
 */
#ifndef BNT_SERVE_RUNNING_H
#define BNT_SERVE_RUNNING_H

#include "run/context.h"
#include "serve/job.h"
#include "serve/prefix.h"

struct serve_counts { /* since the start; read by other threads */
    atomic_ullong jobs, cancelled, failed;
    atomic_ullong prompt_tokens, cached_tokens, made_tokens;
    atomic_ullong steps, microseconds; /* of feeding */
};

struct serve_running {
    struct bnt_engine *engine;
    struct bnt_context *context;
    struct serve_prefix prefix;
    struct serve_counts *counts;
    struct serve_job **jobs; /* [count], room for `most` */
    struct serve_job **fed;  /* [most]: whose span is which, in a step */
    unsigned count, most;
    uint32_t piece;         /* tokens of prompts in a step */
    bool fixed_piece;       /* it does not follow the clock */
    struct bnt_span *spans; /* [most] */
    struct bnt_row *rows;   /* [row_capacity] */
    size_t row_capacity;
    struct bnt_sequence **sequences; /* [most]: for looking for beginnings */
};

struct serve_running_options {
    struct bnt_context_options context;
    unsigned parallel;    /* jobs at once */
    uint64_t cache_bytes; /* for beginnings of later prompts; 0: none */
    uint32_t piece;       /* tokens of prompts in a step; 0: what a quarter of a second allows */
};

int serve_running_open(struct serve_running *r, struct bnt_engine *engine,
                       const struct serve_running_options *o, struct serve_counts *counts,
                       struct bnt_err *err);
/* Jobs must be over. */
void serve_running_close(struct serve_running *r);
/* There must be room. A job that cannot even begin is done at once. */
void serve_running_join(struct serve_running *r, struct serve_job *job);
/* One feed; jobs that are over, cancelled or failed leave and are done. */
void serve_running_step(struct serve_running *r);
/* A job that never ran. */
void serve_job_refuse(struct serve_job *job, int status, const char *why);

#endif
