/* choice.c - see choice.h. */
#include "plugin/choice.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "machine/pool.h"

enum { PASSES = 3, ROWS = 4096, COLS = 2560, TOKENS_MOST = 512 };
#define LEAST ((uint64_t)64 << 20) /* memory for it */
#define MOST ((uint64_t)256 << 20)
#define BETTER 1.03 /* than the set before, to be taken in its place */

/* The product of one set over copies of one matrix, which lie behind each other. All their bytes
 * are 0, whatever weights that is: the time does not depend on them. */
struct run {
    const bnt_kernels *k;
    bnt_ternary_gemm_args args;
    uint8_t *memory;
    uint64_t matrix_bytes, copies, step;
};

static void touch(void *arg, unsigned i, unsigned n) {
    const struct run *r = arg;
    uint64_t lo, hi;
    bnt_slice(r->copies * r->matrix_bytes, 4096, i, n, &lo, &hi);
    memset(r->memory + lo, 0, hi - lo); /* pages of its own, near the thread that will read them */
}

static void multiply(void *arg, unsigned i, unsigned n) {
    const struct run *r = arg;
    bnt_ternary_gemm_args a = r->args;
    bnt_slice(a.shape.rows, r->step, i, n, &a.row_lo, &a.row_hi);
    if (a.row_lo >= a.row_hi) return;
    for (uint64_t copy = 0; copy < r->copies; copy++) {
        a.packed = r->memory + copy * r->matrix_bytes;
        r->k->ternary_gemm(&a);
    }
}

/* One set's matrix, activations and result; *acts is the caller's. BNT_E_BACKEND where it does not
 * take the shape. */
static int prepare(struct run *r, const bnt_kernels *k, bnt_ternary_shape shape, uint32_t tokens,
                   uint64_t memory, float *y, void **acts, struct bnt_err *err) {
    bnt_layout matrix, layout;
    const bnt_act_shape act_shape = {tokens, shape.cols, 0, 0};
    *r = (struct run){.k = k};
    if (k->ternary_layout(&shape, &matrix) != BNT_SUPPORTED ||
        k->act_layout(&act_shape, &layout) != BNT_SUPPORTED || matrix.bytes > memory)
        return bnt_fail(err, BNT_E_BACKEND, "no ternary product of this shape");
    uint64_t bytes = (layout.bytes + 4095) & ~(uint64_t)4095;
    *acts = aligned_alloc(4096, bytes);
    if (!*acts) return bnt_fail_nomem(err, "a measurement", bytes);
    memset(*acts, 0, bytes);
    r->matrix_bytes = (matrix.bytes + 4095) & ~(uint64_t)4095;
    r->step = matrix.step;
    r->args = (bnt_ternary_gemm_args){.shape = shape,
                                      .scale = 1.0f,
                                      .act_shape = act_shape,
                                      .acts = *acts,
                                      .tok_hi = tokens,
                                      .y = y,
                                      .ldy = shape.rows};
    /* y is there, as long as a row of activations at least, and 0 */
    const bnt_act_quantize_args q = {act_shape, 0, tokens, y, 0, *acts};
    k->act_quantize(&q);
    return BNT_OK;
}

/* Weights a second of each set, the best of some passes that take turns. */
static void measure(struct run *runs, unsigned count, struct bnt_pool *pool, double *rate) {
    for (unsigned pass = 0; pass < PASSES; pass++) {
        for (unsigned s = 0; s < count; s++) {
            struct run *r = &runs[s];
            double start = bnt_now();
            bnt_pool_run(pool, multiply, r);
            double seconds = bnt_now() - start;
            double now = (double)r->args.shape.rows * (double)r->args.shape.cols *
                         (double)r->copies / (seconds > 0.0 ? seconds : 1e-9);
            if (now > rate[s]) rate[s] = now;
        }
    }
}

static int choose(struct bnt_sets *sets, const struct bnt_work *w, struct bnt_err *err) {
    const struct bnt_topology_info *info = bnt_topology_info(w->topology);
    bnt_ternary_shape shape = {w->rows ? w->rows : ROWS, w->rows ? w->cols : COLS, 0, BNT_TYPE_F32};
    uint32_t tokens = w->tokens > TOKENS_MOST ? TOKENS_MOST : w->tokens ? w->tokens : 1;
    const uint64_t cache = info->l3 ? info->l3 : LEAST / 4; /* unknown */
    uint64_t most = 4 * cache, one = shape.rows * shape.cols;
    uint64_t copies = w->weights ? (w->weights + one - 1) / one : UINT64_MAX;
    struct run runs[BNT_SETS_MOST];
    void *acts[BNT_SETS_MOST] = {NULL};
    struct bnt_pool *pool = NULL;
    float *y = NULL;
    int status = BNT_OK;
    if (w->weights && w->weights / 4 <= cache) return BNT_OK; /* two bits each: they stay in it */
    most = most < LEAST ? LEAST : most > MOST ? MOST : most;
    void *memory = mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return bnt_fail_nomem(err, "a measurement", most);
    (void)madvise(memory, most, MADV_HUGEPAGE);
    y = calloc((shape.rows > shape.cols ? shape.rows : shape.cols) * tokens, sizeof *y);
    if (!y) status = bnt_fail_nomem(err, "a measurement", shape.rows * tokens * sizeof *y);
    unsigned largest = 0;
    for (unsigned s = 0; s < sets->count && status == BNT_OK; s++) {
        status = prepare(&runs[s], &sets->of[s].kernels, shape, tokens, most, y, &acts[s], err);
        if (status == BNT_OK && runs[s].matrix_bytes > runs[largest].matrix_bytes) largest = s;
    }
    if (status == BNT_OK)
        status = bnt_pool_open(&pool,
                               w->threads ? w->threads : bnt_topology_default_threads(w->topology),
                               bnt_topology_places_memory(w->topology) ? w->topology : NULL, err);
    if (status == BNT_OK) {
        uint64_t fit = most / runs[largest].matrix_bytes; /* as many of each */
        for (unsigned s = 0; s < sets->count; s++) {
            runs[s].memory = memory;
            runs[s].copies = copies < fit ? copies : fit;
        }
        bnt_pool_run(pool, touch, &runs[largest]);
        measure(runs, sets->count, pool, sets->rate);
        for (unsigned s = 1; s < sets->count; s++)
            if (sets->rate[s] > BETTER * sets->rate[sets->taken]) sets->taken = s;
    }
    bnt_pool_close(pool);
    for (unsigned s = 0; s < sets->count; s++) free(acts[s]);
    free(y);
    munmap(memory, most);
    return status;
}

int bnt_sets_choose(struct bnt_sets *sets, const struct bnt_work *work, struct bnt_err *err) {
    if (sets->count < 2) return BNT_OK;
    int status = choose(sets, work, err);
    return status == BNT_E_BACKEND ? BNT_OK : status; /* a shape not all take: the first set */
}
