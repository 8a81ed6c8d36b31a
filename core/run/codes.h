/*
 * codes.h - a vector as codes of seven bits, of which the first five alone say nearly the same;
 * with bounds of what is left out.
 *
 * v is about s (c - 63.5). The code c comes in parts, the highest bits first; after each part the
 * bits not yet seen count as their middle. Bounds are rigorous: rounded up, generously. Must not
 * know what the vectors are.
 */
#ifndef BNT_RUN_CODES_H
#define BNT_RUN_CODES_H

#include <stdint.h>

enum { BNT_CODE_PARTS = 2 };
/* Of five and of two bits: bits, what a step counts in c, and the middle of its codes. */
struct bnt_code_part {
    uint32_t bits;
    float unit, middle;
};
extern const struct bnt_code_part bnt_code_parts[BNT_CODE_PARTS];

/* Finite v [n] to codes of each part, [n] each, and error[part]: an upper bound of the norm of what
 * that part and those before it leave out; `norm` is one of v itself. Returns s. */
float bnt_code_split(const float *v, uint64_t n, float norm, uint8_t *const codes[BNT_CODE_PARTS],
                     float error[BNT_CODE_PARTS]);

#endif
