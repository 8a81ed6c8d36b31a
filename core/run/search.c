/*
 * search.c - see head.h: the search of largest logits, for several vectors at once.
 *
 * The bound. With w = w' + e (w' what the levels read so far say of a row, e what they leave out)
 * and x = x' + r (x' in two levels of int8, r what is left), the exact sum is
 *     w.x = w'.x' + w'.r + e.x
 * so |w.x - w'.x'| <= |w'| |r| + |e| |x| by Cauchy and Schwarz, and |w'| <= |w| + |e|. The
 * canonical logit is Dot16, a chain of cols / 16 fused steps and a tree of four additions; its
 * rounding adds at most gamma |w| |x|, gamma = (cols / 16 + 6) 2^-24. The sums that w'.x' is made
 * of are exact integers. Norms are rounded up generously (by 2^-10); the rest is computed in
 * binary64, whose own error the slack covers.
 *
 * Of the few rows with the largest lower bounds the logits are computed exactly. A row whose upper
 * bound lies below the k-th largest of these cannot be among the k largest: at least k rows have
 * strictly larger logits. So a further level is read only of the rows that the levels before it
 * leave, and what all levels leave is computed.
 *
 * The first level is gone through once, a piece at a time, for all vectors: while a piece is in the
 * cache the bounds of each are computed from it. Where the first level turns out to leave most rows
 * (random weights, or a text that leaves all open), the next is read together with it for a while.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "bitnet/numerics.h"
#include "machine/pool.h"
#include "run/head.h"
#include "run/int8.h"
#include "run/rows.h"

enum {
    PIECE_ROWS = 256, /* rows of the copy at a time: they fit into a core's own cache */
    FEW_ROWS = 512,   /* that are computed without asking the copy first */
    MORE_LEADERS = 8, /* beside k: the largest lower bounds need not be of the largest logits */
    LEADERS = BNT_HEAD_MOST + MORE_LEADERS,
    LEAST_WAIT = 8, /* searches until fewer levels are read together again, if it was in vain */
    MOST_WAIT = 256
};

#define NO_PART NAN /* in place of the upper bound of a row that is named, or not allowed */

/* A row, and a lower bound of its logit or the logit itself. */
struct leader {
    double lower;
    uint64_t row;
};

/* The rows with the largest of these, as a heap with the least on top. */
struct leaders {
    struct leader *at; /* [LEADERS] */
    uint32_t n;
};

/* What one thread knows of one vector. */
struct finder {
    double step[2]; /* scales of its two int8 levels */
    double sum;     /* of x' */
    double x_norm, rest_norm;
    struct leaders leaders;
    float floor;           /* what the upper bound of a row must reach */
    struct bnt_top *found; /* [BNT_HEAD_MOST]: its best exact logits, the same kind of heap */
    uint32_t n_found;
    bool finite;
    bool few; /* rows are allowed: all of those are computed, without bounds */
};

struct member {
    struct finder *finders; /* [vectors] */
    int8_t *x;              /* [2 * vectors][ldx], the two levels of each */
    float *rest;            /* [cols] */
    uint8_t *row;           /* room for one of the head, as bnt_weight_row wants it */
    uint64_t left;          /* of the last search: rows that the levels read together have left */
    uint64_t rows[BNT_CODE_PARTS], computed; /* of all searches */
};

/* How many levels are read together. */
struct pace {
    unsigned at_once;
    uint32_t wait, patience; /* searches before fewer are tried again; and if that is in vain */
};

