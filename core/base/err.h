/*
 * err.h - statuses and explained errors.
 *
 * A function that can fail returns a status, 0 or negative, from the one table below. A function
 * that can explain takes `struct bnt_err *` (may be NULL) and fills it once, where it fails, with
 * names and numbers. Library code never prints, exits or aborts.
 */
#ifndef BNT_BASE_ERR_H
#define BNT_BASE_ERR_H

#include <stddef.h>

/* X(name, value, exit status of the program, text). Documented in docs/bitnet.1. */
#define BNT_STATUS_TABLE(X)                                                                        \
    X(BNT_OK, 0, 0, "ok")                                                                          \
    X(BNT_E_USAGE, -1, 2, "bad command line")                                                      \
    X(BNT_E_IO, -2, 3, "input or output failed")                                                   \
    X(BNT_E_FORMAT, -3, 4, "malformed file")                                                       \
    X(BNT_E_UNSUPPORTED, -4, 5, "not supported")                                                   \
    X(BNT_E_BACKEND, -5, 6, "backend not usable")                                                  \
    X(BNT_E_NOMEM, -6, 7, "out of memory")                                                         \
    X(BNT_E_LIMIT, -7, 8, "limit reached")                                                         \
    X(BNT_E_NUMERIC, -8, 9, "not a finite number")                                                 \
    X(BNT_E_MISMATCH, -9, 10, "results differ")                                                    \
    X(BNT_E_INTERRUPTED, -10, 130, "interrupted")

enum bnt_status {
#define X(name, value, exit_status, text) name = value,
    BNT_STATUS_TABLE(X)
#undef X
};

struct bnt_err {
    int status;
    char text[600]; /* one line, no newline, UTF-8 */
};

/* Fills *err (when not NULL) and returns `status`, so that `return bnt_fail(...)` reads well. */
__attribute__((format(printf, 3, 4))) int bnt_fail(struct bnt_err *err, int status, const char *fmt,
                                                   ...);

/* As bnt_fail(BNT_E_NOMEM), naming what the memory was for. */
int bnt_fail_nomem(struct bnt_err *err, const char *what, size_t bytes);

const char *bnt_status_name(int status); /* "BNT_E_FORMAT"; "BNT_E_?" if unknown */
const char *bnt_status_text(int status);
int bnt_status_exit(int status);

/* Writes text to dst as one line of printable ASCII: other bytes and
 * over-long tails become escapes or "..."; Returns dst. For names that come from files. */
char *bnt_printable(char *dst, size_t dst_size, const void *text, size_t text_len);

#endif
