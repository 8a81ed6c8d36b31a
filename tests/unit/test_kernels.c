/*
 * test_kernels.c - every slot of every plugin in the build against ref-scalar, by bytes; and
 * ref-scalar itself against double precision, so that the judge is not only its own witness.
 *
 * Each case builds its inputs once, runs the judge over everything in one call and the set under
 * test over a random partition in random order, and compares whole buffers. Edge vectors come
 * first: they find what thousands of random ones do not. A slice must leave other bytes alone;
 * buffers start as the same pattern on both sides, so a stray store is a difference.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ktest.h"

enum { SETS = 32, CUTS = 8, PATTERN = 0xA5 };

static struct kt_set sets[SETS];
static const bnt_kernels *judge;

static float *floats(size_t n) {
    return kt_alloc(n * sizeof(float), 4, PATTERN);
}

static float *made(struct rng *r, size_t n, enum kt_kind kind) {
    float *x = floats(n);
    kt_floats(r, x, n, kind);
    return x;
}

/* ---- ternary ------------------------------------------------------------------------------ */

struct ternary_case {
    bnt_ternary_shape shape;
    uint64_t tokens;
};

/* What one kernel set makes of a case. */
struct ternary_result {
    int8_t *trits, *q;
    float *scales, *a, *y;
    size_t n_y;
};

static void run_ternary(const bnt_kernels *k, struct rng *r, const struct ternary_case *c,
                        const int8_t *trits, const float *scales, const float *x,
                        struct ternary_result *out) {
    const bnt_ternary_shape *s = &c->shape;
    uint64_t blocks = s->block ? s->cols / s->block : 1, ldy = s->rows + 3, cut[2 * CUTS];
    uint64_t tok_cut[2 * CUTS];
    bnt_act_shape as = {c->tokens, s->cols, s->block, 0};
    bnt_layout wl, al;
    ck_assert_msg(k->ternary_layout(s, &wl) == BNT_SUPPORTED, "%s: ternary_layout", kt_context());
    ck_assert_msg(k->act_layout(&as, &al) == BNT_SUPPORTED, "%s: act_layout", kt_context());
    void *packed = kt_alloc(wl.bytes, wl.align, 0), *acts = kt_alloc(al.bytes, al.align, PATTERN);

    size_t n = kt_cuts(r, 0, s->rows, cut, CUTS);
    for (size_t i = 0; i < n; i++)
        k->ternary_pack(
            &(bnt_ternary_pack_args){*s, cut[2 * i], cut[2 * i + 1], trits + cut[2 * i] * s->cols,
                                     s->block ? scales + cut[2 * i] * blocks : NULL, packed});
    n = kt_cuts(r, 0, c->tokens, cut, CUTS);
    for (size_t i = 0; i < n; i++)
        k->act_quantize(
            &(bnt_act_quantize_args){as, cut[2 * i], cut[2 * i + 1], x, s->cols + 1, acts});

    out->trits = kt_alloc(s->rows * s->cols, 1, PATTERN);
    out->scales = floats(s->rows * blocks);
    out->q = kt_alloc(c->tokens * s->cols, 1, PATTERN);
    out->a = floats(c->tokens * blocks);
    out->n_y = c->tokens * ldy;
    out->y = floats(out->n_y);
    n = kt_cuts(r, 0, s->rows, cut, CUTS);
    for (size_t i = 0; i < n; i++)
        k->ternary_unpack(&(bnt_ternary_unpack_args){
            *s, cut[2 * i], cut[2 * i + 1], packed, out->trits + cut[2 * i] * s->cols,
            s->block ? out->scales + cut[2 * i] * blocks : NULL});
    n = kt_cuts(r, 0, c->tokens, cut, CUTS);
    for (size_t i = 0; i < n; i++)
        k->act_unpack(&(bnt_act_unpack_args){as, cut[2 * i], cut[2 * i + 1], acts,
                                             out->q + cut[2 * i] * s->cols,
                                             out->a + cut[2 * i] * blocks});

    /* All but one row and, if there are several, one token: those must stay as they are. */
    n = kt_cuts(r, s->rows > 1 ? 1 : 0, s->rows, cut, CUTS);
    size_t n_tok = kt_cuts(r, 0, c->tokens > 1 ? c->tokens - 1 : 1, tok_cut, CUTS);
    for (size_t i = 0; i < n * n_tok; i++) {
        const uint64_t *rows = cut + 2 * (i / n_tok), *toks = tok_cut + 2 * (i % n_tok);
        k->ternary_gemm(&(bnt_ternary_gemm_args){*s, packed, 0.0123f, 0, as, acts, rows[0], rows[1],
                                                 toks[0], toks[1], out->y, ldy});
    }
}

