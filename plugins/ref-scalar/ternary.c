/*
 * ternary.c - the ternary product (NUMERICS 3 and 4) and its packed matrix.
 *
 * The object: codes w + 1 of two bits, four to a byte, the first lowest, each row from a byte of
 * its own; then, when the matrix has block scales, f32 or f16 scale[rows][cols / block]. A matrix
 * with one scale is the case of one block as wide as the row.
 */
#include "kernels.h"

enum { PIECE = 512, TOKENS = 32 }; /* columns unpacked at a time; tokens that share them */

static uint64_t ternary_span(const bnt_ternary_shape *shape) {
    return shape->block ? shape->block : shape->cols;
}

static uint64_t row_bytes(const bnt_ternary_shape *shape) {
    return (shape->cols + 3) / 4;
}

/* Where the scales begin: after the codes, at the next multiple of 4. */
static uint64_t scales_at(const bnt_ternary_shape *shape) {
    return (shape->rows * row_bytes(shape) + 3) & ~(uint64_t)3;
}

static float load_scale(const bnt_ternary_shape *shape, const void *packed, uint64_t i) {
    const char *base = (const char *)packed + scales_at(shape);
    if (shape->scale_type == BNT_TYPE_F16) return bnt_f16_to_f32(((const uint16_t *)base)[i]);
    return ((const float *)base)[i];
}

int32_t KERNEL(ternary_layout)(const bnt_ternary_shape *shape, bnt_layout *out) {
    uint64_t span = ternary_span(shape), weights;
    if (!shape->rows || !shape->cols || span > REF_TERNARY_COLS_MAX || shape->cols % span)
        return BNT_NOT_SUPPORTED;
    if (shape->scale_type != BNT_TYPE_F32 && shape->scale_type != BNT_TYPE_F16)
        return BNT_NOT_SUPPORTED;
    if (__builtin_mul_overflow(shape->rows, shape->cols, &weights) || weights > UINT64_MAX / 16)
        return BNT_NOT_SUPPORTED;
    uint64_t bytes = scales_at(shape);
    if (shape->block)
        bytes += shape->rows * (shape->cols / shape->block) *
                 (shape->scale_type == BNT_TYPE_F16 ? sizeof(uint16_t) : sizeof(float));
    *out = (bnt_layout){.bytes = bytes, .align = 64, .step = 1};
    return BNT_SUPPORTED;
}

void KERNEL(ternary_pack)(const bnt_ternary_pack_args *a) {
    uint64_t cols = a->shape.cols, per_row = row_bytes(&a->shape);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const int8_t *w = a->trits + (r - a->row_lo) * cols;
        uint8_t *codes = (uint8_t *)a->packed + r * per_row;
        for (uint64_t i = 0; i < cols / 4; i++, w += 4)
            codes[i] = (uint8_t)((w[0] + 1) | (w[1] + 1) << 2 | (w[2] + 1) << 4 | (w[3] + 1) << 6);
        if (cols % 4) codes[cols / 4] = 0;
        for (uint64_t i = 0; i < cols % 4; i++)
            codes[cols / 4] = (uint8_t)(codes[cols / 4] | (w[i] + 1) << (2 * i));
    }
    if (!a->shape.block) return;
    uint64_t blocks = cols / a->shape.block, first = a->row_lo * blocks;
    char *base = (char *)a->packed + scales_at(&a->shape);
    for (uint64_t i = 0; i < (a->row_hi - a->row_lo) * blocks; i++) {
        if (a->shape.scale_type == BNT_TYPE_F16)
            ((uint16_t *)base)[first + i] = bnt_f32_to_f16(a->scales[i]);
        else
            ((float *)base)[first + i] = a->scales[i];
    }
}

void KERNEL(ternary_unpack)(const bnt_ternary_unpack_args *a) {
    uint64_t cols = a->shape.cols, per_row = row_bytes(&a->shape);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *codes = (const uint8_t *)a->packed + r * per_row;
        int8_t *w = a->trits + (r - a->row_lo) * cols;
        for (uint64_t i = 0; i < cols; i++)
            w[i] = (int8_t)((codes[i / 4] >> (2 * (i % 4)) & 3) - 1);
    }
    if (!a->shape.block) return;
    uint64_t blocks = cols / a->shape.block, first = a->row_lo * blocks;
    for (uint64_t i = 0; i < (a->row_hi - a->row_lo) * blocks; i++)
        a->scales[i] = load_scale(&a->shape, a->packed, first + i);
}

/* Weights [lo, lo + n) of a row, n <= PIECE, as integers. */
static void unpack_piece(const uint8_t *codes, uint64_t lo, uint64_t n, int16_t *restrict w) {
    uint64_t i = 0;
    if (lo % 4 == 0) {
        const uint8_t *c = codes + lo / 4;
        for (uint64_t p = 0; p < n / 4; p++)
            for (int j = 0; j < 4; j++) w[4 * p + (unsigned)j] = (int16_t)((c[p] >> 2 * j & 3) - 1);
        i = n / 4 * 4;
    }
    for (; i < n; i++) w[i] = (int16_t)((codes[(lo + i) / 4] >> (2 * ((lo + i) % 4)) & 3) - 1);
}

static int32_t dot_int(const int16_t *w, const int16_t *q, uint64_t n) {
    int32_t d = 0;
    for (uint64_t i = 0; i < n; i++) d += w[i] * q[i];
    return d;
}

/* One row times tokens [lo, hi), at most TOKENS of them. */
static void row_product(const bnt_ternary_gemm_args *a, uint64_t r, uint64_t lo, uint64_t hi) {
    uint64_t span = ternary_span(&a->shape), blocks = a->shape.cols / span;
    const uint8_t *codes = (const uint8_t *)a->packed + r * row_bytes(&a->shape);
    int16_t w[PIECE];
    float y[TOKENS] = {0};
    for (uint64_t b = 0; b < blocks; b++) {
        int32_t d[TOKENS] = {0};
        for (uint64_t i = b * span; i < (b + 1) * span; i += PIECE) {
            uint64_t n = (b + 1) * span - i < PIECE ? (b + 1) * span - i : PIECE;
            unpack_piece(codes, i, n, w);
            for (uint64_t t = lo; t < hi; t++)
                d[t - lo] += dot_int(w, KERNEL(act_values)(&a->act_shape, a->acts, t) + i, n);
        }
        float scale = a->shape.block ? load_scale(&a->shape, a->packed, r * blocks + b) : a->scale;
        for (uint64_t t = lo; t < hi; t++) {
            float both = scale * KERNEL(act_scales)(&a->act_shape, a->acts, t)[b];
            if (a->shape.block)
                y[t - lo] = bnt_fma((float)d[t - lo], both, y[t - lo]);
            else
                y[t - lo] = (float)d[t - lo] * both;
        }
    }
    for (uint64_t t = lo; t < hi; t++) a->y[t * a->ldy + r] = y[t - lo];
}

void KERNEL(ternary_gemm)(const bnt_ternary_gemm_args *a) {
    for (uint64_t r = a->row_lo; r < a->row_hi; r++)
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t += TOKENS)
            row_product(a, r, t, a->tok_hi - t < TOKENS ? a->tok_hi : t + TOKENS);
}
