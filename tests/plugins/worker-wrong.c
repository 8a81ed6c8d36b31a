/* worker-wrong.c - wrong in the last bit, but only on threads of a pool. */
#include "hostile.h"
#include "worker.h"

static void add(const bnt_add_args *a) {
    ref_add(a);
    if (is_worker() && a->hi > a->lo)
        a->y[a->lo] = bnt_f32_from_bits(bnt_f32_bits(a->y[a->lo]) ^ 1);
}

TABLE(own.add = add)
BNT_PLUGIN("worker-wrong", "1", "", 90, kernels);
