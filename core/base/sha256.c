/* sha256.c - see sha256.h. */
#include "base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20)

static int failed(struct bnt_err *err) {
    return bnt_fail(err, BNT_E_UNSUPPORTED, "libcrypto cannot do SHA-256");
}

static int finish(EVP_MD_CTX *ctx, char hex[65], struct bnt_err *err) {
    static const char digit[] = "0123456789abcdef";
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    if (EVP_DigestFinal_ex(ctx, md, &len) != 1 || len != 32) return failed(err);
    for (unsigned i = 0; i < 32; i++) {
        hex[2 * i] = digit[md[i] >> 4];
        hex[2 * i + 1] = digit[md[i] & 15];
    }
    hex[64] = '\0';
    return BNT_OK;
}

int bnt_sha256_fd(int fd, char hex[65], struct bnt_err *err) {
    int status = BNT_OK;
    unsigned char *buffer = malloc(CHUNK);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!buffer || !ctx) {
        status = bnt_fail_nomem(err, "hashing a file", CHUNK);
        goto out;
    }
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1) {
        status = failed(err);
        goto out;
    }
    for (off_t at = 0;;) {
        ssize_t n = pread(fd, buffer, CHUNK, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            status = bnt_fail(err, BNT_E_IO, "cannot read: %s", strerror(errno));
            goto out;
        }
        if (n == 0) break;
        if (EVP_DigestUpdate(ctx, buffer, (size_t)n) != 1) {
            status = failed(err);
            goto out;
        }
        at += n;
    }
    status = finish(ctx, hex, err);
out:
    EVP_MD_CTX_free(ctx);
    free(buffer);
    return status;
}

int bnt_sha256_file(const char *path, char hex[65], struct bnt_err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return bnt_fail(err, BNT_E_IO, "cannot open '%s': %s", path, strerror(errno));
    int status = bnt_sha256_fd(fd, hex, err);
    close(fd);
    return status;
}

int bnt_sha256(const void *data, size_t size, char hex[65], struct bnt_err *err) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx) return bnt_fail_nomem(err, "hashing", size);
    int status = BNT_OK;
    if (EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 || EVP_DigestUpdate(ctx, data, size) != 1) {
        status = failed(err);
    } else {
        status = finish(ctx, hex, err);
    }
    EVP_MD_CTX_free(ctx);
    return status;
}
