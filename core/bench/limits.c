/*
 * limits.c - see limits.h.
 */
#include "bench/limits.h"

#include "base/clock.h"
#include "machine/limits.h"
#include "machine/pool.h"

enum { PASSES = 100 };
#define PASS_SECONDS 1e-3
#define MAX_STEPS ((uint64_t)1 << 40) /* a loop that never takes a millisecond measures nothing */

struct job {
    const bnt_kernels *k;
    bnt_peak_args args;
};

static void run_loop(void *arg, unsigned i, unsigned n) {
    const struct job *job = arg;
    uint64_t done;
    bnt_peak_args args = job->args;
    (void)i;
    (void)n;
    args.done = &done;
    job->k->peak(&args);
}

int bnt_measure_peak(const bnt_kernels *k, uint32_t kind, const struct bnt_topology *topology,
                     unsigned threads, double *per_second, struct bnt_err *err) {
    struct bnt_pool *pool = NULL;
    uint64_t done = 0;
    struct job job = {k, {kind, 0, 1, &done}};
    double seconds = 0.0;
    *per_second = 0.0;
    if (!BNT_HAS(k, peak)) return BNT_OK;
    int status = bnt_pool_open(&pool, threads, topology, err);
    if (status != BNT_OK) return status;
    while (seconds < PASS_SECONDS && job.args.steps < MAX_STEPS) {
        job.args.steps *= 2;
        double start = bnt_now();
        k->peak(&job.args);
        seconds = bnt_now() - start;
    }
    for (int pass = 0; pass < PASSES && seconds >= PASS_SECONDS; pass++) {
        double start = bnt_now();
        bnt_pool_run(pool, run_loop, &job);
        double rate = (double)done * threads / (bnt_now() - start);
        if (rate > *per_second) *per_second = rate;
    }
    bnt_pool_close(pool);
    return BNT_OK;
}

int bnt_limits_raise(struct bnt_limits *limits, const bnt_kernels *k,
                     const struct bnt_topology *topology, unsigned threads, struct bnt_err *err) {
    double read, macs;
    int status = bnt_measure_read(topology, threads, &read, err);
    if (status == BNT_OK && read > limits->read_bytes) limits->read_bytes = read;
    for (uint32_t kind = BNT_PEAK_INT8; kind <= BNT_PEAK_F32 && status == BNT_OK; kind++) {
        status = bnt_measure_peak(k, kind, topology, threads, &macs, err);
        if (status == BNT_OK && macs > limits->macs[kind]) limits->macs[kind] = macs;
    }
    return status;
}
