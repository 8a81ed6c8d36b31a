/*
 * product.c - the second plugin: one slot, the ternary product, made fast. docs/PLUGINS.md tells
 * the way from the plain loop below to the vectors above it, with what each step brings.
 *
 * It brings no layout, so its weights and activations lie as ref-scalar has them (plugin.h, "The
 * judge's layouts"), and all other slots are ref-scalar's.
 */
#include "bitnet/plugin.h"

/* Codes are w + 1, four to a byte, the first lowest; a row begins at a byte of its own. */
static const uint8_t *codes_of(const bnt_ternary_gemm_args *a, uint64_t row) {
    return (const uint8_t *)a->packed + row * ((a->shape.cols + 3) / 4);
}

/* int16 q[tokens][cols], then, at the next multiple of 4 bytes, float a[tokens][blocks]. */
static const int16_t *values_of(const bnt_ternary_gemm_args *a, uint64_t token) {
    return (const int16_t *)a->acts + token * a->shape.cols;
}

static const float *scales_of(const bnt_ternary_gemm_args *a, uint64_t token) {
    uint64_t n = a->act_shape.tokens * a->shape.cols, block = a->shape.block;
    return (const float *)a->acts + (n + 1) / 2 + token * (block ? a->shape.cols / block : 1);
}

/* Behind the codes, at the next multiple of 4, as binary32 or binary16: [rows][blocks]. */
static float weight_scale(const bnt_ternary_gemm_args *a, uint64_t at) {
    uint64_t begin = (a->shape.rows * ((a->shape.cols + 3) / 4) + 3) / 4 * 4;
    const char *scales = (const char *)a->packed + begin;
    if (a->shape.scale_type == BNT_TYPE_F16) return bnt_f16_to_f32(((const uint16_t *)scales)[at]);
    return ((const float *)scales)[at];
}

/* The sum over weights [lo, hi) of a row: an integer, so any order gives the same. */
static int32_t plain(const uint8_t *codes, const int16_t *q, uint64_t lo, uint64_t hi) {
    int32_t sum = 0;
    for (uint64_t i = lo; i < hi; i++) sum += ((codes[i / 4] >> (i % 4 * 2) & 3) - 1) * q[i];
    return sum;
}

/* One row and one token, by clause 3 or 4. */
static float product(const bnt_ternary_gemm_args *a, uint64_t row, uint64_t token) {
    const uint64_t block = a->shape.block, cols = a->shape.cols;
    const float *scales = scales_of(a, token);
    const int16_t *q = values_of(a, token);
    float y = 0.0f;
    if (!block) return (float)plain(codes_of(a, row), q, 0, cols) * (a->scale * scales[0]);
    for (uint64_t b = 0; b < cols / block; b++) {
        int32_t d = plain(codes_of(a, row), q, b * block, (b + 1) * block);
        y = bnt_fma((float)d, weight_scale(a, row * (cols / block) + b) * scales[b], y);
    }
    return y;
}

#if defined(__x86_64__) && !defined(PLAIN)
#include <immintrin.h>

/*
 * 128 weights at a time, of matrices with one scale. A vector of 32 bytes has weights 4i, 4i + 1,
 * 4i + 2 and 4i + 3 in its four pairs of bits; shifted and masked, each pair is a vector of
 * unsigned bytes that VPMADDUBSW multiplies with the values of the same weights. So it is the
 * values that are put in another order, once a call, and not the codes, which are most of what is
 * read. A product is at most 2 * 2 * 127 = 508: 16-bit sums take 64 of them.
 */
/* Without it the sums of a loop over tokens stay in memory: half of the speed. */
#define UNROLL(n) _Pragma(BNT_STR(GCC unroll n))

enum { PIECE = 4096, WIDE = 128, MOST = 64 / 4, TOKENS = 4 };

typedef struct piece { /* of the values of up to TOKENS tokens */
    __attribute__((aligned(32))) int8_t q[TOKENS][4][PIECE / 4];
    int32_t sum[TOKENS]; /* codes are w + 1: this is what is taken off */
} piece;

static void reorder(piece *p, const bnt_ternary_gemm_args *a, uint64_t token, uint64_t tokens,
                    uint64_t from, uint64_t n) {
    for (uint64_t t = 0; t < tokens; t++) {
        const int16_t *q = values_of(a, token + t) + from;
        p->sum[t] = 0;
        for (uint64_t i = 0; i < n; i++) {
            p->q[t][i % 4][i / 4] = (int8_t)q[i];
            p->sum[t] += q[i];
        }
    }
}

__attribute__((target("avx2"))) static inline int32_t sum8(__m256i v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1)));
}

