/*
 * late-slot.c - a fault in the slot that BITNET_TEST_SLOT names, in all that it writes, but only
 * after hundreds of norms: no self-check sees it, and each check of a run must find it and name the
 * operation (tests/slots.sh).
 */
#include <stdatomic.h>

#include "../lib/bad_slots.h"
#include "hostile.h"

enum { LATE = 250 };

static atomic_uint norms;

static bool late(void) {
    return atomic_load(&norms) > LATE;
}

static void rmsnorm(const bnt_rmsnorm_args *a) {
    atomic_fetch_add(&norms, 1);
    ref_rmsnorm(a);
}

static void rmsnorm_late(const bnt_rmsnorm_args *a) {
    atomic_fetch_add(&norms, 1);
    bad_rmsnorm(a);
}

TABLE(right = &ref_table; strikes = late; const char *slot = getenv("BITNET_TEST_SLOT");
      own.rmsnorm = rmsnorm; if (slot) bad_plant(&own, slot);
      if (own.rmsnorm == bad_rmsnorm) own.rmsnorm = rmsnorm_late)
BNT_PLUGIN("late-slot", "1", "", 80, kernels);
