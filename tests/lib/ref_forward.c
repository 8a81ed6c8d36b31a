/*
 * ref_forward.c - an independent forward pass in double precision; see ref_forward.h.
 *
 * Every tensor is decoded once to doubles. A token then walks through the layers and leaves its
 * keys and values, rounded to binary16 as NUMERICS clause 7 says, in a plain array for the tokens
 * after it. The engine rounds to binary32 everywhere and this does not, so logits agree closely,
 * not exactly: an activation that falls next to a rounding boundary may be quantized to the
 * neighbouring integer.
 */
#include "ref_forward.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"

struct matrix {
    struct dec_tensor w;
    double factor; /* of the output: the NAME.scale tensor */
};

enum { IN_Q, IN_K, IN_V, IN_O, IN_GATE, IN_UP, IN_DOWN, IN_COUNT };
enum act { SILU, RELU2, GELU };

struct layer {
    struct dec_tensor attn_norm, attn_sub_norm, ffn_norm, ffn_sub_norm, q_norm, k_norm;
    struct dec_tensor q_bias, k_bias, v_bias, post_attn_norm, post_ffn_norm;
    struct dec_tensor in[IN_COUNT]; /* the norm of each projection's input; n is 0 without */
    struct matrix q, k, v, o, gate, up, down;
    bool windowed;
};

struct ref_model {
    size_t blocks, embd, ff, heads, kv_heads, head_dim, vocab, n_rot;
    double eps, rope_base, rope_factor;
    double yarn_context, yarn_beta_fast, yarn_beta_slow; /* context 0: not YaRN */
    bool sub_norms, qk_norms, neox, biases, post_norms, norms_in, scales, embd_root;
    enum act act;
    double attn_factor, attn_scale; /* attn_scale 0: 1 / sqrt(head_dim) */
    double embd_scale, branch_scale, logit_scale, window_rope_base;
    size_t window, longrope_context; /* 0: none */
    size_t context;                  /* of the session, which longrope looks at */
    struct layer *layers;
    struct matrix output; /* w.n is 0 when tied */
    struct dec_tensor embedding, output_norm;
    struct dec_tensor rope_freqs; /* n is 0 without */
    struct dec_tensor factors_long, factors_short;
};

static double *zeros(size_t n) {
    double *p = calloc(n ? n : 1, sizeof *p);
    if (!p) abort();
    return p;
}

/* ---- reading the file ------------------------------------------------------------------------ */

struct reader {
    const struct bnt_gguf *g;
    char arch[32];
    const char *why; /* the first thing that is missing */
};

static size_t get_size(struct reader *r, const char *key, size_t fallback) {
    char name[96];
    uint64_t v = fallback;
    snprintf(name, sizeof name, "%s.%s", r->arch, key);
    if (!bnt_gguf_u64(r->g, name, &v) && !fallback) r->why = "a key is missing";
    return (size_t)v;
}

static double get_real(struct reader *r, const char *key, double fallback) {
    char name[96];
    double v = fallback;
    snprintf(name, sizeof name, "%s.%s", r->arch, key);
    if (!bnt_gguf_f64(r->g, name, &v) && fallback == 0) r->why = "a key is missing";
    return v;
}

static bool get_tensor(struct reader *r, const char *name, size_t cols, size_t rows,
                       struct dec_tensor *out) {
    const struct bnt_gguf_tensor *t = bnt_gguf_tensor(r->g, name);
    if (!t) return false;
    if (t->dims[0] != cols || t->dims[1] != rows) r->why = "a tensor has another shape";
    if (!dec_open(out, t->type, t->data, (size_t)t->elements, (size_t)t->dims[0]))
        r->why = "unknown tensor type";
    return true;
}

static void get_part(struct reader *r, size_t block, const char *part, size_t cols, size_t rows,
                     struct dec_tensor *out) {
    char name[96];
    snprintf(name, sizeof name, "blk.%zu.%s.weight", block, part);
    if (!get_tensor(r, name, cols, rows, out)) r->why = "a tensor is missing";
}

