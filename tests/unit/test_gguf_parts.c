/*
 * test_gguf_parts.c - a model in several files is the model in one; whatever is wrong with one of
 * them is refused with its name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file/gguf.h"
#include "gguf_walk.h"
#include "split.h"
#include "suite.h"
#include "synth.h"

enum { MOST = 4 };
static char folder[] = "/tmp/bitnet-test-parts-XXXXXX";
static uint8_t *whole_bytes;
static struct bnt_gguf *whole;

static void set_up(void) {
    struct bnt_err err = {0};
    struct synth s;
    size_t size;
    strcpy(folder, "/tmp/bitnet-test-parts-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert(synth_preset(&s, "tiny"));
    whole_bytes = synth_memory(&s, &size);
    ck_assert_msg(bnt_gguf_open_memory(&whole, whole_bytes, size, &err) == BNT_OK, "%s", err.text);
}

/* The path of part i (from 0) of n under a stem; good for the next 63 calls. */
static const char *part_name(const char *stem, unsigned i, unsigned n) {
    static char names[64][128];
    static unsigned turn;
    char *name = names[turn++ % 64];
    snprintf(name, sizeof names[0], "%s/%s-%05u-of-%05u.gguf", folder, stem, i + 1, n);
    return name;
}

static void tear_down(void) {
    for (unsigned n = 2; n <= MOST; n++) {
        for (unsigned i = 0; i < MOST; i++) unlink(part_name("m", i, n));
    }
    bnt_gguf_close(whole);
    free(whole_bytes);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void save_part(const struct split_part *p, const char *path) {
    struct gw *w = split_write(whole, p);
    ck_assert_int_eq(gw_save(w, path), 0);
    gw_free(w);
}

static void save_parts(unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        struct split_part p = split_place(whole, i, n);
        save_part(&p, part_name("m", i, n));
    }
}

static void expect_fault(const char *path, int status, const char *names, const char *says) {
    struct bnt_gguf *g = (struct bnt_gguf *)&g;
    struct bnt_err err = {0};
    int got = bnt_gguf_open(&g, path, &err);
    ck_assert_msg(got == status, "%s: wanted %s, got %s: %s", path, bnt_status_name(status),
                  bnt_status_name(got), err.text);
    ck_assert_ptr_null(g);
    ck_assert_msg(strstr(err.text, names) && strstr(err.text, says), "'%s' does not say '%s' of %s",
                  err.text, says, names);
}

