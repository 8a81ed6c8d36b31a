/* writer.c - see writer.h. */
#include "serve/writer.h"

static void *work(void *arg) {
    struct serve_writer *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->first && !w->closing) pthread_cond_wait(&w->changed, &w->lock);
        struct serve_task *task = w->first;
        if (!task) break;
        w->first = task->next;
        pthread_mutex_unlock(&w->lock);
        task->run(task->arg);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

int serve_writer_open(struct serve_writer *w, struct bnt_err *err) {
    *w = (struct serve_writer){0};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    w->open = pthread_create(&w->thread, NULL, work, w) == 0;
    if (w->open) return BNT_OK;
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    return bnt_fail(err, BNT_E_LIMIT, "no thread for receipts");
}

void serve_writer_add(struct serve_writer *w, struct serve_task *task) {
    task->next = NULL;
    pthread_mutex_lock(&w->lock);
    if (w->first)
        w->last->next = task;
    else
        w->first = task;
    w->last = task;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

void serve_writer_close(struct serve_writer *w) {
    if (!w->open) return;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->changed);
    *w = (struct serve_writer){0};
}
