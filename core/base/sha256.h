/*
 * sha256.h - SHA-256 of files, as lower-case hexadecimal.
 *
 * Over OpenSSL's EVP; the only files that know libcrypto for this are here.
 */
#ifndef BNT_BASE_SHA256_H
#define BNT_BASE_SHA256_H

#include <stddef.h>

#include "base/err.h"

int bnt_sha256_file(const char *path, char hex[65], struct bnt_err *err);
/* From the start of an open file; its position does not move. */
int bnt_sha256_fd(int fd, char hex[65], struct bnt_err *err);
int bnt_sha256(const void *data, size_t size, char hex[65], struct bnt_err *err);

#endif
