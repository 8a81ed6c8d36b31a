/*
 * ternary.c - the ternary product (NUMERICS 3 and 4): from memory bandwidth to the integer peak.
 *
 * The object: groups of sixteen rows, each one linear stream: first the block scales, if any, as
 * [blocks][16] f32 or f16, padded to 64 bytes; then 64-byte vectors of 16 rows x 16 columns. Lane r
 * of a vector belongs to row r; the two bits at 2j of its byte b hold w + 1 of column 4j + b.
 *
 * A mask takes the four columns of one j out of all sixteen rows at once. They are not shifted
 * down: codes at 1, 4, 16 and 64 times their value (at most 128, as unsigned bytes) go to
 * accumulators of their own, shifted once at the end, where the sum of the activations is
 * subtracted as well.
 */
#include "kernels.h"

/* How far ahead of the loads a stream is fetched to L2 and to L1: found by measuring. */
enum { AHEAD_L2 = 20 << 10, AHEAD_L1 = 4 << 10 };

enum { STREAM = 3 }; /* most tokens that the stream kernel takes at once */

typedef struct matrix {
    spans span;
    uint64_t scale_bytes; /* of a group, in front of its codes */
    uint64_t group_bytes;
    int f16;         /* block scales are binary16 */
    int fives;       /* packed five a byte */
    uint8_t *opened; /* a panel of such rows that fives.h has opened, or NULL */
} matrix;

static matrix matrix_of(const bnt_ternary_shape *shape) {
    matrix m = {.span = spans_of(shape->cols, shape->block)};
    m.f16 = shape->scale_type == BNT_TYPE_F16;
    if (shape->block) m.scale_bytes = (m.span.count * LANES * (m.f16 ? 2 : 4) + 63) & ~(uint64_t)63;
    m.group_bytes = m.scale_bytes + m.span.count * m.span.padded * 4;
#if defined(AVX512_VBMI)
    m.fives = fives_takes(shape);
    if (m.fives) m.group_bytes = fives_vectors(shape->cols) * 64;
#endif
    return m;
}

#if !defined(AVX512_VNNI) /* packing needs no dot product: once is enough */

int32_t ternary_layout(const bnt_ternary_shape *shape, bnt_layout *out) {
    uint64_t weights;
    if (!shape->rows || !spans_supported(shape->cols, shape->block)) return BNT_NOT_SUPPORTED;
    if (shape->scale_type != BNT_TYPE_F32 && shape->scale_type != BNT_TYPE_F16)
        return BNT_NOT_SUPPORTED;
    if (__builtin_mul_overflow(shape->rows, shape->cols, &weights) || weights > UINT64_MAX / 256 ||
        shape->rows > UINT64_MAX / 65536)
        return BNT_NOT_SUPPORTED;
    matrix m = matrix_of(shape);
    uint64_t groups = (shape->rows + LANES - 1) / LANES;
    *out = (bnt_layout){.bytes = groups * m.group_bytes, .align = 64, .step = 64};
    return BNT_SUPPORTED;
}

/* Sixteen weights to the 32 bits of their lane, and back. -1, 0, +1 are 3, 0, 1 in two bits, which
 * become 0, 1, 2: the low bit turns, and is added to the high one before it does. */
static uint32_t encode16(const int8_t *w) {
    uint64_t two[2];
    memcpy(two, w, sizeof two);
    uint64_t some = (two[0] & 0x0303030303030303u) | (two[1] & 0x0303030303030303u) << 4;
    uint32_t lane = (uint32_t)(some | some >> 30);
    return lane ^ (lane & 0x55555555u) << 1 ^ 0x55555555u;
}

static void decode16(uint32_t lane, int8_t *w) {
    for (unsigned i = 0; i < LANES; i++)
        w[i] = (int8_t)((int)(lane >> (8 * (i % 4) + 2 * (i / 4)) & 3) - 1);
}

/* The codes of some rows of a group, column by column: the group is written as one stream. */
static void pack_codes(const int8_t *w, uint64_t cols, uint64_t rows, uint8_t *codes) {
    uint64_t i = 0;
    for (; i + LANES <= cols; i += LANES, codes += 64) {
        for (uint64_t r = 0; r < rows; r++) {
            uint32_t lane = encode16(w + r * cols + i);
            memcpy(codes + 4 * r, &lane, sizeof lane);
        }
    }
    for (uint64_t r = 0; i < cols && r < rows; r++) {
        int8_t padded[LANES] = {0};
        memcpy(padded, w + r * cols + i, cols - i);
        uint32_t lane = encode16(padded);
        memcpy(codes + 4 * r, &lane, sizeof lane);
    }
}

