/*
 * i2s.c - see i2s.h.
 *
 * The one idea: a whole group or a whole run of columns is decoded by a loop of constant shifts
 * over memory that is known to be apart, which compilers vectorise; the ends take the plain
 * formula.
 */
#include "file/i2s.h"

#include <string.h>

/* One whole group of 4 * n elements in n bytes: layouts A (32) and C (16). */
static inline void group(const uint8_t *restrict g, const unsigned n, int8_t *restrict out) {
    for (unsigned p = 0; p < n; p++) {
        out[p] = (int8_t)((g[p] >> 6) - 1);
        out[p + n] = (int8_t)((g[p] >> 4 & 3) - 1);
        out[p + 2 * n] = (int8_t)((g[p] >> 2 & 3) - 1);
        out[p + 3 * n] = (int8_t)((g[p] & 3) - 1);
    }
}

/* Elements [first, first + count) of the flattened tensor, in groups of n bytes. */
static inline void decode_flat(const uint8_t *data, const unsigned n, uint64_t first,
                               uint64_t count, int8_t *out) {
    while (count) {
        uint64_t at = first / (4 * n), in = first % (4 * n);
        const uint8_t *g = data + at * n;
        if (in == 0 && count >= 4 * n) { /* the usual case */
            group(g, n, out);
            out += 4 * n, first += 4 * n, count -= 4 * n;
        } else {
            *out++ = (int8_t)((g[in % n] >> (6 - 2 * (in / n)) & 3) - 1);
            first++, count--;
        }
    }
}

/* One row of layout B from the bytes of its four. */
static void decode_row(const uint8_t *restrict four, unsigned shift, uint64_t cols,
                       int8_t *restrict out) {
    for (uint64_t c = 0; c < cols; c++) out[c] = (int8_t)((four[c] >> shift & 3) - 1);
}

void bnt_i2s_decode(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi, int8_t *trits) {
    uint64_t cols = src->cols;
    switch (src->layout) {
    case BNT_I2S_A: decode_flat(src->data, 32, lo * cols, (hi - lo) * cols, trits); break;
    case BNT_I2S_C: decode_flat(src->data, 16, lo * cols, (hi - lo) * cols, trits); break;
    case BNT_I2S_B:
        for (uint64_t r = lo; r < hi; r++, trits += cols)
            decode_row(src->data + r / 4 * cols, 6 - 2 * (unsigned)(r % 4), cols, trits);
        break;
    }
}

/* Both bits of a pair are set. */
bool bnt_i2s_has_bad_code(const uint8_t *p, uint64_t n) {
    uint64_t bad[4] = {0}, i = 0;
    for (; i + sizeof bad <= n; i += sizeof bad) {
        uint64_t w[4];
        memcpy(w, p + i, sizeof w);
        for (unsigned k = 0; k < 4; k++) bad[k] |= w[k] & (w[k] >> 1);
    }
    for (; i < n; i++) bad[0] |= (uint64_t)(p[i] & (p[i] >> 1));
    return ((bad[0] | bad[1] | bad[2] | bad[3]) & 0x5555555555555555u) != 0;
}
