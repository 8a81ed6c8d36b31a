/*
 * output.c - see output.h.
 *
 * The one idea: what a name means is decided in one place, `judge`, by what the file is and not by
 * how it is called; and it is asked twice, since a run may take hours.
 */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TRIES = 100 };

struct bnt_output {
    int fd; /* of a pipe, a device or a descriptor that was there before; -1: a file */
    bool force;
    enum bnt_output_kind kind;
    int part;                 /* of a long result that is being written; -1: none */
    char part_name[PATH_MAX]; /* where it lies until then */
    size_t count;
    struct bnt_protected *files;
    char path[PATH_MAX];
};

/* As messages call it. */
static const char *noun(const struct bnt_output *o) {
    static const char *const nouns[] = {"receipt", "report", "model"};
    return nouns[o->kind];
}

static int failed(struct bnt_err *err, const struct bnt_output *o, const char *why) {
    return bnt_fail(err, BNT_E_IO, "cannot write the %s '%.400s': %s", noun(o), o->path, why);
}

static int failed_for(struct bnt_err *err, const struct bnt_output *o, int why) {
    return failed(err, o, strerror(why));
}

/* ---- judging -------------------------------------------------------------------------------- */

static int protects(const struct bnt_output *o, const struct stat *st, struct bnt_err *err) {
    for (size_t i = 0; i < o->count; i++) {
        const struct bnt_protected *p = &o->files[i];
        if (p->dev != st->st_dev || p->ino != st->st_ino || !S_ISREG(st->st_mode)) continue;
        if (p->by_name_only && o->fd >= 0) continue;
        return bnt_fail(err, BNT_E_USAGE, "the %s '%.400s' would overwrite %s", noun(o), o->path,
                        p->what);
    }
    return BNT_OK;
}

static const char *skip_blanks(const char *s) {
    return s + strspn(s, " \t\r\n");
}

/* What all that bitnet writes begins with: keys are sorted, and "circumstance" is the first; until
 * a parity run has one it is "kind". */
static bool begins_as_receipt(const char *path) {
    char text[80];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n < 0) return false;
    text[n] = '\0';
    const char *s = skip_blanks(text);
    if (*s != '{') return false;
    s = skip_blanks(s + 1);
    if (strncmp(s, "\"circumstance\"", 14) == 0) return *skip_blanks(s + 14) == ':';
    if (strncmp(s, "\"kind\"", 6) != 0 || *(s = skip_blanks(s + 6)) != ':') return false;
    return strncmp(skip_blanks(s + 1), "\"parity\"", 8) == 0;
}

/* What is there when it is no regular file, and why nothing is written to it; NULL: it can be. */
static const char *unfit(const struct stat *st) {
    if (S_ISDIR(st->st_mode)) return strerror(EISDIR);
    if (S_ISBLK(st->st_mode)) return "it is a disk";
    if (S_ISSOCK(st->st_mode)) return "it is a socket";
    return NULL;
}

/* Where a file really goes: a link is followed, so that it stays a link. *stream: a pipe or a
 * device, to be written in place; renaming over /dev/full would replace the device. */
static int judge(const struct bnt_output *o, char target[PATH_MAX], bool *stream,
                 struct bnt_err *err) {
    const char *path = o->path;
    struct stat st;
    *stream = false;
    memcpy(target, path, sizeof o->path);
    if (!path[0]) return failed_for(err, o, ENOENT);
    if (stat(path, &st) != 0) {
        int why = errno;
        if (why != ENOENT) return failed_for(err, o, why);
        if (lstat(path, &st) == 0) return failed(err, o, "it is a link to nothing");
        if (path[strlen(path) - 1] == '/') return failed_for(err, o, EISDIR);
        return BNT_OK;
    }
    *stream = !S_ISREG(st.st_mode);
    const char *why = unfit(&st);
    if (why) return failed(err, o, why);
    int status = protects(o, &st, err);
    if (status != BNT_OK || *stream) return status;
    const bool for_receipt = o->kind == BNT_OUTPUT_RECEIPT;
    if (st.st_size > 0 && !o->force && !(for_receipt && begins_as_receipt(path)))
        return bnt_fail(err, BNT_E_USAGE, "'%.400s' is there already%s: --force replaces it", path,
                        for_receipt ? " and is no receipt" : "");
    return realpath(path, target) ? BNT_OK : failed_for(err, o, errno);
}

