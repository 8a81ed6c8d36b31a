/*
 * synth.c - makes GGUF models with random weights; see synth.h.
 *
 * Each tensor is a small description (struct source) that produces its bytes in chunks when the
 * file is written. Speed comes from tables: four trits per random byte, a 16-bit float per twelve
 * random bits.
 */
#include "synth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_write.h"
#include "rng.h"
#include "synth_head.h"
#include "synth_i2s.h"
#include "vocab.h"

enum { CHUNK = 8192, NORMALS = 4096 }; /* elements; a multiple of every block */

struct source {
    char name[64];
    uint64_t seed, elements, cols;
    uint32_t type;
    float scale; /* of the trits; standard deviation of dense values */
    float mean;  /* of dense values */
    bool varied, f16_scales;
};

/* ---- random values --------------------------------------------------------------------------- */

/* Four trits per byte, as the bytes of a word; each of the 81 combinations 3 or 4 times. */
static const uint32_t *trit_table(void) {
    static uint32_t table[256];
    if (!table[0]) {
        for (unsigned b = 0; b < 256; b++) {
            unsigned v = b * 81 / 256;
            int8_t t[4];
            for (int i = 0; i < 4; i++, v /= 3) t[i] = (int8_t)((int)(v % 3) - 1);
            memcpy(&table[b], t, 4);
        }
    }
    return table;
}

void synth_trits(struct rng *r, int8_t *out, size_t n) {
    const uint32_t *table = trit_table();
    for (size_t i = 0; i < n; i += 32) {
        uint64_t u = rng_next(r);
        for (size_t j = 0; j < 8; j++) memcpy(out + i + 4 * j, &table[u >> 8 * j & 255], 4);
    }
}

/* A fixed sample of the normal distribution, symmetric so that its mean is exactly 0. */
static const float *normal_table(void) {
    static float table[NORMALS];
    if (table[0] == 0) {
        struct rng r = rng_stream(0, 0);
        for (int i = 0; i < NORMALS / 2; i++) {
            table[i] = rng_normal(&r);
            table[i + NORMALS / 2] = -table[i];
        }
    }
    return table;
}

/* ---- producing tensors ----------------------------------------------------------------------- */

/* Q1_0 has no zeros; what it has in their place depends on the place alone. */
static void without_zeros(int8_t *trits, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (trits[i] == 0) trits[i] = i * 5 % 7 < 4 ? 1 : -1;
}

static void fill_ternary(void *context, struct gw_sink *sink) {
    const struct source *s = context;
    struct rng r = rng_named(s->seed, s->name), rs = rng_named(s->seed + 1, s->name);
    const bool by_row = enc_row_bytes(s->type) != 0; /* a row at a time, then */
    const size_t most = by_row ? (size_t)s->cols : CHUNK, span = (size_t)enc_span(s->type, most);
    int8_t *trits = malloc(most);
    float *scales = malloc((most / span + 1) * sizeof *scales);
    uint8_t *bytes = malloc(most + ENC_I2_S_TAIL);
    if (!trits || !scales || !bytes) abort();
    for (uint64_t at = 0; at < s->elements; at += most) {
        size_t n = s->elements - at < most ? (size_t)(s->elements - at) : most;
        synth_trits(&r, trits, n);
        if (s->type == T_Q1_0) without_zeros(trits, n);
        for (size_t b = 0; b < n / span; b++) {
            scales[b] = s->scale * (s->varied ? 0.5f + rng_unit(&rs) : 1.0f);
            if (s->f16_scales) scales[b] = enc_f16_value(scales[b]);
        }
        if (s->type == T_I2_S) {
            enc_i2_s(trits, n, bytes);
            gw_emit(sink, bytes, n / 4);
        } else {
            enc_ternary(s->type, trits, scales, 1, n, bytes);
            gw_emit(sink, bytes, (size_t)enc_tensor_bytes(s->type, 1, n));
        }
    }
    if (s->type == T_I2_S) {
        enc_i2_s_tail(s->f16_scales ? enc_f16_value(s->scale) : s->scale, bytes);
        gw_emit(sink, bytes, ENC_I2_S_TAIL);
    }
    free(trits);
    free(scales);
    free(bytes);
}

