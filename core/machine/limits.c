/*
 * limits.c - see limits.h; portable C with prefetches, wide enough to be bound by memory.
 */
#include "machine/limits.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "machine/pool.h"

#define REGION ((uint64_t)1 << 30) /* bytes in all: many times any cache */
enum { PASSES = 4, LINE = 64, FAR = 20480, NEAR = 4096 };

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
    struct job *job = arg;
    uint64_t lo, hi;
    bnt_slice(REGION, LINE, i, n, &lo, &hi);
    memset((uint8_t *)(uintptr_t)job->bytes + lo, 1, hi - lo);
}

int bnt_measure_read(const struct bnt_topology *topology, unsigned threads, double *bytes_per_s,
                     struct bnt_err *err) {
    struct bnt_pool *pool = NULL;
    struct bnt_mem mem;
    struct job job = {0};
    *bytes_per_s = 0.0;
    int status = bnt_mem_alloc(&mem, REGION, "the bandwidth measurement", err);
    if (status != BNT_OK) return status;
    status = bnt_pool_open(&pool, threads, topology, err);
    if (status == BNT_OK) {
        job.bytes = mem.ptr;
        bnt_pool_run(pool, touch_slice, &job);
        for (int pass = 0; pass < PASSES; pass++) {
            double start = bnt_now();
            bnt_pool_run(pool, read_slice, &job);
            double s = bnt_now() - start;
            if ((double)REGION / s > *bytes_per_s) *bytes_per_s = (double)REGION / s;
        }
    }
    bnt_pool_close(pool);
    bnt_mem_free(&mem);
    return status;
}
