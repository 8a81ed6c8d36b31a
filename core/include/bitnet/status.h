/*
 * status.h - statuses and explained errors, shared by the library and its users.
 *
 * A function that can fail returns a status, 0 or negative, from the one table below. A function
 * that can explain takes `struct bnt_err *` (may be NULL) and fills it once, where it fails.
 */
#ifndef BITNET_STATUS_H
#define BITNET_STATUS_H

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bitnet runs on little-endian systems: model files are read in place, and receipts are bytes"
#endif
#if defined(__SIZEOF_POINTER__) && __SIZEOF_POINTER__ < 8
#error "bitnet runs on 64-bit systems: a model is mapped as a whole"
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define BNT_API __attribute__((visibility("default")))

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
    X(BNT_E_INTERRUPTED, -10, 130, "interrupted")                                                  \
    X(BNT_E_TIMEOUT, -11, 11, "time limit reached")                                                \
    X(BNT_E_UNCHECKED, -12, 12, "not all could be checked")

enum bnt_status {
#define X(name, value, exit_status, text) name = value,
    BNT_STATUS_TABLE(X)
#undef X
};

struct bnt_err {
    int status;
    char text[600]; /* one line, no newline, printable */
};

BNT_API const char *bnt_status_name(int status); /* "BNT_E_FORMAT"; "BNT_E_?" if unknown */
BNT_API const char *bnt_status_text(int status);
BNT_API int bnt_status_exit(int status);

#ifdef __cplusplus
}
#endif

#endif
