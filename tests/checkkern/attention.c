/*
 * attention.c - the KV cache and attention over it (NUMERICS 7 and 8).
 *
 * Positions that are not seen hold what an abandoned continuation left there: infinities and NaN.
 * A kernel that lets one of them into a result, even times zero, is found.
 */
#include "attention.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STALE = 21 }; /* positions behind the last one */

struct cache {
    bnt_kv_shape s;
    bnt_layout l;
    uint64_t first, all, ld; /* the first position that is stored, their end, values of a token */
    float *k, *v;            /* [all - first + STALE][ld], the stale ones last; sealed */
};

static enum ck_outcome make(struct ck_ctx *ctx, struct cache *m) {
    const struct ck_case *c = ctx->c;
    uint64_t all = c->pos + c->tokens;
    *m = (struct cache){.s = {all + STALE, c->kv_heads, c->dim},
                        .first = c->far ? c->pos : 0,
                        .all = all,
                        .ld = (uint64_t)c->kv_heads * c->dim + c->tokens % 3};
    if (CK_LAYOUT(ctx, kv_layout, &m->s, &m->l) != CK_PASSED) return CK_UNSUPPORTED;
    uint64_t n = (all - m->first) * m->ld, stale = STALE * m->ld;
    for (int i = 0; i < 2; i++) {
        float *x = ck_buffer(i ? "v" : "k", (n + stale) * 4, 4, 0, CK_AT_END);
        ck_floats(&ctx->rng, x, n, c->w);
        for (uint64_t j = 0; c->w == CK_WIDE && j < n; j++) x[j] *= 0x1p-10f; /* of binary16 */
        for (uint64_t j = 0; c->w == CK_TINY && j < n; j++) x[j] = -0x1p-20f;
        for (uint64_t j = 0; j < stale; j++)
            x[n + j] = j % 3 == 0 ? NAN : j % 3 == 1 ? INFINITY : -INFINITY;
        ck_seal(x);
        if (i)
            m->v = x;
        else
            m->k = x;
    }
    return CK_PASSED;
}

static void *judge_cache(struct ck_ctx *ctx, const struct cache *m) {
    bnt_layout l;
    if (ctx->judge->kv_layout(&m->s, &l) != BNT_SUPPORTED)
        ck_fail(ctx, "it takes a shape that ref-scalar does not");
    void *kv = ck_buffer("the judge's cache", l.bytes, l.align, 0, CK_AT_END);
    ctx->judge->kv_store(&(bnt_kv_store_args){m->s, m->first, 0, m->s.capacity - m->first, 0,
                                              m->s.heads, m->k, m->v, m->ld, kv});
    return kv;
}

/* Stores slices of tokens and heads; the stale positions first, by themselves. */
static void *plugin_cache(struct ck_ctx *ctx, const struct cache *m, bool cut,
                          enum ck_place place) {
    void *kv = ck_buffer("kv", m->l.bytes, m->l.align, 0, place);
    uint64_t tokens = m->all - m->first;
    bnt_kv_store_args a = {m->s,       m->first, tokens, tokens + STALE, 0,
                           m->s.heads, m->k,     m->v,   m->ld,          kv};
    if (ctx->c->far) a.tok_hi = tokens + 3;
    CK_CALL(ctx, kv_store, &a);
    struct ck_slices ts = cut ? ck_cut(&ctx->rng, 0, tokens) : ck_whole(0, tokens);
    struct ck_slices hs = cut ? ck_cut(&ctx->rng, 0, m->s.heads) : ck_whole(0, m->s.heads);
    for (unsigned i = 0; i < ts.count * hs.count; i++) {
        a.tok_lo = ts.lo[i / hs.count], a.tok_hi = ts.hi[i / hs.count];
        a.head_lo = (uint32_t)hs.lo[i % hs.count], a.head_hi = (uint32_t)hs.hi[i % hs.count];
        ck_say(ctx, "tokens [%llu, %llu), heads [%u, %u)", (ck_ull)a.tok_lo, (ck_ull)a.tok_hi,
               a.head_lo, a.head_hi);
        CK_CALL(ctx, kv_store, &a);
    }
    return kv;
}

/* ---- store and load -------------------------------------------------------------------------- */

