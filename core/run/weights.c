/*
 * weights.c - see weights.h.
 *
 * The one idea: rows go from the file to their packed place in pieces that stay in a core's cache,
 * shared out among all threads, and a piece's source pages are given back as soon as it is packed:
 * loading needs hardly more memory than what it leaves behind.
 */
#include "run/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "machine/share.h"
#include "model/i2s_layout.h"
#include "run/rows.h"

enum {
    TRIT_BUFFER = 1 << 19, /* bytes of trits at a time and thread, at least one row */
    PIECE = 1 << 20,       /* bytes of the file that a thread takes at a time */
};

/* Rows that make up a piece, a multiple of `step` where that is possible. */
static uint64_t piece_rows(const struct bnt_matrix *m, uint64_t step) {
    uint64_t rows = m->bytes ? PIECE / (m->bytes / m->rows + 1) : 1;
    if (rows > step) rows -= rows % step;
    return rows ? rows : 1;
}

static uint64_t row_bytes(const struct bnt_matrix *m, uint64_t rows) {
    return m->bytes / m->rows * rows;
}

void bnt_loading_did(struct bnt_loading *l, unsigned i, uint64_t bytes) {
    uint64_t done = atomic_fetch_add_explicit(&l->done, bytes, memory_order_relaxed) + bytes;
    if (i == 0 && l->progress) l->progress(l->progress_arg, done, l->total);
    if (i == 0 && l->cancelled && l->cancelled(l->cancelled_arg))
        atomic_store_explicit(&l->stop, true, memory_order_relaxed);
}

int bnt_loading_verdict(struct bnt_loading *l, struct bnt_err *err) {
    return bnt_loading_stopped(l) ? bnt_fail(err, BNT_E_INTERRUPTED, "interrupted") : BNT_OK;
}

/* ---- scanning ------------------------------------------------------------------------------- */

/* The rows of each matrix are shared out, and after them the layers as rows of one more item: of
 * each is told which layout its I2_S codes are in. */
struct scan_job {
    struct bnt_model *m;
    struct bnt_loading *loading;
    struct bnt_ternary_scan *found; /* [threads][n_matrices] */
    struct bnt_i2s_layer *layers;   /* [n_layer] */
    int *statuses;                  /* [threads] */
    struct bnt_share share;
};

static void give_back(const struct bnt_model *m, const struct bnt_layer *l) {
    const uint32_t all[] = {l->wq, l->wk, l->wv, l->wo, l->gate, l->up, l->down};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        bnt_gguf_release(m->gguf, m->matrices[all[i]].data, m->matrices[all[i]].bytes);
}

static void scan_slice(void *arg, unsigned i, unsigned n) {
    struct scan_job *job = arg;
    struct bnt_share_rows at = {0};
    while (!bnt_loading_stopped(job->loading) && bnt_share_next(&job->share, i, n, &at)) {
        if (at.item == job->m->n_matrices) {
            for (uint64_t k = at.lo; k < at.hi && job->statuses[i] == BNT_OK; k++) {
                job->statuses[i] = bnt_i2s_look(job->m, (uint32_t)k, &job->layers[k], NULL);
                if (job->loading->frugal) give_back(job->m, &job->m->layers[k]);
            }
            continue;
        }
        const struct bnt_matrix *mat = &job->m->matrices[at.item];
        bnt_ternary_scan_rows(&mat->src, at.lo, at.hi,
                              &job->found[(size_t)i * job->m->n_matrices + at.item]);
        if (job->loading->frugal)
            bnt_gguf_release(job->m->gguf, mat->data + row_bytes(mat, at.lo),
                             row_bytes(mat, at.hi - at.lo));
        bnt_loading_did(job->loading, i, row_bytes(mat, at.hi - at.lo));
    }
}

/* What all threads found in matrix k. */
static int finish_scan(const struct scan_job *job, unsigned n, uint32_t k, struct bnt_err *err) {
    struct bnt_matrix *mat = &job->m->matrices[k];
    struct bnt_ternary_scan all = {0};
    for (unsigned i = 0; i < n; i++)
        bnt_ternary_scan_join(&all, &job->found[(size_t)i * job->m->n_matrices + k]);
    int status = bnt_ternary_scan_finish(&mat->src, &all, mat->name, err);
    if (status == BNT_OK && mat->src.block && mat->extra_scale != 1.0f)
        status = bnt_fail(err, BNT_E_UNSUPPORTED,
                          "tensor '%s' has block scales and a .scale tensor", mat->name);
    return status;
}

