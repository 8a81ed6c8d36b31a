/*
 * search.c - see head.h: the search of largest logits, for several vectors at once.
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
 *
 * The copy is gone through once, a piece at a time, for all vectors: while a piece is in the cache
 * the bounds of each are computed from it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bitnet/numerics.h"
#include "machine/pool.h"
#include "run/head.h"
#include "run/int8.h"
#include "run/rows.h"

enum { PIECE_ROWS = 256 }; /* rows of the copy at a time: they fit into a core's own cache */

/* What one thread knows of one vector. */
struct finder {
    float level[2]; /* scales of its two int8 levels */
    double x_norm, rest_norm;
    double *lowest; /* [BNT_HEAD_MOST]: its largest lower bounds, as a heap with the least on top */
    uint32_t n_lowest;
    struct bnt_top *found; /* [BNT_HEAD_MOST]: its best exact logits, the same kind of heap */
    uint32_t n_found;
    bool finite;
};

struct member {
    struct finder *finders; /* [vectors] */
    int8_t *x;              /* [2 * vectors][ldx], the two levels of each */
    float *rest;            /* [cols] */
    uint8_t *row;           /* room for one of the head, as bnt_weight_row wants it */
};

struct bnt_search {
    const struct bnt_head *h;
    unsigned threads;
    uint32_t vectors; /* at most */
    uint64_t ldx;
    uint32_t *ks; /* [vectors]: how many are looked for */
    struct bnt_mem memory;
    int32_t *d;   /* [2 * vectors][rows] */
    float *upper; /* [vectors][rows] */
    float *exact; /* [rows], candidates only, of one vector */
    struct member *members;
};

/* Hands out pieces of the memory; without a base, only their size. */
static void *carve(uint8_t *base, uint64_t *at, uint64_t bytes) {
    void *p = base ? base + *at : NULL;
    *at += (bytes + 127) / 128 * 128;
    return p;
}

static uint64_t carve_all(struct bnt_search *s, uint8_t *base) {
    uint64_t rows = (s->h->shape.rows + 15) / 16 * 16, cols = s->h->shape.cols, at = 0;
    s->d = carve(base, &at, 2 * s->vectors * rows * sizeof *s->d);
    s->upper = carve(base, &at, s->vectors * rows * sizeof *s->upper);
    s->exact = carve(base, &at, rows * sizeof *s->exact);
    s->ks = carve(base, &at, s->vectors * sizeof *s->ks);
    for (unsigned i = 0; i < s->threads; i++) {
        struct member unused = {0}, *m = base ? &s->members[i] : &unused;
        m->row = carve(base, &at, s->h->exact->row_room);
        m->rest = carve(base, &at, cols * sizeof *m->rest);
        m->x = carve(base, &at, 2 * s->vectors * s->ldx);
        m->finders = carve(base, &at, s->vectors * sizeof *m->finders);
        for (uint32_t v = 0; v < s->vectors; v++) {
            double *lowest = carve(base, &at, BNT_HEAD_MOST * sizeof *lowest);
            struct bnt_top *found = carve(base, &at, BNT_HEAD_MOST * sizeof *found);
            if (!base) continue;
            m->finders[v].lowest = lowest;
            m->finders[v].found = found;
        }
    }
    return at;
}

int bnt_search_open(struct bnt_search **out, const struct bnt_head *h, uint32_t vectors,
                    unsigned threads, struct bnt_err *err) {
    struct bnt_search *s = calloc(1, sizeof *s);
    *out = NULL;
    if (s) s->members = calloc(threads, sizeof *s->members);
    if (!s || !s->members) {
        free(s);
        return bnt_fail_nomem(err, "the search of the head", threads * sizeof *s->members);
    }
    s->h = h;
    s->threads = threads;
    s->vectors = vectors;
    s->ldx = (h->shape.cols + 63) / 64 * 64;
    int status = bnt_mem_reserve(&s->memory, carve_all(s, NULL), "the search of the head", err);
    if (status != BNT_OK) {
        bnt_search_close(s);
        return status;
    }
    carve_all(s, s->memory.ptr);
    *out = s;
    return BNT_OK;
}