static void get_matrix(struct reader *r, size_t block, const char *part, size_t cols, size_t rows,
                       struct matrix *out) {
    char name[96];
    struct dec_tensor factor = {0};
    get_part(r, block, part, cols, rows, &out->w);
    snprintf(name, sizeof name, "blk.%zu.%s.scale", block, part);
    out->factor = get_tensor(r, name, 1, 1, &factor) && factor.value ? factor.value[0] : 1;
    dec_close(&factor);
}

/* "attn_q.bias" and the like. */
static void get_vector(struct reader *r, size_t block, const char *part, size_t n,
                       struct dec_tensor *out) {
    char name[96];
    snprintf(name, sizeof name, "blk.%zu.%s", block, part);
    if (!get_tensor(r, name, n, 1, out)) r->why = "a tensor is missing";
}

static void read_layer(struct reader *r, const struct ref_model *m, size_t b, struct layer *l) {
    size_t q = m->heads * m->head_dim, kv = m->kv_heads * m->head_dim;
    get_part(r, b, "attn_norm", m->embd, 1, &l->attn_norm);
    get_matrix(r, b, "attn_q", m->embd, q, &l->q);
    get_matrix(r, b, "attn_k", m->embd, kv, &l->k);
    get_matrix(r, b, "attn_v", m->embd, kv, &l->v);
    if (m->qk_norms) get_part(r, b, "attn_q_norm", m->head_dim, 1, &l->q_norm);
    if (m->qk_norms) get_part(r, b, "attn_k_norm", m->head_dim, 1, &l->k_norm);
    if (m->sub_norms) get_part(r, b, "attn_sub_norm", q, 1, &l->attn_sub_norm);
    get_matrix(r, b, "attn_output", q, m->embd, &l->o);
    get_part(r, b, "ffn_norm", m->embd, 1, &l->ffn_norm);
    get_matrix(r, b, "ffn_gate", m->embd, m->ff, &l->gate);
    get_matrix(r, b, "ffn_up", m->embd, m->ff, &l->up);
    if (m->sub_norms) get_part(r, b, "ffn_sub_norm", m->ff, 1, &l->ffn_sub_norm);
    get_matrix(r, b, "ffn_down", m->ff, m->embd, &l->down);
    if (m->biases) {
        get_vector(r, b, "attn_q.bias", q, &l->q_bias);
        get_vector(r, b, "attn_k.bias", kv, &l->k_bias);
        get_vector(r, b, "attn_v.bias", kv, &l->v_bias);
    }
    if (m->post_norms) {
        get_part(r, b, "post_attention_norm", m->embd, 1, &l->post_attn_norm);
        get_part(r, b, "post_ffw_norm", m->embd, 1, &l->post_ffn_norm);
    }
    static const char *const parts[IN_COUNT] = {
        "attn_q_norm_in",   "attn_k_norm_in", "attn_v_norm_in",  "attn_output_norm_in",
        "ffn_gate_norm_in", "ffn_up_norm_in", "ffn_down_norm_in"};
    for (size_t i = 0; i < IN_COUNT && m->norms_in; i++)
        get_part(r, b, parts[i], i == IN_O ? q : i == IN_DOWN ? m->ff : m->embd, 1, &l->in[i]);
}

