/*
 * search.c - the int8 matrix in which the core looks for the largest logits.
 *
 * Its sums are exact integers, so what they must be is computed here, without the judge.
 */
#include "search.h"

#include <stdio.h>
#include <string.h>

struct matrix {
    bnt_i8_shape s;
    bnt_layout l;
    uint64_t first; /* the first row that is used */
    int8_t *w;      /* [rows - first][cols], sealed */
};

/* -127 .. 127 of a kind. */
static void fill(struct ck_rng *r, int8_t *w, uint64_t n, enum ck_kind kind) {
    for (uint64_t i = 0; i < n; i++) {
        switch (kind) {
        case CK_ONES: w[i] = 127; break;
        case CK_MINUS_ONES: w[i] = -127; break;
        case CK_ZEROS:
        case CK_SPIKE: w[i] = 0; break;
        case CK_ALTERNATING: w[i] = i % 2 ? -127 : 127; break;
        default: w[i] = (int8_t)((int)ck_below(r, 255) - 127); break;
        }
    }
    if (kind == CK_SPIKE && n) w[ck_below(r, (uint32_t)n)] = -127;
}

/* All four slots, or none. */
static bool present(struct ck_ctx *ctx) {
    const bnt_kernels *k = ctx->k;
    int have = !!BNT_HAS(k, i8_layout) + !!BNT_HAS(k, i8_pack) + !!BNT_HAS(k, i8_unpack) +
               !!BNT_HAS(k, i8_gemv);
    if (have != 0 && have != 4) ck_fail(ctx, "the group has %d of its four slots", have);
    return have == 4;
}

static enum ck_outcome make(struct ck_ctx *ctx, struct matrix *m) {
    const struct ck_case *c = ctx->c;
    *m = (struct matrix){.s = {c->rows, c->cols}, .first = c->far ? c->rows - 21 : 0};
    if (!present(ctx) || CK_LAYOUT(ctx, i8_layout, &m->s, &m->l) != CK_PASSED)
        return CK_UNSUPPORTED;
    uint64_t n = (c->rows - m->first) * c->cols;
    m->w = ck_buffer("w", n, 1, 0, CK_AT_END);
    fill(&ctx->rng, m->w, n, c->w);
    ck_seal(m->w);
    return CK_PASSED;
}

static void *packed(struct ck_ctx *ctx, const struct matrix *m, bool cut, enum ck_place place) {
    void *p = ck_buffer("packed", m->l.bytes, m->l.align, 0, place);
    struct ck_slices s =
        cut ? ck_cut(&ctx->rng, m->first, m->s.rows) : ck_whole(m->first, m->s.rows);
    for (unsigned i = 0; i < s.count; i++) {
        ck_say(ctx, "rows [%llu, %llu)", (ck_ull)s.lo[i], (ck_ull)s.hi[i]);
        CK_CALL(ctx, i8_pack,
                (&(bnt_i8_pack_args){m->s, s.lo[i], s.hi[i],
                                     m->w + (s.lo[i] - m->first) * m->s.cols, p}));
    }
    ck_seal(p);
    return p;
}

static void unpack_slices(struct ck_ctx *ctx, const struct matrix *m, const void *p, bool cut,
                          enum ck_place place) {
    uint64_t cols = m->s.cols, rows = m->s.rows - m->first;
    struct ck_grid g = ck_grid_of("w", m->w, rows * cols, cols, 1, place);
    struct ck_slices s =
        cut ? ck_cut_part(&ctx->rng, m->first, m->s.rows) : ck_whole(m->first, m->s.rows);
    for (unsigned i = 0; i < s.count; i++) {
        uint64_t lo = s.lo[i] - m->first, hi = s.hi[i] - m->first;
        ck_say(ctx, "rows [%llu, %llu)", (ck_ull)s.lo[i], (ck_ull)s.hi[i]);
        CK_CALL(ctx, i8_unpack,
                (&(bnt_i8_unpack_args){m->s, s.lo[i], s.hi[i], p, (int8_t *)g.got + lo * cols}));
        ck_grid_take(&g, lo, hi, 0, cols);
        ck_grid_compare(ctx, &g);
    }
}

enum ck_outcome ck_run_i8_pack(struct ck_ctx *ctx) {
    struct matrix m;
    if (make(ctx, &m) != CK_PASSED) return CK_UNSUPPORTED;
    const void *whole = packed(ctx, &m, false, CK_AT_END);
    unpack_slices(ctx, &m, whole, false, CK_AT_END);
    const void *cut = packed(ctx, &m, true, CK_AT_START);
    unpack_slices(ctx, &m, cut, false, CK_AT_START);
    if (!ctx->c->far && memcmp(whole, cut, m.l.bytes) != 0)
        ck_fail(ctx, "the packed object depends on how the rows were cut");
    return CK_PASSED;
}

enum ck_outcome ck_run_i8_unpack(struct ck_ctx *ctx) {
    struct matrix m;
    if (make(ctx, &m) != CK_PASSED) return CK_UNSUPPORTED;
    const void *p = packed(ctx, &m, false, CK_AT_START);
    for (int round = 0; round < CK_ROUNDS; round++)
        unpack_slices(ctx, &m, p, round > 0, ck_place_of(round));
    return CK_PASSED;
}