static void fill_dense(void *context, struct gw_sink *sink) {
    const struct source *s = context;
    struct rng r = rng_named(s->seed, s->name);
    const float *normal = normal_table();
    static float values[NORMALS];
    static uint16_t halves[NORMALS];
    for (int i = 0; i < NORMALS; i++) {
        values[i] = s->mean + normal[i] * s->scale;
        halves[i] = s->type == T_BF16 ? enc_bf16(values[i]) : enc_f16(values[i]);
    }
    float x[CHUNK];
    uint8_t bytes[4 * CHUNK];
    for (uint64_t at = 0; at < s->elements; at += CHUNK) {
        size_t n = s->elements - at < CHUNK ? (size_t)(s->elements - at) : CHUNK;
        uint64_t u = 0;
        if (s->type == T_F16 || s->type == T_BF16) {
            for (size_t i = 0; i < n; i++, u >>= 16) {
                if (i % 4 == 0) u = rng_next(&r);
                uint16_t h = halves[u & (NORMALS - 1)];
                bytes[2 * i] = (uint8_t)h;
                bytes[2 * i + 1] = (uint8_t)(h >> 8);
            }
        } else {
            for (size_t i = 0; i < n; i++, u >>= 16) {
                if (i % 4 == 0) u = rng_next(&r);
                x[i] = values[u & (NORMALS - 1)];
            }
            enc_dense(s->type, x, n, bytes);
        }
        gw_emit(sink, bytes, (size_t)enc_bytes(s->type, n));
    }
}

/* Layouts other than A, and structure. */
static void add_i2s(struct gw *w, const struct synth *s, const char *name, uint64_t cols,
                    uint64_t rows, float scale) {
    struct synth_i2s *src = malloc(sizeof *src);
    if (!src) abort();
    *src = (struct synth_i2s){.seed = s->seed,
                              .rows = rows,
                              .cols = cols,
                              .scale = s->f16_scales ? enc_f16_value(scale) : scale,
                              .layout = s->i2s_layout ? s->i2s_layout : 'a',
                              .structure = s->structure,
                              .head_dim = s->head_dim,
                              .heads_per_kv = s->heads / s->kv_heads};
    snprintf(src->name, sizeof src->name, "%s", name);
    gw_tensor_fill(w, name, T_I2_S, 2, (uint64_t[2]){cols, rows}, enc_bytes(T_I2_S, cols * rows),
                   synth_i2s_fill, src, free);
}

static void add(struct gw *w, const struct synth *s, const char *name, uint32_t type, uint64_t cols,
                uint64_t rows, float scale, float mean) {
    if (s->omit && strcmp(name, s->omit) == 0) return;
    if (type == T_I2_S && (s->structure > 0 || (s->i2s_layout && s->i2s_layout != 'a'))) {
        add_i2s(w, s, name, cols, rows, scale);
        return;
    }
    struct source *src = malloc(sizeof *src);
    if (!src) abort();
    *src = (struct source){.seed = s->seed,
                           .elements = cols * (rows ? rows : 1),
                           .cols = cols,
                           .type = type,
                           .scale = scale,
                           .mean = mean,
                           .varied = s->tq_varied,
                           .f16_scales = s->f16_scales};
    snprintf(src->name, sizeof src->name, "%s", name);
    uint64_t dims[2] = {cols, rows};
    gw_tensor_fill(w, name, enc_file_id(type), rows ? 2 : 1, dims,
                   enc_tensor_bytes(type, rows ? rows : 1, cols),
                   enc_is_ternary(type) ? fill_ternary : fill_dense, src, free);
}

