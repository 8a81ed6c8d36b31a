/*
 * ternary.h - ternary tensors of a file, decoded to plain trits (int8 -1, 0, +1) and scales.
 *
 * The one idea: canonical ternary. Whatever the file's packing, the rest of the program sees trits
 * and scales, and two files that mean the same weights give the same trits and scales; no plugin
 * needs to know a file format. What a block looks like is its type's business (types.h).
 */
#ifndef BNT_FILE_TERNARY_H
#define BNT_FILE_TERNARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* The orders in which programs have written I2_S under its one id (i2s.h). */
enum bnt_i2s_layout { BNT_I2S_A, BNT_I2S_B, BNT_I2S_C };

/* A ternary tensor in the file, [rows][cols], after bnt_ternary_scan. */
struct bnt_ternary_src {
    uint32_t type;
    uint64_t rows, cols;
    const uint8_t *data;
    uint64_t bytes;
    uint32_t block; /* found by scan: 0 when one scale serves the tensor (NUMERICS clause 3) */
    float scale;    /* then the scale */
    enum bnt_i2s_layout layout; /* I2_S only */
};

/* What was found in the rows looked at so far. */
struct bnt_ternary_scan {
    float scale;    /* of the blocks seen so far that have one */
    bool any;       /* a block with a scale was seen */
    bool differ;    /* two scales differ: clause 4 */
    bool bad_code;  /* a code that no valid file holds */
    bool bad_scale; /* a scale that is not finite */
    uint64_t bad_row;
};

/* Looks at rows [lo, hi) and folds what it finds into *scan (zero-initialised). Cheap enough to
 * run over the whole tensor; slices may be scanned apart and joined. */
void bnt_ternary_scan_rows(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi,
                           struct bnt_ternary_scan *scan);
void bnt_ternary_scan_join(struct bnt_ternary_scan *into, const struct bnt_ternary_scan *from);
/* Sets src->block and src->scale, or explains (name: of the tensor, for messages). */
int bnt_ternary_scan_finish(struct bnt_ternary_src *src, const struct bnt_ternary_scan *scan,
                            const char *name, struct bnt_err *err);

/* Whether every block scale of the type is a binary16 value. */
bool bnt_ternary_f16_scales(const struct bnt_ternary_src *src);

/* Rows [lo, hi) as trits [hi - lo][cols] and, when src->block is not 0, scales
 * [hi - lo][cols / block]. A block with scale 0 has all trits 0; a block of zeros has scale 0. */
void bnt_ternary_decode(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi, int8_t *trits,
                        float *scales);

#endif
