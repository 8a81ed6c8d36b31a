/*
 * head.c - see head.h.
 *
 * The bound. With w = s q + e (q int8, e the row's rounding error) and x = x' + r (x' in two levels
 * of int8, r what is left), the exact sum is
 *     w.x = s (q.x') + (s q).r + e.x
 * so |w.x - s (q.x')| <= |s q| |r| + |e| |x| by Cauchy and Schwarz. The canonical logit is Dot16, a
 * chain of cols / 16 fused steps and a tree of four additions; its rounding adds at most
 * gamma |w| |x|, gamma = (cols / 16 + 6) 2^-24. q.x' is exact in integers. Norms are rounded up
 * generously (by 2^-10); the rest is computed in binary64, whose own error the slack covers.
 *
 * A row whose upper bound lies below the k-th largest lower bound cannot be among the k largest:
 * at least k rows have strictly larger logits.
 */
#include "run/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "machine/share.h"
#include "run/rows.h"

enum {
    MIN_ROWS = 4096,      /* below, the full product is as fast */
    ROW_BUFFER = 1 << 16, /* floats of dequantized rows at a time and thread */
    PIECE_ROWS = 256,     /* rows that a thread takes at a time */
};

#define SLACK (1.0f + 0x1p-10f) /* on norms, which are computed in binary32 */
#define TINY 0x1p-60f           /* covers squares that underflow */

/* ---- the copy ------------------------------------------------------------------------------- */

struct build_job {
    struct bnt_head *h;
    struct bnt_loading *loading;
    struct bnt_share share;
    float **rows;   /* [threads], ROW_BUFFER floats or one row */
    int8_t **q;     /* the same number of int8 */
    uint64_t chunk; /* rows in that */
};

/* Sum of squares in sixteen lanes, so that compilers vectorise it. */
static float norm2(const float *v, uint64_t n) {
    float lanes[16] = {0}, sum = 0.0f;
    uint64_t whole = n / 16 * 16;
    for (uint64_t i = 0; i < whole; i += 16)
        for (unsigned l = 0; l < 16; l++) lanes[l] += v[i + l] * v[i + l];
    for (uint64_t i = whole; i < n; i++) lanes[i - whole] += v[i] * v[i];
    for (unsigned l = 0; l < 16; l++) sum += lanes[l];
    return sum;
}

static float largest(const float *v, uint64_t n) {
    float lanes[16] = {0}, max = 0.0f;
    uint64_t whole = n / 16 * 16;
    for (uint64_t i = 0; i < whole; i += 16) {
        for (unsigned l = 0; l < 16; l++) {
            float a = fabsf(v[i + l]);
            lanes[l] = a > lanes[l] ? a : lanes[l];
        }
    }
    for (uint64_t i = whole; i < n; i++) lanes[i - whole] = fmaxf(lanes[i - whole], fabsf(v[i]));
    for (unsigned l = 0; l < 16; l++) max = lanes[l] > max ? lanes[l] : max;
    return max;
}

/* Sixteen values of quantize(). 1.5 * 2^23 + r, r whole, has r's two's complement in its low bits.
 */
static inline void quantize16(float *restrict v, int8_t *restrict q, float inverse, float s) {
    for (unsigned l = 0; l < 16; l++) {
        float t = v[l] * inverse + 0x1.8p23f;
        q[l] = (int8_t)bnt_f32_bits(t);
        v[l] = v[l] - s * (t - 0x1.8p23f);
    }
}

/* Finite v to q = rint(v / s), s = max / 127, and v becomes v - s q. |q| <= 127, since v times the
 * inverse is at most 127 (1 + 2^-22). The subtraction is exact or rounded once; that rounding is at
 * most 2^-23 of s q and in the slack of `error`. */
static float quantize(float *v, uint64_t n, int8_t *q) {
    float max = largest(v, n), s = max / 127.0f, last[16] = {0};
    float inverse = s > 0.0f ? 1.0f / s : 0.0f;
    int8_t q_last[16];
    uint64_t i = 0;
    if (!(inverse <= 0x1p120f)) s = inverse = 0.0f; /* so small that all of it counts as error */
    for (; i + 16 <= n; i += 16) quantize16(v + i, q + i, inverse, s);
    memcpy(last, v + i, (n - i) * sizeof *v);
    quantize16(last, q_last, inverse, s);
    memcpy(v + i, last, (n - i) * sizeof *v);
    memcpy(q + i, q_last, n - i);
    return s;
}

/* The square root of an upper bound of the sum of squares, or infinity when v is not finite. */
static float norm_above(const float *v, uint64_t n) {
    float square = norm2(v, n);
    if (!(square < 0x1p126f)) return INFINITY;
    return sqrtf(square) * SLACK + TINY;
}

