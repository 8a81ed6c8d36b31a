/*
 * test_selfcheck.c - faults planted in ref-scalar's own kernels, one at a time: the self-check
 * finds each and names the slot. And it finds nothing where nothing is wrong.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/backend.h"
#include "plugin/selfcheck.h"
#include "plugin/slots.h"
#include "suite.h"

static const bnt_kernels *ref; /* the judge's table */

/* ---- unharmed, but other functions: nothing is skipped as being the judge's own ------------- */

static void same_gemm(const bnt_ternary_gemm_args *a) {
    ref->ternary_gemm(a);
}

static void same_dense(const bnt_dense_gemm_args *a) {
    ref->dense_gemm(a);
}

static void same_add(const bnt_add_args *a) {
    ref->add(a);
}

static void same_merge(const bnt_attn_args *a) {
    ref->attn_merge(a);
}

/* ---- ternary -------------------------------------------------------------------------------- */

static void gemm_drops_last_row(const bnt_ternary_gemm_args *a) {
    bnt_ternary_gemm_args p = *a;
    if (p.row_hi == p.shape.rows) p.row_hi--;
    ref->ternary_gemm(&p);
}

static void gemm_drops_last_token(const bnt_ternary_gemm_args *a) {
    bnt_ternary_gemm_args p = *a;
    if (p.tok_hi > 1) p.tok_hi--;
    if (p.tok_lo < p.tok_hi) ref->ternary_gemm(&p);
}

static void gemm_ignores_row_lo(const bnt_ternary_gemm_args *a) {
    bnt_ternary_gemm_args p = *a;
    p.row_lo = 0;
    ref->ternary_gemm(&p);
}

static void gemm_scales_in_another_order(const bnt_ternary_gemm_args *a) {
    static int8_t q[8192 * 32], w[8192];
    static float scale[8192];
    ref->ternary_gemm(a);
    if (a->shape.block) return;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        ref->act_unpack(&(bnt_act_unpack_args){a->act_shape, t, t + 1, a->acts, q, scale});
        for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
            int32_t d = 0;
            ref->ternary_unpack(&(bnt_ternary_unpack_args){a->shape, r, r + 1, a->packed, w, NULL});
            for (uint64_t i = 0; i < a->shape.cols; i++) d += w[i] * q[i];
            a->y[t * a->ldy + r] = ((float)d * a->scale) * scale[0];
        }
    }
}

static void gemm_writes_past_the_end(const bnt_ternary_gemm_args *a) {
    ref->ternary_gemm(a);
    a->y[a->act_shape.tokens * a->ldy] = 0.0f; /* into the canary behind the buffer */
}

static void quantize_ties_away(const bnt_act_quantize_args *a) {
    bnt_act_quantize_args p = *a;
    uint64_t n = a->shape.tokens * a->ldx;
    float *x = malloc(n * sizeof *x);
    for (uint64_t i = 0; i < n; i++) { /* .5 grows a little, as adding 0.5 and truncating does */
        float half = a->x[i] - floorf(a->x[i]);
        x[i] = half == 0.5f ? nextafterf(a->x[i], a->x[i] > 0 ? 1e9f : -1e9f) : a->x[i];
    }
    p.x = x;
    ref->act_quantize(&p);
    free(x);
}

static void quantize_first_token_only(const bnt_act_quantize_args *a) {
    bnt_act_quantize_args p = *a;
    if (p.tok_hi > p.tok_lo + 1) p.tok_hi = p.tok_lo + 1;
    ref->act_quantize(&p);
}

static void unpack_swaps_neighbours(const bnt_ternary_unpack_args *a) {
    ref->ternary_unpack(a);
    for (uint64_t i = 0; i + 1 < (a->row_hi - a->row_lo) * a->shape.cols; i += 2) {
        int8_t t = a->trits[i];
        a->trits[i] = a->trits[i + 1];
        a->trits[i + 1] = t;
    }
}

static int32_t layout_supports_nothing(const bnt_ternary_shape *s, bnt_layout *l) {
    (void)s;
    (void)l;
    return BNT_NOT_SUPPORTED;
}

static int32_t layout_asks_for_too_much(const bnt_ternary_shape *s, bnt_layout *l) {
    ref->ternary_layout(s, l);
    l->bytes = UINT64_MAX / 2;
    return BNT_SUPPORTED;
}

static int32_t layout_with_odd_alignment(const bnt_ternary_shape *s, bnt_layout *l) {
    ref->ternary_layout(s, l);
    l->align = 48;
    return BNT_SUPPORTED;
}

/* ---- dense ---------------------------------------------------------------------------------- */

