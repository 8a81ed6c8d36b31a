/*
 * ternary.c - packing, unpacking and the ternary product (NUMERICS 3 and 4).
 *
 * Objects of the plugin are opaque here: a packed matrix is judged by what unpack and the product
 * make of it, and by having the same bytes however the packing was cut.
 */
#include "ternary.h"

#include <stdio.h>
#include <string.h>

static void *garbage(struct ck_ctx *ctx, const char *name, const bnt_layout *l,
                     enum ck_place place) {
    static const int fills[] = {0x7f, 0x80, 0xff, 0x55};
    return ck_buffer(name, l->bytes, l->align, fills[ck_below(&ctx->rng, 4)], place);
}

enum ck_outcome ck_ternary_make(struct ck_ctx *ctx, struct ck_ternary *t) {
    const struct ck_case *c = ctx->c;
    *t = (struct ck_ternary){.ws = {c->rows, c->cols, c->block, c->scale_type},
                             .as = {c->tokens, c->cols, c->block, 0},
                             .first = c->far ? c->rows - 21 : 0,
                             .blocks = c->block ? c->cols / c->block : 1,
                             .ldx = c->cols + c->tokens % 4};
    if (CK_LAYOUT(ctx, ternary_layout, &t->ws, &t->wl) != CK_PASSED) return CK_UNSUPPORTED;
    if (CK_LAYOUT(ctx, act_layout, &t->as, &t->al) != CK_PASSED)
        ck_fail(ctx, "act_layout refuses what ternary_layout accepts");
    uint64_t rows = c->rows - t->first, n_x = c->tokens * t->ldx;
    t->trits = ck_buffer("trits", rows * c->cols, 1, 0, CK_AT_END);
    ck_trits(&ctx->rng, t->trits, rows * c->cols, c->w);
    ck_seal(t->trits);
    if (c->block) {
        t->scales = ck_buffer("scales", rows * t->blocks * 4, 4, 0, CK_AT_END);
        ck_scales(&ctx->rng, t->scales, rows * t->blocks, c->scale_type);
        ck_seal(t->scales);
    }
    t->x = ck_buffer("x", n_x * 4, 4, 0xff, CK_AT_END);
    for (uint64_t i = 0; i < c->tokens; i++) ck_floats(&ctx->rng, t->x + i * t->ldx, c->cols, c->x);
    ck_seal(t->x);
    return CK_PASSED;
}

void ck_ternary_pack(struct ck_ctx *ctx, const struct ck_ternary *t, uint64_t lo, uint64_t hi,
                     void *packed) {
    uint64_t from = lo - t->first;
    ck_say(ctx, "rows [%llu, %llu)", (ck_ull)lo, (ck_ull)hi);
    CK_CALL(ctx, ternary_pack,
            (&(bnt_ternary_pack_args){t->ws, lo, hi, t->trits + from * t->ws.cols,
                                      t->scales ? t->scales + from * t->blocks : NULL, packed}));
}

void *ck_ternary_judge_packed(struct ck_ctx *ctx, const struct ck_ternary *t) {
    bnt_layout l;
    if (ctx->judge->ternary_layout(&t->ws, &l) != BNT_SUPPORTED)
        ck_fail(ctx, "it takes a shape that ref-scalar does not");
    void *packed = ck_buffer("the judge's matrix", l.bytes, l.align, 0, CK_AT_END);
    ctx->judge->ternary_pack(
        &(bnt_ternary_pack_args){t->ws, t->first, t->ws.rows, t->trits, t->scales, packed});
    return packed;
}

void *ck_ternary_judge_acts(struct ck_ctx *ctx, const struct ck_ternary *t) {
    bnt_layout l;
    if (ctx->judge->act_layout(&t->as, &l) != BNT_SUPPORTED)
        ck_fail(ctx, "it takes a shape that ref-scalar does not");
    void *acts = ck_buffer("the judge's activations", l.bytes, l.align, 0, CK_AT_END);
    ctx->judge->act_quantize(&(bnt_act_quantize_args){t->as, 0, t->as.tokens, t->x, t->ldx, acts});
    return acts;
}

void *ck_ternary_acts(struct ck_ctx *ctx, const struct ck_ternary *t, bool cut,
                      enum ck_place place) {
    void *acts = garbage(ctx, "acts", &t->al, place);
    struct ck_slices s = cut ? ck_cut(&ctx->rng, 0, t->as.tokens) : ck_whole(0, t->as.tokens);
    for (unsigned i = 0; i < s.count; i++) {
        ck_say(ctx, "tokens [%llu, %llu)", (ck_ull)s.lo[i], (ck_ull)s.hi[i]);
        CK_CALL(ctx, act_quantize,
                (&(bnt_act_quantize_args){t->as, s.lo[i], s.hi[i], t->x, t->ldx, acts}));
    }
    ck_seal(acts);
    return acts;
}

