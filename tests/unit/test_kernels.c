/*
 * test_kernels.c - ref-scalar against double precision, so that the judge is not only its own
 * witness. That every other kernel gives the judge's bytes is for tests/checkkern.
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "ktest.h"
#include "suite.h"

enum { CUTS = 8, PATTERN = 0xA5 };

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

/* ---- dense -------------------------------------------------------------------------------- */

static const uint32_t dense_types[] = {
#define ID(name, id, values, bytes, at, at2, block) id,
    BNT_DENSE_TYPES(ID)
#undef ID
};
enum { N_DENSE = sizeof dense_types / sizeof dense_types[0] };

/* A tensor of a type as a file could hold it, with no alignment: any quants, finite scales. */
static uint8_t *dense_source(struct rng *r, uint32_t type, uint64_t n, enum kt_kind kind) {
    uint64_t bytes = bnt_dense_bytes(type, n);
    uint8_t *p = kt_alloc(bytes, 1, 0);
    if (bnt_dense_block(type) > 1) {
        uint64_t unit = bnt_dense_bytes(type, bnt_dense_block(type));
        for (uint64_t i = 0; i < bytes; i++)
            p[i] = kind == KT_ONES ? 0x7f : kind == KT_ZEROS ? 0x80 : (uint8_t)rng_next(r);
        for (uint64_t i = 0; i < bytes; i += unit) {
            uint16_t d = bnt_f32_to_f16(kind == KT_DENORMAL ? 3e-8f : 0.01f * rng_normal(r));
            for (int f = 0; f < 2 && bnt_dense_factor(type, f) >= 0; f++)
                memcpy(p + i + bnt_dense_factor(type, f), &d, sizeof d);
        }
        return p;
    }
    for (uint64_t i = 0; i < n; i++) {
        float f;
        kt_floats(r, &f, 1, kind);
        uint16_t h = type == BNT_TYPE_F16 ? bnt_f32_to_f16(f) : (uint16_t)(bnt_f32_bits(f) >> 16);
        memcpy(p + bnt_dense_bytes(type, i), type == BNT_TYPE_F32 ? (void *)&f : (void *)&h,
               bnt_dense_bytes(type, 1));
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

START_TEST(judge_dense) {
    enum { ROWS = 4, COLS = 768 };
    struct rng r = rng_named(kt_seed(), "judge_dense");
    for (size_t t = 0; t < N_DENSE; t++) {
        bnt_dense_shape s = {ROWS, COLS, dense_types[t], 0};
        uint8_t *src = dense_source(&r, s.type, ROWS * COLS, KT_RANDOM);
        float *x = made(&r, COLS + 1, KT_RANDOM), *rows = floats(ROWS * COLS),
              *y = floats(ROWS + 2);
        run_dense(judge, &r, &s, 1, src, x, rows, y);
        struct dec_tensor exact;
        ck_assert(dec_open(&exact, s.type, src, ROWS * COLS, COLS));
        for (uint64_t row = 0; row < ROWS; row++) {
            double want = 0, size = 0;
            for (uint64_t i = 0; i < COLS; i++) {
                double w = exact.value[row * COLS + i];
                near("dense weight", w, (double)rows[row * COLS + i], fabs(w), 1.0);
                want += w * (double)x[i];
                size += fabs(w * (double)x[i]);
            }
            if (row > 0) near("dense", want, (double)y[row], size, COLS / 16 + 6);
        }
        dec_close(&exact);
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
    judge->gate_gelu(&(bnt_gate_args){0, N, x, u, y, BNT_GATE_GELU, 0});
    for (int i = 0; i < N; i++) {
        double g = (double)x[i], z = sqrt(2 / acos(-1.0)) * (g + 0.044715 * g * g * g);
        double act = g / (1 + exp(-2 * z)); /* g (1 + tanh z) / 2, without its cancellation */
        near("gate_gelu", act * (double)u[i], (double)y[i], fabs(act * (double)u[i]), 20.0);
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
    judge = kt_judge();
    Suite *suite = suite_create("kernels");
    TCase *own = tcase_create("the judge");
    tcase_add_test(own, judge_products);
    tcase_add_test(own, judge_dense);
    tcase_add_test(own, judge_vector);
    tcase_add_test(own, judge_attention);
    suite_add_tcase(suite, own);
    return run_suite(suite);
}
