/*
 * head.c - see head.h: the copy of the head.
 *
 * Each row becomes codes times a scale, in levels, with the norm of what each leaves out; search.c
 * says what the norms are good for.
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
    uint8_t **q;    /* the same number of codes, for each level */
    uint64_t chunk; /* rows in that */
};

/* Codes of level l of row r of a chunk. */
static uint8_t *room_for_codes(const struct build_job *job, uint8_t *q, unsigned l, uint64_t r) {
    return q + (l * job->chunk + r) * job->h->shape.cols;
}

static void copy_row(const struct build_job *job, uint64_t r, float *row, uint8_t *room,
                     uint64_t at) {
    struct bnt_head *h = job->h;
    uint64_t cols = h->shape.cols;
    float error[BNT_CODE_PARTS];
    uint8_t *q[BNT_CODE_PARTS];
    h->norm[r] = bnt_norm_above(row, cols);
    for (unsigned l = 0; l < h->n_levels; l++) q[l] = room_for_codes(job, room, l, at);
    if (h->norm[r] == INFINITY) { /* never ruled out: its exact logit will be looked at */
        h->scale[r] = 0.0f;
        for (unsigned l = 0; l < h->n_levels; l++) {
            memset(q[l], 0, cols);
            error[l] = INFINITY;
        }
    } else if (h->coded) {
        h->scale[r] = bnt_code_split(row, cols, h->norm[r], q, error);
    } else {
        h->scale[r] = bnt_int8_split(row, cols, (int8_t *)q[0]);
        error[0] = bnt_norm_above(row, cols) + 0x1p-21f * h->norm[r];
    }
    for (unsigned l = 0; l < h->n_levels; l++) h->level[l].error[r] = error[l];
}

static void pack_rows(const struct bnt_head *h, unsigned l, uint64_t lo, uint64_t hi,
                      const uint8_t *q) {
    if (h->coded)
        h->k->code_pack(
            &(bnt_code_pack_args){.shape = {h->shape.rows, h->shape.cols, h->level[l].bits, 0},
                                  .row_lo = lo,
                                  .row_hi = hi,
                                  .codes = q,
                                  .packed = h->level[l].packed});
    else
        h->k->i8_pack(&(bnt_i8_pack_args){.shape = h->shape,
                                          .row_lo = lo,
                                          .row_hi = hi,
                                          .w = (const int8_t *)q,
                                          .packed = h->level[l].packed});
}

