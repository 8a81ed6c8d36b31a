/*
 * dense_out.h - the writing side of the dense types that embeddings, heads and norms get.
 *
 * Layouts: bitnet/dense.h, whose readers give back what is written here, to the type's precision.
 */
#ifndef BNT_CONVERT_DENSE_OUT_H
#define BNT_CONVERT_DENSE_OUT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* "f16", "bf16", "f32", "q8_0", "q6_k"; or BNT_E_USAGE with the list. */
int bnt_dense_type_named(uint32_t *type, const char *name, struct bnt_err *err);

/* n values, whole blocks, to bytes of the type. `tensor` and `row` are for messages: BNT_E_FORMAT
 * when a value is not finite, BNT_E_UNSUPPORTED when it is too large for the type. */
int bnt_dense_write(uint32_t type, const float *x, uint64_t n, uint8_t *out, const char *tensor,
                    uint64_t row, struct bnt_err *err);

/* A run of BNT_DENSE_RUN values of BF16 as F16 by moving their bits, which is what nearly all of a
 * model's embedding allows: the same bytes. False, with nothing promised of out, when one of them
 * is no normal number of both types. */
enum { BNT_DENSE_RUN = 64 };
bool bnt_dense_bf16_as_f16(const uint8_t *in, uint8_t *out);

#endif
