/*
 * scheduler.h - a thread that owns the executor: jobs come from any thread, wait in a bounded line,
 * are computed together, and are done.
 *
 * What a job gives depends on the job alone, not on what else is computed. Knows jobs; must not
 * know what a job is for.
 */
#ifndef BNT_SERVE_SCHEDULER_H
#define BNT_SERVE_SCHEDULER_H

#include "receipt.h"
#include "serve/running.h"

struct serve_scheduler;

struct serve_scheduler_options {
    struct serve_running_options running;
    unsigned queue; /* jobs that may wait besides those that run */
};

struct serve_load { /* now */
    unsigned running, waiting;
    unsigned kept; /* beginnings */
    uint64_t kept_bytes;
};

/* The engine outlives it. */
int serve_scheduler_open(struct serve_scheduler **out, struct bnt_engine *engine,
                         const struct serve_scheduler_options *options, struct bnt_err *err);
/* Waits until all jobs are done; what is submitted from then on is refused: BNT_E_INTERRUPTED. */
void serve_scheduler_stop(struct serve_scheduler *s);
/* Stops it, and forgets it. */
void serve_scheduler_close(struct serve_scheduler *s);
/* BNT_E_LIMIT: the line has no room for all of them, and none was taken. */
int serve_scheduler_submit(struct serve_scheduler *s, struct serve_job *const *jobs, unsigned n,
                           struct bnt_err *err);
/* The job, which is not done yet, soon will be. */
void serve_scheduler_cancel(struct serve_scheduler *s, struct serve_job *job);
/* Ends whatever runs or waits, even within a step; and what is submitted later. */
void serve_scheduler_abort(struct serve_scheduler *s);
struct serve_load serve_scheduler_load(struct serve_scheduler *s);
const struct serve_counts *serve_scheduler_counts(const struct serve_scheduler *s);
uint64_t serve_scheduler_context(const struct serve_scheduler *s); /* positions of a job */
/* For receipts; from callbacks of jobs only. */
struct bnt_receipt_place serve_scheduler_place(const struct serve_scheduler *s);
unsigned serve_scheduler_threads(const struct serve_scheduler *s);

#endif
