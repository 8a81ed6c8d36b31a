/*
 * dense.c - rows of ordinary weights (NUMERICS 5), in place, as they lie in the file.
 *
 * Knows the block formats of GGUF, nothing of files. Dot16 is four q registers per row, which alone
 * would wait on each other; so one token takes four rows at once, several tokens two rows and two
 * tokens, and the rows that come next are prefetched. Sources may lie at any address: loads are of
 * bytes.
 */
#include "kernels.h"

enum { ROWS = 4, SHARED_ROWS = 2, SHARED_TOKENS = 2 };

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
    return vgetq_lane_f32(vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(d))), 0);
}

/* d * q for sixteen int8. */
INLINE lanes16 scaled_bytes(float d, int8x16_t q) {
    int16x8_t lo = vmovl_s8(vget_low_s8(q)), hi = vmovl_high_s8(q);
    return (lanes16){{vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo))), d),
                      vmulq_n_f32(vcvtq_f32_s32(vmovl_high_s16(lo)), d),
                      vmulq_n_f32(vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi))), d),
                      vmulq_n_f32(vcvtq_f32_s32(vmovl_high_s16(hi)), d)}};
}

/* Sixteen weights of a Q6_K block, n16 = 0 .. 15: (d * scale) * (q - 32). Each half of 128 weights
 * has ql[64], qh[32] and scales[8]; part p of it takes nibble p / 2 and bit pair p. */
INLINE lanes16 q6_k16(const uint8_t *block, unsigned n16) {
    unsigned half = n16 / 8, part = n16 / 2 % 4, side = n16 % 2;
    const uint8_t *ql = block + 64 * half + 32 * (part & 1) + 16 * side;
    const uint8_t *qh = block + 128 + 32 * half + 16 * side;
    int8x16_t down_low = vdupq_n_s8(part & 2 ? -4 : 0);
    int8x16_t down_high = vdupq_n_s8((int8_t) - (int)(2 * part));
    uint8x16_t low = vandq_u8(vshlq_u8(vld1q_u8(ql), down_low), vdupq_n_u8(15));
    uint8x16_t high = vandq_u8(vshlq_u8(vld1q_u8(qh), down_high), vdupq_n_u8(3));
    int8x16_t q = vreinterpretq_s8_u8(vorrq_u8(low, vshlq_n_u8(high, 4)));
    float ds = scale_f16(block + 208) * (float)(int8_t)block[192 + n16];
    return scaled_bytes(ds, vsubq_s8(q, vdupq_n_s8(32)));
}

INLINE lanes16 f32_to_lanes(const uint8_t *p) {
    return (lanes16){{vreinterpretq_f32_u8(vld1q_u8(p)), vreinterpretq_f32_u8(vld1q_u8(p + 16)),
                      vreinterpretq_f32_u8(vld1q_u8(p + 32)),
                      vreinterpretq_f32_u8(vld1q_u8(p + 48))}};
}

INLINE lanes16 bf16_to_lanes(const uint8_t *p) {
    uint16x8_t lo = vreinterpretq_u16_u8(vld1q_u8(p)), hi = vreinterpretq_u16_u8(vld1q_u8(p + 16));
    return (lanes16){{vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(lo), 16)),
                      vreinterpretq_f32_u32(vshll_high_n_u16(lo, 16)),
                      vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(hi), 16)),
                      vreinterpretq_f32_u32(vshll_high_n_u16(hi, 16))}};
}

/* Weights [i, i + 16) of a row, i a multiple of 16. */
INLINE lanes16 weights16(uint32_t type, const uint8_t *row, uint64_t i) {
    switch (type) {
    case BNT_TYPE_F32: return f32_to_lanes(row + i * 4);
    case BNT_TYPE_F16: return f16_to_lanes(row + i * 2);
    case BNT_TYPE_BF16: return bf16_to_lanes(row + i * 2);
    case BNT_TYPE_Q8_0: {
        const uint8_t *block = row + i / 32 * 34;
        return scaled_bytes(scale_f16(block), vreinterpretq_s8_u8(vld1q_u8(block + 2 + i % 32)));
    }
    default: return q6_k16(row + i / 256 * 210, i / 16 % 16);
    }
}

/* The last n < 16 weights of a row, zeros after them; only types without blocks have such rows. */
static __attribute__((noinline)) lanes16 weights_tail(uint32_t type, const uint8_t *row, uint64_t i,
                                                      uint64_t n) {
    uint8_t rest[LANES * 4] = {0};
    memcpy(rest, row + row_bytes(type, i), row_bytes(type, n));
    if (type == BNT_TYPE_F32) return f32_to_lanes(rest);
    return type == BNT_TYPE_F16 ? f16_to_lanes(rest) : bf16_to_lanes(rest);
}

