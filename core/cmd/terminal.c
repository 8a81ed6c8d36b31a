/* terminal.c - see terminal.h. */
#include "cmd/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { WIDTH = 30 };

static bool is_terminal(FILE *f) {
    const char *term = getenv("TERM");
    return isatty(fileno(f)) && !(term && strcmp(term, "dumb") == 0);
}

void bar_begin(struct bar *b, const char *what) {
    *b = (struct bar){.what = what, .start = bnt_now(), .terminal = is_terminal(stderr)};
}

void bar_show(void *bar, uint64_t done, uint64_t total) {
    struct bar *b = bar;
    if (!b->terminal || bnt_now() - b->start < 1.0) return;
    const double part = done < total ? (double)done / (double)total : 1.0;
    const int filled = (int)(part * WIDTH);
    fprintf(stderr, "\r%s [%.*s%*s] %3d %%", b->what, filled, "##############################",
            WIDTH - filled, "", (int)(part * 100.0));
    b->shown = true;
}

void bar_end(struct bar *b) {
    if (b->shown) fprintf(stderr, "\r%*s\r", (int)strlen(b->what) + WIDTH + 9, "");
    b->shown = false;
}

const char *color(FILE *f, enum color c) {
    const char *no = getenv("NO_COLOR");
    if ((no && *no) || !is_terminal(f)) return "";
    return c == COLOR_GOOD ? "\033[32m" : c == COLOR_BAD ? "\033[31m" : "\033[0m";
}