/* Divisors of the position, for all pairs and for each. */
static void read_rope(struct reader *r, struct ref_model *m) {
    struct bnt_str type = {"", 0};
    char name[96];
    snprintf(name, sizeof name, "%s.rope.scaling.type", r->arch);
    bnt_gguf_str(r->g, name, &type);
    bool yarn = bnt_str_eq(type, "yarn");
    bool longrope = bnt_str_eq(type, "longrope");
    m->attn_factor = get_real(r, "rope.scaling.attn_factor", 1);
    if (longrope) {
        m->longrope_context = get_size(r, "rope.scaling.original_context_length", 0);
        if (!get_tensor(r, "rope_factors_long.weight", m->n_rot / 2, 1, &m->factors_long) ||
            !get_tensor(r, "rope_factors_short.weight", m->n_rot / 2, 1, &m->factors_short))
            r->why = "no factors of longrope";
    }
    if (type.len && !yarn && !longrope && !bnt_str_eq(type, "linear") && !bnt_str_eq(type, "none"))
        r->why = "unknown kind of rope scaling";
    /* A factor without a type is linear: so llama.cpp, measured. */
    m->rope_factor = bnt_str_eq(type, "none") ? 1 : get_real(r, "rope.scaling.factor", 1);
    if (yarn) {
        size_t context = get_size(r, "context_length", 0);
        m->yarn_context = (double)get_size(r, "rope.scaling.original_context_length", context);
        m->yarn_beta_fast = get_real(r, "rope.scaling.yarn_beta_fast", 32);
        m->yarn_beta_slow = get_real(r, "rope.scaling.yarn_beta_slow", 1);
    }
    get_tensor(r, "rope_freqs.weight", m->n_rot / 2, 1, &m->rope_freqs);
}

/* What each architecture name means, and the one key that may say otherwise. */
static bool read_graph(struct reader *r, struct ref_model *m) {
    const char *arch = r->arch;
    bool b158 = strcmp(arch, "bitnet-b1.58") == 0 || strcmp(arch, "bitnet-25") == 0;
    bool bitnet = strcmp(arch, "bitnet") == 0, llama = strcmp(arch, "llama") == 0;
    bool qwen2 = strcmp(arch, "qwen2") == 0, qwen3 = strcmp(arch, "qwen3") == 0;
    bool minicpm = strcmp(arch, "minicpm") == 0, gemma3 = strcmp(arch, "gemma3") == 0;
    struct bnt_str act;
    char name[96];
    m->sub_norms = b158 || bitnet;
    m->act = b158 ? RELU2 : gemma3 ? GELU : SILU;
    m->qk_norms = qwen3 || gemma3;
    m->neox = !llama && !minicpm;
    m->biases = qwen2;
    m->post_norms = m->embd_root = gemma3;
    m->scales = minicpm;
    m->norms_in = bnt_gguf_tensor(r->g, "blk.0.attn_q_norm_in.weight") != NULL;
    snprintf(name, sizeof name, "%s.hidden_activation", arch);
    if (bnt_gguf_str(r->g, name, &act))
        m->act = bnt_str_eq(act, "relu2") ? RELU2 : bnt_str_eq(act, "silu") ? SILU : GELU;
    return b158 || bitnet || llama || qwen2 || qwen3 || minicpm || gemma3;
}

static void read_factors(struct reader *r, struct ref_model *m) {
    char name[96];
    m->embd_scale = m->branch_scale = m->logit_scale = 1;
    if (m->scales) {
        m->embd_scale = get_real(r, "embedding_scale", 0);
        m->branch_scale = get_real(r, "residual_scale", 0);
        m->logit_scale = get_real(r, "logit_scale", 0);
    }
    if (m->embd_root) m->embd_scale = sqrt((double)m->embd);
    snprintf(name, sizeof name, "%s.attention.scale", r->arch);
    bnt_gguf_f64(r->g, name, &m->attn_scale);
}

/* gemma3: five layers with a window, then one without. */
static void read_windows(struct reader *r, struct ref_model *m) {
    char name[96];
    uint64_t window = 0;
    snprintf(name, sizeof name, "%s.attention.sliding_window", r->arch);
    bnt_gguf_u64(r->g, name, &window);
    m->window = (size_t)window;
    if (!window) return;
    size_t period = get_size(r, "attention.sliding_window_pattern", 6);
    m->window_rope_base = get_real(r, "rope.freq_base_swa", 10000);
    for (size_t b = 0; b < m->blocks; b++) m->layers[b].windowed = (b + 1) % period != 0;
}