static void check_ternary(const struct kt_set *set, struct rng *r, const struct ternary_case *c,
                          enum kt_kind weights, enum kt_kind values) {
    const bnt_ternary_shape *s = &c->shape;
    uint64_t blocks = s->block ? s->cols / s->block : 1;
    struct ternary_result want, got;
    kt_case("%s ternary rows=%llu cols=%llu block=%u tokens=%llu w=%s x=%s", set->name,
            (unsigned long long)s->rows, (unsigned long long)s->cols, s->block,
            (unsigned long long)c->tokens, kt_kind_name(weights), kt_kind_name(values));
    int8_t *trits = kt_alloc(s->rows * s->cols, 1, 0);
    kt_trits(r, trits, s->rows * s->cols, weights);
    float *scales = made(r, s->rows * blocks, KT_RANDOM);
    if (s->scale_type == BNT_TYPE_F16)
        for (uint64_t i = 0; i < s->rows * blocks; i++)
            scales[i] = bnt_f16_to_f32(bnt_f32_to_f16(scales[i]));
    float *x = floats(c->tokens * (s->cols + 1));
    for (uint64_t t = 0; t < c->tokens; t++) {
        kt_floats(r, x + t * (s->cols + 1), s->cols, values);
        if (s->cols) x[t * (s->cols + 1) + s->cols] = NAN; /* between the rows: never read */
    }
    run_ternary(judge, r, c, trits, scales, x, &want);
    run_ternary(set->k, r, c, trits, scales, x, &got);
    kt_same("unpack(pack(w))", trits, got.trits, s->rows * s->cols);
    if (s->block) kt_same("scales", scales, got.scales, s->rows * blocks * sizeof(float));
    kt_same("q", want.q, got.q, c->tokens * s->cols);
    kt_same("a", want.a, got.a, c->tokens * blocks * sizeof(float));
    kt_same("y", want.y, got.y, want.n_y * sizeof(float));
    kt_release();
}

START_TEST(ternary_edges) {
    static const struct ternary_case cases[] = {
        {{17, 6912, 0, 0}, 7}, {{16, 256, 64, BNT_TYPE_F16}, 2}, {{3, 132104, 0, 0}, 1}};
    struct rng r = rng_named(kt_seed(), "ternary_edges");
    for (size_t i = 0; i < 3; i++)
        for (int w = KT_ONES; w <= KT_SPIKE + 1; w++)
            for (int v = KT_ONES; v < KT_KINDS; v++)
                if (i < 2 || v <= KT_MINUS_ONES || v == KT_TIES)
                    check_ternary(&sets[_i], &r, &cases[i],
                                  w > KT_SPIKE ? KT_RANDOM : (enum kt_kind)w, (enum kt_kind)v);
}
END_TEST

START_TEST(ternary_shapes) {
    static const uint64_t rows[] = {1, 2, 15, 16, 17, 63, 64, 65, 130};
    static const uint64_t cols[] = {1, 3, 4, 7, 15, 16, 17, 63, 64, 100, 255, 256, 1536, 3200};
    static const uint64_t tokens[] = {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 40};
    static const uint32_t block[] = {64, 128, 256};
    struct rng r = rng_named(kt_seed(), "ternary_shapes");
    for (size_t i = 0; i < 9; i++)
        for (size_t j = 0; j < 14; j++)
            check_ternary(
                &sets[_i], &r,
                &(struct ternary_case){{rows[i], cols[j], 0, 0}, tokens[(i * 14 + j) % 11]},
                KT_RANDOM, KT_RANDOM);
    for (size_t i = 0; i < 9; i++)
        for (uint64_t j = 0; j < 9; j++)
            check_ternary(&sets[_i], &r,
                          &(struct ternary_case){{rows[i], block[j % 3] * (1 + j), block[j % 3],
                                                  j % 2 ? BNT_TYPE_F16 : BNT_TYPE_F32},
                                                 tokens[(i * 9 + j) % 11]},
                          KT_RANDOM, KT_WIDE);
}
END_TEST

/* ---- dense -------------------------------------------------------------------------------- */

static const uint32_t dense_types[] = {BNT_TYPE_F32, BNT_TYPE_F16, BNT_TYPE_BF16, BNT_TYPE_Q8_0,
                                       BNT_TYPE_Q6_K};

static uint64_t dense_bytes(uint32_t type, uint64_t n) {
    switch (type) {
    case BNT_TYPE_F32: return n * 4;
    case BNT_TYPE_Q8_0: return n / 32 * 34;
    case BNT_TYPE_Q6_K: return n / 256 * 210;
    default: return n * 2;
    }
}