static void load_slices(struct ck_ctx *ctx, const struct cache *m, const void *kv, bool cut,
                        enum ck_place place) {
    uint64_t dim = m->s.head_dim, n = m->all - m->first;
    float *want[2];
    for (uint32_t h = 0; h < m->s.heads; h++) {
        for (int i = 0; i < 2; i++) { /* clause 7 itself: rounding is all that happens */
            want[i] = ck_buffer(i ? "the values" : "the keys", n * dim * 4, 4, 0, CK_AT_END);
            for (uint64_t p = 0; p < n; p++)
                for (uint64_t d = 0; d < dim; d++)
                    want[i][p * dim + d] =
                        bnt_f16_to_f32(bnt_f32_to_f16((i ? m->v : m->k)[p * m->ld + h * dim + d]));
        }
        struct ck_grid k = ck_grid_of("k", want[0], n * dim, dim, 4, place);
        struct ck_grid v = ck_grid_of("v", want[1], n * dim, dim, 4, place);
        struct ck_slices s =
            cut ? ck_cut_part(&ctx->rng, m->first, m->all) : ck_whole(m->first, m->all);
        for (unsigned i = 0; i < s.count; i++) {
            uint64_t lo = s.lo[i] - m->first, hi = s.hi[i] - m->first;
            ck_say(ctx, "head %u, positions [%llu, %llu)", h, (ck_ull)s.lo[i], (ck_ull)s.hi[i]);
            CK_CALL(ctx, kv_load,
                    (&(bnt_kv_load_args){m->s, s.lo[i], s.hi[i], h, 0, kv,
                                         (float *)k.got + lo * dim, (float *)v.got + lo * dim}));
            ck_grid_take(&k, lo, hi, 0, dim);
            ck_grid_compare(ctx, &k);
            ck_grid_take(&v, lo, hi, 0, dim);
            ck_grid_compare(ctx, &v);
        }
    }
}

static enum ck_outcome run_cache(struct ck_ctx *ctx, bool cut_store, bool cut_load) {
    struct cache m;
    if (make(ctx, &m) != CK_PASSED) return CK_UNSUPPORTED;
    for (int round = 0; round < CK_ROUNDS; round++) {
        enum ck_place place = ck_place_of(round);
        void *kv = plugin_cache(ctx, &m, cut_store && round > 0, place);
        ck_seal(kv);
        load_slices(ctx, &m, kv, cut_load && round > 0, place);
    }
    return CK_PASSED;
}

enum ck_outcome ck_run_kv_store(struct ck_ctx *ctx) {
    return run_cache(ctx, true, false);
}

enum ck_outcome ck_run_kv_load(struct ck_ctx *ctx) {
    return run_cache(ctx, false, true);
}

enum ck_outcome ck_run_kv_layout(struct ck_ctx *ctx) {
    const struct ck_case *c = ctx->c;
    bnt_kv_shape s = {c->pos, c->kv_heads, c->dim};
    bnt_layout l = {0};
    if (CK_LAYOUT(ctx, kv_layout, &s, &l) != CK_PASSED) return CK_UNSUPPORTED;
    if (!c->pos || !c->kv_heads || !c->dim) ck_fail(ctx, "it accepts a cache that cannot be");
    if ((double)l.bytes < 3.99 * (double)c->pos * (double)c->kv_heads * (double)c->dim)
        ck_fail(ctx, "%llu bytes cannot hold the cache", (ck_ull)l.bytes);
    return CK_PASSED;
}

/* ---- attention ------------------------------------------------------------------------------- */

static bnt_attn_args attention_args(struct ck_ctx *ctx, const struct cache *m) {
    const struct ck_case *c = ctx->c;
    uint64_t ldq = (uint64_t)c->heads * c->dim + c->tokens % 4;
    bnt_attn_args a = {.shape = m->s,
                       .ldq = ldq,
                       .heads = c->heads,
                       .scale = 1.0f / sqrtf((float)c->dim),
                       .pos = c->pos,
                       .tok_hi = c->tokens,
                       .head_hi = c->heads,
                       .chunks = (m->all + BNT_ATTN_CHUNK - 1) / BNT_ATTN_CHUNK,
                       .ldy = ldq + 1};
    float *q = ck_buffer("q", c->tokens * ldq * 4, 4, 0xff, CK_AT_END);
    for (uint64_t t = 0; t < c->tokens; t++)
        ck_floats(&ctx->rng, q + t * ldq, (uint64_t)c->heads * c->dim, c->x);
    for (uint64_t i = 0; c->x == CK_TINY && i < c->tokens * ldq; i++) q[i] = 0x1p-149f;
    ck_seal(q);
    a.q = q;
    a.chunk_hi = a.chunks;
    return a;
}

