/*
 * vector.c - the kernels between the products: norm, rotation, gate, residual (NUMERICS 2, 6, 9).
 *
 * Every loop goes through whole vectors and ends with a masked one that runs the same instructions.
 */
#include "kernels.h"

void rmsnorm(const bnt_rmsnorm_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const float *x = a->x + t * a->ldx;
        float *y = a->y + t * a->ldy;
        __m512 acc = _mm512_setzero_ps();
        for (uint64_t i = 0; i < a->n; i += LANES) {
            __mmask16 m = first_lanes(a->n - i);
            __m512 v = _mm512_maskz_loadu_ps(m, x + i);
            acc = _mm512_mask3_fmadd_ps(v, v, acc, m);
        }
        float ms = fold16(acc) / (float)a->n;
        __m512 r = _mm512_set1_ps(1.0f / __builtin_sqrtf(ms + a->eps));
        for (uint64_t i = 0; i < a->n; i += LANES) {
            __mmask16 m = first_lanes(a->n - i);
            __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(m, x + i), r);
            v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(m, a->gain + i));
            _mm512_mask_storeu_ps(y + i, m, v);
        }
    }
}

/* Pairs (i, i + half). */
static void rope_neox(float *x, const float *cos, const float *sin, uint32_t half) {
    for (uint32_t i = 0; i < half; i += LANES) {
        __mmask16 m = first_lanes(half - i);
        __m512 c = _mm512_maskz_loadu_ps(m, cos + i), s = _mm512_maskz_loadu_ps(m, sin + i);
        __m512 x0 = _mm512_maskz_loadu_ps(m, x + i), x1 = _mm512_maskz_loadu_ps(m, x + half + i);
        _mm512_mask_storeu_ps(x + i, m, _mm512_fmsub_ps(x0, c, _mm512_mul_ps(x1, s)));
        _mm512_mask_storeu_ps(x + half + i, m, _mm512_fmadd_ps(x0, s, _mm512_mul_ps(x1, c)));
    }
}

/* Pairs (2i, 2i + 1), eight to a register: even lanes get x0 c + x1 (-s), odd ones x0 s + x1 c. */
static void rope_norm(float *x, const float *cos, const float *sin, uint32_t half) {
    const __m512i twice = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    for (uint32_t i = 0; i < half; i += 8) {
        uint32_t pairs = half - i < 8 ? half - i : 8;
        __mmask8 m8 = (__mmask8)((1u << pairs) - 1);
        __mmask16 m = first_lanes(2 * pairs);
        __m512 c = _mm512_castps256_ps512(_mm256_maskz_loadu_ps(m8, cos + i));
        __m512 s = _mm512_castps256_ps512(_mm256_maskz_loadu_ps(m8, sin + i));
        c = _mm512_permutexvar_ps(twice, c);
        s = _mm512_permutexvar_ps(twice, s);
        __m512 v = _mm512_maskz_loadu_ps(m, x + 2 * i);
        __m512 minus_s = _mm512_xor_ps(s, _mm512_set1_ps(-0.0f));
        __m512 by0 = _mm512_mask_mov_ps(s, 0x5555, c), by1 = _mm512_mask_mov_ps(c, 0x5555, minus_s);
        __m512 x0 = _mm512_moveldup_ps(v), x1 = _mm512_movehdup_ps(v);
        _mm512_mask_storeu_ps(x + 2 * i, m, _mm512_fmadd_ps(x0, by0, _mm512_mul_ps(x1, by1)));
    }
}

void rope(const bnt_rope_args *a) {
    uint32_t half = a->n_rot / 2;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            float *x = a->x + t * a->ldx + (uint64_t)h * a->head_dim;
            if (a->style == BNT_ROPE_NEOX)
                rope_neox(x, a->cos + t * half, a->sin + t * half, half);
            else
                rope_norm(x, a->cos + t * half, a->sin + t * half, half);
        }
    }
}

INLINE __m512 silu16(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.0f);
    __m512 e = exp16(_mm512_xor_ps(x, _mm512_set1_ps(-0.0f)));
    return _mm512_div_ps(x, _mm512_add_ps(one, e));
}

INLINE __m512 gelu16(__m512 x) {
    __m512 u = _mm512_fmadd_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(BNT_GELU_C3),
                               _mm512_set1_ps(BNT_GELU_C1));
    __m512 e = exp16(_mm512_xor_ps(_mm512_mul_ps(x, u), _mm512_set1_ps(-0.0f)));
    return _mm512_div_ps(x, _mm512_add_ps(_mm512_set1_ps(1.0f), e));
}

INLINE __m512 relu2_16(__m512 x) {
    __m512 m = _mm512_max_ps(_mm512_setzero_ps(), x); /* in this order a NaN stays */
    return _mm512_mul_ps(m, m);
}

void gate(const bnt_gate_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i += LANES) {
        __mmask16 m = first_lanes(a->hi - i);
        __m512 g = _mm512_maskz_loadu_ps(m, a->g + i), u = _mm512_maskz_loadu_ps(m, a->u + i);
        __m512 act = a->kind == BNT_GATE_RELU2 ? relu2_16(g) : silu16(g);
        _mm512_mask_storeu_ps(a->y + i, m, _mm512_mul_ps(act, u));
    }
}

void gate_gelu(const bnt_gate_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i += LANES) {
        __mmask16 m = first_lanes(a->hi - i);
        __m512 g = _mm512_maskz_loadu_ps(m, a->g + i), u = _mm512_maskz_loadu_ps(m, a->u + i);
        _mm512_mask_storeu_ps(a->y + i, m, _mm512_mul_ps(gelu16(g), u));
    }
}

void add(const bnt_add_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i += LANES) {
        __mmask16 m = first_lanes(a->hi - i);
        __m512 x = _mm512_maskz_loadu_ps(m, a->x + i), y = _mm512_maskz_loadu_ps(m, a->y + i);
        _mm512_mask_storeu_ps(a->y + i, m, _mm512_add_ps(y, x));
    }
}
