/*
 * head.c - see head.h: the int8 copy of the head.
 *
 * Each row becomes int8 times a scale, with the norm of what that leaves out; search.c says what
 * the norms are good for.
 */
#include "run/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "machine/share.h"
#include "run/int8.h"
#include "run/rows.h"

enum {
    MIN_ROWS = 4096,      /* below, the full product is as fast */
    ROW_BUFFER = 1 << 16, /* floats of dequantized rows at a time and thread */
    PIECE_ROWS = 256,     /* rows that a thread takes at a time */
};

struct build_job {
    struct bnt_head *h;
    struct bnt_loading *loading;
    struct bnt_share share;
    float **rows;   /* [threads], ROW_BUFFER floats or one row */
    int8_t **q;     /* the same number of int8 */
    uint64_t chunk; /* rows in that */
};

static void copy_row(struct bnt_head *h, uint64_t r, float *row, int8_t *q) {
    uint64_t cols = h->shape.cols;
    float norm = bnt_norm_above(row, cols);
    if (norm == INFINITY) { /* never ruled out: its exact logit will be looked at */
        memset(q, 0, cols);
        h->scale[r] = 0.0f;
        h->error[r] = h->norm[r] = INFINITY;
        return;
    }
    h->scale[r] = bnt_int8_split(row, cols, q);
    h->error[r] = bnt_norm_above(row, cols) + 0x1p-21f * norm;
    h->norm[r] = norm * BNT_NORM_SLACK + h->error[r]; /* |s q| <= |w| + |e| */
}

static void copy_rows(struct build_job *job, uint64_t lo, uint64_t hi, unsigned i) {
    struct bnt_head *h = job->h;
    uint64_t cols = h->shape.cols;
    for (uint64_t r = lo; r < hi; r += job->chunk) {
        uint64_t end = hi - r < job->chunk ? hi : r + job->chunk;
        bnt_rows_unpack(h->exact, h->k, r, end, job->rows[i]);
        for (uint64_t k = r; k < end; k++)
            copy_row(h, k, job->rows[i] + (k - r) * cols, job->q[i] + (k - r) * cols);
        h->k->i8_pack(&(bnt_i8_pack_args){
            .shape = h->shape, .row_lo = r, .row_hi = end, .w = job->q[i], .packed = h->packed});
    }
}

/* The rows themselves are rarely needed from now on: what was read of the file is given back. */
static void build_slice(void *arg, unsigned i, unsigned n) {
    struct build_job *job = arg;
    const struct bnt_weight *w = job->h->exact;
    struct bnt_share_rows at = {0};
    while (!bnt_loading_stopped(job->loading) && bnt_share_next(&job->share, i, n, &at)) {
        uint64_t row = w->bytes / job->h->shape.rows, bytes = row * (at.hi - at.lo);
        copy_rows(job, at.lo, at.hi, i);
        if (w->file) bnt_gguf_release(w->file, (const uint8_t *)w->w + row * at.lo, bytes);
        bnt_loading_did(job->loading, i, bytes);
    }
}

static int allocate_copy(struct bnt_head *h, uint64_t packed, uint32_t align, struct bnt_err *err) {
    uint64_t floats, total;
    if (!bnt_align_u64(h->shape.rows * sizeof(float), align > 64 ? align : 64, &floats) ||
        !bnt_add_u64(packed, 3 * floats, &total))
        return bnt_fail(err, BNT_E_LIMIT, "the head's copy does not fit into 64 bits");
    int status = bnt_mem_alloc(&h->memory, total, "the head's copy", err);
    if (status != BNT_OK) return status;
    uint8_t *p = h->memory.ptr;
    h->scale = (float *)(void *)p;
    h->error = (float *)(void *)(p + floats);
    h->norm = (float *)(void *)(p + 2 * floats);
    h->packed = p + 3 * floats;
    return BNT_OK;
}

int bnt_head_build(struct bnt_head *out, const struct bnt_weight *w, const bnt_kernels *k,
                   struct bnt_loading *loading, struct bnt_err *err) {
    bnt_layout layout = {0};
    unsigned n = bnt_pool_threads(loading->pool);
    *out = (struct bnt_head){.k = k};
    if (w->ternary || w->dshape.rows < MIN_ROWS || !k->i8_layout || !k->i8_pack || !k->i8_gemv)
        return BNT_OK;
    out->shape = (bnt_i8_shape){w->dshape.rows, w->dshape.cols};
    if (k->i8_layout(&out->shape, &layout) != BNT_SUPPORTED) return BNT_OK;
    out->step = layout.step ? layout.step : 1;
    out->row_bytes = layout.bytes / out->shape.rows + 3 * sizeof(float);
    out->exact = w;

    struct bnt_share_item item = {out->shape.rows, out->step, PIECE_ROWS};
    struct build_job job = {.h = out,
                            .loading = loading,
                            .share = {.items = &item, .count = 1, .placed = loading->placed},
                            .rows = calloc(n, sizeof(float *)),
                            .q = calloc(n, sizeof(int8_t *))};
    uint64_t cols = out->shape.cols;
    int status = BNT_OK;
    job.chunk = ROW_BUFFER / cols ? ROW_BUFFER / cols : 1;
    if (job.chunk > out->step) job.chunk -= job.chunk % out->step;
    if (item.chunk > out->step) item.chunk -= item.chunk % out->step;
    for (unsigned i = 0; job.rows && job.q && i < n; i++) {
        job.rows[i] = malloc(job.chunk * cols * sizeof(float));
        job.q[i] = malloc(job.chunk * cols);
        if (!job.rows[i] || !job.q[i]) status = BNT_E_NOMEM;
    }
    if (!job.rows || !job.q || status != BNT_OK)
        status = bnt_fail_nomem(err, "copying the head", job.chunk * cols * sizeof(float));
    if (status == BNT_OK) status = allocate_copy(out, layout.bytes, layout.align, err);
    if (status == BNT_OK && loading->placed) bnt_mem_small_pages(&out->memory);
    if (status == BNT_OK) {
        bnt_pool_run(loading->pool, build_slice, &job);
        status = bnt_loading_verdict(loading, err);
    }
    for (unsigned i = 0; i < n; i++) {
        if (job.rows) free(job.rows[i]);
        if (job.q) free(job.q[i]);
    }
    free(job.rows);
    free(job.q);
    if (status != BNT_OK) bnt_head_free(out);
    return status;
}

void bnt_head_free(struct bnt_head *h) {
    bnt_mem_free(&h->memory);
    *h = (struct bnt_head){0};
}
