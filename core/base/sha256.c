/* sha256.c - see sha256.h. */
#include "base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20)

static void give_up(struct bnt_sha256 *h) {
    EVP_MD_CTX_free(h->ctx);
    h->ctx = NULL;
}

static void begin(struct bnt_sha256 *h, const EVP_MD *md) {
    h->ctx = EVP_MD_CTX_new();
    if (h->ctx && EVP_DigestInit_ex(h->ctx, md, NULL) != 1) give_up(h);
}

void bnt_sha256_begin(struct bnt_sha256 *h) {
    begin(h, EVP_sha256());
}

void bnt_git_blob_begin(struct bnt_sha256 *h, uint64_t bytes) {
    char head[32];
    int n = snprintf(head, sizeof head, "blob %" PRIu64, bytes);
    begin(h, EVP_sha1());
    bnt_sha256_add(h, head, (size_t)n + 1); /* its NUL counts */
}

void bnt_sha256_add(struct bnt_sha256 *h, const void *data, size_t size) {
    if (h->ctx && EVP_DigestUpdate(h->ctx, data, size) != 1) give_up(h);
}

int bnt_sha256_end(struct bnt_sha256 *h, char hex[65], struct bnt_err *err) {
    static const char digit[] = "0123456789abcdef";
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (h->ctx && EVP_DigestFinal_ex(h->ctx, md, &len) != 1) len = 0;
    give_up(h);
    if (len != 32 && len != 20)
        return bnt_fail(err, BNT_E_UNSUPPORTED, "libcrypto cannot do SHA-256 or SHA-1");
    for (unsigned i = 0; i < len; i++) {
        hex[2 * i] = digit[md[i] >> 4];
        hex[2 * i + 1] = digit[md[i] & 15];
    }
    hex[2 * len] = '\0';
    return BNT_OK;
}

int bnt_sha256_fd(int fd, char hex[65], struct bnt_err *err) {
    struct bnt_sha256 h;
    unsigned char *buffer = malloc(CHUNK);
    ssize_t n = 0;
    if (!buffer) return bnt_fail_nomem(err, "hashing a file", CHUNK);
    bnt_sha256_begin(&h);
    for (off_t at = 0;; at += n) {
        do {
            n = pread(fd, buffer, CHUNK, at);
        } while (n < 0 && errno == EINTR);
        if (n <= 0) break;
        bnt_sha256_add(&h, buffer, (size_t)n);
    }
    int read_errno = errno, status = bnt_sha256_end(&h, hex, err);
    if (n < 0) status = bnt_fail(err, BNT_E_IO, "cannot read: %s", strerror(read_errno));
    free(buffer);
    return status;
}

int bnt_sha256_file(const char *path, char hex[65], struct bnt_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return bnt_fail(err, BNT_E_IO, "cannot open '%s': %s", path, strerror(errno));
    int status = bnt_sha256_fd(fd, hex, err);
    close(fd);
    return status;
}
