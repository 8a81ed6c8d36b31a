/*
 * step.c - forward and backward of the demo model on one thread: what train.py spends its time in.
 *
 * Every matrix product is oneDNN's, bfloat16 in and float out; ternary codes and int8 activations
 * are exact in it. Everything between two products is one pass over rows, so that a row is read
 * once while it is in the cache. The mathematics is written down in train.py's docstring and in
 * docs/NUMERICS.md; this file knows nothing of optimizers, data or files. Attention probabilities
 * are computed again in the backward pass instead of being kept.
 *
 * The gradient of a ternary matrix is left multiplied by its rows' scales: the caller divides once
 * a step. Built by train.py: cc -O3 -ffast-math -march=native -shared -fPIC step.c -ldnnl
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef uint16_t bf16;

/* oneDNN's row-major product, C[M,N] = alpha A B + beta C (exported by the library, in no header).
 */
int dnnl_gemm_bf16bf16f32(char ta, char tb, int64_t m, int64_t n, int64_t k, float alpha,
                          const bf16 *a, int64_t lda, const bf16 *b, int64_t ldb, float beta,
                          float *c, int64_t ldc);

enum { QUERIES = 128, LOSS_ROWS = 256, SAVED_ROWS = 4 };

struct config {
    int32_t dim, blocks, heads, kv_heads, head_dim, ff, vocab, context;
    float eps;
};

/* What the backward pass needs of one block, for n tokens. */
struct saved {
    float *x, *o, *y;     /* n x dim: input, attention's output, after attention */
    bf16 *qkv;            /* n x (heads + 2 kv) x head_dim, packed by head: see attention() */
    bf16 *gu;             /* n x 2 ff */
    bf16 *q1, *q2, *q3;   /* n x dim: int8 activations */
    bf16 *q4;             /* n x ff */
    float *r[SAVED_ROWS]; /* n: 1/rms of each norm */
    float *a[SAVED_ROWS]; /* n: one step of each quantization */
};

struct step {
    struct config c;
    int max;
    struct saved *s;
    float *t, *x, *dx, *dn, *scores, *dscores, *logits, *ctx, *dctx, *dk, *dv;
    bf16 *g, *h, *probs, *dprobs, *dob;
};

static void *room(size_t bytes) {
    return aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
}

struct step *step_new(const struct config *c, int max) {
    struct step *k = room(sizeof *k);
    const size_t n = (size_t)max, d = (size_t)c->dim, ff = (size_t)c->ff;
    const size_t w = (size_t)((c->heads + 2 * c->kv_heads) * c->head_dim);
    const size_t rows = (size_t)(QUERIES * c->heads / c->kv_heads);
    k->c = *c;
    k->max = max;
    k->s = room((size_t)c->blocks * sizeof *k->s);
    for (int i = 0; i < c->blocks; i++) {
        struct saved *s = &k->s[i];
        s->x = room(n * d * 4), s->o = room(n * d * 4), s->y = room(n * d * 4);
        s->qkv = room(n * w * 2), s->gu = room(n * 2 * ff * 2);
        s->q1 = room(n * d * 2), s->q2 = room(n * d * 2), s->q3 = room(n * d * 2);
        s->q4 = room(n * ff * 2);
        for (int j = 0; j < SAVED_ROWS; j++) s->r[j] = room(n * 4), s->a[j] = room(n * 4);
    }
    const size_t wide = 2 * ff > w ? 2 * ff : w;
    k->t = room(n * wide * 4), k->dn = room(n * (wide > d ? wide : d) * 4);
    k->x = room(n * d * 4), k->dx = room(n * d * 4);
    k->g = room(n * wide * 2), k->h = room(n * d * 2);
    k->scores = room(rows * (size_t)c->context * 4),
    k->dscores = room(rows * (size_t)c->context * 4);
    k->probs = room(rows * (size_t)c->context * 2), k->dprobs = room(rows * (size_t)c->context * 2);
    k->ctx = room(rows * (size_t)c->head_dim * 4), k->dctx = room(rows * (size_t)c->head_dim * 4);
    k->dob = room(rows * (size_t)c->head_dim * 2);
    k->dk = room((size_t)(c->context * c->head_dim) * 4),
    k->dv = room((size_t)(c->context * c->head_dim) * 4);
    k->logits = room((size_t)LOSS_ROWS * (size_t)c->vocab * 4);
    return k;
}