static void *packed_by_plugin(struct ck_ctx *ctx, const struct ck_ternary *t, bool cut,
                              enum ck_place place) {
    void *packed = ck_buffer("packed", t->wl.bytes, t->wl.align, 0, place);
    struct ck_slices s =
        cut ? ck_cut(&ctx->rng, t->first, t->ws.rows) : ck_whole(t->first, t->ws.rows);
    for (unsigned i = 0; i < s.count; i++) ck_ternary_pack(ctx, t, s.lo[i], s.hi[i], packed);
    ck_seal(packed);
    return packed;
}

/* What unpack gives for the slices, against the source itself: pack must lose nothing. */
static void unpack_slices(struct ck_ctx *ctx, const struct ck_ternary *t, const void *packed,
                          const struct ck_slices *s, enum ck_place place) {
    uint64_t cols = t->ws.cols, rows = t->ws.rows - t->first;
    struct ck_grid w = ck_grid_of("trits", t->trits, rows * cols, cols, 1, place);
    struct ck_grid scales = {0};
    if (t->scales) scales = ck_grid_of("scales", t->scales, rows * t->blocks, t->blocks, 4, place);
    for (unsigned i = 0; i < s->count; i++) {
        uint64_t lo = s->lo[i] - t->first, hi = s->hi[i] - t->first;
        ck_say(ctx, "rows [%llu, %llu)", (ck_ull)s->lo[i], (ck_ull)s->hi[i]);
        CK_CALL(ctx, ternary_unpack,
                (&(bnt_ternary_unpack_args){
                    t->ws, s->lo[i], s->hi[i], packed, (int8_t *)w.got + lo * cols,
                    t->scales ? (float *)scales.got + lo * t->blocks : NULL}));
        ck_grid_take(&w, lo, hi, 0, cols);
        ck_grid_compare(ctx, &w);
        if (!t->scales) continue;
        ck_grid_take(&scales, lo, hi, 0, t->blocks);
        ck_grid_compare(ctx, &scales);
    }
}

enum ck_outcome ck_run_ternary_pack(struct ck_ctx *ctx) {
    struct ck_ternary t;
    struct ck_slices all;
    if (ck_ternary_make(ctx, &t) != CK_PASSED) return CK_UNSUPPORTED;
    all = ck_whole(t.first, t.ws.rows);
    const void *whole = packed_by_plugin(ctx, &t, false, CK_AT_END);
    unpack_slices(ctx, &t, whole, &all, CK_AT_END);
    const void *cut = packed_by_plugin(ctx, &t, true, CK_AT_START);
    unpack_slices(ctx, &t, cut, &all, CK_AT_START);
    if (!ctx->c->far && memcmp(whole, cut, t.wl.bytes) != 0)
        ck_fail(ctx, "the packed object depends on how the rows were cut");
    return CK_PASSED;
}

enum ck_outcome ck_run_ternary_unpack(struct ck_ctx *ctx) {
    struct ck_ternary t;
    if (ck_ternary_make(ctx, &t) != CK_PASSED) return CK_UNSUPPORTED;
    const void *packed = packed_by_plugin(ctx, &t, false, CK_AT_START);
    for (int round = 0; round < CK_ROUNDS; round++) {
        struct ck_slices s =
            round ? ck_cut_part(&ctx->rng, t.first, t.ws.rows) : ck_whole(t.first, t.ws.rows);
        unpack_slices(ctx, &t, packed, &s, ck_place_of(round));
    }
    return CK_PASSED;
}

/* Scales of a tensor: ordinary, negative, and small enough for subnormal results. */
static float tensor_scale(struct ck_rng *r, const struct ck_case *c) {
    static const float scales[] = {0.0123f, 0.0123f, 0.0123f, 0.5f,   1.0f, -0.37f,
                                   -2.5f,   1.7e-7f, 1e-38f,  3e-41f, 0.0f};
    return scales[ck_below(r, c->rows > 5000 ? 3 : (uint32_t)CK_COUNT(scales))];
}