/* A tensor of a type as a file could hold it, with no alignment: any quants, finite scales. */
static uint8_t *dense_source(struct rng *r, uint32_t type, uint64_t n, enum kt_kind kind) {
    uint64_t bytes = dense_bytes(type, n), unit = type == BNT_TYPE_Q8_0 ? 34 : 210;
    uint8_t *p = kt_alloc(bytes, 1, 0);
    if (type == BNT_TYPE_Q8_0 || type == BNT_TYPE_Q6_K) {
        for (uint64_t i = 0; i < bytes; i++)
            p[i] = kind == KT_ONES ? 0x7f : kind == KT_ZEROS ? 0x80 : (uint8_t)rng_next(r);
        for (uint64_t i = 0; i < bytes; i += unit) {
            uint16_t d = bnt_f32_to_f16(kind == KT_DENORMAL ? 3e-8f : 0.01f * rng_normal(r));
            memcpy(p + i + (type == BNT_TYPE_Q8_0 ? 0 : 208), &d, sizeof d);
        }
        return p;
    }
    for (uint64_t i = 0; i < n; i++) {
        float f;
        kt_floats(r, &f, 1, kind);
        uint16_t h = type == BNT_TYPE_F16 ? bnt_f32_to_f16(f) : (uint16_t)(bnt_f32_bits(f) >> 16);
        memcpy(p + dense_bytes(type, i), type == BNT_TYPE_F32 ? (void *)&f : (void *)&h,
               dense_bytes(type, 1));
    }
    return p;
}

static void run_dense(const bnt_kernels *k, struct rng *r, const bnt_dense_shape *s,
                      uint64_t tokens, const uint8_t *src, const float *x, float *rows, float *y) {
    uint64_t cut[2 * CUTS], ldx = s->cols + 1, ldy = s->rows + 2;
    bnt_layout layout;
    ck_assert_msg(k->dense_layout(s, &layout) == BNT_SUPPORTED, "%s: dense_layout", kt_context());
    const void *w = src;
    size_t n = kt_cuts(r, 0, s->rows, cut, CUTS);
    if (layout.bytes) {
        void *packed = kt_alloc(layout.bytes, layout.align, 0);
        for (size_t i = 0; i < n; i++)
            k->dense_pack(&(bnt_dense_pack_args){*s, cut[2 * i], cut[2 * i + 1], src, packed});
        w = packed;
    }
    for (size_t i = 0; i < n; i++)
        k->dense_unpack(&(bnt_dense_unpack_args){*s, cut[2 * i], cut[2 * i + 1], w,
                                                 rows + cut[2 * i] * s->cols});
    n = kt_cuts(r, s->rows > 1 ? 1 : 0, s->rows, cut, CUTS);
    uint64_t middle = tokens / 2;
    for (size_t i = 0; i < n; i++)
        for (int part = 0; part < 2; part++)
            k->dense_gemm(&(bnt_dense_gemm_args){*s, w, x, ldx, cut[2 * i], cut[2 * i + 1],
                                                 part ? middle : 0, part ? tokens : middle, y,
                                                 ldy});
}

static void check_dense(const struct kt_set *set, struct rng *r, bnt_dense_shape s, uint64_t tokens,
                        enum kt_kind weights, enum kt_kind values) {
    kt_case("%s dense type=%u rows=%llu cols=%llu tokens=%llu w=%s x=%s", set->name, s.type,
            (unsigned long long)s.rows, (unsigned long long)s.cols, (unsigned long long)tokens,
            kt_kind_name(weights), kt_kind_name(values));
    uint8_t *src = dense_source(r, s.type, s.rows * s.cols, weights);
    float *x = made(r, tokens * (s.cols + 1), values);
    float *rows[2] = {floats(s.rows * s.cols), floats(s.rows * s.cols)};
    float *y[2] = {floats(tokens * (s.rows + 2)), floats(tokens * (s.rows + 2))};
    run_dense(judge, r, &s, tokens, src, x, rows[0], y[0]);
    run_dense(set->k, r, &s, tokens, src, x, rows[1], y[1]);
    kt_same("rows", rows[0], rows[1], s.rows * s.cols * sizeof(float));
    kt_same("y", y[0], y[1], tokens * (s.rows + 2) * sizeof(float));
    kt_release();
}

START_TEST(dense) {
    static const enum kt_kind kinds[] = {KT_ONES, KT_ZEROS, KT_DENORMAL, KT_SIGNED, KT_RANDOM};
    static const uint64_t cols[] = {1, 7, 15, 16, 17, 33, 100, 256, 1536};
    struct rng r = rng_named(kt_seed(), "dense");
    for (size_t t = 0; t < 5; t++) {
        uint32_t type = dense_types[t];
        for (size_t i = 0; i < 5; i++) {
            bnt_dense_shape s = {6, type <= BNT_TYPE_F16 || type == BNT_TYPE_BF16 ? 267 : 512, type,
                                 0};
            for (size_t v = 0; v < 5; v++) check_dense(&sets[_i], &r, s, 3, kinds[i], kinds[v]);
            check_dense(&sets[_i], &r, s, 3, kinds[i], KT_HUGE);
        }
        for (size_t i = 0; i < 9; i++) {
            uint64_t unit = type == BNT_TYPE_Q8_0 ? 32 : type == BNT_TYPE_Q6_K ? 256 : 1;
            uint64_t n = unit == 1 ? cols[i] : unit * (1 + i % 4);
            for (uint64_t rows = 1; rows <= 9; rows += 2)
                check_dense(&sets[_i], &r, (bnt_dense_shape){rows, n, type, 0}, 1 + (i + rows) % 9,
                            KT_RANDOM, i % 2 ? KT_RANDOM : KT_WIDE);
        }
    }
}
END_TEST

