/*
 * spotcheck.h - a run that watches itself: now and then the judge does a row of an operation again.
 *
 * After a share of the operations, whatever their kind, the judge computes what they made of one
 * token: all its values, or one head of attention, or of a product one row for each thread
 * (recompute.h). So a wrong kernel of any slot, a wrong packing or a wrong cache is seen while the
 * run goes on, at a cost in proportion to the share.
 */
#ifndef BNT_PARITY_SPOTCHECK_H
#define BNT_PARITY_SPOTCHECK_H

#include "run/look.h"

struct bnt_spotcheck;

/* Takes e's hook; e and the judge's kernels must outlive it. share: 0 to 1 of the operations;
 * which, the seed says. A difference fails the run: bnt_exec_verdict gives BNT_E_MISMATCH and names
 * layer, operation, tensor and row. */
int bnt_spotcheck_open(struct bnt_spotcheck **out, struct bnt_exec *e, const bnt_kernels *judge,
                       double share, uint64_t seed, struct bnt_err *err);
void bnt_spotcheck_close(struct bnt_spotcheck *s);          /* gives the hook back */
uint64_t bnt_spotcheck_rows(const struct bnt_spotcheck *s); /* recomputed so far */

#endif
