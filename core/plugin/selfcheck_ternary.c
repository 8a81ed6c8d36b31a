/*
 * selfcheck_ternary.c - the group that must never be wrong: packing, quantizing, the product.
 *
 * Edge vectors first: all +1 times all +127 over a long row overflows every accumulator that is too
 * narrow, which thousands of random vectors do not. Each slot is called on uneven parts of its
 * range, in falling order.
 */
#include <string.h>

#include "plugin/selfcheck_parts.h"

struct shape {
    uint64_t rows, cols, tokens;
    uint32_t block, scale_type;
    enum check_values weights, values; /* weights: ONES, MINUS, ZEROS, SPIKE or RANDOM */
};

#define F32 BNT_TYPE_F32
#define F16 BNT_TYPE_F16

static const struct shape shapes[] = {
    {17, 6912, 1, 0, F32, CHECK_ONES, CHECK_ONES},
    {3, 6912, 7, 0, F32, CHECK_ONES, CHECK_ONES},
    {17, 6912, 1, 0, F32, CHECK_MINUS, CHECK_ONES},
    {17, 2560, 1, 0, F32, CHECK_MINUS, CHECK_MINUS},
    {17, 256, 7, 0, F32, CHECK_ZEROS, CHECK_ONES},
    {17, 256, 7, 0, F32, CHECK_SPIKE, CHECK_RANDOM},
    {16, 256, 1, 0, F32, CHECK_RANDOM, CHECK_SPIKE},
    {67, 256, 7, 0, F32, CHECK_RANDOM, CHECK_TIES},
    {67, 256, 7, 0, F32, CHECK_RANDOM, CHECK_DENORMALS},
    {1, 256, 7, 0, F32, CHECK_RANDOM, CHECK_ZEROS},
    {17, 256, 7, 0, F32, CHECK_RANDOM, CHECK_BIG},
    {1, 64, 1, 0, F32, CHECK_RANDOM, CHECK_RANDOM},
    {67, 1284, 7, 0, F32, CHECK_RANDOM, CHECK_RANDOM},
    {67, 640, 1, 0, F32, CHECK_RANDOM, CHECK_RANDOM},
    {130, 128, 17, 0, F32, CHECK_RANDOM, CHECK_RANDOM},
    {17, 1024, 7, 256, F32, CHECK_ONES, CHECK_ONES},
    {35, 512, 7, 64, F16, CHECK_RANDOM, CHECK_TIES},
    {19, 384, 1, 128, F16, CHECK_RANDOM, CHECK_RANDOM},
    {19, 512, 7, 256, F32, CHECK_RANDOM, CHECK_DENORMALS},
};

struct buffers {
    bnt_ternary_shape ws;
    bnt_act_shape as;
    int8_t *trits;
    float *scales, *x;
    void *packed[2], *acts[2]; /* the plugin's, the judge's */
    uint64_t ldx;
};

static void fill_trits(struct check *c, int8_t *w, size_t n, enum check_values kind) {
    for (size_t i = 0; i < n; i++) {
        switch (kind) {
        case CHECK_ONES: w[i] = 1; break;
        case CHECK_MINUS: w[i] = -1; break;
        case CHECK_ZEROS: w[i] = 0; break;
        case CHECK_SPIKE: w[i] = i + 1 == n; break;
        default: w[i] = (int8_t)((int)(check_random(c) >> 33) % 3 - 1); break;
        }
    }
}

/* Binary16 values where scale_type F16 promises it, small and large ones among them. */
static void fill_scales(struct check *c, float *s, size_t n, uint32_t scale_type) {
    for (size_t i = 0; i < n; i++) {
        uint16_t h = (uint16_t)(check_random(c) >> 48);
        if ((h & 0x7c00u) == 0x7c00u) h &= 0x3fffu; /* finite */
        s[i] = bnt_f16_to_f32(h) * (scale_type == BNT_TYPE_F16 ? 1.0f : 0.7317f);
    }
}

