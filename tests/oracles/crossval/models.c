/*
 * models.c - the models both engines read, and the bounds for each kind; see models.h.
 */
#include "models.h"

#include <stdio.h>
#include <string.h>

#define ANY 1e30 /* the scale of a real model's logits is its own */

/* Median of rms, rms, KL, max, same top: of a text, then of lone tokens. */
const struct level_bounds levels[LEVELS] = {
    [FLOAT] = {"f32", {1.5e-3, 3e-3, 1.5e-5, 3.5e-2, 0.95}, {6e-7, 6e-4, 5e-7, 6e-3, 0.98}},
    [HALF] = {"f16", {3.5e-3, 7e-3, 5e-5, 7e-2, 0.93}, {1.5e-3, 2.5e-3, 2e-5, 2.5e-2, 0.97}},
    [BLOCKS] = {"dense blocks", {8e-2, 0.12, 2.5e-2, 1.2, 0.85}, {4e-2, 6e-2, 6e-3, 0.6, 0.9}},
    [ONE_SCALE] = {"ternary, activations quantized alike",
                   {6e-2, 0.14, 3e-2, 1.2, 0.88},
                   {6e-7, 7e-3, 5e-5, 7e-2, 0.97}},
    [TERNARY] = {"ternary", {8e-2, 0.16, 4.5e-2, 1.4, 0.85}, {4.5e-2, 6.5e-2, 7e-3, 0.65, 0.85}},
    [TERNARY_WIDE] = {"ternary, three wider blocks",
                      {0.16, 0.25, 0.11, 2.3, 0.7},
                      {9e-2, 0.14, 2.1e-2, 1.2, 0.85}},
    [FILE_DENSE] = {"a file, dense", {1e-2, 2e-2, 1e-3, ANY, 0.9}, {3e-3, 5e-3, 1e-4, ANY, 0.95}},
    [FILE_TERNARY] = {"a file, ternary", {0.3, 0.45, 0.4, ANY, 0.5}, {0.15, 0.25, 0.1, ANY, 0.7}},
};

/* Embeddings of a type in a model that is binary32 elsewhere: both engines only read them, so what
 * they read is compared to the bit. And a whole model of it. */
#define DENSE_TYPE(name, type)                                                                     \
    {"llama.F32." name "-embeddings", "llama", T_F32, type, SMALL, FLOAT, F32_HEAD}, {             \
        "llama." name, "llama", type, type, SMALL, BLOCKS, Q6_K_HEAD                               \
    }

