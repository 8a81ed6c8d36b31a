/*
 * extend.c - the third plugin: one slot over another plugin, which does all the rest.
 *
 * Its base is cpu-avx2 (cpu-neon on AArch64), which has to be in the same folder. The slot here
 * meets no layout. One that does, as ternary_gemm, finds things as the base lays them out, which
 * its source says, and changes when that does: the self-check tells.
 */
#include "bitnet/plugin.h"

#if defined(__aarch64__)
#define BASE "cpu-neon"
#else
#define BASE "cpu-avx2"
#endif

/* Clause 9. Make it faster than the base's, and so is the whole. */
static void gate(const bnt_gate_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i++) {
        float g = a->g[i], positive = g <= 0.0f ? 0.0f : g;
        float act = a->kind == BNT_GATE_RELU2 ? positive * positive : g / (1.0f + bnt_exp(-g));
        a->y[i] = act * a->u[i];
    }
}

static const bnt_kernels table = {
    .struct_size = sizeof(bnt_kernels),
    .variant = "gate",
    .gate = gate,
};

/* A program of ABI 1.2 knows no bases: there ref-scalar would do the rest. */
static const bnt_kernels *kernels(const bnt_host *host) {
    return host->abi_minor < 3 ? 0 : &table;
}

/* name, version, needs, priority (above the base's, or it is chosen by name only), kernels, base */
BNT_PLUGIN_EXTENDS("extend", "1.0.0", "", 1, kernels, BASE);
