/*
 * dense.c - rows of ordinary weights (NUMERICS 5), in place, as they lie in the file.
 *
 * Dot16 keeps one accumulator per row, so speed comes from four rows at once: enough chains to hide
 * the latency of fma, and the next four rows are prefetched while these are read. Several tokens
 * share each converted vector. Sources may lie at any address; all loads are unaligned.
 */
#include "kernels.h"

enum { ROWS = 4, TOKENS = 4, AHEAD_L1 = 1024 };

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

INLINE __m512 floats_of(__m128i q) { /* int8 */
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q));
}

INLINE __m512 floats_of_bf16(__m256i h) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

/* Half a block of Q6_K, 128 weights: (d * scale) * (q - 32). The half has ql[64], qh[32],
 * scales[8]; its part p, 32 weights, takes nibble p / 2 of ql[32 (p % 2) ...] and bit pair p of qh.
 */
INLINE void q6_k_half(const uint8_t *block, unsigned half, __m512 w[8]) {
    const __m512i offset = _mm512_set1_epi8(32), two_bits = _mm512_set1_epi8(0x30);
    __m512i ql = _mm512_loadu_si512(block + 64 * half);
    __m512i qh = _mm512_broadcast_i64x4(
        _mm256_loadu_si256((const __m256i *)(const void *)(block + 128 + 32 * half)));
    __m512i qh02 = _mm512_inserti64x4(_mm512_slli_epi16(qh, 4),
                                      _mm256_slli_epi16(_mm512_castsi512_si256(qh), 2), 1);
    __m512i qh13 = _mm512_inserti64x4(qh, _mm256_srli_epi16(_mm512_castsi512_si256(qh), 2), 1);
    __m512i low = _mm512_and_si512(ql, _mm512_set1_epi8(15));
    __m512i high = _mm512_and_si512(_mm512_srli_epi16(ql, 4), _mm512_set1_epi8(15));
    low = _mm512_or_si512(low, _mm512_and_si512(qh02, two_bits));
    high = _mm512_or_si512(high, _mm512_and_si512(qh13, two_bits));
    low = _mm512_sub_epi8(low, offset);
    high = _mm512_sub_epi8(high, offset);
    float scales[16];
    __m128i s8 = _mm_loadl_epi64((const __m128i *)(const void *)(block + 192 + 8 * half));
    __m512 d = _mm512_set1_ps(scale_f16(block + 208));
    _mm512_storeu_ps(scales, _mm512_mul_ps(d, floats_of(s8)));
    w[0] = _mm512_mul_ps(_mm512_set1_ps(scales[0]), floats_of(_mm512_extracti32x4_epi32(low, 0)));
    w[1] = _mm512_mul_ps(_mm512_set1_ps(scales[1]), floats_of(_mm512_extracti32x4_epi32(low, 1)));
    w[2] = _mm512_mul_ps(_mm512_set1_ps(scales[2]), floats_of(_mm512_extracti32x4_epi32(low, 2)));
    w[3] = _mm512_mul_ps(_mm512_set1_ps(scales[3]), floats_of(_mm512_extracti32x4_epi32(low, 3)));
    w[4] = _mm512_mul_ps(_mm512_set1_ps(scales[4]), floats_of(_mm512_extracti32x4_epi32(high, 0)));
    w[5] = _mm512_mul_ps(_mm512_set1_ps(scales[5]), floats_of(_mm512_extracti32x4_epi32(high, 1)));
    w[6] = _mm512_mul_ps(_mm512_set1_ps(scales[6]), floats_of(_mm512_extracti32x4_epi32(high, 2)));
    w[7] = _mm512_mul_ps(_mm512_set1_ps(scales[7]), floats_of(_mm512_extracti32x4_epi32(high, 3)));
}

/* Vectors of 16 weights that are converted together: what shares a scale or a bit field. */
INLINE unsigned unit_vectors(const uint32_t type) {
    return type == BNT_TYPE_Q6_K ? 8 : type == BNT_TYPE_Q8_0 ? 2 : 1;
}

/* The unit of a row that begins at column i. */
INLINE void unit(const uint32_t type, const uint8_t *row, uint64_t i, __m512 w[8]) {
    switch (type) {
    case BNT_TYPE_F32: w[0] = _mm512_loadu_ps(row + i * 4); break;
    case BNT_TYPE_F16: w[0] = load_f16(row + i * 2); break;
    case BNT_TYPE_BF16:
        w[0] = floats_of_bf16(_mm256_loadu_si256((const __m256i *)(const void *)(row + i * 2)));
        break;
    case BNT_TYPE_Q8_0: {
        const uint8_t *block = row + i / 32 * 34;
        __m256i q = _mm256_loadu_si256((const __m256i *)(const void *)(block + 2));
        __m512 d = _mm512_set1_ps(scale_f16(block));
        w[0] = _mm512_mul_ps(d, floats_of(_mm256_castsi256_si128(q)));
        w[1] = _mm512_mul_ps(d, floats_of(_mm256_extracti128_si256(q, 1)));
        break;
    }
    default: q6_k_half(row + i / 256 * 210, i / 128 % 2, w); break;
    }
}

