/*
 * codes.c - the matrices of small codes in which the core looks for the largest logits: runs of
 * rows, and rows one by one.
 *
 * Their sums are exact integers, so what they must be is computed here, without the judge.
 */
#include "codes.h"

#include <stdio.h>
#include <string.h>

struct matrix {
    bnt_code_shape s;
    bnt_layout l;
    uint64_t first; /* the first row that is used */
    uint8_t *w;     /* [rows - first][cols], sealed */
};

/* -127 .. 127 of a kind. */
static void fill_x(struct ck_rng *r, int8_t *x, uint64_t n, enum ck_kind kind) {
    for (uint64_t i = 0; i < n; i++) {
        switch (kind) {
        case CK_ONES: x[i] = 127; break;
        case CK_MINUS_ONES: x[i] = -127; break;
        case CK_ZEROS:
        case CK_SPIKE: x[i] = 0; break;
        case CK_ALTERNATING: x[i] = i % 2 ? -127 : 127; break;
        default: x[i] = (int8_t)((int)ck_below(r, 255) - 127); break;
        }
    }
    if (kind == CK_SPIKE && n) x[ck_below(r, (uint32_t)n)] = -127;
}

/* 0 .. most of a kind. */
static void fill_codes(struct ck_rng *r, uint8_t *w, uint64_t n, enum ck_kind kind, uint8_t most) {
    for (uint64_t i = 0; i < n; i++) {
        switch (kind) {
        case CK_ONES: w[i] = most; break;
        case CK_ZEROS:
        case CK_SPIKE: w[i] = 0; break;
        case CK_ALTERNATING: w[i] = i % 2 ? most : 0; break;
        default: w[i] = (uint8_t)ck_below(r, most + 1u); break;
        }
    }
    if (kind == CK_SPIKE && n) w[ck_below(r, (uint32_t)n)] = most;
}

/* All four slots, or none. */
static bool present(struct ck_ctx *ctx) {
    const bnt_kernels *k = ctx->k;
    int have = !!BNT_HAS(k, code_layout) + !!BNT_HAS(k, code_pack) + !!BNT_HAS(k, code_unpack) +
               !!BNT_HAS(k, code_gemv);
    if (have != 0 && have != 4) ck_fail(ctx, "the group has %d of its four slots", have);
    return have == 4;
}

static enum ck_outcome make(struct ck_ctx *ctx, struct matrix *m) {
    const struct ck_case *c = ctx->c;
    *m = (struct matrix){.s = {c->rows, c->cols, c->type, 0}, .first = c->far ? c->rows - 21 : 0};
    if (!present(ctx) || CK_LAYOUT(ctx, code_layout, &m->s, &m->l) != CK_PASSED)
        return CK_UNSUPPORTED;
    uint64_t n = (c->rows - m->first) * c->cols;
    m->w = ck_buffer("w", n, 1, 0, CK_AT_END);
    fill_codes(&ctx->rng, m->w, n, c->w, (uint8_t)((1u << c->type) - 1));
    ck_seal(m->w);
    return CK_PASSED;
}

