/*
 * dense.c - rows of ordinary weights (NUMERICS 5), in place, as they lie in the file.
 *
 * Dot16 keeps one accumulator per row, so speed comes from four rows at once: enough chains to hide
 * the latency of fma, and the next four rows are prefetched while these are read. Several tokens
 * share each converted vector. Sources may lie at any address; all loads are unaligned.
 */
#include "kernels.h"

enum { ROWS = 4, TOKENS = 4 };

INLINE uint64_t row_bytes(uint32_t type, uint64_t cols) {
    switch (type) {
    case BNT_TYPE_F32: return cols * 4;
    case BNT_TYPE_Q8_0: return cols / 32 * 34;
    case BNT_TYPE_Q6_K: return cols / 256 * 210;
    default: return cols * 2; /* F16, BF16 */
    }
}

int32_t dense_layout(const bnt_dense_shape *shape, bnt_layout *out) {
    uint64_t block;
    switch (shape->type) {
    case BNT_TYPE_F32:
    case BNT_TYPE_F16:
    case BNT_TYPE_BF16: block = 1; break;
    case BNT_TYPE_Q8_0: block = 32; break;
    case BNT_TYPE_Q6_K: block = 256; break;
    default: return BNT_NOT_SUPPORTED;
    }
    if (!shape->rows || !shape->cols || shape->cols % block) return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){.bytes = 0, .align = 1, .step = ROWS};
    return BNT_SUPPORTED;
}

/* In place: nothing to do, and the core does not ask. */
void dense_pack(const bnt_dense_pack_args *a) {
    (void)a;
}

INLINE float scale_f16(const uint8_t *p) {
    uint16_t d;
    memcpy(&d, p, sizeof d);
    return _cvtsh_ss(d);
}

/* Sixteen weights of a Q6_K block, n16 = 0 .. 15: (d * scale) * (q - 32). Each half of 128 weights
 * has ql[64], qh[32] and scales[8]; part p of it takes nibble p / 2 and bit pair p. */
INLINE __m512 q6_k16(const uint8_t *block, unsigned n16) {
    unsigned half = n16 / 8, part = n16 / 2 % 4, side = n16 % 2;
    const uint8_t *ql = block + 64 * half + 32 * (part & 1) + 16 * side;
    const uint8_t *qh = block + 128 + 32 * half + 16 * side;
    __m128i low = _mm_loadu_si128((const __m128i *)ql);
    __m128i high = _mm_loadu_si128((const __m128i *)qh);
    low = _mm_and_si128(_mm_srl_epi16(low, _mm_cvtsi32_si128(part & 2 ? 4 : 0)), _mm_set1_epi8(15));
    high = _mm_srl_epi16(high, _mm_cvtsi32_si128((int)(2 * part)));
    high = _mm_slli_epi16(_mm_and_si128(high, _mm_set1_epi8(3)), 4);
    __m128i q = _mm_sub_epi8(_mm_or_si128(low, high), _mm_set1_epi8(32));
    float ds = scale_f16(block + 208) * (float)(int8_t)block[192 + n16];
    return _mm512_mul_ps(_mm512_set1_ps(ds), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)));
}

/* Weights [i, i + 16) of a row, i a multiple of 16. */
INLINE __m512 weights16(uint32_t type, const uint8_t *row, uint64_t i) {
    switch (type) {
    case BNT_TYPE_F32: return _mm512_loadu_ps(row + i * 4);
    case BNT_TYPE_F16: return load_f16(row + i * 2);
    case BNT_TYPE_BF16: {
        __m256i h = _mm256_loadu_si256((const __m256i *)(const void *)(row + i * 2));
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
    }
    case BNT_TYPE_Q8_0: {
        const uint8_t *block = row + i / 32 * 34;
        __m128i q = _mm_loadu_si128((const __m128i *)(const void *)(block + 2 + i % 32));
        __m512 d = _mm512_set1_ps(scale_f16(block));
        return _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q)));
    }
    default: return q6_k16(row + i / 256 * 210, i / 16 % 16);
    }
}

