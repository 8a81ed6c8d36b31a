/*
 * rows.h - rows of dense matrices, as the backend's kernels take them.
 *
 * A matrix that a backend packs, or uses as it lies in the file, is handed over whole. Of a type
 * that a backend does not know (its dense_layout says so), rows become binary32 when they are
 * needed, a few at a time: exact by NUMERICS clause 5, and never the whole matrix, which would take
 * seven times its room. Knows types (bitnet/dense.h) and slots, not what they compute.
 */
#ifndef BNT_RUN_ROWS_H
#define BNT_RUN_ROWS_H

#include <stdbool.h>
#include <stdint.h>

#include "bitnet/plugin.h"
#include "run/weights.h"

/* A row of a dense matrix, as dense kernels take it. */
struct bnt_weight_row {
    bnt_dense_shape shape;
    const void *w;
    uint64_t at; /* of this row */
};

/* True when a backend does not know a dense type, whose rows then become binary32 for it. */
bool bnt_rows_expand(const bnt_kernels *k, uint32_t type);

/* Decides how a backend takes the rows of w, whose dshape has the file's type: fills in dshape,
 * layout, expands, row_room. False when there is no way. */
bool bnt_rows_lay_out(struct bnt_weight *w, const bnt_kernels *k, bnt_layout *layout);

/* For rows that are needed now and then. One that lies in the file is copied to `room`
 * (w->row_room bytes, aligned to 64): touched there, it would make megabytes around it resident. */
struct bnt_weight_row bnt_weight_row(const struct bnt_weight *w, uint64_t row, void *room);

/* Rows [lo, hi) as binary32, [hi - lo][cols]: what dense_unpack does, for all types. */
void bnt_rows_unpack(const struct bnt_weight *w, const bnt_kernels *k, uint64_t lo, uint64_t hi,
                     float *out);

/* Floats of scratch that a thread needs for bnt_rows_product with any of n matrices; 0: none. */
uint64_t bnt_rows_scratch(const struct bnt_weight *w, uint32_t n);

/* dense_gemm of rows [a->row_lo, a->row_hi) of w, for a->tok_lo to a->tok_hi; a->shape and a->w are
 * filled in here. Returns how often the slot was called. */
uint64_t bnt_rows_product(const struct bnt_weight *w, const bnt_kernels *k, bnt_dense_gemm_args a,
                          float *scratch);

#endif
