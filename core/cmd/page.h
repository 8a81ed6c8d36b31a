/*
 * page.h - pages that somebody looks at (SVG, HTML): text gathered in memory, written at once.
 *
 * Whatever comes from a file is put through page_text, so that no name can become markup. A page is
 * well-formed XML, needs nothing from elsewhere and has no scripts.
 */
#ifndef BNT_CMD_PAGE_H
#define BNT_CMD_PAGE_H

#include <stddef.h>
#include <stdio.h>

#include "output.h"

struct page {
    char *text;
    size_t len;
    FILE *f; /* what is printed here becomes the text */
};

int page_begin(struct page *p, struct bnt_err *err);
void page_text(struct page *p, const char *text); /* with <, >, & and quotes as entities */
/* Ends the page and, when `to` is not NULL, writes it. Frees everything. */
int page_end(struct page *p, struct bnt_output *to, struct bnt_err *err);

#endif
