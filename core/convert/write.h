/*
 * write.h - a GGUF file made of tensors that are computed piece by piece, by all threads.
 *
 * The one idea: each tensor is a promise, a function that gives any slice of its bytes; slices do
 * not depend on each other, and each is written to its own place. So memory is a few buffers a
 * thread whatever the model's size, and the file's bytes do not depend on the threads. Must not
 * know models, nor where weights come from.
 */
#ifndef BNT_CONVERT_WRITE_H
#define BNT_CONVERT_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "convert/gguf_out.h"
#include "convert/trits_out.h"
#include "machine/pool.h"
#include "output.h"

/* A thread's own: filled by whoever needs it, grown by bnt_room, freed by bnt_write. */
struct bnt_room {
    struct bnt_room_part {
        void *at;
        size_t size;
    } parts[4];
    struct bnt_trits_rounding rounding;
};
/* At least `size` bytes as part `i` of the room; NULL without memory. What was there is lost. */
void *bnt_room(struct bnt_room *room, unsigned i, uint64_t size);

struct bnt_tensor_out;
/* Bytes of units [lo, hi) of the tensor to out. From any thread. */
typedef int bnt_fill_fn(const struct bnt_tensor_out *t, uint64_t lo, uint64_t hi, uint8_t *out,
                        struct bnt_room *room, struct bnt_err *err);

struct bnt_tensor_out {
    char name[96];
    uint32_t type; /* a row of file/types.h */
    enum bnt_i2s_layout layout;
    uint32_t n_dims;
    uint64_t dims[4];
    uint64_t units;      /* what `fill` counts: rows, or bytes */
    uint64_t unit_bytes; /* bytes of each, 0: four units, or 128 weights, have whole bytes (I2_S) */
    uint64_t chunk;      /* units that are filled at a time, a multiple of what has whole bytes */
    bnt_fill_fn *fill;
    const void *source; /* for fill */
    uint64_t index;     /* for fill */
    float scale;        /* of I2_S: stands behind the codes */
};

/* A matrix of a ternary type: name, dims, units and chunk; or why the type cannot have it. */
int bnt_tensor_out_ternary(struct bnt_tensor_out *t, const struct bnt_trits_type *type,
                           const char *name, uint64_t rows, uint64_t cols, struct bnt_err *err);

struct bnt_write {
    struct bnt_gguf_out *keys; /* with all keys, without tensors */
    const struct bnt_tensor_out *tensors;
    size_t count;
    struct bnt_pool *pool;
    bool round_scales;
    void (*progress)(void *arg, uint64_t done, uint64_t total); /* bytes; may be NULL */
    bool (*cancelled)(void *arg);                               /* may be NULL */
    void *arg;
    double worst_rounding; /* out: the largest relative error of a rounded scale */
    uint64_t bytes;        /* out: of the file */
};

/* Writes all of it to the file that `output` has begun here; the caller commits it. */
int bnt_write(struct bnt_write *w, struct bnt_output *output, struct bnt_err *err);

#endif