/* ---- vector ------------------------------------------------------------------------------- */

START_TEST(rmsnorm) {
    static const uint64_t sizes[] = {1, 7, 15, 16, 17, 31, 64, 100, 128, 1536, 2560};
    struct rng r = rng_named(kt_seed(), "rmsnorm");
    for (size_t i = 0; i < 11; i++) {
        for (int kind = KT_ONES; kind < KT_KINDS; kind++) {
            uint64_t n = sizes[i], ld = n + 2, tokens = 4, cut[2 * CUTS];
            kt_case("%s rmsnorm n=%llu x=%s", sets[_i].name, (unsigned long long)n,
                    kt_kind_name((enum kt_kind)kind));
            float *x = made(&r, tokens * ld, (enum kt_kind)kind), *gain = made(&r, n, KT_RANDOM);
            float *want = floats(tokens * ld), *got = floats(tokens * ld);
            float *own = kt_copy(x, tokens * ld * sizeof(float), 4);
            bnt_rmsnorm_args a = {1, tokens, n, x, ld, gain, 1e-5f, 0, want, ld};
            judge->rmsnorm(&a);
            size_t cuts = kt_cuts(&r, 1, tokens, cut, CUTS);
            for (size_t c = 0; c < cuts; c++) {
                a.tok_lo = cut[2 * c], a.tok_hi = cut[2 * c + 1];
                a.x = x, a.y = got;
                sets[_i].k->rmsnorm(&a);
                a.x = a.y = own; /* in place */
                sets[_i].k->rmsnorm(&a);
            }
            kt_same("y", want, got, tokens * ld * sizeof(float));
            for (uint64_t t = 1; t < tokens; t++)
                kt_same("y in place", want + t * ld, own + t * ld, n * sizeof(float));
            kt_same("token outside", x, own, ld * sizeof(float));
            kt_release();
        }
    }
}
END_TEST

START_TEST(rope) {
    static const uint32_t dims[][2] = {{128, 128}, {64, 64}, {80, 32}, {7, 6}, {2, 2},
                                       {34, 34},   {18, 18}, {96, 50}, {5, 0}};
    struct rng r = rng_named(kt_seed(), "rope");
    for (size_t i = 0; i < 9; i++) {
        for (int kind = KT_ONES; kind < KT_KINDS; kind++) {
            for (uint32_t style = 0; style < 2; style++) {
                uint32_t dim = dims[i][0], half = dims[i][1] / 2, heads = 5;
                uint64_t tokens = 3, ld = (uint64_t)heads * dim + 1, cut[2 * CUTS];
                kt_case("%s rope dim=%u rot=%u style=%u x=%s", sets[_i].name, dim, 2 * half, style,
                        kt_kind_name((enum kt_kind)kind));
                float *x = made(&r, tokens * ld, (enum kt_kind)kind);
                float *c = made(&r, tokens * half, KT_RANDOM),
                      *s = made(&r, tokens * half, KT_RANDOM);
                float *got = kt_copy(x, tokens * ld * sizeof(float), 4);
                bnt_rope_args a = {0, tokens, 1, heads, x, ld, dim, 2 * half, style, 0, c, s};
                judge->rope(&a);
                a.x = got;
                size_t cuts = kt_cuts(&r, 1, heads, cut, CUTS);
                for (size_t k = 0; k < cuts; k++) {
                    a.head_lo = (uint32_t)cut[2 * k], a.head_hi = (uint32_t)cut[2 * k + 1];
                    a.tok_lo = 0, a.tok_hi = 1;
                    sets[_i].k->rope(&a);
                    a.tok_lo = 1, a.tok_hi = tokens;
                    sets[_i].k->rope(&a);
                }
                kt_same("x", x, got, tokens * ld * sizeof(float));
                kt_release();
            }
        }
    }
}
END_TEST

