/*
 * kv.h - the KV cache of one sequence: K and V of its positions, in every layer.
 *
 * Room for all positions is reserved when it is opened, and memory comes as positions are stored,
 * so an idle sequence costs next to nothing. Must not know which tokens the positions belong to or
 * how many of them count: the owner keeps the position.
 */
#ifndef BNT_RUN_KV_H
#define BNT_RUN_KV_H

#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "bitnet/plugin.h"
#include "machine/pool.h"
#include "model/model.h"

struct bnt_kv {
    const bnt_kernels *k; /* in whose layout it is */
    bnt_kv_shape shape;
    uint32_t n_layer;
    uint64_t layer_bytes;
    struct bnt_mem memory; /* [n_layer] KV objects, layer_bytes apart */
    uint64_t stamp;        /* names what it holds: another after every change, never used twice */
};

/* For n_ctx positions. */
int bnt_kv_open(struct bnt_kv *out, const struct bnt_model *m, const bnt_kernels *k, uint64_t n_ctx,
                struct bnt_err *err);
void bnt_kv_close(struct bnt_kv *kv);

/* The KV object of a layer, as kv slots take it. */
static inline void *bnt_kv_layer(const struct bnt_kv *kv, uint32_t layer) {
    return (uint8_t *)kv->memory.ptr + layer * kv->layer_bytes;
}

/* Somebody is about to change what it holds. */
void bnt_kv_changes(struct bnt_kv *kv);
/* No position counts any more: memory goes back to the system. */
void bnt_kv_forget(struct bnt_kv *kv);

/* Positions [lo, hi) of all layers as `from` has them, which may be in another backend's layout:
 * the values are binary16, so nothing is rounded. The same model; hi fits into both. The team does
 * it, and must be idle. */
int bnt_kv_copy(struct bnt_kv *to, const struct bnt_kv *from, uint64_t lo, uint64_t hi,
                struct bnt_pool *pool, struct bnt_err *err);

/* One position of one layer as binary32, [heads][head_dim] each. */
void bnt_kv_read(const struct bnt_kv *kv, uint32_t layer, uint64_t pos, float *k, float *v);
void bnt_kv_write(struct bnt_kv *kv, uint32_t layer, uint64_t pos, const float *k, const float *v);

#endif
