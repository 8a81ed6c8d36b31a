/*
 * head.h - the largest logits, found without computing all of them.
 *
 * A copy of the head in int8 gives every logit within a rigorous bound; only rows that could be
 * among the k largest are then computed exactly. What comes out is what the full product gives:
 * the same ids, the same logits, the same order (highest first, lowest id among equals).
 */
#ifndef BNT_RUN_HEAD_H
#define BNT_RUN_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "bitnet/bitnet.h"
#include "bitnet/plugin.h"
#include "machine/pool.h"
#include "run/weights.h"

enum { BNT_HEAD_MOST = 256 }; /* largest k that is searched for */

/* The copy; immutable, shared by sessions. */
struct bnt_head {
    const struct bnt_weight *exact; /* the dense head itself; NULL: no copy, compute it in full */
    const bnt_kernels *k;
    bnt_i8_shape shape;
    uint32_t step;
    struct bnt_mem memory;
    void *packed;       /* int8 rows */
    float *scale;       /* [rows]: w is about scale * int8 */
    float *error;       /* [rows]: at least the norm of w - scale * int8 */
    float *norm;        /* [rows]: at least the norm of scale * int8 */
    uint64_t row_bytes; /* read per row in a search */
};

/* Makes the copy when the head is dense and large, and the backend has the search slots; otherwise
 * out->exact is NULL, and that is no error. */
int bnt_head_build(struct bnt_head *out, const struct bnt_weight *w, const bnt_kernels *k,
                   struct bnt_loading *loading, struct bnt_err *err);
void bnt_head_free(struct bnt_head *h);

/* One search, by all threads of a team, for several vectors in one pass over the copy. */
struct bnt_search; /* scratch; opaque */

/* For up to `vectors` of them. */
int bnt_search_open(struct bnt_search **out, const struct bnt_head *h, uint32_t vectors,
                    unsigned threads, struct bnt_err *err);
void bnt_search_close(struct bnt_search *s);

/* Thread i of n; all call it with the same x [n_x][cols] and k [n_x], 1 <= k <= BNT_HEAD_MOST; they
 * meet at the pool's barrier inside. Returns how many logits this thread computed exactly. */
uint64_t bnt_search_run(struct bnt_search *s, const float *x, uint32_t n_x, const uint32_t *k,
                        struct bnt_pool *pool, unsigned i, unsigned n);

/* After all threads are done: the k largest of vector v, in order; k or all rows. false when x or a
 * logit among them is not finite. */
bool bnt_search_result(struct bnt_search *s, uint32_t v, struct bnt_top *out, uint32_t *count);

/* In the order of NUMERICS clause 10 (highest logit first, lowest id among equals): keeps the k
 * best of what is offered, *n of them in no order; and sorts them. */
void bnt_keep_best(struct bnt_top *kept, uint32_t *n, uint32_t k, struct bnt_top offered);
void bnt_sort_best(struct bnt_top *top, uint32_t n);

#endif
