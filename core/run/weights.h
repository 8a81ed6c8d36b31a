/*
 * weights.h - the model's matrices as a backend wants them.
 *
 * Ternary matrices are decoded from the file's format to trits and packed by the backend into one
 * arena, in the order they are used; dense ones stay in the file's mapping unless the backend packs
 * them, and their rows are taken through rows.h. Knows formats (types.h) and slots, not what they
 * compute.
 */
#ifndef BNT_RUN_WEIGHTS_H
#define BNT_RUN_WEIGHTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "bitnet/plugin.h"
#include "machine/pool.h"
#include "model/model.h"

struct bnt_weight {
    bool ternary;
    bnt_ternary_shape tshape;
    bnt_dense_shape dshape;
    float scale;                 /* ternary, one scale for the tensor: NUMERICS clause 3 */
    const void *w;               /* packed object, or the file's bytes */
    uint64_t bytes;              /* of that */
    uint32_t step;               /* rows that slices should be multiples of */
    const struct bnt_gguf *file; /* whose bytes w are; NULL: packed */
    uint64_t row_room;           /* bytes that bnt_weight_row needs, a multiple of 64; or 0 */
    uint32_t file_type;          /* dense: as the file has it; dshape.type is what kernels take */
    bool expands;                /* ... where they are not the same: rows.h */
};

struct bnt_weights {
    struct bnt_weight *w; /* one per model matrix */
    struct bnt_mem arena;
};

/* How matrices come into memory: by whom, to which place, and who is told. */
struct bnt_loading {
    struct bnt_pool *pool;
    /* Rows go to the memory of the thread that has them in bnt_slice, for a machine of several NUMA
     * nodes, where the pool's threads are bound as the sessions' will be. Otherwise any thread
     * takes any rows: faster where all memory is equally near. */
    bool placed;
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* may be NULL; by thread 0 */
    void *progress_arg;
    /* Asked by thread 0 now and then: true ends loading with BNT_E_INTERRUPTED. May be NULL. */
    bool (*cancelled)(void *arg);
    void *cancelled_arg;
    /* Pages of the file that were looked at are given back at once: for who does not load the
     * weights right after. */
    bool frugal;
    _Atomic bool stop; /* all threads leave their work where it is */
    uint64_t total;    /* bytes of the file that all steps together will read */
    _Atomic uint64_t done;
};

/* Thread i has worked through so many bytes of the file. */
void bnt_loading_did(struct bnt_loading *l, unsigned i, uint64_t bytes);
static inline bool bnt_loading_stopped(struct bnt_loading *l) {
    return atomic_load_explicit(&l->stop, memory_order_relaxed);
}
/* After the team is done: BNT_OK unless it was stopped. */
int bnt_loading_verdict(struct bnt_loading *l, struct bnt_err *err);

/* Step one, before the plan is built: finds each ternary matrix's scale or block
 * (m->matrices[i].src) and the layout of I2_S (asked as in i2s_layout.h), and refuses damaged
 * ones. */
int bnt_weights_scan(struct bnt_model *m, const char *i2s_layout, struct bnt_loading *loading,
                     struct bnt_err *err);

/* Step two: packs. Source pages of packed tensors are given back. */
int bnt_weights_load(struct bnt_weights *out, const struct bnt_model *m, const bnt_kernels *k,
                     struct bnt_loading *loading, struct bnt_err *err);
void bnt_weights_free(struct bnt_weights *weights);

#endif