static inline bf16 to_bf16(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    return (bf16)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

static inline float from_bf16(bf16 b) {
    uint32_t u = (uint32_t)b << 16;
    float f;
    memcpy(&f, &u, 4);
    return f;
}

/* C[m,n] = A[m,k] B[n,k]^T */
static void mm_nt(int m, int n, int k, const bf16 *a, const bf16 *b, float *c) {
    dnnl_gemm_bf16bf16f32('N', 'T', m, n, k, 1, a, k, b, k, 0, c, n);
}

/* C[m,n] = A[m,k] B[k,n] */
static void mm_nn(int m, int n, int k, const bf16 *a, const bf16 *b, float *c) {
    dnnl_gemm_bf16bf16f32('N', 'N', m, n, k, 1, a, k, b, n, 0, c, n);
}

/* C[m,n] += A[k,m]^T B[k,n] */
static void mm_tn_add(int m, int n, int k, const bf16 *a, const bf16 *b, float *c) {
    dnnl_gemm_bf16bf16f32('T', 'N', m, n, k, 1, a, m, b, n, 1, c, n);
}

/* RMSNorm and int8 quantization of one row. */
static void norm_quant(const float *x, const float *gain, int d, float eps, bf16 *q, float *r,
                       float *a) {
    float sum = 0, most = 0;
    for (int i = 0; i < d; i++) sum += x[i] * x[i];
    *r = 1 / sqrtf(sum / (float)d + eps);
    for (int i = 0; i < d; i++) {
        float v = fabsf(x[i] * *r * gain[i]);
        most = v > most ? v : most;
    }
    if (most < 1e-5f) most = 1e-5f;
    const float up = 127 / most * *r;
    for (int i = 0; i < d; i++) q[i] = to_bf16(rintf(x[i] * gain[i] * up));
    *a = most / 127;
}

/* dn: gradient to the quantized norm's output, times a; adds to dgain, leaves the gradient to x. */
static void norm_back(float *dn, const float *x, float r, float a, const float *gain, int d,
                      float *dgain) {
    float dot = 0;
    const float down = 1 / a;
    for (int i = 0; i < d; i++) {
        const float hat = x[i] * r, g = dn[i] * down;
        dgain[i] += g * hat;
        dn[i] = g * gain[i];
        dot += dn[i] * hat;
    }
    dot /= (float)d;
    for (int i = 0; i < d; i++) dn[i] = (dn[i] - x[i] * r * dot) * r;
}

/* g = dy times the row's activation step times each output's scale, in bfloat16. */
static void scale_back(bf16 *g, const float *dy, float a, const float *scale, int m) {
    for (int i = 0; i < m; i++) g[i] = to_bf16(dy[i] * a * scale[i]);
}

/* Where head h's rows of sequence b begin in the packed buffer: q heads, then k, then v. */
static size_t packed(const struct step *k, int t, int b, int h) {
    const int all = k->c.heads + 2 * k->c.kv_heads;
    return ((size_t)b * (size_t)all + (size_t)h) * (size_t)t * (size_t)k->c.head_dim;
}

static void rope(float *v, const float *cs, int half, float sign) {
    for (int i = 0; i < half; i++) {
        const float c = cs[i], s = cs[half + i] * sign, v0 = v[i], v1 = v[half + i];
        v[i] = v0 * c - v1 * s;
        v[half + i] = v1 * c + v0 * s;
    }
}

/* Scaled projections to packed bf16 heads, rotated; q carries the 1/sqrt(head_dim). */
static void pack(struct step *k, struct saved *s, const float *scale, const float *angles, int nb,
                 int t) {
    const int hd = k->c.head_dim, h = k->c.heads, kv = k->c.kv_heads, all = h + 2 * kv;
    const float root = 1 / sqrtf((float)hd);
    float v[256];
    for (int b = 0; b < nb; b++)
        for (int i = 0; i < t; i++) {
            const size_t row = (size_t)(b * t + i);
            for (int j = 0; j < all; j++) {
                const float *from = k->t + row * (size_t)(all * hd) + j * hd;
                const float a = s->a[0][row] * (j < h ? root : 1);
                for (int e = 0; e < hd; e++) v[e] = from[e] * a * scale[j * hd + e];
                if (j < h + kv) rope(v, angles + (size_t)i * (size_t)hd, hd / 2, 1);
                bf16 *to = s->qkv + packed(k, t, b, j) + (size_t)(i * hd);
                for (int e = 0; e < hd; e++) to[e] = to_bf16(v[e]);
            }
        }
}

/* Probabilities of one block of queries of the heads that share a KV head, into k->probs. */
static void probabilities(struct step *k, const bf16 *q, const bf16 *keys, int t, int at, int rows,
                          int group) {
    const int hd = k->c.head_dim, n = at + rows;
    for (int g = 0; g < group; g++)
        mm_nt(rows, n, hd, q + ((size_t)g * (size_t)t + (size_t)at) * (size_t)hd, keys,
              k->scores + (size_t)g * (size_t)rows * (size_t)n);
    for (int i = 0; i < group * rows; i++) {
        float *z = k->scores + (size_t)i * (size_t)n, most = -INFINITY, sum = 0;
        bf16 *p = k->probs + (size_t)i * (size_t)n;
        const int seen = at + i % rows + 1;
        for (int j = 0; j < seen; j++) most = z[j] > most ? z[j] : most;
        for (int j = 0; j < seen; j++) z[j] = expf(z[j] - most);
        for (int j = 0; j < seen; j++) sum += z[j];
        const float over = 1 / sum;
        for (int j = 0; j < seen; j++) p[j] = to_bf16(z[j] * over);
        for (int j = seen; j < n; j++) p[j] = 0;
    }
}

static void attention(struct step *k, struct saved *s, int nb, int t) {
    const int hd = k->c.head_dim, h = k->c.heads, kv = k->c.kv_heads, group = h / kv, d = k->c.dim;
    for (int b = 0; b < nb; b++)
        for (int m = 0; m < kv; m++) {
            const bf16 *q = s->qkv + packed(k, t, b, m * group);
            const bf16 *keys = s->qkv + packed(k, t, b, h + m),
                       *v = s->qkv + packed(k, t, b, h + kv + m);
            for (int at = 0; at < t; at += QUERIES) {
                const int rows = t - at < QUERIES ? t - at : QUERIES, n = at + rows;
                probabilities(k, q, keys, t, at, rows, group);
                mm_nn(group * rows, hd, n, k->probs, v, k->ctx);
                for (int g = 0; g < group; g++)
                    for (int i = 0; i < rows; i++)
                        memcpy(s->o + (size_t)(b * t + at + i) * (size_t)d + (m * group + g) * hd,
                               k->ctx + (size_t)(g * rows + i) * (size_t)hd, (size_t)hd * 4);
            }
        }
}

/* k->dn: gradient to o. Leaves in k->t the gradient to the projections before their scales. */
static void attention_back(struct step *k, struct saved *s, const float *angles, int nb, int t) {
    const int hd = k->c.head_dim, h = k->c.heads, kv = k->c.kv_heads, group = h / kv, d = k->c.dim;
    const size_t all = (size_t)((h + 2 * kv) * hd);
    const float root = 1 / sqrtf((float)hd);
    for (int b = 0; b < nb; b++)
        for (int m = 0; m < kv; m++) {
            const bf16 *q = s->qkv + packed(k, t, b, m * group);
            const bf16 *keys = s->qkv + packed(k, t, b, h + m),
                       *v = s->qkv + packed(k, t, b, h + kv + m);
            memset(k->dk, 0, (size_t)(t * hd) * 4);
            memset(k->dv, 0, (size_t)(t * hd) * 4);
            for (int at = 0; at < t; at += QUERIES) {
                const int rows = t - at < QUERIES ? t - at : QUERIES, n = at + rows,
                          many = group * rows;
                probabilities(k, q, keys, t, at, rows, group);
                for (int g = 0; g < group; g++)
                    for (int i = 0; i < rows; i++) {
                        const float *from =
                            k->dn + (size_t)(b * t + at + i) * (size_t)d + (m * group + g) * hd;
                        bf16 *to = k->dob + (size_t)(g * rows + i) * (size_t)hd;
                        for (int e = 0; e < hd; e++) to[e] = to_bf16(from[e]);
                    }
                mm_nt(many, n, hd, k->dob, v, k->dscores);
                mm_tn_add(n, hd, many, k->probs, k->dob, k->dv);
                for (int i = 0; i < many; i++) {
                    const float *dp = k->dscores + (size_t)i * (size_t)n;
                    const bf16 *p = k->probs + (size_t)i * (size_t)n;
                    bf16 *ds = k->dprobs + (size_t)i * (size_t)n;
                    float dot = 0;
                    for (int j = 0; j < n; j++) dot += dp[j] * from_bf16(p[j]);
                    for (int j = 0; j < n; j++) ds[j] = to_bf16(from_bf16(p[j]) * (dp[j] - dot));
                }
                mm_nn(many, hd, n, k->dprobs, keys, k->dctx);
                for (int g = 0; g < group; g++) {
                    mm_tn_add(n, hd, rows, k->dprobs + (size_t)g * (size_t)rows * (size_t)n,
                              q + ((size_t)g * (size_t)t + (size_t)at) * (size_t)hd, k->dk);
                    for (int i = 0; i < rows; i++) {
                        float *to = k->t + (size_t)(b * t + at + i) * all + (m * group + g) * hd;
                        const float *from = k->dctx + (size_t)(g * rows + i) * (size_t)hd;
                        for (int e = 0; e < hd; e++) to[e] = from[e] * root;
                        rope(to, angles + (size_t)(at + i) * (size_t)hd, hd / 2, -1);
                    }
                }
            }
            for (int i = 0; i < t; i++) {
                float *to = k->t + (size_t)(b * t + i) * all + (h + m) * hd;
                memcpy(to, k->dk + i * hd, (size_t)hd * 4);
                rope(to, angles + (size_t)i * (size_t)hd, hd / 2, -1);
                memcpy(to + kv * hd, k->dv + i * hd, (size_t)hd * 4);
            }
        }
}

/* The order of a block's matrices and norms in the flat buffers: parameter_shapes() in train.py. */
struct block {
    size_t qkv, o, gateup, down, attn_norm, attn_sub_norm, ffn_norm, ffn_sub_norm, end;
};

static struct block layout(const struct config *c, size_t at) {
    const size_t d = (size_t)c->dim, ff = (size_t)c->ff;
    struct block b;
    b.qkv = at;
    b.o = b.qkv + (size_t)((c->heads + 2 * c->kv_heads) * c->head_dim) * d;
    b.gateup = b.o + d * d;
    b.down = b.gateup + 2 * ff * d;
    b.attn_norm = b.down + d * ff;
    b.attn_sub_norm = b.attn_norm + d;
    b.ffn_norm = b.attn_sub_norm + d;
    b.ffn_sub_norm = b.ffn_norm + d;
    b.end = b.ffn_sub_norm + ff;
    return b;
}

/* Row scales of one block, in the order qkv, o, gateup, down. */
static const float *scale_of(const struct config *c, const float *scales, int block, int which) {
    const int w = (c->heads + 2 * c->kv_heads) * c->head_dim;
    const int at[] = {0, w, w + c->dim, w + c->dim + 2 * c->ff};
    return scales + (size_t)block * (size_t)(w + 2 * c->dim + 2 * c->ff) + at[which];
}

static void forward(struct step *k, const float *p, const bf16 *codes, const float *scales,
                    const float *angles, int nb, int t) {
    const struct config *c = &k->c;
    const int n = nb * t, d = c->dim, ff = c->ff, w = (c->heads + 2 * c->kv_heads) * c->head_dim;
    struct block b = {.end = (size_t)c->vocab * (size_t)d};
    for (int i = 0; i < c->blocks; i++) {
        struct saved *s = &k->s[i];
        b = layout(c, b.end);
        memcpy(s->x, k->x, (size_t)n * (size_t)d * 4);
        for (int j = 0; j < n; j++)
            norm_quant(s->x + (size_t)j * (size_t)d, p + b.attn_norm, d, c->eps,
                       s->q1 + (size_t)j * (size_t)d, &s->r[0][j], &s->a[0][j]);
        mm_nt(n, w, d, s->q1, codes + b.qkv, k->t);
        pack(k, s, scale_of(c, scales, i, 0), angles, nb, t);
        attention(k, s, nb, t);
        for (int j = 0; j < n; j++)
            norm_quant(s->o + (size_t)j * (size_t)d, p + b.attn_sub_norm, d, c->eps,
                       s->q2 + (size_t)j * (size_t)d, &s->r[1][j], &s->a[1][j]);
        mm_nt(n, d, d, s->q2, codes + b.o, k->t);
        const float *so = scale_of(c, scales, i, 1), *sg = scale_of(c, scales, i, 2),
                    *sd = scale_of(c, scales, i, 3);
        for (int j = 0; j < n; j++) {
            float *y = s->y + (size_t)j * (size_t)d;
            const float *z = k->t + (size_t)j * (size_t)d, *x = s->x + (size_t)j * (size_t)d,
                        a = s->a[1][j];
            for (int e = 0; e < d; e++) y[e] = x[e] + z[e] * a * so[e];
            norm_quant(y, p + b.ffn_norm, d, c->eps, s->q3 + (size_t)j * (size_t)d, &s->r[2][j],
                       &s->a[2][j]);
        }
        mm_nt(n, 2 * ff, d, s->q3, codes + b.gateup, k->t);
        for (int j = 0; j < n; j++) {
            float *z = k->t + (size_t)j * 2 * (size_t)ff, a = s->a[2][j];
            bf16 *gu = s->gu + (size_t)j * 2 * (size_t)ff;
            for (int e = 0; e < 2 * ff; e++) z[e] *= a * sg[e];
            for (int e = 0; e < 2 * ff; e++) gu[e] = to_bf16(z[e]);
            for (int e = 0; e < ff; e++) {
                const float gate = z[e] > 0 ? z[e] : 0;
                z[e] = gate * gate * z[ff + e];
            }
            norm_quant(z, p + b.ffn_sub_norm, ff, c->eps, s->q4 + (size_t)j * (size_t)ff,
                       &s->r[3][j], &s->a[3][j]);
        }
        mm_nt(n, d, ff, s->q4, codes + b.down, k->t);
        for (int j = 0; j < n; j++) {
            const float *z = k->t + (size_t)j * (size_t)d, *y = s->y + (size_t)j * (size_t)d,
                        a = s->a[3][j];
            float *x = k->x + (size_t)j * (size_t)d;
            for (int e = 0; e < d; e++) x[e] = y[e] + z[e] * a * sd[e];
        }
    }
}

/* k->dx holds the gradient to the last block's output; ends as the gradient to the embeddings. */
static void backward(struct step *k, const float *p, float *grad, const bf16 *codes,
                     const float *scales, const float *angles, int nb, int t) {
    const struct config *c = &k->c;
    const int n = nb * t, d = c->dim, ff = c->ff, w = (c->heads + 2 * c->kv_heads) * c->head_dim;
    const size_t first = (size_t)c->vocab * (size_t)d, size = layout(c, 0).end;
    float hid[4096];
    for (int i = c->blocks - 1; i >= 0; i--) {
        struct saved *s = &k->s[i];
        const struct block b = layout(c, first + (size_t)i * size);
        const float *sq = scale_of(c, scales, i, 0), *so = scale_of(c, scales, i, 1);
        const float *sg = scale_of(c, scales, i, 2), *sd = scale_of(c, scales, i, 3);
        for (int j = 0; j < n; j++)
            scale_back(k->g + (size_t)j * (size_t)d, k->dx + (size_t)j * (size_t)d, s->a[3][j], sd,
                       d);
        mm_tn_add(d, ff, n, k->g, s->q4, grad + b.down);
        mm_nn(n, ff, d, k->g, codes + b.down, k->dn);
        for (int j = 0; j < n; j++) {
            const bf16 *gu = s->gu + (size_t)j * 2 * (size_t)ff;
            bf16 *g = k->g + (size_t)j * 2 * (size_t)ff;
            float *dh = k->dn + (size_t)j * (size_t)ff;
            for (int e = 0; e < ff; e++) {
                float gate = from_bf16(gu[e]);
                gate = gate > 0 ? gate : 0;
                hid[e] = gate * gate * from_bf16(gu[ff + e]);
            }
            norm_back(dh, hid, s->r[3][j], s->a[3][j], p + b.ffn_sub_norm, ff,
                      grad + b.ffn_sub_norm);
            const float a = s->a[2][j];
            for (int e = 0; e < ff; e++) {
                float gate = from_bf16(gu[e]);
                gate = gate > 0 ? gate : 0;
                g[e] = to_bf16(2 * dh[e] * gate * from_bf16(gu[ff + e]) * a * sg[e]);
                g[ff + e] = to_bf16(dh[e] * gate * gate * a * sg[ff + e]);
            }
        }
        mm_tn_add(2 * ff, d, n, k->g, s->q3, grad + b.gateup);
        mm_nn(n, d, 2 * ff, k->g, codes + b.gateup, k->dn);
        for (int j = 0; j < n; j++) {
            float *dn = k->dn + (size_t)j * (size_t)d, *dx = k->dx + (size_t)j * (size_t)d;
            norm_back(dn, s->y + (size_t)j * (size_t)d, s->r[2][j], s->a[2][j], p + b.ffn_norm, d,
                      grad + b.ffn_norm);
            for (int e = 0; e < d; e++) dx[e] += dn[e];
            scale_back(k->g + (size_t)j * (size_t)d, dx, s->a[1][j], so, d);
        }
        mm_tn_add(d, d, n, k->g, s->q2, grad + b.o);
        mm_nn(n, d, d, k->g, codes + b.o, k->dn);
        for (int j = 0; j < n; j++)
            norm_back(k->dn + (size_t)j * (size_t)d, s->o + (size_t)j * (size_t)d, s->r[1][j],
                      s->a[1][j], p + b.attn_sub_norm, d, grad + b.attn_sub_norm);
        attention_back(k, s, angles, nb, t);
        for (int j = 0; j < n; j++)
            scale_back(k->g + (size_t)j * (size_t)w, k->t + (size_t)j * (size_t)w, s->a[0][j], sq,
                       w);
        mm_tn_add(w, d, n, k->g, s->q1, grad + b.qkv);
        mm_nn(n, d, w, k->g, codes + b.qkv, k->dn);
        for (int j = 0; j < n; j++) {
            float *dn = k->dn + (size_t)j * (size_t)d, *dx = k->dx + (size_t)j * (size_t)d;
            norm_back(dn, s->x + (size_t)j * (size_t)d, s->r[0][j], s->a[0][j], p + b.attn_norm, d,
                      grad + b.attn_norm);
            for (int e = 0; e < d; e++) dx[e] += dn[e];
        }
    }
}

/*
 * Sum of the cross entropies of targets [nb, t] after ids [nb, t], each weighted by weight [nb, t].
 * Adds to grad the gradient of that sum times share, unless share is 0. embd: the embeddings in
 * bfloat16. angles: context x head_dim, cosines then sines. nb * t is at most the max of step_new.
 */
double step_run(struct step *k, const float *p, float *grad, const bf16 *codes, const float *scales,
                const bf16 *embd, const float *angles, const int32_t *ids, const int32_t *targets,
                const float *weight, int nb, int t, float share) {
    const struct config *c = &k->c;
    const int n = nb * t, d = c->dim, v = c->vocab;
    const struct block b = layout(c, (size_t)v * (size_t)d);
    const size_t out = (size_t)v * (size_t)d + (size_t)c->blocks * (b.end - b.qkv);
    const float *gain = p + out;
    double loss = 0;
    for (int i = 0; i < n; i++)
        memcpy(k->x + (size_t)i * (size_t)d, p + (size_t)ids[i] * (size_t)d, (size_t)d * 4);
    forward(k, p, codes, scales, angles, nb, t);
    float *r = k->dn; /* free until the backward pass */
    for (int i = 0; i < n; i++) {
        const float *x = k->x + (size_t)i * (size_t)d;
        float sum = 0;
        for (int e = 0; e < d; e++) sum += x[e] * x[e];
        r[i] = 1 / sqrtf(sum / (float)d + c->eps);
        for (int e = 0; e < d; e++)
            k->h[(size_t)i * (size_t)d + (size_t)e] = to_bf16(x[e] * r[i] * gain[e]);
    }
    bf16 *dl =
        (bf16 *)k->logits; /* a row's gradient overwrites its logits, which are twice as wide */
    for (int lo = 0; lo < n; lo += LOSS_ROWS) {
        const int rows = n - lo < LOSS_ROWS ? n - lo : LOSS_ROWS;
        const bf16 *h = k->h + (size_t)lo * (size_t)d;
        mm_nt(rows, v, d, h, embd, k->logits);
        for (int i = 0; i < rows; i++) {
            float *z = k->logits + (size_t)i * (size_t)v, most = z[0], sum = 0;
            const int target = targets[lo + i];
            for (int e = 0; e < v; e++) most = z[e] > most ? z[e] : most;
            const float hit = z[target] - most;
            for (int e = 0; e < v; e++) z[e] = expf(z[e] - most);
            for (int e = 0; e < v; e++) sum += z[e];
            loss += (double)(weight[lo + i] * (logf(sum) - hit));
            if (share == 0) continue;
            const float s = share * weight[lo + i], over = s / sum;
            z[target] -= sum;
            bf16 *to = dl + (size_t)i * (size_t)v;
            for (int e = 0; e < v; e++) to[e] = to_bf16(z[e] * over);
        }
        if (share == 0) continue;
        mm_nn(rows, d, v, dl, embd, k->dx + (size_t)lo * (size_t)d);
        mm_tn_add(v, d, rows, dl, h, grad);
    }
    if (share == 0) return loss;
    for (int i = 0; i < n; i++)
        norm_back(k->dx + (size_t)i * (size_t)d, k->x + (size_t)i * (size_t)d, r[i], 1, gain, d,
                  grad + out);
    backward(k, p, grad, codes, scales, angles, nb, t);
    for (int i = 0; i < n; i++) {
        float *to = grad + (size_t)ids[i] * (size_t)d;
        const float *dx = k->dx + (size_t)i * (size_t)d;
        for (int e = 0; e < d; e++) to[e] += dx[e];
    }
    return loss;
}
