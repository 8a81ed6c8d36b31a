/*
 * dense.c - rows of ordinary weights (NUMERICS 5), in place at any address, or packed.
 */
#include "dense.h"

#include <stdio.h>
#include <string.h>

struct dense {
    bnt_dense_shape s;
    bnt_layout l;
    uint64_t first, row_bytes; /* the first row that is used; bytes of a row in the file */
};

static enum ck_outcome make(struct ck_ctx *ctx, struct dense *d) {
    const struct ck_case *c = ctx->c;
    *d = (struct dense){.s = {c->rows, c->cols, c->type, 0},
                        .first = c->far ? c->rows - 13 : 0,
                        .row_bytes = bnt_dense_bytes(c->type, c->cols)};
    return CK_LAYOUT(ctx, dense_layout, &d->s, &d->l);
}

/* The tensor as it lies in the file, sealed. Rows in front of the first are zero pages. */
static uint8_t *source(struct ck_ctx *ctx, const struct dense *d, uint64_t seed,
                       enum ck_place place) {
    struct ck_rng r = {seed};
    uint8_t *p = ck_buffer("the tensor", d->s.rows * d->row_bytes, 1, 0, place);
    ck_dense_fill(&r, d->s.type, p + d->first * d->row_bytes, (d->s.rows - d->first) * d->s.cols,
                  ctx->c->w);
    ck_seal(p);
    return p;
}

/* What dense_unpack and dense_gemm read: the file's bytes, or what dense_pack makes of them. */
static const void *weights(struct ck_ctx *ctx, const struct dense *d, const uint8_t *src, bool cut,
                           enum ck_place place) {
    if (!d->l.bytes) return src;
    void *packed = ck_buffer("packed", d->l.bytes, d->l.align, 0, place);
    struct ck_slices s =
        cut ? ck_cut(&ctx->rng, d->first, d->s.rows) : ck_whole(d->first, d->s.rows);
    for (unsigned i = 0; i < s.count; i++) {
        ck_say(ctx, "rows [%llu, %llu)", (ck_ull)s.lo[i], (ck_ull)s.hi[i]);
        CK_CALL(ctx, dense_pack, (&(bnt_dense_pack_args){d->s, s.lo[i], s.hi[i], src, packed}));
    }
    ck_seal(packed);
    return packed;
}

/* At the end of its page, and one byte after the beginning: at an odd address. */
static enum ck_place source_place(int round) {
    return round == 0 ? CK_AT_END : CK_AT_START_SKEWED;
}

static void unpack_rows(struct ck_ctx *ctx, const struct dense *d, float *want, uint64_t seed,
                        int round, bool cut) {
    uint64_t cols = d->s.cols, rows = d->s.rows - d->first;
    struct ck_grid g = ck_grid_of("row", want, rows * cols, cols, 4, ck_place_of(round));
    const uint8_t *src = source(ctx, d, seed, source_place(round));
    const void *w = weights(ctx, d, src, round > 0, ck_place_of(round));
    struct ck_slices s =
        cut ? ck_cut_part(&ctx->rng, d->first, d->s.rows) : ck_whole(d->first, d->s.rows);
    for (unsigned i = 0; i < s.count; i++) {
        uint64_t lo = s.lo[i] - d->first, hi = s.hi[i] - d->first;
        ck_say(ctx, "rows [%llu, %llu)", (ck_ull)s.lo[i], (ck_ull)s.hi[i]);
        CK_CALL(ctx, dense_unpack,
                (&(bnt_dense_unpack_args){d->s, s.lo[i], s.hi[i], w, (float *)g.got + lo * cols}));
        ck_grid_take(&g, lo, hi, 0, cols);
        ck_grid_compare(ctx, &g);
    }
}

static enum ck_outcome run_rows(struct ck_ctx *ctx, bool pack) {
    struct dense d;
    if (make(ctx, &d) != CK_PASSED || (pack && !d.l.bytes)) return CK_UNSUPPORTED;
    uint64_t rows = d.s.rows - d.first, seed = ck_next(&ctx->rng);
    float *want = ck_buffer("the judge's rows", rows * d.s.cols * 4, 4, CK_CANARY, CK_AT_END);
    const uint8_t *src = source(ctx, &d, seed, CK_AT_END);
    ctx->judge->dense_unpack(&(bnt_dense_unpack_args){d.s, d.first, d.s.rows, src, want});
    for (int round = 0; round < CK_ROUNDS; round++)
        unpack_rows(ctx, &d, want, seed, round, !pack && round > 0);
    return CK_PASSED;
}

