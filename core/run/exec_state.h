/*
 * exec_state.h - the inside of an executor, for the files that make it up (exec.c, walk.c, ops.c,
 * attend.c, look.c).
 *
 * Nobody else includes it: what an executor promises is in exec.h, what checkers see in look.h.
 */
#ifndef BNT_RUN_EXEC_STATE_H
#define BNT_RUN_EXEC_STATE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

#include "plugin/slots.h"
#include "run/exec.h"

/* How often a thread called each slot, on cache lines of its own. */
struct bnt_exec_calls {
    alignas(128) uint64_t n[BNT_SLOTS];
};

/* Calls are counted where they are made: receipts report what ran. */
#define BNT_SLOT_INDEX(slot)                                                                       \
    ((offsetof(bnt_kernels, slot) - offsetof(bnt_kernels, ternary_layout)) / sizeof(void (*)(void)))
#define BNT_COUNT(e, thread, slot, times) ((e)->calls[thread].n[BNT_SLOT_INDEX(slot)] += (times))
#define BNT_CALL(e, thread, slot, args) (BNT_COUNT(e, thread, slot, 1), (e)->k->slot(args))

/* What a member of the team found out of range in this run (range.h), first of its rows. */
struct bnt_exec_beyond {
    alignas(128) bool found;
    enum bnt_buffer buffer;
    uint32_t row, op;
    float value;
};

/* A follower's cache of a sequence; valid when it has the stamp. */
struct bnt_exec_shadow {
    struct bnt_exec_shadow *next;
    const struct bnt_kv *of; /* compared, never followed: it may be closed */
    uint64_t stamp;
    struct bnt_kv kv;
};

struct bnt_exec {
    const struct bnt_model *m;
    const struct bnt_weights *weights;
    const bnt_kernels *k;
    struct bnt_pool *pool;
    struct bnt_plan plan;
    struct bnt_exec_options options;
    struct bnt_exec_hook hook;
    bool (*cancelled)(void *arg);
    void *cancelled_arg;
    struct bnt_exec_shadow *shadows; /* of a follower */

    struct bnt_mem memory;        /* all that follows lies in it */
    float *buffer[BNT_BUF_COUNT]; /* [n_batch, or of LOGITS n_logits][width] */
    void *acts;                   /* quantized activations, large enough for every shape */
    unsigned sets;                /* of rotary frequencies (model.h) */
    float *cos[BNT_ROPE_SETS], *sin[BNT_ROPE_SETS]; /* [n_batch][n_rot / 2] */
    double *freq[BNT_ROPE_SETS];                    /* [n_rot / 2] */
    float *part;          /* attention partials [part_spans + threads][part_floats] */
    uint64_t part_floats; /* of one token of any position */
    uint32_t part_spans;
    float *window_kv; /* [threads][2][window_rows][head_dim]: what windows show */
    uint64_t window_rows;
    int8_t *embed_trits; /* [threads][n_embd] each, for a ternary embedding */
    float *embed_scales;
    uint8_t *embed_row; /* [threads][its row_room], for a dense one */
    float *row_scratch; /* [threads][row_scratch_floats]: rows.h */
    uint64_t row_scratch_floats;
    _Atomic uint32_t *tickets;      /* [n_ops]: the next piece of work of each */
    struct bnt_exec_calls *calls;   /* [threads] */
    struct bnt_exec_beyond *beyond; /* [threads] */
    struct bnt_exec_span *spans;    /* [n_batch]: the run's */
    uint32_t *first_row;            /* [n_batch]: of each span */
    uint32_t *span_of;              /* [n_batch]: of each row */
    uint32_t *first_item[2];     /* [n_batch + 1]: of each span, in attention; and over a window */
    uint32_t *wanted;            /* [n_batch]: rows */
    struct bnt_search_ask *asks; /* [n_logits] */
    uint64_t *stamp_before;      /* [n_batch]: of each span's cache, before this run */
    struct bnt_search *search;   /* NULL without a copy of the head */

    /* the run in progress */
    uint32_t n_spans, n; /* n: rows of all spans */
    uint32_t n_wanted, n_logits, n_top;
    uint32_t head_from;       /* the first wanted row that the head is applied to */
    bool split;               /* attention by chunks of the context, see attend.c */
    bool windowed;            /* a window hides positions from tokens of this run */
    _Atomic uint32_t stop_at; /* operation where all members leave the run; UINT32_MAX: none */
};

/* Rows that an operand has in this run. */
static inline uint32_t bnt_exec_rows(const struct bnt_exec *e, const struct bnt_operand *o) {
    if (o->buffer == BNT_BUF_LOGITS) return e->n_logits;
    return o->on_wanted ? e->n_wanted : e->n;
}

/* The row of the batch that row `r` of an operand belongs to. */
static inline uint32_t bnt_exec_batch_row(const struct bnt_exec *e, const struct bnt_operand *o,
                                          uint32_t r) {
    if (o->buffer == BNT_BUF_LOGITS) r += e->head_from;
    return o->on_wanted ? e->wanted[r] : r;
}

static inline const struct bnt_exec_span *bnt_exec_span_of(const struct bnt_exec *e, uint32_t row) {
    return &e->spans[e->span_of[row]];
}

/* Position of a row of the batch in its sequence. */
static inline uint64_t bnt_exec_position(const struct bnt_exec *e, uint32_t row) {
    return bnt_exec_span_of(e, row)->pos + (row - e->first_row[e->span_of[row]]);
}

static inline uint32_t bnt_exec_take(struct bnt_exec *e, const struct bnt_op *op) {
    return atomic_fetch_add_explicit(&e->tickets[op - e->plan.ops], 1, memory_order_relaxed);
}

#endif