START_TEST(gate_and_add) {
    struct rng r = rng_named(kt_seed(), "gate_and_add");
    for (int kind = KT_ONES; kind < KT_KINDS; kind++) {
        for (int what = 0; what < 3; what++) { /* silu, relu2, add */
            uint64_t n = 1000, lo = 5, hi = 990, cut[2 * CUTS], bytes = n * sizeof(float);
            kt_case("%s %s x=%s", sets[_i].name, what == 2 ? "add" : "gate",
                    kt_kind_name((enum kt_kind)kind));
            float *g = made(&r, n, (enum kt_kind)kind), *u = made(&r, n, KT_RANDOM);
            if (kind == KT_RANDOM) /* the whole range of exp, and its limits */
                for (uint64_t i = 0; i < n; i++) g[i] = ((float)i - 500.0f) * 0.19f;
            if (kind == KT_HUGE && what == 1)
                for (uint64_t i = 0; i < n; i++) g[i] *= 1e-15f;
            float *want = kt_copy(u, bytes, 4), *got = kt_copy(u, bytes, 4);
            bnt_gate_args ga = {lo, hi, g, u, want, what == 1 ? BNT_GATE_RELU2 : BNT_GATE_SILU, 0};
            bnt_add_args aa = {lo, hi, g, want};
            if (what == 2)
                judge->add(&aa);
            else
                judge->gate(&ga);
            size_t cuts = kt_cuts(&r, lo, hi, cut, CUTS);
            for (size_t c = 0; c < cuts; c++) {
                ga.lo = aa.lo = cut[2 * c], ga.hi = aa.hi = cut[2 * c + 1];
                ga.u = ga.y = aa.y = got; /* in place on u */
                if (what == 2)
                    sets[_i].k->add(&aa);
                else
                    sets[_i].k->gate(&ga);
            }
            kt_same("y", want, got, bytes);
            if (what < 2) { /* in place on g */
                ga = (bnt_gate_args){lo, hi, g, u, g, ga.kind, 0};
                sets[_i].k->gate(&ga);
                kt_same("y on g", want + lo, g + lo, (hi - lo) * sizeof(float));
            }
            kt_release();
        }
    }
}
END_TEST

/* ---- attention ---------------------------------------------------------------------------- */

struct attn_case {
    uint32_t dim, kv_heads, heads;
    uint64_t pos, tokens;
};

/* Stores pos + tokens positions and, as an abandoned continuation would leave them, infinities in
 * the rest of the cache; then attention by chunks and merged, and in one. */
static void run_attention(const bnt_kernels *k, struct rng *r, const struct attn_case *c,
                          const float *keys, const float *vals, const float *q, float *loaded,
                          float *part, float *merged, float *fused) {
    uint64_t all = c->pos + c->tokens, capacity = all + 21, ldkv = (uint64_t)c->kv_heads * c->dim;
    uint64_t ld = (uint64_t)c->heads * c->dim + 1, chunks = (all + 255) / 256, cut[2 * CUTS];
    uint64_t head_cut[2 * CUTS];
    bnt_kv_shape s = {capacity, c->kv_heads, c->dim};
    bnt_layout layout;
    ck_assert_msg(k->kv_layout(&s, &layout) == BNT_SUPPORTED, "%s: kv_layout", kt_context());
    void *kv = kt_alloc(layout.bytes, layout.align, 0);
    float *stale = floats(21 * ldkv);
    for (uint64_t i = 0; i < 21 * ldkv; i++) stale[i] = i % 2 ? INFINITY : -INFINITY;
    k->kv_store(&(bnt_kv_store_args){s, all, 0, 21, 0, c->kv_heads, stale, stale, ldkv, kv});
    size_t n = kt_cuts(r, 0, all, cut, CUTS), n_heads = kt_cuts(r, 0, c->kv_heads, head_cut, CUTS);
    for (size_t i = 0; i < n * n_heads; i++) {
        const uint64_t *t = cut + 2 * (i / n_heads), *h = head_cut + 2 * (i % n_heads);
        k->kv_store(&(bnt_kv_store_args){s, 0, t[0], t[1], (uint32_t)h[0], (uint32_t)h[1], keys,
                                         vals, ldkv, kv});
    }
    for (uint32_t h = 0; h < c->kv_heads; h++)
        k->kv_load(&(bnt_kv_load_args){s, 0, all, h, 0, kv, loaded + 2 * h * all * c->dim,
                                       loaded + (2 * h + 1) * all * c->dim});

    bnt_attn_args a = {.shape = s,
                       .kv = kv,
                       .q = q,
                       .ldq = ld,
                       .heads = c->heads,
                       .scale = 1.0f / sqrtf((float)c->dim),
                       .pos = c->pos,
                       .chunks = chunks,
                       .part = part,
                       .y = merged,
                       .ldy = ld};
    n = kt_cuts(r, 0, c->tokens, cut, CUTS), n_heads = kt_cuts(r, 0, c->heads, head_cut, CUTS);
    for (int step = 0; step < 3; step++) {
        for (size_t i = 0; i < n * n_heads; i++) {
            const uint64_t *t = cut + 2 * (i / n_heads), *h = head_cut + 2 * (i % n_heads);
            a.tok_lo = t[0], a.tok_hi = t[1];
            a.head_lo = (uint32_t)h[0], a.head_hi = (uint32_t)h[1];
            uint64_t middle = rng_below(r, (uint32_t)chunks + 1);
            if (step == 0) {
                a.chunk_lo = middle, a.chunk_hi = chunks;
                k->attn_chunk(&a);
                a.chunk_lo = 0, a.chunk_hi = middle;
                k->attn_chunk(&a);
            } else if (step == 1) {
                k->attn_merge(&a);
            } else if (BNT_HAS(k, attn)) {
                bnt_attn_args one = a;
                one.part = NULL, one.y = fused;
                k->attn(&one);
            }
        }
    }
    if (!BNT_HAS(k, attn)) memcpy(fused, merged, c->tokens * ld * sizeof(float));
}

