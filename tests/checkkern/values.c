/*
 * values.c - inputs: what has broken kernels before, then random values.
 *
 * Knows formats, not slots. Everything comes from integers and exact operations, so that one seed
 * gives the same inputs on every machine.
 */
#include <float.h>
#include <math.h>

#include "ck.h"

/* SplitMix64 (Steele, Lea & Flood, 2014). */
uint64_t ck_next(struct ck_rng *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

uint32_t ck_below(struct ck_rng *r, uint32_t n) {
    return (uint32_t)((ck_next(r) >> 32) * n >> 32);
}

float ck_normal(struct ck_rng *r) {
    uint64_t u = ck_next(r);
    int32_t sum = (int32_t)((u & 0xffff) + (u >> 16 & 0xffff) + (u >> 32 & 0xffff) + (u >> 48));
    return (float)(sum - 131070) * (1.7320508f / 65536.0f);
}

void ck_seed(struct ck_rng *r, uint64_t seed, const char *name, uint64_t number) {
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *name; name++) h = (h ^ (uint8_t)*name) * 0x100000001b3u;
    r->state = seed;
    r->state = ck_next(r) ^ h;
    r->state = ck_next(r) + number;
    r->state = ck_next(r);
}

const char *ck_kind_name(enum ck_kind kind) {
    static const char *const names[CK_KINDS] = {
        [CK_ONES] = "ones",         [CK_MINUS_ONES] = "minus-ones",
        [CK_ZEROS] = "zeros",       [CK_SPIKE] = "spike",
        [CK_TIES] = "ties",         [CK_ALTERNATING] = "alternating",
        [CK_DENORMAL] = "denormal", [CK_SIGNED_ZEROS] = "signed-zeros",
        [CK_TINY] = "tiny",         [CK_NEAR_TIES] = "near-ties",
        [CK_HUGE] = "huge",         [CK_LARGEST] = "largest",
        [CK_RANDOM] = "random",     [CK_WIDE] = "wide"};
    return names[kind];
}

static float one_float(struct ck_rng *r, enum ck_kind kind, size_t i) {
    switch (kind) {
    case CK_ONES: return 1.0f;
    case CK_MINUS_ONES: return -1.0f;
    case CK_SPIKE: return ck_below(r, 4) ? 0.0f : ck_normal(r) * 1e-3f;
    case CK_ALTERNATING: return i % 2 ? -3.0f : 3.0f;
    case CK_TIES: return (float)ck_below(r, 253) - 126.0f + 0.5f;
    case CK_DENORMAL:
        return bnt_f32_from_bits(((uint32_t)ck_next(r) & 0x807fffffu) >>
                                 (ck_below(r, 2) ? 0 : ck_below(r, 8)));
    case CK_SIGNED_ZEROS: return ck_below(r, 2) ? 0.0f : -0.0f;
    case CK_TINY: return 1e-30f;
    case CK_HUGE: return i % 3 == 0 ? 1e30f : i % 3 == 1 ? -1e30f : ck_normal(r) * 1e30f;
    case CK_LARGEST:
        return ck_below(r, 3) ? ck_normal(r) * 9e37f : ck_below(r, 2) ? FLT_MAX : -FLT_MAX;
    case CK_NEAR_TIES: /* made whole in ck_floats */
    case CK_RANDOM: return ck_normal(r);
    case CK_WIDE:
        return ck_normal(r) * (float)(1u << ck_below(r, 21)) / (float)(1u << ck_below(r, 21));
    default: return 0.0f;
    }
}

void ck_floats(struct ck_rng *r, float *x, size_t n, enum ck_kind kind) {
    for (size_t i = 0; i < n; i++) x[i] = one_float(r, kind, i);
    if (kind == CK_SPIKE && n) x[ck_below(r, (uint32_t)n)] = ck_below(r, 2) ? 1000.0f : -1000.0f;
    if (kind == CK_NEAR_TIES) {
        float top =
            (1.0f + (float)ck_below(r, 1u << 23) * 0x1p-23f) * (ck_below(r, 2) ? 1.0f : 1e-3f);
        for (size_t i = 0; i < n; i++) {
            float tie = ((float)ck_below(r, 127) + 0.5f) * (top / 127.0f);
            uint32_t near = bnt_f32_bits(tie) + ck_below(r, 5) - 2;
            x[i] = bnt_f32_from_bits(near | (ck_below(r, 2) ? 0x80000000u : 0));
            if (i % 32 == 13 || n < 14 || tie > top) x[i] = top;
        }
    }
    if (kind == CK_TIES) { /* a maximum of 127 in every block of 32: the factor is a power of two */
        float unit = 1.0f / (float)(1u << ck_below(r, 12));
        for (size_t i = 0; i < n; i++) x[i] = i % 32 == 13 || n < 14 ? 127.0f : x[i];
        for (size_t i = 0; i < n; i++) x[i] *= unit;
    }
}

