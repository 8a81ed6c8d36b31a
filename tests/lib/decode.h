/*
 * decode.h - the reference's own reading of tensors: any supported type to doubles.
 *
 * Written from the formats' published facts, one value at a time. Must share no code with the
 * engine's decoders nor with encode.h: where one of the three is wrong, the others say so.
 */
#ifndef TEST_DECODE_H
#define TEST_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

double dec_f16(uint16_t h);
double dec_round_f16(double x); /* to the nearest binary16 value, ties to even */

/* A tensor as values, or as trits and scales when it is ternary: in the canonical form of
 * docs/FORMATS.md. */
struct dec_tensor {
    size_t n;
    double *value; /* [n]; NULL when ternary */
    int8_t *trit;  /* [n]; NULL when not */
    size_t block;  /* trits per scale; n when one scale serves the tensor */
    double *scale; /* [n / block] */
};

/* n elements in rows of cols. False when the type id is not known here. */
bool dec_open(struct dec_tensor *t, uint32_t type, const uint8_t *data, size_t n, size_t cols);
void dec_close(struct dec_tensor *t);

#endif
