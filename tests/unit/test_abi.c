/*
 * test_abi.c - the layout of everything that crosses the plugin boundary, frozen.
 *
 * A plugin built years ago must find every field where it was. A line here may be added, for a
 * field appended to a growable struct (its SIZE then changes as well); none is ever changed
 * otherwise. Argument blocks and shapes never grow: a new need is a new slot.
 */
#include <check.h>
#include <stdlib.h>

#include "ktest.h"
#include "suite.h"

#define SIZE(type, bytes) _Static_assert(sizeof(type) == (bytes), #type " has changed its size")
#define AT(type, field, bytes)                                                                     \
    _Static_assert(offsetof(type, field) == (bytes), #type "." #field " has moved")

/* ---- version 1.0 -------------------------------------------------------------------------- */

SIZE(bnt_cpu, 40);
AT(bnt_cpu, struct_size, 0);
AT(bnt_cpu, threads, 4);
AT(bnt_cpu, features, 8);
AT(bnt_cpu, l1d, 16);
AT(bnt_cpu, l2, 24);
AT(bnt_cpu, l3, 32);

SIZE(bnt_host, 24);
AT(bnt_host, struct_size, 0);
AT(bnt_host, abi_major, 4);
AT(bnt_host, abi_minor, 8);
AT(bnt_host, set, 12);
AT(bnt_host, cpu, 16);

SIZE(bnt_layout, 16);
AT(bnt_layout, bytes, 0);
AT(bnt_layout, align, 8);
AT(bnt_layout, step, 12);

SIZE(bnt_ternary_shape, 24);
AT(bnt_ternary_shape, rows, 0);
AT(bnt_ternary_shape, cols, 8);
AT(bnt_ternary_shape, block, 16);
AT(bnt_ternary_shape, scale_type, 20);

SIZE(bnt_act_shape, 24);
AT(bnt_act_shape, tokens, 0);
AT(bnt_act_shape, cols, 8);
AT(bnt_act_shape, block, 16);
AT(bnt_act_shape, reserved, 20);

SIZE(bnt_dense_shape, 24);
AT(bnt_dense_shape, rows, 0);
AT(bnt_dense_shape, cols, 8);
AT(bnt_dense_shape, type, 16);
AT(bnt_dense_shape, reserved, 20);

SIZE(bnt_kv_shape, 16);
AT(bnt_kv_shape, capacity, 0);
AT(bnt_kv_shape, heads, 8);
AT(bnt_kv_shape, head_dim, 12);

SIZE(bnt_ternary_pack_args, 64);
AT(bnt_ternary_pack_args, shape, 0);
AT(bnt_ternary_pack_args, row_lo, 24);
AT(bnt_ternary_pack_args, row_hi, 32);
AT(bnt_ternary_pack_args, trits, 40);
AT(bnt_ternary_pack_args, scales, 48);
AT(bnt_ternary_pack_args, packed, 56);

SIZE(bnt_ternary_unpack_args, 64);
AT(bnt_ternary_unpack_args, shape, 0);
AT(bnt_ternary_unpack_args, row_lo, 24);
AT(bnt_ternary_unpack_args, row_hi, 32);
AT(bnt_ternary_unpack_args, packed, 40);
AT(bnt_ternary_unpack_args, trits, 48);
AT(bnt_ternary_unpack_args, scales, 56);

SIZE(bnt_act_quantize_args, 64);
AT(bnt_act_quantize_args, shape, 0);
AT(bnt_act_quantize_args, tok_lo, 24);
AT(bnt_act_quantize_args, tok_hi, 32);
AT(bnt_act_quantize_args, x, 40);
AT(bnt_act_quantize_args, ldx, 48);
AT(bnt_act_quantize_args, acts, 56);

SIZE(bnt_act_unpack_args, 64);
AT(bnt_act_unpack_args, shape, 0);
AT(bnt_act_unpack_args, tok_lo, 24);
AT(bnt_act_unpack_args, tok_hi, 32);
AT(bnt_act_unpack_args, acts, 40);
AT(bnt_act_unpack_args, q, 48);
AT(bnt_act_unpack_args, a, 56);

SIZE(bnt_ternary_gemm_args, 120);
AT(bnt_ternary_gemm_args, shape, 0);
AT(bnt_ternary_gemm_args, packed, 24);
AT(bnt_ternary_gemm_args, scale, 32);
AT(bnt_ternary_gemm_args, reserved, 36);
AT(bnt_ternary_gemm_args, act_shape, 40);
AT(bnt_ternary_gemm_args, acts, 64);
AT(bnt_ternary_gemm_args, row_lo, 72);
AT(bnt_ternary_gemm_args, row_hi, 80);
AT(bnt_ternary_gemm_args, tok_lo, 88);
AT(bnt_ternary_gemm_args, tok_hi, 96);
AT(bnt_ternary_gemm_args, y, 104);
AT(bnt_ternary_gemm_args, ldy, 112);

SIZE(bnt_dense_pack_args, 56);
AT(bnt_dense_pack_args, shape, 0);
AT(bnt_dense_pack_args, row_lo, 24);
AT(bnt_dense_pack_args, row_hi, 32);
AT(bnt_dense_pack_args, src, 40);
AT(bnt_dense_pack_args, packed, 48);

SIZE(bnt_dense_unpack_args, 56);
AT(bnt_dense_unpack_args, shape, 0);
AT(bnt_dense_unpack_args, row_lo, 24);
AT(bnt_dense_unpack_args, row_hi, 32);
AT(bnt_dense_unpack_args, w, 40);
AT(bnt_dense_unpack_args, out, 48);

SIZE(bnt_dense_gemm_args, 96);
AT(bnt_dense_gemm_args, shape, 0);
AT(bnt_dense_gemm_args, w, 24);
AT(bnt_dense_gemm_args, x, 32);
AT(bnt_dense_gemm_args, ldx, 40);
AT(bnt_dense_gemm_args, row_lo, 48);
AT(bnt_dense_gemm_args, row_hi, 56);
AT(bnt_dense_gemm_args, tok_lo, 64);
AT(bnt_dense_gemm_args, tok_hi, 72);
AT(bnt_dense_gemm_args, y, 80);
AT(bnt_dense_gemm_args, ldy, 88);

SIZE(bnt_rmsnorm_args, 72);
AT(bnt_rmsnorm_args, tok_lo, 0);
AT(bnt_rmsnorm_args, tok_hi, 8);
AT(bnt_rmsnorm_args, n, 16);
AT(bnt_rmsnorm_args, x, 24);
AT(bnt_rmsnorm_args, ldx, 32);
AT(bnt_rmsnorm_args, gain, 40);
AT(bnt_rmsnorm_args, eps, 48);
AT(bnt_rmsnorm_args, reserved, 52);
AT(bnt_rmsnorm_args, y, 56);
AT(bnt_rmsnorm_args, ldy, 64);

SIZE(bnt_rope_args, 72);
AT(bnt_rope_args, tok_lo, 0);
AT(bnt_rope_args, tok_hi, 8);
AT(bnt_rope_args, head_lo, 16);
AT(bnt_rope_args, head_hi, 20);
AT(bnt_rope_args, x, 24);
AT(bnt_rope_args, ldx, 32);
AT(bnt_rope_args, head_dim, 40);
AT(bnt_rope_args, n_rot, 44);
AT(bnt_rope_args, style, 48);
AT(bnt_rope_args, reserved, 52);
AT(bnt_rope_args, cos, 56);
AT(bnt_rope_args, sin, 64);

SIZE(bnt_gate_args, 48);
AT(bnt_gate_args, lo, 0);
AT(bnt_gate_args, hi, 8);
AT(bnt_gate_args, g, 16);
AT(bnt_gate_args, u, 24);
AT(bnt_gate_args, y, 32);
AT(bnt_gate_args, kind, 40);
AT(bnt_gate_args, reserved, 44);

SIZE(bnt_add_args, 32);
AT(bnt_add_args, lo, 0);
AT(bnt_add_args, hi, 8);
AT(bnt_add_args, x, 16);
AT(bnt_add_args, y, 24);

SIZE(bnt_kv_store_args, 80);
AT(bnt_kv_store_args, shape, 0);
AT(bnt_kv_store_args, pos, 16);
AT(bnt_kv_store_args, tok_lo, 24);
AT(bnt_kv_store_args, tok_hi, 32);
AT(bnt_kv_store_args, head_lo, 40);
AT(bnt_kv_store_args, head_hi, 44);
AT(bnt_kv_store_args, k, 48);
AT(bnt_kv_store_args, v, 56);
AT(bnt_kv_store_args, ldkv, 64);
AT(bnt_kv_store_args, kv, 72);

SIZE(bnt_kv_load_args, 64);
AT(bnt_kv_load_args, shape, 0);
AT(bnt_kv_load_args, pos_lo, 16);
AT(bnt_kv_load_args, pos_hi, 24);
AT(bnt_kv_load_args, head, 32);
AT(bnt_kv_load_args, reserved, 36);
AT(bnt_kv_load_args, kv, 40);
AT(bnt_kv_load_args, k, 48);
AT(bnt_kv_load_args, v, 56);

SIZE(bnt_attn_args, 128);
AT(bnt_attn_args, shape, 0);
AT(bnt_attn_args, kv, 16);
AT(bnt_attn_args, q, 24);
AT(bnt_attn_args, ldq, 32);
AT(bnt_attn_args, heads, 40);
AT(bnt_attn_args, scale, 44);
AT(bnt_attn_args, pos, 48);
AT(bnt_attn_args, tok_lo, 56);
AT(bnt_attn_args, tok_hi, 64);
AT(bnt_attn_args, head_lo, 72);
AT(bnt_attn_args, head_hi, 76);
AT(bnt_attn_args, chunk_lo, 80);
AT(bnt_attn_args, chunk_hi, 88);
AT(bnt_attn_args, chunks, 96);
AT(bnt_attn_args, part, 104);
AT(bnt_attn_args, y, 112);
AT(bnt_attn_args, ldy, 120);

SIZE(bnt_attn_window_args, 104);
AT(bnt_attn_window_args, head_dim, 0);
AT(bnt_attn_window_args, scale, 4);
AT(bnt_attn_window_args, window, 8);
AT(bnt_attn_window_args, first, 16);
AT(bnt_attn_window_args, k, 24);
AT(bnt_attn_window_args, v, 32);
AT(bnt_attn_window_args, q, 40);
AT(bnt_attn_window_args, ldq, 48);
AT(bnt_attn_window_args, pos, 56);
AT(bnt_attn_window_args, tok_lo, 64);
AT(bnt_attn_window_args, tok_hi, 72);
AT(bnt_attn_window_args, head_lo, 80);
AT(bnt_attn_window_args, head_hi, 84);
AT(bnt_attn_window_args, y, 88);
AT(bnt_attn_window_args, ldy, 96);

SIZE(bnt_kernels, 272);
AT(bnt_kernels, struct_size, 0);
AT(bnt_kernels, reserved, 4);
AT(bnt_kernels, variant, 8);
AT(bnt_kernels, ternary_layout, 16);
AT(bnt_kernels, ternary_pack, 24);
AT(bnt_kernels, ternary_unpack, 32);
AT(bnt_kernels, act_layout, 40);
AT(bnt_kernels, act_quantize, 48);
AT(bnt_kernels, act_unpack, 56);
AT(bnt_kernels, ternary_gemm, 64);
AT(bnt_kernels, dense_layout, 72);
AT(bnt_kernels, dense_pack, 80);
AT(bnt_kernels, dense_unpack, 88);
AT(bnt_kernels, dense_gemm, 96);
AT(bnt_kernels, rmsnorm, 104);
AT(bnt_kernels, rope, 112);
AT(bnt_kernels, gate, 120);
AT(bnt_kernels, add, 128);
AT(bnt_kernels, kv_layout, 136);
AT(bnt_kernels, kv_store, 144);
AT(bnt_kernels, kv_load, 152);
AT(bnt_kernels, attn_chunk, 160);
AT(bnt_kernels, attn_merge, 168);
AT(bnt_kernels, attn, 176);
AT(bnt_kernels, i8_layout, 184);
AT(bnt_kernels, i8_pack, 192);
AT(bnt_kernels, i8_unpack, 200);
AT(bnt_kernels, i8_gemv, 208);
AT(bnt_kernels, peak, 216);
AT(bnt_kernels, gate_gelu, 224);
AT(bnt_kernels, attn_window, 232);
AT(bnt_kernels, code_layout, 240);
AT(bnt_kernels, code_pack, 248);
AT(bnt_kernels, code_unpack, 256);
AT(bnt_kernels, code_gemv, 264);
SIZE(bnt_i8_shape, 16);
SIZE(bnt_i8_pack_args, 48);
SIZE(bnt_i8_unpack_args, 48);
SIZE(bnt_i8_gemv_args, 80);
AT(bnt_i8_gemv_args, packed, 16);
AT(bnt_i8_gemv_args, x, 24);
AT(bnt_i8_gemv_args, ldx, 32);
AT(bnt_i8_gemv_args, vectors, 40);
AT(bnt_i8_gemv_args, row_lo, 48);
AT(bnt_i8_gemv_args, row_hi, 56);
AT(bnt_i8_gemv_args, d, 64);
AT(bnt_i8_gemv_args, ldd, 72);

/* Since 1.2. */
SIZE(bnt_code_shape, 24);
AT(bnt_code_shape, rows, 0);
AT(bnt_code_shape, cols, 8);
AT(bnt_code_shape, bits, 16);
AT(bnt_code_shape, reserved, 20);
SIZE(bnt_code_pack_args, 56);
AT(bnt_code_pack_args, row_lo, 24);
AT(bnt_code_pack_args, row_hi, 32);
AT(bnt_code_pack_args, codes, 40);
AT(bnt_code_pack_args, packed, 48);
SIZE(bnt_code_unpack_args, 56);
AT(bnt_code_unpack_args, row_lo, 24);
AT(bnt_code_unpack_args, row_hi, 32);
AT(bnt_code_unpack_args, packed, 40);
AT(bnt_code_unpack_args, codes, 48);
SIZE(bnt_code_gemv_args, 88);
AT(bnt_code_gemv_args, packed, 24);
AT(bnt_code_gemv_args, x, 32);
AT(bnt_code_gemv_args, ldx, 40);
AT(bnt_code_gemv_args, vectors, 48);
AT(bnt_code_gemv_args, row_lo, 56);
AT(bnt_code_gemv_args, row_hi, 64);
AT(bnt_code_gemv_args, d, 72);
AT(bnt_code_gemv_args, ldd, 80);

SIZE(bnt_peak_args, 24);
AT(bnt_peak_args, kind, 0);
AT(bnt_peak_args, reserved, 4);
AT(bnt_peak_args, steps, 8);
AT(bnt_peak_args, done, 16);

SIZE(bnt_plugin, 56);
AT(bnt_plugin, struct_size, 0);
AT(bnt_plugin, abi_major, 4);
AT(bnt_plugin, abi_minor, 8);
AT(bnt_plugin, priority, 12);
AT(bnt_plugin, name, 16);
AT(bnt_plugin, version, 24);
AT(bnt_plugin, needs, 32);
AT(bnt_plugin, kernels, 40);
AT(bnt_plugin, extends, 48); /* since 1.3 */

_Static_assert(BNT_ABI_MAJOR == 1, "another major is another table");
_Static_assert(BNT_TYPE_F32 == 0 && BNT_TYPE_F16 == 1 && BNT_TYPE_Q8_0 == 8 &&
                   BNT_TYPE_Q6_K == 14 && BNT_TYPE_BF16 == 30,
               "the ids of the file format");
_Static_assert(BNT_ROPE_NORM == 0 && BNT_ROPE_NEOX == 1 && BNT_GATE_SILU == 0 &&
                   BNT_GATE_RELU2 == 1 && BNT_PEAK_INT8 == 0 && BNT_PEAK_F32 == 1 &&
                   BNT_SUPPORTED == 0 && BNT_NOT_SUPPORTED == -1,
               "values that plugins were compiled with");
_Static_assert(BNT_NUMERICS_VERSION == 1 && BNT_LANES == 16 && BNT_ATTN_CHUNK == 256,
               "docs/NUMERICS.md");

/* ---- at run time -------------------------------------------------------------------------- */

START_TEST(judge_is_complete) {
    const bnt_kernels *k = kt_judge();
    ck_assert_uint_eq(bnt_judge_plugin.struct_size, sizeof(bnt_plugin));
    ck_assert_uint_eq(bnt_judge_plugin.abi_major, BNT_ABI_MAJOR);
    ck_assert_str_eq(bnt_judge_plugin.name, "ref-scalar");
    ck_assert_str_eq(bnt_judge_plugin.needs, "");
    ck_assert_int_eq(bnt_judge_plugin.priority, 0);
    ck_assert_ptr_nonnull(k);
    ck_assert_uint_eq(k->struct_size, sizeof *k);
    ck_assert_str_eq(k->variant, "portable");
    /* Every word of the table after its variant is a slot. */
    for (size_t at = offsetof(bnt_kernels, ternary_layout); at < sizeof *k; at += sizeof(void *)) {
        void *slot;
        memcpy(&slot, (const char *)k + at, sizeof slot);
        ck_assert_msg(slot != NULL, "slot at offset %zu is empty", at);
    }
}
END_TEST

/* A host struct cut off before a member, as an older core would hand it over. */
START_TEST(older_host) {
    bnt_host host = {offsetof(bnt_host, cpu), BNT_ABI_MAJOR, BNT_ABI_MINOR, 0, NULL};
    ck_assert(!BNT_HAS(&host, cpu));
    ck_assert_ptr_nonnull(bnt_judge_plugin.kernels(&host));
    host.struct_size = sizeof host;
    ck_assert(!BNT_HAS(&host, cpu)); /* there, but NULL */
    ck_assert_ptr_nonnull(bnt_judge_plugin.kernels(&host));
}
END_TEST

/* A table of an older plugin: slots beyond its size are not there, whatever the memory says. */
START_TEST(older_table) {
    bnt_kernels k = *kt_judge();
    ck_assert(BNT_HAS(&k, attn));
    k.struct_size = offsetof(bnt_kernels, attn);
    ck_assert(!BNT_HAS(&k, attn));
    ck_assert(BNT_HAS(&k, attn_merge));
    k.attn_merge = NULL;
    ck_assert(!BNT_HAS(&k, attn_merge));
}
END_TEST

START_TEST(every_set_is_well_formed) {
    struct kt_set sets[32];
    size_t n = kt_load(sets, 32);
    ck_assert_uint_gt(n, 0);
    for (size_t i = 0; i < n; i++) {
        const bnt_kernels *k = sets[i].k;
        ck_assert_msg(k->struct_size >= offsetof(bnt_kernels, attn), "%s: cut short", sets[i].name);
        ck_assert_msg(k->variant && *k->variant, "%s: no variant", sets[i].name);
        /* Groups come whole or not at all; the last slot of the attention group is optional. */
        ck_assert_int_eq(BNT_HAS(k, ternary_layout), BNT_HAS(k, ternary_gemm));
        ck_assert_int_eq(BNT_HAS(k, ternary_layout), BNT_HAS(k, act_quantize));
        ck_assert_int_eq(BNT_HAS(k, dense_layout), BNT_HAS(k, dense_gemm));
        ck_assert_int_eq(BNT_HAS(k, rmsnorm), BNT_HAS(k, add));
        ck_assert_int_eq(BNT_HAS(k, kv_layout), BNT_HAS(k, attn_merge));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("abi");
    TCase *tc = tcase_create("version 1.0");
    tcase_add_test(tc, judge_is_complete);
    tcase_add_test(tc, older_host);
    tcase_add_test(tc, older_table);
    tcase_add_test(tc, every_set_is_well_formed);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
