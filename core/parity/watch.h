/*
 * watch.h - where a team of threads is right now, readable by somebody outside it.
 *
 * Each member notes the operation whose kernel it is about to call, and takes the note back when
 * the kernel has returned. A watchdog reads the notes while the team computes, or while it hangs.
 */
#ifndef BNT_PARITY_WATCH_H
#define BNT_PARITY_WATCH_H

#include <stdatomic.h>
#include <stddef.h>

#include "run/look.h"

enum { BNT_WATCH_MEMBERS = 64 }; /* members above that leave no notes */

struct bnt_watch {
    _Atomic uint64_t position; /* of the run's first token, in its sequence */
    struct {
        _Atomic(const char *) backend; /* whose kernel; the string outlives the watch */
        _Atomic uint32_t op;           /* 1 + the operation; 0: in no kernel */
    } inside[BNT_WATCH_MEMBERS];
    const char *tested, *judge; /* backends of a lock-step; set before it begins */
};

static inline void bnt_watch_slice(struct bnt_watch *w, const char *backend, struct bnt_exec *e,
                                   uint32_t op, unsigned i, unsigned n) {
    bool noted = w && i < BNT_WATCH_MEMBERS;
    if (noted) {
        atomic_store_explicit(&w->position, bnt_look_position(e, 0), memory_order_relaxed);
        atomic_store_explicit(&w->inside[i].backend, backend, memory_order_relaxed);
        atomic_store_explicit(&w->inside[i].op, op + 1, memory_order_release);
    }
    bnt_exec_slice(e, op, i, n);
    if (noted) atomic_store_explicit(&w->inside[i].op, 0, memory_order_relaxed);
}

#endif
