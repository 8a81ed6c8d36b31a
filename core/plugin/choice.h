/*
 * choice.h - which of a plugin's kernel sets is the quickest for the work at hand, by trying them.
 *
 * Sets compute the same bytes from other layouts; whether fewer bytes or fewer instructions win
 * depends on the memory, the threads and how many tokens are computed together, and no table of
 * CPUs knows. So each set's own ternary product is run over as much memory as the work takes, for a
 * few milliseconds. Where the last cache holds a model's weights the first set is taken, the one
 * with the fewest instructions. Knows nothing of plugin files.
 */
#ifndef BNT_PLUGIN_CHOICE_H
#define BNT_PLUGIN_CHOICE_H

#include "machine/topology.h"
#include "plugin/verdict.h"

/* Zeros where nothing in particular is known, but for the topology. */
struct bnt_work {
    unsigned threads;    /* 0: one per physical core */
    unsigned tokens;     /* that are computed together in decoding; 0: 1 */
    uint64_t rows, cols; /* the matrix that holds most of the weights; 0: one of 4096 x 2560 */
    uint64_t weights;    /* ternary weights of the model; 0: more than any cache holds */
    const struct bnt_topology *topology; /* of this machine */
};

/* Fills sets->rate and sets->taken: the quickest, or the first where they are within three parts in
 * a hundred. One set alone is not measured, nor weights that the last cache holds. Takes as much
 * memory as the work, at most four times that cache and 256 MiB, and gives it back. */
int bnt_sets_choose(struct bnt_sets *sets, const struct bnt_work *work, struct bnt_err *err);

#endif
