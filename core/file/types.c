/*
 * types.c - the table of types.h, and the decoders of the ternary ones.
 *
 * The one idea: canonical ternary. Whatever the file's packing, the rest of the program sees trits
 * and scales, and two files that mean the same weights give the same trits and scales.
 */
#include "file/types.h"

#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "bitnet/numerics.h"
#include "file/i2s.h"

static const struct bnt_type_info table[] = {
    {BNT_F32, "F32", BNT_KIND_DENSE, 1, 4, 0},
    {BNT_F16, "F16", BNT_KIND_DENSE, 1, 2, 0},
    {BNT_Q4_0, "Q4_0", BNT_KIND_UNSUPPORTED, 32, 18, 0},
    {BNT_Q4_1, "Q4_1", BNT_KIND_UNSUPPORTED, 32, 20, 0},
    {BNT_Q5_0, "Q5_0", BNT_KIND_UNSUPPORTED, 32, 22, 0},
    {BNT_Q5_1, "Q5_1", BNT_KIND_UNSUPPORTED, 32, 24, 0},
    {BNT_Q8_0, "Q8_0", BNT_KIND_DENSE, 32, 34, 0},
    {BNT_Q8_1, "Q8_1", BNT_KIND_UNSUPPORTED, 32, 36, 0},
    {BNT_Q2_K, "Q2_K", BNT_KIND_UNSUPPORTED, 256, 84, 0},
    {BNT_Q3_K, "Q3_K", BNT_KIND_UNSUPPORTED, 256, 110, 0},
    {BNT_Q4_K, "Q4_K", BNT_KIND_UNSUPPORTED, 256, 144, 0},
    {BNT_Q5_K, "Q5_K", BNT_KIND_UNSUPPORTED, 256, 176, 0},
    {BNT_Q6_K, "Q6_K", BNT_KIND_DENSE, 256, 210, 0},
    {BNT_Q8_K, "Q8_K", BNT_KIND_UNSUPPORTED, 256, 292, 0},
    {BNT_BF16, "BF16", BNT_KIND_DENSE, 1, 2, 0},
    {BNT_TQ1_0, "TQ1_0", BNT_KIND_TERNARY, 256, 54, 0},
    {BNT_TQ2_0, "TQ2_0", BNT_KIND_TERNARY, 256, 66, 0},
    {BNT_I2_S, "I2_S", BNT_KIND_TERNARY, 128, 32, 32},
    {BNT_TL1, "TL1", BNT_KIND_UNSUPPORTED, 1, 0, 0},
    {BNT_TL2, "TL2", BNT_KIND_UNSUPPORTED, 1, 0, 0},
    {BNT_Q2_0, "Q2_0", BNT_KIND_TERNARY, 64, 18, 0},
    {BNT_Q2_0_128, "Q2_0/128", BNT_KIND_TERNARY, 128, 34, 0},
};

const struct bnt_type_info *bnt_type(uint32_t id) {
    static const struct bnt_type_info unknown = {UINT32_MAX, "unknown", BNT_KIND_UNKNOWN, 1, 0, 0};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].id == id) return &table[i];
    }
    return &unknown;
}

bool bnt_type_bytes(uint32_t id, uint64_t row_len, uint64_t elements, uint64_t *bytes) {
    const struct bnt_type_info *t = bnt_type(id);
    uint64_t whole = id == BNT_I2_S ? elements : row_len, n;
    if (t->block_bytes == 0 || whole % t->block != 0) return false;
    return bnt_mul_u64(elements / t->block, t->block_bytes, &n) &&
           bnt_add_u64(n, t->tail_bytes, bytes);
}

/* ---- TQ1_0, TQ2_0, Q2_0: blocks with a binary16 scale along a row --------------------------- */

enum { MAX_BLOCK = 256 };

/* Digit n (0 = most significant of five) of `count` bytes that hold ceil(value * 256 / 243). */
static inline void tq1_digit(const uint8_t *restrict b, const unsigned count, unsigned n,
                             int8_t *restrict out) {
    static const uint8_t pow3[5] = {1, 3, 9, 27, 81};
    for (unsigned m = 0; m < count; m++) {
        uint8_t q = (uint8_t)(b[m] * pow3[n]);
        out[m] = (int8_t)((unsigned)q * 3 >> 8);
    }
}

/* Each writes the codes 0, 1, 2 of a block (3 only from a damaged one) and returns the place of the
 * scale. Loops of constant length over memory that is known to be apart are vectorised. */
static const uint8_t *tq1_codes(const uint8_t *b, int8_t *out) {
    for (unsigned n = 0; n < 5; n++) tq1_digit(b, 32, n, out + 32 * n);
    for (unsigned n = 0; n < 5; n++) tq1_digit(b + 32, 16, n, out + 160 + 16 * n);
    for (unsigned n = 0; n < 4; n++) tq1_digit(b + 48, 4, n, out + 240 + 4 * n);
    return b + 52;
}