enum ck_outcome ck_run_ternary_gemm(struct ck_ctx *ctx) {
    struct ck_ternary t;
    if (ck_ternary_make(ctx, &t) != CK_PASSED) return CK_UNSUPPORTED;
    uint64_t rows = t.ws.rows, tokens = t.as.tokens, ldy = rows + rows % 5;
    bnt_ternary_gemm_args a = {.shape = t.ws,
                               .scale = ctx->c->block ? 0.0f : tensor_scale(&ctx->rng, ctx->c),
                               .act_shape = t.as,
                               .row_lo = t.first,
                               .row_hi = rows,
                               .tok_hi = tokens,
                               .ldy = ldy};
    float *want = ck_buffer("the judge's y", tokens * ldy * 4, 4, CK_CANARY, CK_AT_END);
    a.packed = ck_ternary_judge_packed(ctx, &t);
    a.acts = ck_ternary_judge_acts(ctx, &t);
    a.y = want;
    ctx->judge->ternary_gemm(&a);
    for (int round = 0; round < CK_ROUNDS; round++) {
        struct ck_grid y = ck_grid_of("y", want, tokens * ldy, ldy, 4, ck_place_of(round));
        a.packed = packed_by_plugin(ctx, &t, round > 0, ck_place_of(round));
        a.acts = ck_ternary_acts(ctx, &t, round > 0, ck_place_of(round));
        a.y = y.got;
        struct ck_slices rs =
            round ? ck_cut_part(&ctx->rng, t.first, rows) : ck_whole(t.first, rows);
        struct ck_slices ts = round ? ck_cut_part(&ctx->rng, 0, tokens) : ck_whole(0, tokens);
        for (unsigned i = 0; i < rs.count * ts.count; i++) {
            unsigned r = i / ts.count, k = i % ts.count;
            a.row_lo = rs.lo[r], a.row_hi = rs.hi[r];
            a.tok_lo = ts.lo[k], a.tok_hi = ts.hi[k];
            ck_say(ctx, "rows [%llu, %llu), tokens [%llu, %llu), scale %g", (ck_ull)a.row_lo,
                   (ck_ull)a.row_hi, (ck_ull)a.tok_lo, (ck_ull)a.tok_hi, (double)a.scale);
            CK_CALL(ctx, ternary_gemm, &a);
            ck_grid_take(&y, a.tok_lo, a.tok_hi, a.row_lo, a.row_hi);
            ck_grid_compare(ctx, &y);
        }
    }
    return CK_PASSED;
}

/* ---- the cases ----------------------------------------------------------------------------- */

static const uint32_t blocks[] = {64, 128, 256};

static void sweep(struct ck_cases *list, struct ck_rng *r, uint64_t max, bool packing) {
    for (uint64_t i = 1; i <= max; i++) { /* every tail of rows, of columns */
        ck_add(list, (struct ck_case){.rows = i,
                                      .cols = 1 + ck_below(r, 70),
                                      .tokens = packing ? 1 : 1 + i % 13,
                                      .w = CK_RANDOM,
                                      .x = CK_RANDOM});
        ck_add(list, (struct ck_case){.rows = 1 + ck_below(r, 36),
                                      .cols = i,
                                      .tokens = packing ? 1 : 1 + (i + 3) % 13,
                                      .w = CK_RANDOM,
                                      .x = CK_TIES});
    }
    for (uint64_t i = 1; i <= 66; i++)
        ck_add(list, (struct ck_case){.rows = i,
                                      .cols = blocks[i % 3] * (1 + i % 5),
                                      .tokens = packing ? 1 : 1 + i % 8,
                                      .block = blocks[i % 3],
                                      .scale_type = i % 2 ? BNT_TYPE_F16 : BNT_TYPE_F32,
                                      .w = CK_RANDOM,
                                      .x = CK_WIDE});
}

static void random_shapes(struct ck_cases *list, struct ck_rng *r, unsigned n, uint32_t max_cols) {
    static const uint32_t more[] = {16, 32, 48, 64, 128, 192, 256, 512};
    for (unsigned i = 0; i < n; i++) {
        struct ck_case c = {.rows = 1 + ck_below(r, 200),
                            .cols = 1 + ck_below(r, max_cols),
                            .tokens = 1 + ck_below(r, 30)};
        if (ck_below(r, 2)) {
            c.block = more[ck_below(r, CK_COUNT(more))];
            c.cols = c.block * (1 + ck_below(r, max_cols / 512 + 1));
            c.scale_type = ck_below(r, 2) ? BNT_TYPE_F16 : BNT_TYPE_F32;
        }
        c.w = ck_below(r, 3) ? CK_RANDOM : (enum ck_kind)ck_below(r, CK_TIES);
        c.x = ck_below(r, 3) ? CK_RANDOM : (enum ck_kind)ck_below(r, CK_KINDS);
        ck_add(list, c);
    }
}

/* One tall matrix, whose last rows have numbers above 5000; and one whose last rows lie beyond
 * 4 GiB. */
