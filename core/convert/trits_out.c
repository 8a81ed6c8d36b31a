/*
 * trits_out.c - see trits_out.h.
 *
 * The one idea: a type is how a block's codes lie in its bytes and where its scale is; the scale of
 * a block is found the same way for all: from those of the source's blocks that it covers.
 */
#include "convert/trits_out.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "bitnet/numerics.h"

/* ---- codes ---------------------------------------------------------------------------------- */

/* Byte m of `count` holds t[m + k count] at bits first + k step, k = 0 .. 3. */
static inline void planes(const int8_t *restrict t, const unsigned count, const int first,
                          const int step, uint8_t *restrict out) {
    for (unsigned m = 0; m < count; m++)
        out[m] = (uint8_t)((t[m] + 1) << first | (t[m + count] + 1) << (first + step) |
                           (t[m + 2 * count] + 1) << (first + 2 * step) |
                           (t[m + 3 * count] + 1) << (first + 3 * step));
}

/* The byte whose digits in base 3 are `digits` (4 or 5) trits, `count` apart, the first the most
 * significant: ceil(value * 256 / 243), the last of four digits being followed by a 0. */
static inline void base3(const int8_t *restrict t, const unsigned count, const unsigned digits,
                         uint8_t *restrict out) {
    for (unsigned m = 0; m < count; m++) {
        unsigned v = 0;
        for (unsigned n = 0; n < digits; n++) v = 3 * v + (unsigned)(t[m + n * count] + 1);
        if (digits == 4) v *= 3;
        out[m] = (uint8_t)((v * 256 + 242) / 243);
    }
}

static inline void neighbours(const int8_t *restrict t, const unsigned count,
                              uint8_t *restrict out) {
    for (unsigned m = 0; m < count; m++, t += 4)
        out[m] = (uint8_t)((t[0] + 1) | (t[1] + 1) << 2 | (t[2] + 1) << 4 | (t[3] + 1) << 6);
}

static void tq1_0(const int8_t *t, uint8_t *out) {
    base3(t, 32, 5, out);
    base3(t + 160, 16, 5, out + 32);
    base3(t + 240, 4, 4, out + 48);
}

static void tq2_0(const int8_t *t, uint8_t *out) {
    planes(t, 32, 0, 2, out);
    planes(t + 128, 32, 0, 2, out + 32);
}

static void q2_0_64(const int8_t *t, uint8_t *out) {
    neighbours(t, 16, out + 2);
}

static void q2_0_128(const int8_t *t, uint8_t *out) {
    neighbours(t, 32, out + 2);
}

static const struct writer {
    uint32_t id;
    void (*codes)(const int8_t *t, uint8_t *block);
    unsigned scale_at;
} writers[] = {
    {BNT_TQ1_0, tq1_0, 52},      {BNT_TQ2_0, tq2_0, 64}, {BNT_Q2_0, q2_0_64, 0},
    {BNT_Q2_0_128, q2_0_128, 0}, {142, q2_0_128, 0},
};

static const struct writer *writer_of(uint32_t id) {
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++)
        if (writers[i].id == id) return &writers[i];
    return NULL; /* I2_S */
}

/* ---- names and shapes ----------------------------------------------------------------------- */

static const struct {
    const char *name;
    struct bnt_trits_type type;
} names[] = {
    {"I2_S", {BNT_I2_S, BNT_I2S_A}},
    {"I2_S/a", {BNT_I2_S, BNT_I2S_A}},
    {"I2_S/b", {BNT_I2_S, BNT_I2S_B}},
    {"I2_S/c", {BNT_I2_S, BNT_I2S_C}},
    {"TQ1_0", {BNT_TQ1_0, 0}},
    {"TQ2_0", {BNT_TQ2_0, 0}},
    {"Q2_0", {BNT_Q2_0, 0}},
    {"Q2_0/128", {BNT_Q2_0_128, 0}},
    {"PQ2_0", {142, 0}},
};
enum { NAMES = sizeof names / sizeof names[0] };

