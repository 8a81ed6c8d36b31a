/*
 * kernels.h - the slots of ref-scalar, declared once for both of its kernel sets.
 *
 * Every source here is compiled twice: by itself, for any CPU, and through fma.c, where the
 * compiler may use AVX2 and the FMA instruction. KERNEL(x) gives a function the name of the set it
 * is in. The source is the same and says which roundings happen, so the bytes are the same.
 */
#ifndef REF_SCALAR_KERNELS_H
#define REF_SCALAR_KERNELS_H

#include "bitnet/plugin.h"

#ifndef KERNEL
#define KERNEL(name) ref_##name
#define REF_VARIANT "portable"
#endif

/* Sums of more columns could leave the integers that binary32 holds exactly: 127 K < 2^24. */
#define REF_TERNARY_COLS_MAX 132104u

extern const bnt_kernels ref_table, ref_fma_table;

int32_t KERNEL(ternary_layout)(const bnt_ternary_shape *shape, bnt_layout *out);
void KERNEL(ternary_pack)(const bnt_ternary_pack_args *a);
void KERNEL(ternary_unpack)(const bnt_ternary_unpack_args *a);
void KERNEL(ternary_gemm)(const bnt_ternary_gemm_args *a);

int32_t KERNEL(act_layout)(const bnt_act_shape *shape, bnt_layout *out);
void KERNEL(act_quantize)(const bnt_act_quantize_args *a);
void KERNEL(act_unpack)(const bnt_act_unpack_args *a);
const int16_t *KERNEL(act_values)(const bnt_act_shape *shape, const void *acts, uint64_t token);
const float *KERNEL(act_scales)(const bnt_act_shape *shape, const void *acts, uint64_t token);

int32_t KERNEL(dense_layout)(const bnt_dense_shape *shape, bnt_layout *out);
void KERNEL(dense_pack)(const bnt_dense_pack_args *a);
void KERNEL(dense_unpack)(const bnt_dense_unpack_args *a);
void KERNEL(dense_gemm)(const bnt_dense_gemm_args *a);

void KERNEL(rmsnorm)(const bnt_rmsnorm_args *a);
void KERNEL(rope)(const bnt_rope_args *a);
void KERNEL(gate)(const bnt_gate_args *a);
void KERNEL(gate_gelu)(const bnt_gate_args *a);
void KERNEL(add)(const bnt_add_args *a);

int32_t KERNEL(kv_layout)(const bnt_kv_shape *shape, bnt_layout *out);
void KERNEL(kv_store)(const bnt_kv_store_args *a);
void KERNEL(kv_load)(const bnt_kv_load_args *a);
void KERNEL(attn_chunk)(const bnt_attn_args *a);
void KERNEL(attn_merge)(const bnt_attn_args *a);
void KERNEL(attn)(const bnt_attn_args *a);
void KERNEL(attn_window)(const bnt_attn_window_args *a);

int32_t KERNEL(i8_layout)(const bnt_i8_shape *shape, bnt_layout *out);
void KERNEL(i8_pack)(const bnt_i8_pack_args *a);
void KERNEL(i8_unpack)(const bnt_i8_unpack_args *a);
void KERNEL(i8_gemv)(const bnt_i8_gemv_args *a);

int32_t KERNEL(code_layout)(const bnt_code_shape *shape, bnt_layout *out);
void KERNEL(code_pack)(const bnt_code_pack_args *a);
void KERNEL(code_unpack)(const bnt_code_unpack_args *a);
void KERNEL(code_gemv)(const bnt_code_gemv_args *a);

void KERNEL(peak)(const bnt_peak_args *a);

/* Dot16, clause 1, in three steps, so that a long row can be taken in pieces: start with acc = 0,
 * add pieces whose offsets are multiples of 16, then fold. */
static inline void dot16_add(float acc[BNT_LANES], const float *a, const float *b, uint64_t n) {
    float s[BNT_LANES];
    uint64_t whole = n / BNT_LANES * BNT_LANES;
    memcpy(s, acc, sizeof s);
    for (uint64_t i = 0; i < whole; i += BNT_LANES)
        for (unsigned l = 0; l < BNT_LANES; l++) s[l] = bnt_fma(a[i + l], b[i + l], s[l]);
    for (uint64_t i = whole; i < n; i++) s[i - whole] = bnt_fma(a[i], b[i], s[i - whole]);
    memcpy(acc, s, sizeof s);
}

static inline float fold16(float acc[BNT_LANES]) {
    for (int half = BNT_LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++) acc[l] += acc[l + half];
    return acc[0];
}

/* The running result of the chunks of attention so far, and the two factors that join another one
 * to it: clause 8. */
typedef struct joint {
    float m, l, old, new;
} joint;

static inline void join(joint *j, float m, float l) {
    float top = m > j->m ? m : j->m;
    j->old = bnt_exp(j->m - top);
    j->new = bnt_exp(m - top);
    j->l = bnt_fma(j->l, j->old, l * j->new);
    j->m = top;
}

#endif