/* What most engines do: one running sum, not Dot16. */
static void dense_in_plain_order(const bnt_dense_gemm_args *a) {
    static float w[8192];
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        ref->dense_unpack(&(bnt_dense_unpack_args){a->shape, r, r + 1, a->w, w});
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
            float sum = 0.0f;
            for (uint64_t i = 0; i < a->shape.cols; i++) {
                sum = bnt_fma(w[i], a->x[t * a->ldx + i], sum);
            }
            a->y[t * a->ldy + r] = sum;
        }
    }
}

static void dense_flushes_denormals(const bnt_dense_unpack_args *a) {
    ref->dense_unpack(a);
    for (uint64_t i = 0; i < (a->row_hi - a->row_lo) * a->shape.cols; i++) {
        if (fabsf(a->out[i]) < 0x1p-14f) a->out[i] = 0.0f;
    }
}

/* ---- vector --------------------------------------------------------------------------------- */

static void rmsnorm_in_another_order(const bnt_rmsnorm_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        float sum = 0.0f;
        for (uint64_t i = 0; i < a->n; i++) {
            sum = bnt_fma(a->x[t * a->ldx + i], a->x[t * a->ldx + i], sum);
        }
        float r = 1.0f / sqrtf(sum / (float)a->n + a->eps);
        for (uint64_t i = 0; i < a->n; i++) {
            a->y[t * a->ldy + i] = (a->x[t * a->ldx + i] * r) * a->gain[i];
        }
    }
}

static void rope_takes_the_other_style(const bnt_rope_args *a) {
    bnt_rope_args p = *a;
    p.style = !p.style;
    ref->rope(&p);
}

static void rope_ignores_head_lo(const bnt_rope_args *a) {
    bnt_rope_args p = *a;
    p.head_lo = 0;
    ref->rope(&p);
}

static void gate_always_silu(const bnt_gate_args *a) {
    bnt_gate_args p = *a;
    p.kind = BNT_GATE_SILU;
    ref->gate(&p);
}

static void gate_with_libm(const bnt_gate_args *a) {
    if (a->kind != BNT_GATE_SILU) {
        ref->gate(a);
        return;
    }
    for (uint64_t i = a->lo; i < a->hi; i++) {
        a->y[i] = (a->g[i] / (1.0f + expf(-a->g[i]))) * a->u[i];
    }
}

static void add_loses_the_tail(const bnt_add_args *a) {
    bnt_add_args p = *a;
    p.hi = p.lo + (p.hi - p.lo) / 16 * 16;
    ref->add(&p);
}

static void add_flushes_denormals(const bnt_add_args *a) {
    ref->add(a);
    for (uint64_t i = a->lo; i < a->hi; i++) {
        if (fabsf(a->y[i]) < 0x1p-126f) a->y[i] = 0.0f;
    }
}

/* ---- attention ------------------------------------------------------------------------------ */

static void store_truncates(const bnt_kv_store_args *a) {
    bnt_kv_store_args p = *a;
    uint64_t n = a->tok_hi * a->ldkv;
    float *k = malloc(n * sizeof *k), *v = malloc(n * sizeof *v);
    for (uint64_t i = 0; i < n; i++) {
        k[i] = bnt_f32_from_bits(bnt_f32_bits(a->k[i]) & 0xffffe000u);
        v[i] = bnt_f32_from_bits(bnt_f32_bits(a->v[i]) & 0xffffe000u);
    }
    p.k = k;
    p.v = v;
    ref->kv_store(&p);
    free(k);
    free(v);
}

static void chunk_forgets_the_last_position(const bnt_attn_args *a) {
    bnt_attn_args p = *a;
    if (p.pos) p.pos--;
    ref->attn_chunk(&p);
}

static void merge_takes_the_first_chunk(const bnt_attn_args *a) {
    bnt_attn_args p = *a;
    for (p.tok_lo = a->tok_lo; p.tok_lo < a->tok_hi; p.tok_lo++) {
        p.tok_hi = p.tok_lo + 1;
        p.pos = (a->pos + p.tok_lo) % BNT_ATTN_CHUNK - p.tok_lo % BNT_ATTN_CHUNK;
        ref->attn_merge(&p);
    }
}

static void attn_ignores_tok_lo(const bnt_attn_args *a) {
    bnt_attn_args p = *a;
    p.tok_hi = a->tok_hi > a->tok_lo + 1 ? a->tok_hi - 1 : a->tok_hi;
    ref->attn(&p);
}

static void peak_counts_from_one(const bnt_peak_args *a) {
    *a->done = a->kind <= BNT_PEAK_F32 ? 8 * (a->steps + 1) : 0;
}

static void peak_knows_every_kind(const bnt_peak_args *a) {
    *a->done = 8 * a->steps;
}

