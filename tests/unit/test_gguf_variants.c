/*
 * test_gguf_variants.c - type ids that stand for more than one layout: told apart by the tensors'
 * places or refused, never guessed at.
 */
#include <check.h>
#include <stdlib.h>

#include "encode.h"
#include "file/types.h"
#include "gguf_check.h"
#include "suite.h"

/* Tensors of Q2_0 between others, in rows of 256: the same description for both block sizes. */
static struct gw *q2_0_file(uint32_t type, uint32_t alignment, uint64_t rows, bool other_last) {
    static uint8_t bytes[1 << 16];
    const uint64_t dims[2] = {256, rows}, odd[1] = {5};
    struct gw *w = gw_new(3, alignment);
    gw_key_str(w, "general.architecture", "none");
    gw_tensor(w, "first", T_F32, 1, odd, bytes, 20);
    gw_tensor(w, "one", enc_file_id(type), 2, dims, bytes, enc_bytes(type, 256 * rows));
    gw_tensor(w, "two", enc_file_id(type), 2, dims, bytes, enc_bytes(type, 256 * rows));
    if (other_last) gw_tensor(w, "last", T_F32, 1, odd, bytes, 20);
    return w;
}

START_TEST(tells_q2_0_apart) {
    static const uint32_t types[] = {T_Q2_0, T_Q2_0_128}, alignments[] = {8, 32, 64};
    for (size_t i = 0; i < 2; i++) {
        for (unsigned variant = 0; variant < 6; variant++) {
            uint8_t *data;
            uint64_t rows = 16 + 5 * variant;
            struct bnt_gguf *g = open_written(
                q2_0_file(types[i], alignments[variant % 3], rows, variant & 1), &data);
            const struct bnt_gguf_tensor *t = bnt_gguf_tensor(g, "two");
            ck_assert_uint_eq(t->type, types[i]);
            ck_assert_uint_eq(bnt_gguf_tensor(g, "one")->type, types[i]);
            ck_assert_uint_eq(t->bytes, enc_bytes(types[i], 256 * rows));
            ck_assert_uint_eq(bnt_gguf_tensor(g, "first")->type, T_F32);
            gguf_walk(g);
            bnt_gguf_close(g);
            free(data);
        }
    }
}
END_TEST

/* Padding hides the difference of small tensors, one ambiguous tensor beside a clear one does not
 * matter, and clear ones that contradict each other fit neither. */
START_TEST(refuses_to_guess_at_q2_0) {
    static const uint8_t bytes[1 << 13];
    const uint64_t small[2] = {256, 2}, large[2] = {256, 64}, odd[2] = {192, 64};
    const uint64_t n_small = 512, n_large = 256 * 64;
    expect_written_fault(
        q2_0_file(T_Q2_0, 32, 2, false), BNT_E_FORMAT,
        "type 42 fit more than one of the layouts that programs have written under "
        "that id: Q2_0, Q2_0/128");
    expect_written_fault(q2_0_file(T_Q2_0_128, 32, 2, true), BNT_E_FORMAT, "fit more than one");
    expect_written_fault(q2_0_file(T_Q2_0, 4096, 8, true), BNT_E_FORMAT, "fit more than one");
    for (size_t i = 0; i < 2; i++) {
        uint32_t type = i ? T_Q2_0_128 : T_Q2_0, other = i ? T_Q2_0 : T_Q2_0_128;
        uint8_t *data;
        struct gw *w = gw_new(3, 32);
        gw_tensor(w, "small", T_Q2_0, 2, small, bytes, enc_bytes(type, n_small));
        gw_tensor(w, "large", T_Q2_0, 2, large, bytes, enc_bytes(type, n_large));
        struct bnt_gguf *g = open_written(w, &data);
        ck_assert_uint_eq(bnt_gguf_tensor(g, "small")->type, type);
        bnt_gguf_close(g);
        free(data);
        w = gw_new(3, 32);
        gw_tensor(w, "one", T_Q2_0, 2, large, bytes, enc_bytes(type, n_large));
        gw_tensor(w, "two", T_Q2_0, 2, large, bytes, enc_bytes(other, n_large));
        expect_written_fault(
            w, BNT_E_FORMAT,
            "type 42 fit none of the layouts that programs have written under that "
            "id: Q2_0, Q2_0/128");
        w = gw_new(3, 32); /* a gap before the next tensor, and behind the last */
        gw_tensor(w, "one", T_Q2_0, 2, large, bytes, enc_bytes(type, n_large) + 64);
        gw_tensor(w, "two", T_F32, 1, small, bytes, 1024);
        expect_written_fault(w, BNT_E_FORMAT, "fit none of the layouts");
        w = gw_new(3, 32);
        gw_tensor(w, "one", T_Q2_0, 2, large, bytes, enc_bytes(type, n_large) + 64);
        expect_written_fault(w, BNT_E_FORMAT, "fit none of the layouts");
    }
    struct gw *w = gw_new(3, 32); /* rows of 192 are not whole blocks of 128, whatever the places */
    gw_tensor(w, "odd", T_Q2_0, 2, odd, bytes, 192 * 64 / 128 * 34);
    expect_written_fault(w, BNT_E_FORMAT, "fit none of the layouts");
    w = gw_new(3, 32);
    gw_tensor(w, "odd", T_Q2_0, 2, odd, bytes, enc_bytes(T_Q2_0, 192 * 64));
    uint8_t *data;
    struct bnt_gguf *g = open_written(w, &data);
    ck_assert_uint_eq(bnt_gguf_tensor(g, "odd")->type, T_Q2_0);
    bnt_gguf_close(g);
    free(data);
}
END_TEST

