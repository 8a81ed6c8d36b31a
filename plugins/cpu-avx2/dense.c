/*
 * dense.c - rows of ordinary weights (NUMERICS 5), in place, as they lie in the file.
 *
 * It must not assume an alignment: a tensor may begin anywhere. Dot16 allows one pair of
 * accumulators per row and token, so several rows (or rows x tokens) go side by side: enough chains
 * to hide the latency of fma, and each converted weight or loaded activation is used several times.
 */
#include "kernels.h"

/* Rows x tokens of a tile: eight chains for one token, twelve for three. */
enum { ROWS = 4, PAIR = 2, TOKENS = 3 };

typedef struct pair {
    __m256 v[2]; /* lanes 0-7 and 8-15 of Dot16 */
} pair;

INLINE uint64_t row_bytes(uint32_t type, uint64_t cols) {
    switch (type) {
    case BNT_TYPE_F32: return cols * 4;
    case BNT_TYPE_Q8_0: return cols / 32 * 34;
    case BNT_TYPE_Q6_K: return cols / 256 * 210;
    default: return cols * 2; /* F16, BF16 */
    }
}

int32_t dense_layout(const bnt_dense_shape *shape, bnt_layout *out) {
    uint64_t unit;
    switch (shape->type) {
    case BNT_TYPE_F32:
    case BNT_TYPE_F16:
    case BNT_TYPE_BF16: unit = 1; break;
    case BNT_TYPE_Q8_0: unit = 32; break;
    case BNT_TYPE_Q6_K: unit = 256; break;
    default: return BNT_NOT_SUPPORTED;
    }
    if (!shape->rows || !shape->cols || shape->cols % unit) return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){.bytes = 0, .align = 1, .step = ROWS};
    return BNT_SUPPORTED;
}

/* Used in place: the core does not ask for this. */
void dense_pack(const bnt_dense_pack_args *a) {
    (void)a;
}

/* ---- sixteen weights as binary32 ---------------------------------------------------------- */

INLINE float one_f16(const uint8_t *p) {
    uint16_t h;
    memcpy(&h, p, sizeof h);
    return _cvtsh_ss(h);
}

INLINE pair from_bf16(const uint8_t *p) {
    __m256i low = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    __m256i high = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p + 16)));
    return (pair){{_mm256_castsi256_ps(_mm256_slli_epi32(low, 16)),
                   _mm256_castsi256_ps(_mm256_slli_epi32(high, 16))}};
}

INLINE pair from_int8(__m128i q, float scale) {
    __m256 d = _mm256_set1_ps(scale);
    __m256i low = _mm256_cvtepi8_epi32(q), high = _mm256_cvtepi8_epi32(_mm_srli_si128(q, 8));
    return (pair){
        {_mm256_mul_ps(d, _mm256_cvtepi32_ps(low)), _mm256_mul_ps(d, _mm256_cvtepi32_ps(high))}};
}

/* Weights are taken a unit at a time: a block, or sixteen of a type that has none. */
INLINE uint64_t unit_values(uint32_t type) {
    return type == BNT_TYPE_Q6_K ? 256 : type == BNT_TYPE_Q8_0 ? 32 : 16;
}

/* The scales of a block: one of Q8_0, (d * scale) of every sixteen weights of Q6_K. */
INLINE void unit_scales(uint32_t type, const uint8_t *unit, float scale[16]) {
    if (type == BNT_TYPE_Q8_0) scale[0] = one_f16(unit);
    if (type != BNT_TYPE_Q6_K) return;
    __m128i small = _mm_loadu_si128((const __m128i *)(const void *)(unit + 192));
    pair p = from_int8(small, one_f16(unit + 208));
    _mm256_storeu_ps(scale, p.v[0]);
    _mm256_storeu_ps(scale + HALF, p.v[1]);
}

/* Weights 16s .. 16s + 15 of a Q6_K block, (d * scale) * (q - 32). Of each 128 weights there are 64
 * bytes of low nibbles and 32 of high pairs; the 32 weights of quarter `part` take the nibbles
 * part / 2 of one half of the former and the pairs `part` of the latter. */
