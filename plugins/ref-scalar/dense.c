/*
 * dense.c - rows of ordinary weights (NUMERICS 5): embeddings, output heads, unquantized matrices.
 *
 * All types are used in place, as they lie in the file, which may be at any address: every load of
 * more than a byte is a memcpy. A piece of a row becomes binary32, then Dot16 goes over it.
 */
#include "kernels.h"

enum { DENSE_PIECE = 256, DENSE_TOKENS = 8 }; /* columns converted at a time, and who shares them */

/* Weights per block and bytes per block of a type; 0 when it is unknown. */
static uint64_t block_values(uint32_t type) {
    switch (type) {
    case BNT_TYPE_F32:
    case BNT_TYPE_F16:
    case BNT_TYPE_BF16: return 1;
    case BNT_TYPE_Q8_0: return 32;
    case BNT_TYPE_Q6_K: return 256;
    default: return 0;
    }
}

static uint64_t block_bytes(uint32_t type) {
    switch (type) {
    case BNT_TYPE_F32: return 4;
    case BNT_TYPE_F16:
    case BNT_TYPE_BF16: return 2;
    case BNT_TYPE_Q8_0: return 34;
    case BNT_TYPE_Q6_K: return 210;
    default: return 0;
    }
}

static uint64_t dense_row_bytes(const bnt_dense_shape *shape) {
    return shape->cols / block_values(shape->type) * block_bytes(shape->type);
}

int32_t KERNEL(dense_layout)(const bnt_dense_shape *shape, bnt_layout *out) {
    uint64_t values = block_values(shape->type);
    if (!values || !shape->rows || !shape->cols || shape->cols % values) return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){.bytes = 0, .align = 1, .step = 1};
    return BNT_SUPPORTED;
}

/* In place: nothing to do, and the core does not ask. */
void KERNEL(dense_pack)(const bnt_dense_pack_args *a) {
    (void)a;
}

static uint16_t load_u16(const uint8_t *p) {
    uint16_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

/* Q8_0, 34 bytes: f16 d, int8 q[32]; w = d * q. */
static void q8_0_to_f32(const uint8_t *p, float *restrict out) {
    float d = bnt_f16_to_f32(load_u16(p));
    for (int i = 0; i < 32; i++) out[i] = d * (float)(int8_t)p[2 + i];
}

/* Q6_K, 210 bytes: ql[128], qh[64], int8 scales[16], f16 d; w = (d * scale) * (q - 32). Each half
 * of 128 weights has 64 ql, 32 qh and 8 scales; of q, ql holds 4 low bits, qh 2 high ones. */
static void q6_k_to_f32(const uint8_t *p, float *restrict out) {
    float d = bnt_f16_to_f32(load_u16(p + 208));
    for (int half = 0; half < 2; half++) {
        const uint8_t *ql = p + 64 * half, *qh = p + 128 + 32 * half, *scales = p + 192 + 8 * half;
        for (int part = 0; part < 4;
             part++) { /* 32 weights: nibble part/2 of ql, pair part of qh */
            for (int i = 0; i < 32; i++) {
                int low = ql[32 * (part & 1) + i] >> 4 * (part >> 1) & 15;
                int high = qh[i] >> 2 * part & 3;
                float ds = d * (float)(int8_t)scales[2 * part + i / 16];
                out[128 * half + 32 * part + i] = ds * (float)((low | high << 4) - 32);
            }
        }
    }
}

/* Weights [lo, lo + n) of a row as binary32; lo and n are multiples of the block. */
static void row_to_f32(uint32_t type, const uint8_t *row, uint64_t lo, uint64_t n,
                       float *restrict out) {
    const uint8_t *p = row + lo / block_values(type) * block_bytes(type);
    switch (type) {
    case BNT_TYPE_F32: memcpy(out, p, n * sizeof *out); break;
    case BNT_TYPE_F16:
        for (uint64_t i = 0; i < n; i++) out[i] = bnt_f16_to_f32(load_u16(p + 2 * i));
        break;
    case BNT_TYPE_BF16:
        for (uint64_t i = 0; i < n; i++) out[i] = bnt_bf16_to_f32(load_u16(p + 2 * i));
        break;
    case BNT_TYPE_Q8_0:
        for (uint64_t i = 0; i < n; i += 32) q8_0_to_f32(p + i / 32 * 34, out + i);
        break;
    case BNT_TYPE_Q6_K:
        for (uint64_t i = 0; i < n; i += 256) q6_k_to_f32(p + i / 256 * 210, out + i);
        break;
    default: break;
    }
}

void KERNEL(dense_unpack)(const bnt_dense_unpack_args *a) {
    uint64_t cols = a->shape.cols, bytes = dense_row_bytes(&a->shape);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++)
        row_to_f32(a->shape.type, (const uint8_t *)a->w + r * bytes, 0, cols,
                   a->out + (r - a->row_lo) * cols);
}

/* One row times tokens [lo, hi), at most DENSE_TOKENS of them. */
static void dense_row(const bnt_dense_gemm_args *a, uint64_t r, uint64_t lo, uint64_t hi) {
    uint64_t cols = a->shape.cols;
    const uint8_t *row = (const uint8_t *)a->w + r * dense_row_bytes(&a->shape);
    float acc[DENSE_TOKENS][BNT_LANES] = {{0}}, w[DENSE_PIECE];
    for (uint64_t i = 0; i < cols; i += DENSE_PIECE) {
        uint64_t n = cols - i < DENSE_PIECE ? cols - i : DENSE_PIECE;
        row_to_f32(a->shape.type, row, i, n, w);
        for (uint64_t t = lo; t < hi; t++) dot16_add(acc[t - lo], w, a->x + t * a->ldx + i, n);
    }
    for (uint64_t t = lo; t < hi; t++) a->y[t * a->ldy + r] = fold16(acc[t - lo]);
}

void KERNEL(dense_gemm)(const bnt_dense_gemm_args *a) {
    for (uint64_t r = a->row_lo; r < a->row_hi; r++)
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t += DENSE_TOKENS)
            dense_row(a, r, t, a->tok_hi - t < DENSE_TOKENS ? a->tok_hi : t + DENSE_TOKENS);
}