/* The id that stands for blocks of 128 inside the program means nothing in a file. */
START_TEST(the_inner_id_is_unknown) {
    static const uint8_t bytes[1 << 13];
    const uint64_t dims[2] = {256, 64};
    for (int beside = 0; beside < 2; beside++) {
        uint8_t *data;
        struct gw *w = gw_new(3, 32);
        gw_tensor(w, "odd", T_Q2_0_128, 2, dims, bytes, enc_bytes(T_Q2_0_128, 256 * 14));
        if (beside) {
            const uint64_t few[2] = {256, 32};
            gw_tensor(w, "good", T_Q2_0, 2, few, bytes, enc_bytes(T_Q2_0, 256 * 32));
        }
        struct bnt_gguf *g = open_written(w, &data);
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor(g, "odd");
        ck_assert_int_eq(bnt_type(t->type)->kind, BNT_KIND_UNKNOWN);
        ck_assert_uint_eq(t->bytes, 0);
        if (beside) ck_assert_uint_eq(bnt_gguf_tensor(g, "good")->type, T_Q2_0);
        bnt_gguf_close(g);
        free(data);
    }
}
END_TEST

START_TEST(refuses_truncated_q2_0) {
    for (size_t i = 0; i < 2; i++) {
        uint32_t type = i ? T_Q2_0_128 : T_Q2_0;
        struct gw *w = q2_0_file(type, 32, 16, false);
        size_t size, used = (size_t)enc_bytes(type, 256 * 16), padded = (used + 31) / 32 * 32;
        uint8_t *data = gw_memory(w, &size);
        for (size_t n = 0; n < gw_header_size(w); n++) expect_fault(data, n, BNT_E_FORMAT, "");
        for (size_t n = gw_header_size(w); n < size - padded + used; n += n % 7 + 1)
            expect_fault(data, n, BNT_E_FORMAT, "");
        expect_fault(data, size - padded + used - 1, BNT_E_FORMAT, "");
        free(data);
        gw_free(w);
    }
}
END_TEST

START_TEST(survives_random_damage) {
    survive_damage(q2_0_file(T_Q2_0, 32, 16, true), 5000);
    survive_damage(q2_0_file(T_Q2_0_128, 32, 16, false), 5000);
}
END_TEST

/* The other ids: each layout is known by the room it takes, whether we compute with it or not. */
START_TEST(tells_all_variants_apart) {
    static const uint8_t bytes[1 << 16];
    const uint64_t rows = 40, cols = 512, dims[2] = {cols, rows}, one[2] = {cols, 1};
    const struct bnt_type_info *t;
    unsigned variants = 0;
    for (uint32_t i = 0; (t = bnt_type_at(i)); i++) {
        uint32_t id = BNT_FILE_ID(t->id);
        uint64_t size = 0, small = 0;
        bool several = false;
        for (uint32_t k = 0; bnt_type_at(k); k++)
            several |= bnt_type_at(k)->id != id && BNT_FILE_ID(bnt_type_at(k)->id) == id;
        if (!several) continue;
        uint8_t *data;
        struct gw *w = gw_new(3, 32);
        ck_assert(bnt_type_bytes(t->id, cols, cols * rows, &size));
        ck_assert(bnt_type_bytes(t->id, cols, cols, &small));
        gw_tensor(w, "large", id, 2, dims, bytes, size);
        gw_tensor(w, "small", id, 2, one, bytes, small);
        struct bnt_gguf *g = open_written(w, &data);
        ck_assert_uint_eq(bnt_gguf_tensor(g, "large")->type, t->id);
        ck_assert_uint_eq(bnt_gguf_tensor(g, "small")->type, t->id);
        ck_assert_uint_eq(bnt_gguf_tensor(g, "large")->bytes, size);
        gguf_walk(g);
        bnt_gguf_close(g);
        free(data);
        w = gw_new(3, 32);
        gw_tensor(w, "large", id, 2, dims, bytes, size + 32);
        gw_tensor(w, "small", id, 2, one, bytes, small);
        expect_written_fault(w, BNT_E_FORMAT, "fit none of the layouts");
        w = gw_new(3, 4096);
        gw_tensor(w, "small", id, 2, one, bytes, small);
        expect_written_fault(w, BNT_E_FORMAT, "fit more than one of the layouts");
        variants++;
    }
    ck_assert_uint_eq(variants, 10);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gguf variants");
    TCase *tc = tcase_create("reader");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, tells_q2_0_apart);
    tcase_add_test(tc, refuses_to_guess_at_q2_0);
    tcase_add_test(tc, tells_all_variants_apart);
    tcase_add_test(tc, the_inner_id_is_unknown);
    tcase_add_test(tc, refuses_truncated_q2_0);
    tcase_add_test(tc, survives_random_damage);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