static void check_attention(const struct kt_set *set, struct rng *r, const struct attn_case *c,
                            enum kt_kind queries, enum kt_kind values) {
    uint64_t all = c->pos + c->tokens, n_kv = all * c->kv_heads * c->dim;
    uint64_t n_y = c->tokens * ((uint64_t)c->heads * c->dim + 1);
    uint64_t n_part = c->tokens * c->heads * ((all + 255) / 256) * (c->dim + 2);
    kt_case("%s attention dim=%u heads=%u/%u pos=%llu tokens=%llu q=%s v=%s", set->name, c->dim,
            c->heads, c->kv_heads, (unsigned long long)c->pos, (unsigned long long)c->tokens,
            kt_kind_name(queries), kt_kind_name(values));
    float *keys = made(r, n_kv, values), *vals = made(r, n_kv, values), *q = made(r, n_y, queries);
    for (uint64_t i = 0; values == KT_WIDE && i < n_kv; i++) /* within binary16 */
        keys[i] *= 0x1p-10f, vals[i] *= 0x1p-10f;
    float *out[2][4];
    for (int i = 0; i < 2; i++) {
        out[i][0] = floats(2 * n_kv);
        out[i][1] = floats(n_part);
        out[i][2] = floats(n_y);
        out[i][3] = floats(n_y);
        run_attention(i ? set->k : judge, r, c, keys, vals, q, out[i][0], out[i][1], out[i][2],
                      out[i][3]);
    }
    kt_same("kv_load(kv_store)", out[0][0], out[1][0], 2 * n_kv * sizeof(float));
    kt_same("part", out[0][1], out[1][1], n_part * sizeof(float));
    kt_same("merged", out[0][2], out[1][2], n_y * sizeof(float));
    kt_same("fused", out[0][2], out[1][3], n_y * sizeof(float));
    kt_release();
}

