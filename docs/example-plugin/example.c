/*
 * example.c - a whole plugin for bitnet, to begin from.
 *
 * It has one group of slots, `vector`, in plain C; the groups it leaves out are done by ref-scalar,
 * and `bitnet backends` says so. Make one slot fast, run `bitnet backends` to see that it still
 * gives the judge's bytes, and go on. The formulas are docs/NUMERICS.md's, the contract is
 * plugin.h.
 */
#include "bitnet/plugin.h"

/* Clause 1: sixteen lanes, then a tree. Another order gives other bits, and is refused. */
static float dot16(const float *a, const float *b, uint64_t n) {
    float acc[BNT_LANES] = {0};
    for (uint64_t i = 0; i < n; i++) acc[i % BNT_LANES] = bnt_fma(a[i], b[i], acc[i % BNT_LANES]);
    for (unsigned half = BNT_LANES / 2; half; half /= 2)
        for (unsigned l = 0; l < half; l++) acc[l] += acc[l + half];
    return acc[0];
}

/* Clause 2. Only tokens [tok_lo, tok_hi) are written: other threads do the others. */
static void rmsnorm(const bnt_rmsnorm_args *a) {
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        const float *x = a->x + t * a->ldx;
        float *y = a->y + t * a->ldy;
        float r = 1.0f / __builtin_sqrtf(dot16(x, x, a->n) / (float)a->n + a->eps);
        for (uint64_t i = 0; i < a->n; i++) y[i] = (x[i] * r) * a->gain[i];
    }
}

/* Clause 6. */
static void rope(const bnt_rope_args *a) {
    uint32_t half = a->n_rot / 2;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            float *x = a->x + t * a->ldx + (uint64_t)h * a->head_dim;
            for (uint32_t i = 0; i < half; i++) {
                uint32_t i0 = a->style == BNT_ROPE_NEOX ? i : 2 * i;
                uint32_t i1 = a->style == BNT_ROPE_NEOX ? i + half : 2 * i + 1;
                float c = a->cos[t * half + i], s = a->sin[t * half + i];
                float x0 = x[i0], x1 = x[i1];
                x[i0] = bnt_fma(x0, c, -(x1 * s));
                x[i1] = bnt_fma(x0, s, x1 * c);
            }
        }
    }
}

/* Clause 9. */
static void gate(const bnt_gate_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i++) {
        float g = a->g[i], positive = g <= 0.0f ? 0.0f : g;
        float act = a->kind == BNT_GATE_RELU2 ? positive * positive : g / (1.0f + bnt_exp(-g));
        a->y[i] = act * a->u[i];
    }
}

static void add(const bnt_add_args *a) {
    for (uint64_t i = a->lo; i < a->hi; i++) a->y[i] = a->y[i] + a->x[i];
}

static const bnt_kernels table = {
    .struct_size = sizeof(bnt_kernels),
    .variant = "plain-c",
    .rmsnorm = rmsnorm,
    .rope = rope,
    .gate = gate,
    .add = add,
};

/* Called once, on a CPU that has what the plugin needs: choose among tables by host->cpu->features
 * here. */
static const bnt_kernels *kernels(const bnt_host *host) {
    (void)host;
    return &table;
}

/* name, version, what every path needs of the CPU, priority (ref-scalar has 0), kernels */
BNT_PLUGIN("example", "1.0.0", "", 1, kernels);
