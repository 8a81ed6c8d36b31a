/*
 * fuzz_types.c - any bytes as the weights of any type: they are read within their bounds, to values
 * that mean what they should, or refused with the tensor's name.
 *
 * Run: make VARIANT=fuzz CC=clang fuzz; build/fuzz/tests/fuzz_types CORPUS_DIR
 */
#include <stdlib.h>
#include <string.h>

#include "bitnet/dense.h"
#include "file/ternary.h"
#include "file/types.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_COLS = 2048, MOST_ROWS = 4 };

static void *copy_of(const void *p, size_t size) {
    void *copy = malloc(size ? size : 1); /* of that size, so that a byte more is noticed */
    if (!copy) abort();
    memcpy(copy, p, size);
    return copy;
}

static void read_dense(const struct bnt_type_info *t, const uint8_t *bytes, size_t n) {
    float *whole = malloc(n * sizeof *whole), *block = malloc(t->block * sizeof *block);
    if (!whole || !block) abort();
    bnt_dense_read(t->id, bytes, n, whole);
    for (size_t i = 0; i < n; i += t->block) { /* a block by itself is the same */
        bnt_dense_read(t->id, bytes + i / t->block * t->block_bytes, t->block, block);
        if (memcmp(block, whole + i, t->block * sizeof *block) != 0) abort();
    }
    free(whole);
    free(block);
}

static void read_ternary(const struct bnt_type_info *t, const uint8_t *bytes, uint64_t size,
                         uint64_t rows, uint64_t cols, enum bnt_i2s_layout layout) {
    struct bnt_ternary_src src = {t->id, rows, cols, bytes, size, 0, 0.0f, layout};
    struct bnt_ternary_scan all = {0}, part = {0};
    struct bnt_err err = {0};
    size_t n = (size_t)(rows * cols);
    int8_t *trits = malloc(n);
    float *scales = malloc(n * sizeof *scales);
    if (!trits || !scales) abort();
    bnt_ternary_scan_rows(&src, rows / 2, rows, &part);
    bnt_ternary_scan_rows(&src, 0, rows / 2, &all);
    bnt_ternary_scan_join(&all, &part);
    if (bnt_ternary_scan_finish(&src, &all, "a tensor", &err) != BNT_OK) {
        if (!strstr(err.text, "a tensor")) abort();
    } else {
        if (src.scale - src.scale != 0.0f || (src.block && cols % src.block)) abort();
        bnt_ternary_decode(&src, 0, rows, trits, src.block ? scales : NULL);
        for (size_t i = 0; i < n; i++)
            if (trits[i] < -1 || trits[i] > 1) abort();
        for (size_t i = 0; src.block && i < n / src.block; i++)
            if (scales[i] - scales[i] != 0.0f) abort();
    }
    free(trits);
    free(scales);
}

/* Four bytes choose the type, the shape and the layout of I2_S; the rest is the tensor. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4) return 0;
    const struct bnt_type_info *t = bnt_type_at(data[0]);
    uint64_t rows = 1 + data[1] % MOST_ROWS, bytes;
    if (!t || (t->kind != BNT_KIND_DENSE && t->kind != BNT_KIND_TERNARY)) return 0;
    uint64_t cols = (1 + data[2] % (MOST_COLS / t->block)) * t->block;
    if (!bnt_type_bytes(t->id, cols, rows * cols, &bytes)) abort();
    if (bytes > size - 4) return 0;
    uint8_t *tensor = copy_of(data + 4, (size_t)bytes);
    if (t->kind == BNT_KIND_DENSE)
        read_dense(t, tensor, (size_t)(rows * cols));
    else
        read_ternary(t, tensor, bytes, rows, cols,
                     rows % 4 ? (enum bnt_i2s_layout)(data[3] % 2 * 2)
                              : (enum bnt_i2s_layout)(data[3] % 3));
    free(tensor);
    return 0;
}
