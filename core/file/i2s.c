/*
 * i2s.c - see i2s.h.
 *
 * The one idea: a whole group or a whole run of columns is decoded by a loop of constant shifts
 * over memory that is known to be apart, which compilers vectorise; the ends take the plain
 * formula.
 */
#include "file/i2s.h"

#include <string.h>

#include "file/types.h"

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

/* ---- counting -------------------------------------------------------------------------------
 *
 * In every layout four rows that begin at a multiple of four lie in the same `cols` bytes. A and C
 * have the first of them in the first quarter of those bytes and so on, B has all of them in every
 * byte. So one look at a byte of such a group counts for all three. */

enum { SAMPLED_GROUPS = 63 }; /* of four rows each: a count of a column fits into a byte */

static uint32_t whole_groups(uint64_t n) {
    uint64_t channels = n < BNT_I2S_CHANNELS ? n : BNT_I2S_CHANNELS;
    return (uint32_t)(channels / BNT_I2S_GROUP * BNT_I2S_GROUP);
}

static bool can_count(const struct bnt_ternary_src *src) {
    return src->type == BNT_I2_S && src->cols % BNT_I2S_GROUP == 0 && src->rows >= 4;
}

/* Bit 6, 4, 2 or 0 of each byte is set where the code is not that of zero. */
static uint64_t not_zero(uint64_t codes) {
    codes ^= 0x5555555555555555u;
    return (codes | codes >> 1) & 0x5555555555555555u;
}

static uint16_t sum_of_bytes(uint64_t v) {
    return (uint16_t)(v * 0x0101010101010101u >> 56);
}

void bnt_i2s_count_rows(const struct bnt_ternary_src *src, struct bnt_i2s_counts *counts) {
    const uint64_t quarter = src->cols / 4, sampled = quarter < 64 ? quarter : 64;
    counts->n = can_count(src) ? whole_groups(src->rows) : 0;
    for (uint32_t r = 0; r < counts->n; r += 4) {
        const uint8_t *group = src->data + r / 4 * src->cols;
        uint16_t by_slot[4] = {0};
        for (unsigned k = 0; k < 4; k++) {
            uint64_t slots[4] = {0}, word;
            uint16_t all = 0;
            for (uint64_t at = 0; at < sampled; at += sizeof word) {
                memcpy(&word, group + k * quarter + at, sizeof word);
                word = not_zero(word);
                for (unsigned s = 0; s < 4; s++)
                    slots[s] += word >> (6 - 2 * s) & 0x0101010101010101u;
            }
            for (unsigned s = 0; s < 4; s++) {
                uint16_t sum = sum_of_bytes(slots[s]);
                by_slot[s] = (uint16_t)(by_slot[s] + sum);
                all = (uint16_t)(all + sum);
            }
            counts->of[BNT_I2S_A][r + k] = counts->of[BNT_I2S_C][r + k] = all;
        }
        for (unsigned s = 0; s < 4; s++) counts->of[BNT_I2S_B][r + s] = by_slot[s];
    }
}

/* Adds the weights that are not zero at 32 places of a byte, each of the four slots to its own
 * count. */
static inline void add_slots(const uint8_t *restrict codes,
                             uint8_t sums[restrict 4][BNT_I2S_CHANNELS / 4], uint32_t at) {
    for (unsigned i = 0; i < 32; i++) {
        uint8_t other = codes[at + i] ^ 0x55, set = (other | other >> 1) & 0x55;
        sums[0][at + i] = (uint8_t)(sums[0][at + i] + (set >> 6));
        sums[1][at + i] = (uint8_t)(sums[1][at + i] + (set >> 4 & 1));
        sums[2][at + i] = (uint8_t)(sums[2][at + i] + (set >> 2 & 1));
        sums[3][at + i] = (uint8_t)(sums[3][at + i] + (set & 1));
    }
}

/* The same, all slots to one count. */
static inline void add_bytes(const uint8_t *restrict codes, uint8_t *restrict sums, uint32_t at) {
    for (unsigned i = 0; i < 32; i++) {
        uint8_t other = codes[at + i] ^ 0x55, set = (other | other >> 1) & 0x55;
        set = (uint8_t)((set & 0x33) + (set >> 2 & 0x33));
        sums[at + i] = (uint8_t)(sums[at + i] + (set & 0x0f) + (set >> 4));
    }
}

void bnt_i2s_count_cols(const struct bnt_ternary_src *src, struct bnt_i2s_counts *counts) {
    uint8_t flat[4][BNT_I2S_CHANNELS / 4] = {{0}}, interleaved[BNT_I2S_CHANNELS] = {0};
    const uint64_t groups = src->rows / 4, quarter = src->cols / 4;
    const uint64_t sampled = groups < SAMPLED_GROUPS ? groups : SAMPLED_GROUPS;
    const uint32_t n = counts->n = can_count(src) ? whole_groups(src->cols) : 0;
    for (uint64_t g = 0; n && g < sampled; g++) {
        const uint8_t *group = src->data + groups * g / sampled * src->cols;
        for (unsigned k = 0; k < 4; k++) {
            for (uint32_t at = 0; at < n / 4; at += 32) add_slots(group + k * quarter, flat, at);
        }
        for (uint32_t at = 0; at < n; at += 32) add_bytes(group, interleaved, at);
    }
    for (uint32_t c = 0; c < n; c++) {
        counts->of[BNT_I2S_A][c] = flat[c % 128 / 32][c / 128 * 32 + c % 32];
        counts->of[BNT_I2S_B][c] = interleaved[c];
        counts->of[BNT_I2S_C][c] = flat[c % 64 / 16][c / 64 * 16 + c % 16];
    }
}
