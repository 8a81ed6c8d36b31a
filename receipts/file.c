/*
 * file.c - receipts as files: read whole, written so that a half never stands under the name.
 *
 * The file is four lines between braces, one for each sealed part and its seals, so that standard
 * tools can cut out a part and hash it (docs/RECEIPTS.md). The one idea: write to a new file beside
 * the old, sync, rename; whatever fails before the rename leaves the name as it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "receipt.h"

/* A stranger's receipt must not take memory without bound: a parsed value takes up to 150 times its
 * bytes. These limits allow a million steps. */
enum { MAX_BYTES = 64 << 20, MAX_VALUES = 1 << 22, MAX_CONTAINERS = 1 << 17, TRIES = 100 };

static int failed(struct bnt_err *err, const char *path, int why) {
    return bnt_fail(err, BNT_E_IO, "cannot write the receipt '%.400s': %s", path, strerror(why));
}

/* Counts values (each has a comma or a colon before it, or a bracket) and lists and objects by
 * their marks outside of strings, without parsing. */
static int check_size(const char *path, const char *text, size_t len, struct bnt_err *err) {
    size_t values = 0, containers = 0;
    bool in_string = false;
    if (len > MAX_BYTES)
        return bnt_fail(err, BNT_E_LIMIT, "receipt '%.400s': more than %d bytes", path, MAX_BYTES);
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];
        if (in_string) {
            if (c == '"') in_string = false;
            if (c == '\\') i++;
        } else if (c == '"') {
            in_string = true;
        } else {
            values += c == ',' || c == ':';
            containers += c == '{' || c == '[';
        }
    }
    if (values > MAX_VALUES || containers > MAX_CONTAINERS)
        return bnt_fail(
            err, BNT_E_LIMIT,
            "receipt '%.400s': %zu values in %zu lists and objects; at most %d in %d can "
            "be read",
            path, values, containers, MAX_VALUES, MAX_CONTAINERS);
    return BNT_OK;
}

/* ---- writing -------------------------------------------------------------------------------- */

static char *as_text(const json_t *receipt, size_t *len) {
    static const char *const keys[] = {"circumstance", "circumstance_sha256", "field_sha256",
                                       "result", "result_sha256"};
    char *text = NULL;
    FILE *f = open_memstream(&text, len);
    bool ok = f != NULL;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && ok; i++) {
        char *part = bnt_receipt_canonical(json_object_get(receipt, keys[i]));
        ok = part && fprintf(f, "%s\"%s\":%s", i ? ",\n" : "{\n", keys[i], part) > 0;
        free(part);
    }
    ok = ok && fputs("\n}\n", f) >= 0;
    if (f && fclose(f) != 0) ok = false;
    if (ok) return text;
    free(text);
    return NULL;
}

/* 0, or what went wrong. */
static int write_all(int fd, const char *text, size_t len) {
    while (len) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? errno : EIO;
        text += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Where the file really goes: a link is followed, so that it stays a link. *special: a device or
 * pipe, to be written in place; renaming over /dev/full would replace the device, and what is
 * behind /dev/stdout is somebody's open file. */
static int resolve(const char *path, char *target, bool *special, struct bnt_err *err) {
    struct stat st;
    bool exists = stat(path, &st) == 0;
    *special = exists && (!S_ISREG(st.st_mode) || strncmp(path, "/dev/", 5) == 0);
    if (!exists && errno != ENOENT) return failed(err, path, errno);
    if (exists && S_ISDIR(st.st_mode)) return failed(err, path, EISDIR);
    if (exists && !*special) return realpath(path, target) ? BNT_OK : failed(err, path, errno);
    if (!path[0]) return failed(err, path, ENOENT);
    if (path[strlen(path) - 1] == '/') return failed(err, path, EISDIR);
    if (strlen(path) >= PATH_MAX) return failed(err, path, ENAMETOOLONG);
    memcpy(target, path, strlen(path) + 1);
    return BNT_OK;
}

static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* A new, empty file in the folder of `target`; its name goes to `name`. -1 and errno on failure. */
static int open_beside(const char *target, char *name, size_t size) {
    struct timespec now;
    int fd = -1;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < TRIES; i++) {
        int n = snprintf(name, size, "%.*s.bitnet-receipt-%ld-%ld-%d", (int)folder_length(target),
                         target, (long)getpid(), now.tv_nsec, i);
        if (n < 0 || (size_t)n >= size) {
            errno = ENAMETOOLONG;
            return -1;
        }
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd >= 0 || errno != EEXIST) break;
    }
    return fd;
}