enum ck_outcome ck_run_dense_pack(struct ck_ctx *ctx) {
    return run_rows(ctx, true);
}

enum ck_outcome ck_run_dense_unpack(struct ck_ctx *ctx) {
    return run_rows(ctx, false);
}

enum ck_outcome ck_run_dense_gemm(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    struct dense d;
    if (make(ctx, &d) != CK_PASSED) return CK_UNSUPPORTED;
    uint64_t rows = d.s.rows, ldx = d.s.cols + c->tokens % 3, ldy = rows + rows % 4;
    uint64_t n_y = c->tokens * ldy, seed = ck_next(&ctx->rng);
    float *x = ck_buffer("x", c->tokens * ldx * 4, 4, 0xff, CK_AT_END);
    for (uint64_t t = 0; t < c->tokens; t++) ck_floats(&ctx->rng, x + t * ldx, d.s.cols, c->x);
    ck_seal(x);
    float *want = ck_buffer("the judge's y", n_y * 4, 4, CK_CANARY, CK_AT_END);
    bnt_dense_gemm_args a = {
        d.s, source(ctx, &d, seed, CK_AT_END), x, ldx, d.first, rows, 0, c->tokens, want, ldy};
    ctx->judge->dense_gemm(&a);
    for (int round = 0; round < CK_ROUNDS; round++) {
        struct ck_grid y = ck_grid_of("y", want, n_y, ldy, 4, ck_place_of(round));
        const uint8_t *src = source(ctx, &d, seed, source_place(round));
        a.w = weights(ctx, &d, src, round > 0, ck_place_of(round));
        a.x = ck_buffer_copy("x", x, c->tokens * ldx * 4, 4, ck_place_of(round));
        a.y = y.got;
        ck_seal(a.x);
        struct ck_slices rs =
            round ? ck_cut_part(&ctx->rng, d.first, rows) : ck_whole(d.first, rows);
        struct ck_slices ts = round ? ck_cut_part(&ctx->rng, 0, c->tokens) : ck_whole(0, c->tokens);
        for (unsigned i = 0; i < rs.count * ts.count; i++) {
            a.row_lo = rs.lo[i / ts.count], a.row_hi = rs.hi[i / ts.count];
            a.tok_lo = ts.lo[i % ts.count], a.tok_hi = ts.hi[i % ts.count];
            ck_say(ctx, "rows [%llu, %llu), tokens [%llu, %llu)", (ck_ull)a.row_lo,
                   (ck_ull)a.row_hi, (ck_ull)a.tok_lo, (ck_ull)a.tok_hi);
            CK_CALL(ctx, dense_gemm, &a);
            ck_grid_take(&y, a.tok_lo, a.tok_hi, a.row_lo, a.row_hi);
            ck_grid_compare(ctx, &y);
        }
    }
    return CK_PASSED;
}

enum ck_outcome ck_run_dense_layout(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    bnt_dense_shape s = {c->rows, c->cols, c->type, 0};
    bnt_layout l = {0};
    if (CK_LAYOUT(ctx, dense_layout, &s, &l) != CK_PASSED) return CK_UNSUPPORTED;
    if (!c->rows || !c->cols || !bnt_dense_block(c->type) || c->cols % bnt_dense_block(c->type))
        ck_fail(ctx, "it accepts a matrix that cannot be");
    return CK_PASSED;
}

/* ---- the cases ------------------------------------------------------------------------------- */

static const uint32_t types[] = {
#define ID(name, id, values, bytes, at, at2, block) id,
    BNT_DENSE_TYPES(ID)
#undef ID
};

static uint64_t fit(uint32_t type, uint64_t cols) {
    uint64_t block = bnt_dense_block(type);
    return (cols + block - 1) / block * block;
}

static bool pair_is_finite(enum ck_kind w, enum ck_kind x) {
    bool big_w = w == CK_HUGE || w == CK_LARGEST, big_x = x == CK_HUGE || x == CK_LARGEST;
    return !(big_w && (big_x || x == CK_WIDE || x == CK_SPIKE)) && !(big_x && w == CK_WIDE) &&
           x != CK_LARGEST && w != CK_LARGEST;
}

static void add_types(struct ck_cases *list, struct ck_case c) {
    uint64_t cols = c.cols;
    for (size_t t = 0; t < CK_COUNT(types); t++) {
        c.type = types[t];
        c.cols = fit(types[t], cols);
        ck_add(list, c);
    }
}

