/*
 * limits.c - see limits.h.
 */
#include "bench/limits.h"

#include <stdlib.h>

#include "base/clock.h"
#include "machine/limits.h"
#include "machine/pool.h"

enum { PEAK_PASSES = 50, READ_PASSES = 2 };
#define PASS_SECONDS 1e-3
#define MAX_STEPS ((uint64_t)1 << 40) /* a loop that never takes a millisecond measures nothing */

struct team {
    struct bnt_pool *pool;
    double best[BNT_LIMITS];
};

struct bnt_meter {
    const bnt_kernels *k;
    struct bnt_reader reader;
    uint64_t steps[2]; /* of a pass, by BNT_PEAK_*; 0: not known yet */
    unsigned n_teams;
    struct team teams[];
};

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

/* Steps that take at least PASS_SECONDS; MAX_STEPS if there are none. */
static uint64_t find_steps(const bnt_kernels *k, uint32_t kind) {
    uint64_t done;
    bnt_peak_args args = {kind, 0, 1, &done};
    double seconds = 0.0;
    while (seconds < PASS_SECONDS && args.steps < MAX_STEPS) {
        args.steps *= 2;
        double start = bnt_now();
        k->peak(&args);
        seconds = bnt_now() - start;
    }
    return args.steps;
}

static double peak_now(struct bnt_meter *m, struct team *team, uint32_t kind) {
    uint64_t done = 0;
    double all = 0.0, threads = bnt_pool_threads(team->pool);
    if (!BNT_HAS(m->k, peak)) return 0.0;
    if (m->steps[kind] == 0) m->steps[kind] = find_steps(m->k, kind);
    if (m->steps[kind] >= MAX_STEPS) return 0.0;
    struct job job = {m->k, {kind, 0, m->steps[kind], &done}};
    m->k->peak(&job.args); /* for `done` */
    for (int pass = 0; pass < PEAK_PASSES; pass++) {
        double start = bnt_now();
        bnt_pool_run(team->pool, run_loop, &job);
        double seconds = bnt_now() - start, rate = (double)done * threads / seconds;
        if (rate > team->best[kind]) team->best[kind] = rate;
        all += seconds;
    }
    return (double)done * threads * PEAK_PASSES / all;
}

static double read_now(struct bnt_meter *m, struct team *team) {
    double inverse = 0.0; /* the passes are of equal size: their mean rate is the harmonic one */
    for (int pass = 0; pass < READ_PASSES; pass++) {
        double rate = bnt_reader_pass(&m->reader, team->pool);
        if (rate > team->best[BNT_LIMIT_READ]) team->best[BNT_LIMIT_READ] = rate;
        inverse += 1.0 / rate;
    }
    return READ_PASSES / inverse;
}

double bnt_meter_now(struct bnt_meter *m, unsigned team, enum bnt_limit what) {
    struct team *t = &m->teams[team];
    return what == BNT_LIMIT_READ ? read_now(m, t) : peak_now(m, t, what);
}

void bnt_meter_all(struct bnt_meter *m) {
    for (unsigned t = 0; t < m->n_teams; t++)
        for (unsigned what = 0; what < BNT_LIMITS; what++)
            bnt_meter_now(m, t, (enum bnt_limit)what);
}

double bnt_meter_best(const struct bnt_meter *m, unsigned team, enum bnt_limit what) {
    return m->teams[team].best[what];
}

int bnt_meter_open(struct bnt_meter **out, const bnt_kernels *k,
                   const struct bnt_topology *topology, const uint32_t *threads, unsigned n_teams,
                   struct bnt_err *err) {
    size_t size = sizeof(struct bnt_meter) + n_teams * sizeof(struct team);
    struct bnt_meter *m = *out = calloc(1, size);
    if (!m) return bnt_fail_nomem(err, "the limits", size);
    m->k = k;
    int status = bnt_reader_open(&m->reader, err);
    for (unsigned t = 0; t < n_teams && status == BNT_OK; t++, m->n_teams++)
        status = bnt_pool_open(&m->teams[t].pool, threads[t], topology, err);
    if (status == BNT_OK) return BNT_OK;
    bnt_meter_close(m);
    *out = NULL;
    return status;
}

void bnt_meter_close(struct bnt_meter *m) {
    if (!m) return;
    for (unsigned t = m->n_teams; t-- > 0;) bnt_pool_close(m->teams[t].pool);
    bnt_reader_close(&m->reader);
    free(m);
}
