/*
 * test_gguf.c - the reader of GGUF files: what is there is found, what is wrong is refused.
 *
 * Files are made by tests/lib/gguf_write, damaged ones by hand. Every buffer handed to the reader
 * is an allocation of exactly its size, so that the sanitizers see a read past the end.
 */
#include "file/gguf.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encode.h"
#include "file/types.h"
#include "gguf_check.h"
#include "suite.h"

/* A header by hand: magic, version, counts. */
static struct gw_buf header(const char *magic, uint32_t version, uint64_t tensors, uint64_t keys) {
    struct gw_buf b = {0};
    gw_put(&b, magic, 4);
    gw_put_u32(&b, version);
    gw_put_u64(&b, tensors);
    gw_put_u64(&b, keys);
    return b;
}

static void expect_buf_fault(struct gw_buf *b, int status, const char *words) {
    expect_fault(b->data, b->size, status, words);
    gw_buf_free(b);
}

/* ---- a file with everything ------------------------------------------------------------------ */

static const struct {
    uint32_t type;
    const char *name;
    uint64_t dims[4];
    uint32_t n_dims;
} samples[] = {
    {T_F32, "f32", {5}, 1},          {T_F16, "f16", {3, 7}, 2},
    {T_BF16, "bf16", {2, 3, 4}, 3},  {T_Q8_0, "q8_0", {64, 2, 1, 3}, 4},
    {T_Q6_K, "q6_K", {512, 2}, 2},   {T_TQ1_0, "tq1_0", {256, 3}, 2},
    {T_TQ2_0, "tq2_0", {256, 3}, 2}, {T_I2_S, "i2_s", {96, 4}, 2},
};
enum { N_SAMPLES = sizeof samples / sizeof samples[0] };

static uint64_t elements_of(size_t i) {
    uint64_t n = 1;
    for (uint32_t d = 0; d < samples[i].n_dims; d++) n *= samples[i].dims[d];
    return n;
}

static uint8_t sample_bytes[4096]; /* the tensors' contents, all alike */

static struct gw *sample(uint32_t version, uint32_t alignment) {
    struct gw *w = gw_new(version, alignment);
    static const char *const words[] = {"", "two", "\xc4\xa0three", "4"};
    static const int16_t shorts[] = {-2, 0, 32767};
    static const float floats[] = {0.5f, -1e30f};
    static const uint8_t bools[] = {1, 0, 1};
    static const uint64_t longs[] = {UINT64_MAX, 1};
    gw_key_u8(w, "u8", 255);
    gw_key_i8(w, "i8", -128);
    gw_key_u16(w, "u16", 65535);
    gw_key_i16(w, "i16", -32768);
    gw_key_u32(w, "u32", 0xffffffffu);
    gw_key_i32(w, "i32", -2147483647 - 1);
    gw_key_f32(w, "f32", 0.1f);
    gw_key_bool(w, "yes", 1);
    gw_key_bool(w, "no", 0);
    gw_key_str(w, "str", "text");
    gw_key_str(w, "str.empty", "");
    gw_key_u64(w, "u64", UINT64_MAX);
    gw_key_i64(w, "i64", INT64_MIN);
    gw_key_f64(w, "f64", 0.1);
    gw_key_i32(w, "i32.positive", 7);
    gw_key_strings(w, "words", words, 4);
    gw_key_strings(w, "no words", words, 0);
    gw_key_array(w, "shorts", GW_I16, shorts, 2, 3);
    gw_key_array(w, "floats", GW_F32, floats, 4, 2);
    gw_key_array(w, "bools", GW_BOOL, bools, 1, 3);
    gw_key_array(w, "longs", GW_U64, longs, 8, 2);
    gw_key_array(w, "nothing", GW_U8, NULL, 1, 0);
    for (size_t i = 0; i < sizeof sample_bytes; i++) sample_bytes[i] = (uint8_t)(i * 7 + 1);
    for (size_t i = 0; i < N_SAMPLES; i++)
        gw_tensor(w, samples[i].name, samples[i].type, samples[i].n_dims, samples[i].dims,
                  sample_bytes, enc_bytes(samples[i].type, elements_of(i)));
    return w;
}

