/*
 * table.c - the one table of slots: what is planned, run and described for each.
 */
#include <stdlib.h>

#include "attention.h"
#include "codes.h"
#include "dense.h"
#include "measure.h"
#include "search.h"
#include "ternary.h"
#include "vector.h"
#include "window.h"

#define TEST(slot_, plan_, describe_)                                                              \
    {                                                                                              \
#slot_, offsetof(bnt_kernels, slot_), ck_plan_##plan_, ck_run_##slot_,                     \
            ck_describe_##describe_                                                                \
    }

const struct ck_test ck_tests[] = {
    TEST(ternary_layout, shapes, ternary),
    TEST(ternary_pack, packing, packing),
    TEST(ternary_unpack, packing, packing),
    TEST(act_layout, shapes, acts),
    TEST(act_quantize, acts, acts),
    TEST(act_unpack, acts, acts),
    TEST(ternary_gemm, ternary, ternary),
    TEST(dense_layout, dense_layout, dense),
    TEST(dense_pack, dense_rows, dense),
    TEST(dense_unpack, dense_rows, dense),
    TEST(dense_gemm, dense, dense),
    TEST(rmsnorm, rmsnorm, rmsnorm),
    TEST(rope, rope, rope),
    TEST(gate, gate, gate),
    TEST(add, add, add),
    TEST(kv_layout, kv_layout, kv),
    TEST(kv_store, kv, kv),
    TEST(kv_load, kv, kv),
    TEST(attn_chunk, attention, attention),
    TEST(attn_merge, attention, attention),
    TEST(attn, attention, attention),
    TEST(i8_layout, i8_layout, i8),
    TEST(i8_pack, i8, i8),
    TEST(i8_unpack, i8, i8),
    TEST(i8_gemv, i8, i8),
    TEST(peak, peak, peak),
    TEST(gate_gelu, gate_gelu, gate),
    TEST(attn_window, attn_window, attn_window),
    TEST(code_layout, code_layout, codes),
    TEST(code_pack, codes, codes),
    TEST(code_unpack, codes, codes),
    TEST(code_gemv, codes, codes),
};
const size_t ck_test_count = CK_COUNT(ck_tests);

/* A slot added to plugin.h has to be added here. */
_Static_assert(CK_COUNT(ck_tests) ==
                   (sizeof(bnt_kernels) - offsetof(bnt_kernels, ternary_layout)) / sizeof(void *),
               "ck_tests and bnt_kernels differ");

void ck_add(struct ck_cases *list, struct ck_case c) {
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 256;
        struct ck_case *at = realloc(list->at, room * sizeof *at);
        if (!at) abort();
        list->at = at;
        list->room = room;
    }
    list->at[list->count++] = c;
}
