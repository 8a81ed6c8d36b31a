/*
 * selfcheck_search.c - int8 rows times int8 vectors: exact sums, so one wrong bit is a wrong
 * kernel.
 */
#include <string.h>

#include "plugin/selfcheck_parts.h"

struct shape {
    uint64_t rows, cols;
    uint32_t vectors;
    int extreme; /* all +-127: the largest sums */
};

static const struct shape shapes[] = {
    {1, 1, 1, 0}, {17, 7, 2, 0}, {35, 100, 1, 0}, {67, 260, 2, 0}, {19, 6912, 2, 1}, {5, 64, 3, 0},
};

static void fill(struct check *c, int8_t *v, uint64_t n, int extreme) {
    for (uint64_t i = 0; i < n; i++) {
        int random = (int)(check_random(c) >> 40) % 255 - 127;
        v[i] = (int8_t)(extreme ? (i / 1000 % 2 ? -127 : 127) : random);
    }
}

static int check_shape(struct check *c, const struct shape *s) {
    bnt_i8_shape shape = {s->rows, s->cols};
    bnt_layout layout, judges;
    check_begin(c, "%llu x %llu, %u vectors%s", (unsigned long long)s->rows,
                (unsigned long long)s->cols, s->vectors, s->extreme ? ", extremes" : "");
    if (c->k->i8_layout(&shape, &layout) != BNT_SUPPORTED)
        return check_fail(c, "i8_layout", "does not support this shape");
    if (c->judge->i8_layout(&shape, &judges) != BNT_SUPPORTED)
        return check_fail(c, "i8_layout", "ref-scalar does not support this shape");
    int small = check_layout(c, "i8_layout", &layout, s->rows * s->cols, BNT_INT8_BITS, 0);
    if (small != BNT_OK) return small;
    uint64_t lo = s->rows / 3, hi = s->rows - (s->rows > 4), n = s->rows * s->cols;
    int8_t *w = check_take(c, n, 1, 0), *back = check_take(c, n, 1, 0);
    int8_t *x = check_take(c, s->vectors * s->cols, 1, 0);
    void *packed = check_take(c, layout.bytes, layout.align, 0);
    void *ref = check_take(c, judges.bytes, judges.align, 0);
    int32_t *got = check_take(c, s->vectors * s->rows * 4, 4, CHECK_FILL);
    int32_t *want = check_take(c, s->vectors * s->rows * 4, 4, CHECK_FILL);
    if (!w || !back || !x || !packed || !ref || !got || !want) return c->err ? c->err->status : -1;
    fill(c, w, n, s->extreme);
    fill(c, x, s->vectors * s->cols, s->extreme);
    c->judge->i8_pack(&(bnt_i8_pack_args){shape, 0, s->rows, w, ref});
    c->k->i8_pack(&(bnt_i8_pack_args){shape, lo, s->rows, w + lo * s->cols, packed});
    c->k->i8_pack(&(bnt_i8_pack_args){shape, 0, lo, w, packed});
    c->k->i8_unpack(&(bnt_i8_unpack_args){shape, 0, s->rows, packed, back});
    int status = check_i8(c, "i8_unpack", back, w, n, s->cols);
    bnt_i8_gemv_args a = {shape, packed, x, s->cols, s->vectors, 0, lo, hi, got, s->rows};
    c->k->i8_gemv(&a);
    a.packed = ref;
    a.d = want;
    c->judge->i8_gemv(&a);
    if (status == BNT_OK)
        status = check_f32(c, "i8_gemv", (const float *)(const void *)got,
                           (const float *)(const void *)want, s->vectors * s->rows, s->rows);
    return status == BNT_OK ? check_end(c, "i8_gemv") : status;
}

int check_search(struct check *c) {
    int status = BNT_OK;
    if (!c->k->i8_gemv) return BNT_OK; /* the group is optional */
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0] && status == BNT_OK; i++)
        status = check_shape(c, &shapes[i]);
    return status;
}