struct ref_model *ref_open(const struct bnt_gguf *g, const char **why) {
    struct reader r = {.g = g};
    struct bnt_str arch = {"", 0};
    struct ref_model *m = calloc(1, sizeof *m);
    if (!m) abort();
    bnt_gguf_str(g, "general.architecture", &arch);
    snprintf(r.arch, sizeof r.arch, "%.*s", (int)(arch.len < 31 ? arch.len : 31), arch.ptr);
    if (!read_graph(&r, m)) r.why = "unknown architecture";
    m->blocks = get_size(&r, "block_count", 0);
    m->embd = get_size(&r, "embedding_length", 0);
    m->ff = get_size(&r, "feed_forward_length", 0);
    m->heads = get_size(&r, "attention.head_count", 0);
    m->kv_heads = get_size(&r, "attention.head_count_kv", m->heads);
    m->eps = get_real(&r, "attention.layer_norm_rms_epsilon", 0);
    m->rope_base = get_real(&r, "rope.freq_base", 10000);
    m->context = get_size(&r, "context_length", 0);
    if (m->context > 4096) m->context = 4096; /* a session's default */
    const struct bnt_gguf_tensor *embedding = bnt_gguf_tensor(g, "token_embd.weight");
    if (!embedding) r.why = "no token_embd.weight";
    if (!r.why) {
        m->head_dim = get_size(&r, "attention.key_length", m->embd / m->heads);
        m->n_rot = get_size(&r, "rope.dimension_count", m->head_dim);
        m->vocab = (size_t)embedding->dims[1];
        get_tensor(&r, "token_embd.weight", m->embd, m->vocab, &m->embedding);
        get_tensor(&r, "output.weight", m->embd, m->vocab, &m->output.w);
        m->output.factor = 1;
        read_rope(&r, m);
        if (!get_tensor(&r, "output_norm.weight", m->embd, 1, &m->output_norm))
            r.why = "no output_norm.weight";
        m->layers = calloc(m->blocks, sizeof *m->layers);
        if (!m->layers) abort();
        read_factors(&r, m);
        read_windows(&r, m);
        for (size_t b = 0; b < m->blocks; b++) read_layer(&r, m, b, &m->layers[b]);
    }
    *why = r.why;
    if (!r.why) return m;
    ref_close(m);
    return NULL;
}

void ref_close(struct ref_model *m) {
    if (!m) return;
    for (size_t b = 0; m->layers && b < m->blocks; b++) {
        struct layer *l = &m->layers[b];
        struct dec_tensor *all[] = {&l->attn_norm,
                                    &l->attn_sub_norm,
                                    &l->ffn_norm,
                                    &l->ffn_sub_norm,
                                    &l->q_norm,
                                    &l->k_norm,
                                    &l->q.w,
                                    &l->k.w,
                                    &l->v.w,
                                    &l->o.w,
                                    &l->gate.w,
                                    &l->up.w,
                                    &l->down.w,
                                    &l->q_bias,
                                    &l->k_bias,
                                    &l->v_bias,
                                    &l->post_attn_norm,
                                    &l->post_ffn_norm};
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) dec_close(all[i]);
        for (size_t i = 0; i < IN_COUNT; i++) dec_close(&l->in[i]);
    }
    dec_close(&m->embedding);
    dec_close(&m->output_norm);
    dec_close(&m->output.w);
    dec_close(&m->rope_freqs);
    dec_close(&m->factors_long);
    dec_close(&m->factors_short);
    free(m->layers);
    free(m);
}