static void check_scalars(const struct bnt_gguf *g) {
    static const struct {
        const char *key;
        bool fits;
        uint64_t value;
    } integers[] = {
        {"u8", true, 255},         {"i8", false, 0},          {"u16", true, 65535},
        {"i16", false, 0},         {"i32", false, 0},         {"u32", true, 0xffffffffu},
        {"u64", true, UINT64_MAX}, {"i64", false, 0},         {"i32.positive", true, 7},
        {"f32", false, 0},         {"f64", false, 0},         {"yes", false, 0},
        {"str", false, 0},         {"no such key", false, 0}, {"shorts", false, 0},
        {"longs", false, 0},
    };
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        uint64_t u = 12345;
        ck_assert_msg(bnt_gguf_u64(g, integers[i].key, &u) == integers[i].fits, "%s",
                      integers[i].key);
        ck_assert_uint_eq(u, integers[i].fits ? integers[i].value : 12345);
    }
    double d = 2;
    ck_assert(bnt_gguf_f64(g, "f32", &d) && d == (double)0.1f);
    ck_assert(bnt_gguf_f64(g, "f64", &d) && d == 0.1);
    ck_assert(!bnt_gguf_f64(g, "u8", &d) && !bnt_gguf_f64(g, "floats", &d) && d == 0.1);
    bool b = false;
    ck_assert(bnt_gguf_bool(g, "yes", &b) && b);
    ck_assert(!bnt_gguf_bool(g, "u8", &b) && !bnt_gguf_bool(g, "bools", &b) && b);
    ck_assert(bnt_gguf_bool(g, "no", &b) && !b);
    struct bnt_str s = {"?", 1};
    ck_assert(!bnt_gguf_str(g, "u8", &s) && !bnt_gguf_str(g, "words", &s) && s.ptr[0] == '?');
    ck_assert(bnt_gguf_str(g, "str", &s) && bnt_str_eq(s, "text"));
    ck_assert(!bnt_str_eq(s, "tex") && !bnt_str_eq(s, "texts"));
    ck_assert(bnt_gguf_str(g, "str.empty", &s) && s.len == 0 && bnt_str_eq(s, ""));
    ck_assert_int_eq(bnt_gguf_int_at(bnt_gguf_find(g, "i8"), 0), -128);
    ck_assert_int_eq(bnt_gguf_int_at(bnt_gguf_find(g, "i16"), 0), -32768);
    ck_assert_int_eq(bnt_gguf_int_at(bnt_gguf_find(g, "i32"), 0), INT32_MIN);
    ck_assert_int_eq(bnt_gguf_int_at(bnt_gguf_find(g, "i64"), 0), INT64_MIN);
}

static void check_arrays(const struct bnt_gguf *g) {
    const struct bnt_gguf_kv *kv = bnt_gguf_find(g, "words");
    ck_assert_ptr_nonnull(kv);
    ck_assert(kv->type == BNT_GGUF_ARRAY && kv->elem_type == BNT_GGUF_STRING && kv->count == 4);
    uint64_t cursor = 0;
    ck_assert(bnt_str_eq(bnt_gguf_next_string(kv, &cursor), ""));
    ck_assert(bnt_str_eq(bnt_gguf_next_string(kv, &cursor), "two"));
    ck_assert(bnt_str_eq(bnt_gguf_next_string(kv, &cursor), "\xc4\xa0three"));
    ck_assert(bnt_str_eq(bnt_gguf_next_string(kv, &cursor), "4"));
    ck_assert_uint_eq(bnt_gguf_find(g, "no words")->count, 0);
    ck_assert_uint_eq(bnt_gguf_find(g, "nothing")->count, 0);
    kv = bnt_gguf_find(g, "shorts");
    ck_assert(kv->elem_type == BNT_GGUF_I16 && kv->count == 3);
    ck_assert(bnt_gguf_int_at(kv, 0) == -2 && bnt_gguf_int_at(kv, 2) == 32767);
    ck_assert(bnt_gguf_float_at(kv, 0) == -2.0);
    kv = bnt_gguf_find(g, "floats");
    ck_assert(bnt_gguf_float_at(kv, 0) == 0.5 && bnt_gguf_float_at(kv, 1) == (double)-1e30f);
    kv = bnt_gguf_find(g, "bools");
    ck_assert(bnt_gguf_int_at(kv, 0) == 1 && bnt_gguf_int_at(kv, 1) == 0);
    ck_assert_int_eq(bnt_gguf_int_at(bnt_gguf_find(g, "longs"), 1), 1);
    ck_assert_int_eq(bnt_gguf_int_at(bnt_gguf_find(g, "words"), 0), 0);
}

