/*
 * mem.h - big, zeroed, aligned memory that goes back to the system when freed.
 *
 * Pages are touched first by whoever writes them, so they lie on that thread's NUMA node.
 */
#ifndef BNT_BASE_MEM_H
#define BNT_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bnt_mem {
    void *ptr; /* aligned to 2 MiB for regions of that size and above, to a page below */
    size_t size;
};

/* size 0 gives an empty region. `what` is for the error text. */
int bnt_mem_alloc(struct bnt_mem *mem, uint64_t size, const char *what, struct bnt_err *err);
/* The same without a promise that memory is there for all of it: only pages that are written count,
 * each of the usual size. For what is large and mostly unused. */
int bnt_mem_reserve(struct bnt_mem *mem, uint64_t size, const char *what, struct bnt_err *err);
/* Gives the pages back to the system; the region reads as zero from then on. */
void bnt_mem_forget(const struct bnt_mem *mem);
/* Of a region not yet touched: pages of the usual size, so that each can lie on a node of its own.
 */
void bnt_mem_small_pages(const struct bnt_mem *mem);
void bnt_mem_free(struct bnt_mem *mem);

#endif