size_t ref_vocab(const struct ref_model *m) {
    return m->vocab;
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

static void rmsnorm(const struct ref_model *m, const double *x, size_t n, const double *gain,
                    uint64_t mutations, double *y) {
    double sum = 0, eps = m->eps / (mutations & REF_EPS ? 10 : 1);
    bool no_gain = mutations & REF_NO_GAINS;
    for (size_t i = 0; i < n; i++) sum += x[i] * x[i];
    double r = 1 / sqrt(sum / (double)n + eps);
    for (size_t i = 0; i < n; i++) y[i] = x[i] * r * (no_gain ? 1 : gain[i]);
}

/* x as the engine's integer product sees it: q * amax / 127 with q an integer, for every `block`
 * values on their own (clauses 3 and 4). */
static void quantize(const double *x, size_t n, size_t block, double *y) {
    for (size_t b = 0; b < n; b += block) {
        double amax = 1e-5;
        for (size_t i = b; i < b + block; i++) amax = fmax(amax, fabs(x[i]));
        for (size_t i = b; i < b + block; i++) y[i] = rint(x[i] * (127 / amax)) * (amax / 127);
    }
}

/* The scale of the block that element `at` of a ternary tensor lies in. */
static double scale_at(const struct dec_tensor *w, size_t at, uint64_t mutations) {
    size_t block = at / w->block, blocks = w->n / w->block;
    return w->scale[mutations & REF_OTHER_BLOCK_SCALE ? (block + 1) % blocks : block];
}

/* y[rows] = w[rows][cols] x[cols]. */
static void linear(const struct matrix *matrix, size_t rows, size_t cols, const double *x,
                   uint64_t mutations, double *y) {
    const struct dec_tensor *w = &matrix->w;
    const size_t block = w->trit && w->block < cols ? w->block : cols;
    double *input = zeros(cols);
    memcpy(input, x, cols * sizeof *x);
    if (w->trit && !(mutations & REF_NO_ACT_QUANT)) quantize(x, cols, block, input);
    for (size_t r = 0; r < rows; r++) {
        y[r] = 0;
        for (size_t b = 0; b < cols; b += block) {
            size_t at = r * cols + b;
            double sum = 0;
            for (size_t i = 0; i < block; i++)
                sum += input[b + i] * (w->trit ? w->trit[at + i] : w->value[at + i]);
            y[r] += sum * (w->trit ? scale_at(w, at, mutations) : 1);
        }
        if (!(mutations & REF_NO_SCALE_TENSORS)) y[r] *= matrix->factor;
    }
    free(input);
}

/* How often dimension i turns within YaRN's original context: the paper's r(d). */
static double turns(const struct ref_model *m, double base, size_t i) {
    return m->yarn_context / (2 * acos(-1.0) * pow(base, 2.0 * (double)i / (double)m->n_rot));
}

/* The paper's gamma: the share of dimension i that keeps its frequency. As in its authors' program
 * the ramp runs over whole dimensions, from the last that turns beta_fast times or more to the
 * first that turns beta_slow times or less. */
static double yarn_gamma(const struct ref_model *m, double base, size_t i) {
    size_t low = 0, high = m->n_rot - 1;
    for (size_t k = 0; k < m->n_rot; k++)
        if (turns(m, base, k) >= m->yarn_beta_fast) low = k;
    for (size_t k = m->n_rot; k-- > 0;)
        if (turns(m, base, k) <= m->yarn_beta_slow) high = k;
    if (i <= low) return 1;
    return i >= high ? 0 : 1 - ((double)i - (double)low) / ((double)high - (double)low);
}

/* The frequency of pair i, and what its cosine and sine are multiplied by. */
static double frequency(const struct ref_model *m, bool windowed, size_t i, uint64_t mutations,
                        double *magnitude) {
    double base = m->rope_base, s = m->rope_factor;
    const bool own = windowed && !(mutations & REF_ONE_ROPE_BASE); /* a base and nothing else */
    if (own) base = m->window_rope_base;
    if (mutations & REF_ROPE_BASE) base = base == 10000 ? 500000 : 10000;
    double theta = pow(base, -2.0 * (double)i / (double)m->n_rot);
    *magnitude = mutations & REF_NO_ATTN_FACTOR ? 1 : m->attn_factor;
    if (mutations & REF_NO_ROPE_SCALING || own) return theta;
    if (m->rope_freqs.n) theta /= m->rope_freqs.value[i];
    if (m->longrope_context) {
        bool is_long = m->context > m->longrope_context;
        if (mutations & REF_OTHER_LONGROPE) is_long = !is_long;
        theta /= is_long ? m->factors_long.value[i] : m->factors_short.value[i];
    }
    if (m->yarn_context == 0) return theta / s;
    if (s > 1 && !(mutations & REF_NO_YARN_MAGNITUDE)) *magnitude *= 0.1 * log(s) + 1;
    if (mutations & REF_NO_YARN_FACTOR) return theta;
    double gamma = mutations & REF_YARN_LINEAR ? 0 : yarn_gamma(m, base, i);
    return (1 - gamma) * theta / s + gamma * theta;
}

static void rope(const struct ref_model *m, bool windowed, double *head, size_t position,
                 uint64_t mutations) {
    bool neox = m->neox != !!(mutations & REF_OTHER_ROPE);
    if (mutations & REF_NO_ROPE) return;
    for (size_t i = 0; i < m->n_rot / 2; i++) {
        double size, angle = (double)position * frequency(m, windowed, i, mutations, &size);
        double *a = &head[neox ? i : 2 * i], *b = &head[neox ? i + m->n_rot / 2 : 2 * i + 1];
        double a0 = *a, b0 = *b;
        *a = (a0 * cos(angle) - b0 * sin(angle)) * size;
        *b = (a0 * sin(angle) + b0 * cos(angle)) * size;
    }
}

static double activation(enum act act, double x, uint64_t mutations) {
    if (act == RELU2) return mutations & REF_RELU_NOT_SQUARED ? fmax(x, 0) : x > 0 ? x * x : 0;
    if (act == SILU) return x / (1 + exp(-x));
    if (mutations & REF_GELU_SIGMOID) return x / (1 + exp(-1.702 * x));
    return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
}

/* ---- one token through the network ----------------------------------------------------------- */

struct run {
    const struct ref_model *m;
    uint64_t mutations;
    size_t position, capacity;
    double *keys, *values; /* [blocks][capacity][kv_heads * head_dim], binary16 values */
    double *norm, *in, *q, *k, *v, *attn, *branch, *gate, *up;
};

/* Query head h over all positions up to this one. */
static void attend(struct run *s, size_t block, size_t h) {
    const struct ref_model *m = s->m;
    size_t d = m->head_dim, kv_width = m->kv_heads * d, seen = s->position + 1;
    size_t kv_head = h / (m->heads / m->kv_heads);
    if (s->mutations & REF_KV_MODULO) kv_head = h % m->kv_heads;
    if (s->mutations & REF_NOT_CAUSAL && seen > 1) seen--;
    const double *keys = s->keys + block * s->capacity * kv_width + kv_head * d;
    const double *values = s->values + block * s->capacity * kv_width + kv_head * d;
    double *score = zeros(seen), max = -INFINITY, sum = 0, *out = s->attn + h * d;
    double scale = 1 / sqrt((double)d);
    if (m->attn_scale > 0 && !(s->mutations & REF_NO_ATTN_SCALE)) scale = m->attn_scale;
    if (s->mutations & REF_NO_SCORE_SCALE) scale = 1;
    size_t window = m->layers[block].windowed && !(s->mutations & REF_NO_WINDOW) ? m->window : seen;
    if (s->mutations & REF_WINDOW_OFF) window++;
    const size_t first = seen > window ? seen - window : 0;
    for (size_t t = first; t < seen; t++) {
        for (size_t i = 0; i < d; i++) score[t] += s->q[h * d + i] * keys[t * kv_width + i];
        score[t] *= scale;
        max = fmax(max, score[t]);
    }
    for (size_t t = first; t < seen; t++) sum += score[t] = exp(score[t] - max);
    memset(out, 0, d * sizeof *out);
    for (size_t t = first; t < seen; t++)
        for (size_t i = 0; i < d; i++) out[i] += score[t] / sum * values[t * kv_width + i];
    free(score);
}

/* What a projection reads: x, or x normalised by the norm it has for itself. */
static const double *input(struct run *s, const struct layer *l, size_t which, const double *x,
                           size_t n) {
    if (!s->m->norms_in || s->mutations & REF_NO_NORMS_IN) return x;
    if (s->mutations & REF_ONE_NORM_IN && (which == IN_K || which == IN_V)) which = IN_Q;
    rmsnorm(s->m, x, n, l->in[which].value, s->mutations, s->in);
    return s->in;
}

/* The branch joins x, unless `lost` is among the mutations: then it takes its place. */
static void join(struct run *s, const struct dec_tensor *post_norm, uint64_t lost, double *x) {
    const struct ref_model *m = s->m;
    if (m->post_norms && !(s->mutations & REF_NO_POST_NORMS))
        rmsnorm(m, s->branch, m->embd, post_norm->value, s->mutations, s->branch);
    double factor = s->mutations & REF_NO_BRANCH_SCALE ? 1 : m->branch_scale;
    for (size_t i = 0; i < m->embd; i++)
        x[i] = (s->mutations & lost ? 0 : x[i]) + factor * s->branch[i];
}

static void attention(struct run *s, size_t block, double *x) {
    const struct ref_model *m = s->m;
    const struct layer *l = &m->layers[block];
    const uint64_t mut = s->mutations;
    size_t d = m->head_dim, width = m->heads * d, kv_width = m->kv_heads * d;
    rmsnorm(m, x, m->embd, l->attn_norm.value, mut, s->norm);
    linear(&l->q, width, m->embd, input(s, l, IN_Q, s->norm, m->embd), mut, s->q);
    linear(&l->k, kv_width, m->embd, input(s, l, IN_K, s->norm, m->embd), mut, s->k);
    linear(&l->v, kv_width, m->embd, input(s, l, IN_V, s->norm, m->embd), mut, s->v);
    for (size_t i = 0; i < width && m->biases && !(mut & REF_NO_Q_BIAS); i++)
        s->q[i] += l->q_bias.value[i];
    for (size_t i = 0; i < kv_width && m->biases; i++) {
        if (!(mut & REF_NO_K_BIAS)) s->k[i] += l->k_bias.value[i];
        if (!(mut & REF_NO_V_BIAS)) s->v[i] += l->v_bias.value[i];
    }
    for (size_t h = 0; m->qk_norms && h < m->heads && !(mut & REF_NO_Q_NORM); h++)
        rmsnorm(m, s->q + h * d, d, l->q_norm.value, mut, s->q + h * d);
    for (size_t h = 0; m->qk_norms && h < m->kv_heads && !(mut & REF_NO_K_NORM); h++)
        rmsnorm(m, s->k + h * d, d, l->k_norm.value, mut, s->k + h * d);
    size_t q_position = s->position + (mut & REF_POSITION_OFF ? 1 : 0);
    for (size_t h = 0; h < m->heads; h++) rope(m, l->windowed, s->q + h * d, q_position, mut);
    for (size_t h = 0; h < m->kv_heads; h++) rope(m, l->windowed, s->k + h * d, s->position, mut);
    size_t at = (block * s->capacity + s->position) * kv_width;
    for (size_t i = 0; i < kv_width; i++) {
        s->keys[at + i] = mut & REF_EXACT_KV ? s->k[i] : dec_round_f16(s->k[i]);
        s->values[at + i] = mut & REF_EXACT_KV ? s->v[i] : dec_round_f16(s->v[i]);
    }
    for (size_t h = 0; h < m->heads; h++) attend(s, block, h);
    if (m->sub_norms && !(mut & REF_NO_ATTN_SUB_NORM))
        rmsnorm(m, s->attn, width, l->attn_sub_norm.value, mut, s->attn);
    linear(&l->o, m->embd, width, input(s, l, IN_O, s->attn, width), mut, s->branch);
    join(s, &l->post_attn_norm, REF_NO_ATTN_RESIDUAL, x);
}

static void feed_forward(struct run *s, size_t block, double *x) {
    const struct ref_model *m = s->m;
    const struct layer *l = &m->layers[block];
    const uint64_t mut = s->mutations;
    rmsnorm(m, x, m->embd, l->ffn_norm.value, mut, s->norm);
    linear(&l->gate, m->ff, m->embd, input(s, l, IN_GATE, s->norm, m->embd), mut, s->gate);
    linear(&l->up, m->ff, m->embd, input(s, l, IN_UP, s->norm, m->embd), mut, s->up);
    for (size_t i = 0; i < m->ff; i++) {
        double g = mut & REF_SWAP_GATE_UP ? s->up[i] : s->gate[i];
        double u = mut & REF_SWAP_GATE_UP ? s->gate[i] : s->up[i];
        enum act act = !(mut & REF_SWAP_GATE) ? m->act : m->act == RELU2 ? SILU : RELU2;
        double a = activation(act, g, mut);
        s->gate[i] = a * u;
    }
    if (m->sub_norms && !(mut & REF_NO_FFN_SUB_NORM))
        rmsnorm(m, s->gate, m->ff, l->ffn_sub_norm.value, mut, s->gate);
    linear(&l->down, m->embd, m->ff, input(s, l, IN_DOWN, s->gate, m->ff), mut, s->branch);
    if (mut & REF_NO_WEIGHT_SCALE && l->down.w.trit)
        for (size_t i = 0; i < m->embd; i++) s->branch[i] /= l->down.w.scale[0];
    join(s, &l->post_ffn_norm, REF_NO_FFN_RESIDUAL, x);
}

static void token(struct run *s, int32_t id, double *logits) {
    const struct ref_model *m = s->m;
    const struct matrix tied = {m->embedding, 1};
    const struct matrix *head = m->output.w.n ? &m->output : &tied;
    double *x = zeros(m->embd);
    for (size_t i = 0; i < m->embd; i++) {
        size_t at = (size_t)id * m->embd + i;
        x[i] = m->embedding.trit ? m->embedding.trit[at] * scale_at(&m->embedding, at, s->mutations)
                                 : m->embedding.value[at];
        if (!(s->mutations & REF_NO_EMBD_SCALE)) x[i] *= m->embd_scale;
    }
    for (size_t b = 0; b < m->blocks; b++) {
        attention(s, b, x);
        feed_forward(s, b, x);
    }
    if (!(s->mutations & REF_NO_OUTPUT_NORM))
        rmsnorm(m, x, m->embd, m->output_norm.value, s->mutations, x);
    linear(head, m->vocab, m->embd, x, s->mutations, logits);
    for (size_t i = 0; i < m->vocab && !(s->mutations & REF_NO_LOGIT_SCALE); i++)
        logits[i] /= m->logit_scale;
    free(x);
}

void ref_forward(const struct ref_model *m, const int32_t *tokens, size_t n, uint64_t mutations,
                 double *logits) {
    size_t width = m->heads * m->head_dim, kv_width = m->kv_heads * m->head_dim;
    struct run s = {.m = m,
                    .mutations = mutations,
                    .capacity = n,
                    .keys = zeros(m->blocks * n * kv_width),
                    .values = zeros(m->blocks * n * kv_width),
                    .norm = zeros(m->embd),
                    .in = zeros(m->embd + width + m->ff),
                    .q = zeros(width),
                    .k = zeros(kv_width),
                    .v = zeros(kv_width),
                    .attn = zeros(width),
                    .branch = zeros(m->embd),
                    .gate = zeros(m->ff),
                    .up = zeros(m->ff)};
    for (size_t t = 0; t < n; t++) {
        s.position = t;
        token(&s, tokens[t], logits + t * m->vocab);
    }
    double *all[] = {s.keys, s.values, s.in, s.norm, s.q, s.k, s.v, s.attn, s.branch, s.gate, s.up};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

double ref_distance(const float *a, const double *b, size_t n) {
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(a[i])) return INFINITY;
        double d = (double)a[i] - b[i];
        difference += d * d;
        norm += b[i] * b[i];
    }
    return sqrt(difference / norm);
}
