/*
 * safefile.c - see safefile.h.
 *
 * The one idea: walk down from the root by descriptors, judging each folder as it is entered, so
 * that what was judged is what the file is opened in; names are only for the messages.
 */
#include "plugin/safefile.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAMES = 16384 }; /* bytes for an entry of passwd or group */

/* Whether the users' file gives the group to somebody else as his first one. */
static bool is_anothers_first(gid_t gid, uid_t owner) {
    char *line = NULL;
    size_t size = 0;
    bool found = false;
    FILE *f = fopen("/etc/passwd", "re");
    while (f && !found && getline(&line, &size, f) > 0) { /* name:password:uid:gid:... */
        unsigned uid, group;
        const char *at = strchr(line, ':');
        at = at ? strchr(at + 1, ':') : NULL;
        found = at && sscanf(at, ":%u:%u:", &uid, &group) == 2 && group == gid && uid != owner;
    }
    free(line);
    if (f) fclose(f);
    return found;
}

/* When anything about it cannot be found out, it is not. */
static bool is_private(gid_t gid, uid_t owner) {
    char names[2][NAMES];
    struct group group, *g = NULL;
    struct passwd user, *u = NULL;
    if (getpwuid_r(owner, &user, names[0], sizeof names[0], &u) != 0 || !u ||
        getgrgid_r(gid, &group, names[1], sizeof names[1], &g) != 0 || !g ||
        strcmp(g->gr_name, u->pw_name) != 0)
        return false;
    for (char **member = g->gr_mem; *member; member++)
        if (strcmp(*member, u->pw_name) != 0) return false;
    return !is_anothers_first(gid, owner);
}

/* Why *st may be changed by somebody else, or NULL. */
static const char *unsafe(const struct stat *st) {
    if (st->st_uid != 0 && st->st_uid != geteuid()) return "belongs to another user";
    if (st->st_mode & S_IWOTH) return "is writable by everyone";
    if ((st->st_mode & S_IWGRP) && !is_private(st->st_gid, st->st_uid))
        return "is writable by a group that others may be in";
    return NULL;
}

static int judge(const char *path, size_t len, const char *what, const struct stat *st,
                 struct bnt_err *err) {
    char shown[320];
    const char *why = unsafe(st);
    if (!why) return BNT_OK;
    return bnt_fail(err, BNT_E_BACKEND, "%s '%s' %s (mode %04o, owner %u, group %u)", what,
                    bnt_printable(shown, sizeof shown, path, len), why,
                    (unsigned)st->st_mode & 07777u, (unsigned)st->st_uid, (unsigned)st->st_gid);
}

static int cannot(const char *what, struct bnt_err *err) {
    int status = errno == EMFILE || errno == ENFILE ? BNT_E_LIMIT : BNT_E_IO;
    return bnt_fail(err, status, "cannot %s: %s", what, strerror(errno));
}

/* The folder fd, whose path is the first `len` bytes of `path`; `own`: the file lies in it. */
static int judge_folder(int fd, const char *path, size_t len, bool own, struct bnt_err *err) {
    struct stat st;
    if (fstat(fd, &st) != 0) return cannot("stat a folder", err);
    if (!own && (st.st_mode & S_ISVTX)) st.st_mode &= ~(mode_t)(S_IWGRP | S_IWOTH);
    return judge(path, len ? len : 1, own ? "folder" : "folder above it,", &st, err);
}

/* Whether there is nothing above the folder fd. */
static bool is_root(int fd) {
    struct stat here, above;
    return fstat(fd, &here) == 0 && fstatat(fd, "..", &above, AT_SYMLINK_NOFOLLOW) == 0 &&
           here.st_dev == above.st_dev && here.st_ino == above.st_ino;
}

/* The folder of the file `path`, judged with all that are above it: from the one that was opened
 * upwards, so that what is judged is what lies there, whatever happens to the names. (An emulator
 * that shows another root to those who open "/" does not mislead it either.) */
static int enter(const char *path, int *folder, struct bnt_err *err) {
    char name[PATH_MAX];
    size_t len = (size_t)(strrchr(path, '/') - path);
    if (len >= sizeof name) return bnt_fail(err, BNT_E_IO, "its path is too long");
    memcpy(name, path, len);
    name[len] = '\0';
    *folder = open(len ? name : "/", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*folder < 0) return cannot("open its folder", err);
    int fd = *folder, status = judge_folder(fd, path, len, true, err);
    while (status == BNT_OK && len > 0) {
        int above = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC), why = errno;
        if (fd != *folder) close(fd);
        errno = why;
        if ((fd = above) < 0) {
            status = cannot("open a folder above it", err);
            break;
        }
        while (path[--len] != '/') {
        }
        status = judge_folder(fd, path, len, false, err);
    }
    if (status == BNT_OK && !is_root(fd))
        status = bnt_fail(err, BNT_E_BACKEND, "a folder above it was moved meanwhile");
    if (fd >= 0 && fd != *folder) close(fd);
    if (status == BNT_OK) return BNT_OK;
    close(*folder);
    return status;
}

int bnt_safe_open(const char *path, int *fd, struct stat *st, struct bnt_err *err) {
    int folder, status;
    *fd = -1;
    if (path[0] != '/') return bnt_fail(err, BNT_E_IO, "'%.300s' is not an absolute path", path);
    if ((status = enter(path, &folder, err)) != BNT_OK) return status;
    /* O_NOFOLLOW: the path was real a moment ago. O_NONBLOCK: a FIFO must not hold us up. */
    int f = openat(folder, strrchr(path, '/') + 1,
                   O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (f < 0) {
        status = cannot("open", err);
    } else if (fstat(f, st) != 0) {
        status = cannot("stat", err);
    } else if (!S_ISREG(st->st_mode)) {
        status = bnt_fail(err, BNT_E_IO, "not a regular file");
    } else {
        status = judge(path, strlen(path), "file", st, err);
    }
    close(folder);
    if (status == BNT_OK) {
        *fd = f;
    } else if (f >= 0) {
        close(f);
    }
    return status;
}

bool bnt_same_file(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}
