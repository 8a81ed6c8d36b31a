/*
 * safefile.c - see safefile.h.
 *
 * The one idea: judge the open descriptor, not the name, so that what was checked is what is read;
 * the folders are judged by name, since only we or root could swap them.
 */
#include "plugin/safefile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* Why *st may be changed by somebody else, or NULL. */
static const char *unsafe(const struct stat *st) {
    if (st->st_uid != 0 && st->st_uid != geteuid()) return "belongs to another user";
    if (st->st_mode & S_IWOTH) return "is writable by everyone";
    if ((st->st_mode & S_IWGRP) && st->st_gid != getegid()) {
        return "is writable by a group that is not ours";
    }
    return NULL;
}

static int judge(const char *path, const char *what, const struct stat *st, struct bnt_err *err) {
    const char *why = unsafe(st);
    if (!why) return BNT_OK;
    return bnt_fail(err, BNT_E_BACKEND, "%s '%.300s' %s (mode %04o, owner %u, group %u)", what,
                    path, why, (unsigned)st->st_mode & 07777u, (unsigned)st->st_uid,
                    (unsigned)st->st_gid);
}

/* The folder of path by the full rules, those above it by the last one. */
static int check_folders(const char *path, struct bnt_err *err) {
    char folder[PATH_MAX];
    struct stat st;
    size_t len = strlen(path);
    if (len >= sizeof folder || path[0] != '/') {
        return bnt_fail(err, BNT_E_IO, "'%.300s' is not an absolute path", path);
    }
    memcpy(folder, path, len + 1);
    for (bool own = true;; own = false) {
        char *slash = strrchr(folder, '/');
        bool top = slash == folder;
        slash[top] = '\0'; /* keeps "/" itself */
        if (stat(folder, &st) != 0) {
            return bnt_fail(err, BNT_E_IO, "cannot stat folder '%.300s': %s", folder,
                            strerror(errno));
        }
        if (own) {
            int status = judge(folder, "folder", &st, err);
            if (status != BNT_OK) return status;
        } else if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX)) {
            return bnt_fail(err, BNT_E_BACKEND, "folder '%.300s' above it is writable by everyone",
                            folder);
        }
        if (top) return BNT_OK;
    }
}

int bnt_safe_open(const char *path, int *fd, struct stat *st, struct bnt_err *err) {
    *fd = -1;
    int status = check_folders(path, err);
    if (status != BNT_OK) return status;
    /* O_NOFOLLOW: the path was real a moment ago. O_NONBLOCK: a FIFO must not hold us up. */
    int f = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (f < 0) return bnt_fail(err, BNT_E_IO, "cannot open: %s", strerror(errno));
    if (fstat(f, st) != 0) {
        status = bnt_fail(err, BNT_E_IO, "cannot stat: %s", strerror(errno));
    } else if (!S_ISREG(st->st_mode)) {
        status = bnt_fail(err, BNT_E_IO, "not a regular file");
    } else {
        status = judge(path, "file", st, err);
    }
    if (status == BNT_OK) {
        *fd = f;
    } else {
        close(f);
    }
    return status;
}

bool bnt_same_file(const char *path, const struct stat *st) {
    struct stat now;
    return lstat(path, &now) == 0 && now.st_dev == st->st_dev && now.st_ino == st->st_ino &&
           now.st_size == st->st_size && now.st_mtim.tv_sec == st->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == st->st_mtim.tv_nsec;
}
