/*
 * window.c - attention over a window (NUMERICS 8): K and V lie at the end of a page, so that a
 * kernel that reads a position nobody sees is found.
 */
#include "window.h"

#include <stdio.h>

enum ck_outcome ck_run_attn_window(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    const uint64_t window = c->rows, ld = (uint64_t)c->heads * c->dim + c->tokens % 3;
    bnt_attn_window_args a = {.head_dim = c->dim,
                              .scale = 0.09f,
                              .window = window,
                              .first = c->pos + 1 > window ? c->pos + 1 - window : 0,
                              .ldq = ld,
                              .pos = c->pos,
                              .tok_hi = c->tokens,
                              .head_hi = c->heads,
                              .ldy = ld};
    const uint64_t n = (c->pos + c->tokens - a.first) * c->dim, size = c->tokens * ld;
    float *k = ck_buffer("k", n * 4, 4, 0, CK_AT_END), *v = ck_buffer("v", n * 4, 4, 0, CK_AT_END);
    float *q = ck_buffer("q", size * 4, 4, 0, CK_AT_END);
    float *want = ck_buffer("the judge's y", size * 4, 4, CK_CANARY, CK_AT_END);
    ck_floats(&ctx->rng, k, n, c->w);
    ck_floats(&ctx->rng, v, n, c->w);
    ck_floats(&ctx->rng, q, size, c->x);
    a.k = k, a.v = v, a.q = q, a.y = want;
    ctx->judge->attn_window(&a);
    for (int round = 0; round < CK_ROUNDS; round++) {
        enum ck_place place = ck_place_of(round);
        struct ck_grid y = ck_grid_of("y", want, size, ld, 4, place);
        a.k = ck_buffer_copy("k", k, n * 4, 4, place);
        a.v = ck_buffer_copy("v", v, n * 4, 4, place);
        a.q = ck_buffer_copy("q", q, size * 4, 4, place);
        a.y = y.got;
        ck_seal(a.k);
        ck_seal(a.v);
        ck_seal(a.q);
        struct ck_slices ts = round ? ck_cut(&ctx->rng, 0, c->tokens) : ck_whole(0, c->tokens);
        struct ck_slices hs = round ? ck_cut(&ctx->rng, 0, c->heads) : ck_whole(0, c->heads);
        for (unsigned i = 0; i < ts.count * hs.count; i++) {
            a.tok_lo = ts.lo[i / hs.count], a.tok_hi = ts.hi[i / hs.count];
            a.head_lo = (uint32_t)hs.lo[i % hs.count], a.head_hi = (uint32_t)hs.hi[i % hs.count];
            ck_say(ctx, "tokens [%llu, %llu), heads [%u, %u)", (ck_ull)a.tok_lo, (ck_ull)a.tok_hi,
                   a.head_lo, a.head_hi);
            CK_CALL(ctx, attn_window, &a);
            ck_grid_take(&y, a.tok_lo, a.tok_hi, (uint64_t)a.head_lo * c->dim,
                         (uint64_t)a.head_hi * c->dim);
            ck_grid_compare(ctx, &y);
        }
    }
    return CK_PASSED;
}

void ck_plan_attn_window(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const struct ck_case shapes[] = {
        {.rows = 1, .dim = 64, .heads = 2, .pos = 0, .tokens = 3},
        {.rows = 512, .dim = 256, .heads = 4, .pos = 700, .tokens = 3},
        {.rows = 512, .dim = 256, .heads = 4, .pos = 0, .tokens = 2},
        {.rows = 256, .dim = 128, .heads = 1, .pos = 255, .tokens = 3},
        {.rows = 257, .dim = 96, .heads = 3, .pos = 600, .tokens = 2},
        {.rows = 1000, .dim = 20, .heads = 2, .pos = 1500, .tokens = 5}};
    for (size_t i = 0; i < CK_COUNT(shapes); i++) {
        struct ck_case c = shapes[i];
        c.w = c.x = CK_RANDOM;
        ck_add(list, c);
    }
    for (int kind = 0; kind < CK_KINDS; kind++)
        if (kind != CK_HUGE && kind != CK_LARGEST) /* scores are numbers */
            ck_add(list, (struct ck_case){.rows = 20,
                                          .dim = 48,
                                          .heads = 2,
                                          .pos = 270,
                                          .tokens = 3,
                                          .w = (enum ck_kind)kind,
                                          .x = CK_RANDOM});
    for (uint64_t p = 0; p < (long_run ? 530 : 34); p++) /* every tail of a window */
        ck_add(list, (struct ck_case){.rows = 1 + p * 3 % 41,
                                      .dim = 1 + (uint32_t)p * 5 % 67,
                                      .heads = 2,
                                      .pos = p,
                                      .tokens = 1 + p % 5,
                                      .w = CK_RANDOM,
                                      .x = CK_RANDOM});
    for (unsigned i = 0; i < (long_run ? 400 : 12); i++)
        ck_add(list, (struct ck_case){.rows = 1 + ck_below(r, 700),
                                      .dim = 1 + ck_below(r, 140),
                                      .heads = 1 + ck_below(r, 5),
                                      .pos = ck_below(r, long_run ? 2000 : 600),
                                      .tokens = 1 + ck_below(r, 9),
                                      .w = CK_RANDOM,
                                      .x = CK_RANDOM});
}

char *ck_describe_attn_window(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "window=%llu dim=%u heads=%u pos=%llu tokens=%llu q=%s values=%s",
             (ck_ull)c->rows, c->dim, c->heads, (ck_ull)c->pos, (ck_ull)c->tokens,
             ck_kind_name(c->x), ck_kind_name(c->w));
    return dst;
}