enum ck_outcome ck_run_i8_gemv(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    struct matrix m;
    if (make(ctx, &m) != CK_PASSED) return CK_UNSUPPORTED;
    uint64_t n = c->tokens, cols = c->cols, ldx = cols + n % 3, ldd = c->rows + c->rows % 4;
    int8_t *x = ck_buffer("x", n * ldx, 1, 0x55, CK_AT_END);
    for (uint64_t v = 0; v < n; v++) fill(&ctx->rng, x + v * ldx, cols, c->x);
    int32_t *want = ck_buffer("the sums", n * ldd * 4, 4, CK_CANARY, CK_AT_END);
    for (uint64_t v = 0; v < n; v++) {
        for (uint64_t r = m.first; r < c->rows; r++) {
            const int8_t *w = m.w + (r - m.first) * cols, *q = x + v * ldx;
            int32_t d = 0;
            for (uint64_t i = 0; i < cols; i++) d += w[i] * q[i];
            want[v * ldd + r] = d;
        }
    }
    for (int round = 0; round < CK_ROUNDS; round++) {
        enum ck_place place = ck_place_of(round);
        struct ck_grid d = ck_grid_of("d", want, n * ldd, ldd, 4, place);
        bnt_i8_gemv_args a = {m.s,
                              packed(ctx, &m, round > 0, place),
                              ck_buffer_copy("x", x, n * ldx, 1, place),
                              ldx,
                              (uint32_t)n,
                              0,
                              0,
                              0,
                              d.got,
                              ldd};
        ck_seal(a.x);
        struct ck_slices s =
            round ? ck_cut_part(&ctx->rng, m.first, c->rows) : ck_whole(m.first, c->rows);
        for (unsigned i = 0; i < s.count; i++) {
            a.row_lo = s.lo[i], a.row_hi = s.hi[i];
            ck_say(ctx, "rows [%llu, %llu)", (ck_ull)a.row_lo, (ck_ull)a.row_hi);
            CK_CALL(ctx, i8_gemv, &a);
            ck_grid_take(&d, 0, n, a.row_lo, a.row_hi);
            ck_grid_compare(ctx, &d);
        }
    }
    return CK_PASSED;
}

enum ck_outcome ck_run_i8_layout(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    bnt_i8_shape s = {c->rows, c->cols};
    bnt_layout l = {0};
    if (!present(ctx) || CK_LAYOUT(ctx, i8_layout, &s, &l) != CK_PASSED) return CK_UNSUPPORTED;
    if (!c->rows || !c->cols) ck_fail(ctx, "it accepts a matrix that cannot be");
    if ((double)l.bytes < 0.99 * (double)c->rows * (double)c->cols)
        ck_fail(ctx, "%llu bytes cannot hold the values", (ck_ull)l.bytes);
    return CK_PASSED;
}

void ck_plan_i8_layout(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const uint64_t sizes[] = {0, 1, 64, 2560, 132104, 1ull << 32, 1ull << 63, UINT64_MAX};
    (void)r;
    (void)long_run;
    for (size_t i = 0; i < CK_COUNT(sizes); i++)
        for (size_t j = 0; j < CK_COUNT(sizes); j++)
            ck_add(list, (struct ck_case){.rows = sizes[i], .cols = sizes[j], .tokens = 2});
}

void ck_plan_i8(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const enum ck_kind kinds[] = {CK_ONES,  CK_MINUS_ONES,  CK_ZEROS,
                                         CK_SPIKE, CK_ALTERNATING, CK_RANDOM};
    for (size_t w = 0; w < CK_COUNT(kinds); w++)
        for (size_t x = 0; x < CK_COUNT(kinds); x++)
            for (uint64_t tokens = 1; tokens <= 2; tokens++)
                ck_add(list, (struct ck_case){.rows = 19,
                                              .cols = 2560 + w,
                                              .tokens = tokens,
                                              .w = kinds[w],
                                              .x = kinds[x]});
    for (int i = 0; i < 4; i++)
        ck_add(list, (struct ck_case){.rows = 3,
                                      .cols = 132104,
                                      .tokens = 2,
                                      .w = i & 1 ? CK_MINUS_ONES : CK_ONES,
                                      .x = i & 2 ? CK_MINUS_ONES : CK_ONES});
    for (uint64_t i = 1; i <= (long_run ? 400 : 130); i++) {
        ck_add(list, (struct ck_case){.rows = i,
                                      .cols = 1 + i * 7 % 90,
                                      .tokens = 1 + i % 4,
                                      .w = CK_RANDOM,
                                      .x = CK_RANDOM});
        ck_add(list,
               (struct ck_case){
                   .rows = 1 + i % 37, .cols = i, .tokens = 2, .w = CK_RANDOM, .x = CK_RANDOM});
    }
    ck_add(list,
           (struct ck_case){.rows = 5237, .cols = 64, .tokens = 2, .w = CK_RANDOM, .x = CK_RANDOM});
    ck_add(list, (struct ck_case){.rows = (1u << 20) + 37,
                                  .cols = 4352,
                                  .tokens = 2,
                                  .w = CK_RANDOM,
                                  .x = CK_RANDOM,
                                  .far = true});
    for (unsigned i = 0; i < (long_run ? 1000 : 20); i++)
        ck_add(list, (struct ck_case){.rows = 1 + ck_below(r, 200),
                                      .cols = 1 + ck_below(r, 4000),
                                      .tokens = 1 + ck_below(r, 5),
                                      .w = CK_RANDOM,
                                      .x = CK_RANDOM});
}

char *ck_describe_i8(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "rows=%llu cols=%llu vectors=%llu w=%s x=%s%s", (ck_ull)c->rows,
             (ck_ull)c->cols, (ck_ull)c->tokens, ck_kind_name(c->w), ck_kind_name(c->x),
             c->far ? " (last rows)" : "");
    return dst;
}