void dense_unpack(const bnt_dense_unpack_args *a) {
    uint64_t cols = a->shape.cols, bytes = row_bytes(a->shape.type, cols);
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *row = (const uint8_t *)a->w + r * bytes;
        float *out = a->out + (r - a->row_lo) * cols;
        for (uint64_t i = 0; i < cols; i += LANES) {
            uint64_t n = cols - i < LANES ? cols - i : LANES;
            lanes16 w = n < LANES ? weights_tail(a->shape.type, row, i, n)
                                  : weights16(a->shape.type, row, i);
            memcpy(out + i, &w, n * sizeof *out);
        }
    }
}

/* The last n < 16 products of a row; the other lanes stay, since adding zeros could turn -0 into
 * +0. */
static __attribute__((noinline)) lanes16 add_tail(lanes16 acc, lanes16 w, const float *x,
                                                  uint64_t n) {
    float sum[LANES], weight[LANES];
    memcpy(sum, &acc, sizeof sum);
    memcpy(weight, &w, sizeof weight);
    for (uint64_t l = 0; l < n; l++) sum[l] = bnt_fma(weight[l], x[l], sum[l]);
    memcpy(&acc, sum, sizeof sum);
    return acc;
}

/* nr rows from r x nt tokens from t. */
INLINE void dense_tile(const bnt_dense_gemm_args *a, const uint32_t type, uint64_t r,
                       const unsigned nr, uint64_t t, const unsigned nt) {
    uint64_t cols = a->shape.cols, bytes = row_bytes(type, cols), i = 0;
    const uint8_t *row = (const uint8_t *)a->w + r * bytes;
    const float *x = a->x + t * a->ldx;
    lanes16 acc[ROWS][SHARED_TOKENS];
#pragma GCC unroll 4
    for (unsigned k = 0; k < nr; k++)
#pragma GCC unroll 2
        for (unsigned j = 0; j < nt; j++)
#pragma GCC unroll 4
            for (unsigned l = 0; l < QUADS; l++) acc[k][j].v[l] = vdupq_n_f32(0.0f);
    for (; i + LANES <= cols; i += LANES) {
#pragma GCC unroll 4
        for (unsigned k = 0; k < nr; k++) {
            const uint8_t *p = row + k * bytes;
            lanes16 w = weights16(type, p, i);
            __builtin_prefetch(p + nr * bytes + row_bytes(type, i));
#pragma GCC unroll 2
            for (unsigned j = 0; j < nt; j++)
#pragma GCC unroll 4
                for (unsigned l = 0; l < QUADS; l++)
                    acc[k][j].v[l] =
                        vfmaq_f32(acc[k][j].v[l], w.v[l], vld1q_f32(x + j * a->ldx + i + 4 * l));
        }
    }
    if (i < cols && type != BNT_TYPE_Q8_0 && type != BNT_TYPE_Q6_K) {
#pragma GCC unroll 4
        for (unsigned k = 0; k < nr; k++) {
            lanes16 w = weights_tail(type, row + k * bytes, i, cols - i);
#pragma GCC unroll 2
            for (unsigned j = 0; j < nt; j++)
                acc[k][j] = add_tail(acc[k][j], w, x + j * a->ldx + i, cols - i);
        }
    }
#pragma GCC unroll 4
    for (unsigned k = 0; k < nr; k++)
#pragma GCC unroll 2
        for (unsigned j = 0; j < nt; j++) a->y[(t + j) * a->ldy + r + k] = fold16(&acc[k][j]);
}

INLINE void dense_rows(const bnt_dense_gemm_args *a, const uint32_t type) {
    uint64_t t = a->tok_lo;
    for (; a->tok_hi - t >= SHARED_TOKENS; t += SHARED_TOKENS) {
        uint64_t r = a->row_lo;
        for (; r + SHARED_ROWS <= a->row_hi; r += SHARED_ROWS)
            dense_tile(a, type, r, SHARED_ROWS, t, SHARED_TOKENS);
        for (; r < a->row_hi; r++) dense_tile(a, type, r, 1, t, SHARED_TOKENS);
    }
    for (; t < a->tok_hi; t++) {
        uint64_t r = a->row_lo;
        for (; r + ROWS <= a->row_hi; r += ROWS) dense_tile(a, type, r, ROWS, t, 1);
        for (; r < a->row_hi; r++) dense_tile(a, type, r, 1, t, 1);
    }
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
