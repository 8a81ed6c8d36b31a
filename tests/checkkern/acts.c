/*
 * acts.c - quantized activations (NUMERICS 3 and 4), and the answers of the two layout slots.
 */
#include <stdio.h>
#include <string.h>

#include "ternary.h"

struct wanted { /* the judge's values */
    int8_t *q;
    float *a;
};

static struct wanted judge_values(struct ck_ctx *ctx, const struct ck_ternary *t) {
    uint64_t tokens = t->as.tokens;
    struct wanted w = {ck_buffer("the judge's q", tokens * t->as.cols, 1, CK_CANARY, CK_AT_END),
                       ck_buffer("the judge's a", tokens * t->blocks * 4, 4, CK_CANARY, CK_AT_END)};
    const void *acts = ck_ternary_judge_acts(ctx, t);
    ctx->judge->act_unpack(&(bnt_act_unpack_args){t->as, 0, tokens, acts, w.q, w.a});
    return w;
}

static void unpack_slices(struct ck_ctx *ctx, const struct ck_ternary *t, const void *acts,
                          const struct wanted *w, const struct ck_slices *s, enum ck_place place) {
    uint64_t cols = t->as.cols, tokens = t->as.tokens;
    struct ck_grid q = ck_grid_of("q", w->q, tokens * cols, cols, 1, place);
    struct ck_grid a = ck_grid_of("a", w->a, tokens * t->blocks, t->blocks, 4, place);
    for (unsigned i = 0; i < s->count; i++) {
        ck_say(ctx, "tokens [%llu, %llu)", (ck_ull)s->lo[i], (ck_ull)s->hi[i]);
        CK_CALL(ctx, act_unpack,
                (&(bnt_act_unpack_args){t->as, s->lo[i], s->hi[i], acts,
                                        (int8_t *)q.got + s->lo[i] * cols,
                                        (float *)a.got + s->lo[i] * t->blocks}));
        ck_grid_take(&a, s->lo[i], s->hi[i], 0, t->blocks);
        ck_grid_compare(ctx, &a);
        ck_grid_take(&q, s->lo[i], s->hi[i], 0, cols);
        ck_grid_compare(ctx, &q);
    }
}

/* The activation part of a ternary case; its matrix has one row, or none where block scales ask for
 * nothing. */
static enum ck_outcome make(struct ck_ctx *ctx, struct ck_ternary *t) {
    const struct ck_case *c = ctx->c;
    *t = (struct ck_ternary){.as = {c->tokens, c->cols, c->block, 0},
                             .blocks = c->block ? c->cols / c->block : 1,
                             .ldx = c->cols + c->tokens % 3};
    if (CK_LAYOUT(ctx, act_layout, &t->as, &t->al) != CK_PASSED) return CK_UNSUPPORTED;
    t->x = ck_buffer("x", c->tokens * t->ldx * 4, 4, 0xff, CK_AT_END);
    for (uint64_t i = 0; i < c->tokens; i++) ck_floats(&ctx->rng, t->x + i * t->ldx, c->cols, c->x);
    ck_seal(t->x);
    return CK_PASSED;
}

enum ck_outcome ck_run_act_quantize(struct ck_ctx *ctx) {
    struct ck_ternary t;
    if (make(ctx, &t) != CK_PASSED) return CK_UNSUPPORTED;
    struct wanted w = judge_values(ctx, &t);
    struct ck_slices all = ck_whole(0, t.as.tokens);
    for (int round = 0; round < CK_ROUNDS; round++) {
        enum ck_place place = ck_place_of(round);
        const void *acts = ck_ternary_acts(ctx, &t, round > 0, place);
        unpack_slices(ctx, &t, acts, &w, &all, place);
    }
    return CK_PASSED;
}

enum ck_outcome ck_run_act_unpack(struct ck_ctx *ctx) {
    struct ck_ternary t;
    if (make(ctx, &t) != CK_PASSED) return CK_UNSUPPORTED;
    struct wanted w = judge_values(ctx, &t);
    const void *acts = ck_ternary_acts(ctx, &t, false, CK_AT_END);
    for (int round = 0; round < CK_ROUNDS; round++) {
        struct ck_slices s =
            round ? ck_cut_part(&ctx->rng, 0, t.as.tokens) : ck_whole(0, t.as.tokens);
        unpack_slices(ctx, &t, acts, &w, &s, ck_place_of(round));
    }
    return CK_PASSED;
}

/* ---- layouts: shapes as a damaged file could ask for them ------------------------------------ */