static void copy_rows(struct build_job *job, uint64_t lo, uint64_t hi, unsigned i) {
    struct bnt_head *h = job->h;
    uint64_t cols = h->shape.cols;
    for (uint64_t r = lo; r < hi; r += job->chunk) {
        uint64_t end = hi - r < job->chunk ? hi : r + job->chunk;
        bnt_rows_unpack(h->exact, h->k, r, end, job->rows[i]);
        for (uint64_t k = r; k < end; k++)
            copy_row(job, k, job->rows[i] + (k - r) * cols, job->q[i], k - r);
        for (unsigned l = 0; l < h->n_levels; l++)
            pack_rows(h, l, r, end, room_for_codes(job, job->q[i], l, 0));
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

/* The levels there will be, and how they lie; false: the backend has no search for this head. */
static bool plan_levels(struct bnt_head *h, const bnt_kernels *k, bnt_layout l[BNT_CODE_PARTS]) {
    h->coded = k->code_gemv != NULL;
    for (unsigned i = 0; i < BNT_CODE_PARTS && h->coded; i++) {
        const struct bnt_code_part *part = &bnt_code_parts[i];
        const bnt_code_shape shape = {h->shape.rows, h->shape.cols, part->bits, 0};
        h->coded = k->code_layout(&shape, &l[i]) == BNT_SUPPORTED;
        h->level[i] =
            (struct bnt_head_level){.bits = part->bits, .unit = part->unit, .middle = part->middle};
    }
    h->n_levels = h->coded ? BNT_CODE_PARTS : 1;
    if (!h->coded) {
        if (!k->i8_gemv || k->i8_layout(&h->shape, &l[0]) != BNT_SUPPORTED) return false;
        h->level[0] = (struct bnt_head_level){.bits = 8, .unit = 1.0f};
    }
    for (unsigned i = 0; i < h->n_levels; i++)
        h->level[i].row_bytes = l[i].bytes / h->shape.rows + sizeof(float);
    h->level[0].row_bytes += 2 * sizeof(float); /* scale and norm */
    h->step = l[0].step ? l[0].step : 1;
    return true;
}

static int allocate_copy(struct bnt_head *h, const bnt_layout l[BNT_CODE_PARTS],
                         struct bnt_err *err) {
    uint64_t align = 64, floats, bytes[BNT_CODE_PARTS], total;
    for (unsigned i = 0; i < h->n_levels; i++)
        if (l[i].align > align) align = l[i].align;
    bool fits = bnt_align_u64(h->shape.rows * sizeof(float), align, &floats) &&
                bnt_mul_u64(2 + h->n_levels, floats, &total);
    for (unsigned i = 0; i < h->n_levels && fits; i++)
        fits = bnt_align_u64(l[i].bytes, align, &bytes[i]) && bnt_add_u64(total, bytes[i], &total);
    if (!fits) return bnt_fail(err, BNT_E_LIMIT, "the head's copy does not fit into 64 bits");
    int status = bnt_mem_alloc(&h->memory, total, "the head's copy", err);
    if (status != BNT_OK) return status;
    uint8_t *p = h->memory.ptr;
    h->scale = (float *)(void *)p;
    h->norm = (float *)(void *)(p + floats);
    p += 2 * floats;
    for (unsigned i = 0; i < h->n_levels; i++, p += floats) h->level[i].error = (float *)(void *)p;
    for (unsigned i = 0; i < h->n_levels; p += bytes[i++]) h->level[i].packed = p;
    return BNT_OK;
}

int bnt_head_build(struct bnt_head *out, const struct bnt_weight *w, const bnt_kernels *k,
                   struct bnt_loading *loading, struct bnt_err *err) {
    bnt_layout layout[BNT_CODE_PARTS] = {{0}};
    unsigned n = bnt_pool_threads(loading->pool);
    *out = (struct bnt_head){.k = k};
    if (w->ternary || w->dshape.rows < MIN_ROWS) return BNT_OK;
    out->shape = (bnt_i8_shape){w->dshape.rows, w->dshape.cols};
    if (!plan_levels(out, k, layout)) return BNT_OK;
    out->exact = w;

    struct bnt_share_item item = {out->shape.rows, out->step, PIECE_ROWS};
    struct build_job job = {.h = out,
                            .loading = loading,
                            .share = {.items = &item, .count = 1, .placed = loading->placed},
                            .rows = calloc(n, sizeof(float *)),
                            .q = calloc(n, sizeof(uint8_t *))};
    uint64_t cols = out->shape.cols;
    int status = BNT_OK;
    job.chunk = ROW_BUFFER / cols ? ROW_BUFFER / cols : 1;
    if (job.chunk > out->step) job.chunk -= job.chunk % out->step;
    if (item.chunk > out->step) item.chunk -= item.chunk % out->step;
    for (unsigned i = 0; job.rows && job.q && i < n; i++) {
        job.rows[i] = malloc(job.chunk * cols * sizeof(float));
        job.q[i] = malloc(job.chunk * cols * out->n_levels);
        if (!job.rows[i] || !job.q[i]) status = BNT_E_NOMEM;
    }
    if (!job.rows || !job.q || status != BNT_OK)
        status = bnt_fail_nomem(err, "copying the head", job.chunk * cols * sizeof(float));
    if (status == BNT_OK) status = allocate_copy(out, layout, err);
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
