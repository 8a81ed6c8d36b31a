/*
 * far-back.c - a fault that no short prompt shows: once 600 positions are stored, the heads of a
 * token are merged wrongly.
 */
#include <stdatomic.h>
#include <stdbool.h>

#include "hostile.h"

enum { FAR = 600 };

static atomic_bool far_back;

static void store(const bnt_kv_store_args *a) {
    ref_kv_store(a);
    if (a->pos + a->tok_hi > FAR) atomic_store(&far_back, true);
}

static void flip(const bnt_attn_args *a) {
    if (!atomic_load(&far_back)) return;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        float *y = &a->y[t * a->ldy + (uint64_t)a->head_lo * a->shape.head_dim];
        *y = bnt_f32_from_bits(bnt_f32_bits(*y) ^ 1);
    }
}

static void merge(const bnt_attn_args *a) {
    ref_attn_merge(a);
    flip(a);
}

static void attn(const bnt_attn_args *a) {
    ref_attn(a);
    flip(a);
}

TABLE(own.kv_store = store, own.attn_merge = merge, own.attn = attn)
BNT_PLUGIN("far-back", "1", "", 80, kernels);
