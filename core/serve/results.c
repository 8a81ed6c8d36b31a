/* results.c - see results.h. */
#include "serve/results.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int io(const struct serve_results *r, struct bnt_err *err) {
    return bnt_fail(err, BNT_E_IO, "%s: %s", r->path, strerror(errno));
}

static int judge(const struct serve_results *r, off_t *size, struct bnt_err *err) {
    struct stat st;
    if (fstat(r->fd, &st) != 0) return io(r, err);
    if (!S_ISREG(st.st_mode))
        return bnt_fail(err, BNT_E_USAGE, "%s: results go to a file, and this is none", r->path);
    if (flock(r->fd, LOCK_EX | LOCK_NB) != 0)
        return bnt_fail(err, BNT_E_USAGE, "%s: another process writes to it", r->path);
    *size = st.st_size;
    return BNT_OK;
}

static int read_all(struct serve_results *r, size_t size, struct bnt_err *err) {
    r->text = malloc(size + 1);
    if (!r->text) return bnt_fail_nomem(err, r->path, size);
    while (r->len < size) {
        ssize_t n = pread(r->fd, r->text + r->len, size - r->len, (off_t)r->len);
        if (n < 0 && errno != EINTR) return io(r, err);
        if (n == 0) break;
        if (n > 0) r->len += (size_t)n;
    }
    while (r->len && r->text[r->len - 1] != '\n') r->len--, r->piece++;
    for (size_t i = 0; i < r->len; i++) r->lines += r->text[i] == '\n';
    return BNT_OK;
}

int serve_results_open(struct serve_results *r, const char *path, struct bnt_err *err) {
    off_t size = 0;
    *r = (struct serve_results){.path = path};
    r->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
    if (r->fd < 0) return io(r, err);
    r->open = true;
    int status = judge(r, &size, err);
    if (status == BNT_OK) status = read_all(r, (size_t)size, err);
    if (status != BNT_OK) serve_results_close(r);
    return status;
}

void serve_results_close(struct serve_results *r) {
    if (r->open) close(r->fd);
    free(r->text);
    *r = (struct serve_results){0};
}

int serve_results_begin(struct serve_results *r, struct bnt_err *err) {
    return ftruncate(r->fd, (off_t)r->len) == 0 ? BNT_OK : io(r, err);
}

int serve_results_add(struct serve_results *r, const char *text, size_t len, struct bnt_err *err) {
    char *line = malloc(len + 1);
    if (!line) return bnt_fail_nomem(err, "a result", len);
    memcpy(line, text, len);
    line[len++] = '\n';
    for (size_t done = 0; done < len;) {
        ssize_t n = write(r->fd, line + done, len - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int status = io(r, err);
            free(line);
            return status;
        }
        done += (size_t)n;
    }
    free(line);
    return BNT_OK;
}

int serve_results_sync(struct serve_results *r, struct bnt_err *err) {
    return fsync(r->fd) == 0 ? BNT_OK : io(r, err);
}