static uint64_t part_count(const bnt_attn_args *a, const struct ck_case *c) {
    return c->tokens * a->heads * a->chunks * (a->shape.head_dim + 2);
}

static float *judge_parts(struct ck_ctx *ctx, const bnt_attn_args *args, const void *kv) {
    bnt_attn_args a = *args;
    a.kv = kv;
    a.part = ck_buffer("the judge's parts", part_count(&a, ctx->c) * 4, 4, CK_CANARY, CK_AT_END);
    ctx->judge->attn_chunk(&a);
    return a.part;
}

static float *judge_y(struct ck_ctx *ctx, const bnt_attn_args *args, float *part) {
    bnt_attn_args a = *args;
    a.part = part;
    a.y = ck_buffer("the judge's y", ctx->c->tokens * a.ldy * 4, 4, CK_CANARY, CK_AT_END);
    ctx->judge->attn_merge(&a);
    return a.y;
}

/* Calls fn for every combination of slices of tokens and heads. */
typedef void slice_fn(struct ck_ctx *ctx, bnt_attn_args *a, struct ck_grid *g);

static void each_slice(struct ck_ctx *ctx, bnt_attn_args *a, struct ck_grid *g, bool cut,
                       slice_fn *fn) {
    const struct ck_case *c = ctx->c;
    struct ck_slices ts = cut ? ck_cut_part(&ctx->rng, 0, c->tokens) : ck_whole(0, c->tokens);
    struct ck_slices hs = cut ? ck_cut_part(&ctx->rng, 0, c->heads) : ck_whole(0, c->heads);
    for (unsigned i = 0; i < ts.count * hs.count; i++) {
        a->tok_lo = ts.lo[i / hs.count], a->tok_hi = ts.hi[i / hs.count];
        a->head_lo = (uint32_t)hs.lo[i % hs.count], a->head_hi = (uint32_t)hs.hi[i % hs.count];
        ck_say(ctx, "tokens [%llu, %llu), heads [%u, %u)", (ck_ull)a->tok_lo, (ck_ull)a->tok_hi,
               a->head_lo, a->head_hi);
        fn(ctx, a, g);
        ck_grid_compare(ctx, g);
    }
}

/* The chunks of the slice, as parts are laid out: those that begin where the token can see. */
static void take_parts(const bnt_attn_args *a, struct ck_grid *g) {
    uint64_t ld = a->shape.head_dim + 2;
    for (uint64_t t = a->tok_lo; t < a->tok_hi; t++) {
        uint64_t end = (a->pos + t) / BNT_ATTN_CHUNK + 1;
        uint64_t hi = a->chunk_hi < end ? a->chunk_hi : end;
        for (uint32_t h = a->head_lo; h < a->head_hi; h++) {
            uint64_t row = (t * a->heads + h) * a->chunks;
            if (a->chunk_lo < hi) ck_grid_take(g, row + a->chunk_lo, row + hi, 0, ld);
        }
    }
}

static void chunk_slice(struct ck_ctx *ctx, bnt_attn_args *a, struct ck_grid *g) {
    uint64_t middle = ck_below(&ctx->rng, (uint32_t)a->chunks + 1);
    for (int half = 0; half < 2; half++) { /* the later chunks first */
        a->chunk_lo = half ? 0 : middle;
        a->chunk_hi = half ? middle : a->chunks;
        CK_CALL(ctx, attn_chunk, a);
        take_parts(a, g);
        ck_grid_compare(ctx, g);
    }
}

static void take_y(const bnt_attn_args *a, struct ck_grid *g) {
    ck_grid_take(g, a->tok_lo, a->tok_hi, (uint64_t)a->head_lo * a->shape.head_dim,
                 (uint64_t)a->head_hi * a->shape.head_dim);
}

static void merge_slice(struct ck_ctx *ctx, bnt_attn_args *a, struct ck_grid *g) {
    CK_CALL(ctx, attn_merge, a);
    take_y(a, g);
}

static void fused_slice(struct ck_ctx *ctx, bnt_attn_args *a, struct ck_grid *g) {
    CK_CALL(ctx, attn, a);
    take_y(a, g);
}

