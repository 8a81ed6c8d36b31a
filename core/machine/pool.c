/*
 * pool.c - see pool.h.
 *
 * Must not know what the members compute. The one idea is the gate: a number that only rises, and
 * a way to wait until it changes - spinning at first, since a barrier inside a token opens within
 * microseconds, then sleeping on a condition variable, so that a pool with more members than CPUs,
 * or one between two runs, leaves the CPUs to others. A run opens the fork gate; a barrier counts
 * arrivals and the last one opens the barrier gate; the end of a run is one more barrier.
 */
#include "machine/pool.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "machine/fpenv.h"

#define LINE 64        /* what one core writes must not share a cache line with what others poll */
#define SPINS 6000     /* polls before sleeping: 50 to 300 microseconds, by CPU */
#define SPINS_TIGHT 20 /* when members outnumber CPUs, the one waited for may need this CPU */

struct gate {
    _Alignas(LINE) atomic_uint value;
    atomic_uint sleepers;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

struct member {
    struct bnt_pool *pool;
    pthread_t thread;
    unsigned index;
    uint32_t deviation; /* of its floating-point environment, left by fn */
};

struct bnt_pool {
    struct gate fork, barrier;
    _Alignas(LINE) atomic_uint arrived;
    _Alignas(LINE) unsigned threads;
    unsigned spins;
    bool stop; /* these three are published by the fork gate */
    bnt_pool_fn *fn;
    void *arg;
    struct member *members; /* [threads]; number 0 is the caller of bnt_pool_run */
    const struct bnt_topology *topology;
    pthread_t opener; /* and the mask to give back to it */
    bool bound;
    cpu_set_t mask;
};

static inline void relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* yield is a no-op on most cores */
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

static void gate_open(struct gate *g, unsigned value) {
    /* Either this load sees the sleeper's count, or the sleeper's second look sees the value: both
     * are sequentially consistent. An exchange, not a store: qemu lets a load pass the store that
     * it makes of an AArch64 store-release, and then both sides sleep. On x86 the two are the same.
     */
    (void)atomic_exchange_explicit(&g->value, value, memory_order_seq_cst);
    if (atomic_load_explicit(&g->sleepers, memory_order_seq_cst) == 0) return;
    pthread_mutex_lock(&g->mutex);
    pthread_cond_broadcast(&g->changed);
    pthread_mutex_unlock(&g->mutex);
}

static void gate_wait(struct gate *g, unsigned old, unsigned spins) {
    for (unsigned i = 0; i < spins; i++) {
        if (atomic_load_explicit(&g->value, memory_order_acquire) != old) return;
        relax();
    }
    pthread_mutex_lock(&g->mutex);
    atomic_fetch_add_explicit(&g->sleepers, 1, memory_order_seq_cst);
    while (atomic_load_explicit(&g->value, memory_order_seq_cst) == old) {
        pthread_cond_wait(&g->changed, &g->mutex);
    }
    atomic_fetch_sub_explicit(&g->sleepers, 1, memory_order_relaxed);
    pthread_mutex_unlock(&g->mutex);
}

void bnt_pool_barrier(struct bnt_pool *p) {
    if (p->threads == 1) return;
    /* The gate cannot move before this member arrives, so a relaxed look at it is exact. */
    unsigned phase = atomic_load_explicit(&p->barrier.value, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&p->arrived, 1, memory_order_acq_rel) + 1 == p->threads) {
        atomic_store_explicit(&p->arrived, 0, memory_order_relaxed);
        gate_open(&p->barrier, phase + 1);
    } else {
        gate_wait(&p->barrier, phase, p->spins);
    }
}

/* Two control registers are read: nanoseconds, once a run. */
static inline void look_at_fpenv(struct member *m) {
    uint32_t deviation = bnt_fpenv_deviation();
    if (!deviation) return;
    m->deviation |= deviation;
    bnt_fpenv_reset();
}

static void *work(void *arg) {
    struct member *m = arg;
    struct bnt_pool *p = m->pool;
    bnt_fpenv_reset(); /* a thread inherits what its creator had */
    if (p->topology) (void)bnt_topology_bind(p->topology, m->index, p->threads);
    for (unsigned seen = 0;; seen++) {
        gate_wait(&p->fork, seen, p->spins);
        if (p->stop) return NULL;
        p->fn(p->arg, m->index, p->threads);
        look_at_fpenv(m);
        bnt_pool_barrier(p);
    }
}

void bnt_pool_run(struct bnt_pool *p, bnt_pool_fn *fn, void *arg) {
    p->fn = fn;
    p->arg = arg;
    unsigned forks = atomic_load_explicit(&p->fork.value, memory_order_relaxed);
    if (p->threads > 1) gate_open(&p->fork, forks + 1);
    fn(arg, 0, p->threads);
    look_at_fpenv(&p->members[0]);
    bnt_pool_barrier(p);
}