int bnt_weights_scan(struct bnt_model *m, const char *i2s_layout, struct bnt_loading *loading,
                     struct bnt_err *err) {
    unsigned n = bnt_pool_threads(loading->pool);
    struct bnt_share_item *items = calloc(m->n_matrices + 1, sizeof *items);
    struct scan_job job = {.m = m,
                           .loading = loading,
                           .found = calloc((size_t)n * m->n_matrices, sizeof *job.found),
                           .layers = calloc(m->hp.n_layer, sizeof *job.layers),
                           .statuses = calloc(n, sizeof *job.statuses),
                           .share = {.items = items, .count = m->n_matrices + 1}};
    int status = BNT_OK;
    if (!job.found || !job.layers || !job.statuses || !items) {
        status = bnt_fail_nomem(err, "the weight scan", n * m->n_matrices * sizeof *job.found);
        goto out;
    }
    for (uint32_t k = 0; k < m->n_matrices; k++) {
        const struct bnt_matrix *mat = &m->matrices[k];
        if (mat->ternary) items[k] = (struct bnt_share_item){mat->rows, 1, piece_rows(mat, 1)};
    }
    items[m->n_matrices] = (struct bnt_share_item){m->hp.n_layer, 1, 1};
    bnt_pool_run(loading->pool, scan_slice, &job);
    status = bnt_loading_verdict(loading, err);
    for (unsigned i = 0; i < n && status == BNT_OK; i++) {
        if (job.statuses[i] != BNT_OK)
            status = bnt_fail_nomem(err, "looking for the I2_S layout", 0);
    }
    for (uint32_t k = 0; k < m->n_matrices && status == BNT_OK; k++) {
        if (m->matrices[k].ternary) status = finish_scan(&job, n, k, err);
    }
    if (status == BNT_OK) status = bnt_i2s_settle(m, job.layers, i2s_layout, err);
out:
    free(job.found);
    free(job.layers);
    free(job.statuses);
    free(items);
    return status;
}

/* ---- packing -------------------------------------------------------------------------------- */

struct pack_job {
    const struct bnt_model *m;
    const bnt_kernels *k;
    struct bnt_weights *out;
    struct bnt_loading *loading;
    struct bnt_share share;
    struct {
        int8_t *trits;
        float *scales;
    } * scratch; /* [threads] */
};

static void pack_ternary(struct pack_job *job, const struct bnt_matrix *mat,
                         const struct bnt_weight *w, uint64_t lo, uint64_t hi, unsigned i) {
    uint64_t most = TRIT_BUFFER / mat->cols;
    if (most > w->step) most -= most % w->step;
    if (most == 0) most = 1;
    for (uint64_t r = lo; r < hi; r += most) {
        uint64_t end = hi - r < most ? hi : r + most;
        float *scales = mat->src.block ? job->scratch[i].scales : NULL;
        bnt_ternary_decode(&mat->src, r, end, job->scratch[i].trits, scales);
        job->k->ternary_pack(&(bnt_ternary_pack_args){.shape = w->tshape,
                                                      .row_lo = r,
                                                      .row_hi = end,
                                                      .trits = job->scratch[i].trits,
                                                      .scales = scales,
                                                      .packed = (void *)(uintptr_t)w->w});
    }
}

static void pack_slice(void *arg, unsigned i, unsigned n) {
    struct pack_job *job = arg;
    struct bnt_share_rows at = {0};
    while (!bnt_loading_stopped(job->loading) && bnt_share_next(&job->share, i, n, &at)) {
        const struct bnt_matrix *mat = &job->m->matrices[at.item];
        const struct bnt_weight *w = &job->out->w[at.item];
        uint64_t bytes = row_bytes(mat, at.hi - at.lo);
        if (mat->ternary)
            pack_ternary(job, mat, w, at.lo, at.hi, i);
        else
            job->k->dense_pack(&(bnt_dense_pack_args){.shape = w->dshape,
                                                      .row_lo = at.lo,
                                                      .row_hi = at.hi,
                                                      .src = mat->data,
                                                      .packed = (void *)(uintptr_t)w->w});
        bnt_gguf_release(job->m->gguf, mat->data + row_bytes(mat, at.lo), bytes);
        bnt_loading_did(job->loading, i, bytes);
    }
}

/* Asks the backend for each matrix's layout, adds up the arena and fills items[] for what is to be
 * packed; offsets[k] is for those. */
