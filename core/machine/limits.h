/*
 * limits.h - what this machine's memory can give, measured.
 */
#ifndef BNT_MACHINE_LIMITS_H
#define BNT_MACHINE_LIMITS_H

#include "base/err.h"
#include "base/mem.h"
#include "machine/pool.h"

/* Memory far larger than the caches, to be read. */
struct bnt_reader {
    struct bnt_mem mem;
    bool touched;
};

int bnt_reader_open(struct bnt_reader *r, struct bnt_err *err);
/* Reads all of it once, each member of the team a linear stream of its own, prefetched: bytes per
 * second. The first pass of all puts each page on the node of a member of its team. */
double bnt_reader_pass(struct bnt_reader *r, struct bnt_pool *team);
void bnt_reader_close(struct bnt_reader *r);

#endif
