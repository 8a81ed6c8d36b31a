/*
 * dense_out.c - see dense_out.h.
 *
 * Plain rounding to nearest, in binary32, each operation once: the same bytes everywhere.
 */
#include "convert/dense_out.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "bitnet/dense.h"

int bnt_dense_type_named(uint32_t *type, const char *name, struct bnt_err *err) {
    static const uint32_t types[] = {BNT_TYPE_F16, BNT_TYPE_BF16, BNT_TYPE_F32, BNT_TYPE_Q8_0,
                                     BNT_TYPE_Q6_K};
    char shown[40];
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcasecmp(bnt_dense_name(types[i]), name) != 0) continue;
        *type = types[i];
        return BNT_OK;
    }
    return bnt_fail(err, BNT_E_USAGE, "'%s' is no type for embeddings: f16, bf16, f32, q8_0, q6_k",
                    bnt_printable(shown, sizeof shown, name, strlen(name)));
}

/* To nearest, ties to even; x is finite. */
static uint16_t to_bf16(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

static void put16(uint8_t *p, uint16_t v) {
    memcpy(p, &v, sizeof v);
}

static float largest(const float *x, unsigned n) {
    float most = 0.0f;
    for (unsigned i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    return most;
}

static int nearest(float x, int lo, int hi) {
    float r = rintf(x);
    return r < (float)lo ? lo : r > (float)hi ? hi : (int)r;
}

static void to_f16(const float *restrict x, const unsigned n, uint16_t *restrict out) {
    for (unsigned i = 0; i < n; i++) out[i] = bnt_f32_to_f16(x[i]);
}

/* In runs of constant length, which compilers vectorise. */
static void put_f16(const float *x, uint64_t n, uint8_t *out) {
    uint16_t run[64];
    for (; n >= 64; n -= 64, x += 64, out += sizeof run) {
        to_f16(x, 64, run);
        memcpy(out, run, sizeof run);
    }
    to_f16(x, (unsigned)n, run);
    memcpy(out, run, n * sizeof *run);
}

bool bnt_dense_bf16_as_f16(const uint8_t *in, uint8_t *out) {
    uint16_t x[BNT_DENSE_RUN], other = 0;
    memcpy(x, in, sizeof x);
    for (unsigned i = 0; i < BNT_DENSE_RUN; i++) {
        const uint16_t size = x[i] & 0x7fff,
                       exponent = 112 << 7; /* the difference of both types' biases */
        other |= (uint16_t)(size - exponent - 0x80) >= 0x0f00; /* below 2^-14, or from 2^16 */
        x[i] = (uint16_t)((x[i] & 0x8000) | (uint16_t)(size - exponent) << 3);
    }
    memcpy(out, x, sizeof x);
    return other == 0;
}

/* The scale is rounded first, so that codes are the nearest multiples of what is stored. */
static void q8_0_block(const float *x, uint8_t *out) {
    uint16_t h = bnt_f32_to_f16(largest(x, 32) / 127.0f);
    float d = bnt_f16_to_f32(h);
    put16(out, h);
    for (unsigned i = 0; i < 32; i++)
        out[2 + i] = (uint8_t)(int8_t)(d > 0.0f ? nearest(x[i] / d, -127, 127) : 0);
}

/* Each sixteen get the scale that makes the largest of them -32, the end that has one more. */
static void q6_k_block(const float *x, uint8_t *out) {
    float scales[16], most = 0.0f;
    uint8_t codes[256];
    for (unsigned i = 0; i < 16; i++) {
        const float *run = x + 16 * i;
        float end = 0.0f;
        for (unsigned k = 0; k < 16; k++)
            if (fabsf(run[k]) > fabsf(end)) end = run[k];
        scales[i] = end / -32.0f;
        most = fmaxf(most, fabsf(scales[i]));
    }
    uint16_t h = bnt_f32_to_f16(most / 127.0f);
    float d = bnt_f16_to_f32(h);
    memset(out, 0, 210);
    put16(out + 208, h);
    for (unsigned i = 0; i < 16; i++) {
        int scale = d > 0.0f ? nearest(scales[i] / d, -127, 127) : 0;
        float ds = d * (float)scale;
        out[192 + i] = (uint8_t)(int8_t)scale;
        for (unsigned k = 0; k < 16; k++)
            codes[16 * i + k] =
                (uint8_t)((ds != 0.0f ? nearest(x[16 * i + k] / ds, -32, 31) : 0) + 32);
    }
    for (unsigned i = 0; i < 256; i++) { /* weight 32 j + k of each 128 */
        unsigned half = i / 128, j = i % 128 / 32, k = i % 32;
        uint8_t *low = out + 64 * half + 32 * (j % 2) + k, *high = out + 128 + 32 * half + k;
        *low = (uint8_t)(*low | (codes[i] & 15) << (j / 2 * 4));
        *high = (uint8_t)(*high | (codes[i] >> 4) << (2 * j));
    }
}

static int check(uint32_t type, const float *x, uint64_t n, const char *tensor, uint64_t row,
                 struct bnt_err *err) {
    /* What rounds to infinity, or makes a scale that does. */
    const float limit = type == BNT_TYPE_F16    ? 65520.0f
                        : type == BNT_TYPE_Q8_0 ? 65520.0f * 127.0f
                        : type == BNT_TYPE_Q6_K ? 65520.0f * 127.0f * 32.0f
                        : type == BNT_TYPE_BF16 ? 0x1.ffp+127f
                                                : INFINITY;
    uint32_t bits = 0; /* of the largest magnitude, which are in the same order */
    float most;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t u;
        memcpy(&u, x + i, sizeof u);
        u &= 0x7fffffffu;
        bits = u > bits ? u : bits;
    }
    memcpy(&most, &bits, sizeof most);
    if (!isfinite(most))
        return bnt_fail(err, BNT_E_FORMAT, "tensor '%s': a value in row %" PRIu64 " is not finite",
                        tensor, row);
    if (most >= limit)
        return bnt_fail(err, BNT_E_UNSUPPORTED,
                        "tensor '%s': %g in row %" PRIu64 " is too large for %s", tensor,
                        (double)most, row, bnt_dense_name(type));
    return BNT_OK;
}

int bnt_dense_write(uint32_t type, const float *x, uint64_t n, uint8_t *out, const char *tensor,
                    uint64_t row, struct bnt_err *err) {
    int status = check(type, x, n, tensor, row, err);
    if (status != BNT_OK) return status;
    switch (type) {
    case BNT_TYPE_F32: memcpy(out, x, n * sizeof *x); break;
    case BNT_TYPE_F16: put_f16(x, n, out); break;
    case BNT_TYPE_BF16:
        for (uint64_t i = 0; i < n; i++) put16(out + 2 * i, to_bf16(x[i]));
        break;
    case BNT_TYPE_Q8_0:
        for (uint64_t i = 0; i < n; i += 32, out += 34) q8_0_block(x + i, out);
        break;
    case BNT_TYPE_Q6_K:
        for (uint64_t i = 0; i < n; i += 256, out += 210) q6_k_block(x + i, out);
        break;
    default: return bnt_fail(err, BNT_E_UNSUPPORTED, "%s is not written", bnt_dense_name(type));
    }
    return BNT_OK;
}