enum ck_outcome ck_run_attn_chunk(struct ck_ctx *ctx) {
    struct cache m;
    if (make(ctx, &m) != CK_PASSED) return CK_UNSUPPORTED;
    bnt_attn_args a = attention_args(ctx, &m);
    float *want = judge_parts(ctx, &a, judge_cache(ctx, &m));
    for (int round = 0; round < CK_ROUNDS; round++) {
        struct ck_grid g = ck_grid_of("part", want, part_count(&a, ctx->c), a.shape.head_dim + 2, 4,
                                      ck_place_of(round));
        a.kv = plugin_cache(ctx, &m, false, ck_place_of(round));
        a.part = g.got;
        ck_seal(a.kv);
        each_slice(ctx, &a, &g, round > 0, chunk_slice);
    }
    return CK_PASSED;
}

enum ck_outcome ck_run_attn_merge(struct ck_ctx *ctx) {
    struct cache m;
    if (make(ctx, &m) != CK_PASSED) return CK_UNSUPPORTED;
    bnt_attn_args a = attention_args(ctx, &m);
    float *parts = judge_parts(ctx, &a, judge_cache(ctx, &m));
    float *want = judge_y(ctx, &a, parts);
    for (int round = 0; round < CK_ROUNDS; round++) {
        struct ck_grid g =
            ck_grid_of("y", want, ctx->c->tokens * a.ldy, a.ldy, 4, ck_place_of(round));
        a.part = ck_buffer_copy("part", parts, part_count(&a, ctx->c) * 4, 4, ck_place_of(round));
        a.y = g.got;
        ck_seal(a.part);
        each_slice(ctx, &a, &g, round > 0, merge_slice);
    }
    return CK_PASSED;
}

enum ck_outcome ck_run_attn(struct ck_ctx *ctx) {
    struct cache m;
    if (!BNT_HAS(ctx->k, attn) || make(ctx, &m) != CK_PASSED) return CK_UNSUPPORTED;
    bnt_attn_args a = attention_args(ctx, &m);
    float *want = judge_y(ctx, &a, judge_parts(ctx, &a, judge_cache(ctx, &m)));
    for (int round = 0; round < CK_ROUNDS; round++) {
        struct ck_grid g =
            ck_grid_of("y", want, ctx->c->tokens * a.ldy, a.ldy, 4, ck_place_of(round));
        a.kv = plugin_cache(ctx, &m, false, ck_place_of(round));
        a.y = g.got;
        ck_seal(a.kv);
        each_slice(ctx, &a, &g, round > 0, fused_slice);
    }
    return CK_PASSED;
}

/* ---- the cases ------------------------------------------------------------------------------- */

void ck_plan_attention(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const struct ck_case shapes[] = {
        {.dim = 128, .kv_heads = 1, .heads = 4, .pos = 0, .tokens = 1},
        {.dim = 128, .kv_heads = 2, .heads = 2, .pos = 255, .tokens = 2},
        {.dim = 128, .kv_heads = 1, .heads = 5, .pos = 256, .tokens = 3},
        {.dim = 64, .kv_heads = 2, .heads = 8, .pos = 0, .tokens = 20},
        {.dim = 80, .kv_heads = 1, .heads = 3, .pos = 14, .tokens = 3},
        {.dim = 7, .kv_heads = 3, .heads = 3, .pos = 510, .tokens = 4},
        {.dim = 100, .kv_heads = 1, .heads = 2, .pos = 1000, .tokens = 2},
        {.dim = 16, .kv_heads = 2, .heads = 6, .pos = 31, .tokens = 2},
        {.dim = 192, .kv_heads = 1, .heads = 1, .pos = 700, .tokens = 1},
        {.dim = 256, .kv_heads = 1, .heads = 2, .pos = 300, .tokens = 1},
        {.dim = 512, .kv_heads = 1, .heads = 3, .pos = 260, .tokens = 2},
        {.dim = 576, .kv_heads = 1, .heads = 1, .pos = 17, .tokens = 2},
        {.dim = 1, .kv_heads = 1, .heads = 1, .pos = 3, .tokens = 40},
        {.dim = 32, .kv_heads = 1, .heads = 4, .pos = 240, .tokens = 33},
        {.dim = 64, .kv_heads = 2, .heads = 4, .pos = 4095, .tokens = 2},
        {.dim = 128, .kv_heads = 5, .heads = 20, .pos = 120, .tokens = 3}};
    for (int kind = 0; kind < CK_KINDS; kind++) {
        struct ck_case c = {.dim = 48, .kv_heads = 2, .heads = 4, .pos = 270, .tokens = 3};
        c.w = CK_RANDOM, c.x = (enum ck_kind)kind;
        if (kind != CK_LARGEST) ck_add(list, c); /* scores are numbers */
        c.w = (enum ck_kind)kind, c.x = CK_RANDOM;
        if (kind != CK_HUGE && kind != CK_LARGEST) ck_add(list, c); /* of binary16 */
    }
    ck_add(list, (struct ck_case){.dim = 48,
                                  .kv_heads = 2,
                                  .heads = 4,
                                  .pos = 270,
                                  .tokens = 3,
                                  .w = CK_TINY,
                                  .x = CK_TINY}); /* all scores are -0 */
    for (size_t i = 0; i < CK_COUNT(shapes); i++) {
        struct ck_case c = shapes[i];
        c.w = c.x = CK_RANDOM;
        ck_add(list, c);
    }
    for (uint64_t p = 0; p < (long_run ? 530 : 34); p++) /* every tail of positions, of head_dim */
        ck_add(list, (struct ck_case){.dim = 1 + (uint32_t)p * 5 % 67,
                                      .kv_heads = 1,
                                      .heads = 2,
                                      .pos = p,
                                      .tokens = 1 + p % 5,
                                      .w = CK_RANDOM,
                                      .x = CK_RANDOM});
    for (unsigned i = 0; i < (long_run ? 600 : 16); i++) {
        uint32_t kv_heads = 1 + ck_below(r, 4);
        ck_add(list, (struct ck_case){.dim = 1 + ck_below(r, 140),
                                      .kv_heads = kv_heads,
                                      .heads = kv_heads * (1 + ck_below(r, 6)),
                                      .pos = ck_below(r, long_run ? 2000 : 600),
                                      .tokens = 1 + ck_below(r, 12),
                                      .w = CK_RANDOM,
                                      .x = CK_RANDOM});
    }
}