static int pack_and_unpack(struct check *c, const struct shape *s, struct buffers *b) {
    uint64_t rows = s->rows, cols = s->cols, cut = rows / 3,
             blocks = s->block ? cols / s->block : 0;
    int8_t *back = check_take(c, rows * cols, 1, 0x7f);
    float *scales_back = blocks ? check_take(c, rows * blocks * 4, 4, CHECK_FILL) : NULL;
    if (!back || (blocks && !scales_back)) return BNT_E_MISMATCH;
    const uint64_t edges[] = {cut, rows, 0, cut};
    for (int part = 0; part < 4; part += 2) {
        uint64_t lo = edges[part], hi = edges[part + 1];
        const float *scales = blocks ? b->scales + lo * blocks : NULL;
        c->k->ternary_pack(
            &(bnt_ternary_pack_args){b->ws, lo, hi, b->trits + lo * cols, scales, b->packed[0]});
    }
    c->judge->ternary_pack(
        &(bnt_ternary_pack_args){b->ws, 0, rows, b->trits, b->scales, b->packed[1]});
    for (int part = 0; part < 4; part += 2) {
        uint64_t lo = edges[part], hi = edges[part + 1];
        float *scales = blocks ? scales_back + lo * blocks : NULL;
        c->k->ternary_unpack(
            &(bnt_ternary_unpack_args){b->ws, lo, hi, b->packed[0], back + lo * cols, scales});
    }
    int status = check_i8(c, "ternary_unpack of ternary_pack", back, b->trits, rows * cols, cols);
    if (status == BNT_OK && blocks) {
        status = check_f32(c, "ternary_unpack of ternary_pack, scales", scales_back, b->scales,
                           rows * blocks, blocks);
    }
    return status;
}

static int quantize(struct check *c, const struct shape *s, struct buffers *b) {
    uint64_t cut = s->tokens / 2, blocks = s->block ? s->cols / s->block : 1;
    int8_t *q[2];
    float *a[2];
    const bnt_kernels *k[2] = {c->k, c->judge};
    for (int i = 0; i < 2; i++) {
        q[i] = check_take(c, s->tokens * s->cols, 1, 0x7f);
        a[i] = check_take(c, s->tokens * blocks * 4, 4, CHECK_FILL);
        if (!q[i] || !a[i]) return BNT_E_MISMATCH;
        bnt_act_quantize_args in = {b->as, cut, s->tokens, b->x, b->ldx, b->acts[i]};
        k[i]->act_quantize(&in);
        in.tok_lo = 0;
        in.tok_hi = cut;
        if (cut) k[i]->act_quantize(&in);
        k[i]->act_unpack(&(bnt_act_unpack_args){b->as, cut, s->tokens, b->acts[i],
                                                q[i] + cut * s->cols, a[i] + cut * blocks});
        if (cut) k[i]->act_unpack(&(bnt_act_unpack_args){b->as, 0, cut, b->acts[i], q[i], a[i]});
    }
    int status = check_i8(c, "act_quantize", q[0], q[1], s->tokens * s->cols, s->cols);
    if (status != BNT_OK) return status;
    return check_f32(c, "act_quantize, scales", a[0], a[1], s->tokens * blocks, blocks);
}

/* Four quarters, the last first; after each the whole output is compared. */
static int multiply(struct check *c, const struct shape *s, struct buffers *b) {
    uint64_t ldy = s->rows + 3, size = s->tokens * ldy;
    uint64_t row_cut = s->rows * 2 / 3, tok_cut = s->tokens * 6 / 7;
    float *y[2] = {check_take(c, size * 4, 4, CHECK_FILL), check_take(c, size * 4, 4, CHECK_FILL)};
    if (!y[0] || !y[1]) return BNT_E_MISMATCH;
    for (int quarter = 3; quarter >= 0; quarter--) {
        bnt_ternary_gemm_args in = {.shape = b->ws,
                                    .scale = 0.0173f,
                                    .act_shape = b->as,
                                    .row_lo = quarter & 1 ? row_cut : 0,
                                    .row_hi = quarter & 1 ? s->rows : row_cut,
                                    .tok_lo = quarter & 2 ? tok_cut : 0,
                                    .tok_hi = quarter & 2 ? s->tokens : tok_cut,
                                    .ldy = ldy};
        if (in.row_lo == in.row_hi || in.tok_lo == in.tok_hi) continue;
        for (int i = 0; i < 2; i++) {
            in.packed = b->packed[i];
            in.acts = b->acts[i];
            in.y = y[i];
            (i ? c->judge : c->k)->ternary_gemm(&in);
        }
        int status = check_f32(c, "ternary_gemm", y[0], y[1], size, ldy);
        if (status != BNT_OK) return status;
    }
    return BNT_OK;
}