/* Embedding, head or last norm, as training leaves them. */
static void add_head(struct gw *w, const struct synth *s, const char *name, uint32_t type,
                     float scale, uint64_t later) {
    const bool norm = strcmp(name, "output_norm.weight") == 0;
    struct synth_head *src = malloc(sizeof *src);
    if (!src) abort();
    *src = (struct synth_head){.seed = s->seed,
                               .rows = s->vocab,
                               .cols = s->embd,
                               .type = type,
                               .later = later,
                               .scale = scale};
    gw_tensor_fill(w, name, enc_file_id(type), norm ? 1 : 2, (uint64_t[2]){s->embd, s->vocab},
                   enc_bytes(type, s->embd) * (norm ? 1 : s->vocab),
                   norm ? synth_head_norm : synth_head_fill, src, free);
}

/* What one scale makes of random values of that type. */
static float deviation(uint32_t type) {
    return enc_is_ternary(type) && type != T_Q1_0 ? sqrtf(2.0f / 3.0f) : 1.0f;
}

/* A linear layer whose output has standard deviation `gain` when its input has 1. */
static void add_linear(struct gw *w, const struct synth *s, uint32_t block, const char *part,
                       uint64_t cols, uint64_t rows, float gain) {
    char name[64];
    snprintf(name, sizeof name, "blk.%u.%s.weight", (unsigned)block, part);
    add(w, s, name, s->type, cols, rows, gain / (sqrtf((float)cols) * deviation(s->type)), 0);
    if (!s->scale_tensors) return;
    snprintf(name, sizeof name, "blk.%u.%s.scale", (unsigned)block, part);
    add(w, s, name, T_F32, 1, 0, 0.2f, 1);
}

static void add_norm(struct gw *w, const struct synth *s, uint32_t block, const char *part,
                     uint64_t n) {
    char name[64];
    snprintf(name, sizeof name, "blk.%u.%s.weight", (unsigned)block, part);
    add(w, s, name, T_F32, n, 0, 0.1f, 1.0f);
}

/* ---- the model ------------------------------------------------------------------------------- */

bool synth_preset(struct synth *s, const char *like) {
    if (strcmp(like, "2b4t") == 0) {
        *s = (struct synth){.arch = "bitnet-b1.58",
                            .type = T_I2_S,
                            .embd_type = T_F16,
                            .output_type = T_F16,
                            .blocks = 30,
                            .embd = 2560,
                            .ff = 6912,
                            .heads = 20,
                            .kv_heads = 5,
                            .head_dim = 128,
                            .ctx = 4096,
                            .vocab = 128256,
                            .rope_base = 500000,
                            .eps = 1e-5f,
                            .seed = 1,
                            .version = 3,
                            .alignment = 32};
        return true;
    }
    if (strcmp(like, "tiny") == 0) {
        *s = (struct synth){.arch = "bitnet-b1.58",
                            .type = T_I2_S,
                            .embd_type = T_F16,
                            .output_type = T_F16,
                            .blocks = 2,
                            .embd = 256,
                            .ff = 512,
                            .heads = 4,
                            .kv_heads = 2,
                            .head_dim = 64,
                            .ctx = 512,
                            .vocab = 512,
                            .rope_base = 10000,
                            .eps = 1e-5f,
                            .seed = 1,
                            .version = 3,
                            .alignment = 32};
        return true;
    }
    if (strcmp(like, "bonsai-1.7b") == 0) {
        *s = (struct synth){.arch = "qwen3",
                            .type = T_Q2_0_128,
                            .embd_type = T_Q2_0_128,
                            .output_type = T_Q2_0_128,
                            .blocks = 28,
                            .embd = 2048,
                            .ff = 6144,
                            .heads = 16,
                            .kv_heads = 8,
                            .head_dim = 128,
                            .ctx = 32768,
                            .vocab = 151936,
                            .rope_base = 1000000,
                            .eps = 1e-6f,
                            .seed = 1,
                            .tq_varied = true,
                            .yarn_factor = 4,
                            .yarn_context = 8192,
                            .version = 3,
                            .alignment = 32};
        return true;
    }
    return false;
}

