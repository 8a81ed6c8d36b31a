/*
 * shard.h - which part of a list of lines this process takes, by an option or by the scheduler that
 * started it.
 *
 * Parts are contiguous and in order, so their results joined are those of one process.
 */
#ifndef BNT_SERVE_SHARD_H
#define BNT_SERVE_SHARD_H

#include <stddef.h>

#include "base/err.h"

enum { SHARDS_MOST = 99999 };

struct serve_shard {
    unsigned index, count; /* index < count */
    const char *by;        /* the variable that said so; NULL: the option, or nobody */
};

/* option: "I/N", I from 0; "/N": I is what the environment says; NULL: both are. Without a word of
 * either it is the whole. BNT_E_USAGE for what makes no sense. */
int serve_shard_find(struct serve_shard *out, const char *option, struct bnt_err *err);
/* Of n lines those from *first to before *last. */
void serve_shard_range(const struct serve_shard *s, size_t n, size_t *first, size_t *last);

#endif
