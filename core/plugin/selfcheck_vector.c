/*
 * selfcheck_vector.c - norm, rotation, gate and residual: denormals, signed zeros, exponents at the
 * ends of exp, ragged lengths, slices that start anywhere.
 */
#include <string.h>

#include "plugin/selfcheck_parts.h"

#define TOKENS 3

static int check_rmsnorm(struct check *c, uint64_t n, enum check_values kind, bool in_place) {
    uint64_t ld = n + 5, size = TOKENS * ld;
    check_begin(c, "n %llu, %d tokens, x %s%s", (unsigned long long)n, TOKENS,
                check_value_names[kind], in_place ? ", in place" : "");
    float *x = check_take(c, size * 4, 4, CHECK_FILL), *gain = check_take(c, n * 4, 4, 0);
    float *y[2] = {check_take(c, size * 4, 4, CHECK_FILL), check_take(c, size * 4, 4, CHECK_FILL)};
    if (!x || !gain || !y[0] || !y[1]) return BNT_E_MISMATCH;
    for (int t = 0; t < TOKENS; t++) {
        check_floats(c, x + (uint64_t)t * ld, n, kind);
        for (uint64_t i = 0; kind == CHECK_BIG && i < n; i++) {
            x[(uint64_t)t * ld + i] *= 1e-13f; /* their squares must not overflow */
        }
    }
    check_floats(c, gain, n, CHECK_RANDOM);
    for (int i = 0; i < 2; i++) {
        if (in_place) memcpy(y[i], x, size * 4);
        (i ? c->judge : c->k)
            ->rmsnorm(
                &(bnt_rmsnorm_args){1, 3, n, in_place ? y[i] : x, ld, gain, 1e-5f, 0, y[i], ld});
    }
    int status = check_f32(c, "rmsnorm", y[0], y[1], size, ld);
    return status == BNT_OK ? check_end(c, "rmsnorm") : status;
}

static int check_rope(struct check *c, uint32_t style, uint32_t head_dim, uint32_t n_rot) {
    const uint32_t heads = 4;
    uint64_t ld = heads * head_dim + 2, size = TOKENS * ld, angles = TOKENS * (n_rot / 2);
    check_begin(c, "style %u, head_dim %u, n_rot %u", style, head_dim, n_rot);
    float *x[2] = {check_take(c, size * 4, 4, 0), check_take(c, size * 4, 4, 0)};
    float *cosines = check_take(c, angles * 4, 4, 0), *sines = check_take(c, angles * 4, 4, 0);
    if (!x[0] || !x[1] || !cosines || !sines) return BNT_E_MISMATCH;
    check_floats(c, x[0], size, CHECK_RANDOM);
    check_floats(c, x[0], 7, CHECK_DENORMALS);
    memcpy(x[1], x[0], size * 4);
    check_floats(c, cosines, angles, CHECK_RANDOM);
    check_floats(c, sines, angles, CHECK_RANDOM);
    for (int i = 0; i < 2; i++) {
        const bnt_kernels *k = i ? c->judge : c->k;
        bnt_rope_args in = {0, 2, 1, 4, x[i], ld, head_dim, n_rot, style, 0, cosines, sines};
        k->rope(&in);
        in.head_lo = 0;
        in.head_hi = 1;
        k->rope(&in);
    }
    int status = check_f32(c, "rope", x[0], x[1], size, ld);
    return status == BNT_OK ? check_end(c, "rope") : status;
}

/* Every 64th element an edge of exp or of the formats, the rest a sweep of [-100, 100]. */
static void gate_values(struct check *c, float *g, uint64_t n) {
    static const float edges[] = {0.0f,   -0.0f,     87.0f,   -87.0f, 87.00001f, -88.0f, 88.1f,
                                  -88.1f, 0x1p-140f, -1e-40f, 1e30f,  -1e30f,    0.34f,  -0.35f};
    check_floats(c, g, n, CHECK_RANDOM);
    for (uint64_t i = 0; i < n; i++) {
        g[i] *= 33.3f;
        if (i % 5 == 0) g[i] = edges[i / 5 % (sizeof edges / sizeof *edges)];
    }
}

