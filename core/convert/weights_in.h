/*
 * weights_in.h - a checkpoint's weights in each of the forms that ternary models have, as tensors
 * of the file that is made.
 *
 * Forms: packed codes with one scale, floats that are ternary already, master weights that are to
 * be rounded by their mean magnitude; and ordinary floats. Must not know architectures: what a
 * tensor is called, and whether its rows are permuted, the caller says.
 */
#ifndef BNT_CONVERT_WEIGHTS_IN_H
#define BNT_CONVERT_WEIGHTS_IN_H

#include "convert/safetensors.h"
#include "convert/write.h"

enum bnt_form {
    BNT_FORM_PACKED,  /* U8 [rows / 4][cols]: bits 2 k of byte [r][c] are row r + k rows / 4 */
    BNT_FORM_TERNARY, /* floats, of which each block has only -s, 0 and s */
    BNT_FORM_MASTER,  /* floats W: clamp(rint(W / mean|W|), -1, 1), scale mean|W| */
    BNT_FORM_DENSE,
};

struct bnt_weights_in {
    const struct bnt_st_tensor *tensor;
    enum bnt_form form;
    float scale;    /* packed, master: of the whole tensor */
    uint32_t heads; /* rows are permuted from [heads][2][d / 2] to [heads][d / 2][2]; 0: not */
    uint64_t rows, cols;
};

/* A matrix of a ternary type. */
int bnt_weights_ternary(struct bnt_tensor_out *out, struct bnt_weights_in *in, const char *name,
                        const struct bnt_trits_type *type, struct bnt_err *err);
/* A dense matrix or (cols only) a vector. */
int bnt_weights_dense(struct bnt_tensor_out *out, struct bnt_weights_in *in, const char *name,
                      uint32_t type, struct bnt_err *err);

/* Sets `scale` of each master tensor of ins[0 .. n), by all threads: the mean magnitude, at least
 * 1e-5. The sum is made in binary64: of a row, element i goes to sum i mod 8 and those are added as
 * ((0+1)+(2+3))+((4+5)+(6+7)); then rows in their order. */
int bnt_weights_means(struct bnt_weights_in *ins, size_t n, struct bnt_pool *pool,
                      struct bnt_err *err);

/* Bytes that give the scale of the first weight that is not zero, of ternary floats; 0 if none is.
 */
float bnt_weights_first_scale(const struct bnt_st_tensor *t);

#endif