const struct model models[] = {
    {"llama.F32", "llama", T_F32, T_F32, SMALL, FLOAT, 0},
    {"llama.F16", "llama", T_F16, T_F16, SMALL, HALF, 0},
    {"llama.TQ1_0", "llama", T_TQ1_0, T_F16, SMALL, TERNARY, 0},
    {"llama.TQ2_0", "llama", T_TQ2_0, T_F16, SMALL, TERNARY, 0},
    {"llama.TQ1_0.one-block", "llama", T_TQ1_0, T_F32, ONE_BLOCK, ONE_SCALE, 0},
    {"llama.TQ2_0.one-block", "llama", T_TQ2_0, T_F32, ONE_BLOCK, ONE_SCALE, 0},
    {"llama.TQ2_0.wide", "llama", T_TQ2_0, T_F16, WIDE, TERNARY_WIDE, 0},
    {"llama.TQ1_0.scale-a-block", "llama", T_TQ1_0, T_F32, SMALL, ONE_SCALE, VARIED},
    {"llama.TQ2_0.q6_k-embeddings", "llama", T_TQ2_0, T_Q6_K, SMALL, TERNARY, 0},
    {"llama.F32.linear-rope", "llama", T_F32, T_F32, SMALL, FLOAT, LINEAR_ROPE},
    {"llama.F32.rope-freqs", "llama", T_F32, T_F32, SMALL, FLOAT, ROPE_FREQS},
    DENSE_TYPE("Q4_0", T_Q4_0),
    DENSE_TYPE("Q4_1", T_Q4_1),
    DENSE_TYPE("Q5_0", T_Q5_0),
    DENSE_TYPE("Q5_1", T_Q5_1),
    DENSE_TYPE("Q8_0", T_Q8_0),
    DENSE_TYPE("Q2_K", T_Q2_K),
    DENSE_TYPE("Q3_K", T_Q3_K),
    DENSE_TYPE("Q4_K", T_Q4_K),
    DENSE_TYPE("Q5_K", T_Q5_K),
    DENSE_TYPE("Q6_K", T_Q6_K),
    DENSE_TYPE("IQ4_NL", T_IQ4_NL),
    DENSE_TYPE("IQ4_XS", T_IQ4_XS),
    {"llama.TQ2_0.as-quantized", "llama", T_TQ2_0, T_Q4_K, SMALL, TERNARY, Q6_K_HEAD},
    {"llama.Q1_0", "llama", T_Q1_0, T_F16, SMALL, TERNARY, VARIED},
    {"llama.Q1_0.embeddings", "llama", T_Q1_0, T_Q1_0, SMALL, TERNARY, VARIED},
    {"bitnet.F32", "bitnet", T_F32, T_F32, SMALL, FLOAT, 0},
    {"bitnet.F16", "bitnet", T_F16, T_F16, SMALL, HALF, 0},
    {"bitnet.TQ1_0", "bitnet", T_TQ1_0, T_F16, SMALL, TERNARY, 0},
    {"bitnet.TQ2_0", "bitnet", T_TQ2_0, T_F16, SMALL, TERNARY, 0},
    {"bitnet.TQ1_0.one-block", "bitnet", T_TQ1_0, T_F32, ONE_BLOCK, ONE_SCALE, 0},
    {"bitnet.TQ2_0.one-block", "bitnet", T_TQ2_0, T_F32, ONE_BLOCK, ONE_SCALE, 0},
    {"bitnet.TQ2_0.wide", "bitnet", T_TQ2_0, T_F16, WIDE, TERNARY_WIDE, 0},
    {"bitnet.TQ2_0.one-block.scales", "bitnet", T_TQ2_0, T_F32, ONE_BLOCK, ONE_SCALE,
     SCALE_TENSORS},
    {"bitnet.TQ1_0.scale-tensors", "bitnet", T_TQ1_0, T_F16, SMALL, TERNARY, SCALE_TENSORS},
    {"llama.Q2_0", "llama", T_Q2_0, T_F16, SMALL, TERNARY, VARIED},
    {"llama.Q2_0.embeddings", "llama", T_Q2_0, T_Q2_0, SMALL, TERNARY, VARIED},
    {"qwen3.F32", "qwen3", T_F32, T_F32, SMALL, FLOAT, 0},
    {"qwen3.F16", "qwen3", T_F16, T_F16, SMALL, HALF, 0},
    {"qwen3.TQ2_0.one-block", "qwen3", T_TQ2_0, T_F32, ONE_BLOCK, ONE_SCALE, 0},
    {"qwen3.F32.yarn", "qwen3", T_F32, T_F32, SMALL, FLOAT, YARN},
    {"qwen3.Q2_0", "qwen3", T_Q2_0, T_F16, SMALL, TERNARY, VARIED},
    {"qwen3.Q2_0.wide.embeddings", "qwen3", T_Q2_0, T_Q2_0, WIDE, TERNARY, YARN | VARIED},
    {"llama.F32.attn-factor", "llama", T_F32, T_F32, SMALL, FLOAT, ATTN_FACTOR},
    {"qwen3.F32.yarn.attn-factor", "qwen3", T_F32, T_F32, SMALL, FLOAT, YARN | ATTN_FACTOR},
    {"qwen2.F32", "qwen2", T_F32, T_F32, SMALL, FLOAT, 0},
    {"qwen2.F16", "qwen2", T_F16, T_F16, SMALL, HALF, 0},
    {"qwen2.TQ2_0.one-block", "qwen2", T_TQ2_0, T_F32, ONE_BLOCK, ONE_SCALE, 0},
    {"qwen2.TQ2_0.wide", "qwen2", T_TQ2_0, T_F16, WIDE, TERNARY_WIDE, 0},
    {"minicpm.F32", "minicpm", T_F32, T_F32, SMALL, FLOAT, 0},
    {"minicpm.F32.longrope", "minicpm", T_F32, T_F32, SMALL, FLOAT, LONGROPE},
    {"minicpm.F32.longrope-short", "minicpm", T_F32, T_F32, SMALL, FLOAT, LONGROPE_SHORT},
    {"minicpm.TQ2_0.one-block", "minicpm", T_TQ2_0, T_F32, ONE_BLOCK, ONE_SCALE, 0},
    {"minicpm.TQ2_0.wide", "minicpm", T_TQ2_0, T_F16, WIDE, TERNARY_WIDE, LONGROPE},
    {"gemma3.F32", "gemma3", T_F32, T_F32, SMALL, HALF, 0}, /* GELU from a table of binary16 */
    {"gemma3.F32.window", "gemma3", T_F32, T_F32, SMALL, HALF, WINDOW},
    {"gemma3.F16.window", "gemma3", T_F16, T_F16, SMALL, HALF, WINDOW},
    {"gemma3.TQ2_0.wide.window", "gemma3", T_TQ2_0, T_F16, WIDE, TERNARY_WIDE, WINDOW},
};
const size_t n_models = sizeof models / sizeof models[0];

struct synth describe(const struct model *m) {
    struct synth s;
    synth_preset(&s, "tiny");
    s.arch = m->arch;
    s.type = m->type;
    s.embd_type = m->embd_type;
    s.heads = 8;
    s.head_dim = 32;
    s.kv_heads = 2;
    s.vocab = 2304;
    s.seed = 11;
    if (m->shape == ONE_BLOCK) s.ff = 256;
    if (m->shape == WIDE) {
        s.blocks = 3;
        s.embd = 512;
        s.ff = 1024;
        s.head_dim = 64;
        s.kv_heads = 4;
        s.rope_base = 500000;
        s.untied = strcmp(m->arch, "bitnet") != 0; /* which is always tied in llama.cpp */
    }
    if (m->extras & LINEAR_ROPE) s.rope_linear = 4;
    if (m->extras & YARN) {
        s.yarn_factor = 4;
        s.yarn_context = 128;
    }
    if (m->extras & LONGROPE) s.longrope_context = 32; /* contexts are 64 and 256 */
    if (m->extras & LONGROPE_SHORT) s.longrope_context = 1024;
    if (m->extras & WINDOW) {
        s.window = 12;
        s.window_period = 2;
        s.rope_base = 1000000;
    }
    if (m->extras & ATTN_FACTOR) s.rope_attn_factor = 1.5f;
    if (m->extras & (F32_HEAD | Q6_K_HEAD)) {
        s.untied = true;
        s.output_type = m->extras & F32_HEAD ? T_F32 : T_Q6_K;
    }
    s.rope_freqs = (m->extras & ROPE_FREQS) != 0;
    s.scale_tensors = (m->extras & SCALE_TENSORS) != 0;
    s.tq_varied = (m->extras & VARIED) != 0;
    return s;
}

bool save(const struct crossval *c, const struct synth *s, const char *name, char path[4096],
          char why[600]) {
    snprintf(path, 4096, "%s/%s.gguf", c->work, name);
    if (synth_save(s, path, NULL) == 0) return true;
    snprintf(why, 600, "cannot write '%.400s'", path);
    return false;
}