void ck_plan_kv(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    for (int w = 0; w < CK_KINDS; w++)
        for (uint32_t i = 0; i < 3; i++)
            ck_add(list, (struct ck_case){.dim = 17 + 47 * i,
                                          .kv_heads = 2,
                                          .pos = 5 * i,
                                          .tokens = 9,
                                          .w = (enum ck_kind)w});
    for (uint32_t n = 1; n <= (long_run ? 300 : 70); n++)
        ck_add(list, (struct ck_case){.dim = n,
                                      .kv_heads = 1 + n % 3,
                                      .pos = n * 7 % 40,
                                      .tokens = 1 + n % 20,
                                      .w = CK_WIDE});
    ck_add(list, (struct ck_case){.dim = 256,
                                  .kv_heads = 2,
                                  .pos = (1u << 22) + 3,
                                  .tokens = 5,
                                  .w = CK_RANDOM,
                                  .far = true});
    for (unsigned i = 0; i < (long_run ? 400 : 10); i++)
        ck_add(list, (struct ck_case){.dim = 1 + ck_below(r, 260),
                                      .kv_heads = 1 + ck_below(r, 6),
                                      .pos = ck_below(r, 300),
                                      .tokens = 1 + ck_below(r, 40),
                                      .w = CK_RANDOM});
}

void ck_plan_kv_layout(struct ck_cases *list, struct ck_rng *r, bool long_run) {
    static const uint64_t capacities[] = {0, 1, 255, 4096, 1ull << 32, 1ull << 61, UINT64_MAX};
    static const uint32_t sizes[] = {0, 1, 5, 64, 128, 256, 65536, UINT32_MAX};
    (void)r;
    (void)long_run;
    for (size_t i = 0; i < CK_COUNT(capacities); i++)
        for (size_t j = 0; j < CK_COUNT(sizes); j++)
            for (size_t k = 0; k < CK_COUNT(sizes); k++)
                ck_add(list, (struct ck_case){
                                 .pos = capacities[i], .kv_heads = sizes[j], .dim = sizes[k]});
}

char *ck_describe_kv(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "dim=%u kv_heads=%u pos=%llu tokens=%llu values=%s%s", c->dim, c->kv_heads,
             (ck_ull)c->pos, (ck_ull)c->tokens, ck_kind_name(c->w),
             c->far ? " (last positions)" : "");
    return dst;
}

char *ck_describe_attention(const struct ck_case *c, char *dst, size_t size) {
    snprintf(dst, size, "dim=%u heads=%u/%u pos=%llu tokens=%llu q=%s values=%s", c->dim, c->heads,
             c->kv_heads, (ck_ull)c->pos, (ck_ull)c->tokens, ck_kind_name(c->x),
             ck_kind_name(c->w));
    return dst;
}
