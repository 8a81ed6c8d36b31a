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

#include "file/types.h"

/* Rows [lo, hi) as trits [hi - lo][cols], read in src->layout. */
void bnt_i2s_decode(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi, int8_t *trits);

/* Code 3, which no layout has, in any of n bytes. */
bool bnt_i2s_has_bad_code(const uint8_t *p, uint64_t n);

#endif
