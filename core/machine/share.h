/*
 * share.h - work on the rows of several matrices, shared out among a team of threads.
 *
 * Two ways: by ticket, where whoever is free takes the next rows, the best balance; or placed,
 * where each thread gets the rows that bnt_slice gives it, so that memory it touches first lies on
 * the NUMA node of the thread that computes with it later. Knows nothing of what is done with rows.
 */
#ifndef BNT_MACHINE_SHARE_H
#define BNT_MACHINE_SHARE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct bnt_share_item {
    uint64_t rows;  /* 0: nothing to do, and the rest does not matter */
    uint64_t step;  /* slices of a placed item begin at multiples of it */
    uint64_t chunk; /* rows handed out at a time, at least 1 */
};

struct bnt_share {
    const struct bnt_share_item *items; /* [count] */
    uint32_t count;
    bool placed;
    _Atomic uint64_t ticket; /* 0 at the start */
};

/* Rows [lo, hi) of an item, and the place of one thread in the whole; zero-initialised. */
struct bnt_share_rows {
    uint32_t item;
    uint64_t lo, hi;
    uint64_t first; /* ticket: of the item's first chunk; placed: where the slice ends */
    bool inside;    /* placed: the slice of `item` has begun */
};

/* The next rows for thread i of n; false when there are none. */
bool bnt_share_next(struct bnt_share *s, unsigned i, unsigned n, struct bnt_share_rows *at);

#endif
