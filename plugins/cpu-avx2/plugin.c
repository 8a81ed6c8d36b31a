/*
 * plugin.c - cpu-avx2: kernels for x86-64 CPUs with AVX2, FMA and F16C (2013 and later).
 *
 * It says what the plugin is and picks one of two kernel sets, which differ in one instruction:
 * with AVX-VNNI four int8 products are summed in 32 bits at once (vpdpbusd), without it pairs are
 * summed in 16 bits (vpmaddubsw) and widened before they can overflow.
 */
#include "kernels.h"

#define TABLE(variant_, gemm_, i8_gemv_, codes_, peak_)                                            \
    {                                                                                              \
        .struct_size = sizeof(bnt_kernels), .variant = variant_, .ternary_layout = ternary_layout, \
        .ternary_pack = ternary_pack, .ternary_unpack = ternary_unpack, .act_layout = act_layout,  \
        .act_quantize = act_quantize, .act_unpack = act_unpack, .ternary_gemm = gemm_,             \
        .dense_layout = dense_layout, .dense_pack = dense_pack, .dense_unpack = dense_unpack,      \
        .dense_gemm = dense_gemm, .rmsnorm = rmsnorm, .rope = rope, .gate = gate, .add = add,      \
        .kv_layout = kv_layout, .kv_store = kv_store, .kv_load = kv_load,                          \
        .attn_chunk = attn_chunk, .attn_merge = attn_merge, .attn = attn, .i8_layout = i8_layout,  \
        .i8_pack = i8_pack, .i8_unpack = i8_unpack, .i8_gemv = i8_gemv_, .peak = peak_,            \
        .gate_gelu = gate_gelu, .attn_window = attn_window, .code_layout = code_layout,            \
        .code_pack = code_pack, .code_unpack = code_unpack, .code_gemv = codes_                    \
    }

static const bnt_kernels base_table =
    TABLE("avx2", base_ternary_gemm, base_i8_gemv, base_code_gemv, base_peak);
static const bnt_kernels vnni_table =
    TABLE("avx2-vnni", vnni_ternary_gemm, vnni_i8_gemv, vnni_code_gemv, vnni_peak);

/* Whether the comma-separated list has this word. */
static int lists(const char *list, const char *word) {
    size_t length = strlen(word);
    while (list) {
        if (strncmp(list, word, length) == 0 && (list[length] == ',' || list[length] == '\0'))
            return 1;
        list = strchr(list, ',');
        if (list) list++;
    }
    return 0;
}

static const bnt_kernels *choose(const bnt_host *host) {
    int vnni =
        BNT_HAS(host, cpu) && BNT_HAS(host->cpu, features) && lists(host->cpu->features, "avxvnni");
    return vnni ? &vnni_table : &base_table;
}

BNT_PLUGIN("cpu-avx2", "1.0.0", "avx,avx2,f16c,fma", 200, choose);
