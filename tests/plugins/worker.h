/*
 * worker.h - is this thread another one than that of the process's start?
 */
#ifndef TEST_WORKER_H
#define TEST_WORKER_H

#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline bool is_worker(void) {
    return syscall(SYS_gettid) != (long)getpid();
}

#endif
