/*
 * writer.h - the second half of a download: pieces in order to the file and into the hash.
 *
 * A ring of pieces stands between the thread that receives and the one that writes. The receiver
 * fills pieces in any order; the writer takes them in theirs. Knows nothing of the network.
 */
#ifndef BNT_HUB_WRITER_H
#define BNT_HUB_WRITER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/sha256.h"

enum { BNT_PIECE = 4 << 20, BNT_PIECES = 10 };

struct bnt_writer {
    /* for the receiver to read and, but for `head`, to set; under `lock` while the writer runs */
    uint8_t *piece[BNT_PIECES]; /* number k lies in piece[k % BNT_PIECES] */
    size_t size[BNT_PIECES];
    bool full[BNT_PIECES];
    uint64_t head; /* the first that is not written */

    int fd;
    const char *path; /* for messages */
    uint64_t done;    /* bytes in the file, all hashed */
    struct bnt_sha256 hash;
    bool stop;
    int status;
    struct bnt_err err;
    pthread_mutex_t lock;
    pthread_cond_t changed;  /* a piece is full; or: a piece is free, or the writer has failed */
    void (*on_free)(void *); /* called by the writer after each piece; may be NULL */
    void *arg;
    pthread_t thread;
    bool runs;
};

/* Takes over from byte w->done of the open file w->fd; fd, path, hash, done are set. Starts the
 * thread. */
int bnt_writer_start(struct bnt_writer *w, struct bnt_err *err);
/* Piece number k is full with `size` bytes. */
void bnt_writer_give(struct bnt_writer *w, uint64_t k, size_t size);
/* Whether piece number k may be filled now; *status is the writer's. */
bool bnt_writer_has_room(struct bnt_writer *w, uint64_t k, int *status);
/* The same, waiting for it. False when the writer has failed. */
bool bnt_writer_wait(struct bnt_writer *w, uint64_t k);
uint64_t bnt_writer_done(struct bnt_writer *w);
/* Lets it write what is full and in order, and ends the thread. Frees the pieces. Its status; the
 * reason is in w->err. */
int bnt_writer_stop(struct bnt_writer *w);

#endif
