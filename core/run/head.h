/*
 * head.h - the largest logits, found without computing all of them.
 *
 * A copy of the head in few bits gives every logit within a rigorous bound; only rows that could be
 * among the k largest are looked at in more bits, and of those that remain the logits are computed
 * exactly. What comes out is what the full product gives: the same ids, the same logits, the same
 * order (highest first, lowest id among equals).
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
#include "run/codes.h"
#include "run/weights.h"

enum { BNT_HEAD_MOST = 256 }; /* largest k that is searched for */

/* Part of the copy. With its codes q of a row, those of the levels before it, and the row's scale,
 * the row is about scale * sum over levels of unit * (q - middle). */
struct bnt_head_level {
    void *packed;
    float *error; /* [rows]: at least the norm of what these levels leave out */
    float unit, middle;
    uint32_t bits;
    uint64_t row_bytes;
};

/* The copy; immutable, shared by sessions. */
struct bnt_head {
    const struct bnt_weight *exact; /* the dense head itself; NULL: no copy, compute it in full */
    const bnt_kernels *k;
    bnt_i8_shape shape;
    uint32_t step;
    struct bnt_mem memory;
    float *scale; /* [rows] */
    float *norm;  /* [rows]: at least the norm of the row */
    /* By their codes of five and two bits, where the backend has products of such; else one level
     * of int8, for which the unit is 1 and the middle 0. */
    bool coded;
    unsigned n_levels;
    struct bnt_head_level level[BNT_CODE_PARTS];
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
bool bnt_search_coded(const struct bnt_search *s); /* the slot is code_gemv, not i8_gemv */

/* What is looked for, for one vector; borrowed while the search lasts. */
struct bnt_search_ask {
    uint32_t k;              /* the largest logits: 1 to BNT_HEAD_MOST */
    uint32_t n_ids;          /* and, not among those, */
    const int32_t *ids;      /* [n_ids], rising: these tokens', whatever they are */
    float *logits;           /* [n_ids]: where they go */
    const uint64_t *allowed; /* the largest of these rows, a bit each; NULL: of all */
};

/* What searches have cost so far; to be asked while none runs. */
struct bnt_search_cost {
    uint64_t vectors;                        /* that were looked for */
    uint64_t bytes;                          /* of copy and head that were read for them */
    uint64_t rows[BNT_CODE_PARTS], computed; /* looked at in each level; computed exactly */
};
void bnt_search_cost(const struct bnt_search *s, struct bnt_search_cost *out);

/* Thread i of n; all call it with the same x [n_x][cols] and asks [n_x]; they meet at the pool's
 * barrier inside. Returns how many logits this thread computed exactly. */
uint64_t bnt_search_run(struct bnt_search *s, const float *x, uint32_t n_x,
                        const struct bnt_search_ask *asks, struct bnt_pool *pool, unsigned i,
                        unsigned n);

/* After all threads are done: the k largest of vector v, in order; k or all rows that there are.
 * false when x or a logit that was computed is not finite. */
bool bnt_search_result(struct bnt_search *s, uint32_t v, struct bnt_top *out, uint32_t *count);

/* In the order of NUMERICS clause 10 (highest logit first, lowest id among equals): keeps the k
 * best of what is offered, *n of them in no order; and sorts them. */
void bnt_keep_best(struct bnt_top *kept, uint32_t *n, uint32_t k, struct bnt_top offered);
void bnt_sort_best(struct bnt_top *top, uint32_t n);

#endif