static void copy_row(struct bnt_head *h, uint64_t r, float *row, int8_t *q) {
    uint64_t cols = h->shape.cols;
    float norm = norm_above(row, cols);
    if (norm == INFINITY) { /* never ruled out: its exact logit will be looked at */
        memset(q, 0, cols);
        h->scale[r] = 0.0f;
        h->error[r] = h->norm[r] = INFINITY;
        return;
    }
    h->scale[r] = quantize(row, cols, q);
    h->error[r] = norm_above(row, cols) + 0x1p-21f * norm;
    h->norm[r] = norm * SLACK + h->error[r]; /* |s q| <= |w| + |e| */
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
    while (bnt_share_next(&job->share, i, n, &at)) {
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
    if (status == BNT_OK) bnt_pool_run(loading->pool, build_slice, &job);
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

/* ---- the search ----------------------------------------------------------------------------- */

/* What one thread knows; on cache lines of its own. */
struct finder {
    int8_t *x;      /* [2][cols], the two levels */
    float *rest;    /* [cols] */
    uint8_t *row;   /* room for one of the head, as bnt_weight_row wants it */
    double *lowest; /* [BNT_HEAD_MOST]: its largest lower bounds, as a heap with the least on top */
    uint32_t n_lowest;
    struct bnt_top *found; /* [BNT_HEAD_MOST]: its best exact logits, the same kind of heap */
    uint32_t n_found;
    bool finite;
    char pad[64];
};

struct bnt_search {
    const struct bnt_head *h;
    unsigned threads;
    uint32_t k;
    struct bnt_mem memory;
    int32_t *d;   /* [2][rows] */
    float *upper; /* [rows] */
    float *exact; /* [rows], candidates only */
    struct finder *finders;
};

int bnt_search_open(struct bnt_search **out, const struct bnt_head *h, unsigned threads,
                    struct bnt_err *err) {
    uint64_t rows = (h->shape.rows + 15) / 16 * 16, cols = (h->shape.cols + 63) / 64 * 64;
    uint64_t each = h->exact->row_room + 2 * cols + cols * sizeof(float) +
                    BNT_HEAD_MOST * (sizeof(double) + sizeof(struct bnt_top));
    struct bnt_search *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s) s->finders = calloc(threads, sizeof *s->finders);
    if (!s || !s->finders) {
        free(s);
        return bnt_fail_nomem(err, "the search of the head", threads * sizeof *s->finders);
    }
    s->h = h;
    s->threads = threads;
    int status =
        bnt_mem_alloc(&s->memory, rows * 16 + threads * each, "the search of the head", err);
    if (status != BNT_OK) {
        bnt_search_close(s);
        return status;
    }
    uint8_t *p = s->memory.ptr;
    s->d = (int32_t *)(void *)p;
    s->upper = (float *)(void *)(p + rows * 8);
    s->exact = (float *)(void *)(p + rows * 12);
    p += rows * 16;
    for (unsigned i = 0; i < threads; i++, p += each) {
        struct finder *f = &s->finders[i];
        f->row = p;
        f->lowest = (double *)(void *)(p + h->exact->row_room);
        f->found = (struct bnt_top *)(void *)(f->lowest + BNT_HEAD_MOST);
        f->rest = (float *)(void *)(f->found + BNT_HEAD_MOST);
        f->x = (int8_t *)(f->rest + cols);
    }
    *out = s;
    return BNT_OK;
}

void bnt_search_close(struct bnt_search *s) {
    if (!s) return;
    bnt_mem_free(&s->memory);
    free(s->finders);
    free(s);
}

/* Keeps the k largest of what is offered; heap[0] is the least of them. */
static void keep_largest(double *heap, uint32_t *n, uint32_t k, double v) {
    uint32_t at;
    if (*n == k) {
        if (!(v > heap[0])) return;
        for (at = 0;;) { /* sift down from the top */
            uint32_t child = 2 * at + 1;
            if (child >= k) break;
            if (child + 1 < k && heap[child + 1] < heap[child]) child++;
            if (!(heap[child] < v)) break;
            heap[at] = heap[child];
            at = child;
        }
    } else {
        for (at = (*n)++; at > 0 && v < heap[(at - 1) / 2]; at = (at - 1) / 2)
            heap[at] = heap[(at - 1) / 2];
    }
    heap[at] = v;
}

/* The order of clause 10: highest logit first, lowest id among equals. */
static int by_rank(const void *a, const void *b) {
    const struct bnt_top *x = a, *y = b;
    if (x->logit != y->logit) return x->logit > y->logit ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

void bnt_keep_best(struct bnt_top *heap, uint32_t *n, uint32_t k, struct bnt_top v) {
    uint32_t at;
    if (*n == k) {
        if (by_rank(&v, &heap[0]) >= 0) return;
        for (at = 0;;) {
            uint32_t child = 2 * at + 1;
            if (child >= k) break;
            if (child + 1 < k && by_rank(&heap[child + 1], &heap[child]) > 0) child++;
            if (by_rank(&heap[child], &v) <= 0) break;
            heap[at] = heap[child];
            at = child;
        }
    } else {
        for (at = (*n)++; at > 0 && by_rank(&v, &heap[(at - 1) / 2]) > 0; at = (at - 1) / 2)
            heap[at] = heap[(at - 1) / 2];
    }
    heap[at] = v;
}

/* Bounds of rows [lo, hi); the k largest lower ones are kept. */
static void bound_rows(struct bnt_search *s, struct finder *f, uint64_t lo, uint64_t hi,
                       const float level[2], double x_norm, double rest_norm) {
    const struct bnt_head *h = s->h;
    double gamma = 1.01 * ((double)h->shape.cols / 16.0 + 6.0) * 0x1p-24;
    const int32_t *d0 = s->d, *d1 = s->d + h->shape.rows;
    for (uint64_t r = lo; r < hi; r++) {
        double about = (double)h->scale[r] *
                       ((double)level[0] * (double)d0[r] + (double)level[1] * (double)d1[r]);
        double error = (double)h->error[r], norm = (double)h->norm[r];
        double bound = error * x_norm + norm * rest_norm + (norm + error) * gamma * x_norm;
        bound = bound * (1.0 + 0x1p-20) + 0x1p-120;
        double upper = about + bound, lower = about - bound;
        s->upper[r] = (float)upper; /* rounded; the test below allows for it */
        if (f->n_lowest < s->k || lower > f->lowest[0])
            keep_largest(f->lowest, &f->n_lowest, s->k, lower);
    }
}

/* The k-th largest lower bound over all threads; -infinity when there are fewer rows. */
static double threshold(const struct bnt_search *s, double *heap) {
    uint32_t n = 0;
    for (unsigned t = 0; t < s->threads; t++) {
        for (uint32_t i = 0; i < s->finders[t].n_lowest; i++)
            keep_largest(heap, &n, s->k, s->finders[t].lowest[i]);
    }
    return n == s->k ? heap[0] : -(double)INFINITY;
}

uint64_t bnt_search_run(struct bnt_search *s, const float *x, uint32_t k, struct bnt_pool *pool,
                        unsigned i, unsigned n) {
    const struct bnt_head *h = s->h;
    struct finder *f = &s->finders[i];
    uint64_t lo, hi, computed = 0, cols = h->shape.cols, ldx = (cols + 15) / 16 * 16;
    double heap[BNT_HEAD_MOST];
    float level[2] = {0.0f, 0.0f};

    /* Every thread quantizes x for itself: shorter than meeting. */
    memcpy(f->rest, x, cols * sizeof *x);
    double x_norm = (double)norm_above(f->rest, cols);
    f->finite = x_norm < (double)INFINITY;
    f->n_lowest = f->n_found = 0;
    if (i == 0) s->k = k;
    if (f->finite) {
        level[0] = quantize(f->rest, cols, f->x);
        level[1] = quantize(f->rest, cols, f->x + ldx);
    }
    bnt_pool_barrier(pool); /* s->k; and finite is the same for all */
    if (!f->finite) return 0;
    double rest_norm = (double)norm_above(f->rest, cols) + 0x1p-22 * x_norm;
    bnt_slice(h->shape.rows, h->step, i, n, &lo, &hi);
    if (lo < hi) {
        h->k->i8_gemv(&(bnt_i8_gemv_args){.shape = h->shape,
                                          .packed = h->packed,
                                          .x = f->x,
                                          .ldx = ldx,
                                          .vectors = 2,
                                          .row_lo = lo,
                                          .row_hi = hi,
                                          .d = s->d,
                                          .ldd = h->shape.rows});
        bound_rows(s, f, lo, hi, level, x_norm, rest_norm);
    }
    bnt_pool_barrier(pool);
    double least = threshold(s, heap);
    float floor = (float)(least - fabs(least) * 0x1p-22 - 0x1p-120);
    for (uint64_t r = lo; r < hi; r++) {
        if (s->upper[r] < floor) continue;
        struct bnt_weight_row row = bnt_weight_row(h->exact, r, f->row);
        h->k->dense_gemm(&(bnt_dense_gemm_args){.shape = row.shape,
                                                .w = row.w,
                                                .x = x,
                                                .ldx = cols,
                                                .row_lo = row.at,
                                                .row_hi = row.at + 1,
                                                .tok_hi = 1,
                                                .y = s->exact + (r - row.at),
                                                .ldy = h->shape.rows});
        computed++;
        if (!isfinite(s->exact[r])) f->finite = false;
        bnt_keep_best(f->found, &f->n_found, k, (struct bnt_top){s->exact[r], (int32_t)r});
    }
    return computed;
}

void bnt_sort_best(struct bnt_top *top, uint32_t n) {
    qsort(top, n, sizeof *top, by_rank);
}

bool bnt_search_result(struct bnt_search *s, struct bnt_top *out, uint32_t *count) {
    bool finite = true;
    *count = 0;
    for (unsigned t = 0; t < s->threads; t++) {
        const struct finder *f = &s->finders[t];
        finite &= f->finite;
        for (uint32_t i = 0; i < f->n_found; i++) bnt_keep_best(out, count, s->k, f->found[i]);
    }
    bnt_sort_best(out, *count);
    return finite;
}
