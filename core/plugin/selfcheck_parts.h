/*
 * selfcheck_parts.h - what the parts of the self-check share: memory with canaries, test values,
 * and the comparison that explains. Private to core/plugin/selfcheck*.c.
 *
 * The one idea: plugin and judge get equal output buffers, filled with a pattern no kernel
 * computes, and work on the same slice; then the whole buffers are compared. What was dropped still
 * holds the pattern, and what was written outside the slice no longer does.
 */
#ifndef BNT_PLUGIN_SELFCHECK_PARTS_H
#define BNT_PLUGIN_SELFCHECK_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "bitnet/plugin.h"
#include "plugin/selfcheck.h"

#define CHECK_BLOCKS 48 /* buffers of one case */

struct check_block {
    unsigned char *at;
    size_t size;
};

struct check {
    const bnt_kernels *k, *judge;
    const struct bnt_selfcheck_options *options;
    const struct bnt_shapes *shapes; /* never NULL */
    const char *group;               /* "ternary" */
    struct bnt_err *err;
    char where[160]; /* shape and values of the case, for the message */
    unsigned char *arena;
    size_t arena_size, used;
    struct check_block blocks[CHECK_BLOCKS];
    unsigned count;
    uint64_t seed;
};

/* Edge values first; RANDOM last. */
enum check_values {
    CHECK_ONES,      /* all +1 */
    CHECK_MINUS,     /* all -1 */
    CHECK_SPIKE,     /* one large value among tiny ones, at the end */
    CHECK_TIES,      /* halves, with an absolute maximum of 127: ties when quantized */
    CHECK_DENORMALS, /* and +-0 */
    CHECK_ZEROS,     /* +0 and -0 */
    CHECK_BIG,       /* up to 1e30 */
    CHECK_RANDOM,
    CHECK_KINDS
};
extern const char *const check_value_names[CHECK_KINDS];

/* A case: forget the buffers of the one before; format says what it is. */
__attribute__((format(printf, 2, 3))) void check_begin(struct check *c, const char *format, ...);
/* Checks the canaries of all its buffers. `slot` was called last. */
int check_end(struct check *c, const char *slot);

/* A buffer of the case filled with bytes `fill`, aligned to `align`, canaries on both sides; NULL
 * (and *c->err filled) when a layout asks for more than any sane one would. */
void *check_take(struct check *c, uint64_t bytes, uint32_t align, int fill);
#define CHECK_FILL 0xff /* as binary32: a NaN no kernel produces */

uint64_t check_random(struct check *c);
void check_floats(struct check *c, float *x, size_t n, enum check_values kind);

/* BNT_OK, or BNT_E_MISMATCH naming the first element [i / ld][i % ld] that differs. */
int check_f32(struct check *c, const char *slot, const float *got, const float *want, size_t n,
              size_t ld);
int check_i8(struct check *c, const char *slot, const int8_t *got, const int8_t *want, size_t n,
             size_t ld);
int check_fail(struct check *c, const char *slot, const char *what);

/* BNT_OK, or BNT_E_MISMATCH when the layout is below the information content. */
int check_layout(struct check *c, const char *slot, const bnt_layout *l, uint64_t cells,
                 uint32_t milli_bits, uint64_t more);

int check_ternary(struct check *c);
int check_real(struct check *c); /* the model's own ternary shapes */
int check_dense(struct check *c);
int check_vector(struct check *c);
int check_attention(struct check *c);
int check_search(struct check *c);
int check_measure(struct check *c);
int check_gelu(struct check *c);
int check_window(struct check *c);
int check_codes(struct check *c);

#endif
