/*
 * plugin.c - cpu-neon: kernels for every AArch64 CPU.
 *
 * Knows which CPU features lead to which kernel set, nothing of the kernels. Only the integer
 * products come in three kinds, by what multiplies int8: widening multiply-adds (ARMv8.0), dot
 * products of four (dotprod), or 2x8 by 8x2 matrices (i8mm). All else is ARMv8.0 and shared.
 */
#include "kernels.h"

#define TABLE(variant_, gemm_, gemv_, codes_, peak_)                                               \
    {                                                                                              \
        .struct_size = sizeof(bnt_kernels), .variant = variant_, .ternary_layout = ternary_layout, \
        .ternary_pack = ternary_pack, .ternary_unpack = ternary_unpack, .act_layout = act_layout,  \
        .act_quantize = act_quantize, .act_unpack = act_unpack, .ternary_gemm = gemm_,             \
        .dense_layout = dense_layout, .dense_pack = dense_pack, .dense_unpack = dense_unpack,      \
        .dense_gemm = dense_gemm, .rmsnorm = rmsnorm, .rope = rope, .gate = gate, .add = add,      \
        .kv_layout = kv_layout, .kv_store = kv_store, .kv_load = kv_load,                          \
        .attn_chunk = attn_chunk, .attn_merge = attn_merge, .attn = attn, .i8_layout = i8_layout,  \
        .i8_pack = i8_pack, .i8_unpack = i8_unpack, .i8_gemv = gemv_, .peak = peak_,               \
        .gate_gelu = gate_gelu, .attn_window = attn_window, .code_layout = code_layout,            \
        .code_pack = code_pack, .code_unpack = code_unpack, .code_gemv = codes_                    \
    }

static const bnt_kernels base_table =
    TABLE("neon", base_ternary_gemm, base_i8_gemv, base_code_gemv, base_peak);
static const bnt_kernels dotprod_table =
    TABLE("neon-dotprod", dotprod_ternary_gemm, dotprod_i8_gemv, dotprod_code_gemv, dotprod_peak);
static const bnt_kernels i8mm_table =
    TABLE("neon-i8mm", i8mm_ternary_gemm, dotprod_i8_gemv, dotprod_code_gemv, i8mm_peak);

/* Whether `name` is one of the comma-separated words of `list`. */
static int has_word(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0')) return 1;
    return 0;
}

static const bnt_kernels *choose(const bnt_host *host) {
    if (!BNT_HAS(host, cpu) || !BNT_HAS(host->cpu, features)) return &base_table;
    const char *features = host->cpu->features;
    if (!has_word(features, "dotprod")) return &base_table;
    return has_word(features, "i8mm") ? &i8mm_table : &dotprod_table; /* i8mm's gemv uses both */
}

BNT_PLUGIN("cpu-neon", "1.0.0", "neon", 100, choose);
