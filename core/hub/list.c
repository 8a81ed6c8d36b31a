/*
 * list.c - what is in the model cache, and taking it away again; see cache.h.
 *
 * The one idea: walk what is there, and believe nothing but names and links of the known form. What
 * other tools keep in the same folders is neither listed nor touched.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sort.h"
#include "hub/cache.h"

enum { DEPTH_MOST = 4, ENTRIES_MOST = 100000 };

struct walk {
    struct bnt_hub_entry *entries;
    size_t count, room;
    const char *repo, *commit;
    struct bnt_err *err;
};

static int add(struct walk *w, const char *path, const char *file) {
    if (w->count == w->room) {
        size_t room = 2 * w->room + 16;
        struct bnt_hub_entry *grown =
            room > ENTRIES_MOST ? NULL : realloc(w->entries, room * sizeof *grown);
        if (!grown) return bnt_fail_nomem(w->err, "the list of models", room * sizeof *grown);
        w->entries = grown;
        w->room = room;
    }
    struct bnt_hub_entry *e = &w->entries[w->count];
    struct stat st;
    *e = (struct bnt_hub_entry){0};
    if ((size_t)snprintf(e->path, sizeof e->path, "%s", path) >= sizeof e->path ||
        (size_t)snprintf(e->name.file, sizeof e->name.file, "%s", file) >= sizeof e->name.file)
        return BNT_OK; /* no file of ours has such a name */
    snprintf(e->name.repo, sizeof e->name.repo, "%s", w->repo);
    snprintf(e->name.rev, sizeof e->name.rev, "%s", w->commit);
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) e->bytes = (uint64_t)st.st_size;
    w->count++;
    return BNT_OK;
}

/* Model files below folder, whose name within the snapshot begins with `prefix`. */
static int walk_snapshot(struct walk *w, const char *folder, const char *prefix, unsigned depth) {
    DIR *d = opendir(folder);
    struct dirent *entry;
    int status = BNT_OK;
    if (!d) return BNT_OK;
    while (status == BNT_OK && (entry = readdir(d)) != NULL) {
        char path[PATH_MAX], file[PATH_MAX];
        struct stat st;
        if (entry->d_name[0] == '.') continue;
        int a = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        int b = snprintf(file, sizeof file, "%s%s", prefix, entry->d_name);
        if (a >= (int)sizeof path || b >= (int)sizeof file - 1 || lstat(path, &st) != 0) continue;
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MOST) {
            strcat(file, "/");
            status = walk_snapshot(w, path, file, depth + 1);
        } else if (!S_ISDIR(st.st_mode) && bnt_hub_is_model_file(entry->d_name)) {
            status = add(w, path, file);
        }
    }
    closedir(d);
    return status;
}

/* "models--ORG--NAME" to "ORG/NAME". */
static bool repo_of(char *repo, size_t size, const char *folder) {
    static const char prefix[] = "models--";
    struct bnt_hub_name name;
    if (strncmp(folder, prefix, sizeof prefix - 1) != 0) return false;
    const char *org = folder + sizeof prefix - 1, *mark = strstr(org, "--");
    if (!mark) return false;
    int n = snprintf(repo, size, "%.*s/%s", (int)(mark - org), org, mark + 2);
    return n > 0 && (size_t)n < size && bnt_hub_parse(&name, repo) && !name.file[0];
}

