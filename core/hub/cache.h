/*
 * cache.h - the folder of models that were pulled: the layout that other tools of the hub share.
 *
 *   ROOT/models--ORG--NAME/blobs/ETAG                    the bytes; ETAG.incomplete while they come
 *                         /snapshots/COMMIT/FILE         a link to ../../blobs/ETAG
 *                         /refs/REV                      the commit that a branch or tag stood for
 *   ROOT/.locks/models--ORG--NAME/ETAG.lock              held (flock) by who writes that blob
 *
 * ROOT is $HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else
 * ~/.cache/huggingface/hub. Must not know the network.
 */
#ifndef BNT_HUB_CACHE_H
#define BNT_HUB_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "hub/name.h"

enum { BNT_HUB_PATH = 1024 }; /* room for a path of the cache */

/* BNT_E_USAGE when there is no home, BNT_E_LIMIT when a path gets too long. */
int bnt_hub_cache_root(char root[BNT_HUB_PATH], struct bnt_err *err);

/* ROOT/models--ORG--NAME, whether or not it is there. */
int bnt_hub_repo_folder(char path[BNT_HUB_PATH], const char *repo, struct bnt_err *err);

/* The folder of a file's snapshot in the cache: its commit is rev itself (40 digits), or what
 * refs/REV says. *found tells whether there is one; paths of files in it are path/FILE. */
int bnt_hub_cached(char path[BNT_HUB_PATH], bool *found, const struct bnt_hub_name *name,
                   struct bnt_err *err);

/* A blob being written: its path, and that of its incomplete form; folders are made, the lock is
 * taken. `waiting` (may be NULL) is called once when somebody else holds it. */
struct bnt_hub_blob {
    char path[BNT_HUB_PATH], incomplete[BNT_HUB_PATH + 16];
    int lock; /* fd */
};
int bnt_hub_blob_open(struct bnt_hub_blob *b, const char *repo, const char *etag,
                      void (*waiting)(void *), void *arg, struct bnt_err *err);
void bnt_hub_blob_close(struct bnt_hub_blob *b);

/* Puts the link snapshots/COMMIT/FILE, and refs/REV; `path` is that of the link. */
int bnt_hub_link(char path[BNT_HUB_PATH], const struct bnt_hub_name *name, const char *file,
                 const char *commit, const char *etag, struct bnt_err *err);

/* One model file of the cache. */
struct bnt_hub_entry {
    struct bnt_hub_name name; /* rev: the commit */
    char path[BNT_HUB_PATH];
    uint64_t bytes; /* 0: the link leads nowhere */
};
/* Each *.gguf of each snapshot, sorted by name; *entries is malloc'd. A cache that is not there is
 * empty. */
int bnt_hub_list(struct bnt_hub_entry **entries, size_t *count, struct bnt_err *err);
/* Takes away the files of entries whose repo is name->repo and, if that says so, whose file is
 * name->file: links, and blobs that no other link of the repo needs. *freed: bytes. BNT_E_USAGE
 * when there is none. Files of other tools in that folder stay. */
int bnt_hub_remove(const struct bnt_hub_name *name, uint64_t *freed, struct bnt_err *err);

#endif
