/*
 * kernels.h - what the files of cpu-avx512 share: slots, the activation layout, small vector tools.
 *
 * One zmm register is the sixteen lanes of Dot16, sixteen rows of a ternary matrix, or sixteen
 * positions of a KV cache; that one picture runs through all files.
 */
#ifndef CPU_AVX512_KERNELS_H
#define CPU_AVX512_KERNELS_H

#include <immintrin.h>

#include "bitnet/plugin.h"

/* The product in ternary.c is compiled twice, by itself and through vnni.c; KERNEL names the set.
 */
#ifndef KERNEL
#define KERNEL(name) base_##name
#endif

#define LANES 16u
#define INLINE static inline __attribute__((always_inline))

/* Before every loop over an array of accumulators, whose bounds are constants once inlined: without
 * it compilers keep the array in memory: clang at a third of the speed, gcc at half. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 8")
#endif

/* Where all registers are taken, what p points to is loaded each time it is used: clang keeps it,
 * and spills sums for that (80 and 91 % of the peak instead of 97). gcc does not. */
#if defined(__clang__)
#define RELOAD(p) __asm__("" : "+r"(p))
#else
#define RELOAD(p) ((void)0)
#endif

/* The vector is in a register here. */
#define KEEP(v) __asm__("" : "+v"(v))

int32_t ternary_layout(const bnt_ternary_shape *shape, bnt_layout *out);
void ternary_pack(const bnt_ternary_pack_args *a);
void ternary_unpack(const bnt_ternary_unpack_args *a);
void base_ternary_gemm(const bnt_ternary_gemm_args *a);
void vnni_ternary_gemm(const bnt_ternary_gemm_args *a);

int32_t fives_layout(const bnt_ternary_shape *shape, bnt_layout *out);
void fives_pack(const bnt_ternary_pack_args *a);
void fives_unpack(const bnt_ternary_unpack_args *a);
void fives_ternary_gemm(const bnt_ternary_gemm_args *a);

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
void vnni_i8_gemv(const bnt_i8_gemv_args *a);

int32_t code_layout(const bnt_code_shape *shape, bnt_layout *out);
void code_pack(const bnt_code_pack_args *a);
void code_unpack(const bnt_code_unpack_args *a);
void base_code_gemv(const bnt_code_gemv_args *a);
void vnni_code_gemv(const bnt_code_gemv_args *a);

void base_peak(const bnt_peak_args *a);
void vnni_peak(const bnt_peak_args *a);

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

/* Columns of a vector of fives.c; in fours, as an instruction takes them; the most of a matrix, 64
 * rows of which are opened on the stack. */
enum { FIVES_COLUMNS = 20, FIVES_QUADS = 5, FIVES_WIDEST = 8320 };

/* Whether a matrix is packed by fives; all others are as in ternary.c. A block of 64 or 128 columns
 * is no multiple of twenty. */
INLINE int fives_takes(const bnt_ternary_shape *shape) {
    return !shape->block && shape->cols <= FIVES_WIDEST;
}

INLINE uint64_t fives_vectors(uint64_t cols) {
    return (cols + FIVES_COLUMNS - 1) / FIVES_COLUMNS;
}

#define TILE 6u /* tokens of an activation tile */

/*
 * Activations lie in tiles of six tokens (the last may have fewer, n): int8 q[tile][cols /
 * 4][n][4], so that a kernel that takes a tile through a row reads one stream. After them, for each
 * token and span, int32 sum of q and float a.
 */
typedef struct act_view {
    spans span;
    uint64_t tokens;
    int8_t *q;
    int32_t *sum; /* [tokens][count] */
    float *a;     /* [tokens][count] */
} act_view;

INLINE uint64_t act_value_bytes(const bnt_act_shape *shape, const spans *s) {
    return (shape->tokens * s->padded * s->count + 63) & ~(uint64_t)63;
}

INLINE act_view act_view_of(const bnt_act_shape *shape, const void *acts) {
    spans s = spans_of(shape->cols, shape->block);
    act_view v = {.span = s, .tokens = shape->tokens, .q = (int8_t *)(uintptr_t)acts};
    v.sum = (int32_t *)(void *)(v.q + act_value_bytes(shape, &s));
    v.a = (float *)(void *)(v.sum + shape->tokens * s.count);
    return v;
}

INLINE uint64_t tile_tokens(const act_view *v, uint64_t tile) {
    uint64_t left = v->tokens - tile * TILE;
    return left < TILE ? left : TILE;
}

INLINE int8_t *tile_values(const act_view *v, uint64_t tile) {
    return v->q + tile * TILE * v->span.padded * v->span.count;
}

/* ---- vector tools ------------------------------------------------------------------------- */

/* The first n lanes, all of them from n = 16 on. */
INLINE __mmask16 first_lanes(uint64_t n) {
    return (__mmask16)(n >= LANES ? 0xffffu : (1u << n) - 1);
}

/* The tree that ends Dot16 and Sum16, clause 1. */
INLINE float fold16(__m512 acc) {
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(acc), _mm512_extractf32x8_ps(acc, 1));
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

/* bnt_exp in sixteen lanes, clause 9. */
INLINE __m512 exp16(__m512 x) {
    const __m512 magic = _mm512_set1_ps(0x1.8p23f);
    __m512 z = _mm512_max_ps(x, _mm512_set1_ps(BNT_EXP_MIN)); /* NaN: the limit, as in bnt_exp */
    z = _mm512_min_ps(z, _mm512_set1_ps(BNT_EXP_MAX));
    __m512 n = _mm512_mul_ps(z, _mm512_set1_ps(BNT_LOG2E));
    n = _mm512_sub_ps(_mm512_add_ps(n, magic), magic);
    __m512 r = _mm512_fmadd_ps(n, _mm512_set1_ps(-BNT_LN2_HI), z);
    r = _mm512_fmadd_ps(n, _mm512_set1_ps(-BNT_LN2_LO), r);
    __m512 p = _mm512_set1_ps(BNT_EXP_C6);
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BNT_EXP_C5));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BNT_EXP_C4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BNT_EXP_C3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BNT_EXP_C2));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BNT_EXP_C1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BNT_EXP_C0));
    __m512i shifted = _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23);
    __m512 y = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), shifted));
    __mmask16 low = _mm512_cmp_ps_mask(x, _mm512_set1_ps(BNT_EXP_MIN), _CMP_LT_OQ);
    __mmask16 high = _mm512_cmp_ps_mask(x, _mm512_set1_ps(BNT_EXP_MAX), _CMP_GT_OQ);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    y = _mm512_mask_mov_ps(y, low, _mm512_setzero_ps());
    y = _mm512_mask_mov_ps(y, high, _mm512_set1_ps(__builtin_inff()));
    return _mm512_mask_mov_ps(y, nan, x);
}

/* Sixteen binary16 as binary32; the masked form reads only the lanes of m. */
INLINE __m512 load_f16(const void *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}

INLINE __m512 load_f16_masked(__mmask16 m, const void *p) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, p));
}

#endif
