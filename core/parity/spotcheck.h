/*
 * spotcheck.h - a run that watches itself: now and then the judge recomputes a row of a product.
 *
 * After a share of the products (matrix times activations) each thread has the judge compute one
 * row of its slice again, for one token, from the model file's own bytes and the f32 values that
 * went in. So a wrong product, packing or quantization is seen while the run goes on, at a cost in
 * proportion to the share. Knows nothing of what the other operations do.
 */
#ifndef BNT_PARITY_SPOTCHECK_H
#define BNT_PARITY_SPOTCHECK_H

#include "run/exec_state.h"

struct bnt_spotcheck;

/* Takes e's hook; e and the judge's kernels must outlive it. share: 0 to 1 of the products; which,
 * the seed says. A difference fails the run: bnt_exec_verdict gives BNT_E_MISMATCH and names layer,
 * tensor and row. */
int bnt_spotcheck_open(struct bnt_spotcheck **out, struct bnt_exec *e, const bnt_kernels *judge,
                       double share, uint64_t seed, struct bnt_err *err);
void bnt_spotcheck_close(struct bnt_spotcheck *s);          /* gives the hook back */
uint64_t bnt_spotcheck_rows(const struct bnt_spotcheck *s); /* recomputed so far */

#endif
