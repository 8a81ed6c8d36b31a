/*
 * dense.c - faults in dense rows; see mutant.h. Rows become binary32 through ref-scalar.
 */
#include "mutant.h"

static uint64_t row_bytes(const bnt_dense_shape *s) {
    return bnt_dense_bytes(s->type, s->cols);
}

#if defined(MUTANT_dense_daz)
static float flush(float x) {
    return (bnt_f32_bits(x) & 0x7f800000u) == 0 ? 0.0f : x;
}
#define IN(x) flush(x)
#else
#define IN(x) (x)
#endif

#if defined(MUTANT_dot_no_fma)
#define STEP(a, b, c) ((c) + (a) * (b))
#else
#define STEP(a, b, c) bnt_fma(IN(a), IN(b), c)
#endif

static float dot(const float *w, const float *x, uint64_t n) {
    float acc[BNT_LANES] = {0};
#if defined(MUTANT_eight_lanes)
    const uint64_t lanes = 8;
#else
    const uint64_t lanes = 16;
#endif
    for (uint64_t i = 0; i < n; i++) {
        uint64_t l = i % lanes;
#if defined(MUTANT_swapped_lanes)
        if (i >= n / 16 * 16 && (l == 3 || l == 4)) l = 7 - l;
#endif
        acc[l] = STEP(w[i], x[i], acc[l]);
    }
#if defined(MUTANT_tail_zeros)
    for (uint64_t l = n % 16; n % 16 && l < 16; l++) acc[l] = bnt_fma(0.0f, 0.0f, acc[l]);
#endif
#if defined(MUTANT_tree_order)
    for (int step = 1; step < 16; step *= 2)
        for (int l = 0; l < 16; l += 2 * step) acc[l] += acc[l + step];
    return acc[0];
#elif defined(MUTANT_dense_ftz)
    float y = tree16(acc);
    return (bnt_f32_bits(y) & 0x7f800000u) == 0 ? 0.0f : y;
#else
    return tree16(acc);
#endif
}

static void unpack(const bnt_dense_unpack_args *args) {
    bnt_dense_unpack_args a = *args;
#if defined(MUTANT_aligned)
    if ((uintptr_t)a.w % 2) __builtin_trap();
#elif defined(MUTANT_dense_far)
    a.w = (const char *)a.w + (uint32_t)(a.row_lo * row_bytes(&a.shape)) -
          a.row_lo * row_bytes(&a.shape);
#endif
    BASE->dense_unpack(&a);
    uint64_t n = (a.row_hi - a.row_lo) * a.shape.cols;
    (void)n;
#if defined(MUTANT_f16_subnormal)
    for (uint64_t i = 0; i < n && a.shape.type == BNT_TYPE_F16; i++)
        if (a.out[i] < 0x1p-14f && a.out[i] > -0x1p-14f) a.out[i] = 0.0f;
#elif defined(MUTANT_q4_k_minimum) /* added where it is subtracted */
    for (uint64_t r = a.row_lo; r < a.row_hi && a.shape.type == BNT_TYPE_Q4_K; r++) {
        for (uint64_t i = 0; i < a.shape.cols; i += 256) {
            uint8_t b[144];
            memcpy(b, (const uint8_t *)a.w + r * row_bytes(&a.shape) + i / 256 * 144, sizeof b);
            b[3] ^= 0x80;
            bnt_dense_read(BNT_TYPE_Q4_K, b, 256, a.out + (r - a.row_lo) * a.shape.cols + i);
        }
    }
#elif defined(MUTANT_iq4_level)    /* one level of sixteen */
    for (uint64_t r = a.row_lo; r < a.row_hi && a.shape.type == BNT_TYPE_IQ4_NL; r++) {
        for (uint64_t i = 0; i < a.shape.cols; i++) {
            const uint8_t *b = (const uint8_t *)a.w + r * row_bytes(&a.shape) + i / 32 * 18;
            float *w = a.out + (r - a.row_lo) * a.shape.cols + i;
            if ((b[2 + i % 16] >> (i % 32 / 16 * 4) & 15) == 7) *w = *w / -10.0f * -11.0f;
        }
    }
#elif defined(MUTANT_q6_order)
    const uint8_t *p = (const uint8_t *)a.w + a.row_lo * row_bytes(&a.shape);
    for (uint64_t i = 0; i < n && a.shape.type == BNT_TYPE_Q6_K; i++) {
        const uint8_t *b = p + i / 256 * 210;
        uint16_t h;
        memcpy(&h, b + 208, sizeof h);
        float ds = bnt_f16_to_f32(h) * (float)(int8_t)b[192 + i % 256 / 16];
        if (ds == 0.0f) continue;
        float q = bnt_rint(a.out[i] / ds);
        a.out[i] = bnt_f16_to_f32(h) * ((float)(int8_t)b[192 + i % 256 / 16] * q);
        a.out[i] += a.out[i] * 0x1p-24f; /* the product above is exact more often than not */
    }
#endif
}

static void gemm(const bnt_dense_gemm_args *a) {
    float *w = malloc(a->shape.cols * 4);
    uint64_t ldx = a->ldx;
    if (!w) abort();
#if defined(MUTANT_dense_stride)
    ldx = a->shape.cols;
#endif
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        BASE->dense_unpack(&(bnt_dense_unpack_args){a->shape, r, r + 1, a->w, w});
        for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
            a->y[t * a->ldy + r] = dot(w, a->x + t * ldx, a->shape.cols);
    }
#if defined(MUTANT_reads_past)
    (void)((const volatile char *)a->w)[a->shape.rows * row_bytes(&a->shape)];
#elif defined(MUTANT_reads_before)
    (void)((const volatile char *)a->w)[-2];
#endif
    (void)row_bytes;
    free(w);
}

PLUGIN(own.dense_unpack = unpack; own.dense_gemm = gemm)
