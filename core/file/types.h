/*
 * types.h - the tensor types of GGUF files: names, block sizes, bytes, and ternary decoding.
 *
 * Ternary types (I2_S, TQ1_0, TQ2_0, Q2_0) are decoded here, once, to plain trits (int8 -1, 0, +1)
 * and block scales, so that no plugin needs to know a file format. Dense types stay as they are.
 * Layouts: docs/FORMATS.md.
 */
#ifndef BNT_FILE_TYPES_H
#define BNT_FILE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Ids of the file format. */
enum bnt_tensor_type {
    BNT_F32 = 0,
    BNT_F16 = 1,
    BNT_Q4_0 = 2,
    BNT_Q4_1 = 3,
    BNT_Q5_0 = 6,
    BNT_Q5_1 = 7,
    BNT_Q8_0 = 8,
    BNT_Q8_1 = 9,
    BNT_Q2_K = 10,
    BNT_Q3_K = 11,
    BNT_Q4_K = 12,
    BNT_Q5_K = 13,
    BNT_Q6_K = 14,
    BNT_Q8_K = 15,
    BNT_BF16 = 30,
    BNT_TQ1_0 = 34,
    BNT_TQ2_0 = 35,
    BNT_I2_S = 36,
    BNT_TL1 = 38,
    BNT_TL2 = 39,
    BNT_Q2_0 = 42, /* blocks of 64 */
    /* Two programs gave id 42 to blocks of different size. gguf.c tells them
     * apart by the tensors' places in the file and gives the second one this id,
     * which no file may hold. */
    BNT_Q2_0_128 = 0x10000 + 42,
};

enum bnt_type_kind {
    BNT_KIND_UNKNOWN,     /* not in our table: size unknown */
    BNT_KIND_DENSE,       /* computed with by the dense slots */
    BNT_KIND_TERNARY,     /* computed with by the ternary slots */
    BNT_KIND_UNSUPPORTED, /* size known or not, but we do not compute with it */
};

struct bnt_type_info {
    uint32_t id;
    const char *name;
    enum bnt_type_kind kind;
    uint32_t block;       /* elements per block; a row is a whole number of blocks */
    uint32_t block_bytes; /* 0: size unknown */
    uint32_t tail_bytes;  /* once per tensor after the blocks (I2_S) */
};

/* Never NULL: unknown ids give kind UNKNOWN. */
const struct bnt_type_info *bnt_type(uint32_t id);

/* Bytes of a tensor; false when the size is unknown, not whole blocks, or overflows. For I2_S the
 * group of 128 runs over the whole tensor, for all others blocks lie inside a row. */
bool bnt_type_bytes(uint32_t id, uint64_t row_len, uint64_t elements, uint64_t *bytes);

/* ---- ternary tensors ---------------------------------------------------------------------- */

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

/* Rows [lo, hi) as trits [hi - lo][cols] and, when src->block is not 0, scales
 * [hi - lo][cols / block]. A block with scale 0 has all trits 0; a block of zeros has scale 0. */
void bnt_ternary_decode(const struct bnt_ternary_src *src, uint64_t lo, uint64_t hi, int8_t *trits,
                        float *scales);

#endif