/* The same where fewer than 16 columns are left; only types without blocks have such rows. */
INLINE __m512 weights_tail(uint32_t type, const uint8_t *row, uint64_t i, __mmask16 m) {
    if (type == BNT_TYPE_F32) return _mm512_maskz_loadu_ps(m, row + i * 4);
    if (type == BNT_TYPE_F16) return load_f16_masked(m, row + i * 2);
    __m256i h = _mm256_maskz_loadu_epi16(m, row + i * 2);
    return floats_of_bf16(h);
}

INLINE void unpack_row(const uint32_t type, const uint8_t *row, uint64_t cols, float *out) {
    const unsigned nv = unit_vectors(type);
    uint64_t i = 0;
    for (; i + nv * LANES <= cols; i += nv * LANES) {
        __m512 w[8];
        unit(type, row, i, w);
        UNROLL for (unsigned v = 0; v < nv; v++) {
            _mm512_storeu_ps(out + i + v * LANES, w[v]);
        }
    }
    __mmask16 m = first_lanes(cols - i);
    if (m) _mm512_mask_storeu_ps(out + i, m, weights_tail(type, row, i, m));
}

void dense_unpack(const bnt_dense_unpack_args *a) {
    uint64_t cols = a->shape.cols, bytes = row_bytes(a->shape.type, cols);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *row = (const uint8_t *)a->w + r * bytes;
        float *out = a->out + (r - a->row_lo) * cols;
        switch (a->shape.type) {
        case BNT_TYPE_F32: unpack_row(BNT_TYPE_F32, row, cols, out); break;
        case BNT_TYPE_F16: unpack_row(BNT_TYPE_F16, row, cols, out); break;
        case BNT_TYPE_BF16: unpack_row(BNT_TYPE_BF16, row, cols, out); break;
        case BNT_TYPE_Q8_0: unpack_row(BNT_TYPE_Q8_0, row, cols, out); break;
        default: unpack_row(BNT_TYPE_Q6_K, row, cols, out); break;
        }
    }
}

/* The unit at column i of the row below the ROWS being read to L2, a nearer one of this row to L1.
 */
INLINE void fetch_ahead(const uint32_t type, const uint8_t *row, uint64_t bytes, uint64_t i) {
    const char *p = (const char *)row + row_bytes(type, i);
    _mm_prefetch(p + ROWS * bytes, _MM_HINT_T1);
    _mm_prefetch(p + AHEAD_L1, _MM_HINT_T0);
    if (type == BNT_TYPE_Q6_K) { /* 105 bytes */
        _mm_prefetch(p + ROWS * bytes + 64, _MM_HINT_T1);
        _mm_prefetch(p + AHEAD_L1 + 64, _MM_HINT_T0);
    }
}

/* nr rows from r x nt tokens from t. The tail leaves the other lanes as they are: adding a product
 * of zeros could turn -0 into +0. */
INLINE void dense_tile(const bnt_dense_gemm_args *a, const uint32_t type, uint64_t r,
                       const unsigned nr, uint64_t t, const unsigned nt) {
    uint64_t cols = a->shape.cols, bytes = row_bytes(type, cols), i = 0;
    const uint8_t *row = (const uint8_t *)a->w + r * bytes;
    const float *x = a->x + t * a->ldx;
    const unsigned nv = unit_vectors(type);
    __m512 acc[ROWS][TOKENS];
    UNROLL for (unsigned k = 0; k < nr; k++) {
        UNROLL for (unsigned j = 0; j < nt; j++) {
            acc[k][j] = _mm512_setzero_ps();
        }
    }
    for (; i + nv * LANES <= cols; i += nv * LANES) {
        UNROLL for (unsigned k = 0; k < nr; k++) {
            const uint8_t *p = row + k * bytes;
            __m512 w[8];
            unit(type, p, i, w);
            fetch_ahead(type, p, bytes, i);
            UNROLL for (unsigned v = 0; v < nv; v++) {
                UNROLL for (unsigned j = 0; j < nt; j++) {
                    __m512 in = _mm512_loadu_ps(x + j * a->ldx + i + v * LANES);
                    acc[k][j] = _mm512_fmadd_ps(w[v], in, acc[k][j]);
                }
            }
        }
    }
    __mmask16 m = first_lanes(cols - i);
    if (m) {
        UNROLL for (unsigned k = 0; k < nr; k++) {
            __m512 w = weights_tail(type, row + k * bytes, i, m);
            UNROLL for (unsigned j = 0; j < nt; j++) {
                __m512 v = _mm512_maskz_loadu_ps(m, x + j * a->ldx + i);
                acc[k][j] = _mm512_mask3_fmadd_ps(w, v, acc[k][j], m);
            }
        }
    }
    UNROLL for (unsigned k = 0; k < nr; k++) {
        UNROLL for (unsigned j = 0; j < nt; j++) {
            a->y[(t + j) * a->ldy + r + k] = fold16(acc[k][j]);
        }
    }
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