/* sum[t] += the codes of a row times the values of token t. */
__attribute__((target("avx2"), always_inline)) static inline void
row_of_piece(const piece *p, const uint8_t *codes, uint64_t n, unsigned tokens, int32_t *sum) {
    const __m256i low = _mm256_set1_epi8(3), one = _mm256_set1_epi16(1);
    __m256i wide[TOKENS];
    UNROLL(4)
    for (unsigned t = 0; t < tokens; t++) wide[t] = _mm256_setzero_si256();
    for (uint64_t i = 0; i < n / WIDE;) {
        __m256i narrow[TOKENS];
        uint64_t end = i + MOST < n / WIDE ? i + MOST : n / WIDE;
        UNROLL(4)
        for (unsigned t = 0; t < tokens; t++) narrow[t] = _mm256_setzero_si256();
        for (; i < end; i++) {
            __m256i c = _mm256_loadu_si256((const __m256i *)(codes + i * 32));
            UNROLL(4)
            for (unsigned pair = 0; pair < 4; pair++) {
                __m256i w = _mm256_and_si256(c, low);
                UNROLL(4)
                for (unsigned t = 0; t < tokens; t++) {
                    const __m256i *q = (const __m256i *)p->q[t][pair];
                    narrow[t] = _mm256_add_epi16(narrow[t], _mm256_maddubs_epi16(w, q[i]));
                }
                c = _mm256_srli_epi16(c, 2);
            }
        }
        UNROLL(4)
        for (unsigned t = 0; t < tokens; t++)
            wide[t] = _mm256_add_epi32(wide[t], _mm256_madd_epi16(narrow[t], one));
    }
    for (unsigned t = 0; t < tokens; t++) sum[t] += sum8(wide[t]) - p->sum[t];
}

/* A piece of the columns for some rows and `tokens` tokens, 1 or TOKENS, added up in y as integers:
 * exact in binary32, since a row's sum is below 2^24. */
__attribute__((target("avx2"), always_inline)) static inline void
rows_of_piece(const bnt_ternary_gemm_args *a, const piece *p, uint64_t token, unsigned tokens,
              uint64_t from, uint64_t n) {
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        int32_t sum[TOKENS] = {0};
        row_of_piece(p, codes_of(a, r) + from / 4, n, tokens, sum);
        for (unsigned t = 0; t < tokens; t++) {
            float *y = &a->y[(token + t) * a->ldy + r];
            *y = (from ? *y : 0.0f) + (float)sum[t];
        }
    }
}

/* What is left of the columns, and the scales. */
static void finish(const bnt_ternary_gemm_args *a, uint64_t token, uint64_t whole) {
    const float scale = a->scale * scales_of(a, token)[0];
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        float *y = &a->y[token * a->ldy + r];
        float rest = (float)plain(codes_of(a, r), values_of(a, token), whole, a->shape.cols);
        *y = (whole ? *y + rest : rest) * scale;
    }
}

__attribute__((target("avx2"))) static void fast(const bnt_ternary_gemm_args *a) {
    const uint64_t whole = a->shape.cols / WIDE * WIDE;
    unsigned tokens;
    piece p;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t += tokens) {
        tokens = a->tok_hi - t >= TOKENS ? TOKENS : 1;
        for (uint64_t from = 0; from < whole; from += PIECE) {
            uint64_t n = whole - from < PIECE ? whole - from : PIECE;
            reorder(&p, a, t, tokens, from, n);
            if (tokens == 1)
                rows_of_piece(a, &p, t, 1, from, n);
            else
                rows_of_piece(a, &p, t, TOKENS, from, n);
        }
        for (unsigned k = 0; k < tokens; k++) finish(a, t + k, whole);
    }
}
#define NEEDS "avx2"
#else
#define NEEDS ""
#define fast(a) (void)(a)
enum { WIDE = 0 };
#endif

static void ternary_gemm(const bnt_ternary_gemm_args *a) {
    if (WIDE > 0 && !a->shape.block) {
        fast(a);
        return;
    }
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        for (uint64_t r = a->row_lo; r < a->row_hi; r++) a->y[t * a->ldy + r] = product(a, r, t);
}

static const bnt_kernels table = {
    .struct_size = sizeof(bnt_kernels),
    .variant = NEEDS[0] ? "avx2" : "plain-c",
    .ternary_gemm = ternary_gemm,
};

static const bnt_kernels *kernels(const bnt_host *host) {
    (void)host;
    return &table;
}

BNT_PLUGIN("product", "1.0.0", NEEDS, 1, kernels);
