/* scheduler.c - see scheduler.h. */
#include "serve/scheduler.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

struct serve_scheduler {
    struct bnt_engine *engine;
    struct serve_scheduler_options options;
    struct serve_running running; /* the thread's */
    struct serve_counts counts;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock */
    struct serve_job *first, *last;
    unsigned waiting, most;
    bool closing, ready, stopped;
    uint64_t context;
    unsigned threads;
    struct serve_load load;
    int status; /* of opening */
    struct bnt_err err;
    atomic_bool aborted;
};

static bool is_aborted(void *arg) {
    struct serve_scheduler *s = arg;
    return atomic_load_explicit(&s->aborted, memory_order_relaxed);
}

/* ---- the thread ----------------------------------------------------------------------------- */

static struct serve_job *pop(struct serve_scheduler *s) {
    struct serve_job *job = s->first;
    if (!job) return NULL;
    s->first = job->next;
    if (!s->first) s->last = NULL;
    s->waiting--;
    return job;
}

/* Those in the line that nobody waits for any more give their place up at once. */
static struct serve_job *pop_cancelled(struct serve_scheduler *s) {
    struct serve_job **at = &s->first, *before = NULL;
    while (*at && !atomic_load(&(*at)->cancelled)) {
        before = *at;
        at = &(*at)->next;
    }
    struct serve_job *job = *at;
    if (!job) return NULL;
    *at = job->next;
    if (s->last == job) s->last = before;
    s->waiting--;
    return job;
}

/* What others are told, under the lock. */
static void publish(struct serve_scheduler *s) {
    const struct serve_running *r = &s->running;
    s->load = (struct serve_load){.running = r->count,
                                  .waiting = s->waiting,
                                  .kept = r->prefix.count,
                                  .kept_bytes = r->prefix.bytes};
}

/* Waits for work and admits what there is room for; false: all is over. Holds the lock but for
 * callbacks. */
static bool admit(struct serve_scheduler *s) {
    struct serve_running *r = &s->running;
    struct serve_job *job;
    publish(s);
    while (!s->first && r->count == 0 && !s->closing) pthread_cond_wait(&s->changed, &s->lock);
    for (;;) {
        bool gone = (job = pop_cancelled(s)) != NULL;
        if (!gone && r->count < r->most) job = pop(s);
        if (!job) break;
        if (!gone)
            s->load.running++; /* from now on, or for a moment there would be room for more */
        pthread_mutex_unlock(&s->lock);
        if (gone || is_aborted(s))
            serve_job_refuse(job, BNT_E_INTERRUPTED, "cancelled");
        else
            serve_running_join(r, job);
        pthread_mutex_lock(&s->lock);
    }
    publish(s);
    return r->count || s->first || !s->closing;
}

static void *work(void *arg) {
    struct serve_scheduler *s = arg;
    struct bnt_err err = {0};
    int status = serve_running_open(&s->running, s->engine, &s->options.running, &s->counts, &err);
    pthread_mutex_lock(&s->lock);
    s->status = status;
    s->err = err;
    s->ready = true;
    if (status == BNT_OK) {
        s->context = bnt_context_positions(s->running.context);
        s->threads = bnt_context_threads(s->running.context);
    }
    pthread_cond_broadcast(&s->changed);
    while (status == BNT_OK && admit(s)) {
        pthread_mutex_unlock(&s->lock);
        for (unsigned i = 0; i < s->running.count && is_aborted(s); i++)
            atomic_store(&s->running.jobs[i]->cancelled, true);
        serve_running_step(&s->running);
        pthread_mutex_lock(&s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    if (status == BNT_OK) serve_running_close(&s->running);
    return NULL;
}

/* ---- opening and closing -------------------------------------------------------------------- */

int serve_scheduler_open(struct serve_scheduler **out, struct bnt_engine *engine,
                         const struct serve_scheduler_options *options, struct bnt_err *err) {
    struct serve_scheduler *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s) return bnt_fail_nomem(err, "the scheduler", sizeof *s);
    s->engine = engine;
    s->options = *options;
    s->options.running.context.cancelled = is_aborted;
    s->options.running.context.cancelled_arg = s;
    s->most = options->queue + options->running.parallel;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->changed, NULL);
    if (pthread_create(&s->thread, NULL, work, s) != 0) {
        pthread_mutex_destroy(&s->lock);
        pthread_cond_destroy(&s->changed);
        free(s);
        return bnt_fail(err, BNT_E_LIMIT, "no thread for the scheduler");
    }
    pthread_mutex_lock(&s->lock);
    while (!s->ready) pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
    if (s->status != BNT_OK) {
        int status = bnt_fail(err, s->status, "%s", s->err.text);
        serve_scheduler_close(s);
        return status;
    }
    *out = s;
    return BNT_OK;
}

void serve_scheduler_stop(struct serve_scheduler *s) {
    if (s->stopped) return;
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    s->stopped = true;
}

void serve_scheduler_close(struct serve_scheduler *s) {
    if (!s) return;
    serve_scheduler_stop(s);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->changed);
    free(s);
}

/* ---- from other threads --------------------------------------------------------------------- */

int serve_scheduler_submit(struct serve_scheduler *s, struct serve_job *const *jobs, unsigned n,
                           struct bnt_err *err) {
    const double now = bnt_now();
    pthread_mutex_lock(&s->lock);
    bool closing = s->closing;
    bool full = closing || n > s->most || s->waiting + s->load.running > s->most - n;
    for (unsigned i = 0; i < n && !full; i++) {
        jobs[i]->submitted = now;
        jobs[i]->next = NULL;
        if (s->last)
            s->last->next = jobs[i];
        else
            s->first = jobs[i];
        s->last = jobs[i];
        s->waiting++;
    }
    if (!full) pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (closing) return bnt_fail(err, BNT_E_INTERRUPTED, "the server is going down");
    return full ? bnt_fail(err, BNT_E_LIMIT, "%u requests run or wait already, or would with this",
                           s->most)
                : BNT_OK;
}

void serve_scheduler_cancel(struct serve_scheduler *s, struct serve_job *job) {
    pthread_mutex_lock(&s->lock);
    atomic_store(&job->cancelled, true);
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

void serve_scheduler_abort(struct serve_scheduler *s) {
    atomic_store(&s->aborted, true);
}

struct serve_load serve_scheduler_load(struct serve_scheduler *s) {
    pthread_mutex_lock(&s->lock);
    struct serve_load load = s->load;
    load.waiting = s->waiting;
    pthread_mutex_unlock(&s->lock);
    return load;
}

const struct serve_counts *serve_scheduler_counts(const struct serve_scheduler *s) {
    return &s->counts;
}

uint64_t serve_scheduler_context(const struct serve_scheduler *s) {
    return s->context;
}

unsigned serve_scheduler_threads(const struct serve_scheduler *s) {
    return s->threads;
}

struct bnt_receipt_place serve_scheduler_place(const struct serve_scheduler *s) {
    const struct bnt_exec *exec = s->running.context->exec;
    struct bnt_receipt_place place = {.context = s->context,
                                      .bytes = bnt_exec_bytes(exec) +
                                               s->context * s->running.prefix.per_position,
                                      .threads = s->threads};
    bnt_receipt_count_calls(&place, exec);
    return place;
}
