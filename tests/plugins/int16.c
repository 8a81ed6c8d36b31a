/* int16.c - sums that saturate at 16 bits: right on random data, wrong on the worst case. */
#include "hostile.h"

enum { COLS = 8192 };

static int32_t saturate(int32_t v) {
    return v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v;
}

static void gemm(const bnt_ternary_gemm_args *a) {
    int8_t w[COLS], q[COLS];
    float scale;
    ref_ternary_gemm(a);
    if (a->shape.block || a->shape.cols > COLS) return;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        ref_ternary_unpack(&(bnt_ternary_unpack_args){a->shape, r, r + 1, a->packed, w, NULL});
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
            int32_t d = 0;
            ref_act_unpack(&(bnt_act_unpack_args){a->act_shape, t, t + 1, a->acts, q, &scale});
            for (uint64_t i = 0; i < a->shape.cols; i++) d = saturate(d + w[i] * q[i]);
            a->y[t * a->ldy + r] = (float)d * (a->scale * scale);
        }
    }
}

TABLE(own.ternary_gemm = gemm)
BNT_PLUGIN("int16", "1", "", 80, kernels);
