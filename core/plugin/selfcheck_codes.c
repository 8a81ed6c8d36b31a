/*
 * selfcheck_codes.c - rows of small codes times int8 vectors: exact sums, so one wrong bit is a
 * wrong kernel. Runs of rows and single ones are asked for, as the search of the head does.
 */
#include <string.h>

#include "plugin/selfcheck_parts.h"

struct shape {
    uint64_t rows, cols;
    uint32_t vectors;
    int extreme; /* the largest codes and x: the largest sums */
};

static const struct shape shapes[] = {
    {1, 1, 1, 0},    {17, 7, 2, 0},    {37, 128, 1, 0},
    {67, 515, 2, 0}, {19, 6912, 2, 1}, {40, 257, 5, 0},
};

static void fill(struct check *c, const struct shape *s, uint32_t bits, uint8_t *codes, int8_t *x) {
    for (uint64_t i = 0; i < s->rows * s->cols; i++) {
        uint8_t random = (uint8_t)(check_random(c) >> 40);
        codes[i] = (uint8_t)((s->extreme ? 0xff : random) & ((1u << bits) - 1));
    }
    for (uint64_t i = 0; i < s->vectors * s->cols; i++) {
        int random = (int)(check_random(c) >> 40) % 255 - 127;
        x[i] = (int8_t)(s->extreme ? (i / 1000 % 2 ? -127 : 127) : random);
    }
}

/* All of the middle, then single rows over it. */
static void multiply(const bnt_kernels *k, bnt_code_gemv_args a, uint64_t lo, uint64_t hi) {
    a.row_lo = lo;
    a.row_hi = hi;
    k->code_gemv(&a);
    for (uint64_t r = lo; r < hi; r += 3) {
        a.row_lo = r;
        a.row_hi = r + 1;
        k->code_gemv(&a);
    }
}

static int check_shape(struct check *c, const struct shape *s, uint32_t bits) {
    bnt_code_shape shape = {s->rows, s->cols, bits, 0};
    bnt_layout layout, judges;
    check_begin(c, "%llu x %llu, %u bits, %u vectors%s", (unsigned long long)s->rows,
                (unsigned long long)s->cols, bits, s->vectors, s->extreme ? ", extremes" : "");
    if (c->k->code_layout(&shape, &layout) != BNT_SUPPORTED)
        return check_fail(c, "code_layout", "does not support this shape");
    if (c->judge->code_layout(&shape, &judges) != BNT_SUPPORTED)
        return check_fail(c, "code_layout", "ref-scalar does not support this shape");
    int small = check_layout(c, "code_layout", &layout, s->rows * s->cols, bits * 1000, 0);
    if (small != BNT_OK) return small;
    uint64_t lo = s->rows / 3, hi = s->rows - (s->rows > 4), n = s->rows * s->cols;
    uint8_t *codes = check_take(c, n, 1, 0), *back = check_take(c, n, 1, 0);
    int8_t *x = check_take(c, s->vectors * s->cols, 1, 0);
    void *packed = check_take(c, layout.bytes, layout.align, 0);
    void *ref = check_take(c, judges.bytes, judges.align, 0);
    int32_t *got = check_take(c, s->vectors * s->rows * 4, 4, CHECK_FILL);
    int32_t *want = check_take(c, s->vectors * s->rows * 4, 4, CHECK_FILL);
    if (!codes || !back || !x || !packed || !ref || !got || !want)
        return c->err ? c->err->status : -1;
    fill(c, s, bits, codes, x);
    c->judge->code_pack(&(bnt_code_pack_args){shape, 0, s->rows, codes, ref});
    c->k->code_pack(&(bnt_code_pack_args){shape, lo, s->rows, codes + lo * s->cols, packed});
    c->k->code_pack(&(bnt_code_pack_args){shape, 0, lo, codes, packed});
    c->k->code_unpack(&(bnt_code_unpack_args){shape, 0, s->rows, packed, back});
    int status =
        check_i8(c, "code_unpack", (const int8_t *)back, (const int8_t *)codes, n, s->cols);
    bnt_code_gemv_args a = {shape, packed, x, s->cols, s->vectors, 0, 0, 0, got, s->rows};
    multiply(c->k, a, lo, hi);
    a.packed = ref;
    a.d = want;
    multiply(c->judge, a, lo, hi);
    if (status == BNT_OK)
        status = check_f32(c, "code_gemv", (const float *)(const void *)got,
                           (const float *)(const void *)want, s->vectors * s->rows, s->rows);
    return status == BNT_OK ? check_end(c, "code_gemv") : status;
}

int check_codes(struct check *c) {
    int status = BNT_OK;
    if (!c->k->code_gemv) return BNT_OK; /* the group is optional */
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (uint32_t bits = 2; bits <= 5 && status == BNT_OK; bits += 3)
            status = check_shape(c, &shapes[i], bits);
    return status;
}
