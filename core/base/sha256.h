/*
 * sha256.h - SHA-256 of files, memory and streams, as lower-case hexadecimal; and git's name of a
 * blob, which hubs give to small files.
 *
 * Over OpenSSL's EVP; nothing else in the core knows libcrypto.
 */
#ifndef BNT_BASE_SHA256_H
#define BNT_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* A hash in progress: begin, add as often as needed, end (which frees it, on failure too). A failed
 * begin or add is remembered and reported by end. */
struct bnt_sha256 {
    void *ctx; /* EVP_MD_CTX; NULL after a failure */
};
void bnt_sha256_begin(struct bnt_sha256 *h);
void bnt_sha256_add(struct bnt_sha256 *h, const void *data, size_t size);
int bnt_sha256_end(struct bnt_sha256 *h, char hex[65], struct bnt_err *err);

/* The same for the 40 digits of git's name (SHA-1) of a blob of so many bytes. */
void bnt_git_blob_begin(struct bnt_sha256 *h, uint64_t bytes);

int bnt_sha256_file(const char *path, char hex[65], struct bnt_err *err);
/* From the start of an open file; its position does not move. */
int bnt_sha256_fd(int fd, char hex[65], struct bnt_err *err);

#endif
