/*
 * kernels.h - what the files of cpu-avx2 share: the slots, how activations lie, small vector tools.
 *
 * It knows nothing of the core. The one idea: everything that NUMERICS does in sixteen lanes
 * (Dot16, rows of a ternary matrix, positions of a KV cache) is a pair of ymm registers here, low
 * lanes first, so the packed objects look like those of a machine with wider registers.
 */
#ifndef CPU_AVX2_KERNELS_H
#define CPU_AVX2_KERNELS_H

#include <immintrin.h>

#include "bitnet/plugin.h"

/* ternary.c and search.c are compiled twice, the second time through vnni.c; KERNEL names what
 * differs. */
#ifndef KERNEL
#define KERNEL(name) base_##name
#endif

#define LANES 16u
#define HALF 8u /* lanes of one register */
#define INLINE static inline __attribute__((always_inline))

/* In front of a loop over registers, whose trip count is a constant of at most n: gcc leaves arrays
 * in memory without being told; clang, told a number that is not the count itself, does as well. */
#if defined(__clang__)
#define UNROLL(n) _Pragma("clang loop unroll(full)")
#else
#define UNROLL(n) _Pragma(BNT_STR(GCC unroll n))
#endif

/* Pins a value in a register. */
#define KEEP(v) __asm__("" : "+x"(v))

int32_t ternary_layout(const bnt_ternary_shape *shape, bnt_layout *out);
void ternary_pack(const bnt_ternary_pack_args *a);
void ternary_unpack(const bnt_ternary_unpack_args *a);
void base_ternary_gemm(const bnt_ternary_gemm_args *a);
void vnni_ternary_gemm(const bnt_ternary_gemm_args *a);

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

/* A row is `count` spans of `width` columns, each with one scale (NUMERICS 3: a single span, 4: a
 * span per block). Weights and activations both pad every span to whole vectors of 16 columns. */
typedef struct spans {
    uint64_t width, padded, count;
} spans;

#define SPAN_MAX 132104u /* the longest whose sum binary32 holds exactly: 127 K < 2^24 */

INLINE spans spans_of(uint64_t cols, uint32_t block) {
    uint64_t width = block ? block : cols;
    return (spans){width, (width + LANES - 1) & ~(uint64_t)(LANES - 1), cols / width};
}

/* Whether rows of this width are taken; `count` of them must not overflow any size computed here
 * (a value grows to 16 bytes at most by padding, and a span has at most 8 bytes beside it). */
INLINE int spans_supported(uint64_t cols, uint32_t block, uint64_t count) {
    uint64_t width = block ? block : cols, values;
    if (!count || !cols || width > SPAN_MAX || cols % width) return 0;
    return !__builtin_mul_overflow(cols, count, &values) && values <= UINT64_MAX / 1024;
}

#define TILE 6u /* tokens whose sums for sixteen rows fit the registers */

/*
 * Activations lie in tiles of six tokens, n in the last one: int8 q[tile][columns / 4][n][4], so a
 * kernel reads what it broadcasts in one stream. Then, for each token and span, int32 sum of q
 * (weights are kept as w + 1: the product subtracts it once) and float a.
 */
typedef struct act_view {
    spans span;
    uint64_t tokens;
    int8_t *q;
    int32_t *sum; /* [tokens][count] */
    float *a;     /* [tokens][count] */
} act_view;

INLINE uint64_t act_value_bytes(uint64_t tokens, const spans *s) {
    return (tokens * s->padded * s->count + 63) & ~(uint64_t)63;
}

INLINE act_view act_view_of(const bnt_act_shape *shape, const void *acts) {
    spans s = spans_of(shape->cols, shape->block);
    act_view v = {.span = s, .tokens = shape->tokens, .q = (int8_t *)(uintptr_t)acts};
    v.sum = (int32_t *)(void *)(v.q + act_value_bytes(shape->tokens, &s));
    v.a = (float *)(void *)(v.sum + shape->tokens * s.count);
    return v;
}

INLINE unsigned tile_tokens(const act_view *v, uint64_t tile) {
    uint64_t left = v->tokens - tile * TILE;
    return left < TILE ? (unsigned)left : TILE;
}

INLINE int8_t *tile_values(const act_view *v, uint64_t tile) {
    return v->q + tile * TILE * v->span.padded * v->span.count;
}

/* ---- vector tools ------------------------------------------------------------------------- */

/* All bits set in the first n lanes of a register, in all of them from n = 8 on. */
INLINE __m256i first8(uint64_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n < HALF ? (int)n : (int)HALF), lane);
}

INLINE __m256i first4_of(uint64_t n) { /* the same for the low 128 bits */
    return first8(n < 4 ? n : 4);
}

/* Eight floats, of which only the first n are touched; the others read as 0. */
INLINE __m256 load_first(const float *p, uint64_t n) {
    return n >= HALF ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first8(n));
}

INLINE void store_first(float *p, uint64_t n, __m256 x) {
    if (n >= HALF)
        _mm256_storeu_ps(p, x);
    else
        _mm256_maskstore_ps(p, first8(n), x);
}

/* Eight binary16 as binary32. */
INLINE __m256 load_f16(const void *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}

/* The tree that ends Dot16 and Sum16, clause 1; lanes 0-7 and 8-15. */
INLINE float fold16(__m256 low, __m256 high) {
    __m256 y = _mm256_add_ps(low, high);
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

/* bnt_exp in eight lanes, clause 9. The operand order of max lets a NaN become the limit, as there;
 * it is put back at the end. */
INLINE __m256 exp8(__m256 x) {
    const __m256 least = _mm256_set1_ps(BNT_EXP_MIN), most = _mm256_set1_ps(BNT_EXP_MAX);
    const __m256 magic = _mm256_set1_ps(0x1.8p23f);
    __m256 z = _mm256_min_ps(_mm256_max_ps(x, least), most);
    __m256 n = _mm256_mul_ps(z, _mm256_set1_ps(BNT_LOG2E));
    n = _mm256_sub_ps(_mm256_add_ps(n, magic), magic);
    __m256 r = _mm256_fmadd_ps(n, _mm256_set1_ps(-BNT_LN2_HI), z);
    r = _mm256_fmadd_ps(n, _mm256_set1_ps(-BNT_LN2_LO), r);
    __m256 p = _mm256_fmadd_ps(_mm256_set1_ps(BNT_EXP_C6), r, _mm256_set1_ps(BNT_EXP_C5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(BNT_EXP_C4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(BNT_EXP_C3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(BNT_EXP_C2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(BNT_EXP_C1));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(BNT_EXP_C0));
    __m256i power = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    __m256 y = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), power));
    y = _mm256_andnot_ps(_mm256_cmp_ps(x, least, _CMP_LT_OQ), y);
    y = _mm256_blendv_ps(y, _mm256_set1_ps(__builtin_inff()), _mm256_cmp_ps(x, most, _CMP_GT_OQ));
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

#endif