static void tall(struct ck_cases *list) {
    ck_add(list,
           (struct ck_case){.rows = 5237, .cols = 40, .tokens = 2, .w = CK_RANDOM, .x = CK_RANDOM});
    ck_add(list, (struct ck_case){.rows = 5237,
                                  .cols = 128,
                                  .tokens = 1,
                                  .block = 64,
                                  .scale_type = BNT_TYPE_F16,
                                  .w = CK_RANDOM,
                                  .x = CK_RANDOM});
    ck_add(list, (struct ck_case){.rows = (1u << 20) + 37,
                                  .cols = 16640,
                                  .tokens = 1,
                                  .w = CK_RANDOM,
                                  .x = CK_RANDOM,
                                  .far = true});
}

void ck_plan_ternary(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const struct ck_case edges[] = {
        {.rows = 17, .cols = 6912, .tokens = 1},
        {.rows = 66, .cols = 4097, .tokens = 7},
        {.rows = 18, .cols = 512, .tokens = 5, .block = 64, .scale_type = BNT_TYPE_F16},
        {.rows = 5, .cols = 1024, .tokens = 2, .block = 256, .scale_type = BNT_TYPE_F32}};
    static const enum ck_kind trits[] = {CK_ONES,  CK_MINUS_ONES,  CK_ZEROS,
                                         CK_SPIKE, CK_ALTERNATING, CK_RANDOM};
    for (size_t i = 0; i < CK_COUNT(edges); i++)
        for (size_t w = 0; w < CK_COUNT(trits); w++)
            for (int x = 0; x < CK_KINDS; x++) {
                struct ck_case c = edges[i];
                c.w = trits[w], c.x = (enum ck_kind)x;
                ck_add(list, c);
            }
    for (int i = 0; i < 8; i++) /* the widest row there is: all sums at their limit */
        ck_add(list, (struct ck_case){.rows = i < 4 ? 3 : 65,
                                      .cols = 132104,
                                      .tokens = i < 4 ? 1 : 4,
                                      .w = i & 1 ? CK_MINUS_ONES : CK_ONES,
                                      .x = i & 2 ? CK_MINUS_ONES : CK_ONES});
    sweep(list, r, long_run ? 400 : 130, false);
    for (uint64_t t = 1; t <= (long_run ? 200 : 40); t++) /* every tail of tokens */
        ck_add(
            list,
            (struct ck_case){
                .rows = 1 + (t * 7) % 90, .cols = 33, .tokens = t, .w = CK_RANDOM, .x = CK_RANDOM});
    ck_add(list,
           (struct ck_case){.rows = 70, .cols = 64, .tokens = 600, .w = CK_RANDOM, .x = CK_RANDOM});
    tall(list);
    random_shapes(list, r, long_run ? 3000 : 60, long_run ? 4000 : 900);
    for (int i = 0; long_run && i < 4; i++)
        ck_add(list, (struct ck_case){.rows = i & 1 ? 6912 : 2560,
                                      .cols = i & 2 ? 6912 : 2560,
                                      .tokens = i < 2 ? 1 : 37,
                                      .w = CK_RANDOM,
                                      .x = CK_RANDOM});
}

void ck_plan_packing(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    for (int w = 0; w <= CK_ALTERNATING; w++)
        for (uint32_t b = 0; b < 3; b++)
            ck_add(list, (struct ck_case){.rows = 37,
                                          .cols = 256 * (b + 1),
                                          .tokens = 1,
                                          .block = b ? blocks[b] : 0,
                                          .scale_type = b == 1 ? BNT_TYPE_F16 : BNT_TYPE_F32,
                                          .w = (enum ck_kind)w,
                                          .x = CK_ZEROS});
    ck_add(list,
           (struct ck_case){.rows = 3, .cols = 132104, .tokens = 1, .w = CK_RANDOM, .x = CK_ZEROS});
    sweep(list, r, long_run ? 400 : 130, true);
    tall(list);
    random_shapes(list, r, long_run ? 600 : 30, long_run ? 4000 : 900);
}

char *ck_describe_packing(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "rows=%llu cols=%llu block=%u%s w=%s%s", (ck_ull)c->rows, (ck_ull)c->cols,
             c->block, c->block && c->scale_type == BNT_TYPE_F16 ? " scales=f16" : "",
             ck_kind_name(c->w), c->far ? " (last rows)" : "");
    return dst;
}

char *ck_describe_ternary(const struct ck_case *c, char *dst, size_t size) {
    char first[160];
    snprintf(dst, size, "%s tokens=%llu x=%s", ck_describe_packing(c, first, sizeof first),
             (ck_ull)c->tokens, ck_kind_name(c->x));
    return dst;
}
