/*
 * kv.c - see kv.h.
 *
 * The one idea: a backend's layout has a place for each position from the start, so the whole cache
 * is address space, and the system gives a page when a position in it is first stored.
 */
#include "run/kv.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/checked.h"

int bnt_kv_open(struct bnt_kv *out, const struct bnt_model *m, const bnt_kernels *k, uint64_t n_ctx,
                struct bnt_err *err) {
    bnt_layout layout = {0};
    uint64_t bytes;
    *out = (struct bnt_kv){
        .k = k, .shape = {n_ctx, m->hp.n_head_kv, m->hp.head_dim}, .n_layer = m->hp.n_layer};
    if (k->kv_layout(&out->shape, &layout) != BNT_SUPPORTED)
        return bnt_fail(err, BNT_E_BACKEND, "the backend cannot hold a KV cache of %u x %u values",
                        out->shape.heads, out->shape.head_dim);
    if (!bnt_align_u64(layout.bytes, layout.align > 128 ? layout.align : 128, &out->layer_bytes) ||
        !bnt_mul_u64(out->layer_bytes, out->n_layer, &bytes))
        return bnt_fail(err, BNT_E_LIMIT, "a context of %llu tokens does not fit into 64 bits",
                        (unsigned long long)n_ctx);
    bnt_kv_changes(out);
    return bnt_mem_reserve(&out->memory, bytes, "the KV cache", err);
}

void bnt_kv_close(struct bnt_kv *kv) {
    bnt_mem_free(&kv->memory);
    *kv = (struct bnt_kv){0};
}

void bnt_kv_changes(struct bnt_kv *kv) {
    static _Atomic uint64_t stamps = 1;
    kv->stamp = atomic_fetch_add_explicit(&stamps, 1, memory_order_relaxed);
}

void bnt_kv_forget(struct bnt_kv *kv) {
    bnt_kv_changes(kv);
    bnt_mem_forget(&kv->memory);
}

void bnt_kv_read(const struct bnt_kv *kv, uint32_t layer, uint64_t pos, float *k, float *v) {
    for (uint32_t h = 0; h < kv->shape.heads; h++) {
        size_t at = (size_t)h * kv->shape.head_dim;
        kv->k->kv_load(&(bnt_kv_load_args){.shape = kv->shape,
                                           .pos_lo = pos,
                                           .pos_hi = pos + 1,
                                           .head = h,
                                           .kv = bnt_kv_layer(kv, layer),
                                           .k = k + at,
                                           .v = v + at});
    }
}

void bnt_kv_write(struct bnt_kv *kv, uint32_t layer, uint64_t pos, const float *k, const float *v) {
    kv->k->kv_store(&(bnt_kv_store_args){.shape = kv->shape,
                                         .pos = pos,
                                         .tok_hi = 1,
                                         .head_hi = kv->shape.heads,
                                         .k = k,
                                         .v = v,
                                         .ldkv = (uint64_t)kv->shape.heads * kv->shape.head_dim,
                                         .kv = bnt_kv_layer(kv, layer)});
}

/* ---- copying --------------------------------------------------------------------------------- */

struct copy_job {
    struct bnt_kv *to;
    const struct bnt_kv *from;
    uint64_t lo, hi;
    float *rows; /* [threads][2][heads * head_dim] */
};

static void copy_slice(void *arg, unsigned i, unsigned n) {
    const struct copy_job *job = arg;
    uint64_t width = (uint64_t)job->to->shape.heads * job->to->shape.head_dim;
    float *k = job->rows + i * 2 * width, *v = k + width;
    uint64_t first, last, count = job->hi - job->lo;
    bnt_slice(job->to->n_layer * count, 1, i, n, &first, &last);
    for (uint64_t item = first; item < last; item++) {
        uint32_t layer = (uint32_t)(item / count);
        uint64_t pos = job->lo + item % count;
        bnt_kv_read(job->from, layer, pos, k, v);
        bnt_kv_write(job->to, layer, pos, k, v);
    }
}

int bnt_kv_copy(struct bnt_kv *to, const struct bnt_kv *from, uint64_t lo, uint64_t hi,
                struct bnt_pool *pool, struct bnt_err *err) {
    struct copy_job job = {.to = to, .from = from, .lo = lo, .hi = hi};
    size_t row = 2 * (size_t)to->shape.heads * to->shape.head_dim * sizeof(float);
    bnt_kv_changes(to);
    if (lo >= hi) return BNT_OK;
    job.rows = malloc(bnt_pool_threads(pool) * row);
    if (!job.rows) return bnt_fail_nomem(err, "copying the KV cache", row);
    bnt_pool_run(pool, copy_slice, &job);
    free(job.rows);
    return BNT_OK;
}
