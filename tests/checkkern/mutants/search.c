/*
 * search.c - faults in the int8 matrix; see mutant.h. The object is the rows as they are.
 */
#include "mutant.h"

static int32_t layout(const bnt_i8_shape *shape, bnt_layout *out) {
    if (!shape->rows || !shape->cols || shape->cols > 132104 || shape->rows > 1u << 30)
        return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){shape->rows * shape->cols, 64, 1};
    return BNT_SUPPORTED;
}

static void pack(const bnt_i8_pack_args *a) {
    uint64_t cols = a->shape.cols, n = (a->row_hi - a->row_lo) * cols;
    int8_t *to = (int8_t *)a->packed + a->row_lo * cols;
    for (uint64_t i = 0; i < n; i++) to[i] = a->w[i];
#if defined(MUTANT_i8_least)
    for (uint64_t i = 0; i < n; i++)
        if (to[i] == -127) to[i] = -126;
#endif
}

static void unpack(const bnt_i8_unpack_args *a) {
    uint64_t cols = a->shape.cols;
    if (a->row_hi > a->row_lo)
        memcpy(a->w, (const int8_t *)a->packed + a->row_lo * cols, (a->row_hi - a->row_lo) * cols);
#if defined(MUTANT_i8_first)
    if (a->row_lo > 0 && a->row_hi > a->row_lo) a->w[-1] = 0;
#endif
}

static void gemv(const bnt_i8_gemv_args *a) {
    uint64_t cols = a->shape.cols;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const int8_t *w = (const int8_t *)a->packed + r * cols;
        for (uint32_t v = 0; v < a->vectors; v++) {
            int32_t d = 0;
            for (uint64_t i = 0; i < cols; i += 2) {
                int32_t pair = w[i] * a->x[v * a->ldx + i];
                if (i + 1 < cols) pair += w[i + 1] * a->x[v * a->ldx + i + 1];
#if defined(MUTANT_i8_pairs)
                int32_t offset = 0; /* w + 128 as the unsigned operand of a saturating sum */
                for (uint64_t j = i; j < i + 2 && j < cols; j++)
                    offset += 128 * a->x[v * a->ldx + j];
                pair += offset;
                pair = pair > INT16_MAX ? INT16_MAX : pair < INT16_MIN ? INT16_MIN : pair;
                pair -= offset;
#endif
                d += pair;
            }
            a->d[v * a->ldd + r] = d;
        }
    }
}

PLUGIN(own.i8_layout = layout; own.i8_pack = pack; own.i8_unpack = unpack; own.i8_gemv = gemv)
