/*
 * i2s.h - the three layouts of I2_S.
 *
 * Programs have written three orders of the same codes under tensor type 36, of the same size and
 * with the same codes 0, 1, 2, so that nothing in a tensor's bytes says which one it is:
 *   A  128 elements of the flattened tensor in 32 bytes: byte p holds p, p + 32, p + 64, p + 96;
 *   B  four rows interleaved: byte [row / 4][col] holds rows r, r + 1, r + 2, r + 3;
 *   C  64 elements of the flattened tensor in 16 bytes: byte p holds p, p + 16, p + 32, p + 48;
 * always at bits 6, 4, 2, 0. Who wrote which: docs/FORMATS.md.
 */
#ifndef BNT_FILE_I2S_H
#define BNT_FILE_I2S_H

#include <stdbool.h>
#include <stdint.h>

#include "file/ternary.h"

/* Rows [lo, hi) as trits [hi - lo][cols], read in src->layout. */
void bnt_i2s_decode(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi, int8_t *trits);

/* Code 3, which no layout has, in any of n bytes. */
bool bnt_i2s_has_bad_code(const uint8_t *p, uint64_t n);

/* ---- which layout is it? --------------------------------------------------------------------
 *
 * How many weights are not zero, by row and by column, in a sample of the tensor: the same bytes
 * whichever layout they are in, counted as each of the three would have them. What the counts say
 * only a model can tell: core/model/i2s_layout.h. */

enum {
    BNT_I2S_LAYOUTS = 3,
    BNT_I2S_CHANNELS = 1024, /* rows or columns that are counted at most: the first ones */
    BNT_I2S_GROUP = 128,     /* they are a multiple of this, as are the columns of the tensor */
};

struct bnt_i2s_counts {
    uint32_t n;                                     /* channels counted; 0: it has no say */
    uint16_t of[BNT_I2S_LAYOUTS][BNT_I2S_CHANNELS]; /* weights that are not 0 */
};

/* Of each of the first rows (among 256 weights of each), and of each of the first columns (among
 * 252), of an I2_S tensor. n is 0 for any other, for one that is too small, and where rows do not
 * begin on a group. */
void bnt_i2s_count_rows(const struct bnt_ternary_src *src, struct bnt_i2s_counts *counts);
void bnt_i2s_count_cols(const struct bnt_ternary_src *src, struct bnt_i2s_counts *counts);

#endif
