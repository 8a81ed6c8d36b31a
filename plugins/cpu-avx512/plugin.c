/*
 * plugin.c - cpu-avx512: kernels for x86-64 CPUs with AVX-512 F, BW, DQ and VL.
 *
 * Two kernel sets differ in one instruction: with VNNI the ternary product multiplies and adds four
 * int8 pairs at once (vpdpbusd), without it takes three instructions for the same sum. A third one,
 * for CPUs with VBMI, packs five weights a byte: fewer bytes, more instructions. The core measures
 * which of the two is quicker.
 */
#include "kernels.h"

#define TABLE(variant_, ternary_, gemm_, i8_gemv_, codes_, peak_)                                  \
    {                                                                                              \
        .struct_size = sizeof(bnt_kernels), .variant = variant_,                                   \
        .ternary_layout = ternary_##layout, .ternary_pack = ternary_##pack,                        \
        .ternary_unpack = ternary_##unpack, .act_layout = act_layout,                              \
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
    TABLE("avx512", ternary_, base_ternary_gemm, base_i8_gemv, base_code_gemv, base_peak);
static const bnt_kernels vnni_table =
    TABLE("avx512-vnni", ternary_, vnni_ternary_gemm, vnni_i8_gemv, vnni_code_gemv, vnni_peak);
static const bnt_kernels fives_table =
    TABLE("avx512-fives", fives_, fives_ternary_gemm, vnni_i8_gemv, vnni_code_gemv, vnni_peak);

/* Whether `name` is one of the comma-separated words of `list`. */
static int has_word(const char *list, const char *name) {
    size_t n = strlen(name);
    for (const char *p = list; (p = strstr(p, name)) != NULL; p += n)
        if ((p == list || p[-1] == ',') && (p[n] == ',' || p[n] == '\0')) return 1;
    return 0;
}

static const bnt_kernels *choose(const bnt_host *host) {
    int known = BNT_HAS(host, cpu) && BNT_HAS(host->cpu, features);
    int vnni = known && has_word(host->cpu->features, "avx512vnni");
    int vbmi = vnni && has_word(host->cpu->features, "avx512vbmi");
    switch (host->set) {
    case 0: return vnni ? &vnni_table : &base_table;
    case 1: return vbmi ? &fives_table : NULL;
    default: return NULL;
    }
}

BNT_PLUGIN("cpu-avx512", "1.1.0", "avx512bw,avx512dq,avx512f,avx512vl,f16c,fma", 300, choose);
