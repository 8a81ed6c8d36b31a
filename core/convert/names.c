/* names.c - see names.h. */
#include "convert/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct bnt_arch archs[] = {
    {"BitNetForCausalLM", "bitnet-b1.58", BNT_HF_BITNET_B158, "relu2", false},
    {"BitnetForCausalLM", "bitnet", BNT_HF_BITNET, "silu", false},
    {"LlamaForCausalLM", "llama", BNT_HF_LLAMA, "silu", true},
    {"Qwen2ForCausalLM", "qwen2", BNT_HF_QWEN2, "silu", false},
    {"Qwen3ForCausalLM", "qwen3", BNT_HF_QWEN3, "silu", false},
    {"Qwen3Model", "qwen3", BNT_HF_QWEN3, "silu", false},
    {"MiniCPMForCausalLM", "minicpm", BNT_HF_MINICPM, "silu", true},
};
enum { ARCHS = sizeof archs / sizeof archs[0], ALL = 63, SUB = BNT_HF_BITNET_B158 | BNT_HF_BITNET };

const struct bnt_arch *bnt_arch_named(const char *hf) {
    for (size_t i = 0; i < ARCHS; i++)
        if (strcmp(archs[i].hf, hf) == 0) return &archs[i];
    return NULL;
}

const char *bnt_arch_names(char *dst, unsigned size) {
    size_t n = 0;
    dst[0] = '\0';
    for (size_t i = 0; i < ARCHS && n < size; i++)
        n += (size_t)snprintf(dst + n, size - n, "%s%s", i ? ", " : "", archs[i].hf);
    return dst;
}

#define V BNT_NAME_VECTOR, BNT_HEADS_NONE
#define M BNT_NAME_MATRIX, BNT_HEADS_NONE
#define E BNT_NAME_EMBEDDING, BNT_HEADS_NONE

static const struct bnt_name outer[] = {
    {"embed_tokens.weight", "token_embd.weight", E, ALL},
    {"norm.weight", "output_norm.weight", V, ALL},
    {"lm_head.weight", "output.weight", E, ALL},
};

/* In the order of the graph, which is that of the file. */
static const struct bnt_name inner[] = {
    {"input_layernorm.weight", "attn_norm.weight", V, ALL},
    {"self_attn.q_proj.norm.weight", "attn_q_norm_in.weight", V, BNT_HF_QWEN3},
    {"self_attn.q_proj.weight", "attn_q.weight", BNT_NAME_MATRIX, BNT_HEADS_Q, ALL},
    {"self_attn.q_proj.bias", "attn_q.bias", V, BNT_HF_QWEN2},
    {"self_attn.k_proj.norm.weight", "attn_k_norm_in.weight", V, BNT_HF_QWEN3},
    {"self_attn.k_proj.weight", "attn_k.weight", BNT_NAME_MATRIX, BNT_HEADS_KV, ALL},
    {"self_attn.k_proj.bias", "attn_k.bias", V, BNT_HF_QWEN2},
    {"self_attn.v_proj.norm.weight", "attn_v_norm_in.weight", V, BNT_HF_QWEN3},
    {"self_attn.v_proj.weight", "attn_v.weight", M, ALL},
    {"self_attn.v_proj.bias", "attn_v.bias", V, BNT_HF_QWEN2},
    {"self_attn.q_norm.weight", "attn_q_norm.weight", V, BNT_HF_QWEN3},
    {"self_attn.k_norm.weight", "attn_k_norm.weight", V, BNT_HF_QWEN3},
    {"self_attn.attn_sub_norm.weight", "attn_sub_norm.weight", V, SUB},
    {"self_attn.inner_attn_ln.weight", "attn_sub_norm.weight", V, SUB}, /* 1bitLLM's word */
    {"self_attn.o_proj.norm.weight", "attn_output_norm_in.weight", V, BNT_HF_QWEN3},
    {"self_attn.o_proj.weight", "attn_output.weight", M, ALL},
    {"post_attention_layernorm.weight", "ffn_norm.weight", V, ALL},
    {"mlp.gate_proj.norm.weight", "ffn_gate_norm_in.weight", V, BNT_HF_QWEN3},
    {"mlp.gate_proj.weight", "ffn_gate.weight", M, ALL},
    {"mlp.up_proj.norm.weight", "ffn_up_norm_in.weight", V, BNT_HF_QWEN3},
    {"mlp.up_proj.weight", "ffn_up.weight", M, ALL},
    {"mlp.ffn_sub_norm.weight", "ffn_sub_norm.weight", V, SUB},
    {"mlp.ffn_layernorm.weight", "ffn_sub_norm.weight", V, SUB}, /* 1bitLLM's word */
    {"mlp.down_proj.norm.weight", "ffn_down_norm_in.weight", V, BNT_HF_QWEN3},
    {"mlp.down_proj.weight", "ffn_down.weight", M, ALL},
};
enum { OUTER = sizeof outer / sizeof outer[0], INNER = sizeof inner / sizeof inner[0] };

static const struct bnt_name *find(const struct bnt_name *rows, size_t n, enum bnt_hf_arch arch,
                                   const char *name) {
    for (size_t i = 0; i < n; i++)
        if ((rows[i].archs & arch) && strcmp(rows[i].hf, name) == 0) return &rows[i];
    return NULL;
}

static const char *without(const char *name, const char *prefix) {
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 ? name + n : name;
}

/* Embedding models have no head, and so no "model." before the rest. */
const struct bnt_name *bnt_name_find(enum bnt_hf_arch arch, const char *name, int32_t *layer) {
    const char *rest = without(name, "model."), *digits = without(rest, "layers.");
    char *end;
    *layer = -1;
    if (digits == rest) return find(outer, OUTER, arch, rest);
    if (digits[0] < '0' || digits[0] > '9' || (digits[0] == '0' && digits[1] != '.')) return NULL;
    unsigned long n = strtoul(digits, &end, 10);
    if (*end != '.' || n > 9999) return NULL;
    *layer = (int32_t)n;
    return find(inner, INNER, arch, end + 1);
}

uint32_t bnt_name_order(const struct bnt_name *row, int32_t layer) {
    if (layer >= 0) return 1 + (uint32_t)layer * INNER + (uint32_t)(row - inner);
    return row == &outer[0] ? 0 : UINT32_MAX - OUTER + (uint32_t)(row - outer);
}

bool bnt_name_is_no_weight(const char *name) {
    static const char suffix[] = "rotary_emb.inv_freq";
    size_t n = strlen(name), s = sizeof suffix - 1;
    return n >= s && strcmp(name + n - s, suffix) == 0;
}
