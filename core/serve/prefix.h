/*
 * prefix.h - beginnings that need not be computed again: sequences of jobs that are over, kept
 * within a budget of memory; the one that was of no use for longest goes first.
 *
 * A sequence's values depend on its tokens alone, so a beginning that is copied has the bits of one
 * that is computed. Knows tokens and sequences; must not know jobs.
 */
#ifndef BNT_SERVE_PREFIX_H
#define BNT_SERVE_PREFIX_H

#include "bitnet/bitnet.h"

enum { SERVE_PREFIX_MOST = 64, SERVE_PREFIX_LEAST = 8 }; /* sequences; tokens worth a copy */

struct serve_prefix {      /* zero-initialised but for the budget */
    uint64_t budget;       /* bytes; 0: nothing is kept */
    uint64_t per_position; /* bytes */
    uint64_t bytes;        /* in use */
    uint64_t clock;
    unsigned count;
    struct {
        struct bnt_sequence *sequence;
        uint64_t used; /* when, by the clock */
    } kept[SERVE_PREFIX_MOST];
};

/* A sequence that holds a beginning of ids[0 .. n), shorter than n: a kept one that is such a
 * beginning itself, a copy of another's, or of one of `others` that are being computed, or an empty
 * one. */
int serve_prefix_open(struct bnt_sequence **out, struct serve_prefix *p,
                      struct bnt_context *context, struct bnt_sequence *const *others,
                      unsigned n_others, const int32_t *ids, size_t n, struct bnt_err *err);
/* Takes over a sequence that nobody computes any more. */
void serve_prefix_keep(struct serve_prefix *p, struct bnt_sequence *sequence);
void serve_prefix_close(struct serve_prefix *p);

#endif