int bnt_receipt_can_write(const char *path, struct bnt_err *err) {
    char target[PATH_MAX], name[PATH_MAX];
    bool special;
    int status = resolve(path, target, &special, err);
    if (status != BNT_OK) return status;
    int fd = special ? open(target, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK)
                     : open_beside(target, name, sizeof name);
    if (fd < 0 && special && errno == ENXIO) return BNT_OK; /* a pipe nobody reads yet */
    if (fd < 0) return failed(err, path, errno);
    close(fd);
    if (!special) unlink(name);
    return BNT_OK;
}

/* A rename is on the disk when its folder is. */
static void sync_folder(const char *target) {
    char folder[PATH_MAX];
    snprintf(folder, sizeof folder, "%.*s.", (int)folder_length(target), target);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd); /* some file systems cannot; the name is right all the same */
    close(fd);
}

int bnt_receipt_write_text(const char *path, const char *text, size_t len, struct bnt_err *err) {
    char target[PATH_MAX], name[PATH_MAX];
    bool special;
    int why = 0, status = resolve(path, target, &special, err);
    if (status != BNT_OK) return status;
    int fd = special ? open(target, O_WRONLY | O_APPEND | O_CLOEXEC)
                     : open_beside(target, name, sizeof name);
    if (fd < 0) return failed(err, path, errno);
    why = write_all(fd, text, len);
    if (!why && !special && fsync(fd) != 0) why = errno;
    if (close(fd) != 0 && !why) why = errno;
    if (!why && !special && rename(name, target) != 0) why = errno;
    if (why && !special) unlink(name);
    if (why) return failed(err, path, why);
    if (!special) sync_folder(target);
    return BNT_OK;
}

int bnt_receipt_write(const json_t *receipt, const char *path, struct bnt_err *err) {
    size_t len = 0;
    char *text = as_text(receipt, &len);
    int status;
    if (!text) return bnt_fail_nomem(err, "the receipt", len);
    status = check_size(path, text, len, err); /* what is written can be read */
    if (status == BNT_OK) status = bnt_receipt_write_text(path, text, len, err);
    free(text);
    return status;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int read_text(const char *path, char **text, size_t *len, struct bnt_err *err) {
    int status = BNT_OK;
    size_t capacity = 0, n = 0;
    FILE *f = fopen(path, "rbe");
    *text = NULL;
    if (!f) return bnt_fail(err, BNT_E_IO, "receipt '%.400s': %s", path, strerror(errno));
    for (size_t got = 1; got && n <= MAX_BYTES; n += got) {
        if (n == capacity) {
            capacity = 2 * capacity + 65536;
            char *grown = realloc(*text, capacity);
            if (!grown) {
                status = bnt_fail_nomem(err, path, capacity);
                break;
            }
            *text = grown;
        }
        got = fread(*text + n, 1, capacity - n, f);
    }
    if (status == BNT_OK && ferror(f))
        status = bnt_fail(err, BNT_E_IO, "receipt '%.400s': %s", path, strerror(errno));
    if (status == BNT_OK) status = check_size(path, *text, n, err);
    *len = n;
    fclose(f);
    return status;
}

int bnt_receipt_read(json_t **out, const char *path, struct bnt_err *err) {
    char *text, shown[200];
    size_t len = 0;
    json_error_t why;
    *out = NULL;
    int status = read_text(path, &text, &len, err);
    if (status == BNT_OK) {
        *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
        if (!*out)
            status = bnt_fail(err, BNT_E_FORMAT, "receipt: line %d: %s", why.line,
                              bnt_printable(shown, sizeof shown, why.text, strlen(why.text)));
    }
    if (status == BNT_OK) status = bnt_receipt_check(*out, err);
    if (status != BNT_OK) {
        json_decref(*out);
        *out = NULL;
    }
    free(text);
    return status;
}
