/*
 * vector.c - norm, rotation, gate and residual (NUMERICS 2, 6, 9): apart, and in place where the
 * contract allows it.
 */
#include "vector.h"

#include <stdio.h>
#include <string.h>

static float *sealed_floats(struct ck_ctx *ctx, const char *name, uint64_t n, enum ck_kind kind,
                            enum ck_place place) {
    float *x = ck_buffer(name, n * 4, 4, 0, place);
    ck_floats(&ctx->rng, x, n, kind);
    ck_seal(x);
    return x;
}

/* [tokens][ld] values, with NaN between the rows. */
static float *rows(struct ck_ctx *ctx, uint64_t tokens, uint64_t ld, uint64_t n,
                   enum ck_kind kind) {
    float *x = ck_buffer("the input", tokens * ld * 4, 4, 0xff, CK_AT_END);
    for (uint64_t t = 0; t < tokens; t++) ck_floats(&ctx->rng, x + t * ld, n, kind);
    return x;
}

/* ---- rmsnorm ------------------------------------------------------------------------------- */

enum ck_outcome ck_run_rmsnorm(struct ck_ctx *ctx) {
    static const float eps[] = {1e-5f, 1e-6f, 1e-12f};
    const struct ck_case *c = ctx->c;
    uint64_t n = c->cols, ldx = n + c->tokens % 3, ldy = n + c->tokens % 4;
    float *x = rows(ctx, c->tokens, ldx, n, c->x);
    float *gain = sealed_floats(ctx, "gain", n, c->w, CK_AT_END);
    float *want = ck_buffer("the judge's y", c->tokens * ldy * 4, 4, CK_CANARY, CK_AT_END);
    bnt_rmsnorm_args a = {0, c->tokens, n, x, ldx, gain, eps[ck_below(&ctx->rng, 3)], 0, want, ldy};
    ctx->judge->rmsnorm(&a);
    for (int round = 0; round < CK_ROUNDS + 1; round++) { /* the last one is in place */
        bool in_place = round == CK_ROUNDS;
        struct ck_grid y = ck_grid_of("y", want, c->tokens * ldy, ldy, 4, ck_place_of(round));
        if (in_place) {
            float *wide = ck_buffer("the judge's y, wider", c->tokens * ldx * 4, 4, 0, CK_AT_END);
            memcpy(wide, x, c->tokens * ldx * 4);
            for (uint64_t t = 0; t < c->tokens; t++) memcpy(wide + t * ldx, want + t * ldy, n * 4);
            y = ck_grid_in_place("x and y", wide, x, c->tokens * ldx, ldx, 4, CK_AT_END);
            a.x = a.y = y.got;
            a.ldy = ldx;
        } else {
            a.x = ck_buffer_copy("x", x, c->tokens * ldx * 4, 4, ck_place_of(round));
            a.gain = ck_buffer_copy("gain", gain, n * 4, 4, ck_place_of(round));
            a.y = y.got;
            ck_seal(a.x);
            ck_seal(a.gain);
        }
        struct ck_slices s = round ? ck_cut_part(&ctx->rng, 0, c->tokens) : ck_whole(0, c->tokens);
        for (unsigned i = 0; i < s.count; i++) {
            a.tok_lo = s.lo[i], a.tok_hi = s.hi[i];
            ck_say(ctx, "tokens [%llu, %llu)%s", (ck_ull)a.tok_lo, (ck_ull)a.tok_hi,
                   in_place ? ", in place" : "");
            CK_CALL(ctx, rmsnorm, &a);
            ck_grid_take(&y, a.tok_lo, a.tok_hi, 0, n);
            ck_grid_compare(ctx, &y);
        }
    }
    return CK_PASSED;
}