static int one_shape(struct check *c, const struct shape *s, unsigned *supported) {
    struct buffers b = {.ws = {s->rows, s->cols, s->block, s->scale_type},
                        .as = {s->tokens, s->cols, s->block, 0},
                        .ldx = s->cols + 4};
    uint64_t scales = s->block ? s->rows * (s->cols / s->block) : 0;
    check_begin(c, "%llu rows x %llu, block %u, %llu tokens, weights %s, x %s",
                (unsigned long long)s->rows, (unsigned long long)s->cols, s->block,
                (unsigned long long)s->tokens, check_value_names[s->weights],
                check_value_names[s->values]);
    for (int i = 0; i < 2; i++) {
        const bnt_kernels *k = i ? c->judge : c->k;
        bnt_layout w = {0}, a = {0};
        if (k->ternary_layout(&b.ws, &w) != BNT_SUPPORTED) return BNT_OK;
        if (k->act_layout(&b.as, &a) != BNT_SUPPORTED) {
            return check_fail(c, "act_layout", "it refuses what ternary_layout accepts");
        }
        int status = check_layout(c, "ternary_layout", &w, s->rows * s->cols, BNT_TRIT_BITS,
                                  s->block ? s->rows * (s->cols / s->block) * 2 : 0);
        if (status == BNT_OK)
            status = check_layout(c, "act_layout", &a, s->tokens * s->cols, BNT_INT8_BITS,
                                  s->tokens * (s->block ? s->cols / s->block : 1) * 4);
        if (status != BNT_OK) return status;
        b.packed[i] = check_take(c, w.bytes, w.align, 0);
        b.acts[i] = check_take(c, a.bytes, a.align, 0x5a); /* what others left there */
        if (!b.packed[i] || !b.acts[i]) return BNT_E_MISMATCH;
    }
    ++*supported;
    b.trits = check_take(c, s->rows * s->cols, 1, 0);
    b.x = check_take(c, s->tokens * b.ldx * 4, 4, 0);
    b.scales = scales ? check_take(c, scales * 4, 4, 0) : NULL;
    if (!b.trits || !b.x || (scales && !b.scales)) return BNT_E_MISMATCH;
    fill_trits(c, b.trits, s->rows * s->cols, s->weights);
    for (uint64_t t = 0; t < s->tokens; t++) {
        check_floats(c, b.x + t * b.ldx, s->cols, s->values);
    }
    if (scales) fill_scales(c, b.scales, scales, s->scale_type);

    int status = pack_and_unpack(c, s, &b);
    if (status == BNT_OK) status = check_end(c, "ternary_pack or ternary_unpack");
    if (status == BNT_OK) status = quantize(c, s, &b);
    if (status == BNT_OK) status = check_end(c, "act_quantize or act_unpack");
    if (status == BNT_OK) status = multiply(c, s, &b);
    if (status == BNT_OK) status = check_end(c, "ternary_gemm");
    return status;
}

int check_ternary(struct check *c) {
    unsigned supported = 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int status = one_shape(c, &shapes[i], &supported);
        if (status != BNT_OK) return status;
    }
    if (supported) return check_real(c);
    return check_fail(c, "ternary_layout", "it supports none of the shapes tried");
}
