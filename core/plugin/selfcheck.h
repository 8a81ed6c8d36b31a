/*
 * selfcheck.h - a few milliseconds of worst cases against ref-scalar, before a plugin is used.
 *
 * Edge vectors and ragged shapes through every group, and a few rows of each shape that the model
 * at hand has, compared by memcmp. It is the door, not the proof: the kernel checker in tests/ is
 * the proof.
 */
#ifndef BNT_PLUGIN_SELFCHECK_H
#define BNT_PLUGIN_SELFCHECK_H

#include "base/err.h"
#include "bitnet/plugin.h"

enum { BNT_SHAPES_MOST = 16 };

/* What a model will ask of a backend. Zero-initialised: nothing is known. */
struct bnt_shapes {
    bnt_ternary_shape ternary[BNT_SHAPES_MOST]; /* scale_type F16 with blocks, else F32 */
    bnt_dense_shape dense[BNT_SHAPES_MOST];
    uint32_t n_ternary, n_dense;
    uint32_t heads, kv_heads, head_dim;
};
/* Adds a shape that is not there yet; beyond BNT_SHAPES_MOST it is left out. */
void bnt_shapes_ternary(struct bnt_shapes *s, uint64_t rows, uint64_t cols, uint32_t block);
void bnt_shapes_dense(struct bnt_shapes *s, uint64_t rows, uint64_t cols, uint32_t type);

struct bnt_selfcheck_options {
    const struct bnt_shapes *shapes; /* may be NULL */
    const bnt_kernels *known; /* a table that passed: its groups are not tried again; may be NULL */
    /* Called before each case, with words for what is about to be tried; may be NULL. */
    void (*step)(void *arg, const char *what);
    void *arg;
};

/* 0, or BNT_E_MISMATCH with the slot, shape and first difference; BNT_E_NOMEM. `o` may be NULL. */
int bnt_selfcheck(const bnt_kernels *k, const bnt_kernels *judge,
                  const struct bnt_selfcheck_options *o, struct bnt_err *err);

/* Why a layout cannot hold what it must, since it has fewer bytes than the values have information;
 * NULL when it can. `cells` values of `milli_bits` / 1000 bits each, and `more` bytes. */
const char *bnt_layout_too_small(const bnt_layout *l, uint64_t cells, uint32_t milli_bits,
                                 uint64_t more);
/* Thousandths of log2(3), log2(255), and of binary16: an infinity and NaNs are not worth a bit. */
enum { BNT_TRIT_BITS = 1584, BNT_INT8_BITS = 7994, BNT_HALF_BITS = 15900 };

#endif