void ck_trits(struct ck_rng *r, int8_t *w, size_t n, enum ck_kind kind) {
    for (size_t i = 0; i < n; i++) {
        switch (kind) {
        case CK_ONES: w[i] = 1; break;
        case CK_MINUS_ONES: w[i] = -1; break;
        case CK_ZEROS:
        case CK_SPIKE: w[i] = 0; break;
        case CK_ALTERNATING: w[i] = i % 2 ? -1 : 1; break;
        default: w[i] = (int8_t)((int)ck_below(r, 3) - 1); break;
        }
    }
    if (kind == CK_SPIKE && n) w[ck_below(r, (uint32_t)n)] = ck_below(r, 2) ? 1 : -1;
}

void ck_scales(struct ck_rng *r, float *s, size_t n, uint32_t scale_type) {
    for (size_t i = 0; i < n; i++) {
        uint16_t h = (uint16_t)ck_next(r);
        if ((h & 0x7c00u) == 0x7c00u) h &= 0x3fffu; /* finite */
        s[i] = scale_type == BNT_TYPE_F16 ? bnt_f16_to_f32(h) : ck_normal(r) * 0.0123f;
    }
}

/* Codes of every value; factors as a file has them, and some subnormal ones. */
static void fill_blocks(struct ck_rng *r, uint32_t type, uint8_t *p, uint64_t bytes,
                        enum ck_kind kind) {
    uint64_t unit = bnt_dense_bytes(type, bnt_dense_block(type));
    for (uint64_t i = 0; i < bytes; i++)
        p[i] = kind == CK_ONES         ? 0x7f
               : kind == CK_MINUS_ONES ? 0xff
               : kind == CK_ZEROS      ? 0x80
                                       : (uint8_t)ck_next(r);
    for (uint64_t i = 0; i < bytes; i += unit) {
        for (int f = 0; f < 2 && bnt_dense_factor(type, f) >= 0; f++) {
            float d = kind == CK_DENORMAL       ? 3e-8f * (float)(1 + ck_below(r, 900))
                      : kind == CK_SIGNED_ZEROS ? (ck_below(r, 2) ? 0.0f : -0.0f)
                                                : 0.01f * ck_normal(r);
            uint16_t h = bnt_f32_to_f16(d);
            memcpy(p + i + bnt_dense_factor(type, f), &h, sizeof h);
        }
    }
}

void ck_dense_fill(struct ck_rng *r, uint32_t type, uint8_t *p, uint64_t n, enum ck_kind kind) {
    if (bnt_dense_block(type) > 1) {
        fill_blocks(r, type, p, bnt_dense_bytes(type, n), kind);
        return;
    }
    if (type == BNT_TYPE_F16 && (kind == CK_HUGE || kind == CK_LARGEST)) kind = CK_WIDE;
    for (uint64_t i = 0; i < n; i++) {
        float f = one_float(r, kind, i);
        if (kind == CK_TINY) f = -f;
        uint16_t h = type == BNT_TYPE_F16 ? bnt_f32_to_f16(f) : (uint16_t)(bnt_f32_bits(f) >> 16);
        if (type == BNT_TYPE_F16 && kind == CK_DENORMAL) h = (uint16_t)ck_next(r) & 0x83ffu;
        if (type == BNT_TYPE_F16 && (h & 0x7c00u) == 0x7c00u) h &= 0xfbffu; /* finite */
        if (type == BNT_TYPE_F32)
            memcpy(p + 4 * i, &f, sizeof f);
        else
            memcpy(p + 2 * i, &h, sizeof h);
    }
}