static const uint8_t *tq2_codes(const uint8_t *restrict b, int8_t *restrict out) {
    for (unsigned half = 0; half < 2; half++, b += 32, out += 128) {
        for (unsigned m = 0; m < 32; m++) {
            out[m] = (int8_t)(b[m] & 3);
            out[m + 32] = (int8_t)(b[m] >> 2 & 3);
            out[m + 64] = (int8_t)(b[m] >> 4 & 3);
            out[m + 96] = (int8_t)(b[m] >> 6);
        }
    }
    return b;
}

static const uint8_t *q2_0_codes(const uint8_t *b, unsigned block, int8_t *out) {
    for (unsigned i = 0; i < block; i += 4) { /* a byte's four codes, to a byte each */
        uint32_t four = b[2 + i / 4];
        four = (four | four << 6 | four << 12 | four << 18) & 0x03030303u;
        memcpy(out + i, &four, sizeof four);
    }
    return b;
}

/* Sixty-four codes become trits; what they have in common goes to *bad (not 0: a code 3) and *any
 * (not 0: a weight that is not 0). */
static void to_trits(int8_t *t, uint8_t *bad, uint8_t *any) {
    uint8_t b = 0, a = 0;
    for (unsigned i = 0; i < 64; i++) {
        uint8_t code = (uint8_t)t[i];
        b |= code & code >> 1;
        code--;
        a |= code;
        t[i] = (int8_t)code;
    }
    *bad |= b;
    *any |= a;
}

/* One block: trits and scale, canonical. Returns false on a code 3. */
static bool decode_block(const struct bnt_type_info *type, const uint8_t *b, int8_t *trits,
                         float *scale) {
    const uint8_t *d;
    uint16_t h;
    uint8_t bad = 0, any = 0;
    if (type->id == BNT_TQ1_0)
        d = tq1_codes(b, trits);
    else if (type->id == BNT_TQ2_0)
        d = tq2_codes(b, trits);
    else
        d = q2_0_codes(b, type->block, trits);
    memcpy(&h, d, sizeof h);
    *scale = bnt_f16_to_f32(h);
    for (unsigned i = 0; i < type->block; i += 64) to_trits(trits + i, &bad, &any);
    if (*scale == 0.0f) memset(trits, 0, type->block);
    if (*scale == 0.0f || any == 0) *scale = 0.0f; /* of -0, too */
    return bad == 0;
}

/* ---- all together --------------------------------------------------------------------------- */

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

void bnt_ternary_scan_rows(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi,
                           struct bnt_ternary_scan *scan) {
    if (lo >= hi) return;
    if (src->type == BNT_I2_S) {
        float scale;
        uint64_t first = lo * src->cols / 4, last = hi * src->cols / 4; /* whole bytes inside */
        memcpy(&scale, src->data + src->rows * src->cols / 4, sizeof scale);
        scan_scale(scan, scale, 0);
        if (!scan->bad_code && bnt_i2s_has_bad_code(src->data + first, last - first)) {
            scan->bad_code = true;
            scan->bad_row = lo;
        }
        return;
    }
    const struct bnt_type_info *type = bnt_type(src->type);
    uint64_t row_blocks = src->cols / type->block;
    const uint8_t *b = src->data + lo * row_blocks * type->block_bytes;
    for (uint64_t r = lo; r < hi; r++) {
        for (uint64_t k = 0; k < row_blocks; k++, b += type->block_bytes) {
            int8_t trits[MAX_BLOCK];
            float scale;
            if (!decode_block(type, b, trits, &scale)) {
                if (!scan->bad_code) scan->bad_row = r;
                scan->bad_code = true;
            }
            scan_scale(scan, scale, r);
        }
    }
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
    if (scan->bad_code && src->type == BNT_I2_S)
        return bnt_fail(
            err, BNT_E_FORMAT,
            "tensor '%s': code 3 near row %llu, which no layout of I2_S has: the file is "
            "damaged, or the tensor is of another type under the same id",
            name, (unsigned long long)scan->bad_row);
    if (scan->bad_code)
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': row %llu has a code 3, which %s never has",
                        name, (unsigned long long)scan->bad_row, bnt_type(src->type)->name);
    if (scan->bad_scale)
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': scale in row %llu is not finite", name,
                        (unsigned long long)scan->bad_row);
    src->block = scan->differ ? bnt_type(src->type)->block : 0;
    src->scale = scan->any && !scan->differ ? scan->scale : 0.0f;
    return BNT_OK;
}

void bnt_ternary_decode(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi, int8_t *trits,
                        float *scales) {
    if (src->type == BNT_I2_S) {
        bnt_i2s_decode(src, lo, hi, trits);
        return;
    }
    const struct bnt_type_info *type = bnt_type(src->type);
    uint64_t row_blocks = src->cols / type->block;
    const uint8_t *b = src->data + lo * row_blocks * type->block_bytes;
    for (uint64_t k = 0; k < (hi - lo) * row_blocks; k++, b += type->block_bytes) {
        float scale;
        decode_block(type, b, trits, &scale);
        trits += type->block;
        if (scales) *scales++ = scale;
    }
}
