/*
 * codes.c - faults in the matrices of small codes; see mutant.h. The object is a byte a code.
 */
#include "mutant.h"

static int32_t layout(const bnt_code_shape *shape, bnt_layout *out) {
    if ((shape->bits != 2 && shape->bits != 5) || !shape->rows || !shape->cols ||
        shape->cols > 132104 || shape->rows > 1u << 30)
        return BNT_NOT_SUPPORTED;
    *out = (bnt_layout){shape->rows * shape->cols, 64, 1};
    return BNT_SUPPORTED;
}

static void pack(const bnt_code_pack_args *a) {
    uint64_t cols = a->shape.cols, n = (a->row_hi - a->row_lo) * cols;
    uint8_t *to = (uint8_t *)a->packed + a->row_lo * cols;
    for (uint64_t i = 0; i < n; i++) to[i] = a->codes[i];
#if defined(MUTANT_code_most)
    for (uint64_t i = 0; i < n; i++)
        if (to[i] == 31) to[i] = 30;
#endif
}

static void unpack(const bnt_code_unpack_args *a) {
    uint64_t cols = a->shape.cols;
    if (a->row_hi > a->row_lo)
        memcpy(a->codes, (const uint8_t *)a->packed + a->row_lo * cols,
               (a->row_hi - a->row_lo) * cols);
#if defined(MUTANT_code_signed)
    for (uint64_t i = 0; i < (a->row_hi - a->row_lo) * cols; i++)
        if (a->shape.bits == 2 && a->codes[i] == 3) a->codes[i] = 0xff;
#endif
}

static void gemv(const bnt_code_gemv_args *a) {
    uint64_t cols = a->shape.cols;
    for (uint64_t r = a->row_lo; r < a->row_hi; r++) {
        const uint8_t *w = (const uint8_t *)a->packed + r * cols;
        for (uint32_t v = 0; v < a->vectors; v++) {
            const int8_t *x = a->x + v * a->ldx;
            int32_t d = 0;
#if defined(MUTANT_code_int16)
            for (uint64_t from = 0; from < cols; from += 32) {
                int32_t sum = 0; /* of 32 products, where 8 fit */
                for (uint64_t i = from; i < cols && i < from + 32; i++) sum += w[i] * x[i];
                d += (int16_t)sum;
            }
#else
            for (uint64_t i = 0; i < cols; i++) d += w[i] * x[i];
#endif
#if defined(MUTANT_code_alone)
            if (a->row_hi == a->row_lo + 1 && cols % 64) d -= w[cols - 1] * x[cols - 1];
#endif
            a->d[v * a->ldd + r] = d;
        }
    }
}

PLUGIN(own.code_layout = layout; own.code_pack = pack; own.code_unpack = unpack;
       own.code_gemv = gemv)