static void *packed(struct ck_ctx *ctx, const struct matrix *m, bool cut, enum ck_place place) {
    void *p = ck_buffer("packed", m->l.bytes, m->l.align, 0, place);
    struct ck_slices s =
        cut ? ck_cut(&ctx->rng, m->first, m->s.rows) : ck_whole(m->first, m->s.rows);
    for (unsigned i = 0; i < s.count; i++) {
        ck_say(ctx, "rows [%llu, %llu)", (ck_ull)s.lo[i], (ck_ull)s.hi[i]);
        CK_CALL(ctx, code_pack,
                (&(bnt_code_pack_args){m->s, s.lo[i], s.hi[i],
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
        CK_CALL(ctx, code_unpack,
                (&(bnt_code_unpack_args){m->s, s.lo[i], s.hi[i], p, (uint8_t *)g.got + lo * cols}));
        ck_grid_take(&g, lo, hi, 0, cols);
        ck_grid_compare(ctx, &g);
    }
}

enum ck_outcome ck_run_code_pack(struct ck_ctx *ctx) {
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

enum ck_outcome ck_run_code_unpack(struct ck_ctx *ctx) {
    struct matrix m;
    if (make(ctx, &m) != CK_PASSED) return CK_UNSUPPORTED;
    const void *p = packed(ctx, &m, false, CK_AT_START);
    for (int round = 0; round < CK_ROUNDS; round++)
        unpack_slices(ctx, &m, p, round > 0, ck_place_of(round));
    return CK_PASSED;
}

enum ck_outcome ck_run_code_gemv(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    struct matrix m;
    if (make(ctx, &m) != CK_PASSED) return CK_UNSUPPORTED;
    uint64_t n = c->tokens, cols = c->cols, ldx = cols + n % 3, ldd = c->rows + c->rows % 4;
    int8_t *x = ck_buffer("x", n * ldx, 1, 0x55, CK_AT_END);
    for (uint64_t v = 0; v < n; v++) fill_x(&ctx->rng, x + v * ldx, cols, c->x);
    int32_t *want = ck_buffer("the sums", n * ldd * 4, 4, CK_CANARY, CK_AT_END);
    for (uint64_t v = 0; v < n; v++) {
        for (uint64_t r = m.first; r < c->rows; r++) {
            const uint8_t *w = m.w + (r - m.first) * cols;
            const int8_t *q = x + v * ldx;
            int32_t d = 0;
            for (uint64_t i = 0; i < cols; i++) d += w[i] * q[i];
            want[v * ldd + r] = d;
        }
    }
    for (int round = 0; round < CK_ROUNDS; round++) {
        enum ck_place place = ck_place_of(round);
        struct ck_grid d = ck_grid_of("d", want, n * ldd, ldd, 4, place);
        bnt_code_gemv_args a = {m.s,
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
            CK_CALL(ctx, code_gemv, &a);
            ck_grid_take(&d, 0, n, a.row_lo, a.row_hi);
            ck_grid_compare(ctx, &d);
        }
        uint64_t one = m.first + ck_below(&ctx->rng, (uint32_t)(c->rows - m.first));
        a.row_lo = one, a.row_hi = one + 1;
        ck_say(ctx, "row %llu alone", (ck_ull)one);
        CK_CALL(ctx, code_gemv, &a);
        ck_grid_take(&d, 0, n, one, one + 1);
        ck_grid_compare(ctx, &d);
    }
    return CK_PASSED;
}

enum ck_outcome ck_run_code_layout(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    bnt_code_shape s = {c->rows, c->cols, c->type, 0};
    bnt_layout l = {0};
    if (!present(ctx) || CK_LAYOUT(ctx, code_layout, &s, &l) != CK_PASSED) return CK_UNSUPPORTED;
    if (!c->rows || !c->cols || !c->type) ck_fail(ctx, "it accepts a matrix that cannot be");
    if ((double)l.bytes < 0.99 / 8 * c->type * (double)c->rows * (double)c->cols)
        ck_fail(ctx, "%llu bytes cannot hold the values", (ck_ull)l.bytes);
    return CK_PASSED;
}

void ck_plan_code_layout(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const uint64_t sizes[] = {0, 1, 64, 2560, 132104, 1ull << 32, 1ull << 63, UINT64_MAX};
    static const uint32_t bits[] = {0, 2, 5};
    (void)r;
    (void)long_run;
    for (size_t i = 0; i < CK_COUNT(sizes); i++)
        for (size_t j = 0; j < CK_COUNT(sizes); j++)
            for (size_t k = 0; k < CK_COUNT(bits); k++)
                ck_add(list, (struct ck_case){
                                 .rows = sizes[i], .cols = sizes[j], .tokens = 2, .type = bits[k]});
}

static void plan(struct ck_cases *list, struct ck_rng *r, bool long_run, uint32_t bits) {
    static const enum ck_kind kinds[] = {CK_ONES,  CK_MINUS_ONES,  CK_ZEROS,
                                         CK_SPIKE, CK_ALTERNATING, CK_RANDOM};
    const struct ck_case base = {.tokens = 2, .type = bits, .w = CK_RANDOM, .x = CK_RANDOM};
    struct ck_case c = base;
    for (size_t w = 0; w < CK_COUNT(kinds); w++)
        for (size_t x = 0; x < CK_COUNT(kinds); x++) {
            c.rows = 19, c.cols = 2560 + w, c.tokens = 1 + x % 2, c.w = kinds[w], c.x = kinds[x];
            ck_add(list, c);
        }
    for (int i = 0; i < 2; i++) { /* the largest sums */
        c = base;
        c.rows = 3, c.cols = 132104, c.w = CK_ONES, c.x = i ? CK_MINUS_ONES : CK_ONES;
        ck_add(list, c);
    }
    c = base;
    for (uint64_t i = 1; i <= (long_run ? 600 : 130); i++) {
        c.rows = i, c.cols = 1 + i * 7 % 90, c.tokens = 1 + i % 4;
        ck_add(list, c);
        c.rows = 1 + i % 37, c.cols = 4 * i - i % 3, c.tokens = 2;
        ck_add(list, c);
    }
    c.rows = 5237, c.cols = 64;
    ck_add(list, c);
    c.rows = (1u << 22) + 37, c.cols = 4352, c.far = true;
    ck_add(list, c);
    c.far = false;
    for (unsigned i = 0; i < (long_run ? 1000 : 20); i++) {
        c.rows = 1 + ck_below(r, 200), c.cols = 1 + ck_below(r, 4000),
        c.tokens = 1 + ck_below(r, 5);
        ck_add(list, c);
    }
}

void ck_plan_codes(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    plan(list, r, long_run, 5);
    plan(list, r, long_run, 2);
}

char *ck_describe_codes(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "bits=%u rows=%llu cols=%llu vectors=%llu w=%s x=%s%s", c->type,
             (ck_ull)c->rows, (ck_ull)c->cols, (ck_ull)c->tokens, ck_kind_name(c->w),
             ck_kind_name(c->x), c->far ? " (last rows)" : "");
    return dst;
}
