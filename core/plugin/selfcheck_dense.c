/*
 * selfcheck_dense.c - rows of ordinary weights: each type it supports, at an odd address as files
 * may have it, against the judge.
 */
#include <string.h>

#include "plugin/selfcheck_parts.h"

struct shape {
    uint32_t type;
    uint64_t rows, cols, tokens;
    enum check_values values;
};

static const struct shape shapes[] = {
    {BNT_TYPE_F32, 19, 100, 1, CHECK_RANDOM},    {BNT_TYPE_F32, 5, 1, 3, CHECK_RANDOM},
    {BNT_TYPE_F32, 9, 64, 7, CHECK_DENORMALS},   {BNT_TYPE_F16, 35, 516, 1, CHECK_RANDOM},
    {BNT_TYPE_F16, 19, 260, 7, CHECK_RANDOM},    {BNT_TYPE_F16, 19, 64, 1, CHECK_DENORMALS},
    {BNT_TYPE_F16, 3, 64, 7, CHECK_BIG},         {BNT_TYPE_BF16, 19, 260, 7, CHECK_RANDOM},
    {BNT_TYPE_BF16, 19, 64, 1, CHECK_ZEROS},     {BNT_TYPE_Q8_0, 19, 96, 7, CHECK_RANDOM},
    {BNT_TYPE_Q8_0, 35, 256, 1, CHECK_SPIKE},    {BNT_TYPE_Q6_K, 19, 512, 1, CHECK_RANDOM},
    {BNT_TYPE_Q6_K, 5, 256, 7, CHECK_RANDOM},    {BNT_TYPE_Q4_0, 19, 96, 7, CHECK_RANDOM},
    {BNT_TYPE_Q4_1, 19, 96, 7, CHECK_RANDOM},    {BNT_TYPE_Q5_0, 19, 96, 7, CHECK_RANDOM},
    {BNT_TYPE_Q5_1, 19, 96, 7, CHECK_RANDOM},    {BNT_TYPE_IQ4_NL, 19, 96, 7, CHECK_RANDOM},
    {BNT_TYPE_Q2_K, 19, 512, 3, CHECK_RANDOM},   {BNT_TYPE_Q3_K, 19, 512, 3, CHECK_RANDOM},
    {BNT_TYPE_Q4_K, 19, 512, 3, CHECK_RANDOM},   {BNT_TYPE_Q5_K, 19, 512, 3, CHECK_RANDOM},
    {BNT_TYPE_IQ4_XS, 19, 512, 3, CHECK_RANDOM},
};

/* Whether the rows above know the type: which bits of it are sane numbers. */
static bool is_known(uint32_t type) {
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shapes[i].type == type) return true;
    return false;
}

static void put_u16(unsigned char *p, uint16_t h) {
    memcpy(p, &h, sizeof h);
}

/* Finite weights: any bits, except that exponents stay small enough for sums of them. */
static void fill_weights(struct check *c, unsigned char *w, uint64_t bytes, uint32_t type) {
    for (uint64_t i = 0; i < bytes; i++) w[i] = (unsigned char)(check_random(c) >> 56);
    switch (type) {
    case BNT_TYPE_F32:
        for (uint64_t i = 0; i < bytes; i += 4) {
            float f;
            check_floats(c, &f, 1, i % 28 ? CHECK_RANDOM : CHECK_DENORMALS);
            memcpy(w + i, &f, sizeof f);
        }
        break;
    case BNT_TYPE_F16: /* infinities and NaNs lose an exponent bit; denormals and -0 stay */
        for (uint64_t i = 0; i < bytes; i += 2) {
            if ((w[i + 1] & 0x7cu) == 0x7cu) w[i + 1] &= 0xbfu;
            if (i % 26 == 0) w[i + 1] &= 0x83u;
        }
        break;
    case BNT_TYPE_BF16: /* exponent 64..127, or 0 */
        for (uint64_t i = 0; i < bytes; i += 2) {
            w[i + 1] = (unsigned char)((w[i + 1] & 0x9fu) | 0x20u);
            if (i % 26 == 0) put_u16(w + i, (uint16_t)(w[i] & 0x7fu));
        }
        break;
    default: { /* blocks: any codes, small factors, of which one in two is subnormal */
        uint64_t block = bnt_dense_bytes(type, bnt_dense_block(type));
        for (uint64_t i = 0; i < bytes; i += block) {
            int at = bnt_dense_factor(type, 0), at2 = bnt_dense_factor(type, 1);
            put_u16(w + i + at, i / block % 2 ? 0x2e66 : 0x8003);
            if (at2 >= 0) put_u16(w + i + at2, i / block % 4 < 2 ? 0x1c9a : 0xa8f1);
        }
        break;
    }
    }
}

