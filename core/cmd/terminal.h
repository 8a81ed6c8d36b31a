/*
 * terminal.h - what only somebody at a terminal sees: a bar for what takes longer than a second,
 * and colours.
 *
 * A pipe, a file and a log get neither; nor does a terminal with TERM=dumb, and no colours come
 * where NO_COLOR is set (no-color.org).
 */
#ifndef BNT_CMD_TERMINAL_H
#define BNT_CMD_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* On one line of standard error, from its second second on. */
struct bar {
    const char *what; /* "loading" */
    double start;
    bool terminal, shown;
};

void bar_begin(struct bar *b, const char *what);
/* For whoever reports progress by a function with an argument: the argument is the bar. */
void bar_show(void *bar, uint64_t done, uint64_t total);
void bar_end(struct bar *b); /* takes the line away */

enum color { COLOR_NONE, COLOR_GOOD, COLOR_BAD };
/* What to print before and, with COLOR_NONE, behind a word: an escape sequence, or "". */
const char *color(FILE *f, enum color c);

#endif
