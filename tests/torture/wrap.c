/*
 * wrap.c - see wrap.h.
 *
 * Counters are atomic, since kernels' threads and the pool allocate too. A call that is to fail
 * does what the system would: NULL or MAP_FAILED with ENOMEM, EAGAIN from pthread_create.
 */
#include "wrap.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The names that the linker makes. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *s);
void __real_free(void *p);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t size);
int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *s);
void __wrap_free(void *p);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t size);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);

static atomic_ulong calls, fail_at;
static atomic_bool fail_after, counting;
static atomic_long blocks, mapped;
static _Atomic(const char *) failed;
static _Atomic(void *) failed_from;

void wrap_begin(unsigned long n, bool all_after) {
    calls = 0;
    fail_at = n;
    fail_after = all_after;
    failed = "";
    failed_from = NULL;
    counting = true;
}

unsigned long wrap_end(void) {
    counting = false;
    return calls;
}

long wrap_blocks(void) {
    return blocks;
}

long wrap_mapped(void) {
    return mapped;
}

const char *wrap_failed(void) {
    return failed;
}

void *wrap_failed_from(void) {
    return failed_from;
}

static bool fails(const char *name, void *from) {
    if (!counting) return false;
    unsigned long call = atomic_fetch_add(&calls, 1) + 1, at = fail_at;
    if (at == 0 || call < at || (call > at && !fail_after)) return false;
    if (call == at) {
        failed = name;
        failed_from = from;
    }
    errno = ENOMEM;
    return true;
}
#define FAILS(name) fails(name, __builtin_return_address(0))

static void *count(void *p) {
    if (p) atomic_fetch_add(&blocks, 1);
    return p;
}

void *__wrap_malloc(size_t size) {
    return FAILS("malloc") ? NULL : count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size) {
    return FAILS("calloc") ? NULL : count(__real_calloc(n, size));
}

void *__wrap_aligned_alloc(size_t align, size_t size) {
    return FAILS("aligned_alloc") ? NULL : count(__real_aligned_alloc(align, size));
}

char *__wrap_strdup(const char *s) {
    return FAILS("strdup") ? NULL : count(__real_strdup(s));
}

void *__wrap_realloc(void *p, size_t size) {
    if (FAILS("realloc")) return NULL;
    void *q = __real_realloc(p, size);
    return p ? q : count(q);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size) {
    if (FAILS("reallocarray")) return NULL;
    void *q = __real_reallocarray(p, n, size);
    return p ? q : count(q);
}

void __wrap_free(void *p) {
    if (p) atomic_fetch_sub(&blocks, 1);
    __real_free(p);
}

static long whole_pages(size_t size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    return (long)((size + page - 1) & ~(page - 1));
}

void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset) {
    if (FAILS("mmap")) return MAP_FAILED;
    void *p = __real_mmap(at, size, prot, flags, fd, offset);
    if (p != MAP_FAILED) atomic_fetch_add(&mapped, whole_pages(size));
    return p;
}

int __wrap_munmap(void *at, size_t size) {
    atomic_fetch_sub(&mapped, whole_pages(size));
    return __real_munmap(at, size);
}

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg) {
    if (FAILS("pthread_create")) return EAGAIN;
    return __real_pthread_create(t, a, fn, arg);
}