int bnt_trits_type_named(struct bnt_trits_type *type, const char *name, struct bnt_err *err) {
    char shown[40];
    for (size_t i = 0; i < NAMES; i++) {
        if (strcasecmp(names[i].name, name) != 0) continue;
        *type = names[i].type;
        return BNT_OK;
    }
    return bnt_fail(err, BNT_E_USAGE, "'%s' is no ternary type that is written: " BNT_TRITS_TYPES,
                    bnt_printable(shown, sizeof shown, name, strlen(name)));
}

const char *bnt_trits_type_name(const struct bnt_trits_type *type) {
    for (size_t i = 0; i < NAMES; i++)
        if (names[i].type.id == type->id && names[i].type.layout == type->layout)
            return names[i].name;
    return "?";
}

uint32_t bnt_trits_file_type(const struct bnt_trits_type *type) {
    return type->id == BNT_I2_S ? 40 : type->id == BNT_TQ1_0 ? 36 : type->id == BNT_TQ2_0 ? 37 : 0;
}

int bnt_trits_fit(const struct bnt_trits_type *type, const char *tensor, uint64_t rows,
                  uint64_t cols, struct bnt_err *err) {
    const struct bnt_type_info *info = bnt_type(type->id);
    if (type->id == BNT_I2_S && type->layout == BNT_I2S_B && rows % 4)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tensor '%s': layout b of I2_S has rows in fours, and %" PRIu64 " are none",
                        tensor, rows);
    uint64_t whole = type->id == BNT_I2_S ? rows * cols : cols;
    if (whole % info->block)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tensor '%s': %s of %" PRIu64 " weights are no whole blocks of %u, which "
                        "%s has",
                        tensor, type->id == BNT_I2_S ? "all" : "rows", whole, info->block,
                        info->name);
    return BNT_OK;
}

uint64_t bnt_trits_step(const struct bnt_trits_type *type, uint64_t cols) {
    uint64_t step = 1;
    if (type->id != BNT_I2_S) return 1;
    if (type->layout == BNT_I2S_B) return 4;
    while (step * cols % 128) step *= 2;
    return step;
}

uint64_t bnt_trits_row_at(const struct bnt_trits_type *type, uint64_t cols, uint64_t r) {
    const struct bnt_type_info *info = bnt_type(type->id);
    return r * cols / info->block * info->block_bytes;
}

/* ---- scales --------------------------------------------------------------------------------- */

/* The scale of weights [first, first + n) of a row whose blocks have `scales`; false when there are
 * two of them, which *other is. */
static bool scale_of(const struct bnt_trits_rows *rows, const float *scales, uint64_t first,
                     uint64_t n, float *scale, float *other) {
    *scale = 0.0f;
    for (uint64_t b = first / rows->block; b * rows->block < first + n; b++) {
        *other = scales[b];
        if (*other == 0.0f) continue;
        if (*scale != 0.0f && *scale != *other) return false;
        *scale = *other;
    }
    return true;
}

static int two_scales(const struct bnt_trits_type *type, const struct bnt_trits_rows *rows,
                      uint64_t row, uint64_t col, float a, float b, struct bnt_err *err) {
    return bnt_fail(err, BNT_E_UNSUPPORTED,
                    "tensor '%s', row %" PRIu64 ", weight %" PRIu64
                    ": the scales %.9g and %.9g meet in one block, and %s has one scale a %s",
                    rows->tensor, rows->lo + row, col, (double)a, (double)b,
                    bnt_trits_type_name(type), type->id == BNT_I2_S ? "tensor" : "block");
}

/* A scale as binary16, if that is what it is or what it may become. */
static int half_scale(const struct bnt_trits_type *type, const struct bnt_trits_rows *rows,
                      uint64_t row, float scale, struct bnt_trits_rounding *rounding, uint16_t *h,
                      struct bnt_err *err) {
    *h = bnt_f32_to_f16(scale);
    float held = bnt_f16_to_f32(*h);
    if (held == scale) return BNT_OK;
    bool lost = held == 0.0f || isinf(held);
    if (!rounding->allowed || lost)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tensor '%s', row %" PRIu64
                        ": the scale %.9g is no binary16 number (the nearest is %.9g), and %s "
                        "holds no other%s",
                        rows->tensor, rows->lo + row, (double)scale, (double)held,
                        bnt_trits_type_name(type),
                        lost ? "" : ": I2_S holds it, or --round-scales takes the nearest");
    double error = fabs((double)held / (double)scale - 1.0);
    if (error > rounding->worst) rounding->worst = error;
    return BNT_OK;
}