void ck_plan_rmsnorm(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const uint64_t sizes[] = {1, 15, 16, 17, 100, 2560};
    for (size_t i = 0; i < CK_COUNT(sizes); i++)
        for (int x = 0; x < CK_KINDS; x++)
            ck_add(list, (struct ck_case){.cols = sizes[i],
                                          .tokens = 1 + (i + (unsigned)x) % 5,
                                          .w = x == CK_DENORMAL ? CK_ONES : CK_RANDOM,
                                          .x = (enum ck_kind)x});
    for (uint64_t i = 1; i <= (long_run ? 700 : 140); i++)
        ck_add(list, (struct ck_case){.cols = i,
                                      .tokens = 1 + i % 4,
                                      .w = CK_RANDOM,
                                      .x = i % 2 ? CK_RANDOM : CK_WIDE});
    for (unsigned i = 0; i < (long_run ? 2000 : 40); i++)
        ck_add(list, (struct ck_case){.cols = 1 + ck_below(r, 8000),
                                      .tokens = 1 + ck_below(r, 9),
                                      .w = CK_RANDOM,
                                      .x = (enum ck_kind)ck_below(r, CK_KINDS)});
}

char *ck_describe_rmsnorm(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "n=%llu tokens=%llu x=%s gain=%s", (ck_ull)c->cols, (ck_ull)c->tokens,
             ck_kind_name(c->x), ck_kind_name(c->w));
    return dst;
}

/* ---- rope ---------------------------------------------------------------------------------- */

enum ck_outcome ck_run_rope(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    uint64_t ld = (uint64_t)c->heads * c->dim + c->tokens % 3, half = c->n_rot / 2;
    float *x = rows(ctx, c->tokens, ld, (uint64_t)c->heads * c->dim, c->x);
    float *want = ck_buffer_copy("the judge's x", x, c->tokens * ld * 4, 4, CK_AT_END);
    float *tables[2];
    for (int i = 0; i < 2; i++)
        tables[i] = sealed_floats(ctx, i ? "sin" : "cos", c->tokens * half, c->w, CK_AT_END);
    bnt_rope_args a = {0,      c->tokens, 0,        c->heads, want,      ld,
                       c->dim, c->n_rot,  c->style, 0,        tables[0], tables[1]};
    ctx->judge->rope(&a);
    for (int round = 0; round < CK_ROUNDS; round++) {
        struct ck_grid g =
            ck_grid_in_place("x", want, x, c->tokens * ld, ld, 4, ck_place_of(round));
        a.x = g.got;
        a.cos = ck_buffer_copy("cos", tables[0], c->tokens * half * 4, 4, ck_place_of(round));
        a.sin = ck_buffer_copy("sin", tables[1], c->tokens * half * 4, 4, ck_place_of(round));
        ck_seal(a.cos);
        ck_seal(a.sin);
        struct ck_slices ts = round ? ck_cut_part(&ctx->rng, 0, c->tokens) : ck_whole(0, c->tokens);
        struct ck_slices hs = round ? ck_cut_part(&ctx->rng, 0, c->heads) : ck_whole(0, c->heads);
        for (unsigned i = 0; i < ts.count * hs.count; i++) {
            a.tok_lo = ts.lo[i / hs.count], a.tok_hi = ts.hi[i / hs.count];
            a.head_lo = (uint32_t)hs.lo[i % hs.count], a.head_hi = (uint32_t)hs.hi[i % hs.count];
            ck_say(ctx, "tokens [%llu, %llu), heads [%u, %u)", (ck_ull)a.tok_lo, (ck_ull)a.tok_hi,
                   a.head_lo, a.head_hi);
            CK_CALL(ctx, rope, &a);
            ck_grid_take(&g, a.tok_lo, a.tok_hi, (uint64_t)a.head_lo * c->dim,
                         (uint64_t)a.head_hi * c->dim);
            ck_grid_compare(ctx, &g);
        }
    }
    return CK_PASSED;
}

void ck_plan_rope(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const uint32_t dims[][2] = {{128, 128}, {64, 64}, {80, 32}, {96, 50}, {5, 0}, {2, 2}};
    for (uint32_t style = 0; style < 2; style++) {
        for (size_t i = 0; i < CK_COUNT(dims); i++)
            for (int x = 0; x < CK_KINDS; x++)
                if (x != CK_LARGEST) /* sums of two of them leave the numbers */
                    ck_add(list, (struct ck_case){.dim = dims[i][0],
                                                  .n_rot = dims[i][1],
                                                  .heads = 5,
                                                  .tokens = 3,
                                                  .style = style,
                                                  .w = x == CK_HUGE ? CK_ONES : CK_RANDOM,
                                                  .x = (enum ck_kind)x});
        for (uint32_t n = 0; n <= 70; n++)
            ck_add(list, (struct ck_case){.dim = n + 1,
                                          .n_rot = (n + 1) / 2 * 2,
                                          .heads = 3,
                                          .tokens = 2,
                                          .style = style,
                                          .w = CK_RANDOM,
                                          .x = CK_RANDOM});
        for (unsigned i = 0; i < (long_run ? 1000 : 20); i++) {
            uint32_t dim = 1 + ck_below(r, 300);
            ck_add(list, (struct ck_case){.dim = dim,
                                          .n_rot = ck_below(r, dim / 2 + 1) * 2,
                                          .heads = 1 + ck_below(r, 20),
                                          .tokens = 1 + ck_below(r, 9),
                                          .style = style,
                                          .w = CK_RANDOM,
                                          .x = CK_WIDE});
        }
    }
}

