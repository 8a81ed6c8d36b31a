/*
 * exec_state.h - the inside of an executor, for exec.c and for those who check it (core/parity).
 *
 * Buffers, caches and what is being run, as exec.c lays them out. Nobody else includes it: what an
 * executor promises is in exec.h.
 */
#ifndef BNT_RUN_EXEC_STATE_H
#define BNT_RUN_EXEC_STATE_H

#include <stdalign.h>
#include <stdatomic.h>

#include "run/exec.h"

/* How often a thread called each slot, in the order of bnt_kernels, on cache lines of its own. */
enum { BNT_SLOTS = (sizeof(bnt_kernels) - offsetof(bnt_kernels, ternary_layout)) / sizeof(void *) };
struct bnt_exec_calls {
    alignas(128) uint64_t n[BNT_SLOTS];
};

struct bnt_exec {
    const struct bnt_model *m;
    const struct bnt_weights *weights;
    const bnt_kernels *k;
    struct bnt_pool *pool;
    struct bnt_plan plan;
    struct bnt_exec_options options;
    struct bnt_exec_hook hook;

    struct bnt_mem memory;        /* all that follows lies in it */
    float *buffer[BNT_BUF_COUNT]; /* [n_batch or n_wanted][width] */
    void *acts;                   /* quantized activations, large enough for every shape */
    uint8_t *cache;               /* [n_layer] KV objects, layer_bytes apart */
    uint64_t layer_bytes;
    unsigned sets;                                  /* of rotary frequencies (model.h) */
    float *cos[BNT_ROPE_SETS], *sin[BNT_ROPE_SETS]; /* [n_batch][n_rot / 2] */
    double *freq[BNT_ROPE_SETS];                    /* [n_rot / 2] */
    float *window_kv; /* [threads + 1][2][window_rows][head_dim]: what windows show */
    uint64_t window_rows;
    float *part;          /* attention partials, see attend.c */
    uint64_t part_floats; /* per thread and for the shared ones: one token's */
    int8_t *embed_trits;  /* [threads + 1][n_embd] each, for a ternary embedding */
    float *embed_scales;
    uint8_t *embed_row; /* [threads + 1][its row_room], for a dense one */
    float *row_scratch; /* [threads + 1][row_scratch_floats]: rows.h */
    uint64_t row_scratch_floats;
    _Atomic uint32_t *tickets;    /* [n_ops]: the next piece of work of each */
    struct bnt_exec_calls *calls; /* [threads] */
    bnt_kv_shape kv;
    struct bnt_search *search; /* NULL without a copy of the head */

    /* the run in progress */
    const int32_t *ids;
    uint32_t n, wanted;
    uint64_t pos;
    uint32_t top_k; /* 0: full logits */
};

/* Calls are counted where they are made: receipts report what ran. */
#define BNT_SLOT_INDEX(slot)                                                                       \
    ((offsetof(bnt_kernels, slot) - offsetof(bnt_kernels, ternary_layout)) / sizeof(void (*)(void)))
#define BNT_COUNT(e, thread, slot, times) ((e)->calls[thread].n[BNT_SLOT_INDEX(slot)] += (times))
#define BNT_CALL(e, thread, slot, args) (BNT_COUNT(e, thread, slot, 1), (e)->k->slot(args))

/* The next piece of work of an operation. */
static inline uint32_t bnt_exec_take(struct bnt_exec *e, const struct bnt_op *op) {
    return atomic_fetch_add_explicit(&e->tickets[op - e->plan.ops], 1, memory_order_relaxed);
}

/* Chunks of attention that positions 0 .. pos lie in. */
static inline uint64_t bnt_exec_chunks(uint64_t pos) {
    return pos / BNT_ATTN_CHUNK + 1;
}

/* attend.c: positions that an item of attention over a window reads at most; 0 without windows. */
uint64_t bnt_exec_window_rows(const struct bnt_exec *e);
/* The operation ATTENTION, part of thread i of n. */
void bnt_exec_attend(struct bnt_exec *e, const struct bnt_op *op, unsigned i, unsigned n);

#endif
