/*
 * ternary.c - see ternary.h.
 *
 * The one idea: a scale serves a run of weights, a block or a row; zeros have no scale and what has
 * no scale is zeros. I2_S alone has one scale for all (i2s.h).
 */
#include "file/ternary.h"

#include <string.h>

#include "bitnet/numerics.h"
#include "file/i2s.h"
#include "file/types.h"

enum { PIECE = 1024, LEAST_BLOCK = 64 }; /* weights; a piece is a multiple of every block */

/* ---- types with a scale a row --------------------------------------------------------------- */

static float row_scale(const struct bnt_type_info *type, const uint8_t *row) {
    uint16_t h;
    float f;
    memcpy(&h, row, sizeof h);
    if (type->row_bytes == sizeof h) return bnt_f16_to_f32(h);
    memcpy(&f, row, sizeof f);
    return f;
}

static bool any_weight(const int8_t *trits, uint64_t n) {
    uint8_t any = 0;
    for (uint64_t i = 0; i < n; i++) any |= (uint8_t)trits[i];
    return any != 0;
}

/* ---- scanning ------------------------------------------------------------------------------- */

static void scan_scale(struct bnt_ternary_scan *s, float scale, uint64_t row) {
    if (!(scale - scale == 0.0f)) {
        if (!s->bad_scale) s->bad_row = row;
        s->bad_scale = true;
        return;
    }
    if (scale == 0.0f) return;
    s->differ |= s->any && s->scale != scale;
    if (!s->any) s->scale = scale;
    s->any = true;
}

static void scan_i2s(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi,
                     struct bnt_ternary_scan *scan) {
    float scale;
    uint64_t first = lo * src->cols / 4, last = hi * src->cols / 4; /* whole bytes inside */
    memcpy(&scale, src->data + src->rows * src->cols / 4, sizeof scale);
    scan_scale(scan, scale, 0);
    if (!scan->bad_code && bnt_i2s_has_bad_code(src->data + first, last - first)) {
        scan->bad_code = true;
        scan->bad_row = lo;
    }
}

static void scan_row(const struct bnt_type_info *type, const uint8_t *row, uint64_t blocks,
                     uint64_t r, struct bnt_ternary_scan *scan) {
    int8_t trits[PIECE];
    float scales[PIECE / LEAST_BLOCK];
    const uint8_t *b = row + type->row_bytes;
    bool any = false;
    for (uint64_t k = 0, n; k < blocks; k += n, b += n * type->block_bytes) {
        n = blocks - k < PIECE / type->block ? blocks - k : PIECE / type->block;
        if (!type->trits(b, n, trits, scales)) {
            if (!scan->bad_code) scan->bad_row = r;
            scan->bad_code = true;
        }
        if (type->row_bytes)
            any = any || any_weight(trits, n * type->block);
        else
            for (uint64_t j = 0; j < n; j++) scan_scale(scan, scales[j], r);
    }
    if (any) scan_scale(scan, row_scale(type, row), r);
}

static uint64_t row_size(const struct bnt_type_info *type, uint64_t cols) {
    return type->row_bytes + cols / type->block * type->block_bytes;
}

void bnt_ternary_scan_rows(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi,
                           struct bnt_ternary_scan *scan) {
    if (lo >= hi) return;
    if (src->type == BNT_I2_S) {
        scan_i2s(src, lo, hi, scan);
        return;
    }
    const struct bnt_type_info *type = bnt_type(src->type);
    uint64_t bytes = row_size(type, src->cols);
    for (uint64_t r = lo; r < hi; r++)
        scan_row(type, src->data + r * bytes, src->cols / type->block, r, scan);
}

void bnt_ternary_scan_join(struct bnt_ternary_scan *into, const struct bnt_ternary_scan *from) {
    if ((from->bad_code && !into->bad_code) || (from->bad_scale && !into->bad_scale))
        into->bad_row = from->bad_row;
    into->bad_code |= from->bad_code;
    into->bad_scale |= from->bad_scale;
    into->differ |= from->differ;
    if (from->any) {
        into->differ |= into->any && into->scale != from->scale;
        into->scale = from->scale;
        into->any = true;
    }
}

int bnt_ternary_scan_finish(struct bnt_ternary_src *src, const struct bnt_ternary_scan *scan,
                            const char *name, struct bnt_err *err) {
    const struct bnt_type_info *type = bnt_type(src->type);
    if (scan->bad_code && src->type == BNT_I2_S)
        return bnt_fail(
            err, BNT_E_FORMAT,
            "tensor '%s': code 3 near row %llu, which no layout of I2_S has: the file is "
            "damaged, or the tensor is of another type under the same id",
            name, (unsigned long long)scan->bad_row);
    if (scan->bad_code)
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': row %llu has a code 3, which %s never has",
                        name, (unsigned long long)scan->bad_row, type->name);
    if (scan->bad_scale)
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': scale in row %llu is not finite", name,
                        (unsigned long long)scan->bad_row);
    src->block = !scan->differ ? 0 : type->row_bytes ? (uint32_t)src->cols : type->block;
    src->scale = scan->any && !scan->differ ? scan->scale : 0.0f;
    return BNT_OK;
}

/* ---- decoding ------------------------------------------------------------------------------- */

bool bnt_ternary_f16_scales(const struct bnt_ternary_src *src) {
    return src->type != BNT_I2_S && bnt_type(src->type)->row_bytes != sizeof(float);
}

void bnt_ternary_decode(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi, int8_t *trits,
                        float *scales) {
    if (src->type == BNT_I2_S) {
        bnt_i2s_decode(src, lo, hi, trits);
        return;
    }
    const struct bnt_type_info *type = bnt_type(src->type);
    uint64_t blocks = src->cols / type->block, bytes = row_size(type, src->cols);
    const uint8_t *row = src->data + lo * bytes;
    if (!type->row_bytes) { /* all blocks of all rows are one run of them */
        type->trits(row, (hi - lo) * blocks, trits, scales);
        return;
    }
    for (uint64_t r = lo; r < hi; r++, row += bytes, trits += src->cols) {
        float scale = row_scale(type, row);
        type->trits(row + type->row_bytes, blocks, trits, NULL);
        if (scale == 0.0f) memset(trits, 0, src->cols);
        if (!scales) continue;
        *scales++ = scale == 0.0f || !any_weight(trits, src->cols) ? 0.0f : scale;
    }
}
