/* shifted.c - a good plugin with a layout of its own: ternary matrices begin 64 bytes later. */
#include "hostile.h"

enum { SHIFT = 64 };

static int32_t layout(const bnt_ternary_shape *s, bnt_layout *l) {
    int32_t answer = ref_ternary_layout(s, l);
    l->bytes += SHIFT;
    return answer;
}

static void pack(const bnt_ternary_pack_args *a) {
    bnt_ternary_pack_args b = *a;
    b.packed = (char *)a->packed + SHIFT;
    ref_ternary_pack(&b);
}

static void unpack(const bnt_ternary_unpack_args *a) {
    bnt_ternary_unpack_args b = *a;
    b.packed = (const char *)a->packed + SHIFT;
    ref_ternary_unpack(&b);
}

static void gemm(const bnt_ternary_gemm_args *a) {
    bnt_ternary_gemm_args b = *a;
    b.packed = (const char *)a->packed + SHIFT;
    ref_ternary_gemm(&b);
}

static const bnt_kernels *kernels(const bnt_host *host) {
    static bnt_kernels own;
    (void)host;
    own = (bnt_kernels){.struct_size = sizeof own, .variant = "shifted", .rope = ref_rope};
    own.ternary_layout = layout;
    own.ternary_pack = pack;
    own.ternary_unpack = unpack;
    own.ternary_gemm = gemm;
    return &own;
}

BNT_PLUGIN("shifted", "1", "", 50, kernels);
