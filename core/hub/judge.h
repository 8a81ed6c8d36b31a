/*
 * judge.h - can this model run here? Asked before gigabytes move.
 *
 * A file whose header is known and whose data are not is judged like one that is there, as `bitnet
 * inspect` does: the header is laid into memory of the full size, of which only the header is ever
 * used. What only weights can tell (a damaged code, a scale that is no number) is found later, when
 * they are loaded.
 */
#ifndef BNT_HUB_JUDGE_H
#define BNT_HUB_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bnt_hub_verdict {
    bool whole;    /* all of the header was in the bytes given; if not, nothing else is known */
    bool runs;     /* it can run */
    bool ternary;  /* most of its weights are ternary */
    char arch[32]; /* general.architecture, or "" */
    struct bnt_err why_not;
};

/* n bytes of a file's beginning, of `size` in all. Fails only for want of memory. */
int bnt_hub_judge(struct bnt_hub_verdict *v, const void *header, size_t n, uint64_t size,
                  struct bnt_err *err);
/* A file on disk. */
void bnt_hub_judge_file(struct bnt_hub_verdict *v, const char *path);

#endif