char *ck_describe_rope(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "%s dim=%u n_rot=%u heads=%u tokens=%llu x=%s tables=%s",
             c->style == BNT_ROPE_NEOX ? "neox" : "norm", c->dim, c->n_rot, c->heads,
             (ck_ull)c->tokens, ck_kind_name(c->x), ck_kind_name(c->w));
    return dst;
}

/* ---- gate and add --------------------------------------------------------------------------- */

/* Every fifth an edge of exp or of the formats; for relu2 none whose square is no number. */
static void gate_edges(float *g, uint64_t n, uint32_t kind) {
    static const float edges[] = {0.0f,  -0.0f,  87.0f,     -87.0f,    87.00001f, -88.0f,
                                  88.1f, -88.1f, 0x1p-140f, -1e-40f,   1e30f,     -1e30f,
                                  0.34f, -0.35f, 88.0f,     -87.00001f};
    for (uint64_t i = 0; i < n; i++) {
        if (i % 5 == 0) g[i] = edges[i / 5 % CK_COUNT(edges)];
        if (kind == BNT_GATE_RELU2 && g[i] > 1e15f) g[i] = 1e15f;
    }
}

static enum ck_outcome run_gate(struct ck_ctx *ctx, bool gelu) {
    const struct ck_case *c = ctx->c;
    uint64_t n = c->cols;
    float *g = rows(ctx, 1, n, n, c->x), *u = rows(ctx, 1, n, n, c->w);
    for (uint64_t i = 0; c->x == CK_WIDE && i < n; i++) g[i] = ck_normal(&ctx->rng) * 40.0f;
    if (c->x == CK_WIDE || c->x == CK_HUGE || c->x == CK_LARGEST) gate_edges(g, n, c->style);
    float *want = ck_buffer("the judge's y", n * 4, 4, CK_CANARY, CK_AT_END);
    bnt_gate_args a = {0, n, g, u, want, c->style, 0};
    (gelu ? ctx->judge->gate_gelu : ctx->judge->gate)(&a);
    for (int round = 0; round < CK_ROUNDS + 2; round++) { /* the last two on g and on u */
        enum ck_place place = ck_place_of(round & 1);
        struct ck_grid y = round < 2 ? ck_grid_of("y", want, n, n, 4, place)
                                     : ck_grid_in_place(round == 2 ? "g and y" : "u and y", want,
                                                        round == 2 ? g : u, n, n, 4, place);
        a.y = y.got;
        a.g = round == 2 ? y.got : ck_buffer_copy("g", g, n * 4, 4, place);
        a.u = round == 3 ? y.got : ck_buffer_copy("u", u, n * 4, 4, place);
        if (round != 2) ck_seal(a.g);
        if (round != 3) ck_seal(a.u);
        struct ck_slices s = round ? ck_cut_part(&ctx->rng, 0, n) : ck_whole(0, n);
        for (unsigned i = 0; i < s.count; i++) {
            a.lo = s.lo[i], a.hi = s.hi[i];
            ck_say(ctx, "[%llu, %llu)%s", (ck_ull)a.lo, (ck_ull)a.hi,
                   round == 2   ? ", y on g"
                   : round == 3 ? ", y on u"
                                : "");
            if (gelu)
                CK_CALL(ctx, gate_gelu, &a);
            else
                CK_CALL(ctx, gate, &a);
            ck_grid_take(&y, 0, 1, a.lo, a.hi);
            ck_grid_compare(ctx, &y);
        }
    }
    return CK_PASSED;
}

