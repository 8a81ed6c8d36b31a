/*
 * trits_out.h - the writing side of ternary types: rows of trits and scales to a file's bytes.
 *
 * Knows the layouts of docs/FORMATS.md; must not know where trits come from. The readers are
 * file/trits.c and file/i2s.c. A type that cannot hold the scales is refused, never rounded unless
 * that is asked for.
 */
#ifndef BNT_CONVERT_TRITS_OUT_H
#define BNT_CONVERT_TRITS_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "file/ternary.h"
#include "file/types.h"

/* A type that is written; of I2_S, in one of its layouts. */
struct bnt_trits_type {
    uint32_t id;
    enum bnt_i2s_layout layout;
};

/* Their names, of any case; "I2_S/a" is "I2_S", too. Others: BNT_E_USAGE with the list. */
#define BNT_TRITS_TYPES "I2_S, I2_S/b, I2_S/c, TQ1_0, TQ2_0, Q2_0, Q2_0/128, PQ2_0"
int bnt_trits_type_named(struct bnt_trits_type *type, const char *name, struct bnt_err *err);
/* "I2_S/b" */
const char *bnt_trits_type_name(const struct bnt_trits_type *type);

/* What general.file_type says of such a file; 0: programs do not agree on a number. */
uint32_t bnt_trits_file_type(const struct bnt_trits_type *type);

/* Whether a tensor's shape is one that the type can have; err says why not. */
int bnt_trits_fit(const struct bnt_trits_type *type, const char *tensor, uint64_t rows,
                  uint64_t cols, struct bnt_err *err);
/* Slices of rows must begin at a multiple of this, so that they are whole bytes. */
uint64_t bnt_trits_step(const struct bnt_trits_type *type, uint64_t cols);
/* Where row r begins in the tensor's bytes, r a multiple of the step. */
uint64_t bnt_trits_row_at(const struct bnt_trits_type *type, uint64_t cols, uint64_t r);

/* Rows [lo, lo + rows) of a tensor, canonical (file/ternary.h): a run of zeros has scale 0. */
struct bnt_trits_rows {
    const char *tensor; /* its name, for messages */
    const int8_t *trits;
    const float *scales; /* [rows][cols / block] when block is not 0 */
    uint32_t block;      /* 0: `scale` serves the whole tensor */
    float scale;
    uint64_t lo, rows, cols;
};

/* What rounding of scales did: the largest relative error. */
struct bnt_trits_rounding {
    bool allowed;
    double worst;
};

/* Writes them. BNT_E_UNSUPPORTED, with the numbers, when one block of the type would need two
 * scales, or when a scale is no binary16 value and rounding is not allowed. Of I2_S, the codes
 * only. */
int bnt_trits_write(const struct bnt_trits_type *type, const struct bnt_trits_rows *rows,
                    struct bnt_trits_rounding *rounding, uint8_t *out, struct bnt_err *err);
/* Once behind I2_S's codes: the scale and zeros, 32 bytes. */
void bnt_trits_write_tail(float scale, uint8_t out[32]);

#endif
