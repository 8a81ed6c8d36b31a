/*
 * weights.c - see weights.h.
 *
 * The one idea: every thread packs the rows it will later compute, chunk by chunk through a small
 * buffer of trits, so loading is parallel, needs little memory, and puts pages near their thread.
 */
#include "run/weights.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

enum { TRIT_BUFFER = 1 << 19 }; /* bytes of trits per chunk and thread, at least one row */

/* ---- scanning ------------------------------------------------------------------------------- */

struct scan_job {
    struct bnt_model *m;
    struct bnt_ternary_scan *found; /* [threads][n_matrices] */
};

static void scan_slice(void *arg, unsigned i, unsigned n) {
    struct scan_job *job = arg;
    for (uint32_t k = 0; k < job->m->n_matrices; k++) {
        const struct bnt_matrix *mat = &job->m->matrices[k];
        uint64_t lo, hi;
        if (!mat->ternary) continue;
        bnt_slice(mat->rows, 1, i, n, &lo, &hi);
        bnt_ternary_scan_rows(&mat->src, lo, hi, &job->found[(size_t)i * job->m->n_matrices + k]);
    }
}

int bnt_weights_scan(struct bnt_model *m, struct bnt_pool *pool, struct bnt_err *err) {
    unsigned n = bnt_pool_threads(pool);
    struct scan_job job = {m, calloc((size_t)n * m->n_matrices, sizeof *job.found)};
    int status = BNT_OK;
    if (!job.found) return bnt_fail_nomem(err, "the weight scan", n * m->n_matrices);
    bnt_pool_run(pool, scan_slice, &job);
    for (uint32_t k = 0; k < m->n_matrices && status == BNT_OK; k++) {
        struct bnt_matrix *mat = &m->matrices[k];
        struct bnt_ternary_scan all = {0};
        if (!mat->ternary) continue;
        for (unsigned i = 0; i < n; i++)
            bnt_ternary_scan_join(&all, &job.found[(size_t)i * m->n_matrices + k]);
        status = bnt_ternary_scan_finish(&mat->src, &all, mat->name, err);
        if (status == BNT_OK && mat->src.block && mat->extra_scale != 1.0f)
            status = bnt_fail(err, BNT_E_UNSUPPORTED,
                              "tensor '%s' has block scales and a .scale tensor", mat->name);
    }
    free(job.found);
    return status;
}

/* ---- packing -------------------------------------------------------------------------------- */

struct pack_job {
    const struct bnt_model *m;
    const bnt_kernels *k;
    struct bnt_weights *out;
    struct bnt_progress progress;
    uint64_t total; /* source bytes to pack */
    struct {
        int8_t *trits;
        float *scales;
    } * scratch; /* [threads] */
};

/* Rows per chunk: what fits the buffer, a multiple of step where that is possible. */
static uint64_t chunk_rows(uint64_t cols, uint32_t step) {
    uint64_t rows = TRIT_BUFFER / cols;
    if (rows > step) rows -= rows % step;
    return rows ? rows : 1;
}