static void check_tensors(const struct bnt_gguf *g, uint64_t alignment) {
    ck_assert_uint_eq(bnt_gguf_tensor_count(g), N_SAMPLES);
    for (size_t i = 0; i < N_SAMPLES; i++) {
        const struct bnt_gguf_tensor *t = bnt_gguf_tensor(g, samples[i].name);
        ck_assert_ptr_nonnull(t);
        ck_assert_ptr_eq(t, bnt_gguf_tensor_at(g, i));
        ck_assert_uint_eq(t->type, samples[i].type);
        ck_assert_uint_eq(t->n_dims, samples[i].n_dims);
        for (uint32_t d = 0; d < 4; d++)
            ck_assert_uint_eq(t->dims[d], d < samples[i].n_dims ? samples[i].dims[d] : 1);
        ck_assert_uint_eq(t->elements, elements_of(i));
        ck_assert_uint_eq(t->bytes, enc_bytes(samples[i].type, elements_of(i)));
        ck_assert_uint_eq(t->offset % alignment, 0);
        ck_assert_mem_eq(t->data, sample_bytes, t->bytes);
    }
    ck_assert_ptr_null(bnt_gguf_tensor(g, "f3"));
    ck_assert_ptr_null(bnt_gguf_tensor(g, ""));
}

START_TEST(reads_everything) {
    static const uint32_t alignments[] = {1, 8, 32, 64, 4096};
    for (uint32_t version = 2; version <= 3; version++) {
        for (size_t i = 0; i < 5; i++) {
            uint8_t *data;
            struct bnt_gguf *g = open_written(sample(version, alignments[i]), &data);
            size_t size = 0;
            ck_assert_uint_eq(bnt_gguf_version(g), version);
            ck_assert_uint_eq(bnt_gguf_alignment(g), alignments[i]);
            ck_assert_ptr_eq(bnt_gguf_part(g, 0, &size), data);
            ck_assert_uint_eq(bnt_gguf_kv_count(g), alignments[i] == 32 ? 22 : 23);
            check_scalars(g);
            check_arrays(g);
            check_tensors(g, alignments[i]);
            gguf_walk(g);
            bnt_gguf_close(g);
            free(data);
        }
    }
    bnt_gguf_close(NULL);
}
END_TEST

START_TEST(reads_an_empty_directory) {
    uint8_t *data;
    struct bnt_gguf *g = open_written(gw_new(3, 32), &data);
    ck_assert_uint_eq(bnt_gguf_kv_count(g) + bnt_gguf_tensor_count(g), 0);
    ck_assert_ptr_null(bnt_gguf_find(g, "x"));
    bnt_gguf_close(g);
    free(data);
}
END_TEST

START_TEST(keeps_tensors_of_unknown_type) {
    struct gw *w = gw_new(3, 32);
    uint64_t dims[2] = {10, 3};
    gw_tensor(w, "odd", 9999, 2, dims, sample_bytes, 64);
    uint8_t *data;
    struct bnt_gguf *g = open_written(w, &data);
    const struct bnt_gguf_tensor *t = bnt_gguf_tensor(g, "odd");
    ck_assert_uint_eq(t->type, 9999);
    ck_assert_uint_eq(t->bytes, 0);
    ck_assert_uint_eq(t->elements, 30);
    bnt_gguf_close(g);
    free(data);
}
END_TEST

/* ---- from the file system -------------------------------------------------------------------- */

static void expect_path_fault(const char *path, int status) {
    struct bnt_gguf *g = (struct bnt_gguf *)&g;
    struct bnt_err err = {0};
    ck_assert_int_eq(bnt_gguf_open(&g, path, &err), status);
    ck_assert_ptr_null(g);
    ck_assert_msg(strstr(err.text, path), "'%s' does not name %s", err.text, path);
}

START_TEST(opens_files) {
    char path[] = "/tmp/bitnet-test-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    expect_path_fault(path, BNT_E_FORMAT); /* empty */
    struct gw *w = sample(3, 32);
    ck_assert_int_eq(gw_save(w, path), 0);
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    ck_assert_int_eq(bnt_gguf_open(&g, path, &err), BNT_OK);
    size_t size = 0;
    bnt_gguf_part(g, 0, &size);
    ck_assert_uint_eq(size, gw_file_size(w));
    check_scalars(g);
    check_tensors(g, 32);
    uint8_t copy[100];
    const uint8_t *bytes = bnt_gguf_part(g, 0, &size);
    for (size_t at = 0; at + 100 <= size; at += 50) {
        bnt_gguf_copy(g, bytes + at, 100, copy);
        ck_assert_mem_eq(copy, bytes + at, 100);
    }
    bnt_gguf_close(g);
    ck_assert_int_eq(truncate(path, (off_t)gw_header_size(w) - 1), 0);
    expect_path_fault(path, BNT_E_FORMAT);
    gw_free(w);
    unlink(path);
    expect_path_fault(path, BNT_E_IO);   /* missing */
    expect_path_fault("/tmp", BNT_E_IO); /* a directory */
    expect_path_fault("/dev/null", BNT_E_IO);
}
END_TEST

