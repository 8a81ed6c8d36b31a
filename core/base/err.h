/*
 * err.h - how library code fails: once, where the fault is, with names and numbers.
 *
 * Library code never prints, exits or aborts.
 */
#ifndef BNT_BASE_ERR_H
#define BNT_BASE_ERR_H

#include <stddef.h>

#include "bitnet/status.h"

/* Fills *err (when not NULL) and returns `status`, so that `return bnt_fail(...)` reads well.
 * Control characters become '?', wherever they came from. */
__attribute__((format(printf, 3, 4))) int bnt_fail(struct bnt_err *err, int status, const char *fmt,
                                                   ...);

/* As bnt_fail(BNT_E_NOMEM), naming what the memory was for. */
int bnt_fail_nomem(struct bnt_err *err, const char *what, size_t bytes);

/* Puts '?' for every control character, so that the text cannot write to a terminal, which obeys
 * them. UTF-8 stays. Returns text. */
char *bnt_without_controls(char *text);

/* Writes text to dst as one line of printable ASCII: other bytes and over-long tails become escapes
 * or "...". Returns dst. For names that come from files. */
char *bnt_printable(char *dst, size_t dst_size, const void *text, size_t text_len);

#endif