struct bnt_search {
    const struct bnt_head *h;
    unsigned threads;
    uint32_t vectors; /* at most */
    uint64_t ldx;
    struct pace pace;            /* of the last search */
    uint32_t n_x;                /* its vectors */
    uint64_t searched;           /* vectors so far */
    struct bnt_search_ask *asks; /* [vectors] */
    struct bnt_mem memory;
    int32_t *d;   /* [levels][2 * vectors][rows] */
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
    s->d = carve(base, &at, s->h->n_levels * 2 * s->vectors * rows * sizeof *s->d);
    s->upper = carve(base, &at, s->vectors * rows * sizeof *s->upper);
    s->exact = carve(base, &at, rows * sizeof *s->exact);
    s->asks = carve(base, &at, s->vectors * sizeof *s->asks);
    for (unsigned i = 0; i < s->threads; i++) {
        struct member unused = {0}, *m = base ? &s->members[i] : &unused;
        m->row = carve(base, &at, s->h->exact->row_room);
        m->rest = carve(base, &at, cols * sizeof *m->rest);
        m->x = carve(base, &at, 2 * s->vectors * s->ldx);
        m->finders = carve(base, &at, s->vectors * sizeof *m->finders);
        for (uint32_t v = 0; v < s->vectors; v++) {
            struct leader *leaders = carve(base, &at, LEADERS * sizeof *leaders);
            struct bnt_top *found = carve(base, &at, BNT_HEAD_MOST * sizeof *found);
            if (!base) continue;
            m->finders[v].leaders.at = leaders;
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
    s->pace = (struct pace){.at_once = 1, .patience = LEAST_WAIT};
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

/* Keeps the k largest of what is offered. */
static void keep_largest(struct leaders *kept, uint32_t k, struct leader v) {
    struct leader *heap = kept->at;
    uint32_t at;
    if (kept->n == k) {
        if (!(v.lower > heap[0].lower)) return;
        for (at = 0;;) { /* sift down from the top */
            uint32_t child = 2 * at + 1;
            if (child >= k) break;
            if (child + 1 < k && heap[child + 1].lower < heap[child].lower) child++;
            if (!(heap[child].lower < v.lower)) break;
            heap[at] = heap[child];
            at = child;
        }
    } else {
        for (at = kept->n++; at > 0 && v.lower < heap[(at - 1) / 2].lower; at = (at - 1) / 2)
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

static int32_t sum_of(const int8_t *x, uint64_t n) {
    int32_t sum = 0;
    for (uint64_t i = 0; i < n; i++) sum += x[i];
    return sum;
}

/* Of one vector, in the thread's own copy: shorter than meeting. */
static void look_at(struct member *m, struct finder *f, const float *x, int8_t *levels,
                    uint64_t cols, uint64_t ldx) {
    memcpy(m->rest, x, cols * sizeof *x);
    f->leaders.n = f->n_found = 0;
    f->x_norm = (double)bnt_norm_above(m->rest, cols);
    f->finite = f->x_norm < (double)INFINITY;
    if (!f->finite) { /* its products mean nothing, but they are made */
        memset(levels, 0, 2 * ldx);
        return;
    }
    f->step[0] = (double)bnt_int8_split(m->rest, cols, levels);
    f->step[1] = (double)bnt_int8_split(m->rest, cols, levels + ldx);
    f->sum = f->step[0] * sum_of(levels, cols) + f->step[1] * sum_of(levels + ldx, cols);
    f->rest_norm = (double)bnt_norm_above(m->rest, cols) + 0x1p-22 * f->x_norm;
}

static bool may(const uint64_t *allowed, uint64_t r) {
    return !allowed || (allowed[r / 64] >> r % 64 & 1);
}

static bool are_few(const struct bnt_search *s, const uint64_t *allowed) {
    uint64_t words = (s->h->shape.rows + 63) / 64, count = 0;
    if (!allowed) return false;
    for (uint64_t w = 0; w < words && count <= FEW_ROWS; w++)
        count += (uint64_t)__builtin_popcountll(allowed[w]);
    return count <= FEW_ROWS;
}

/* Products of rows [lo, hi) in one level with n vectors from v on. */
static void multiply(const struct bnt_search *s, const struct member *m, unsigned level, uint32_t v,
                     uint32_t n, uint64_t lo, uint64_t hi) {
    const struct bnt_head *h = s->h;
    int32_t *d = s->d + 2 * (level * (uint64_t)s->vectors + v) * h->shape.rows;
    const int8_t *x = m->x + 2 * v * s->ldx;
    if (h->coded)
        h->k->code_gemv(
            &(bnt_code_gemv_args){.shape = {h->shape.rows, h->shape.cols, h->level[level].bits, 0},
                                  .packed = h->level[level].packed,
                                  .x = x,
                                  .ldx = s->ldx,
                                  .vectors = 2 * n,
                                  .row_lo = lo,
                                  .row_hi = hi,
                                  .d = d,
                                  .ldd = h->shape.rows});
    else
        h->k->i8_gemv(&(bnt_i8_gemv_args){.shape = h->shape,
                                          .packed = h->level[level].packed,
                                          .x = x,
                                          .ldx = s->ldx,
                                          .vectors = 2 * n,
                                          .row_lo = lo,
                                          .row_hi = hi,
                                          .d = d,
                                          .ldd = h->shape.rows});
}

/* What bounds of a vector are computed from, from the levels up to one. */
struct gauge {
    const struct bnt_head *h;
    const struct finder *f;
    const int32_t *d[BNT_CODE_PARTS]; /* [2][rows] */
    double unit[BNT_CODE_PARTS];
    const float *error;
    double middle, gamma;
    unsigned levels;
};

static struct gauge gauge_of(const struct bnt_search *s, const struct finder *f, uint32_t v,
                             unsigned level) {
    const struct bnt_head *h = s->h;
    struct gauge g = {.h = h, .f = f, .error = h->level[level].error, .levels = level + 1};
    g.gamma = 1.01 * ((double)h->shape.cols / 16.0 + 6.0) * 0x1p-24;
    for (unsigned l = 0; l <= level; l++) {
        g.d[l] = s->d + 2 * (l * (uint64_t)s->vectors + v) * h->shape.rows;
        g.unit[l] = (double)h->level[l].unit;
        g.middle += g.unit[l] * (double)h->level[l].middle * f->sum;
    }
    return g;
}

/* The logit of a row is within *bound of what is returned. */
static inline double about(const struct gauge *g, uint64_t r, double *bound) {
    const struct finder *f = g->f;
    uint64_t rows = g->h->shape.rows;
    double sum = -g->middle, error = (double)g->error[r], norm = (double)g->h->norm[r];
    for (unsigned l = 0; l < g->levels; l++)
        sum += g->unit[l] * (f->step[0] * g->d[l][r] + f->step[1] * g->d[l][rows + r]);
    double b = error * f->x_norm + (norm + error) * f->rest_norm + norm * g->gamma * f->x_norm;
    *bound = b * (1.0 + 0x1p-20) + 0x1p-120;
    return (double)g->h->scale[r] * sum;
}

/* Bounds of rows [lo, hi) for vector v; of the first levels the leaders are kept. */
static void bound_rows(struct bnt_search *s, const struct finder *f, uint32_t v, unsigned level,
                       const uint64_t *allowed, uint64_t lo, uint64_t hi, uint32_t n_kept,
                       struct leaders *kept) {
    const struct gauge g = gauge_of(s, f, v, level);
    float *upper = s->upper + v * s->h->shape.rows;
    for (uint64_t r = lo; r < hi; r++) {
        if (!may(allowed, r)) {
            upper[r] = NO_PART;
            continue;
        }
        double bound, logit = about(&g, r, &bound);
        upper[r] = (float)(logit + bound); /* rounded; the floor allows for it */
        if (kept && (kept->n < n_kept || logit - bound > kept->at[0].lower))
            keep_largest(kept, n_kept, (struct leader){logit - bound, r});
    }
}

/* The first of the named ids that is not below row r. */
static uint32_t named_from(const struct bnt_search_ask *ask, uint64_t r) {
    uint32_t lo = 0, hi = ask->n_ids;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if ((uint64_t)ask->ids[mid] < r)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/* Of rows that are named no bound is needed. */
static void bound_others(struct bnt_search *s, struct finder *f, uint32_t v,
                         const struct bnt_search_ask *ask, unsigned level, uint64_t lo,
                         uint64_t hi) {
    uint32_t n_kept = ask->k + MORE_LEADERS;
    for (uint32_t at = named_from(ask, lo); at < ask->n_ids && (uint64_t)ask->ids[at] < hi; at++) {
        bound_rows(s, f, v, level, ask->allowed, lo, (uint64_t)ask->ids[at], n_kept, &f->leaders);
        s->upper[v * s->h->shape.rows + (uint64_t)ask->ids[at]] = NO_PART;
        lo = (uint64_t)ask->ids[at] + 1;
    }
    bound_rows(s, f, v, level, ask->allowed, lo, hi, n_kept, &f->leaders);
}

static float exact_logit(struct bnt_search *s, struct member *m, const float *x, uint64_t r) {
    const struct bnt_head *h = s->h;
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
    return s->exact[r];
}

/* Computes the logits of this thread's leaders; returns how many. */
static uint64_t look_at_leaders(struct bnt_search *s, struct member *m, uint32_t v,
                                const float *x) {
    struct leaders *leaders = &m->finders[v].leaders;
    for (uint32_t i = 0; i < leaders->n; i++) {
        float logit = exact_logit(s, m, x, leaders->at[i].row);
        if (isfinite(logit)) leaders->at[i].lower = (double)logit; /* else it is met again */
    }
    return leaders->n;
}

/* The k-th largest logit of all threads' leaders, or -infinity when there are fewer. */
static float floor_of(const struct bnt_search *s, uint32_t v, uint32_t k) {
    struct leader room[BNT_HEAD_MOST];
    struct leaders all = {room, 0};
    for (unsigned t = 0; t < s->threads; t++) {
        const struct leaders *those = &s->members[t].finders[v].leaders;
        for (uint32_t i = 0; i < those->n; i++) keep_largest(&all, k, those->at[i]);
    }
    double least = all.n == k ? room[0].lower : -(double)INFINITY;
    return (float)(least - fabs(least) * 0x1p-22 - 0x1p-120);
}

/* Reads a level more of those rows of [lo, hi) that the levels before it leave; returns how many.
 */
static uint64_t look_further(struct bnt_search *s, struct member *m, uint32_t v, unsigned level,
                             uint64_t lo, uint64_t hi) {
    const float *upper = s->upper + v * s->h->shape.rows, floor = m->finders[v].floor;
    uint64_t left = 0;
    for (uint64_t end; lo < hi; lo = end) {
        for (end = lo; end < hi && upper[end] >= floor;) end++;
        if (end > lo) {
            multiply(s, m, level, v, 1, lo, end);
            bound_rows(s, &m->finders[v], v, level, NULL, lo, end, 0, NULL);
        }
        left += end - lo;
        while (end < hi && !(upper[end] >= floor)) end++;
    }
    return left;
}

/* Of rows [lo, hi), computes those that are named or can be among the k largest of the others;
 * returns how many. */
static uint64_t look_closer(struct bnt_search *s, struct member *m, uint32_t v, const float *x,
                            uint64_t lo, uint64_t hi) {
    const struct bnt_search_ask *ask = &s->asks[v];
    struct finder *f = &m->finders[v];
    const float *upper = s->upper + v * s->h->shape.rows;
    const float floor = f->floor;
    uint32_t at = named_from(ask, lo);
    uint64_t computed = 0;
    for (uint64_t r = lo; r < hi; r++) {
        if (f->few && !(ask->allowed[r / 64] >> r % 64)) { /* on to the next word, or named row */
            uint64_t end = (r | 63) + 1 < hi ? (r | 63) + 1 : hi;
            if (at < ask->n_ids && (uint64_t)ask->ids[at] < end) end = (uint64_t)ask->ids[at];
            if (end > r) {
                r = end - 1;
                continue;
            }
        }
        bool named = at < ask->n_ids && (uint64_t)ask->ids[at] == r;
        if (!named && (!may(ask->allowed, r) || (!f->few && upper[r] < floor))) continue;
        float logit = exact_logit(s, m, x, r);
        computed++;
        if (!isfinite(logit)) f->finite = false;
        if (named)
            ask->logits[at++] = logit;
        else
            bnt_keep_best(f->found, &f->n_found, ask->k, (struct bnt_top){logit, (int32_t)r});
    }
    return computed;
}

/* The first levels, of all rows. */
static void look_at_all(struct bnt_search *s, struct member *m, unsigned levels, uint32_t n_x,
                        const struct bnt_search_ask *asks, uint64_t lo, uint64_t hi) {
    for (unsigned l = 0; l < levels; l++) {
        multiply(s, m, l, 0, n_x, lo, hi);
        m->rows[l] += hi - lo;
    }
    for (uint32_t v = 0; v < n_x; v++)
        if (m->finders[v].finite && !m->finders[v].few)
            bound_others(s, &m->finders[v], v, &asks[v], levels - 1, lo, hi);
}

/* By what the last search left: levels that are read in vain are read together for a while. All
 * threads come to the same, before they meet. */
static struct pace next_pace(const struct bnt_search *s) {
    struct pace p = s->pace;
    uint64_t left = 0;
    for (unsigned t = 0; t < s->threads; t++) left += s->members[t].left;
    if (p.at_once < s->h->n_levels && left > s->h->shape.rows * s->n_x / 2) {
        if (p.at_once == 1) p.wait = p.patience;
        if (p.at_once == 1 && p.patience < MOST_WAIT) p.patience *= 2;
        p.at_once++;
    } else if (p.at_once == 1) {
        p.patience = LEAST_WAIT;
    } else if (p.wait-- == 0) {
        p.at_once = 1;
    }
    return p;
}

uint64_t bnt_search_run(struct bnt_search *s, const float *x, uint32_t n_x,
                        const struct bnt_search_ask *asks, struct bnt_pool *pool, unsigned i,
                        unsigned n) {
    const struct bnt_head *h = s->h;
    struct member *m = &s->members[i];
    uint64_t lo, hi, computed = 0, left = 0, cols = h->shape.cols;
    uint64_t piece = (PIECE_ROWS + h->step - 1) / h->step * h->step;
    bool copy = false; /* it is asked */
    if (i == 0) memcpy(s->asks, asks, n_x * sizeof *asks);
    for (uint32_t v = 0; v < n_x; v++) {
        look_at(m, &m->finders[v], x + v * cols, m->x + 2 * v * s->ldx, cols, s->ldx);
        m->finders[v].few = are_few(s, asks[v].allowed);
        copy |= !m->finders[v].few;
    }
    const struct pace pace = copy ? next_pace(s) : s->pace;
    bnt_slice(h->shape.rows, h->step, i, n, &lo, &hi);
    for (uint64_t at = lo; copy && at < hi; at += piece)
        look_at_all(s, m, pace.at_once, n_x, asks, at, hi - at < piece ? hi : at + piece);
    for (uint32_t v = 0; v < n_x; v++)
        if (m->finders[v].finite) computed += look_at_leaders(s, m, v, x + v * cols);
    bnt_pool_barrier(pool);
    if (i == 0) {
        s->pace = pace;
        if (copy) s->n_x = n_x;
        s->searched += n_x;
    }
    for (uint32_t v = 0; v < n_x; v++)
        if (m->finders[v].finite) m->finders[v].floor = floor_of(s, v, asks[v].k);
    for (unsigned level = pace.at_once; level < h->n_levels; level++) {
        uint64_t rows = 0;
        for (uint64_t at = lo; at < hi; at += piece)
            for (uint32_t v = 0; v < n_x; v++)
                if (m->finders[v].finite && !m->finders[v].few)
                    rows += look_further(s, m, v, level, at, hi - at < piece ? hi : at + piece);
        if (level == pace.at_once) left = rows;
        m->rows[level] += rows;
    }
    if (copy) m->left = left;
    for (uint32_t v = 0; v < n_x; v++)
        if (m->finders[v].finite) computed += look_closer(s, m, v, x + v * cols, lo, hi);
    m->computed += computed;
    return computed;
}

void bnt_sort_best(struct bnt_top *top, uint32_t n) {
    bnt_sort(top, n, sizeof *top, by_rank);
}

bool bnt_search_result(struct bnt_search *s, uint32_t v, struct bnt_top *out, uint32_t *count) {
    bool finite = true;
    *count = 0;
    for (unsigned t = 0; t < s->threads; t++) {
        const struct finder *f = &s->members[t].finders[v];
        finite &= f->finite;
        for (uint32_t i = 0; i < f->n_found; i++)
            bnt_keep_best(out, count, s->asks[v].k, f->found[i]);
    }
    bnt_sort_best(out, *count);
    return finite;
}

void bnt_search_cost(const struct bnt_search *s, struct bnt_search_cost *out) {
    const struct bnt_head *h = s->h;
    *out = (struct bnt_search_cost){.vectors = s->searched};
    for (unsigned t = 0; t < s->threads; t++) {
        const struct member *m = &s->members[t];
        for (unsigned l = 0; l < h->n_levels; l++) out->rows[l] += m->rows[l];
        out->computed += m->computed;
    }
    for (unsigned l = 0; l < h->n_levels; l++) out->bytes += out->rows[l] * h->level[l].row_bytes;
    out->bytes += out->computed * (h->exact->bytes / h->shape.rows);
}

bool bnt_search_coded(const struct bnt_search *s) {
    return s->h->coded;
}