static bool is(const struct synth *s, const char *arch) {
    return strcmp(s->arch, arch) == 0;
}

static bool has_qk_norms(const struct synth *s) {
    return is(s, "qwen3") || is(s, "gemma3");
}

static bool has_sub_norms(const struct synth *s) {
    return strncmp(s->arch, "bitnet", 6) == 0;
}

/* I2_S counts its blocks over the whole tensor, the other types over a row. */
static bool fits(uint32_t type, uint64_t cols, uint64_t rows) {
    return (type == T_I2_S ? cols * rows : cols) % enc_block(type) == 0;
}

const char *synth_fault(const struct synth *s) {
    static const char *const archs[] = {"bitnet-b1.58", "bitnet-25", "bitnet",  "llama",
                                        "qwen2",        "qwen3",     "minicpm", "gemma3"};
    bool known = false;
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) known |= is(s, archs[i]);
    if (!known) return "unknown architecture";
    if (!s->blocks || !s->embd || !s->ff || !s->heads || !s->kv_heads || !s->head_dim || !s->ctx)
        return "a dimension is zero";
    if (s->heads % s->kv_heads) return "heads is not a multiple of kv-heads";
    if (s->head_dim % 2 || s->n_rot % 2 || s->n_rot > s->head_dim) return "bad head dimension";
    if (s->vocab < VOCAB_MIN) return "vocab is below 272";
    if (s->tokens && (s->tokens < VOCAB_MIN || s->tokens > s->vocab))
        return "tokens is below 272 or above vocab";
    if (s->alignment < 8 || s->alignment & (s->alignment - 1)) return "bad alignment";
    if ((s->structure > 0 || s->i2s_layout > 'a') &&
        (s->embd % 32 || s->ff % 32 || s->heads * s->head_dim % 32 ||
         s->kv_heads * s->head_dim % 4))
        return "I2_S layouts and structure want widths that are multiples of 32";
    if ((s->rope_linear > 0) + (s->yarn_factor > 0) + (s->longrope_context > 0) > 1)
        return "two kinds of rope scaling";
    if (s->norms_in && !has_qk_norms(s)) return "norms before projections are of qwen3 and gemma3";
    if (s->window && !is(s, "gemma3")) return "windows are of gemma3";
    if (s->longrope_context && !is(s, "minicpm")) return "longrope is of minicpm";
    if (s->stands_out > 0 && (!s->untied || enc_is_ternary(s->embd_type) ||
                              enc_is_ternary(s->output_type) || strcmp(s->arch, "gemma3") == 0))
        return "a trained head is dense, untied, and not gemma3's";
    if (!fits(s->embd_type, s->embd, s->vocab)) return "embd does not fit the embedding type";
    if (s->untied && !fits(s->output_type, s->embd, s->vocab))
        return "embd does not fit output.weight";
    const uint64_t q = (uint64_t)s->heads * s->head_dim, kv = (uint64_t)s->kv_heads * s->head_dim;
    if (!fits(s->type, s->embd, q) || !fits(s->type, s->embd, kv) || !fits(s->type, q, s->embd) ||
        !fits(s->type, s->embd, s->ff) || !fits(s->type, s->ff, s->embd))
        return "a dimension does not fit the type of the linear layers";
    return NULL;
}

uint64_t synth_parameters(const struct synth *s) {
    uint64_t q = (uint64_t)s->heads * s->head_dim, kv = (uint64_t)s->kv_heads * s->head_dim;
    uint64_t block = 2 * s->embd * q + 2 * s->embd * kv + 3 * (uint64_t)s->embd * s->ff;
    return s->blocks * block + (uint64_t)s->vocab * s->embd * (s->untied ? 2 : 1);
}