static int walk_repo(struct walk *w, const char *folder) {
    char path[PATH_MAX];
    struct dirent *entry;
    int status = BNT_OK;
    if (snprintf(path, sizeof path, "%s/snapshots", folder) >= (int)sizeof path) return BNT_OK;
    DIR *d = opendir(path);
    if (!d) return BNT_OK;
    while (status == BNT_OK && (entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.') continue;
        if (snprintf(path, sizeof path, "%s/snapshots/%s", folder, entry->d_name) >=
            (int)sizeof path)
            continue;
        w->commit = entry->d_name;
        status = walk_snapshot(w, path, "", 0);
    }
    closedir(d);
    return status;
}

static int by_name(const void *a, const void *b) {
    const struct bnt_hub_entry *x = a, *y = b;
    int order = strcmp(x->name.repo, y->name.repo);
    if (order == 0) order = strcmp(x->name.file, y->name.file);
    return order ? order : strcmp(x->name.rev, y->name.rev);
}

int bnt_hub_list(struct bnt_hub_entry **entries, size_t *count, struct bnt_err *err) {
    char root[BNT_HUB_PATH], path[PATH_MAX], repo[200];
    struct walk w = {.err = err};
    struct dirent *entry;
    int status = bnt_hub_cache_root(root, err);
    *entries = NULL;
    *count = 0;
    if (status != BNT_OK) return status;
    DIR *d = opendir(root);
    if (!d && errno == ENOENT) return BNT_OK;
    if (!d) return bnt_fail(err, BNT_E_IO, "cannot read %s: %s", root, strerror(errno));
    while (status == BNT_OK && (entry = readdir(d)) != NULL) {
        if (!repo_of(repo, sizeof repo, entry->d_name)) continue;
        if (snprintf(path, sizeof path, "%s/%s", root, entry->d_name) >= (int)sizeof path) continue;
        w.repo = repo;
        status = walk_repo(&w, path);
    }
    closedir(d);
    if (status != BNT_OK) {
        free(w.entries);
        return status;
    }
    bnt_sort(w.entries, w.count, sizeof *w.entries, by_name);
    *entries = w.entries;
    *count = w.count;
    return BNT_OK;
}

/* ---- removing ------------------------------------------------------------------------------- */

/* Whether any link of any snapshot leads to the blob; links of all kinds of files count. */
static bool is_needed(const char *folder, const char *blob, unsigned depth) {
    DIR *d = opendir(folder);
    struct dirent *entry;
    bool needed = false;
    while (d && !needed && (entry = readdir(d)) != NULL) {
        char path[PATH_MAX], real[PATH_MAX];
        struct stat st;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path ||
            lstat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            needed = depth < 8 && is_needed(path, blob, depth + 1);
        else
            needed = realpath(path, real) && strcmp(real, blob) == 0;
    }
    if (d) closedir(d);
    return needed;
}

/* Empty folders from the file's up to, and without, the repo's; then, if nothing is left in it but
 * what we made, the repo's. */
static void remove_empty(const char *path, const char *repo_folder) {
    char folder[PATH_MAX];
    static const char *const parts[] = {"blobs", "snapshots"};
    snprintf(folder, sizeof folder, "%s", path);
    for (char *slash; (slash = strrchr(folder, '/')) != NULL;) {
        *slash = '\0';
        if (strcmp(folder, repo_folder) == 0 || rmdir(folder) != 0) break;
    }
    for (size_t i = 0; i < 2; i++) {
        if (snprintf(folder, sizeof folder, "%s/%s", repo_folder, parts[i]) < (int)sizeof folder)
            rmdir(folder);
    }
    if (snprintf(folder, sizeof folder, "%s/snapshots", repo_folder) >= (int)sizeof folder ||
        access(folder, F_OK) == 0)
        return;
    snprintf(folder, sizeof folder, "%s/refs", repo_folder); /* no snapshot: they say nothing */
    DIR *d = opendir(folder);
    struct dirent *entry;
    while (d && (entry = readdir(d)) != NULL) {
        if (entry->d_name[0] != '.') unlinkat(dirfd(d), entry->d_name, 0);
    }
    if (d) closedir(d);
    rmdir(folder);
    rmdir(repo_folder);
}

int bnt_hub_remove(const struct bnt_hub_name *name, uint64_t *freed, struct bnt_err *err) {
    struct bnt_hub_entry *entries;
    char folder[BNT_HUB_PATH], snapshots[BNT_HUB_PATH + 16], real_folder[PATH_MAX];
    size_t count, removed = 0;
    int status = bnt_hub_repo_folder(folder, name->repo, err);
    *freed = 0;
    if (status != BNT_OK || (status = bnt_hub_list(&entries, &count, err)) != BNT_OK) return status;
    snprintf(snapshots, sizeof snapshots, "%s/snapshots", folder);
    for (size_t i = 0; i < count && status == BNT_OK; i++) {
        const struct bnt_hub_entry *e = &entries[i];
        char blob[PATH_MAX];
        if (strcmp(e->name.repo, name->repo) != 0 ||
            (name->file[0] && strcmp(e->name.file, name->file) != 0))
            continue;
        bool has_blob = realpath(e->path, blob) && realpath(folder, real_folder) &&
                        strncmp(blob, real_folder, strlen(real_folder)) == 0;
        if (unlink(e->path) != 0) {
            status = bnt_fail(err, BNT_E_IO, "cannot remove %s: %s", e->path, strerror(errno));
            break;
        }
        removed++;
        if (has_blob && !is_needed(snapshots, blob, 0) && unlink(blob) == 0) *freed += e->bytes;
        remove_empty(e->path, folder);
    }
    free(entries);
    if (status == BNT_OK && !removed)
        return bnt_fail(err, BNT_E_USAGE, "%s%s%s is not in the model cache", name->repo,
                        name->file[0] ? "/" : "", name->file);
    return status;
}
