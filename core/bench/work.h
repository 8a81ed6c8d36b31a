/*
 * work.h - one kernel at one shape, ready to be called again and again by a team of threads: its
 * arguments, its memory, and what a call costs at least.
 *
 * Values are made up: speed must not depend on them. What a decoding step streams from memory is
 * streamed from memory here, since every call takes another copy of the large object.
 */
#ifndef BNT_BENCH_WORK_H
#define BNT_BENCH_WORK_H

#include <stdbool.h>

#include "bitnet/plugin.h"
#include "machine/pool.h"

struct bnt_work_item {
    const char *slot;
    char shape[40];
    uint64_t rows, cols, tokens; /* cols also head_dim, rows also heads, tokens also positions */
    uint32_t block, type;        /* of ternary scales; of dense weights */
    uint32_t kv_heads, rot, variant; /* variant: BNT_ROPE_*, BNT_GATE_*, or bits of a code */
    uint32_t queries;                /* of attention: the last of the positions */
    double macs;                     /* multiply-adds of a call; 0: not what it is about */
    uint32_t macs_kind;              /* BNT_PEAK_* */
    double bytes;                    /* that must come from memory; 0: all stays in caches */
};

/* The sizes that items are made for. */
struct bnt_work_dims {
    uint32_t n_embd, n_ff, n_head, n_head_kv, head_dim, n_rot, rope_style;
    uint64_t prompt, context;     /* tokens of a prefill batch; positions of attention */
    bnt_ternary_shape ternary[8]; /* different ones */
    unsigned n_ternary;
    bnt_dense_shape dense[4];
    unsigned n_dense;
    bnt_i8_shape search; /* rows 0: none */
};
extern const struct bnt_work_dims bnt_work_dims_2b; /* BitNet b1.58 2B-4T */

enum { BNT_WORK_ITEMS = 64 };
/* The items of all slots a run spends time in; returns how many. */
unsigned bnt_work_list(const struct bnt_work_dims *dims,
                       struct bnt_work_item items[BNT_WORK_ITEMS]);

enum { BNT_WORK_BUFFERS = 10 };
struct bnt_work {
    const bnt_kernels *k;
    const struct bnt_work_item *item;
    void *buffers[BNT_WORK_BUFFERS];
    unsigned n_buffers;
    uint64_t copies, stride; /* of the large object */
    uint32_t step;           /* that slices should be multiples of */
    /* Member i of n does its slice of call number `turn`. */
    void (*slice)(const struct bnt_work *w, uint64_t turn, unsigned i, unsigned n);
    union {
        bnt_ternary_pack_args pack;
        bnt_ternary_gemm_args gemm;
        bnt_act_quantize_args quantize;
        bnt_dense_gemm_args dense;
        bnt_rmsnorm_args rmsnorm;
        bnt_rope_args rope;
        bnt_gate_args gate;
        bnt_add_args add;
        bnt_kv_store_args store;
        bnt_attn_args attn;
        bnt_i8_gemv_args i8;
        bnt_code_gemv_args codes;
    } a;
};

/* false when the set does not have the slot or the shape, or memory is short. */
bool bnt_work_open(struct bnt_work *w, const bnt_kernels *k, const struct bnt_work_item *item);
void bnt_work_close(struct bnt_work *w);

/* Seconds per call by the whole team, over at least 15 ms; members do not wait for each other. */
double bnt_work_time(const struct bnt_work *w, struct bnt_pool *pool);

#endif