static int unpack(struct check *c, const struct shape *s, const bnt_dense_shape *shape,
                  const void *const w[2]) {
    uint64_t cut = s->rows / 3, n = s->rows * s->cols;
    float *out[2] = {check_take(c, n * 4, 4, CHECK_FILL), check_take(c, n * 4, 4, CHECK_FILL)};
    if (!out[0] || !out[1]) return BNT_E_MISMATCH;
    for (int i = 0; i < 2; i++) {
        const bnt_kernels *k = i ? c->judge : c->k;
        k->dense_unpack(
            &(bnt_dense_unpack_args){*shape, cut, s->rows, w[i], out[i] + cut * s->cols});
        if (cut) k->dense_unpack(&(bnt_dense_unpack_args){*shape, 0, cut, w[i], out[i]});
    }
    return check_f32(c, "dense_unpack", out[0], out[1], n, s->cols);
}

static int multiply(struct check *c, const struct shape *s, const bnt_dense_shape *shape,
                    const void *const w[2]) {
    uint64_t ldx = s->cols + 1, ldy = s->rows + 3, size = s->tokens * ldy;
    uint64_t row_cut = s->rows * 2 / 3, tok_cut = s->tokens / 2;
    float *x = check_take(c, s->tokens * ldx * 4, 4, 0);
    float *y[2] = {check_take(c, size * 4, 4, CHECK_FILL), check_take(c, size * 4, 4, CHECK_FILL)};
    if (!x || !y[0] || !y[1]) return BNT_E_MISMATCH;
    for (uint64_t t = 0; t < s->tokens; t++) check_floats(c, x + t * ldx, s->cols, s->values);
    for (int quarter = 3; quarter >= 0; quarter--) {
        bnt_dense_gemm_args in = {.shape = *shape,
                                  .x = x,
                                  .ldx = ldx,
                                  .row_lo = quarter & 1 ? row_cut : 0,
                                  .row_hi = quarter & 1 ? s->rows : row_cut,
                                  .tok_lo = quarter & 2 ? tok_cut : 0,
                                  .tok_hi = quarter & 2 ? s->tokens : tok_cut,
                                  .ldy = ldy};
        if (in.row_lo == in.row_hi || in.tok_lo == in.tok_hi) continue;
        for (int i = 0; i < 2; i++) {
            in.w = w[i];
            in.y = y[i];
            (i ? c->judge : c->k)->dense_gemm(&in);
        }
        int status = check_f32(c, "dense_gemm", y[0], y[1], size, ldy);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

static int one_shape(struct check *c, const struct shape *s, unsigned *supported) {
    const bnt_dense_shape shape = {s->rows, s->cols, s->type, 0};
    uint64_t bytes = s->rows * bnt_dense_bytes(s->type, s->cols), cut = s->rows / 2;
    const void *w[2];
    check_begin(c, "type %u, %llu rows x %llu, %llu tokens, x %s", s->type,
                (unsigned long long)s->rows, (unsigned long long)s->cols,
                (unsigned long long)s->tokens, check_value_names[s->values]);
    unsigned char *src = check_take(c, bytes + 1, 1, 0);
    if (!src) return BNT_E_MISMATCH;
    src++;
    fill_weights(c, src, bytes, s->type);
    for (int i = 0; i < 2; i++) {
        const bnt_kernels *k = i ? c->judge : c->k;
        bnt_layout layout = {0};
        if (k->dense_layout(&shape, &layout) != BNT_SUPPORTED) return BNT_OK;
        w[i] = src;
        if (layout.bytes == 0) continue;
        void *packed = check_take(c, layout.bytes, layout.align, 0);
        if (!packed) return BNT_E_MISMATCH;
        k->dense_pack(&(bnt_dense_pack_args){shape, cut, s->rows, src, packed});
        if (cut) k->dense_pack(&(bnt_dense_pack_args){shape, 0, cut, src, packed});
        w[i] = packed;
    }
    ++*supported;
    int status = unpack(c, s, &shape, w);
    if (status == BNT_OK) status = multiply(c, s, &shape, w);
    if (status == BNT_OK) status = check_end(c, "dense_pack, dense_unpack or dense_gemm");
    return status;
}

int check_dense(struct check *c) {
    unsigned supported = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int status = one_shape(c, &shapes[i], &supported);
        if (status != BNT_OK) return status;
    }
    for (uint32_t i = 0; i < c->shapes->n_dense; i++) { /* the model's own, but few rows of them */
        const bnt_dense_shape *d = &c->shapes->dense[i];
        const struct shape real = {d->type, d->rows < 19 ? d->rows : 19, d->cols, 2, CHECK_RANDOM};
        if (!is_known(d->type) || d->cols > 1u << 14) continue;
        int status = one_shape(c, &real, &supported);
        if (status != BNT_OK) return status;
    }
    if (supported) return BNT_OK;
    return check_fail(c, "dense_layout", "it supports none of the types tried");
}