INLINE pair from_q6_k(const uint8_t *block, const unsigned s, float scale) {
    const unsigned half = s / 8, part = s / 2 % 4, side = s % 2 * 16;
    const uint8_t *low_at = block + 64 * half + part % 2 * 32 + side;
    const uint8_t *high_at = block + 128 + 32 * half + side;
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)low_at);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)high_at);
    low = _mm_and_si128(_mm_srli_epi16(low, part < 2 ? 0 : 4), _mm_set1_epi8(15));
    high = _mm_and_si128(_mm_srli_epi16(high, (int)(2 * part)), _mm_set1_epi8(3));
    low = _mm_or_si128(low, _mm_slli_epi16(high, 4));
    return from_int8(_mm_sub_epi8(low, _mm_set1_epi8(32)), scale);
}

/* Sixteen weights at p of a type that has no blocks. */
INLINE pair plain16(uint32_t type, const uint8_t *p) {
    if (type == BNT_TYPE_F32)
        return (pair){{_mm256_loadu_ps((const float *)(const void *)p),
                       _mm256_loadu_ps((const float *)(const void *)(p + 32))}};
    if (type == BNT_TYPE_F16) return (pair){{load_f16(p), load_f16(p + 16)}};
    return from_bf16(p);
}

/* Weights 16s .. 16s + 15 of a unit. */
INLINE pair weights16(uint32_t type, const uint8_t *unit, const unsigned s, const float scale[16]) {
    if (type == BNT_TYPE_Q6_K) return from_q6_k(unit, s, scale[s]);
    if (type == BNT_TYPE_Q8_0) {
        const void *q = unit + 2 + 16 * s;
        return from_int8(_mm_loadu_si128((const __m128i *)q), scale[0]);
    }
    return plain16(type, unit);
}

/* The n < 16 weights at the end of a row, then zeros; only types without blocks have such an end.
 */
INLINE pair weights_end(uint32_t type, const uint8_t *row, uint64_t i, uint64_t n) {
    uint8_t some[64] = {0};
    memcpy(some, row + row_bytes(type, i), row_bytes(type, n));
    return plain16(type, some);
}

