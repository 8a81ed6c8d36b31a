/*
 * kernels.h - what the files of cpu-neon share: slots, the activation layout, small vector tools.
 *
 * Must not know what the CPU has beyond ARMv8.0. The one picture: four q registers are the sixteen
 * lanes of Dot16, sixteen rows of a ternary matrix, or sixteen positions of a KV cache.
 */
#ifndef CPU_NEON_KERNELS_H
#define CPU_NEON_KERNELS_H

#include <arm_neon.h>

#include "bitnet/plugin.h"

/* ternary.c is compiled by itself and through dotprod.c and i8mm.c, search.c by itself and through
 * dotprod.c; KERNEL names the set. */
#ifndef KERNEL
#define KERNEL(name) base_##name
#endif

#define LANES 16u
#define QUADS 4u /* q registers of four lanes that make them */
#define INLINE static inline __attribute__((always_inline))

int32_t ternary_layout(const bnt_ternary_shape *shape, bnt_layout *out);
void ternary_pack(const bnt_ternary_pack_args *a);
void ternary_unpack(const bnt_ternary_unpack_args *a);
void base_ternary_gemm(const bnt_ternary_gemm_args *a);
void dotprod_ternary_gemm(const bnt_ternary_gemm_args *a);
void i8mm_ternary_gemm(const bnt_ternary_gemm_args *a);

int32_t act_layout(const bnt_act_shape *shape, bnt_layout *out);
void act_quantize(const bnt_act_quantize_args *a);
void act_unpack(const bnt_act_unpack_args *a);

int32_t dense_layout(const bnt_dense_shape *shape, bnt_layout *out);
void dense_pack(const bnt_dense_pack_args *a);
void dense_unpack(const bnt_dense_unpack_args *a);
void dense_gemm(const bnt_dense_gemm_args *a);

void rmsnorm(const bnt_rmsnorm_args *a);
void rope(const bnt_rope_args *a);
void gate(const bnt_gate_args *a);
void gate_gelu(const bnt_gate_args *a);
void add(const bnt_add_args *a);

int32_t kv_layout(const bnt_kv_shape *shape, bnt_layout *out);
void kv_store(const bnt_kv_store_args *a);
void kv_load(const bnt_kv_load_args *a);
void attn_window(const bnt_attn_window_args *a);
void attn_chunk(const bnt_attn_args *a);
void attn_merge(const bnt_attn_args *a);
void attn(const bnt_attn_args *a);

int32_t i8_layout(const bnt_i8_shape *shape, bnt_layout *out);
void i8_pack(const bnt_i8_pack_args *a);
void i8_unpack(const bnt_i8_unpack_args *a);
void base_i8_gemv(const bnt_i8_gemv_args *a);
void dotprod_i8_gemv(const bnt_i8_gemv_args *a);

int32_t code_layout(const bnt_code_shape *shape, bnt_layout *out);
void code_pack(const bnt_code_pack_args *a);
void code_unpack(const bnt_code_unpack_args *a);
void base_code_gemv(const bnt_code_gemv_args *a);
void dotprod_code_gemv(const bnt_code_gemv_args *a);

void base_peak(const bnt_peak_args *a);
void dotprod_peak(const bnt_peak_args *a);
void i8mm_peak(const bnt_peak_args *a);

/* ---- spans and activations ---------------------------------------------------------------- */

/* Columns that share a scale, and the same padded to whole vectors. A block is a multiple of 16, so
 * only a row with a single scale is ever padded. */
typedef struct spans {
    uint64_t width, padded, count;
} spans;

INLINE spans spans_of(uint64_t cols, uint32_t block) {
    uint64_t width = block ? block : cols;
    return (spans){width, (width + LANES - 1) & ~(uint64_t)(LANES - 1), cols / width};
}

/* Whether this plugin takes matrices of this width; exact integer sums need 127 K < 2^24. */
INLINE int spans_supported(uint64_t cols, uint32_t block) {
    if (block) return block % LANES == 0 && block <= 132104 && cols && cols % block == 0;
    return cols && cols <= 132104;
}

#define TILE 8u /* tokens of an activation tile */
#define STEP 8u /* columns of one token that lie together */

/*
 * Activations lie in tiles of eight tokens: int8 q[tile][cols / 8][slots][8], so that a kernel that
 * takes a tile through a row reads one stream, and 16 bytes of it are two tokens x 8 columns: a
 * whole operand of smmla, and four by-element operands of sdot. The last tile has slots for an even
 * number of tokens, whose spare slot is never written and whose sums are never used; an object of
 * one token has one slot. After them, for each token and span, int32 sum of q and float a.
 */
