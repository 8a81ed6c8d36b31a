/*
 * ternary.c - the ternary product (NUMERICS 3 and 4), written once for three ways to multiply int8.
 *
 * The object: groups of sixteen rows, each one linear stream: first the block scales, if any, as
 * [blocks][16] f32 or f16, padded to 64 bytes; then 64-byte vectors of 16 rows x 16 columns. Bytes
 * 4r .. 4r + 3 of a vector belong to row r; the two bits at 2j of its byte b hold w + 1 of column
 * 4j + b. So one mask takes four columns out of four rows, in the shape that sdot multiplies.
 *
 * One or two tokens go through the stream as it lies. More share a panel: a piece of 32 rows is
 * unpacked to bytes on the stack, in the operand order of the multiplier, and met by every token
 * before the next piece. Sums are of (w + 1) q; the sum of q is subtracted at the end of a span.
 */
#include "dots.h"
#include "kernels.h"

enum {
    GROUPS = ROWS / LANES, /* groups of a panel */
    OCTETS = ROWS / 8,     /* its eights of rows, what the inner loops take */
    TOKENS = 64            /* tokens that share what is unpacked */
};

typedef struct matrix {
    spans span;
    uint64_t scale_bytes; /* of a group, in front of its codes */
    uint64_t group_bytes;
    int f16; /* block scales are binary16 */
} matrix;

INLINE matrix matrix_of(const bnt_ternary_shape *shape) {
    matrix m = {.span = spans_of(shape->cols, shape->block)};
    m.f16 = shape->scale_type == BNT_TYPE_F16;
    if (shape->block) m.scale_bytes = (m.span.count * LANES * (m.f16 ? 2 : 4) + 63) & ~(uint64_t)63;
    m.group_bytes = m.scale_bytes + m.span.count * m.span.padded * 4;
    return m;
}

/* ---- packing: the same for all, so compiled once ------------------------------------------ */

#if !defined(NEON_DOTPROD)

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
    *out = (bnt_layout){.bytes = groups * m.group_bytes, .align = 64, .step = ROWS};
    return BNT_SUPPORTED;
}

/* Sixteen weights to the 32 bits of their row, and back: word j goes to bits 2j of each byte. */
static uint32_t encode16(const int8_t *w) {
    const int8x16_t places =
        vreinterpretq_s8_u32((uint32x4_t){0, 0x02020202, 0x04040404, 0x06060606});
    uint8x16_t codes = vreinterpretq_u8_s8(vaddq_s8(vld1q_s8(w), vdupq_n_s8(1)));
    return vaddvq_u32(vreinterpretq_u32_u8(vshlq_u8(codes, places)));
}

static void decode16(uint32_t row, int8_t *w) {
    const int8x16_t places =
        vreinterpretq_s8_u32((uint32x4_t){0, 0xfefefefe, 0xfcfcfcfc, 0xfafafafa});
    uint8x16_t codes = vshlq_u8(vreinterpretq_u8_u32(vdupq_n_u32(row)), places);
    codes = vandq_u8(codes, vdupq_n_u8(3));
    vst1q_s8(w, vsubq_s8(vreinterpretq_s8_u8(codes), vdupq_n_s8(1)));
}

