/*
 * exec.h - walks a plan over a batch of tokens with a team of threads.
 *
 * Hands each operation's slices to the backend's slots and lets threads meet where the plan says.
 * Knows partition and memory, not arithmetic: what an operation computes is the slot's business.
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
#include "run/weights.h"

struct bnt_exec; /* opaque: buffers, KV cache, rope tables */

struct bnt_exec_options {
    uint64_t n_ctx;              /* positions of KV cache */
    uint32_t n_batch;            /* most tokens per run */
    uint32_t n_wanted;           /* most tokens per run whose logits are wanted */
    const struct bnt_head *head; /* its copy, for bnt_exec_run_top; NULL: full logits only */
    bool placed;                 /* each thread's rows lie on its NUMA node: rows are not shared */
};

/* Everything is borrowed and must outlive the executor. */
int bnt_exec_open(struct bnt_exec **out, const struct bnt_model *m, const struct bnt_weights *w,
                  const bnt_kernels *k, struct bnt_pool *pool,
                  const struct bnt_exec_options *options, struct bnt_err *err);
void bnt_exec_close(struct bnt_exec *e);

/* Tokens ids[0 .. n) at positions pos .. pos + n - 1; those before are in the cache. Logits of the
 * last `wanted` tokens are computed. 1 <= n <= n_batch, pos + n <= n_ctx, wanted <= n_wanted. */
void bnt_exec_run(struct bnt_exec *e, const int32_t *ids, uint32_t n, uint64_t pos,
                  uint32_t wanted);

/* As bnt_exec_run with 1 wanted, but only the k largest logits are found (head.h); for a k that
 * can_search allows: there is a copy of the head, k is within its limit, and no hook wants all
 * logits. */
bool bnt_exec_can_search(const struct bnt_exec *e, uint32_t k);
void bnt_exec_run_top(struct bnt_exec *e, const int32_t *ids, uint32_t n, uint64_t pos, uint32_t k);
struct bnt_search *
bnt_exec_search(const struct bnt_exec *e); /* for its result; NULL without head */
/* The full logits of the last run_top, after all. */
void bnt_exec_complete(struct bnt_exec *e);

/*
 * Checking: somebody else takes the place of the executor's own call for each operation. `slice` is
 * called by every member of the team to get slice i of n of operation `op` done (bnt_exec_slice
 * does it, on any executor with the same plan); it may let the team meet, which meets before each
 * operation anyway.
 */
struct bnt_exec_hook {
    void *arg;
    void (*begin)(void *arg); /* before each run, by its caller; may be NULL */
    void (*slice)(void *arg, uint32_t op, unsigned i, unsigned n);
    int (*verdict)(void *arg, struct bnt_err *err); /* see bnt_exec_verdict; may be NULL */
    bool watches; /* `slice` leaves each operation to this executor, so the head may be searched */
};
void bnt_exec_hook(struct bnt_exec *e, const struct bnt_exec_hook *hook); /* copied; NULL: none */
void bnt_exec_slice(struct bnt_exec *e, uint32_t op, unsigned i, unsigned n);
/* What the hook says of the runs so far: whoever uses their results asks. BNT_OK without a hook. */
int bnt_exec_verdict(const struct bnt_exec *e, struct bnt_err *err);

/* An executor like e (model, team, sizes) on another backend, with weights packed for that. */
int bnt_exec_open_beside(struct bnt_exec **out, const struct bnt_exec *e,
                         const struct bnt_weights *w, const bnt_kernels *k, struct bnt_err *err);
/* Puts e at the run that `from` is in, so that slices of it can be asked for. */
void bnt_exec_follow(struct bnt_exec *e, const struct bnt_exec *from);

/* [wanted][n_vocab] of the last run. */
const float *bnt_exec_logits(const struct bnt_exec *e);
/* [wanted][n_embd] of the last run: what the head was applied to, after the output norm. */
const float *bnt_exec_hidden(const struct bnt_exec *e);
uint64_t bnt_exec_bytes(const struct bnt_exec *e); /* memory held: KV cache, buffers */
/* How often all runs together have called slot number `slot` of bnt_kernels (bnt_slots[] of
 * plugin/slots.h); not while one is running. */
uint64_t bnt_exec_calls(const struct bnt_exec *e, size_t slot);

#endif
