/*
 * writer.c - see writer.h.
 */
#include "hub/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PART = 256 << 10 };

/* Hashed, and then written, in parts that the second of both finds in the cache still. */
static int put(struct bnt_writer *w, const uint8_t *bytes, size_t size) {
    for (size_t at = 0; at < size;) {
        const size_t part = size - at < PART ? size - at : PART;
        bnt_sha256_add(&w->hash, bytes + at, part);
        for (size_t end = at + part; at < end;) {
            ssize_t n = pwrite(w->fd, bytes + at, end - at, (off_t)(w->done + at));
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0)
                return bnt_fail(&w->err, BNT_E_IO,
                                "cannot write %s: %s; what has come so far is kept", w->path,
                                strerror(n < 0 ? errno : EIO));
            at += (size_t)n;
        }
    }
    /* The disk begins now, so that there is little left to wait for at the end. */
    sync_file_range(w->fd, (off_t)w->done, (off_t)size, SYNC_FILE_RANGE_WRITE);
    return BNT_OK;
}

static void *write_all(void *arg) {
    struct bnt_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        const unsigned i = (unsigned)(w->head % BNT_PIECES);
        while (!w->full[i] && !w->stop) pthread_cond_wait(&w->changed, &w->lock);
        if (!w->full[i]) break;
        pthread_mutex_unlock(&w->lock);
        int status = put(w, w->piece[i], w->size[i]);
        pthread_mutex_lock(&w->lock);
        if (status == BNT_OK) {
            w->done += w->size[i];
            w->full[i] = false;
            w->head++;
        }
        w->status = status;
        pthread_cond_broadcast(&w->changed);
        if (w->on_free) w->on_free(w->arg);
        if (status != BNT_OK) break;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int bnt_writer_start(struct bnt_writer *w, struct bnt_err *err) {
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    w->head = 0;
    w->stop = false;
    w->status = BNT_OK;
    for (unsigned i = 0; i < BNT_PIECES; i++) {
        w->full[i] = false;
        w->piece[i] = malloc(BNT_PIECE);
        if (!w->piece[i]) {
            bnt_writer_stop(w);
            return bnt_fail_nomem(err, "a download", (size_t)BNT_PIECES * BNT_PIECE);
        }
    }
    w->runs = pthread_create(&w->thread, NULL, write_all, w) == 0;
    if (w->runs) return BNT_OK;
    bnt_writer_stop(w);
    return bnt_fail(err, BNT_E_NOMEM, "cannot start a thread");
}

void bnt_writer_give(struct bnt_writer *w, uint64_t k, size_t size) {
    pthread_mutex_lock(&w->lock);
    w->size[k % BNT_PIECES] = size;
    w->full[k % BNT_PIECES] = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

bool bnt_writer_has_room(struct bnt_writer *w, uint64_t k, int *status) {
    pthread_mutex_lock(&w->lock);
    bool room = k < w->head + BNT_PIECES;
    *status = w->status;
    pthread_mutex_unlock(&w->lock);
    return room;
}

bool bnt_writer_wait(struct bnt_writer *w, uint64_t k) {
    pthread_mutex_lock(&w->lock);
    while (k >= w->head + BNT_PIECES && w->status == BNT_OK)
        pthread_cond_wait(&w->changed, &w->lock);
    bool ok = w->status == BNT_OK;
    pthread_mutex_unlock(&w->lock);
    return ok;
}

uint64_t bnt_writer_done(struct bnt_writer *w) {
    pthread_mutex_lock(&w->lock);
    uint64_t done = w->done;
    pthread_mutex_unlock(&w->lock);
    return done;
}

int bnt_writer_stop(struct bnt_writer *w) {
    if (w->runs) {
        pthread_mutex_lock(&w->lock);
        w->stop = true;
        pthread_cond_broadcast(&w->changed);
        pthread_mutex_unlock(&w->lock);
        pthread_join(w->thread, NULL);
        w->runs = false;
    }
    for (unsigned i = 0; i < BNT_PIECES; i++) {
        free(w->piece[i]);
        w->piece[i] = NULL;
    }
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    return w->status;
}
