/*
 * parity.h - does a backend give the judge's bits? The run, what it has found so far, and its
 * receipt.
 *
 * Shared by the run (run.c), its verdict (judgement.c), its receipt (report.c) and a watchdog, who
 * must be able to write one at any moment. Knows no command line, and not where a receipt goes.
 */
#ifndef BNT_PARITY_PARITY_H
#define BNT_PARITY_PARITY_H

#include <jansson.h>
#include <pthread.h>

#include "output.h"
#include "parity/chaos.h"
#include "parity/lockstep.h"
#include "parity/trace.h"
#include "run/engine.h"
#include "tokenizer.h"

enum parity_status { /* only `ok` passes a gate */
                     PARITY_OK,
                     PARITY_DIVERGENCE,
                     PARITY_NO_REFERENCE,
                     PARITY_TIMEOUT,
                     PARITY_ERROR,
};

enum parity_phase {
    PHASE_OPENING,
    PHASE_REFERENCE,
    PHASE_HASHING,
    PHASE_FREE,
    PHASE_JUDGING,
    PHASE_LOCKSTEP,
    PHASE_CHAOS,
    PHASE_DONE,
    PHASES,
};

struct parity_prompt {
    const char *name, *text;
    unsigned flags; /* BNT_ENCODE_* */
    size_t most;    /* tokens; 0: as many as there are */
    size_t judged;  /* tokens at its end that the lock-step judges; 0: all */
    struct bnt_token_list list;
    size_t judged_from;           /* those before are computed by the tested backend alone */
    unsigned special;             /* control tokens that the text itself became */
    bool ran;                     /* x is its free run */
    bool freed, stepped, chaotic; /* which results there are */
    struct bnt_trace x, judge;
    struct bnt_agreement free, chaos;
    struct bnt_lockstep_report lockstep;
    struct bnt_lockstep_cell *cells; /* of a report to look at, [n_ops]; else NULL */
};

enum { PARITY_PROMPTS = 3 };

struct parity_options {
    const char *backend, *against; /* as they were asked for; NULL: the best; the judge */
    const char *plugin_dir, *prompt_set;
    bool free_run, lockstep, chaotic; /* which parts */
    bool first_only;                  /* the lock-step ends at the first difference */
    bool cells;                       /* keep what it found of each operation */
    uint32_t steps, n_batch;          /* tokens that are made; that are computed at once */
    uint32_t timeout;                 /* seconds, which the receipt says */
    unsigned threads;
    bool no_bind, seed_given;
    uint64_t seed, chaos; /* chaos: the seed of its choices */
};

struct parity { /* zero-initialised but for its options, mutex and start */
    struct parity_options o;
    double start, phase_start, phase_cpu_start;
    double wall[PHASES], cpu[PHASES]; /* seconds spent in each phase, by all threads for cpu */

    struct bnt_engine *engine; /* with the backend under test */
    struct bnt_session *session;
    struct bnt_backends *tables; /* where `judge` was found, when it is not ref-scalar */
    const struct bnt_backend *judge;
    struct bnt_weights judge_weights;
    struct bnt_exec *judge_exec; /* of free runs */
    uint64_t judge_calls[BNT_SLOTS];
    struct bnt_chaos *chaos;
    struct parity_prompt prompts[PARITY_PROMPTS];
    unsigned n_prompts;
    json_t *facts; /* model, tokenizer, circumstance, ...: NULL until known */

    /* For the watchdog. */
    pthread_mutex_t mutex; /* of draft and exec */
    json_t *draft;         /* the receipt so far, its own copy of everything */
    const struct bnt_exec *exec;
    _Atomic uint32_t phase, prompt, step;
    struct bnt_watch watch;
};

/* Of an engine that was opened: all parts. *result is what they came to so far, also of a failure.
 */
int parity_run(struct parity *p, enum parity_status *result, struct bnt_err *err);
/* Of a run that came to its end: BNT_E_MISMATCH with the first thing that differs, in the order in
 * which a reader wants to know. */
int parity_judge(const struct parity *p, struct bnt_err *err);
void parity_close(struct parity *p); /* the engine, too */

void parity_enter(struct parity *p, enum parity_phase phase);
int parity_publish(struct parity *p,
                   struct bnt_err *err); /* the receipt so far becomes the draft */

/* The prompts that the set names; their tokens, and the number of the longest. */
int parity_choose_prompts(struct parity *p, struct bnt_err *err);
int parity_encode_prompts(struct parity *p, uint64_t *longest, struct bnt_err *err);

double parity_elapsed(const struct parity *p);
double parity_cpu(void); /* seconds of all threads so far */
const char *parity_phase_name(uint32_t phase);

/* Facts of model, tokenizer, machine and both backends. */
int parity_facts(struct parity *p, struct bnt_err *err);
/* The whole receipt as things stand; NULL when memory is short. message may be NULL. */
json_t *parity_receipt(const struct parity *p, enum parity_status status, const char *message);
json_t *parity_difference(const struct bnt_op_difference *d, uint32_t n_layer);
int parity_write(const json_t *receipt, struct bnt_output *to, struct bnt_err *err);
const char *parity_status_name(enum parity_status status);
/* What a watchdog adds to a draft: where everybody is. */
void parity_add_progress(const struct parity *p, json_t *draft);
/* "lock-step, prompt math, step 2, thread 0 in cpu-avx2's linear blk.3.ffn_up.weight (layer 3)" */
char *parity_where(const struct parity *p, char *text, size_t size);

#endif