/* The same where fewer than 16 columns are left; only types without blocks have such rows. */
INLINE __m512 weights_tail(uint32_t type, const uint8_t *row, uint64_t i, __mmask16 m) {
    if (type == BNT_TYPE_F32) return _mm512_maskz_loadu_ps(m, row + i * 4);
    if (type == BNT_TYPE_F16) return load_f16_masked(m, row + i * 2);
    __m256i h = _mm256_maskz_loadu_epi16(m, row + i * 2);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

void dense_unpack(const bnt_dense_unpack_args *a) {
    uint64_t cols = a->shape.cols, bytes = row_bytes(a->shape.type, cols);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *row = (const uint8_t *)a->w + r * bytes;
        float *out = a->out + (r - a->row_lo) * cols;
        uint64_t i = 0;
        for (; i + LANES <= cols; i += LANES)
            _mm512_storeu_ps(out + i, weights16(a->shape.type, row, i));
        __mmask16 m = first_lanes(cols - i);
        if (m) _mm512_mask_storeu_ps(out + i, m, weights_tail(a->shape.type, row, i, m));
    }
}

/* nr rows from r x nt tokens from t. The tail leaves the other lanes as they are: adding a product
 * of zeros could turn -0 into +0. */
INLINE void dense_tile(const bnt_dense_gemm_args *a, const uint32_t type, uint64_t r,
                       const unsigned nr, uint64_t t, const unsigned nt) {
    uint64_t cols = a->shape.cols, bytes = row_bytes(type, cols), i = 0;
    const uint8_t *row = (const uint8_t *)a->w + r * bytes;
    const float *x = a->x + t * a->ldx;
    __m512 acc[ROWS][TOKENS];
#pragma GCC unroll 4
    for (unsigned k = 0; k < nr; k++)
#pragma GCC unroll 4
        for (unsigned j = 0; j < nt; j++) acc[k][j] = _mm512_setzero_ps();
    for (; i + LANES <= cols; i += LANES) {
#pragma GCC unroll 4
        for (unsigned k = 0; k < nr; k++) {
            const uint8_t *p = row + k * bytes;
            __m512 w = weights16(type, p, i);
            _mm_prefetch((const char *)p + ROWS * bytes + row_bytes(type, i), _MM_HINT_T0);
#pragma GCC unroll 4
            for (unsigned j = 0; j < nt; j++)
                acc[k][j] = _mm512_fmadd_ps(w, _mm512_loadu_ps(x + j * a->ldx + i), acc[k][j]);
        }
    }
    __mmask16 m = first_lanes(cols - i);
    if (m) {
#pragma GCC unroll 4
        for (unsigned k = 0; k < nr; k++) {
            __m512 w = weights_tail(type, row + k * bytes, i, m);
#pragma GCC unroll 4
            for (unsigned j = 0; j < nt; j++) {
                __m512 v = _mm512_maskz_loadu_ps(m, x + j * a->ldx + i);
                acc[k][j] = _mm512_mask3_fmadd_ps(w, v, acc[k][j], m);
            }
        }
    }
#pragma GCC unroll 4
    for (unsigned k = 0; k < nr; k++)
#pragma GCC unroll 4
        for (unsigned j = 0; j < nt; j++) a->y[(t + j) * a->ldy + r + k] = fold16(acc[k][j]);
}

INLINE void dense_rows(const bnt_dense_gemm_args *a, const uint32_t type) {
    uint64_t r = a->row_lo;
    for (; r + ROWS <= a->row_hi; r += ROWS) {
        uint64_t t = a->tok_lo;
        for (; t + TOKENS <= a->tok_hi; t += TOKENS) dense_tile(a, type, r, ROWS, t, TOKENS);
        for (; t < a->tok_hi; t++) dense_tile(a, type, r, ROWS, t, 1);
    }
    for (; r < a->row_hi; r++)
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) dense_tile(a, type, r, 1, t, 1);
}

void dense_gemm(const bnt_dense_gemm_args *a) {
    switch (a->shape.type) {
    case BNT_TYPE_F32: dense_rows(a, BNT_TYPE_F32); break;
    case BNT_TYPE_F16: dense_rows(a, BNT_TYPE_F16); break;
    case BNT_TYPE_BF16: dense_rows(a, BNT_TYPE_BF16); break;
    case BNT_TYPE_Q8_0: dense_rows(a, BNT_TYPE_Q8_0); break;
    default: dense_rows(a, BNT_TYPE_Q6_K); break;
    }
}
