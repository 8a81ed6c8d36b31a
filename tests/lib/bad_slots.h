/*
 * bad_slots.h - kernels that are wrong in all that they write, one slot at a time, for the tests of
 * those who must find and name them. Right where `strikes` says no.
 */
#ifndef TEST_BAD_SLOTS_H
#define TEST_BAD_SLOTS_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/plugin.h"

static const bnt_kernels *right; /* whose kernels they start from */
static bool (*strikes)(void);    /* NULL: always */

static bool bad_now(void) {
    return !strikes || strikes();
}

static void bad_flip(float *x, uint64_t n) {
    for (uint64_t i = 0; i < n && bad_now(); i++) x[i] = bnt_f32_from_bits(bnt_f32_bits(x[i]) ^ 1);
}

static void bad_rmsnorm(const bnt_rmsnorm_args *a) {
    right->rmsnorm(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) bad_flip(&a->y[t * a->ldy], a->n);
}

/* Of the negated values. */
static void bad_act_quantize(const bnt_act_quantize_args *a) {
    const uint64_t n = a->tok_hi * a->ldx;
    float *x = malloc((n + 1) * sizeof *x);
    bnt_act_quantize_args b = *a;
    if (!x) abort();
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        for (uint64_t i = 0; i < a->shape.cols; i++)
            x[t * a->ldx + i] = bad_now() ? -a->x[t * a->ldx + i] : a->x[t * a->ldx + i];
    b.x = x;
    right->act_quantize(&b);
    free(x);
}

static void bad_ternary_gemm(const bnt_ternary_gemm_args *a) {
    right->ternary_gemm(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        bad_flip(&a->y[t * a->ldy + a->row_lo], a->row_hi - a->row_lo);
}

static void bad_dense_gemm(const bnt_dense_gemm_args *a) {
    right->dense_gemm(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        bad_flip(&a->y[t * a->ldy + a->row_lo], a->row_hi - a->row_lo);
}

static void bad_dense_unpack(const bnt_dense_unpack_args *a) {
    right->dense_unpack(a);
    bad_flip(a->out, (a->row_hi - a->row_lo) * a->shape.cols);
}

static void bad_ternary_unpack(const bnt_ternary_unpack_args *a) {
    right->ternary_unpack(a);
    for (uint64_t i = 0; i < (a->row_hi - a->row_lo) * a->shape.cols && bad_now(); i++)
        a->trits[i] = (int8_t)-a->trits[i];
}

static void bad_rope(const bnt_rope_args *a) {
    right->rope(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        bad_flip(&a->x[t * a->ldx + (uint64_t)a->head_lo * a->head_dim],
                 (uint64_t)(a->head_hi - a->head_lo) * a->head_dim);
}

static void bad_gate(const bnt_gate_args *a) {
    right->gate(a);
    bad_flip(&a->y[a->lo], a->hi - a->lo);
}

static void bad_gate_gelu(const bnt_gate_args *a) {
    right->gate_gelu(a);
    bad_flip(&a->y[a->lo], a->hi - a->lo);
}

static void bad_add(const bnt_add_args *a) {
    right->add(a);
    bad_flip(&a->y[a->lo], a->hi - a->lo);
}

/* K where V belongs. */
static void bad_kv_store(const bnt_kv_store_args *a) {
    bnt_kv_store_args b = *a;
    if (bad_now()) b.v = a->k;
    right->kv_store(&b);
}

static void bad_heads(const bnt_attn_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        bad_flip(&a->y[t * a->ldy + (uint64_t)a->head_lo * a->shape.head_dim],
                 (uint64_t)(a->head_hi - a->head_lo) * a->shape.head_dim);
}

static void bad_attn_merge(const bnt_attn_args *a) {
    right->attn_merge(a);
    bad_heads(a);
}

static void bad_attn(const bnt_attn_args *a) {
    right->attn(a);
    bad_heads(a);
}

static void bad_attn_window(const bnt_attn_window_args *a) {
    right->attn_window(a);
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        bad_flip(&a->y[t * a->ldy + (uint64_t)a->head_lo * a->head_dim],
                 (uint64_t)(a->head_hi - a->head_lo) * a->head_dim);
}

/* The slots that compute something of a run; attn stands for attn_merge, too. */
static const char *const bad_slots[] = {
    "rmsnorm",        "act_quantize", "ternary_gemm", "dense_gemm", "dense_unpack",
    "ternary_unpack", "rope",         "gate",         "gate_gelu",  "add",
    "kv_store",       "attn",         "attn_window"};
enum { BAD_SLOTS = sizeof bad_slots / sizeof bad_slots[0] };

static void bad_plant(bnt_kernels *k, const char *slot) {
#define BAD_PLANT(name_)                                                                           \
    if (strcmp(slot, #name_) == 0) k->name_ = bad_##name_
    BAD_PLANT(rmsnorm);
    BAD_PLANT(act_quantize);
    BAD_PLANT(ternary_gemm);
    BAD_PLANT(dense_gemm);
    BAD_PLANT(dense_unpack);
    BAD_PLANT(ternary_unpack);
    BAD_PLANT(rope);
    BAD_PLANT(gate);
    BAD_PLANT(gate_gelu);
    BAD_PLANT(add);
    BAD_PLANT(kv_store);
    BAD_PLANT(attn);
    BAD_PLANT(attn_window);
#undef BAD_PLANT
    if (strcmp(slot, "attn") == 0) k->attn_merge = bad_attn_merge;
}

#endif
