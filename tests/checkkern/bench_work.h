/*
 * bench_work.h - one thing to time: a slot with its arguments, and what it costs at least.
 */
#ifndef CHECKKERN_BENCH_WORK_H
#define CHECKKERN_BENCH_WORK_H

#include "ck.h"

struct ck_item {
    const char *slot, *shape;
    uint64_t rows, cols, tokens; /* cols is also head_dim; rows also heads; tokens also positions */
    double (*macs)(const struct ck_item *);  /* multiply-adds of a call */
    double (*bytes)(const struct ck_item *); /* that must be read from memory; 0: stays in caches */
    bool integer;                            /* its multiply-adds are of int8 */
};
extern const struct ck_item ck_items[];
extern const size_t ck_item_count;

enum { CK_WORK_BUFFERS = 10 };

struct ck_work {
    const bnt_kernels *k;
    const struct ck_item *item;
    void *buffers[CK_WORK_BUFFERS];
    unsigned n_buffers;
    uint64_t copies, stride, turn; /* of the large object, so that no cache keeps it */
    void (*call)(struct ck_work *);
    union {
        bnt_ternary_gemm_args gemm;
        bnt_ternary_pack_args pack;
        bnt_act_quantize_args quantize;
        bnt_dense_gemm_args dense;
        bnt_rmsnorm_args rmsnorm;
        bnt_rope_args rope;
        bnt_gate_args gate;
        bnt_add_args add;
        bnt_kv_store_args store;
        bnt_attn_args attn;
        bnt_i8_gemv_args i8;
    } a;
};

/* false when the set does not have the slot or the shape, or memory is short. */
bool ck_work_open(struct ck_work *w, const bnt_kernels *k, const struct ck_item *item);
void ck_work_close(struct ck_work *w);

#endif
