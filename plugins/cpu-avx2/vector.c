/*
 * vector.c - the kernels between the products: norm, rotation, gate, residual (NUMERICS 2, 6, 9).
 *
 * They know floats only. Loops run over registers of eight and end with a masked one that takes the
 * same path, so a value does not depend on where a slice begins.
 */
#include "kernels.h"

/* Dot16(x, x). Squares are never -0, so zeros in the lanes past the end change nothing. */
static float sum_of_squares(const float *x, uint64_t n) {
    __m256 acc[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    uint64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        __m256 v0 = _mm256_loadu_ps(x + i), v1 = _mm256_loadu_ps(x + i + HALF);
        acc[0] = _mm256_fmadd_ps(v0, v0, acc[0]);
        acc[1] = _mm256_fmadd_ps(v1, v1, acc[1]);
    }
    for (unsigned k = 0; i < n; i += HALF, k++) {
        __m256 v = load_first(x + i, n - i);
        acc[k] = _mm256_fmadd_ps(v, v, acc[k]);
    }
    return fold16(acc[0], acc[1]);
}

void rmsnorm(const bnt_rmsnorm_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const float *x = a->x + t * a->ldx;
        float *y = a->y + t * a->ldy;
        float ms = sum_of_squares(x, a->n) / (float)a->n;
        __m256 r = _mm256_set1_ps(1.0f / __builtin_sqrtf(ms + a->eps));
        for (uint64_t i = 0; i < a->n; i += HALF) {
            __m256 v = _mm256_mul_ps(load_first(x + i, a->n - i), r);
            store_first(y + i, a->n - i, _mm256_mul_ps(v, load_first(a->gain + i, a->n - i)));
        }
    }
}

/* Pairs (i, i + half). */
static void rope_neox(float *x, const float *cos, const float *sin, uint32_t half) {
    for (uint32_t i = 0; i < half; i += HALF) {
        uint32_t n = half - i;
        __m256 c = load_first(cos + i, n), s = load_first(sin + i, n);
        __m256 x0 = load_first(x + i, n), x1 = load_first(x + half + i, n);
        store_first(x + i, n, _mm256_fmsub_ps(x0, c, _mm256_mul_ps(x1, s)));
        store_first(x + half + i, n, _mm256_fmadd_ps(x0, s, _mm256_mul_ps(x1, c)));
    }
}

/* Pairs (2i, 2i + 1), four to a register. With both lanes of a pair holding x0 times (c, s) and x1
 * times (s, c), the instruction that subtracts in even lanes and adds in odd ones ends clause 6. */
static void rope_norm(float *x, const float *cos, const float *sin, uint32_t half) {
    for (uint32_t i = 0; i < half; i += 4) {
        uint32_t n = half - i;
        __m128i m = _mm256_castsi256_si128(first4_of(n));
        __m128 c = _mm_maskload_ps(cos + i, m), s = _mm_maskload_ps(sin + i, m);
        __m256 cs = _mm256_set_m128(_mm_unpackhi_ps(c, s), _mm_unpacklo_ps(c, s));
        __m256 sc = _mm256_permute_ps(cs, _MM_SHUFFLE(2, 3, 0, 1));
        __m256 v = load_first(x + 2 * i, 2 * n);
        __m256 x0 = _mm256_moveldup_ps(v), x1 = _mm256_movehdup_ps(v);
        store_first(x + 2 * i, 2 * n, _mm256_fmaddsub_ps(x0, cs, _mm256_mul_ps(x1, sc)));
    }
}

void rope(const bnt_rope_args *a) {
    uint32_t half = a->n_rot / 2;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const float *cos = a->cos + t * half, *sin = a->sin + t * half;
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            float *x = a->x + t * a->ldx + (uint64_t)h * a->head_dim;
            if (a->style == BNT_ROPE_NEOX)
                rope_neox(x, cos, sin, half);
            else
                rope_norm(x, cos, sin, half);
        }
    }
}

INLINE __m256 silu8(__m256 x) {
    __m256 e = exp8(_mm256_xor_ps(x, _mm256_set1_ps(-0.0f)));
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
}

INLINE __m256 gelu8(__m256 x) {
    __m256 u = _mm256_fmadd_ps(_mm256_mul_ps(x, x), _mm256_set1_ps(BNT_GELU_C3),
                               _mm256_set1_ps(BNT_GELU_C1));
    __m256 e = exp8(_mm256_xor_ps(_mm256_mul_ps(x, u), _mm256_set1_ps(-0.0f)));
    return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1.0f), e));
}

INLINE __m256 relu2_8(__m256 x) {
    __m256 m = _mm256_max_ps(_mm256_setzero_ps(), x); /* in this order a NaN stays one */
    return _mm256_mul_ps(m, m);
}

INLINE void gate_slice(const bnt_gate_args *a, const int relu2) {
    for (uint64_t i = a->lo; i < a->hi; i += HALF) {
        uint64_t n = a->hi - i;
        __m256 g = load_first(a->g + i, n), u = load_first(a->u + i, n);
        store_first(a->y + i, n, _mm256_mul_ps(relu2 ? relu2_8(g) : silu8(g), u));
    }
}

void gate(const bnt_gate_args *a) {
    if (a->kind == BNT_GATE_RELU2)
        gate_slice(a, 1);
    else
        gate_slice(a, 0);
}

void gate_gelu(const bnt_gate_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i += HALF) {
        uint64_t n = a->hi - i;
        __m256 g = load_first(a->g + i, n), u = load_first(a->u + i, n);
        store_first(a->y + i, n, _mm256_mul_ps(gelu8(g), u));
    }
}

void add(const bnt_add_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i += HALF) {
        uint64_t n = a->hi - i;
        store_first(a->y + i, n, _mm256_add_ps(load_first(a->y + i, n), load_first(a->x + i, n)));
    }
}
