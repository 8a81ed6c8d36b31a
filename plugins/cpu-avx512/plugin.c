/*
 * plugin.c - cpu-avx512: kernels for x86-64 CPUs with AVX-512 F, BW, DQ and VL.
 *
 * Two kernel sets that differ in one instruction: with VNNI the ternary product multiplies and adds
 * four int8 pairs at once (vpdpbusd), without it takes three instructions for the same sum.
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
    TABLE("avx512", base_ternary_gemm, base_i8_gemv, base_code_gemv, base_peak);
static const bnt_kernels vnni_table =
    TABLE("avx512-vnni", vnni_ternary_gemm, vnni_i8_gemv, vnni_code_gemv, vnni_peak);

/* Whether `name` is one of the comma-separated words of `list`. */
static int has_word(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0')) return 1;
    return 0;
}

static const bnt_kernels *choose(const bnt_host *host) {
    if (BNT_HAS(host, cpu) && BNT_HAS(host->cpu, features) &&
        has_word(host->cpu->features, "avx512vnni"))
        return &vnni_table;
    return &base_table;
}

BNT_PLUGIN("cpu-avx512", "1.0.0", "avx512bw,avx512dq,avx512f,avx512vl,f16c,fma", 300, choose);