/* ---- damaged --------------------------------------------------------------------------------- */

START_TEST(refuses_other_files) {
    expect_fault("", 0, BNT_E_FORMAT, "truncated");
    expect_fault("GG", 2, BNT_E_FORMAT, "truncated");
    struct gw_buf b = header("GGML", 3, 0, 0);
    expect_buf_fault(&b, BNT_E_FORMAT, "not a GGUF file");
    b = header("FUGG", 3, 0, 0);
    expect_buf_fault(&b, BNT_E_FORMAT, "not a GGUF file");
    b = header("GGUF", 0x03000000, 0, 0);
    expect_buf_fault(&b, BNT_E_UNSUPPORTED, "big-endian");
    b = header("GGUF", 0, 0, 0);
    expect_buf_fault(&b, BNT_E_UNSUPPORTED, "version 0");
    b = header("GGUF", 1, 0, 0);
    expect_buf_fault(&b, BNT_E_UNSUPPORTED, "version 1");
    b = header("GGUF", 4, 0, 0);
    expect_buf_fault(&b, BNT_E_UNSUPPORTED, "version 4");
}
END_TEST

START_TEST(refuses_every_truncation) {
    for (uint32_t version = 2; version <= 3; version++) {
        struct gw *w = sample(version, 32);
        size_t size, head = gw_header_size(w);
        uint8_t *data = gw_memory(w, &size);
        for (size_t n = 0; n < head; n++) expect_fault(data, n, BNT_E_FORMAT, "");
        /* and through the data of the last tensor, whose padding is not needed */
        uint64_t dims[1] = {elements_of(N_SAMPLES - 1)};
        size_t last = (size_t)enc_bytes(samples[N_SAMPLES - 1].type, dims[0]);
        size_t begin = size - (last + 31) / 32 * 32;
        for (size_t n = begin; n < begin + last; n++)
            expect_fault(data, n, BNT_E_FORMAT, samples[N_SAMPLES - 1].name);
        free(data);
        gw_free(w);
    }
}
END_TEST

START_TEST(refuses_impossible_counts) {
    static const uint64_t counts[] = {NEAR_2_64, UINT64_MAX, 1ull << 63, 1ull << 32, 1000};
    for (size_t i = 0; i < 5; i++) {
        struct gw_buf b = header("GGUF", 3, counts[i], 0);
        expect_buf_fault(&b, BNT_E_FORMAT, "");
        b = header("GGUF", 3, 0, counts[i]);
        expect_buf_fault(&b, BNT_E_FORMAT, "");
        b = header("GGUF", 3, 0, 1); /* a key's length */
        gw_put_u64(&b, counts[i]);
        gw_put(&b, "name", 4);
        expect_buf_fault(&b, BNT_E_FORMAT, "truncated");
        b = header("GGUF", 3, 0, 1); /* a string's length */
        gw_put_str(&b, "name");
        gw_put_u32(&b, GW_STRING);
        gw_put_u64(&b, counts[i]);
        gw_put(&b, "text", 4);
        expect_buf_fault(&b, BNT_E_FORMAT, "truncated");
        for (uint32_t elem = 0; elem <= GW_F64; elem++) { /* an array's count */
            b = header("GGUF", 3, 0, 1);
            gw_put_str(&b, "name");
            gw_put_u32(&b, GW_ARRAY);
            gw_put_u32(&b, elem);
            gw_put_u64(&b, counts[i]);
            gw_put(&b, "\0\0\0\0\0\0\0\0", 8);
            expect_buf_fault(&b, BNT_E_FORMAT, "");
        }
    }
}
END_TEST

static void expect_value_fault(uint32_t type, const void *value, size_t size, const char *words) {
    struct gw *w = gw_new(3, 32);
    gw_key_raw(w, "some.key", type, value, size);
    expect_written_fault(w, BNT_E_FORMAT, words);
}

