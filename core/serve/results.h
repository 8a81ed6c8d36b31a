/*
 * results.h - a file of results, a line each, that grows while they are made and outlives a kill.
 *
 * What a killed process left is whole lines and perhaps a piece of one: the piece is cut off, the
 * lines stay, and the next process goes on behind them. Knows lines; must not know what they say.
 */
#ifndef BNT_SERVE_RESULTS_H
#define BNT_SERVE_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct serve_results { /* zero-initialised is closed */
    int fd;
    bool open;
    char *text;               /* what was there when it was opened: whole lines */
    size_t len, piece, lines; /* bytes of them; bytes behind them, in text too */
    const char *path;
};

/* Opens or makes it, for this process alone. BNT_E_USAGE: it is no regular file, or another
 * process has it open here. Nothing is changed yet. */
int serve_results_open(struct serve_results *r, const char *path, struct bnt_err *err);
void serve_results_close(struct serve_results *r);
/* Cuts off what is no whole line; from here on lines are added. */
int serve_results_begin(struct serve_results *r, struct bnt_err *err);
/* A line more, in one write; `text` has no line's end. */
int serve_results_add(struct serve_results *r, const char *text, size_t len, struct bnt_err *err);
/* On the disk. */
int serve_results_sync(struct serve_results *r, struct bnt_err *err);

#endif
