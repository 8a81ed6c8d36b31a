/*
 * fetch.h - the bytes of one file of a hub, whole and right, to a place on disk.
 *
 * Several connections bring pieces of the file; one thread writes them in order and hashes what it
 * writes. So the file under the incomplete name is always a true beginning: whoever is killed goes
 * on where it ends. Must not know names of models or GGUF.
 */
#ifndef BNT_HUB_FETCH_H
#define BNT_HUB_FETCH_H

#include "hub/http.h"

struct bnt_fetch {
    struct bnt_http *http;
    const struct bnt_hub_name *name; /* and `file`: to ask again where the bytes are */
    const char *file;
    const char *incomplete, *path; /* both in one folder; the caller holds their lock */
    /* Called some times a second; may be NULL. `done` counts what was there before. */
    void (*progress)(void *arg, uint64_t done, uint64_t size);
    void *arg;
};

/* On success the file is at `path`, synced, and its hash is facts->etag. BNT_E_IO: the network or
 * the disk (what has come stays, and a later call goes on from there); BNT_E_MISMATCH: the bytes
 * have another hash (they are removed); BNT_E_INTERRUPTED; BNT_E_NOMEM. facts->url may change. */
int bnt_fetch_file(const struct bnt_fetch *f, struct bnt_hub_file *facts, struct bnt_err *err);

#endif