enum ck_outcome ck_run_gate(struct ck_ctx *ctx) {
    return run_gate(ctx, false);
}

enum ck_outcome ck_run_gate_gelu(struct ck_ctx *ctx) {
    return run_gate(ctx, true);
}

enum ck_outcome ck_run_add(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    uint64_t n = c->cols;
    float *x = rows(ctx, 1, n, n, c->x), *start = rows(ctx, 1, n, n, c->w);
    float *want = ck_buffer_copy("the judge's y", start, n * 4, 4, CK_AT_END);
    ctx->judge->add(&(bnt_add_args){0, n, x, want});
    for (int round = 0; round < CK_ROUNDS; round++) {
        enum ck_place place = ck_place_of(round);
        struct ck_grid y = ck_grid_in_place("y", want, start, n, n, 4, place);
        bnt_add_args a = {0, n, ck_buffer_copy("x", x, n * 4, 4, place), y.got};
        ck_seal(a.x);
        struct ck_slices s = round ? ck_cut_part(&ctx->rng, 0, n) : ck_whole(0, n);
        for (unsigned i = 0; i < s.count; i++) {
            a.lo = s.lo[i], a.hi = s.hi[i];
            ck_say(ctx, "[%llu, %llu)", (ck_ull)a.lo, (ck_ull)a.hi);
            CK_CALL(ctx, add, &a);
            ck_grid_take(&y, 0, 1, a.lo, a.hi);
            ck_grid_compare(ctx, &y);
        }
    }
    return CK_PASSED;
}

static void plan_gates(struct ck_cases *list, struct ck_rng *r, bool long_run, uint32_t lo,
                       uint32_t hi) {
    for (uint32_t kind = lo; kind < hi; kind++) {
        for (int x = 0; x < CK_KINDS; x++)
            for (int w = 0; w < CK_KINDS; w++)
                if (w != CK_LARGEST && w != CK_HUGE) /* products stay numbers */
                    ck_add(list, (struct ck_case){.cols = 131,
                                                  .style = kind,
                                                  .x = kind == BNT_GATE_RELU2 && x >= CK_HUGE
                                                           ? CK_WIDE
                                                           : (enum ck_kind)x,
                                                  .w = (enum ck_kind)w});
        for (uint64_t n = 1; n <= (long_run ? 600 : 70); n++)
            ck_add(list, (struct ck_case){.cols = n, .style = kind, .x = CK_WIDE, .w = CK_RANDOM});
        for (unsigned i = 0; i < (long_run ? 1000 : 20); i++)
            ck_add(list,
                   (struct ck_case){
                       .cols = 1 + ck_below(r, 9000), .style = kind, .x = CK_WIDE, .w = CK_WIDE});
    }
}

void ck_plan_gate(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    plan_gates(list, r, long_run, BNT_GATE_SILU, BNT_GATE_RELU2 + 1);
}

void ck_plan_gate_gelu(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    plan_gates(list, r, long_run, BNT_GATE_GELU, BNT_GATE_GELU + 1);
}

void ck_plan_add(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    for (int x = 0; x < CK_KINDS; x++)
        for (int w = 0; w < CK_KINDS; w++)
            if (x != CK_LARGEST || w != CK_LARGEST)
                ck_add(list,
                       (struct ck_case){.cols = 131, .x = (enum ck_kind)x, .w = (enum ck_kind)w});
    for (uint64_t n = 1; n <= (long_run ? 600 : 70); n++)
        ck_add(list, (struct ck_case){.cols = n, .x = CK_RANDOM, .w = CK_WIDE});
    for (unsigned i = 0; i < (long_run ? 1000 : 20); i++)
        ck_add(list,
               (struct ck_case){.cols = 1 + ck_below(r, 9000), .x = CK_RANDOM, .w = CK_RANDOM});
}

char *ck_describe_gate(const struct ck_case *c, char *dst, size_t size) {
    static const char *const names[] = {"silu", "relu2", "gelu"};
    snprintf(dst, size, "%s n=%llu g=%s u=%s", names[c->style], (ck_ull)c->cols, ck_kind_name(c->x),
             ck_kind_name(c->w));
    return dst;
}

char *ck_describe_add(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "n=%llu x=%s y=%s", (ck_ull)c->cols, ck_kind_name(c->x),
             ck_kind_name(c->w));
    return dst;
}