START_TEST(attention) {
    static const struct attn_case edges = {48, 2, 4, 270, 3};
    static const struct attn_case shapes[] = {
        {128, 1, 4, 0, 1},   {128, 2, 2, 255, 2}, {128, 1, 5, 256, 3},  {64, 2, 8, 0, 20},
        {80, 1, 3, 14, 3},   {7, 3, 3, 510, 4},   {100, 1, 2, 1000, 2}, {16, 2, 6, 31, 2},
        {192, 1, 1, 700, 1}, {256, 1, 2, 300, 1}, {1, 1, 1, 3, 40},     {32, 1, 4, 240, 33}};
    struct rng r = rng_named(kt_seed(), "attention");
    for (int kind = KT_ONES; kind < KT_KINDS; kind++) {
        check_attention(&sets[_i], &r, &edges, (enum kt_kind)kind, KT_RANDOM);
        if (kind != KT_HUGE) /* a binary16 cache holds no 1e30 */
            check_attention(&sets[_i], &r, &edges, KT_RANDOM, (enum kt_kind)kind);
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_attention(&sets[_i], &r, &shapes[i], KT_RANDOM, KT_RANDOM);
}
END_TEST

/* ---- the judge against double precision --------------------------------------------------- */

/* |got - want| <= ulps * 2^-24 * size, where size bounds the terms that were added. */
static void near(const char *what, double want, double got, double size, double ulps) {
    if (!(fabs(got - want) <= ulps * 0x1p-24 * size))
        ck_abort_msg("judge: %s: want %.12g, got %.12g, terms %.3g", what, want, got, size);
}

START_TEST(judge_products) {
    enum { ROWS = 5, COLS = 512, TOKENS = 2 };
    struct rng r = rng_named(kt_seed(), "judge_products");
    static int8_t trits[ROWS * COLS];
    float *x = made(&r, TOKENS * (COLS + 1), KT_RANDOM), *scales = made(&r, ROWS * 8, KT_RANDOM);
    kt_trits(&r, trits, ROWS * COLS, KT_RANDOM);
    for (uint32_t block = 0; block <= 128; block += 64) {
        struct ternary_case c = {{ROWS, COLS, block, 0}, TOKENS};
        struct ternary_result out;
        uint64_t span = block ? block : COLS, blocks = COLS / span;
        run_ternary(judge, &r, &c, trits, scales, x, &out);
        for (uint64_t t = 0; t < TOKENS; t++) {
            for (uint64_t b = 0; b < blocks; b++) {
                double amax = 0;
                for (uint64_t i = 0; i < span; i++)
                    amax = fmax(amax, fabs((double)x[t * (COLS + 1) + b * span + i]));
                near("a", amax / 127, (double)out.a[t * blocks + b], amax / 127, 1.0);
                for (uint64_t i = 0; i < span; i++) /* half a step, and a little for rounding */
                    near("q a", (double)x[t * (COLS + 1) + b * span + i],
                         out.q[t * COLS + b * span + i] * amax / 127, amax, 0x1p24 * 0.5001 / 127);
            }
        }
        for (uint64_t row = 1; row < ROWS; row++) {
            double want = 0, size = 0;
            for (uint64_t b = 0; b < blocks; b++) {
                double d = 0, w = block ? (double)scales[row * blocks + b] : (double)0.0123f;
                for (uint64_t i = b * span; i < (b + 1) * span; i++)
                    d += trits[row * COLS + i] * out.q[i];
                want += d * w * (double)out.a[b];
                size += fabs(d * w * (double)out.a[b]);
            }
            near("ternary", want, (double)out.y[row], size, 3.0 + (double)blocks);
        }
    }
    kt_release();
}
END_TEST

/* ggml's definitions, written out once more, element by element. */
static double dense_weight(uint32_t type, const uint8_t *p, uint64_t i) {
    uint16_t h;
    float f;
    const uint8_t *b;
    switch (type) {
    case BNT_TYPE_F32: memcpy(&f, p + 4 * i, 4); return (double)f;
    case BNT_TYPE_F16: memcpy(&h, p + 2 * i, 2); return (double)bnt_f16_to_f32(h);
    case BNT_TYPE_BF16: memcpy(&h, p + 2 * i, 2); return (double)bnt_bf16_to_f32(h);
    case BNT_TYPE_Q8_0:
        b = p + i / 32 * 34;
        memcpy(&h, b, 2);
        return (double)bnt_f16_to_f32(h) * (int8_t)b[2 + i % 32];
    default:
        b = p + i / 256 * 210;
        memcpy(&h, b + 208, 2);
        uint64_t j = i % 256, half = j / 128, part = j % 128 / 32, l = j % 32;
        int low = b[64 * half + 32 * (part % 2) + l], high = b[128 + 32 * half + l];
        int q = (part < 2 ? low & 15 : low >> 4) + 16 * (high >> 2 * part & 3);
        return (double)bnt_f16_to_f32(h) * (int8_t)b[192 + j / 16] * (q - 32);
    }
}

START_TEST(judge_dense) {
    enum { ROWS = 4, COLS = 768 };
    struct rng r = rng_named(kt_seed(), "judge_dense");
    for (size_t t = 0; t < 5; t++) {
        bnt_dense_shape s = {ROWS, COLS, dense_types[t], 0};
        uint8_t *src = dense_source(&r, s.type, ROWS * COLS, KT_RANDOM);
        float *x = made(&r, COLS + 1, KT_RANDOM), *rows = floats(ROWS * COLS),
              *y = floats(ROWS + 2);
        run_dense(judge, &r, &s, 1, src, x, rows, y);
        for (uint64_t row = 0; row < ROWS; row++) {
            double want = 0, size = 0;
            for (uint64_t i = 0; i < COLS; i++) {
                double w = dense_weight(s.type, src, row * COLS + i);
                near("dense weight", w, (double)rows[row * COLS + i], fabs(w), 1.0);
                want += w * (double)x[i];
                size += fabs(w * (double)x[i]);
            }
            if (row > 0) near("dense", want, (double)y[row], size, COLS / 16 + 6);
        }
    }
    kt_release();
}
END_TEST

START_TEST(judge_vector) {
    enum { N = 96 };
    struct rng r = rng_named(kt_seed(), "judge_vector");
    float *x = made(&r, N, KT_RANDOM), *u = made(&r, N, KT_RANDOM), *y = floats(N);
    double ms = 0;
    judge->rmsnorm(&(bnt_rmsnorm_args){0, 1, N, x, N, u, 1e-5f, 0, y, N});
    for (int i = 0; i < N; i++) ms += (double)x[i] * (double)x[i] / (double)N;
    for (int i = 0; i < N; i++) {
        double want = (double)x[i] / sqrt(ms + 1e-5) * (double)u[i];
        near("rmsnorm", want, (double)y[i], fabs(want), 8.0);
    }
    for (uint32_t kind = 0; kind < 2; kind++) {
        judge->gate(&(bnt_gate_args){0, N, x, u, y, kind, 0});
        for (int i = 0; i < N; i++) {
            double g = (double)x[i];
            double act = kind == BNT_GATE_RELU2 ? fmax(g, 0) * fmax(g, 0) : g / (1 + exp(-g));
            near("gate", act * (double)u[i], (double)y[i], fabs(act * (double)u[i]), 5.0);
        }
    }
    for (uint32_t style = 0; style < 2; style++) {
        float c[16], s[16];
        for (int i = 0; i < 16; i++) c[i] = cosf((float)i), s[i] = sinf((float)i);
        memcpy(y, x, N * sizeof(float));
        judge->rope(&(bnt_rope_args){0, 1, 1, 2, y, N, 48, 32, style, 0, c, s});
        for (int i = 0; i < 16; i++) {
            int i0 = 48 + (style == BNT_ROPE_NEOX ? i : 2 * i),
                i1 = style == BNT_ROPE_NEOX ? i0 + 16 : i0 + 1;
            double a = (double)x[i0], b = (double)x[i1], size = fabs(a) + fabs(b);
            near("rope x0", a * (double)c[i] - b * (double)s[i], (double)y[i0], size, 2.0);
            near("rope x1", a * (double)s[i] + b * (double)c[i], (double)y[i1], size, 2.0);
        }
        kt_same("rope, other heads", x, y, 48 * sizeof(float));
        kt_same("rope, above n_rot", x + 80, y + 80, 16 * sizeof(float));
    }
    kt_release();
}
END_TEST

START_TEST(judge_attention) {
    enum { DIM = 40, HEADS = 4, KV = 2, POS = 600, TOKENS = 2, LD = HEADS * DIM + 1 };
    struct rng r = rng_named(kt_seed(), "judge_attention");
    struct attn_case c = {DIM, KV, HEADS, POS, TOKENS};
    uint64_t all = POS + TOKENS, n_kv = all * KV * DIM;
    float *keys = made(&r, n_kv, KT_RANDOM), *vals = made(&r, n_kv, KT_RANDOM);
    float *q = made(&r, TOKENS * LD, KT_RANDOM), *loaded = floats(2 * n_kv);
    float *part = floats((uint64_t)TOKENS * HEADS * 3 * (DIM + 2)), *y = floats(TOKENS * LD);
    float *fused = floats(TOKENS * LD);
    run_attention(judge, &r, &c, keys, vals, q, loaded, part, y, fused);
    kt_case("judge attention");
    kt_same("fused", y, fused, TOKENS * LD * sizeof(float));
    for (uint64_t t = 0; t < TOKENS; t++) {
        for (uint64_t h = 0; h < HEADS; h++) {
            double o[DIM] = {0}, sum = 0;
            for (uint64_t p = 0; p <= POS + t; p++) {
                uint64_t at = p * KV * DIM + h / (HEADS / KV) * DIM;
                double score = 0;
                for (uint64_t d = 0; d < DIM; d++) {
                    uint16_t k16 = bnt_f32_to_f16(keys[at + d]);
                    score += (double)q[t * LD + h * DIM + d] * (double)bnt_f16_to_f32(k16);
                }
                double e = exp(score / sqrt(DIM));
                sum += e;
                for (uint64_t d = 0; d < DIM; d++)
                    o[d] += e * (double)bnt_f16_to_f32(bnt_f32_to_f16(vals[at + d]));
            }
            for (uint64_t d = 0; d < DIM; d++)
                near("attention", o[d] / sum, (double)y[t * LD + h * DIM + d], 1.0, 64.0);
        }
    }
    kt_release();
}
END_TEST

int main(void) {
    size_t n = kt_load(sets, SETS);
    judge = kt_judge();
    if (n == 0) {
        fprintf(stderr, "no kernel set could be tested\n");
        return EXIT_FAILURE;
    }
    fprintf(stderr, "seed %llu; kernel sets:", (unsigned long long)kt_seed());
    for (size_t i = 0; i < n; i++) fprintf(stderr, " %s", sets[i].name);
    fputc('\n', stderr);

    Suite *suite = suite_create("kernels");
    TCase *all = tcase_create("each kernel set"), *own = tcase_create("the judge");
    tcase_set_timeout(all, 300);
    tcase_add_loop_test(all, ternary_edges, 0, (int)n);
    tcase_add_loop_test(all, ternary_shapes, 0, (int)n);
    tcase_add_loop_test(all, dense, 0, (int)n);
    tcase_add_loop_test(all, rmsnorm, 0, (int)n);
    tcase_add_loop_test(all, rope, 0, (int)n);
    tcase_add_loop_test(all, gate_and_add, 0, (int)n);
    tcase_add_loop_test(all, attention, 0, (int)n);
    tcase_add_test(own, judge_products);
    tcase_add_test(own, judge_dense);
    tcase_add_test(own, judge_vector);
    tcase_add_test(own, judge_attention);
    suite_add_tcase(suite, all);
    suite_add_tcase(suite, own);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