static void pack_ternary(struct pack_job *job, const struct bnt_matrix *mat,
                         const struct bnt_weight *w, unsigned i, unsigned n) {
    uint64_t lo, hi, chunk = chunk_rows(mat->cols, w->step);
    bnt_slice(mat->rows, w->step, i, n, &lo, &hi);
    for (uint64_t r = lo; r < hi; r += chunk) {
        uint64_t end = r + chunk < hi ? r + chunk : hi;
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

static void pack_dense(struct pack_job *job, const struct bnt_matrix *mat,
                       const struct bnt_weight *w, unsigned i, unsigned n) {
    uint64_t lo, hi;
    bnt_slice(mat->rows, w->step, i, n, &lo, &hi);
    job->k->dense_pack(&(bnt_dense_pack_args){.shape = w->dshape,
                                              .row_lo = lo,
                                              .row_hi = hi,
                                              .src = mat->data,
                                              .packed = (void *)(uintptr_t)w->w});
}

static void pack_slice(void *arg, unsigned i, unsigned n) {
    struct pack_job *job = arg;
    uint64_t done = 0;
    for (uint32_t k = 0; k < job->m->n_matrices; k++) {
        const struct bnt_matrix *mat = &job->m->matrices[k];
        const struct bnt_weight *w = &job->out->w[k];
        if (w->w == mat->data) continue; /* in place */
        if (mat->ternary)
            pack_ternary(job, mat, w, i, n);
        else
            pack_dense(job, mat, w, i, n);
        done += mat->bytes;
        if (i == 0 && job->progress.fn) job->progress.fn(job->progress.arg, done, job->total);
    }
}

/* Asks the backend for each matrix's layout and adds up the arena. offsets[k] is UINT64_MAX for
 * matrices used in place. */
static int lay_out(struct pack_job *job, uint64_t *offsets, uint64_t *arena, struct bnt_err *err) {
    for (uint32_t k = 0; k < job->m->n_matrices; k++) {
        const struct bnt_matrix *mat = &job->m->matrices[k];
        struct bnt_weight *w = &job->out->w[k];
        bnt_layout layout = {0};
        int32_t answer;
        w->ternary = mat->ternary;
        if (mat->ternary) {
            /* block scales are binary16 in every file format that has them */
            w->tshape = (bnt_ternary_shape){mat->rows, mat->cols, mat->src.block,
                                            mat->src.block ? BNT_TYPE_F16 : BNT_TYPE_F32};
            w->scale = mat->src.scale * mat->extra_scale;
            answer = job->k->ternary_layout(&w->tshape, &layout);
        } else {
            w->dshape = (bnt_dense_shape){mat->rows, mat->cols, mat->dense_type, 0};
            answer = job->k->dense_layout(&w->dshape, &layout);
        }
        if (answer != BNT_SUPPORTED)
            return bnt_fail(
                err, BNT_E_BACKEND,
                "the backend cannot hold tensor '%s' (%s, %llu x %llu, block %u)", mat->name,
                bnt_type(mat->ternary ? mat->src.type : mat->dense_type)->name,
                (unsigned long long)mat->cols, (unsigned long long)mat->rows, mat->src.block);
        w->step = layout.step ? layout.step : 1;
        offsets[k] = UINT64_MAX;
        w->bytes = layout.bytes ? layout.bytes : mat->bytes;
        if (layout.bytes == 0 && !mat->ternary) {
            w->w = mat->data;
            continue;
        }
        uint64_t align = layout.align > 64 ? layout.align : 64;
        if (!bnt_align_u64(*arena, align, &offsets[k]) ||
            !bnt_add_u64(offsets[k], layout.bytes, arena))
            return bnt_fail(err, BNT_E_LIMIT, "the packed weights do not fit into 64 bits");
        job->total += mat->bytes;
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
                     struct bnt_pool *pool, struct bnt_progress progress, struct bnt_err *err) {
    unsigned n = bnt_pool_threads(pool);
    struct pack_job job = {.m = m, .k = k, .out = out, .progress = progress};
    uint64_t arena = 0, *offsets = calloc(m->n_matrices, sizeof *offsets);
    int status;
    *out = (struct bnt_weights){.w = calloc(m->n_matrices, sizeof *out->w)};
    if (!out->w || !offsets) {
        status = bnt_fail_nomem(err, "the weights' directory", m->n_matrices * sizeof *out->w);
        goto out;
    }
    if ((status = lay_out(&job, offsets, &arena, err)) != BNT_OK) goto out;
    if ((status = alloc_scratch(&job, n, err)) != BNT_OK) goto out;
    if ((status = bnt_mem_alloc(&out->arena, arena, "packed weights", err)) != BNT_OK) goto out;
    for (uint32_t i = 0; i < m->n_matrices; i++) {
        if (offsets[i] != UINT64_MAX) out->w[i].w = (uint8_t *)out->arena.ptr + offsets[i];
    }
    bnt_pool_run(pool, pack_slice, &job);
    for (uint32_t i = 0; i < m->n_matrices; i++) {
        if (offsets[i] != UINT64_MAX)
            bnt_mem_drop_file_pages(m->matrices[i].data, m->matrices[i].bytes);
    }
out:
    for (unsigned i = 0; job.scratch && i < n; i++) {
        free(job.scratch[i].trits);
        free(job.scratch[i].scales);
    }
    free(job.scratch);
    free(offsets);
    if (status != BNT_OK) bnt_weights_free(out);
    return status;
}

void bnt_weights_free(struct bnt_weights *weights) {
    free(weights->w);
    bnt_mem_free(&weights->arena);
    *weights = (struct bnt_weights){0};
}