void bnt_search_close(struct bnt_search *s) {
    if (!s) return;
    bnt_mem_free(&s->memory);
    free(s->members);
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

/* Of one vector, in the thread's own copy: shorter than meeting. */
static void look_at(struct member *m, struct finder *f, const float *x, int8_t *levels,
                    uint64_t cols, uint64_t ldx) {
    memcpy(m->rest, x, cols * sizeof *x);
    f->n_lowest = f->n_found = 0;
    f->x_norm = (double)bnt_norm_above(m->rest, cols);
    f->finite = f->x_norm < (double)INFINITY;
    if (!f->finite) { /* its products mean nothing, but they are made */
        memset(levels, 0, 2 * ldx);
        return;
    }
    f->level[0] = bnt_int8_split(m->rest, cols, levels);
    f->level[1] = bnt_int8_split(m->rest, cols, levels + ldx);
    f->rest_norm = (double)bnt_norm_above(m->rest, cols) + 0x1p-22 * f->x_norm;
}

/* Bounds of rows [lo, hi) for vector v; the k largest lower ones are kept. */
static void bound_rows(struct bnt_search *s, struct finder *f, uint32_t v, uint32_t k, uint64_t lo,
                       uint64_t hi) {
    const struct bnt_head *h = s->h;
    uint64_t rows = h->shape.rows;
    double gamma = 1.01 * ((double)h->shape.cols / 16.0 + 6.0) * 0x1p-24;
    double level0 = (double)f->level[0], level1 = (double)f->level[1], x_norm = f->x_norm;
    const int32_t *d0 = s->d + 2 * v * rows, *d1 = d0 + rows;
    float *upper_of = s->upper + v * rows;
    for (uint64_t r = lo; r < hi; r++) {
        double about = (double)h->scale[r] * (level0 * (double)d0[r] + level1 * (double)d1[r]);
        double error = (double)h->error[r], norm = (double)h->norm[r];
        double bound = error * x_norm + norm * f->rest_norm + (norm + error) * gamma * x_norm;
        bound = bound * (1.0 + 0x1p-20) + 0x1p-120;
        double upper = about + bound, lower = about - bound;
        upper_of[r] = (float)upper; /* rounded; the test below allows for it */
        if (f->n_lowest < k || lower > f->lowest[0])
            keep_largest(f->lowest, &f->n_lowest, k, lower);
    }
}

/* The k-th largest lower bound over all threads; -infinity when there are fewer rows. */
static double threshold(const struct bnt_search *s, uint32_t v, uint32_t k) {
    double heap[BNT_HEAD_MOST] = {0};
    uint32_t n = 0;
    for (unsigned t = 0; t < s->threads; t++) {
        const struct finder *f = &s->members[t].finders[v];
        for (uint32_t i = 0; i < f->n_lowest; i++) keep_largest(heap, &n, k, f->lowest[i]);
    }
    return n == k ? heap[0] : -(double)INFINITY;
}

/* Of rows [lo, hi), computes those that can be among the k largest; returns how many. */
static uint64_t look_closer(struct bnt_search *s, struct member *m, uint32_t v, uint32_t k,
                            const float *x, uint64_t lo, uint64_t hi) {
    const struct bnt_head *h = s->h;
    struct finder *f = &m->finders[v];
    const float *upper = s->upper + v * h->shape.rows;
    double least = threshold(s, v, k);
    float floor = (float)(least - fabs(least) * 0x1p-22 - 0x1p-120);
    uint64_t computed = 0;
    for (uint64_t r = lo; r < hi; r++) {
        if (upper[r] < floor) continue;
        struct bnt_weight_row row = bnt_weight_row(h->exact, r, m->row);
        h->k->dense_gemm(&(bnt_dense_gemm_args){.shape = row.shape,
                                                .w = row.w,
                                                .x = x,
                                                .ldx = h->shape.cols,
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

uint64_t bnt_search_run(struct bnt_search *s, const float *x, uint32_t n_x, const uint32_t *k,
                        struct bnt_pool *pool, unsigned i, unsigned n) {
    const struct bnt_head *h = s->h;
    struct member *m = &s->members[i];
    uint64_t lo, hi, computed = 0, cols = h->shape.cols;
    uint64_t piece = (PIECE_ROWS + h->step - 1) / h->step * h->step;
    if (i == 0) memcpy(s->ks, k, n_x * sizeof *k);
    for (uint32_t v = 0; v < n_x; v++)
        look_at(m, &m->finders[v], x + v * cols, m->x + 2 * v * s->ldx, cols, s->ldx);
    bnt_slice(h->shape.rows, h->step, i, n, &lo, &hi);
    for (uint64_t at = lo; at < hi; at += piece) {
        uint64_t end = hi - at < piece ? hi : at + piece;
        h->k->i8_gemv(&(bnt_i8_gemv_args){.shape = h->shape,
                                          .packed = h->packed,
                                          .x = m->x,
                                          .ldx = s->ldx,
                                          .vectors = 2 * n_x,
                                          .row_lo = at,
                                          .row_hi = end,
                                          .d = s->d,
                                          .ldd = h->shape.rows});
        for (uint32_t v = 0; v < n_x; v++)
            if (m->finders[v].finite) bound_rows(s, &m->finders[v], v, k[v], at, end);
    }
    bnt_pool_barrier(pool);
    for (uint32_t v = 0; v < n_x; v++)
        if (m->finders[v].finite) computed += look_closer(s, m, v, k[v], x + v * cols, lo, hi);
    return computed;
}

void bnt_sort_best(struct bnt_top *top, uint32_t n) {
    qsort(top, n, sizeof *top, by_rank);
}

bool bnt_search_result(struct bnt_search *s, uint32_t v, struct bnt_top *out, uint32_t *count) {
    bool finite = true;
    *count = 0;
    for (unsigned t = 0; t < s->threads; t++) {
        const struct finder *f = &s->members[t].finders[v];
        finite &= f->finite;
        for (uint32_t i = 0; i < f->n_found; i++) bnt_keep_best(out, count, s->ks[v], f->found[i]);
    }
    bnt_sort_best(out, *count);
    return finite;
}