void ternary_pack(const bnt_ternary_pack_args *a) {
    matrix m = matrix_of(&a->shape);
    uint64_t cols = a->shape.cols;
    for (uint64_t r = a->row_lo, rows; r < a->row_hi; r += rows) {
        uint8_t *group = (uint8_t *)a->packed + r / LANES * m.group_bytes;
        uint64_t at = r % LANES;
        rows = a->row_hi - r < LANES - at ? a->row_hi - r : LANES - at;
        pack_codes(a->trits + (r - a->row_lo) * cols, cols, rows, group + m.scale_bytes + 4 * at);
        if (!a->shape.block) continue;
        const float *scale = a->scales + (r - a->row_lo) * m.span.count;
        for (uint64_t k = 0; k < rows; k++) {
            for (uint64_t b = 0; b < m.span.count; b++, scale++) {
                if (m.f16)
                    ((uint16_t *)(void *)group)[b * LANES + at + k] = bnt_f32_to_f16(*scale);
                else
                    ((float *)(void *)group)[b * LANES + at + k] = *scale;
            }
        }
    }
}

void ternary_unpack(const bnt_ternary_unpack_args *a) {
    matrix m = matrix_of(&a->shape);
    uint64_t cols = a->shape.cols;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        int8_t *w = a->trits + (r - a->row_lo) * cols;
        const uint8_t *group = (const uint8_t *)a->packed + r / LANES * m.group_bytes;
        const uint8_t *codes = group + m.scale_bytes + r % LANES * 4;
        for (uint64_t i = 0; i < cols; i += LANES) {
            int8_t padded[LANES];
            uint32_t lane;
            memcpy(&lane, codes + i * 4, sizeof lane);
            decode16(lane, padded);
            memcpy(w + i, padded, cols - i < LANES ? cols - i : LANES);
        }
        for (uint64_t b = 0; a->shape.block && b < m.span.count; b++) {
            uint64_t i = b * LANES + r % LANES;
            a->scales[(r - a->row_lo) * m.span.count + b] =
                m.f16 ? bnt_f16_to_f32(((const uint16_t *)(const void *)group)[i])
                      : ((const float *)(const void *)group)[i];
        }
    }
}

#endif

