/*
 * limits.c - see limits.h; portable C with prefetches, wide enough to be bound by memory.
 */
#include "machine/limits.h"

#include <string.h>

#include "base/clock.h"

#define REGION ((uint64_t)1 << 30) /* bytes in all: many times any cache */
enum { LINE = 64, FAR = 20480, NEAR = 4096 };

struct job {
    const uint8_t *bytes;
    volatile uint64_t sink[1024]; /* keeps the sums alive */
};

static void read_slice(void *arg, unsigned i, unsigned n) {
    struct job *job = arg;
    uint64_t lo, hi, s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    bnt_slice(REGION, LINE, i, n, &lo, &hi);
    for (uint64_t at = lo; at < hi; at += LINE) {
        uint64_t v[LINE / 8];
        __builtin_prefetch(job->bytes + at + FAR, 0, 2);
        __builtin_prefetch(job->bytes + at + NEAR, 0, 3);
        memcpy(v, job->bytes + at, LINE);
        s0 += v[0] ^ v[4];
        s1 += v[1] ^ v[5];
        s2 += v[2] ^ v[6];
        s3 += v[3] ^ v[7];
    }
    job->sink[i % 1024] = s0 + s1 + s2 + s3;
}

static void touch_slice(void *arg, unsigned i, unsigned n) {
    uint8_t *bytes = arg;
    uint64_t lo, hi;
    bnt_slice(REGION, LINE, i, n, &lo, &hi);
    memset(bytes + lo, 1, hi - lo);
}

int bnt_reader_open(struct bnt_reader *r, struct bnt_err *err) {
    r->touched = false;
    return bnt_mem_alloc(&r->mem, REGION, "the bandwidth measurement", err);
}

double bnt_reader_pass(struct bnt_reader *r, struct bnt_pool *team) {
    struct job job = {.bytes = r->mem.ptr};
    if (!r->touched) bnt_pool_run(team, touch_slice, r->mem.ptr);
    r->touched = true;
    double start = bnt_now();
    bnt_pool_run(team, read_slice, &job);
    return (double)REGION / (bnt_now() - start);
}

void bnt_reader_close(struct bnt_reader *r) {
    bnt_mem_free(&r->mem);
}