/* The descriptor that a name stands for; -1: none. */
static int descriptor_of(const char *path) {
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    char *end;
    if (strcmp(path, "/dev/stdout") == 0) return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0) return STDERR_FILENO;
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        size_t n = strlen(folders[i]);
        if (strncmp(path, folders[i], n) != 0 || path[n] < '0' || path[n] > '9') continue;
        long fd = strtol(path + n, &end, 10);
        return *end == '\0' && fd <= INT_MAX ? (int)fd : -1;
    }
    return -1;
}

/* What is open already: whoever opened it said where it goes. */
static int take_descriptor(struct bnt_output *o, int fd, struct bnt_err *err) {
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return failed_for(err, o, errno);
    if ((flags & O_ACCMODE) == O_RDONLY) return failed_for(err, o, EBADF);
    o->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (o->fd < 0 || fstat(o->fd, &st) != 0) return failed_for(err, o, errno);
    return protects(o, &st, err);
}

/* A pipe must have its reader now, and keeps it: opening it only at the end could wait for ever. */
static int open_stream(struct bnt_output *o, struct bnt_err *err) {
    o->fd = open(o->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (o->fd < 0 && errno == ENXIO) return failed(err, o, "nobody reads from it");
    if (o->fd < 0) return failed_for(err, o, errno);
    int flags = fcntl(o->fd, F_GETFL);
    if (flags < 0 || fcntl(o->fd, F_SETFL, flags & ~O_NONBLOCK) != 0)
        return failed_for(err, o, errno);
    return BNT_OK;
}

/* ---- writing -------------------------------------------------------------------------------- */

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

static size_t folder_length(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* A new, empty file in the folder of `target`; its name goes to `name`. -1 and errno on failure. */
static int open_beside(const struct bnt_output *o, const char *target, char *name, size_t size) {
    struct timespec now;
    int fd = -1;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < TRIES; i++) {
        int n = snprintf(name, size, "%.*s.bitnet-%s-%ld-%ld-%d", (int)folder_length(target),
                         target, noun(o), (long)getpid(), now.tv_nsec, i);
        if (n < 0 || (size_t)n >= size) {
            errno = ENAMETOOLONG;
            return -1;
        }
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd >= 0 || errno != EEXIST) break;
    }
    return fd;
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

static int replace(const struct bnt_output *o, const char *target, const char *text, size_t len,
                   struct bnt_err *err) {
    char name[PATH_MAX];
    int fd = open_beside(o, target, name, sizeof name);
    if (fd < 0) return failed_for(err, o, errno);
    int why = write_all(fd, text, len);
    if (!why && fsync(fd) != 0) why = errno;
    if (close(fd) != 0 && !why) why = errno;
    if (!why && rename(name, target) != 0) why = errno;
    if (why) unlink(name);
    if (why) return failed_for(err, o, why);
    sync_folder(target);
    return BNT_OK;
}

int bnt_output_write(struct bnt_output *o, const char *text, size_t len, struct bnt_err *err) {
    char target[PATH_MAX];
    bool stream;
    if (o->fd >= 0) {
        int why = write_all(o->fd, text, len);
        return why ? failed_for(err, o, why) : BNT_OK;
    }
    int status = judge(o, target, &stream, err);
    if (status != BNT_OK) return status;
    if (stream) return failed(err, o, "it was a file when the run began");
    return replace(o, target, text, len, err);
}

/* ---- a long result ---------------------------------------------------------------------------
 */

int bnt_output_begin(struct bnt_output *o, int *fd, struct bnt_err *err) {
    char target[PATH_MAX];
    bool stream;
    if (o->fd >= 0) return failed(err, o, "it is no regular file, and is written at many places");
    int status = judge(o, target, &stream, err);
    if (status != BNT_OK) return status;
    o->part = open_beside(o, target, o->part_name, sizeof o->part_name);
    if (o->part < 0) return failed_for(err, o, errno);
    *fd = o->part;
    return BNT_OK;
}

const char *bnt_output_part(const struct bnt_output *o) {
    return o->part_name;
}

int bnt_output_failed(const struct bnt_output *o, int why, struct bnt_err *err) {
    return failed_for(err, o, why);
}

int bnt_output_commit(struct bnt_output *o, struct bnt_err *err) {
    char target[PATH_MAX];
    bool stream;
    int status = judge(o, target, &stream, err);
    if (status != BNT_OK) return status;
    if (stream) return failed(err, o, "it was a file when the run began");
    int why = fsync(o->part) != 0 ? errno : 0;
    if (close(o->part) != 0 && !why) why = errno;
    o->part = -1;
    if (!why && rename(o->part_name, target) != 0) why = errno;
    if (why) unlink(o->part_name);
    if (why) return failed_for(err, o, why);
    sync_folder(target);
    return BNT_OK;
}

/* ---- opening -------------------------------------------------------------------------------- */

/* Whether a file can be made in that folder is known when one was. */
static int try_folder(const struct bnt_output *o, const char *target, struct bnt_err *err) {
    char name[PATH_MAX];
    int fd = open_beside(o, target, name, sizeof name);
    if (fd < 0) return failed_for(err, o, errno);
    close(fd);
    unlink(name);
    return BNT_OK;
}

static int prepare(struct bnt_output *o, struct bnt_err *err) {
    char target[PATH_MAX];
    bool stream;
    int fd = descriptor_of(o->path);
    if (fd >= 0) return take_descriptor(o, fd, err);
    int status = judge(o, target, &stream, err);
    if (status != BNT_OK) return status;
    return stream ? open_stream(o, err) : try_folder(o, target, err);
}

int bnt_output_open(struct bnt_output **out, enum bnt_output_kind kind, const char *path,
                    bool force, const struct bnt_protected *files, size_t count,
                    struct bnt_err *err) {
    *out = NULL;
    if (strlen(path) >= PATH_MAX)
        return bnt_fail(err, BNT_E_IO, "cannot write '%.400s': %s", path, strerror(ENAMETOOLONG));
    struct bnt_output *o = calloc(1, sizeof *o);
    if (!o) return bnt_fail_nomem(err, "the file of a result", sizeof *o);
    o->fd = o->part = -1;
    o->kind = kind;
    o->force = force;
    o->count = count;
    strcpy(o->path, path);
    int status = BNT_OK;
    o->files = malloc((count + 1) * sizeof *files);
    if (!o->files)
        status = bnt_fail_nomem(err, "the file of a result", (count + 1) * sizeof *files);
    else if (count)
        memcpy(o->files, files, count * sizeof *files);
    if (status == BNT_OK) status = prepare(o, err);
    if (status == BNT_OK)
        *out = o;
    else
        bnt_output_close(o);
    return status;
}

/* The folder that a path's last name is in. */
static bool folder_of(const char *path, struct stat *st, const char **name) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash + 1 - path) : 0;
    *name = path + n;
    memcpy(folder, n ? path : ".", n ? n : 1);
    folder[n ? n : 1] = '\0';
    return stat(folder, st) == 0;
}

static bool one(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool bnt_output_same(const struct bnt_output *a, const struct bnt_output *b) {
    struct stat x, y;
    const char *name_a, *name_b;
    if (a->fd >= 0 || b->fd >= 0) return false;
    if (stat(a->path, &x) == 0 && stat(b->path, &y) == 0) return one(&x, &y);
    return folder_of(a->path, &x, &name_a) && folder_of(b->path, &y, &name_b) && one(&x, &y) &&
           strcmp(name_a, name_b) == 0;
}

const char *bnt_output_path(const struct bnt_output *o) {
    return o->path;
}

void bnt_output_close(struct bnt_output *o) {
    if (!o) return;
    if (o->fd >= 0) close(o->fd);
    if (o->part >= 0) {
        close(o->part);
        unlink(o->part_name);
    }
    free(o->files);
    free(o);
}
