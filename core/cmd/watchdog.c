/* watchdog.c - see watchdog.h. */
#include "cmd/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct cmd_watchdog {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct timespec limit;
    bool stopped;
    void (*last_words)(void *arg);
    void *arg;
};

static volatile sig_atomic_t last_status;

static void end_now(int signum) {
    (void)signum;
    _exit(last_status);
}

/* The mutex stays taken: a command that finishes at this very moment waits in cmd_watchdog_stop. */
static void end_process(struct cmd_watchdog *w) {
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = end_now}, NULL);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    alarm(1); /* should the last words hang too, on a disk for instance */
    w->last_words(w->arg);
    _exit(last_status);
}

static void *watch(void *arg) {
    struct cmd_watchdog *w = arg;
    int why = 0;
    pthread_mutex_lock(&w->mutex);
    while (!w->stopped && why != ETIMEDOUT)
        why = pthread_cond_timedwait(&w->changed, &w->mutex, &w->limit);
    if (!w->stopped) end_process(w);
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

int cmd_watchdog_start(struct cmd_watchdog **out, unsigned seconds, int exit_status,
                       void (*last_words)(void *arg), void *arg, struct bnt_err *err) {
    pthread_condattr_t monotonic;
    sigset_t all, before;
    *out = NULL;
    struct cmd_watchdog *w = calloc(1, sizeof *w);
    if (!w) return bnt_fail_nomem(err, "the watchdog", sizeof *w);
    last_status = exit_status;
    w->last_words = last_words;
    w->arg = arg;
    clock_gettime(CLOCK_MONOTONIC, &w->limit);
    w->limit.tv_sec += seconds;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all); /* signals are for the command */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, watch, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        free(w);
        return bnt_fail(err, BNT_E_LIMIT, "cannot start the watchdog's thread");
    }
    *out = w;
    return BNT_OK;
}

void cmd_watchdog_stop(struct cmd_watchdog *w) {
    if (!w) return;
    pthread_mutex_lock(&w->mutex);
    w->stopped = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->mutex);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}
