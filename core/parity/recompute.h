/*
 * recompute.h - one row of one operation, again, by the judge.
 *
 * From the values that went in and from the model file's own bytes, in memory of its own, so that
 * nothing is asked of the backend but what it holds in layouts of its own: quantized activations
 * and the cache are read by its own unpacking, and compared with what the judge makes of the values
 * that went in. Must not know why, or how often, somebody asks.
 */
#ifndef BNT_PARITY_RECOMPUTE_H
#define BNT_PARITY_RECOMPUTE_H

#include "run/look.h"

struct bnt_recompute;

/* A value that is not the judge's. */
struct bnt_recomputed {
    const char *what;     /* "value", "quantized value", "activation scale", "K value", "V value" */
    uint32_t head;        /* of op->heads */
    uint64_t row;         /* within the head */
    uint32_t got, wanted; /* bits; of quantized values the int8, extended */
};

/* For each member of e's team; e and the judge's kernels must outlive it. */
int bnt_recompute_open(struct bnt_recompute **out, const struct bnt_exec *e,
                       const bnt_kernels *judge, struct bnt_err *err);
void bnt_recompute_close(struct bnt_recompute *r);

/* By member i, before operation k writes its row `token` (of what it writes): what it will
 * overwrite is kept. Of operations that are cut by tokens only. */
void bnt_recompute_before(struct bnt_recompute *r, unsigned i, uint32_t k, uint64_t token);
/* After the operation, and before the next that writes what it read. part: of LINEAR the row of the
 * matrix, of ATTENTION the query head; otherwise all values of the token are compared. True when
 * one is not the judge's. */
bool bnt_recompute_differs(struct bnt_recompute *r, unsigned i, uint32_t k, uint64_t token,
                           uint64_t part, struct bnt_recomputed *out);

#endif