enum ck_outcome ck_run_ternary_layout(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    bnt_ternary_shape s = {c->rows, c->cols, c->block, c->scale_type};
    bnt_layout l = {0}, again = {0};
    if (CK_LAYOUT(ctx, ternary_layout, &s, &l) != CK_PASSED) return CK_UNSUPPORTED;
    double least = (double)c->rows * (double)c->cols / 5.1; /* log2(3) bits and less */
    if (!c->rows || !c->cols || (c->block && c->cols % c->block))
        ck_fail(ctx, "it accepts a matrix that cannot be");
    if ((double)l.bytes < least)
        ck_fail(ctx, "%llu bytes cannot hold the weights", (ck_ull)l.bytes);
    if (l.bytes > UINT64_MAX / 4) ck_fail(ctx, "it accepts a matrix larger than any memory");
    CK_LAYOUT(ctx, ternary_layout, &s, &again);
    if (memcmp(&l, &again, sizeof l) != 0) ck_fail(ctx, "asked twice, it answers differently");
    return CK_PASSED;
}

enum ck_outcome ck_run_act_layout(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    bnt_act_shape s = {c->tokens, c->cols, c->block, 0};
    bnt_layout l = {0}, again = {0};
    if (CK_LAYOUT(ctx, act_layout, &s, &l) != CK_PASSED) return CK_UNSUPPORTED;
    if (!c->tokens || !c->cols || (c->block && c->cols % c->block))
        ck_fail(ctx, "it accepts activations that cannot be");
    if ((double)l.bytes < 0.99 * (double)c->tokens * (double)c->cols)
        ck_fail(ctx, "%llu bytes cannot hold the values", (ck_ull)l.bytes);
    CK_LAYOUT(ctx, act_layout, &s, &again);
    if (memcmp(&l, &again, sizeof l) != 0) ck_fail(ctx, "asked twice, it answers differently");
    return CK_PASSED;
}

/* ---- the cases ------------------------------------------------------------------------------- */

void ck_plan_acts(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const uint64_t cols[] = {1, 15, 16, 17, 64, 257, 2560};
    static const uint32_t blocks[] = {64, 128, 256, 32};
    for (size_t i = 0; i < CK_COUNT(cols); i++)
        for (int x = 0; x < CK_KINDS; x++)
            ck_add(list, (struct ck_case){.cols = cols[i],
                                          .tokens = 1 + (i + (unsigned)x) % 9,
                                          .x = (enum ck_kind)x});
    for (size_t b = 0; b < CK_COUNT(blocks); b++)
        for (int x = 0; x < CK_KINDS; x++)
            ck_add(list, (struct ck_case){.cols = blocks[b] * 3,
                                          .tokens = 1 + (b + (unsigned)x) % 8,
                                          .block = blocks[b],
                                          .x = (enum ck_kind)x});
    for (uint64_t i = 1; i <= (long_run ? 600 : 130); i++) {
        ck_add(list, (struct ck_case){.cols = i, .tokens = 1 + i % 9, .x = CK_RANDOM});
        ck_add(list, (struct ck_case){.cols = 1 + i % 70, .tokens = i, .x = CK_TIES});
    }
    ck_add(list, (struct ck_case){.cols = 132104, .tokens = 2, .x = CK_ONES});
    for (unsigned i = 0; i < (long_run ? 3000 : 60); i++) {
        struct ck_case c = {.cols = 1 + ck_below(r, 3000),
                            .tokens = 1 + ck_below(r, 20),
                            .x = (enum ck_kind)ck_below(r, CK_KINDS)};
        if (ck_below(r, 3) == 0) {
            c.block = blocks[ck_below(r, CK_COUNT(blocks))];
            c.cols = c.block * (1 + ck_below(r, 20));
        }
        ck_add(list, c);
    }
}

void ck_plan_shapes(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const uint64_t sizes[] = {0,      1,          64,         2560,       132104,    132105,
                                     132160, 1ull << 32, 1ull << 60, 1ull << 63, UINT64_MAX};
    static const uint32_t spans[] = {0, 1, 64, 100, 256, UINT32_MAX};
    static const uint32_t scale_types[] = {BNT_TYPE_F32, BNT_TYPE_F16, 77};
    (void)r;
    (void)long_run;
    for (size_t i = 0; i < CK_COUNT(sizes); i++)
        for (size_t j = 0; j < CK_COUNT(sizes); j++)
            for (size_t b = 0; b < CK_COUNT(spans); b++)
                ck_add(list, (struct ck_case){.rows = sizes[i],
                                              .tokens = sizes[i],
                                              .cols = sizes[j],
                                              .block = spans[b],
                                              .scale_type = scale_types[(i + j + b) % 5 % 3]});
}

char *ck_describe_acts(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "cols=%llu block=%u tokens=%llu x=%s", (ck_ull)c->cols, c->block,
             (ck_ull)c->tokens, ck_kind_name(c->x));
    return dst;
}