static void far_rows(struct ck_cases *list) {
    ck_add(list, (struct ck_case){.rows = (1u << 20) + 21,
                                  .cols = 2304,
                                  .tokens = 1,
                                  .type = BNT_TYPE_F16,
                                  .w = CK_RANDOM,
                                  .x = CK_RANDOM,
                                  .far = true});
    ck_add(list, (struct ck_case){.rows = (1u << 20) + 21,
                                  .cols = 5376,
                                  .tokens = 1,
                                  .type = BNT_TYPE_Q6_K,
                                  .w = CK_RANDOM,
                                  .x = CK_RANDOM,
                                  .far = true});
}

void ck_plan_dense(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    for (int w = 0; w < CK_KINDS; w++)
        for (int x = 0; x < CK_KINDS; x++)
            if (pair_is_finite((enum ck_kind)w, (enum ck_kind)x))
                add_types(list, (struct ck_case){.rows = 5,
                                                 .cols = 267,
                                                 .tokens = 2,
                                                 .w = (enum ck_kind)w,
                                                 .x = (enum ck_kind)x});
    for (uint64_t i = 1; i <= (long_run ? 300 : 66);
         i++) { /* every tail of columns, rows, tokens */
        for (size_t t = 0; t < CK_COUNT(types); t++) {
            uint64_t block = bnt_dense_block(types[t]);
            struct ck_case c = {.rows = 1 + i % 9,
                                .tokens = 1 + i % 6,
                                .type = types[t],
                                .w = CK_RANDOM,
                                .x = i % 2 ? CK_RANDOM : CK_WIDE};
            c.cols = block == 1 ? i : block * (1 + i % 7);
            ck_add(list, c);
            c.rows = i, c.cols = fit(types[t], 1 + i % 20), c.tokens = 1 + i % 11;
            ck_add(list, c);
        }
    }
    for (uint64_t t = 1; t <= 33; t += 4)
        add_types(list, (struct ck_case){
                            .rows = 19, .cols = 50, .tokens = t, .w = CK_RANDOM, .x = CK_RANDOM});
    add_types(list, (struct ck_case){
                        .rows = 5231, .cols = 30, .tokens = 1, .w = CK_RANDOM, .x = CK_RANDOM});
    far_rows(list);
    for (unsigned i = 0; i < (long_run ? 3000 : 60); i++) {
        uint32_t type = types[ck_below(r, CK_COUNT(types))];
        ck_add(list, (struct ck_case){.rows = 1 + ck_below(r, 60),
                                      .cols = fit(type, 1 + ck_below(r, 3000)),
                                      .tokens = 1 + ck_below(r, 20),
                                      .type = type,
                                      .w = CK_RANDOM,
                                      .x = ck_below(r, 2) ? CK_RANDOM : CK_WIDE});
    }
}

void ck_plan_dense_rows(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    for (int w = 0; w < CK_KINDS; w++)
        add_types(list, (struct ck_case){.rows = 5, .cols = 300, .w = (enum ck_kind)w});
    for (uint64_t i = 1; i <= (long_run ? 300 : 66); i++)
        add_types(list, (struct ck_case){.rows = 1 + i % 9, .cols = i, .w = CK_RANDOM});
    add_types(list, (struct ck_case){.rows = 5231, .cols = 3, .w = CK_RANDOM});
    far_rows(list);
    for (unsigned i = 0; i < (long_run ? 500 : 20); i++)
        add_types(list, (struct ck_case){.rows = 1 + ck_below(r, 60),
                                         .cols = 1 + ck_below(r, 2000),
                                         .w = CK_WIDE});
}

void ck_plan_dense_layout(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const uint64_t sizes[] = {0,   1,    31,         32,         255,
                                     256, 2560, 1ull << 32, 1ull << 63, UINT64_MAX};
    static const uint32_t ids[] = {0, 1, 2, 8, 12, 14, 16, 20, 30, 31, 36, UINT32_MAX};
    (void)r;
    (void)long_run;
    for (size_t i = 0; i < CK_COUNT(ids); i++)
        for (size_t j = 0; j < CK_COUNT(sizes); j++)
            for (size_t k = 0; k < CK_COUNT(sizes); k++)
                ck_add(list, (struct ck_case){.rows = sizes[j], .cols = sizes[k], .type = ids[i]});
}

char *ck_describe_dense(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "type=%s rows=%llu cols=%llu tokens=%llu w=%s x=%s%s",
             bnt_dense_name(c->type), (ck_ull)c->rows, (ck_ull)c->cols, (ck_ull)c->tokens,
             ck_kind_name(c->w), ck_kind_name(c->x), c->far ? " (last rows)" : "");
    return dst;
}