static uint32_t file_type(uint32_t type) {
    switch (type) {
    case T_F16: return 1;
    case T_Q8_0: return 7;
    case T_Q6_K: return 18;
    case T_BF16: return 32;
    case T_TQ1_0: return 36;
    case T_TQ2_0: return 37;
    case T_I2_S: return 40;
    default: return 0;
    }
}

static bool is_left_out(const struct synth *s, const char *key) {
    return (s->bad_key && strcmp(key, s->bad_key) == 0) ||
           (s->omit_key && strcmp(key, s->omit_key) == 0);
}

static void arch_u32(struct gw *w, const struct synth *s, const char *key, uint32_t v) {
    char name[96];
    if (is_left_out(s, key)) return;
    snprintf(name, sizeof name, "%s.%s", s->arch, key);
    gw_key_u32(w, name, v);
}

static void arch_f32(struct gw *w, const struct synth *s, const char *key, float v) {
    char name[96];
    if (is_left_out(s, key)) return;
    snprintf(name, sizeof name, "%s.%s", s->arch, key);
    gw_key_f32(w, name, v);
}

/* Takes the place of the right key of that name, which arch_u32 and arch_f32 then leave out. */
static void add_bad_key(struct gw *w, const struct synth *s) {
    char name[96];
    snprintf(name, sizeof name, "%s.%s", s->arch, s->bad_key);
    if (s->bad_string) {
        gw_key_str(w, name, s->bad_string);
    } else {
        gw_key_u32(w, name, s->bad_value);
    }
}

static void add_rope_keys(struct gw *w, const struct synth *s) {
    char name[96];
    arch_f32(w, s, "rope.freq_base", s->rope_base);
    arch_u32(w, s, "rope.dimension_count", s->n_rot ? s->n_rot : s->head_dim);
    if (s->rope_attn_factor > 0) arch_f32(w, s, "rope.scaling.attn_factor", s->rope_attn_factor);
    if (s->longrope_context) {
        snprintf(name, sizeof name, "%s.rope.scaling.type", s->arch);
        gw_key_str(w, name, "longrope");
        arch_u32(w, s, "rope.scaling.original_context_length", s->longrope_context);
    }
    if (s->rope_linear == 0 && s->yarn_factor == 0) return;
    const bool yarn = s->yarn_factor > 0;
    snprintf(name, sizeof name, "%s.rope.scaling.type", s->arch);
    gw_key_str(w, name, yarn ? "yarn" : "linear");
    arch_f32(w, s, "rope.scaling.factor", yarn ? s->yarn_factor : s->rope_linear);
    if (!yarn) return;
    if (s->yarn_context) arch_u32(w, s, "rope.scaling.original_context_length", s->yarn_context);
    if (s->yarn_beta_fast > 0) arch_f32(w, s, "rope.scaling.yarn_beta_fast", s->yarn_beta_fast);
    if (s->yarn_beta_slow > 0) arch_f32(w, s, "rope.scaling.yarn_beta_slow", s->yarn_beta_slow);
}

/* Keys of single architectures. */
static void add_graph_keys(struct gw *w, const struct synth *s) {
    char name[96];
    if (is(s, "minicpm")) {
        arch_f32(w, s, "embedding_scale", s->embd_scale > 0 ? s->embd_scale : 5);
        arch_f32(w, s, "residual_scale", s->branch_scale > 0 ? s->branch_scale : 0.5f);
        arch_f32(w, s, "logit_scale", s->logit_scale > 0 ? s->logit_scale : 3);
    }
    if (s->window) arch_u32(w, s, "attention.sliding_window", s->window);
    if (s->window_period) arch_u32(w, s, "attention.sliding_window_pattern", s->window_period);
    if (s->window_rope_base > 0) arch_f32(w, s, "rope.freq_base_swa", s->window_rope_base);
    if (s->attn_scale > 0) arch_f32(w, s, "attention.scale", s->attn_scale);
    if (s->activation) {
        snprintf(name, sizeof name, "%s.hidden_activation", s->arch);
        gw_key_str(w, name, s->activation);
    }
}