typedef struct act_view {
    spans span;
    uint64_t tokens;
    int8_t *q;
    int32_t *sum; /* [tokens][count] */
    float *a;     /* [tokens][count] */
} act_view;

INLINE uint64_t even_slots(uint64_t tokens) {
    return tokens == 1 ? 1 : (tokens + 1) & ~(uint64_t)1;
}

INLINE uint64_t act_value_bytes(const bnt_act_shape *shape, const spans *s) {
    return (even_slots(shape->tokens) * s->padded * s->count + 63) & ~(uint64_t)63;
}

INLINE act_view act_view_of(const bnt_act_shape *shape, const void *acts) {
    spans s = spans_of(shape->cols, shape->block);
    act_view v = {.span = s, .tokens = shape->tokens, .q = (int8_t *)(uintptr_t)acts};
    v.sum = (int32_t *)(void *)(v.q + act_value_bytes(shape, &s));
    v.a = (float *)(void *)(v.sum + shape->tokens * s.count);
    return v;
}

INLINE uint64_t tile_slots(const act_view *v, uint64_t tile) {
    uint64_t left = even_slots(v->tokens) - tile * TILE;
    return left < TILE ? left : TILE;
}

INLINE int8_t *tile_values(const act_view *v, uint64_t tile) {
    return v->q + tile * TILE * v->span.padded * v->span.count;
}

/* ---- vector tools ------------------------------------------------------------------------- */

/* The sixteen lanes of Dot16 and Sum16. */
typedef struct lanes16 {
    float32x4_t v[QUADS];
} lanes16;

/* The tree that ends Dot16 and Sum16, clause 1. */
INLINE float fold16(const lanes16 *acc) {
    float32x4_t x = vaddq_f32(acc->v[0], acc->v[2]), y = vaddq_f32(acc->v[1], acc->v[3]);
    x = vaddq_f32(x, y);
    float32x2_t two = vadd_f32(vget_low_f32(x), vget_high_f32(x));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

/* bnt_exp in four lanes, clause 9. */
INLINE float32x4_t exp4(float32x4_t x) {
    const float32x4_t min = vdupq_n_f32(BNT_EXP_MIN), max = vdupq_n_f32(BNT_EXP_MAX);
    float32x4_t z = vminq_f32(vmaxq_f32(x, min), max);
    float32x4_t n = vrndnq_f32(vmulq_n_f32(z, BNT_LOG2E));
    float32x4_t r = vfmaq_f32(z, n, vdupq_n_f32(-BNT_LN2_HI));
    r = vfmaq_f32(r, n, vdupq_n_f32(-BNT_LN2_LO));
    float32x4_t p = vdupq_n_f32(BNT_EXP_C6);
    p = vfmaq_f32(vdupq_n_f32(BNT_EXP_C5), p, r);
    p = vfmaq_f32(vdupq_n_f32(BNT_EXP_C4), p, r);
    p = vfmaq_f32(vdupq_n_f32(BNT_EXP_C3), p, r);
    p = vfmaq_f32(vdupq_n_f32(BNT_EXP_C2), p, r);
    p = vfmaq_f32(vdupq_n_f32(BNT_EXP_C1), p, r);
    p = vfmaq_f32(vdupq_n_f32(BNT_EXP_C0), p, r);
    int32x4_t bits = vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vcvtq_s32_f32(n), 23));
    float32x4_t y = vreinterpretq_f32_s32(bits);
    y = vbslq_f32(vcltq_f32(x, min), vdupq_n_f32(0.0f), y);
    y = vbslq_f32(vcgtq_f32(x, max), vdupq_n_f32(__builtin_inff()), y);
    return vbslq_f32(vceqq_f32(x, x), y, x); /* a NaN stays one */
}

/* Sixteen, eight or four binary16 at any address as binary32. */
INLINE lanes16 f16_to_lanes(const void *p) {
    float16x8_t lo = vreinterpretq_f16_u8(vld1q_u8(p));
    float16x8_t hi = vreinterpretq_f16_u8(vld1q_u8((const uint8_t *)p + 16));
    return (lanes16){{vcvt_f32_f16(vget_low_f16(lo)), vcvt_high_f32_f16(lo),
                      vcvt_f32_f16(vget_low_f16(hi)), vcvt_high_f32_f16(hi)}};
}

INLINE float32x4_t load4_f16(const uint16_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

INLINE uint16x4_t to_f16(float32x4_t x) {
    return vreinterpret_u16_f16(vcvt_f16_f32(x));
}

#endif