/* The codes of some rows of a group, column by column: the group is written as one stream. */
static void pack_codes(const int8_t *w, uint64_t cols, uint64_t rows, uint8_t *codes) {
    uint64_t i = 0;
    for (; i + LANES <= cols; i += LANES, codes += 64) {
        for (uint64_t r = 0; r < rows; r++) {
            uint32_t row = encode16(w + r * cols + i);
            memcpy(codes + 4 * r, &row, sizeof row);
        }
    }
    for (uint64_t r = 0; i < cols && r < rows; r++) {
        int8_t padded[LANES] = {0};
        memcpy(padded, w + r * cols + i, cols - i);
        uint32_t row = encode16(padded);
        memcpy(codes + 4 * r, &row, sizeof row);
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
            uint32_t row;
            memcpy(&row, codes + i * 4, sizeof row);
            decode16(row, padded);
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

/* ---- from sums to floats ------------------------------------------------------------------ */

/* Scales of rows 4k .. 4k + 3 of a group for block b. */
INLINE float32x4_t load_scales(const bnt_ternary_gemm_args *a, const matrix *m,
                               const uint8_t *group, uint64_t b, unsigned k) {
    uint64_t i = b * LANES + 4 * k;
    if (!a->shape.block) return vdupq_n_f32(a->scale);
    if (m->f16) return load4_f16((const uint16_t *)(const void *)group + i);
    return vld1q_f32((const float *)(const void *)group + i);
}

/* Clause 3, or the next link of clause 4. */
INLINE float32x4_t finish(const bnt_ternary_gemm_args *a, int32x4_t sum, int32_t q_sum,
                          float32x4_t scale, float act_scale, float32x4_t y) {
    float32x4_t d = vcvtq_f32_s32(vsubq_s32(sum, vdupq_n_s32(q_sum)));
    float32x4_t both = vmulq_n_f32(scale, act_scale);
    return a->shape.block ? vfmaq_f32(y, d, both) : vmulq_f32(d, both);
}

/* y of `rows` rows from number `first`: those of the slice are written. */
INLINE void write_rows(const bnt_ternary_gemm_args *a, uint64_t token, uint64_t first,
                       uint64_t rows, const float *y) {
    uint64_t lo = a->row_lo > first ? a->row_lo - first : 0;
    uint64_t hi = a->row_hi - first < rows ? a->row_hi - first : rows;
    if (token >= a->tok_lo && token < a->tok_hi)
        memcpy(a->y + token * a->ldy + first + lo, y + lo, (hi - lo) * sizeof *y);
}

/* Group g x all n tokens (1 or 2) of the object. */
INLINE void product_of_group(const bnt_ternary_gemm_args *a, const matrix *m, const act_view *v,
                             uint64_t g, const unsigned n) {
    const uint8_t *group = (const uint8_t *)a->packed + g * m->group_bytes;
    uint64_t vectors = m->span.padded / LANES;
    float32x4_t y[2][QUADS];
#pragma GCC unroll 4
    for (unsigned k = 0; k < QUADS; k++) y[0][k] = y[1][k] = vdupq_n_f32(0.0f);
    for (uint64_t b = 0; b < m->span.count; b++) {
        int32x4_t d[QUADS][2];
        dot_stream(group + m->scale_bytes + b * vectors * 64, vectors,
                   v->q + b * m->span.padded * n, n, d);
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++) {
            float32x4_t scale = load_scales(a, m, group, b, k);
#pragma GCC unroll 2
            for (unsigned t = 0; t < n; t++) {
                uint64_t i = t * m->span.count + b;
                y[t][k] = finish(a, d[k][t], v->sum[i], scale, v->a[i], y[t][k]);
            }
        }
    }
#pragma GCC unroll 2
    for (unsigned t = 0; t < n; t++) {
        float rows[LANES];
#pragma GCC unroll 4
        for (unsigned k = 0; k < QUADS; k++) vst1q_f32(rows + 4 * k, y[t][k]);
        write_rows(a, t, g * LANES, LANES, rows);
    }
}

/* What a panel works with: weights as bytes, sums of the current span, results so far. */
typedef struct panel {
    int8_t w[OCTETS][PIECE * 8];
    int32_t sum[TOKENS][ROWS];
    float y[TOKENS][ROWS];
} panel;

/* Adds n columns, at most PIECE, from first_col on to the sums; their codes begin at `codes`. */
INLINE void add_piece(const matrix *m, const act_view *v, panel *p, const uint8_t *codes,
                      unsigned octets, uint64_t first_col, uint64_t n, uint64_t tile_lo,
                      uint64_t tile_hi) {
    for (unsigned o = 0; o < octets; o++)
        unpack_octet(codes + o / 2 * m->group_bytes + o % 2 * 32, n / LANES, p->w[o]);
    for (uint64_t tile = tile_lo; tile < tile_hi; tile++) {
        uint64_t slots = tile_slots(v, tile), stride = slots * STEP;
        const int8_t *q = tile_values(v, tile) + first_col / STEP * stride;
        int32_t *sum = p->sum[(tile - tile_lo) * TILE];
        for (unsigned o = 0; o < octets; o++, sum += 8) {
            switch (slots / 2) {
            case 1: dot_tile(p->w[o], q, stride, n / STEP, 1, sum); break;
            case 2: dot_tile(p->w[o], q, stride, n / STEP, 2, sum); break;
            case 3: dot_tile(p->w[o], q, stride, n / STEP, 3, sum); break;
            default: dot_tile(p->w[o], q, stride, n / STEP, 4, sum); break;
            }
        }
    }
}

/* ng groups from number g x tiles [tile_lo, tile_hi), at most TOKENS tokens. */
static void product_of_panel(const bnt_ternary_gemm_args *a, const matrix *m, const act_view *v,
                             uint64_t g, unsigned ng, uint64_t tile_lo, uint64_t tile_hi) {
    const uint8_t *group = (const uint8_t *)a->packed + g * m->group_bytes;
    uint64_t token = tile_lo * TILE, end = tile_hi * TILE < v->tokens ? tile_hi * TILE : v->tokens;
    uint64_t n = end - token;
    panel p;
    memset(p.y, 0, n * sizeof p.y[0]);
    for (uint64_t b = 0; b < m->span.count; b++) {
        memset(p.sum, 0, (n + n % 2) * sizeof p.sum[0]);
        for (uint64_t c = 0; c < m->span.padded; c += PIECE) {
            uint64_t col = b * m->span.padded + c, left = m->span.padded - c;
            add_piece(m, v, &p, group + m->scale_bytes + col * 4, 2 * ng, col,
                      left < PIECE ? left : PIECE, tile_lo, tile_hi);
        }
        for (unsigned k = 0; k < QUADS * ng; k++) {
            float32x4_t scale = load_scales(a, m, group + k / QUADS * m->group_bytes, b, k % QUADS);
            for (uint64_t t = 0; t < n; t++) {
                uint64_t i = (token + t) * m->span.count + b;
                float *y = p.y[t] + 4 * k;
                int32x4_t sum = vld1q_s32(p.sum[t] + 4 * k);
                vst1q_f32(y, finish(a, sum, v->sum[i], scale, v->a[i], vld1q_f32(y)));
            }
        }
    }
    for (uint64_t t = 0; t < n; t++)
        write_rows(a, token + t, g * LANES, (uint64_t)ng * LANES, p.y[t]);
}

void KERNEL(ternary_gemm)(const bnt_ternary_gemm_args *a) {
    if (a->row_lo >= a->row_hi || a->tok_lo >= a->tok_hi) return;
    matrix m = matrix_of(&a->shape);
    act_view v = act_view_of(&a->act_shape, a->acts);
    uint64_t g = a->row_lo / LANES, end = (a->row_hi + LANES - 1) / LANES;
    if (v.tokens == 1) {
        for (; g < end; g++) product_of_group(a, &m, &v, g, 1);
        return;
    }
    if (v.tokens == 2) {
        for (; g < end; g++) product_of_group(a, &m, &v, g, 2);
        return;
    }
    uint64_t tile_end = (a->tok_hi + TILE - 1) / TILE;
    for (; g < end; g += GROUPS) {
        unsigned ng = end - g < GROUPS ? 1 : GROUPS;
        for (uint64_t tile = a->tok_lo / TILE; tile < tile_end; tile += TOKENS / TILE) {
            uint64_t hi = tile_end - tile < TOKENS / TILE ? tile_end : tile + TOKENS / TILE;
            product_of_panel(a, &m, &v, g, ng, tile, hi);
        }
    }
}