static void add_keys(struct gw *w, const struct synth *s, const struct vocab *v) {
    char name[96];
    snprintf(name, sizeof name, "synthetic %s, seed %llu", s->arch, (unsigned long long)s->seed);
    gw_key_str(w, "general.architecture", s->arch);
    gw_key_str(w, "general.name", name);
    gw_key_u32(w, "general.file_type", file_type(s->type));
    arch_u32(w, s, "block_count", s->blocks);
    arch_u32(w, s, "context_length", s->ctx);
    arch_u32(w, s, "embedding_length", s->embd);
    arch_u32(w, s, "feed_forward_length", s->ff);
    arch_u32(w, s, "attention.head_count", s->heads);
    arch_u32(w, s, "attention.head_count_kv", s->kv_heads);
    if (s->head_dim * s->heads != s->embd) {
        arch_u32(w, s, "attention.key_length", s->head_dim);
        arch_u32(w, s, "attention.value_length", s->head_dim);
    }
    arch_f32(w, s, "attention.layer_norm_rms_epsilon", s->eps);
    add_rope_keys(w, s);
    add_graph_keys(w, s);
    arch_u32(w, s, "vocab_size", s->vocab);
    gw_key_str(w, "tokenizer.ggml.model", "gpt2");
    gw_key_str(w, "tokenizer.ggml.pre", "llama-bpe");
    gw_key_strings(w, "tokenizer.ggml.tokens", v->tokens, v->size);
    gw_key_array(w, "tokenizer.ggml.token_type", GW_I32, v->types, 4, v->size);
    gw_key_strings(w, "tokenizer.ggml.merges", v->merge_texts, v->merges);
    gw_key_u32(w, "tokenizer.ggml.bos_token_id", v->bos);
    gw_key_u32(w, "tokenizer.ggml.eos_token_id", v->eos);
    gw_key_bool(w, "tokenizer.ggml.add_bos_token", 1);
    if (s->chat_template) gw_key_str(w, "tokenizer.chat_template", s->chat_template);
}

static void add_bias(struct gw *w, const struct synth *s, uint32_t block, const char *part,
                     uint64_t n) {
    char name[64];
    snprintf(name, sizeof name, "blk.%u.%s.bias", (unsigned)block, part);
    if (is(s, "qwen2")) add(w, s, name, T_F32, n, 0, s->bias_scale > 0 ? s->bias_scale : 0.7f, 0);
}

/* The norm of one projection's input: binary16, as such files have it. */
static void add_norm_in(struct gw *w, const struct synth *s, uint32_t block, const char *part,
                        uint64_t n) {
    char name[64];
    snprintf(name, sizeof name, "blk.%u.%s_norm_in.weight", (unsigned)block, part);
    if (s->norms_in) add(w, s, name, T_F16, n, 0, 0.3f, 1.0f);
}

