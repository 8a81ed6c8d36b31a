/* extends-late.c - the fault is its base's, and comes late. */
#include "hostile.h"

static const bnt_kernels *kernels(const bnt_host *host) {
    static bnt_kernels own;
    (void)host;
    own = (bnt_kernels){.struct_size = sizeof own, .gate = ref_gate};
    return &own;
}

BNT_PLUGIN_EXTENDS("extends-late", "1", "", 40, kernels, "late-crash");