static bool any_weight(const int8_t *trits, uint64_t n) {
    uint8_t any = 0;
    for (uint64_t i = 0; i < n; i++) any |= (uint8_t)trits[i];
    return any != 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

static int write_blocks(const struct bnt_trits_type *type, const struct bnt_trits_rows *rows,
                        struct bnt_trits_rounding *rounding, uint8_t *out, struct bnt_err *err) {
    const struct bnt_type_info *info = bnt_type(type->id);
    const struct writer *w = writer_of(type->id);
    const float *scales = rows->scales;
    const int8_t *t = rows->trits;
    float last = 0.0f;
    uint16_t h = 0, last_h = 0;
    for (uint64_t r = 0; r < rows->rows; r++) {
        for (uint64_t c = 0; c < rows->cols; c += info->block) {
            float scale = rows->scale, other;
            if (rows->block) {
                if (!scale_of(rows, scales, c, info->block, &scale, &other))
                    return two_scales(type, rows, r, c, scale, other, err);
            } else if (!any_weight(t, info->block)) {
                scale = 0.0f;
            }
            if (scale != last) {
                int status = half_scale(type, rows, r, scale, rounding, &h, err);
                if (status != BNT_OK) return status;
                last = scale;
                last_h = h;
            }
            w->codes(t, out);
            memcpy(out + w->scale_at, &last_h, sizeof last_h);
            t += info->block;
            out += info->block_bytes;
        }
        if (rows->block) scales += rows->cols / rows->block;
    }
    return BNT_OK;
}

/* One scale for all: none of the blocks may have another. */
static int check_one_scale(const struct bnt_trits_type *type, const struct bnt_trits_rows *rows,
                           struct bnt_err *err) {
    if (!rows->block) return BNT_OK;
    const uint64_t blocks = rows->cols / rows->block;
    for (uint64_t i = 0; i < rows->rows * blocks; i++) {
        float scale = rows->scales[i];
        if (scale != 0.0f && scale != rows->scale)
            return two_scales(type, rows, i / blocks, i % blocks * rows->block, rows->scale, scale,
                              err);
    }
    return BNT_OK;
}

static int write_i2s(const struct bnt_trits_type *type, const struct bnt_trits_rows *rows,
                     uint8_t *out, struct bnt_err *err) {
    const uint64_t n = rows->rows * rows->cols, cols = rows->cols;
    const int8_t *t = rows->trits;
    switch (type->layout) {
    case BNT_I2S_A:
        for (uint64_t i = 0; i < n; i += 128, out += 32) planes(t + i, 32, 6, -2, out);
        break;
    case BNT_I2S_C:
        for (uint64_t i = 0; i < n; i += 64, out += 16) planes(t + i, 16, 6, -2, out);
        break;
    case BNT_I2S_B:
        for (uint64_t r = 0; r < rows->rows; r += 4, t += 4 * cols, out += cols)
            for (uint64_t c = 0; c < cols; c++)
                out[c] = (uint8_t)((t[c] + 1) << 6 | (t[c + cols] + 1) << 4 |
                                   (t[c + 2 * cols] + 1) << 2 | (t[c + 3 * cols] + 1));
        break;
    }
    return check_one_scale(type, rows, err);
}

int bnt_trits_write(const struct bnt_trits_type *type, const struct bnt_trits_rows *rows,
                    struct bnt_trits_rounding *rounding, uint8_t *out, struct bnt_err *err) {
    if (type->id == BNT_I2_S) return write_i2s(type, rows, out, err);
    return write_blocks(type, rows, rounding, out, err);
}

void bnt_trits_write_tail(float scale, uint8_t out[32]) {
    memset(out, 0, 32);
    memcpy(out, &scale, sizeof scale);
}
