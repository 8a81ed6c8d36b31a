/*
 * table.c - the table of one kernel set; which one, KERNEL says.
 */
#include "kernels.h"

const bnt_kernels KERNEL(table) = {
    .struct_size = sizeof(bnt_kernels),
    .variant = REF_VARIANT,
    .ternary_layout = KERNEL(ternary_layout),
    .ternary_pack = KERNEL(ternary_pack),
    .ternary_unpack = KERNEL(ternary_unpack),
    .act_layout = KERNEL(act_layout),
    .act_quantize = KERNEL(act_quantize),
    .act_unpack = KERNEL(act_unpack),
    .ternary_gemm = KERNEL(ternary_gemm),
    .dense_layout = KERNEL(dense_layout),
    .dense_pack = KERNEL(dense_pack),
    .dense_unpack = KERNEL(dense_unpack),
    .dense_gemm = KERNEL(dense_gemm),
    .rmsnorm = KERNEL(rmsnorm),
    .rope = KERNEL(rope),
    .gate = KERNEL(gate),
    .add = KERNEL(add),
    .kv_layout = KERNEL(kv_layout),
    .kv_store = KERNEL(kv_store),
    .kv_load = KERNEL(kv_load),
    .attn_chunk = KERNEL(attn_chunk),
    .attn_merge = KERNEL(attn_merge),
    .attn = KERNEL(attn),
    .i8_layout = KERNEL(i8_layout),
    .i8_pack = KERNEL(i8_pack),
    .i8_unpack = KERNEL(i8_unpack),
    .i8_gemv = KERNEL(i8_gemv),
    .peak = KERNEL(peak),
    .gate_gelu = KERNEL(gate_gelu),
    .attn_window = KERNEL(attn_window),
};
