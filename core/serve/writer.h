/*
 * writer.h - a thread for what comes after computing: receipts are built, hashed and put on a disk
 * there, so that no job waits for another's.
 *
 * Tasks are done one after the other, in the order in which they came. Must not know what they do.
 */
#ifndef BNT_SERVE_WRITER_H
#define BNT_SERVE_WRITER_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"

struct serve_task { /* lies in what it is about, and may be freed by `run` */
    void (*run)(void *arg);
    void *arg;
    struct serve_task *next;
};

struct serve_writer { /* zero-initialised is closed */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct serve_task *first, *last;
    bool open, closing;
};

int serve_writer_open(struct serve_writer *w, struct bnt_err *err);
void serve_writer_add(struct serve_writer *w, struct serve_task *task); /* from any thread */
void serve_writer_close(struct serve_writer *w); /* after all that was added is done */

#endif