static int check_gate(struct check *c, uint32_t kind, uint64_t n, uint64_t lo, bool in_place) {
    static const char *const names[] = {"silu", "relu2", "gelu"};
    check_begin(c, "%s, [%llu, %llu)%s", names[kind], (unsigned long long)lo, (unsigned long long)n,
                in_place ? ", in place" : "");
    float *g = check_take(c, n * 4, 4, 0), *u = check_take(c, n * 4, 4, 0);
    float *y[2] = {check_take(c, n * 4 + 32, 4, CHECK_FILL),
                   check_take(c, n * 4 + 32, 4, CHECK_FILL)};
    if (!g || !u || !y[0] || !y[1]) return BNT_E_MISMATCH;
    gate_values(c, g, n);
    check_floats(c, u, n, CHECK_RANDOM);
    for (uint64_t i = 0; i < n; i++) { /* squares of 1e30 times anything but 0 are infinite: fine */
        if (g[i] * g[i] > 1e38f && kind == BNT_GATE_RELU2) u[i] = i % 2 ? 1.0f : -1.0f;
    }
    for (int i = 0; i < 2; i++) {
        if (in_place) memcpy(y[i], g, n * 4);
        const bnt_kernels *k = i ? c->judge : c->k;
        (kind == BNT_GATE_GELU ? k->gate_gelu : k->gate)(
            &(bnt_gate_args){lo, n, in_place ? y[i] : g, u, y[i], kind, 0});
    }
    const char *slot = kind == BNT_GATE_GELU ? "gate_gelu" : "gate";
    int status = check_f32(c, slot, y[0], y[1], n + 8, n + 8);
    return status == BNT_OK ? check_end(c, slot) : status;
}

int check_gelu(struct check *c) {
    static const uint64_t sizes[] = {1, 7, 16, 17, 100, 2048};
    int status = BNT_OK;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && status == BNT_OK; i++)
        status = check_gate(c, BNT_GATE_GELU, sizes[i], sizes[i] / 3, i % 2);
    return status;
}

static int check_add(struct check *c, uint64_t n, uint64_t lo, enum check_values kind) {
    check_begin(c, "[%llu, %llu), %s", (unsigned long long)lo, (unsigned long long)n,
                check_value_names[kind]);
    float *x = check_take(c, n * 4, 4, 0);
    float *y[2] = {check_take(c, n * 4 + 32, 4, CHECK_FILL),
                   check_take(c, n * 4 + 32, 4, CHECK_FILL)};
    if (!x || !y[0] || !y[1]) return BNT_E_MISMATCH;
    check_floats(c, x, n, kind);
    check_floats(c, y[0], n, kind);
    memcpy(y[1], y[0], n * 4);
    c->k->add(&(bnt_add_args){lo, n, x, y[0]});
    c->judge->add(&(bnt_add_args){lo, n, x, y[1]});
    int status = check_f32(c, "add", y[0], y[1], n + 8, n + 8);
    return status == BNT_OK ? check_end(c, "add") : status;
}

int check_vector(struct check *c) {
    static const struct {
        uint64_t n;
        enum check_values kind;
    } cases[] = {{1, CHECK_TIES},   {15, CHECK_DENORMALS}, {16, CHECK_ZEROS},
                 {17, CHECK_SPIKE}, {100, CHECK_RANDOM},   {2560, CHECK_RANDOM}};
    static const uint32_t dims[][2] = {{64, 64}, {80, 32}, {6, 6}, {128, 128}};
    int status = BNT_OK;
    for (size_t i = 0; i < sizeof cases / sizeof *cases && status == BNT_OK; i++) {
        uint64_t n = cases[i].n;
        status = check_rmsnorm(c, n, cases[i].kind, i % 2);
        for (uint32_t kind = 0; kind < 2 && status == BNT_OK; kind++) {
            status = check_gate(c, kind, n, n / 3, (i + kind) % 2);
        }
        if (status == BNT_OK) status = check_add(c, n, n / 3, i % 2 ? CHECK_DENORMALS : CHECK_BIG);
    }
    for (uint32_t i = 0; i < c->shapes->n_ternary && status == BNT_OK; i++) {
        uint64_t n = c->shapes->ternary[i].cols; /* what the model's norms are over */
        if (n <= 1u << 16) status = check_rmsnorm(c, n, CHECK_RANDOM, false);
    }
    if (status == BNT_OK) status = check_rmsnorm(c, 2560, CHECK_BIG, false);
    if (status == BNT_OK) status = check_rmsnorm(c, 640, CHECK_DENORMALS, true);
    for (size_t i = 0; i < sizeof dims / sizeof *dims && status == BNT_OK; i++) {
        status = check_rope(c, BNT_ROPE_NORM, dims[i][0], dims[i][1]);
        if (status == BNT_OK) status = check_rope(c, BNT_ROPE_NEOX, dims[i][0], dims[i][1]);
    }
    return status;
}
