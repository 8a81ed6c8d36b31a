/*
 * cache.c - see cache.h: paths, links and locks. Listing and removing are in list.c.
 *
 * The one idea: a name in snapshots/ appears by rename, after the bytes behind it are complete, so
 * that whoever finds a file there may use it.
 */
#include "hub/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static int path_of(char *path, struct bnt_err *err,
                                                         const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(path, BNT_HUB_PATH, fmt, ap);
    va_end(ap);
    if (n >= 0 && n < BNT_HUB_PATH) return BNT_OK;
    return bnt_fail(err, BNT_E_LIMIT, "a path of the model cache has more than %d bytes",
                    BNT_HUB_PATH);
}

static int failed(struct bnt_err *err, const char *what, const char *path) {
    return bnt_fail(err, BNT_E_IO, "%s %s: %s", what, path, strerror(errno));
}

int bnt_hub_cache_root(char root[BNT_HUB_PATH], struct bnt_err *err) {
    const char *v = getenv("HF_HUB_CACHE");
    if (v && *v) return path_of(root, err, "%s", v);
    if ((v = getenv("HF_HOME")) && *v) return path_of(root, err, "%s/hub", v);
    if ((v = getenv("XDG_CACHE_HOME")) && *v) return path_of(root, err, "%s/huggingface/hub", v);
    if ((v = getenv("HOME")) && *v) return path_of(root, err, "%s/.cache/huggingface/hub", v);
    return bnt_fail(err, BNT_E_USAGE,
                    "no folder for models: HOME is not set, nor HF_HOME, nor HF_HUB_CACHE");
}

int bnt_hub_repo_folder(char path[BNT_HUB_PATH], const char *repo, struct bnt_err *err) {
    char root[BNT_HUB_PATH];
    const char *slash = strchr(repo, '/');
    int status = bnt_hub_cache_root(root, err);
    if (status != BNT_OK) return status;
    return path_of(path, err, "%s/models--%.*s--%s", root, (int)(slash - repo), repo, slash + 1);
}

/* All folders above the last '/' of path. */
static int make_folders(const char *path, struct bnt_err *err) {
    char folder[BNT_HUB_PATH + 16];
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(folder, 0777) != 0 && errno != EEXIST) return failed(err, "cannot make", folder);
        *slash = '/';
    }
    return BNT_OK;
}

static bool is_commit(const char *s) {
    return strlen(s) == 40 && strspn(s, "0123456789abcdef") == 40;
}

int bnt_hub_cached(char path[BNT_HUB_PATH], bool *found, const struct bnt_hub_name *name,
                   struct bnt_err *err) {
    char folder[BNT_HUB_PATH], commit[64] = "";
    int status = bnt_hub_repo_folder(folder, name->repo, err);
    *found = false;
    if (status != BNT_OK) return status;
    if (is_commit(name->rev)) {
        snprintf(commit, sizeof commit, "%.40s", name->rev); /* what is_commit saw */
    } else {
        if ((status = path_of(path, err, "%s/refs/%s", folder, name->rev)) != BNT_OK) return status;
        FILE *f = fopen(path, "re");
        if (!f) return BNT_OK;
        if (!fgets(commit, sizeof commit, f)) commit[0] = '\0';
        fclose(f);
        commit[strcspn(commit, " \r\n")] = '\0';
        if (!is_commit(commit)) return BNT_OK;
    }
    if ((status = path_of(path, err, "%s/snapshots/%s", folder, commit)) != BNT_OK) return status;
    *found = access(path, X_OK) == 0;
    return BNT_OK;
}

int bnt_hub_blob_open(struct bnt_hub_blob *b, const char *repo, const char *etag,
                      void (*waiting)(void *), void *arg, struct bnt_err *err) {
    char folder[BNT_HUB_PATH], root[BNT_HUB_PATH], lock[BNT_HUB_PATH];
    int status;
    *b = (struct bnt_hub_blob){.lock = -1};
    if ((status = bnt_hub_cache_root(root, err)) != BNT_OK ||
        (status = bnt_hub_repo_folder(folder, repo, err)) != BNT_OK ||
        (status = path_of(b->path, err, "%s/blobs/%s", folder, etag)) != BNT_OK ||
        (status = path_of(lock, err, "%s/.locks/%s/%s.lock", root, strrchr(folder, '/') + 1,
                          etag)) != BNT_OK ||
        (status = make_folders(b->path, err)) != BNT_OK ||
        (status = make_folders(lock, err)) != BNT_OK)
        return status;
    snprintf(b->incomplete, sizeof b->incomplete, "%s.incomplete", b->path);
    b->lock = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (b->lock < 0) return failed(err, "cannot open", lock);
    if (flock(b->lock, LOCK_EX | LOCK_NB) == 0) return BNT_OK;
    if (waiting) waiting(arg);
    while (flock(b->lock, LOCK_EX) != 0) {
        if (errno == EINTR) {
            bnt_hub_blob_close(b);
            return bnt_fail(err, BNT_E_INTERRUPTED, "interrupted");
        }
        status = failed(err, "cannot lock", lock);
        bnt_hub_blob_close(b);
        return status;
    }
    return BNT_OK;
}

void bnt_hub_blob_close(struct bnt_hub_blob *b) {
    if (b->lock >= 0) close(b->lock);
    b->lock = -1;
}

/* Writes a small file whole, or not at all. */
static int put_text(const char *path, const char *text, struct bnt_err *err) {
    char beside[BNT_HUB_PATH + 32];
    snprintf(beside, sizeof beside, "%s.%ld", path, (long)getpid());
    FILE *f = fopen(beside, "we");
    bool ok = f && fputs(text, f) >= 0;
    if (f && fclose(f) != 0) ok = false;
    if (ok && rename(beside, path) == 0) return BNT_OK;
    int status = failed(err, "cannot write", path);
    unlink(beside);
    return status;
}

int bnt_hub_link(char path[BNT_HUB_PATH], const struct bnt_hub_name *name, const char *file,
                 const char *commit, const char *etag, struct bnt_err *err) {
    char folder[BNT_HUB_PATH], ref[BNT_HUB_PATH], target[BNT_HUB_PATH] = "../../";
    char beside[BNT_HUB_PATH + 32];
    int status;
    if ((status = bnt_hub_repo_folder(folder, name->repo, err)) != BNT_OK ||
        (status = path_of(path, err, "%s/snapshots/%s/%s", folder, commit, file)) != BNT_OK ||
        (status = make_folders(path, err)) != BNT_OK ||
        (status = path_of(ref, err, "%s/refs/%s", folder, name->rev)) != BNT_OK ||
        (status = make_folders(ref, err)) != BNT_OK)
        return status;
    size_t n = strlen(target); /* one step up more for each folder that the file lies in */
    for (const char *s = strchr(file, '/'); s && n + 4 < sizeof target; s = strchr(s + 1, '/'))
        n += (size_t)snprintf(target + n, sizeof target - n, "../");
    if ((size_t)snprintf(target + n, sizeof target - n, "blobs/%s", etag) >= sizeof target - n)
        return bnt_fail(err, BNT_E_LIMIT, "%s: too many folders", file);
    snprintf(beside, sizeof beside, "%s.%ld", path, (long)getpid());
    unlink(beside);
    if (symlink(target, beside) != 0 || rename(beside, path) != 0) {
        status = failed(err, "cannot make", path);
        unlink(beside);
        return status;
    }
    return is_commit(name->rev) ? BNT_OK : put_text(ref, commit, err);
}
