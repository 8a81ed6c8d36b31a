/*
 * int8.h - a vector as int8 times a scale, with a bound of what that leaves out.
 *
 * The search of the head (search.c) is built on these bounds, so they are rigorous: rounded up,
 * generously. Must not know what the vectors are.
 */
#ifndef BNT_RUN_INT8_H
#define BNT_RUN_INT8_H

#include <stdint.h>

#define BNT_NORM_SLACK (1.0f + 0x1p-10f) /* on norms, which are computed in binary32 */

/* Finite v [n] to q = rint(v / s), |q| <= 127; v becomes the rest v - s q. Returns s. */
float bnt_int8_split(float *v, uint64_t n, int8_t *q);
/* An upper bound of the norm of v [n]; infinity when a value, or the sum, is not finite. */
float bnt_norm_above(const float *v, uint64_t n);

#endif
