/*
 * row-5000.c - a fault that no self-check sees: from row 5000 on the product is wrong in its last
 * bit, but only of a matrix that was packed whole, as a model's are.
 */
#include <pthread.h>
#include <stdbool.h>

#include "hostile.h"

enum { FIRST = 5000, MOST = 256 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct large {
    const void *packed;
    uint64_t rows; /* of it that were packed since row 0 was */
} all[MOST];

/* With the mutex held; NULL when there are too many. */
static struct large *find(const void *packed) {
    for (unsigned i = 0; i < MOST; i++) {
        if (!all[i].packed) all[i].packed = packed;
        if (all[i].packed == packed) return &all[i];
    }
    return NULL;
}

static void pack(const bnt_ternary_pack_args *a) {
    ref_ternary_pack(a);
    if (a->shape.rows <= FIRST) return;
    pthread_mutex_lock(&mutex);
    struct large *l = find(a->packed);
    if (l && a->row_lo == 0 && l->rows >= a->shape.rows) l->rows = 0; /* the memory of another */
    if (l) l->rows += a->row_hi - a->row_lo;
    pthread_mutex_unlock(&mutex);
}

static bool is_whole(const bnt_ternary_gemm_args *a) {
    pthread_mutex_lock(&mutex);
    const struct large *l = find(a->packed);
    bool whole = l && l->rows >= a->shape.rows;
    pthread_mutex_unlock(&mutex);
    return whole;
}

static void gemm(const bnt_ternary_gemm_args *a) {
    ref_ternary_gemm(a);
    if (a->shape.rows <= FIRST || !is_whole(a)) return;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++)
        for (uint64_t r = a->row_lo > FIRST ? a->row_lo : FIRST; r < a->row_hi; r++)
            a->y[t * a->ldy + r] = bnt_f32_from_bits(bnt_f32_bits(a->y[t * a->ldy + r]) ^ 1);
}

TABLE(own.ternary_pack = pack, own.ternary_gemm = gemm)
BNT_PLUGIN("row-5000", "1", "", 80, kernels);
