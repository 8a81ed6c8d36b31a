/*
 * synth.h - makes GGUF models with random weights: any size, any of the formats tests need.
 *
 * Knows tensor names, keys and shapes as the field writes them; must not know the engine. The one
 * idea: a tensor's values depend only on the seed and the tensor's name, not on its type, so that
 * the same seed gives the same ternary weights in every type but Q1_0, which has no zeros. Weights
 * are scaled so that every layer's output has a variance near 1 and attention is neither flat nor a
 * single spike.
 */
#ifndef TEST_SYNTH_H
#define TEST_SYNTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encode.h"

struct gw;

struct synth {
    const char *arch; /* "bitnet-b1.58", "bitnet-25", "bitnet", "llama", "qwen2", "qwen3",
                         "minicpm", "gemma3" */
    uint32_t type;    /* of the linear layers, T_* */
    uint32_t embd_type;
    bool untied;
    uint32_t output_type; /* of output.weight, when untied */
    uint32_t blocks, embd, ff, heads, kv_heads, head_dim, ctx, vocab;
    uint32_t tokens; /* of the tokenizer; 0: as many as rows (vocab) */
    uint32_t n_rot;  /* 0: head_dim */
    float rope_base, eps;
    uint64_t seed;
    bool tq_varied;            /* types with a scale a block or row: each its own */
    const char *chat_template; /* text of tokenizer.chat_template; NULL: none */
    bool f16_scales;           /* round the scales of I2_S and IQ2_BN to f16, as other types do */
    char i2s_layout;  /* 'a' (0 too), 'b' or 'c': synth_i2s.h, which says of this as well: */
    float structure;  /* of I2_S tensors, 0 to 1; 0: random weights */
    float stands_out; /* of the next token's logit, in standard deviations of all: synth_head.h; 0:
                         embedding, head and last norm are random */
    uint32_t version, alignment;
    /* What some files have besides. */
    bool scale_tensors; /* NAME.scale beside each linear NAME.weight, a factor of its output */
    float rope_linear;  /* positions are divided by this; 0: no such keys */
    float yarn_factor;  /* the same with YaRN; 0: no such keys. Of the next, too: */
    uint32_t yarn_context;
    float yarn_beta_fast, yarn_beta_slow;
    bool rope_freqs;           /* rope_freqs.weight, divisors of the frequencies */
    float rope_attn_factor;    /* rope.scaling.attn_factor; 0: no such key. The same of the next: */
    float attn_scale;          /* attention.scale */
    const char *activation;    /* hidden_activation */
    bool norms_in;             /* qwen3, gemma3: *_norm_in before each projection */
    uint32_t window;           /* gemma3: attention.sliding_window */
    uint32_t window_period;    /* ... and its pattern; 0: no such key */
    float window_rope_base;    /* rope.freq_base_swa */
    uint32_t longrope_context; /* minicpm: longrope, with this original context */
    /* minicpm: of the embedding, of what branches add, a divisor of logits; 0: 5, 0.5 and 3. */
    float embd_scale, branch_scale, logit_scale;
    float bias_scale; /* qwen2: their size; 0: 0.7 */
    /* What a wrong file has: for tests of refusal. */
    const char *omit;                                 /* this tensor is left out */
    const char *omit_key;                             /* and this <arch>. key */
    void (*more_keys)(struct gw *w, const void *arg); /* writes further keys; may be NULL */
    const void *more_keys_arg;
    const char *extra;      /* a vector of this name is added */
    const char *bad_key;    /* <arch>.<bad_key>, in place of the right one or added, is ... */
    uint32_t bad_value;     /* ... this integer */
    const char *bad_string; /* ... or this text, when not NULL */
};

/* like "tiny" (runs in milliseconds), "2b4t" (the shape of microsoft/bitnet-b1.58-2B-4T) or
 * "bonsai-1.7b" (of Ternary-Bonsai 1.7B). */
bool synth_preset(struct synth *s, const char *like);

/* The next n random trits, a multiple of 32. */
struct rng;
void synth_trits(struct rng *r, int8_t *out, size_t n);

/* NULL when the description can be written, else what is wrong with it. */
const char *synth_fault(const struct synth *s);

uint64_t synth_parameters(const struct synth *s);

/* 0, or -1 with errno set. The description must be without fault. */
int synth_save(const struct synth *s, const char *path, uint64_t *bytes);
/* malloc'd. */
uint8_t *synth_memory(const struct synth *s, size_t *size);

#endif