static struct bnt_err err;

static int run(const bnt_kernels *k) {
    err.text[0] = '\0';
    return bnt_selfcheck(k, ref, NULL, &err);
}

static void init(void) {
    ref = &bnt_judge()->kernels;
}

START_TEST(nothing_wrong) {
    bnt_kernels k = *ref;
    ck_assert_int_eq(run(&k), BNT_OK);
    k.ternary_gemm = same_gemm;
    k.dense_gemm = same_dense;
    k.add = same_add;
    k.attn_merge = same_merge;
    ck_assert_msg(run(&k) == BNT_OK, "%s", err.text);
    k.attn = NULL; /* optional */
    ck_assert_msg(run(&k) == BNT_OK, "%s", err.text);
}
END_TEST

#define CAUGHT(slot, fault, named)                                                                 \
    do {                                                                                           \
        bnt_kernels k = *ref;                                                                      \
        k.slot = fault;                                                                            \
        int status = run(&k);                                                                      \
        ck_assert_msg(status == BNT_E_MISMATCH, #fault " was not caught");                         \
        ck_assert_msg(strstr(err.text, named) != NULL, #fault ": '%s' does not name %s", err.text, \
                      named);                                                                      \
    } while (0)

START_TEST(ternary_faults) {
    CAUGHT(ternary_gemm, gemm_drops_last_row, "was not written");
    CAUGHT(ternary_gemm, gemm_drops_last_token, "ternary_gemm");
    CAUGHT(ternary_gemm, gemm_ignores_row_lo, "outside the slice");
    CAUGHT(ternary_gemm, gemm_scales_in_another_order, "ref-scalar says");
    CAUGHT(ternary_gemm, gemm_writes_past_the_end, "past the end");
    CAUGHT(act_quantize, quantize_ties_away, "act_quantize");
    CAUGHT(act_quantize, quantize_first_token_only, "act_quantize");
    CAUGHT(ternary_unpack, unpack_swaps_neighbours, "ternary_unpack");
    CAUGHT(ternary_layout, layout_supports_nothing, "ternary_layout");
    CAUGHT(ternary_layout, layout_asks_for_too_much, "layout");
    CAUGHT(ternary_layout, layout_with_odd_alignment, "layout");
}
END_TEST

START_TEST(dense_faults) {
    CAUGHT(dense_gemm, dense_in_plain_order, "dense_gemm");
    CAUGHT(dense_unpack, dense_flushes_denormals, "dense_unpack");
}
END_TEST

START_TEST(vector_faults) {
    CAUGHT(rmsnorm, rmsnorm_in_another_order, "rmsnorm");
    CAUGHT(rope, rope_takes_the_other_style, "rope");
    CAUGHT(rope, rope_ignores_head_lo, "rope");
    CAUGHT(gate, gate_always_silu, "relu2");
    CAUGHT(gate, gate_with_libm, "silu");
    CAUGHT(add, add_loses_the_tail, "add");
    CAUGHT(add, add_flushes_denormals, "add");
}
END_TEST

START_TEST(attention_faults) {
    CAUGHT(kv_store, store_truncates, "kv_store");
    CAUGHT(attn_chunk, chunk_forgets_the_last_position, "attn_chunk");
    CAUGHT(attn_merge, merge_takes_the_first_chunk, "attn_merge");
    CAUGHT(attn, attn_ignores_tok_lo, "attn");
}
END_TEST

START_TEST(peak_faults) {
    CAUGHT(peak, peak_counts_from_one, "peak");
    CAUGHT(peak, peak_knows_every_kind, "peak");
}
END_TEST

START_TEST(slot_table) {
    size_t at = offsetof(bnt_kernels, ternary_layout);
    for (size_t i = 0; i < bnt_slot_count; i++) { /* in order, without gaps: none forgotten */
        ck_assert_uint_eq(bnt_slots[i].offset, at);
        at += sizeof(void *);
    }
    ck_assert_uint_eq(at, sizeof(bnt_kernels));
    ck_assert_str_eq(bnt_group_name(BNT_ATTENTION), "attention");
}
END_TEST

int main(void) {
    Suite *s = suite_create("selfcheck");
    TCase *tc = tcase_create("selfcheck");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, init, NULL);
    tcase_add_test(tc, nothing_wrong);
    tcase_add_test(tc, ternary_faults);
    tcase_add_test(tc, dense_faults);
    tcase_add_test(tc, vector_faults);
    tcase_add_test(tc, attention_faults);
    tcase_add_test(tc, peak_faults);
    tcase_add_test(tc, slot_table);
    suite_add_tcase(s, tc);
    return run_suite(s);
}