static int lay_out(struct pack_job *job, struct bnt_share_item *items, uint64_t *offsets,
                   uint64_t *arena, struct bnt_err *err) {
    for (uint32_t k = 0; k < job->m->n_matrices; k++) {
        const struct bnt_matrix *mat = &job->m->matrices[k];
        struct bnt_weight *w = &job->out->w[k];
        bnt_layout layout = {0};
        bool can;
        w->ternary = mat->ternary;
        if (mat->ternary) {
            bool halves = mat->src.block && bnt_ternary_f16_scales(&mat->src);
            w->tshape = (bnt_ternary_shape){mat->rows, mat->cols, mat->src.block,
                                            halves ? BNT_TYPE_F16 : BNT_TYPE_F32};
            w->scale = mat->src.scale * mat->extra_scale;
            can = job->k->ternary_layout(&w->tshape, &layout) == BNT_SUPPORTED;
        } else {
            w->dshape = (bnt_dense_shape){mat->rows, mat->cols, mat->dense_type, 0};
            w->bytes = mat->bytes;
            can = bnt_rows_lay_out(w, job->k, &layout);
        }
        if (!can)
            return bnt_fail(
                err, BNT_E_BACKEND,
                "the backend cannot hold tensor '%s' (%s, %llu x %llu, block %u)", mat->name,
                bnt_type(mat->ternary ? mat->src.type : mat->dense_type)->name,
                (unsigned long long)mat->cols, (unsigned long long)mat->rows, mat->src.block);
        w->step = layout.step ? layout.step : 1;
        w->bytes = layout.bytes ? layout.bytes : mat->bytes;
        if (layout.bytes == 0 && !mat->ternary) {
            w->w = mat->data;
            w->file = job->m->gguf;
            continue;
        }
        uint64_t align = layout.align > 64 ? layout.align : 64;
        if (!bnt_align_u64(*arena, align, &offsets[k]) ||
            !bnt_add_u64(offsets[k], layout.bytes, arena))
            return bnt_fail(err, BNT_E_LIMIT, "the packed weights do not fit into 64 bits");
        items[k] = (struct bnt_share_item){mat->rows, w->step, piece_rows(mat, w->step)};
    }
    return BNT_OK;
}

static int alloc_scratch(struct pack_job *job, unsigned n, struct bnt_err *err) {
    uint64_t trits = TRIT_BUFFER, scales = 0;
    for (uint32_t k = 0; k < job->m->n_matrices; k++) {
        const struct bnt_matrix *mat = &job->m->matrices[k];
        if (!mat->ternary) continue;
        if (mat->cols > trits) trits = mat->cols;
        if (mat->src.block && trits / mat->src.block >= scales) /* the smallest block counts */
            scales = trits / mat->src.block + 1;
    }
    job->scratch = calloc(n, sizeof *job->scratch);
    if (!job->scratch) return bnt_fail_nomem(err, "loading", n * sizeof *job->scratch);
    for (unsigned i = 0; i < n; i++) {
        job->scratch[i].trits = malloc(trits);
        job->scratch[i].scales = malloc((scales + 1) * sizeof(float));
        if (!job->scratch[i].trits || !job->scratch[i].scales)
            return bnt_fail_nomem(err, "loading", trits);
    }
    return BNT_OK;
}

int bnt_weights_load(struct bnt_weights *out, const struct bnt_model *m, const bnt_kernels *k,
                     struct bnt_loading *loading, struct bnt_err *err) {
    unsigned n = bnt_pool_threads(loading->pool);
    uint64_t arena = 0, *offsets = calloc(m->n_matrices, sizeof *offsets);
    struct bnt_share_item *items = calloc(m->n_matrices, sizeof *items);
    struct pack_job job = {
        .m = m,
        .k = k,
        .out = out,
        .loading = loading,
        .share = {.items = items, .count = m->n_matrices, .placed = loading->placed}};
    int status;
    *out = (struct bnt_weights){.w = calloc(m->n_matrices, sizeof *out->w)};
    if (!out->w || !offsets || !items) {
        status = bnt_fail_nomem(err, "the weights' directory", m->n_matrices * sizeof *out->w);
        goto out;
    }
    if ((status = lay_out(&job, items, offsets, &arena, err)) != BNT_OK) goto out;
    if ((status = alloc_scratch(&job, n, err)) != BNT_OK) goto out;
    if ((status = bnt_mem_alloc(&out->arena, arena, "packed weights", err)) != BNT_OK) goto out;
    if (loading->placed) bnt_mem_small_pages(&out->arena);
    for (uint32_t i = 0; i < m->n_matrices; i++) {
        if (!out->w[i].file) out->w[i].w = (uint8_t *)out->arena.ptr + offsets[i];
    }
    bnt_pool_run(loading->pool, pack_slice, &job);
    status = bnt_loading_verdict(loading, err);
out:
    for (unsigned i = 0; job.scratch && i < n; i++) {
        free(job.scratch[i].trits);
        free(job.scratch[i].scales);
    }
    free(job.scratch);
    free(offsets);
    free(items);
    if (status != BNT_OK) bnt_weights_free(out);
    return status;
}

void bnt_weights_free(struct bnt_weights *weights) {
    free(weights->w);
    bnt_mem_free(&weights->arena);
    *weights = (struct bnt_weights){0};
}
