/*
 * names.h - what the tensors of a checkpoint are called, and what they are called in a GGUF file:
 * one table for all architectures. Knows names only.
 */
#ifndef BNT_CONVERT_NAMES_H
#define BNT_CONVERT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

/* Architectures, as bits: a row of the table serves several. */
enum bnt_hf_arch {
    BNT_HF_BITNET_B158 = 1, /* BitNetForCausalLM: Microsoft's */
    BNT_HF_BITNET = 2,      /* BitnetForCausalLM: 1bitLLM's */
    BNT_HF_LLAMA = 4,       /* LlamaForCausalLM: Falcon3-1.58bit, Falcon-E, Llama3-8B-1.58, TriLM */
    BNT_HF_QWEN2 = 8,
    BNT_HF_QWEN3 = 16, /* Ternary-Bonsai; embedding models */
    BNT_HF_MINICPM = 32,
};

struct bnt_arch {
    const char *hf;   /* an entry of config.json's "architectures" */
    const char *gguf; /* general.architecture */
    enum bnt_hf_arch bit;
    const char *activation; /* what the GGUF architecture means without a key */
    bool permuted;          /* rows of q and k: GGUF rotates neighbours, checkpoints halves */
};
const struct bnt_arch *bnt_arch_named(const char *hf); /* NULL */
/* The known names, separated by ", ", cut to what fits. */
const char *bnt_arch_names(char *dst, unsigned size);

enum bnt_name_kind {
    BNT_NAME_VECTOR,
    BNT_NAME_MATRIX,    /* ternary */
    BNT_NAME_EMBEDDING, /* embeddings and head */
};
enum bnt_name_heads { BNT_HEADS_NONE, BNT_HEADS_Q, BNT_HEADS_KV };

struct bnt_name {
    const char *hf, *gguf; /* inside of a layer: behind "model.layers.N." and "blk.N." */
    enum bnt_name_kind kind;
    enum bnt_name_heads heads; /* whose rows a permuted architecture permutes */
    unsigned archs;            /* BNT_HF_* */
};

/* The row of a tensor, and the layer it is in (-1: none); NULL: no such name in the architecture.
 */
const struct bnt_name *bnt_name_find(enum bnt_hf_arch arch, const char *name, int32_t *layer);
/* Where tensors stand in the file: a number that rises in the file's order. */
uint32_t bnt_name_order(const struct bnt_name *row, int32_t layer);
/* What is no weight: buffers that are computed from the config. */
bool bnt_name_is_no_weight(const char *name);

#endif