INLINE void unpack_row(const uint32_t type, const uint8_t *row, uint64_t cols, float *out) {
    const unsigned unit = (unsigned)unit_values(type);
    float scale[16];
    uint64_t i = 0;
    for (; i + unit <= cols; i += unit) {
        const uint8_t *p = row + row_bytes(type, i);
        unit_scales(type, p, scale);
        UNROLL(16)
        for (unsigned s = 0; s < unit / LANES; s++) {
            pair w = weights16(type, p, s, scale);
            _mm256_storeu_ps(out + i + s * LANES, w.v[0]);
            _mm256_storeu_ps(out + i + s * LANES + HALF, w.v[1]);
        }
    }
    if (i == cols) return;
    pair w = weights_end(type, row, i, cols - i);
    store_first(out + i, cols - i, w.v[0]);
    if (cols - i > HALF) store_first(out + i + HALF, cols - i - HALF, w.v[1]);
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

/* ---- Dot16 of several rows and tokens ----------------------------------------------------- */

/* nr rows from r x nt tokens from t. At the end of a row the lanes past it keep what they have:
 * adding a product of zeros could turn a -0 into +0. */
INLINE void tile(const bnt_dense_gemm_args *a, const uint32_t type, uint64_t r, const unsigned nr,
                 uint64_t t, const unsigned nt) {
    uint64_t cols = a->shape.cols, bytes = row_bytes(type, cols), i = 0;
    const uint8_t *row = (const uint8_t *)a->w + r * bytes;
    const float *x = a->x + t * a->ldx;
    const unsigned unit = (unsigned)unit_values(type);
    __m256 acc[ROWS][TOKENS][2];
    UNROLL(4)
    for (unsigned k = 0; k < nr; k++) {
        UNROLL(3)
        for (unsigned j = 0; j < nt; j++) acc[k][j][0] = acc[k][j][1] = _mm256_setzero_ps();
    }
    for (; i + unit <= cols; i += unit) {
        const uint8_t *p = row + row_bytes(type, i);
        float scale[ROWS][16];
        UNROLL(4)
        for (unsigned k = 0; k < nr; k++) {
            unit_scales(type, p + k * bytes, scale[k]);
            for (unsigned at = 0; at < row_bytes(type, unit); at += 64) {
                _mm_prefetch((const char *)p + (nr + k) * bytes + at, _MM_HINT_T0);
                _mm_prefetch((const char *)p + (2 * nr + k) * bytes + at, _MM_HINT_T1);
            }
        }
        UNROLL(16)
        for (unsigned s = 0; s < unit / LANES; s++) {
            UNROLL(4)
            for (unsigned k = 0; k < nr; k++) {
                pair w = weights16(type, p + k * bytes, s, scale[k]);
                UNROLL(3)
                for (unsigned j = 0; j < nt; j++) {
                    const float *v = x + j * a->ldx + i + s * LANES;
                    acc[k][j][0] = _mm256_fmadd_ps(w.v[0], _mm256_loadu_ps(v), acc[k][j][0]);
                    acc[k][j][1] = _mm256_fmadd_ps(w.v[1], _mm256_loadu_ps(v + HALF), acc[k][j][1]);
                }
            }
        }
    }
    if (i < cols) {
        uint64_t n = cols - i;
        __m256 keep[2] = {_mm256_castsi256_ps(first8(n)),
                          _mm256_castsi256_ps(first8(n < HALF ? 0 : n - HALF))};
        UNROLL(4)
        for (unsigned k = 0; k < nr; k++) {
            pair w = weights_end(type, row + k * bytes, i, n);
            UNROLL(3)
            for (unsigned j = 0; j < nt; j++) {
                UNROLL(2)
                for (unsigned h = 0; h < 2; h++) {
                    const float *at = x + j * a->ldx + i + h * HALF;
                    __m256 v = _mm256_maskload_ps(at, _mm256_castps_si256(keep[h]));
                    v = _mm256_fmadd_ps(w.v[h], v, acc[k][j][h]);
                    acc[k][j][h] = _mm256_blendv_ps(acc[k][j][h], v, keep[h]);
                }
            }
        }
    }
    UNROLL(4)
    for (unsigned k = 0; k < nr; k++) {
        UNROLL(3)
        for (unsigned j = 0; j < nt; j++)
            a->y[(t + j) * a->ldy + r + k] = fold16(acc[k][j][0], acc[k][j][1]);
    }
}

INLINE void slice(const bnt_dense_gemm_args *a, const uint32_t type) {
    uint64_t r = a->row_lo, t = a->tok_lo;
    if (a->tok_hi - a->tok_lo >= TOKENS) {
        for (; r + PAIR <= a->row_hi; r += PAIR) {
            for (t = a->tok_lo; t + TOKENS <= a->tok_hi; t += TOKENS)
                tile(a, type, r, PAIR, t, TOKENS);
            for (; t < a->tok_hi; t++) tile(a, type, r, PAIR, t, 1);
        }
    }
    for (; r + ROWS <= a->row_hi; r += ROWS)
        for (t = a->tok_lo; t < a->tok_hi; t++) tile(a, type, r, ROWS, t, 1);
    for (; r < a->row_hi; r++)
        for (t = a->tok_lo; t < a->tok_hi; t++) tile(a, type, r, 1, t, 1);
}

void dense_gemm(const bnt_dense_gemm_args *a) {
    if (a->row_lo >= a->row_hi || a->tok_lo >= a->tok_hi) return;
    switch (a->shape.type) {
    case BNT_TYPE_F32: slice(a, BNT_TYPE_F32); break;
    case BNT_TYPE_F16: slice(a, BNT_TYPE_F16); break;
    case BNT_TYPE_BF16: slice(a, BNT_TYPE_BF16); break;
    case BNT_TYPE_Q8_0: slice(a, BNT_TYPE_Q8_0); break;
    default: slice(a, BNT_TYPE_Q6_K); break;
    }
}