static void add_block(struct gw *w, const struct synth *s, uint32_t b) {
    const uint64_t embd = s->embd, ff = s->ff, q = (uint64_t)s->heads * s->head_dim,
                   kv = (uint64_t)s->kv_heads * s->head_dim;
    const bool post = is(s, "gemma3");
    const float branch =
        s->stands_out > 0 ? 0.5f * synth_head_branches(s->stands_out, s->blocks) : 0.5f;
    add_norm(w, s, b, "attn_norm", embd);
    add_norm_in(w, s, b, "attn_q", embd);
    add_linear(w, s, b, "attn_q", embd, q, 1.5f);
    add_bias(w, s, b, "attn_q", q);
    add_norm_in(w, s, b, "attn_k", embd);
    add_linear(w, s, b, "attn_k", embd, kv, 1.5f);
    add_bias(w, s, b, "attn_k", kv);
    add_norm_in(w, s, b, "attn_v", embd);
    add_linear(w, s, b, "attn_v", embd, kv, 1);
    add_bias(w, s, b, "attn_v", kv);
    if (has_qk_norms(s)) add_norm(w, s, b, "attn_q_norm", s->head_dim);
    if (has_qk_norms(s)) add_norm(w, s, b, "attn_k_norm", s->head_dim);
    if (has_sub_norms(s)) add_norm(w, s, b, "attn_sub_norm", q);
    add_norm_in(w, s, b, "attn_output", q);
    add_linear(w, s, b, "attn_output", q, embd, branch);
    if (post) add_norm(w, s, b, "post_attention_norm", embd);
    add_norm(w, s, b, "ffn_norm", embd);
    add_norm_in(w, s, b, "ffn_gate", embd);
    add_linear(w, s, b, "ffn_gate", embd, ff, 1);
    add_norm_in(w, s, b, "ffn_up", embd);
    add_linear(w, s, b, "ffn_up", embd, ff, 1);
    if (has_sub_norms(s)) add_norm(w, s, b, "ffn_sub_norm", ff);
    add_norm_in(w, s, b, "ffn_down", ff);
    add_linear(w, s, b, "ffn_down", ff, embd, branch);
    if (post) add_norm(w, s, b, "post_ffw_norm", embd);
}

static struct gw *build(const struct synth *s) {
    struct gw *w = gw_new(s->version, s->alignment);
    struct vocab *v = vocab_new(s->tokens ? s->tokens : s->vocab, s->seed);
    add_keys(w, s, v);
    if (s->bad_key) add_bad_key(w, s);
    if (s->more_keys) s->more_keys(w, s->more_keys_arg);
    vocab_free(v);
    const uint64_t embd = s->embd;
    /* Logits then have a standard deviation near 2.5, whatever the width. */
    const float embd_scale = 2.5f / sqrtf((float)embd);
    if (s->stands_out > 0)
        add_head(w, s, "token_embd.weight", s->embd_type, embd_scale, 0);
    else
        add(w, s, "token_embd.weight", s->embd_type, embd, s->vocab,
            embd_scale / deviation(s->embd_type), 0);
    for (uint32_t b = 0; b < s->blocks; b++) add_block(w, s, b);
    if (s->stands_out > 0) {
        add_head(w, s, "output_norm.weight", T_F32, 1, 0);
        add_head(w, s, "output.weight", s->output_type, embd_scale, 1);
    } else {
        add(w, s, "output_norm.weight", T_F32, embd, 0, 0.1f, 1);
    }
    if (s->untied && !(s->stands_out > 0))
        add(w, s, "output.weight", s->output_type, embd, s->vocab,
            embd_scale / deviation(s->output_type), 0);
    if (s->rope_freqs)
        add(w, s, "rope_freqs.weight", T_F32, (s->n_rot ? s->n_rot : s->head_dim) / 2, 0, 0.5f, 3);
    if (s->longrope_context) {
        const uint64_t n = (s->n_rot ? s->n_rot : s->head_dim) / 2;
        add(w, s, "rope_factors_long.weight", T_F32, n, 0, 0.1f, 0.6f);
        add(w, s, "rope_factors_short.weight", T_F32, n, 0, 0.3f, 1.7f);
    }
    if (s->extra) add(w, s, s->extra, T_F32, embd, 0, 1, 0);
    return w;
}

int synth_save(const struct synth *s, const char *path, uint64_t *bytes) {
    struct gw *w = build(s);
    int status = gw_save(w, path);
    if (bytes) *bytes = gw_file_size(w);
    gw_free(w);
    return status;
}

uint8_t *synth_memory(const struct synth *s, size_t *size) {
    struct gw *w = build(s);
    uint8_t *data = gw_memory(w, size);
    gw_free(w);
    return data;
}