/* acc + the four products of each lane: u unsigned, at most 128, q signed. */
INLINE __m512i dot4(__m512i acc, __m512i u, __m512i q) {
#if defined(AVX512_VNNI)
    return _mm512_dpbusd_epi32(acc, u, q);
#else
    __m512i pairs = _mm512_maddubs_epi16(u, q); /* at most 2 x 128 x 127 = 32512 */
    return _mm512_add_epi32(acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#endif
}

INLINE __m512i broadcast4(const int8_t *q) {
    int32_t four;
    memcpy(&four, q, sizeof four);
    return _mm512_set1_epi32(four);
}

/* Sums of codes that were left at bits 0, 2, 4 and 6, as one. */
INLINE __m512i join4(__m512i at0, __m512i at2, __m512i at4, __m512i at6) {
    __m512i low = _mm512_add_epi32(at0, _mm512_srai_epi32(at2, 2));
    __m512i high = _mm512_add_epi32(_mm512_srai_epi32(at4, 4), _mm512_srai_epi32(at6, 6));
    return _mm512_add_epi32(low, high);
}

#include "panel.h"

/* Sixteen rows x `count` tokens, from number `first` of the n of a tile, over `vectors` x 16
 * columns: out[token] = sums of (w + 1) q, a token to a register. */
INLINE void dot_stream(const uint8_t *codes, uint64_t vectors, const int8_t *q, const unsigned n,
                       const unsigned first, const unsigned count, __m512i out[TILE]) {
    const __m512i mask = _mm512_set1_epi8(3);
    const __m512i masks[4] = {mask, _mm512_slli_epi16(mask, 2), _mm512_slli_epi16(mask, 4),
                              _mm512_slli_epi16(mask, 6)};
    __m512i acc[4][STREAM];
    UNROLL for (unsigned j = 0; j < 4; j++) {
        UNROLL for (unsigned t = 0; t < count; t++) {
            acc[j][t] = _mm512_setzero_si512();
        }
    }
    for (uint64_t i = 0; i < vectors; i++) {
        const uint8_t *p = codes + i * 64;
        __m512i w = _mm512_loadu_si512(p);
        _mm_prefetch((const char *)p + AHEAD_L2, _MM_HINT_T1);
        _mm_prefetch((const char *)p + AHEAD_L1, _MM_HINT_T0);
        UNROLL for (unsigned j = 0; j < 4; j++) {
            __m512i u = _mm512_and_si512(w, masks[j]);
            UNROLL for (unsigned t = 0; t < count; t++) {
                acc[j][t] = dot4(acc[j][t], u, broadcast4(q + ((i * 4 + j) * n + first + t) * 4));
            }
        }
    }
    UNROLL for (unsigned t = 0; t < count; t++) {
        out[first + t] = join4(acc[0][t], acc[1][t], acc[2][t], acc[3][t]);
    }
}

/* ng groups of rows, 1 or GROUPS, x n tokens, the same sums. A single group takes few tokens at a
 * time. */
INLINE void dot(const uint8_t *codes, uint64_t group_bytes, const unsigned ng, uint64_t vectors,
                const int8_t *q, const unsigned n, __m512i out[GROUPS][TILE]) {
    if (ng == GROUPS) {
        dot_panel(codes, group_bytes, vectors, q, n, out);
        return;
    }
    dot_stream(codes, vectors, q, n, 0, n < STREAM ? n : STREAM, out[0]);
    if (n > STREAM) dot_stream(codes, vectors, q, n, STREAM, n - STREAM, out[0]);
}

#if defined(AVX512_VBMI)
#include "fives.h"
#endif

/* y of ng groups x n tokens, which begins at group g and token `token`, as far as it is in the
 * slice. */
INLINE void store_tile(const bnt_ternary_gemm_args *a, uint64_t g, const unsigned ng,
                       uint64_t token, const unsigned n, __m512 y[GROUPS][TILE]) {
    float *to = a->y + token * a->ldy + g * LANES;
    int within = token >= a->tok_lo && token + n <= a->tok_hi && g * LANES >= a->row_lo &&
                 (g + ng) * LANES <= a->row_hi;
    if (within) {
        UNROLL for (unsigned t = 0; t < n; t++, to += a->ldy) {
            UNROLL for (unsigned k = 0; k < ng; k++) {
                _mm512_storeu_ps(to + k * LANES, y[k][t]);
            }
        }
        return;
    }
    UNROLL for (unsigned k = 0; k < ng; k++) {
        uint64_t first = (g + k) * LANES, skip = a->row_lo > first ? a->row_lo - first : 0;
        __mmask16 rows = (__mmask16)(first_lanes(a->row_hi - first) & ~first_lanes(skip));
        UNROLL for (unsigned t = 0; t < n; t++) {
            if (token + t >= a->tok_lo && token + t < a->tok_hi)
                _mm512_mask_storeu_ps(to + t * a->ldy + k * LANES, rows, y[k][t]);
        }
    }
}

/* The lines of y that will be written. */
INLINE void fetch_tile(const bnt_ternary_gemm_args *a, uint64_t g, const unsigned ng,
                       uint64_t token, const unsigned n) {
    UNROLL for (unsigned t = 0; t < n; t++) {
        UNROLL for (unsigned k = 0; k < ng; k++) {
            __builtin_prefetch(a->y + (token + t) * a->ldy + (g + k) * LANES, 1);
        }
    }
}

/* ng groups of rows from number g x the n tokens of one tile, with one scale for all. */
INLINE void product(const bnt_ternary_gemm_args *a, const matrix *m, const act_view *v, uint64_t g,
                    const unsigned ng, uint64_t tile, const unsigned n) {
    const uint8_t *codes = (const uint8_t *)a->packed + g * m->group_bytes;
    uint64_t token = tile * TILE;
    __m512 y[GROUPS][TILE];
    __m512i d[GROUPS][TILE];
    fetch_tile(a, g, ng, token, n);
#if defined(AVX512_VBMI)
    if (m->fives)
        fives_dot(codes, m->opened, m->group_bytes, ng, (a->shape.cols + 3) / 4,
                  tile_values(v, tile), n, d);
    else
#endif
        dot(codes, m->group_bytes, ng, m->span.padded / LANES, tile_values(v, tile), n, d);
    UNROLL for (unsigned t = 0; t < n; t++) {
        __m512i sum = _mm512_set1_epi32(v->sum[token + t]);
        __m512 both = _mm512_set1_ps(a->scale * v->a[token + t]);
        UNROLL for (unsigned k = 0; k < ng; k++) {
            y[k][t] = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(d[k][t], sum)), both);
        }
    }
    store_tile(a, g, ng, token, n, y);
}