uint32_t bnt_pool_deviation(struct bnt_pool *p, unsigned *member) {
    for (unsigned i = 0; i < p->threads; i++) {
        uint32_t deviation = p->members[i].deviation;
        if (!deviation) continue;
        for (unsigned k = i; k < p->threads; k++) p->members[k].deviation = 0;
        *member = i;
        return deviation;
    }
    return 0;
}

static unsigned usable_cpus(const struct bnt_topology *t) {
    unsigned n = 0;
    cpu_set_t set;
    if (t) {
        n = bnt_topology_info(t)->pus;
        unsigned quota = bnt_topology_info(t)->quota_cpus;
        return quota && quota < n ? quota : n;
    }
    if (sched_getaffinity(0, sizeof set, &set) == 0) n = (unsigned)CPU_COUNT(&set);
    return n ? n : 1;
}

/* Starts members 1 .. threads - 1; returns how many members there are then. Signals are for the
 * caller's threads, not for ours; but those that a thread brings on itself must reach a handler. */
static unsigned start_members(struct bnt_pool *p) {
    static const int own[] = {SIGBUS, SIGSEGV, SIGILL, SIGFPE, SIGTRAP};
    sigset_t all, before;
    unsigned i = 1;
    sigfillset(&all);
    for (size_t k = 0; k < sizeof own / sizeof *own; k++) sigdelset(&all, own[k]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; i < p->threads; i++) {
        struct member *m = &p->members[i];
        m->pool = p;
        m->index = i;
        if (pthread_create(&m->thread, NULL, work, m) != 0) break;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return i;
}

static void stop_members(struct bnt_pool *p, unsigned started) {
    p->stop = true;
    gate_open(&p->fork, atomic_load_explicit(&p->fork.value, memory_order_relaxed) + 1);
    for (unsigned i = 1; i < started; i++) pthread_join(p->members[i].thread, NULL);
}

static void gate_init(struct gate *g) {
    atomic_init(&g->value, 0);
    atomic_init(&g->sleepers, 0);
    pthread_mutex_init(&g->mutex, NULL);
    pthread_cond_init(&g->changed, NULL);
}

static void release(struct bnt_pool *p) {
    pthread_cond_destroy(&p->fork.changed);
    pthread_mutex_destroy(&p->fork.mutex);
    pthread_cond_destroy(&p->barrier.changed);
    pthread_mutex_destroy(&p->barrier.mutex);
    free(p->members);
    free(p);
}

int bnt_pool_open(struct bnt_pool **out, unsigned threads, const struct bnt_topology *topology,
                  struct bnt_err *err) {
    *out = NULL;
    if (threads == 0 || threads > BNT_POOL_MAX) {
        return bnt_fail(err, BNT_E_USAGE, "%u threads: expected 1 to %u", threads, BNT_POOL_MAX);
    }
    struct bnt_pool *p = aligned_alloc(LINE, sizeof *p);
    if (!p) return bnt_fail_nomem(err, "the thread pool", sizeof *p);
    *p = (struct bnt_pool){.threads = threads, .topology = topology};
    gate_init(&p->fork);
    gate_init(&p->barrier);
    atomic_init(&p->arrived, 0);
    p->spins = threads > usable_cpus(topology) ? SPINS_TIGHT : SPINS;
    p->members = calloc(threads, sizeof *p->members);
    if (!p->members) {
        release(p);
        return bnt_fail_nomem(err, "thread pool members", threads * sizeof *p->members);
    }
    unsigned started = start_members(p);
    if (started != threads) {
        stop_members(p, started);
        release(p);
        return bnt_fail(err, BNT_E_LIMIT, "cannot start thread %u of %u", started + 1, threads);
    }
    if (topology) {
        p->opener = pthread_self();
        p->bound = pthread_getaffinity_np(p->opener, sizeof p->mask, &p->mask) == 0 &&
                   bnt_topology_bind(topology, 0, threads) == BNT_OK;
    }
    *out = p;
    return BNT_OK;
}

void bnt_pool_close(struct bnt_pool *p) {
    if (!p) return;
    stop_members(p, p->threads);
    if (p->bound && pthread_equal(p->opener, pthread_self())) {
        pthread_setaffinity_np(p->opener, sizeof p->mask, &p->mask);
    }
    release(p);
}

unsigned bnt_pool_threads(const struct bnt_pool *p) {
    return p->threads;
}

void bnt_slice(uint64_t total, uint64_t step, unsigned i, unsigned n, uint64_t *lo, uint64_t *hi) {
    if (step == 0) step = 1;
    uint64_t units = total / step + (total % step != 0);
    uint64_t each = units / n, more = units % n; /* the first `more` slices get one unit extra */
    uint64_t first = each * i + (i < more ? i : more);
    uint64_t last = first + each + (i < more);
    *lo = first < units ? first * step : total;
    *hi = last < units ? last * step : total;
}
