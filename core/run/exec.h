/*
 * exec.h - walks a plan over a batch of tokens with a team of threads.
 *
 * A batch is a list of spans, each some tokens of one sequence after those that its KV cache holds
 * already, and of rows whose results are wanted. Buffers and team belong to the executor, which
 * serves any number of sequences. Hands each operation's slices to the backend's slots and lets
 * threads meet where the plan says. Knows partition and memory, not arithmetic: what an operation
 * computes is the slot's business, and what is computed with a token does not depend on its batch.
 */
#ifndef BNT_RUN_EXEC_H
#define BNT_RUN_EXEC_H

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "bitnet/plugin.h"
#include "machine/pool.h"
#include "model/plan.h"
#include "run/head.h"
#include "run/kv.h"
#include "run/weights.h"

struct bnt_exec; /* opaque: plan, buffers, rope tables */

struct bnt_exec_options {
    uint64_t n_ctx;              /* most positions of a sequence */
    uint32_t n_batch;            /* most tokens per run, of all spans together */
    uint32_t n_logits;           /* most rows per run whose logits are wanted, full or largest */
    const struct bnt_head *head; /* its copy, in which largest logits are searched; NULL: none */
    bool placed;                 /* each thread's rows lie on its NUMA node: rows are not shared */
};

/* Everything is borrowed and must outlive the executor. */
int bnt_exec_open(struct bnt_exec **out, const struct bnt_model *m, const struct bnt_weights *w,
                  const bnt_kernels *k, struct bnt_pool *pool,
                  const struct bnt_exec_options *options, struct bnt_err *err);
void bnt_exec_close(struct bnt_exec *e);

/* Tokens ids[0 .. n) of a sequence, n >= 1, at positions pos .. pos + n - 1 <= n_ctx - 1; those
 * before are in its cache. */
struct bnt_exec_span {
    struct bnt_kv *kv;
    uint64_t pos;
    const int32_t *ids;
    uint32_t n;
};

/* No sequence twice. The tokens of all spans, one after the other, are the batch's rows; wanted
 * lists the rows whose final hidden state is wanted. Of the first n_logits of them all logits are
 * computed, of the next n_top what asks[i] says is searched for; n_logits + n_top <=
 * options.n_logits. All is borrowed while the run lasts. */
struct bnt_exec_batch {
    const struct bnt_exec_span *spans;
    uint32_t n_spans;
    const uint32_t *wanted;
    uint32_t n_wanted, n_logits, n_top;
    const struct bnt_search_ask *asks;
};

/* BNT_E_INTERRUPTED when it was cancelled: the caches then hold what they held, and perhaps more
 * after it. Other failures are of a hook. */
int bnt_exec_run(struct bnt_exec *e, const struct bnt_exec_batch *batch, struct bnt_err *err);
/* One sequence; the logits of its last `wanted` tokens. */
int bnt_exec_run_one(struct bnt_exec *e, struct bnt_kv *kv, uint64_t pos, const int32_t *ids,
                     uint32_t n, uint32_t wanted, struct bnt_err *err);
/* Asked by the caller's thread between operations, whether to give up the run; NULL: never. */
void bnt_exec_on_cancel(struct bnt_exec *e, bool (*cancelled)(void *arg), void *arg);

/* Whether the k largest logits of a row may be searched for: there is a copy of the head, k is
 * within its limit, and no hook wants all logits. */
bool bnt_exec_can_search(const struct bnt_exec *e, uint32_t k);
struct bnt_search *bnt_exec_search(const struct bnt_exec *e); /* for its results; NULL without */
/* All logits of wanted row i < n_logits + n_top of the last run after all, in bnt_exec_logits. */
void bnt_exec_complete(struct bnt_exec *e, uint32_t i);

/* An empty cache for a sequence of n_ctx positions. */
int bnt_exec_open_kv(const struct bnt_exec *e, struct bnt_kv *out, struct bnt_err *err);

/*
 * Checking: somebody else takes the place of the executor's own call for each operation. `slice` is
 * called by every member of the team to get slice i of n of operation `op` done (bnt_exec_slice
 * does it, on any executor with the same plan); it may let the team meet, which meets before each
 * operation anyway.
 */
struct bnt_exec_hook {
    void *arg;
    int (*begin)(void *arg, struct bnt_err *err); /* before each run, by its caller; may be NULL */
    void (*slice)(void *arg, uint32_t op, unsigned i, unsigned n);
    int (*verdict)(void *arg, struct bnt_err *err); /* see bnt_exec_verdict; may be NULL */
    bool watches; /* `slice` leaves each operation to this executor, so the head may be searched */
};
void bnt_exec_hook(struct bnt_exec *e, const struct bnt_exec_hook *hook); /* copied; NULL: none */
void bnt_exec_slice(struct bnt_exec *e, uint32_t op, unsigned i, unsigned n);
/* What the hook, if there is one, says of the runs so far; and BNT_E_NUMERIC when the last one met
 * values that attention or a gate would hide (range.h). Whoever uses results asks. */
int bnt_exec_verdict(const struct bnt_exec *e, struct bnt_err *err);

/* An executor like e (model, team, sizes) on another backend, with weights packed for that. */
int bnt_exec_open_beside(struct bnt_exec **out, const struct bnt_exec *e,
                         const struct bnt_weights *w, const bnt_kernels *k, struct bnt_err *err);
/* Puts e at the run that `from` is in, so that slices of it can be asked for. It keeps a cache of
 * its own for each sequence, which takes over what it has not seen stored. By begin of a hook. */
int bnt_exec_follow(struct bnt_exec *e, const struct bnt_exec *from, struct bnt_err *err);

/* [n_logits][n_vocab] of the last run. */
const float *bnt_exec_logits(const struct bnt_exec *e);
/* [n_wanted][n_embd] of the last run: what the head is applied to, after the output norm. */
const float *bnt_exec_hidden(const struct bnt_exec *e);
uint64_t bnt_exec_bytes(const struct bnt_exec *e); /* memory held: buffers */
/* How often all runs together have called slot number `slot` of bnt_kernels (bnt_slots[] of
 * plugin/slots.h); not while one is running. */
uint64_t bnt_exec_calls(const struct bnt_exec *e, size_t slot);

#endif