/* The same with a scale for each block. */
INLINE void product_of_blocks(const bnt_ternary_gemm_args *a, const matrix *m, const act_view *v,
                              uint64_t g, const unsigned ng, uint64_t tile, const unsigned n) {
    const uint8_t *group = (const uint8_t *)a->packed + g * m->group_bytes;
    const uint8_t *codes = group + m->scale_bytes;
    const int8_t *q = tile_values(v, tile);
    uint64_t vectors = m->span.padded / LANES, blocks = m->span.count, scale_size = m->f16 ? 2 : 4;
    uint64_t token = tile * TILE;
    __m512 y[GROUPS][TILE];
    __m512i d[GROUPS][TILE];
    fetch_tile(a, g, ng, token, n);
    UNROLL for (unsigned k = 0; k < ng; k++) {
        UNROLL for (unsigned t = 0; t < n; t++) {
            y[k][t] = _mm512_setzero_ps();
        }
    }
    for (uint64_t b = 0; b < blocks; b++) {
        dot(codes + b * vectors * 64, m->group_bytes, ng, vectors, q + b * m->span.padded * n, n,
            d);
        UNROLL for (unsigned k = 0; k < ng; k++) {
            const uint8_t *scales = group + k * m->group_bytes + b * LANES * scale_size;
            _mm_prefetch((const char *)scales + ng * m->group_bytes, _MM_HINT_T1);
            __m512 w = m->f16 ? load_f16(scales) : _mm512_loadu_ps(scales);
            UNROLL for (unsigned t = 0; t < n; t++) {
                uint64_t i = (token + t) * blocks + b;
                __m512i sum = _mm512_sub_epi32(d[k][t], _mm512_set1_epi32(v->sum[i]));
                __m512 both = _mm512_mul_ps(w, _mm512_set1_ps(v->a[i]));
                y[k][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), both, y[k][t]);
            }
        }
    }
    store_tile(a, g, ng, token, n, y);
}

typedef void tile_fn(const bnt_ternary_gemm_args *a, const matrix *m, const act_view *v, uint64_t g,
                     uint64_t tile);

/* A function for ng groups, with the number of tokens of the tile as a constant. */
#define TILE_FN(name, product, ng)                                                                 \
    static void name(const bnt_ternary_gemm_args *a, const matrix *m, const act_view *v,           \
                     uint64_t g, uint64_t tile) {                                                  \
        switch (tile_tokens(v, tile)) {                                                            \
        case 1: product(a, m, v, g, ng, tile, 1); break;                                           \
        case 2: product(a, m, v, g, ng, tile, 2); break;                                           \
        case 3: product(a, m, v, g, ng, tile, 3); break;                                           \
        case 4: product(a, m, v, g, ng, tile, 4); break;                                           \
        case 5: product(a, m, v, g, ng, tile, 5); break;                                           \
        default: product(a, m, v, g, ng, tile, 6); break;                                          \
        }                                                                                          \
    }
TILE_FN(group_product, product, 1)
TILE_FN(panel_product, product, GROUPS)
TILE_FN(group_product_of_blocks, product_of_blocks, 1)
TILE_FN(panel_product_of_blocks, product_of_blocks, GROUPS)
#undef TILE_FN

void KERNEL(ternary_gemm)(const bnt_ternary_gemm_args *a) {
    if (a->row_lo >= a->row_hi || a->tok_lo >= a->tok_hi) return;
    matrix m = matrix_of(&a->shape);
    act_view v = act_view_of(&a->act_shape, a->acts);
    tile_fn *group = a->shape.block ? group_product_of_blocks : group_product;
    tile_fn *panel = a->shape.block ? panel_product_of_blocks : panel_product;
    uint64_t tile_lo = a->tok_lo / TILE, tile_hi = (a->tok_hi + TILE - 1) / TILE;
    uint64_t end = (a->row_hi + LANES - 1) / LANES, g = a->row_lo / LANES;
#if defined(AVX512_VBMI)
    _Alignas(64) uint8_t opened[FIVES_OPENED];
    if (m.fives && tile_hi - tile_lo >= OPENED_TILES) m.opened = opened;
#endif
    for (; v.tokens > STREAM && g + GROUPS <= end; g += GROUPS) {
#if defined(AVX512_VBMI)
        if (m.opened)
            fives_open((const uint8_t *)a->packed + g * m.group_bytes, m.group_bytes,
                       (a->shape.cols + 3) / 4, opened);
#endif
        for (uint64_t tile = tile_lo; tile < tile_hi; tile++) panel(a, &m, &v, g, tile);
    }
    for (; g < end; g++)
        for (uint64_t tile = tile_lo; tile < tile_hi; tile++) group(a, &m, &v, g, tile);
}