static void expect_whole(const struct bnt_gguf *g) {
    ck_assert_uint_eq(bnt_gguf_tensor_count(g), bnt_gguf_tensor_count(whole));
    for (size_t i = 0; i < bnt_gguf_tensor_count(whole); i++) {
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor_at(whole, i);
        char name[96];
        snprintf(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
        const struct bnt_gguf_tensor *u = bnt_gguf_tensor(g, name);
        ck_assert_ptr_nonnull(u);
        ck_assert(u->type == t->type && u->bytes == t->bytes && u->elements == t->elements);
        ck_assert_mem_eq(u->data, t->data, t->bytes);
        uint8_t copy[64];
        bnt_gguf_copy(g, u->data, sizeof copy, copy);
        ck_assert_mem_eq(copy, t->data, sizeof copy);
        bnt_gguf_release(g, u->data, u->bytes);
        ck_assert_mem_eq(u->data, t->data, t->bytes);
    }
    for (size_t i = 0; i < bnt_gguf_kv_count(whole); i++) {
        char key[128];
        struct bnt_str name = bnt_gguf_kv_at(whole, i)->key;
        snprintf(key, sizeof key, "%.*s", (int)name.len, name.ptr);
        ck_assert_ptr_nonnull(bnt_gguf_find(g, key));
    }
    gguf_walk(g);
}

START_TEST(parts_are_the_whole) {
    for (unsigned n = 2; n <= MOST; n++) {
        struct bnt_gguf *g;
        struct bnt_err err = {0};
        struct stat st;
        uint64_t size = 0, of_parts = 0;
        save_parts(n);
        ck_assert_msg(bnt_gguf_open(&g, part_name("m", 0, n), &err) == BNT_OK, "%s", err.text);
        ck_assert_uint_eq(bnt_gguf_parts(g), n);
        for (unsigned i = 0; i < n; i++) {
            size_t bytes;
            ck_assert_int_eq(stat(part_name("m", i, n), &st), 0);
            ck_assert_mem_eq(bnt_gguf_part(g, i, &bytes), "GGUF", 4);
            ck_assert_uint_eq(bytes, (size_t)st.st_size);
            size += (uint64_t)st.st_size;
            of_parts += bytes;
        }
        ck_assert_uint_eq(bnt_gguf_size(g), size);
        ck_assert_uint_eq(of_parts, size);
        expect_whole(g);
        bnt_gguf_close(g);
    }
}
END_TEST

/* All tensors in the last parts, as with gguf-split --no-tensor-first-split. */
START_TEST(a_first_part_without_tensors) {
    struct bnt_gguf *g;
    struct bnt_err err = {0};
    size_t all = bnt_gguf_tensor_count(whole);
    struct split_part first = {0, 2, (int32_t)all, 0, 0}, second = {1, 2, (int32_t)all, 0, all};
    save_part(&first, part_name("m", 0, 2));
    struct gw *w = gw_new(3, 32); /* with the tensors from the first on, and no keys but these */
    gw_key_u16(w, "split.no", 1);
    gw_key_u16(w, "split.count", 2);
    gw_key_i32(w, "split.tensors.count", (int32_t)all);
    for (size_t i = 0; i < all; i++) {
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor_at(whole, i);
        char name[96];
        snprintf(name, sizeof name, "%.*s", (int)t->name.len, t->name.ptr);
        gw_tensor(w, name, t->type, t->n_dims, t->dims, t->data, t->bytes);
    }
    ck_assert_int_eq(gw_save(w, part_name("m", 1, 2)), 0);
    gw_free(w);
    ck_assert_msg(bnt_gguf_open(&g, part_name("m", 0, 2), &err) == BNT_OK, "%s", err.text);
    expect_whole(g);
    bnt_gguf_close(g);
    save_part(&second, part_name("m", 1, 2)); /* with all keys a second time: the same ones */
    ck_assert_msg(bnt_gguf_open(&g, part_name("m", 0, 2), &err) == BNT_OK, "%s", err.text);
    bnt_gguf_close(g);
}
END_TEST

START_TEST(a_part_that_is_not_there) {
    save_parts(3);
    const char *first = part_name("m", 0, 3);
    unlink(part_name("m", 2, 3));
    expect_fault(first, BNT_E_IO, part_name("m", 2, 3), "part 3 of 3 of the model: ");
    expect_fault(first, BNT_E_IO, part_name("m", 2, 3), "No such file");
    ck_assert_int_eq(truncate(part_name("m", 1, 3), 40), 0);
    expect_fault(first, BNT_E_FORMAT, part_name("m", 1, 3), "do not fit into a file of 40 bytes");
    unlink(part_name("m", 1, 3));
    expect_fault(first, BNT_E_IO, part_name("m", 1, 3), "part 2 of 3");
}
END_TEST

START_TEST(another_part_names_the_first) {
    save_parts(3);
    for (unsigned i = 1; i < 3; i++)
        expect_fault(part_name("m", i, 3), BNT_E_FORMAT, part_name("m", 0, 3),
                     i == 1 ? "part 2 of 3" : "part 3 of 3");
    ck_assert_int_eq(rename(part_name("m", 1, 3), part_name("m", 0, 2)), 0);
    expect_fault(part_name("m", 0, 2), BNT_E_FORMAT, "m-00001-of-00002.gguf",
                 "does not end in -00002-of-00003.gguf");
}
END_TEST

START_TEST(parts_that_disagree) {
    struct split_part p;
    const char *first = part_name("m", 0, 3), *second = part_name("m", 1, 3);
    save_parts(3);
    p = split_place(whole, 1, 3), p.count = 4;
    save_part(&p, second);
    expect_fault(first, BNT_E_FORMAT, second, "split.count is 4, in the first part 3");
    p = split_place(whole, 1, 3), p.no = 2;
    save_part(&p, second);
    expect_fault(first, BNT_E_FORMAT, second, "it is part 3 by its split.no, not part 2");
    p = split_place(whole, 1, 3), p.no = 3;
    save_part(&p, second);
    expect_fault(first, BNT_E_FORMAT, second, "split.no is 3 of 3 parts");
    p = split_place(whole, 1, 3), p.tensors++;
    save_part(&p, second);
    expect_fault(first, BNT_E_FORMAT, second,
                 "key 'split.tensors.count' is not what it is in the first part");
    p = split_place(whole, 1, 3), p.n--; /* one less */
    save_part(&p, second);
    expect_fault(first, BNT_E_FORMAT, first, "split.tensors.count says 24");
    p = split_place(whole, 1, 3), p.first--; /* one of the first part's, in place of another */
    save_part(&p, second);
    expect_fault(first, BNT_E_FORMAT, first, "is in part 1 and in part 2");
    save_parts(3);
    p = split_place(whole, 0, 3), p.count = 0; /* as if it were not split */
    save_part(&p, first);
    struct bnt_gguf *g;
    ck_assert_int_eq(bnt_gguf_open(&g, first, NULL), BNT_OK);
    ck_assert_uint_eq(bnt_gguf_parts(g), 1);
    bnt_gguf_close(g);
    p = split_place(whole, 0, 3), p.count = 60000;
    save_part(&p, first);
    expect_fault(first, BNT_E_LIMIT, first, "split.count is 60000; at most 1000");
    struct gw *w = gw_new(3, 32);
    gw_key_i32(w, "split.tensors.count", 2);
    ck_assert_int_eq(gw_save(w, first), 0);
    gw_free(w);
    expect_fault(first, BNT_E_FORMAT, first, "split.tensors.count without split.count");
}
END_TEST

/* Metadata beside the first part's is either the same or belongs to another model. */
START_TEST(keys_that_disagree) {
    const char *first = part_name("m", 0, 2), *second = part_name("m", 1, 2);
    struct split_part p = split_place(whole, 1, 2);
    static const struct {
        const char *key, *value, *says;
    } cases[] = {
        {"general.name", "another model", "key 'general.name' is not what it is in the first part"},
        {"general.other", "x", "key 'general.other' is not in the first part"},
        {"general.architecture", "bitnet-b1.58", NULL}};
    save_parts(2);
    for (size_t i = 0; i < 3; i++) {
        struct gw *w = split_write(whole, &p);
        gw_key_str(w, cases[i].key, cases[i].value);
        ck_assert_int_eq(gw_save(w, second), 0);
        gw_free(w);
        if (cases[i].says) {
            expect_fault(first, BNT_E_FORMAT, second, cases[i].says);
        } else {
            struct bnt_gguf *g;
            ck_assert_int_eq(bnt_gguf_open(&g, first, NULL), BNT_OK);
            bnt_gguf_close(g);
        }
    }
    struct gw *w = split_write(whole, &p);
    gw_key_u32(w, "general.name", 3); /* another type */
    ck_assert_int_eq(gw_save(w, second), 0);
    gw_free(w);
    expect_fault(first, BNT_E_FORMAT, second, "key 'general.name' is not what it is");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gguf_parts");
    TCase *tc = tcase_create("gguf_parts");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, parts_are_the_whole);
    tcase_add_test(tc, a_first_part_without_tensors);
    tcase_add_test(tc, a_part_that_is_not_there);
    tcase_add_test(tc, another_part_names_the_first);
    tcase_add_test(tc, parts_that_disagree);
    tcase_add_test(tc, keys_that_disagree);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