START_TEST(refuses_bad_values) {
    static const uint8_t nested[] = {9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t odd[] = {13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    static const uint8_t bools[] = {7, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 3};
    expect_value_fault(GW_BOOL, "\2", 1, "some.key");
    expect_value_fault(GW_BOOL, "\377", 1, "bool");
    expect_value_fault(GW_ARRAY, bools, sizeof bools, "bool");
    expect_value_fault(GW_ARRAY, nested, sizeof nested, "some.key");
    expect_value_fault(GW_ARRAY, nested, sizeof nested, "arrays of arrays");
    expect_value_fault(GW_ARRAY, odd, sizeof odd, "type 13");
    expect_value_fault(13, "\0\0\0\0\0\0\0\0", 8, "type 13");
    expect_value_fault(0xffffffffu, "\0\0\0\0\0\0\0\0", 8, "some.key");
}
END_TEST

START_TEST(refuses_bad_alignment) {
    static const uint64_t bad[] = {0, 3, 24, 33, 1ull << 40, UINT64_MAX};
    for (size_t i = 0; i < 6; i++) {
        struct gw *w = gw_new(3, 32);
        gw_key_u64(w, "general.alignment", bad[i]);
        expect_written_fault(w, BNT_E_FORMAT, "general.alignment");
    }
    struct gw *w = gw_new(3, 32);
    gw_key_str(w, "general.alignment", "32");
    expect_written_fault(w, BNT_E_FORMAT, "general.alignment");
    w = gw_new(3, 32);
    gw_key_i32(w, "general.alignment", -32);
    expect_written_fault(w, BNT_E_FORMAT, "general.alignment");
}
END_TEST

START_TEST(refuses_duplicates) {
    uint64_t dims[1] = {8};
    struct gw *w = sample(3, 32);
    gw_key_u8(w, "u8", 1);
    expect_written_fault(w, BNT_E_FORMAT, "'u8' appears twice");
    w = sample(3, 32);
    gw_tensor(w, "f32", T_F32, 1, dims, sample_bytes, 32);
    expect_written_fault(w, BNT_E_FORMAT, "'f32' appears twice");
}
END_TEST

/* One tensor entry by hand, then 256 bytes of data at the next multiple of 32. */
static struct gw_buf one_tensor(const char *name, uint32_t type, uint32_t n_dims,
                                const uint64_t *dims, uint64_t offset) {
    struct gw_buf b = header("GGUF", 3, 1, 0);
    gw_put_str(&b, name);
    gw_put_u32(&b, n_dims);
    for (uint32_t d = 0; d < n_dims; d++) gw_put_u64(&b, dims[d]);
    gw_put_u32(&b, type);
    gw_put_u64(&b, offset);
    while (b.size % 32) gw_put(&b, "", 1);
    gw_put(&b, sample_bytes, 256);
    return b;
}

static void expect_tensor_fault(uint32_t type, uint32_t n_dims, const uint64_t *dims,
                                uint64_t offset, const char *words) {
    struct gw_buf b = one_tensor("blk.0.x", type, n_dims, dims, offset);
    expect_fault(b.data, b.size, BNT_E_FORMAT, "blk.0.x");
    expect_buf_fault(&b, BNT_E_FORMAT, words);
}

START_TEST(refuses_bad_tensors) {
    static const uint64_t ones[6] = {1, 1, 1, 1, 1, 1};
    static const struct {
        uint32_t type, n_dims;
        uint64_t dims[4], offset;
        const char *words;
    } cases[] = {
        {T_F32, 1, {0}, 0, "dimension 0 is 0"},
        {T_F32, 2, {4, 0}, 0, "dimension 1 is 0"},
        {T_F32, 2, {1ull << 32, 1ull << 32}, 0, "overflow"},
        {T_F32, 4, {1ull << 16, 1ull << 16, 1ull << 16, 1ull << 16}, 0, "overflow"},
        {T_F32, 2, {NEAR_2_64, 2}, 0, "overflow"},
        {T_F32, 1, {1ull << 62}, 0, "4611686018427387904"}, /* fits, its bytes do not */
        {T_F32, 1, {NEAR_2_64}, 0, ""},
        {T_F16, 1, {1ull << 63}, 0, ""},
        {T_F32, 1, {65}, 0, "260 bytes"}, /* 256 are there */
        {T_F32, 1, {64}, 32, "past end of file"},
        {T_F32, 1, {1}, 256, "past end of file"},
        {T_F32, 1, {1}, 288, "past end of file"},
        {T_F32, 1, {1}, 1ull << 40, "past end of file"},
        {T_F32, 1, {1}, 0xffffffffffffffe0u, "past end of file"},
        {T_F32, 1, {1}, 4, "offset 4 is not a multiple of the alignment 32"},
        {T_F32, 1, {1}, UINT64_MAX, "not a multiple"},
        {T_Q8_0, 1, {33}, 0, "blocks"},
        {T_Q8_0, 2, {16, 2}, 0, "blocks"}, /* blocks do not cross rows */
        {T_Q6_K, 1, {128}, 0, "blocks"},
        {T_TQ1_0, 2, {128, 2}, 0, "blocks"},
        {T_TQ2_0, 1, {255}, 0, "blocks"},
        {T_I2_S, 1, {130}, 0, "blocks"},
        {T_I2_S, 1, {1024}, 0, "288 bytes"}, /* 256 for the codes, 32 for the scale */
    };
    expect_tensor_fault(T_F32, 0, ones, 0, "0 dimensions");
    expect_tensor_fault(T_F32, 5, ones, 0, "5 dimensions");
    expect_tensor_fault(T_F32, 6, ones, 0, "6 dimensions");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_tensor_fault(cases[i].type, cases[i].n_dims, cases[i].dims, cases[i].offset,
                            cases[i].words);
    uint64_t dims[1] = {64}; /* and the same by hand is fine */
    struct gw_buf b = one_tensor("good", T_F32, 1, dims, 0);
    struct bnt_gguf *g = NULL;
    ck_assert_int_eq(bnt_gguf_open_memory(&g, b.data, b.size, NULL), BNT_OK);
    bnt_gguf_close(g);
    gw_buf_free(&b);
}
END_TEST

START_TEST(refuses_overlaps) {
    for (uint64_t second = 0; second <= 96; second += 32) {
        struct gw_buf b = header("GGUF", 3, 2, 0);
        for (int i = 0; i < 2; i++) { /* the first takes bytes 0..67 */
            gw_put_str(&b, i ? "second" : "first");
            gw_put_u32(&b, 1);
            gw_put_u64(&b, i ? 1 : 17);
            gw_put_u32(&b, T_F32);
            gw_put_u64(&b, i ? second : 0);
        }
        while (b.size % 32) gw_put(&b, "", 1);
        gw_put(&b, sample_bytes, 256);
        if (second < 96) {
            expect_fault(b.data, b.size, BNT_E_FORMAT, "'first'");
            expect_fault(b.data, b.size, BNT_E_FORMAT, "overlap");
        } else {
            struct bnt_gguf *g = NULL;
            ck_assert_int_eq(bnt_gguf_open_memory(&g, b.data, b.size, NULL), BNT_OK);
            bnt_gguf_close(g);
        }
        gw_buf_free(&b);
    }
}
END_TEST

/* Names come from the file: messages must stay one printable line whatever they hold. */
START_TEST(prints_hostile_names_safely) {
    uint64_t dims[1] = {0};
    struct gw_buf b = one_tensor("evil\n\033[31m\xff", T_F32, 1, dims, 0);
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    ck_assert_int_lt(bnt_gguf_open_memory(&g, b.data, b.size, &err), 0);
    for (const char *p = err.text; *p; p++) ck_assert_int_ge(*p, ' ');
    gw_buf_free(&b);
    char *huge = malloc(100001);
    memset(huge, 'x', 100000);
    huge[100000] = 0;
    b = one_tensor(huge, T_F32, 1, dims, 0);
    expect_buf_fault(&b, BNT_E_FORMAT, "xxx");
    free(huge);
}
END_TEST

/* ---- random damage --------------------------------------------------------------------------- */

START_TEST(survives_random_damage) {
    survive_damage(sample(3, 32), 10000);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("gguf");
    TCase *tc = tcase_create("reader");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, reads_everything);
    tcase_add_test(tc, reads_an_empty_directory);
    tcase_add_test(tc, keeps_tensors_of_unknown_type);
    tcase_add_test(tc, opens_files);
    tcase_add_test(tc, refuses_other_files);
    tcase_add_test(tc, refuses_every_truncation);
    tcase_add_test(tc, refuses_impossible_counts);
    tcase_add_test(tc, refuses_bad_values);
    tcase_add_test(tc, refuses_bad_alignment);
    tcase_add_test(tc, refuses_duplicates);
    tcase_add_test(tc, refuses_bad_tensors);
    tcase_add_test(tc, refuses_overlaps);
    tcase_add_test(tc, prints_hostile_names_safely);
    tcase_add_test(tc, survives_random_damage);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
