/*
 * gguf_check.h - what libcheck tests of the GGUF reader share: files that must open, files that
 * must not, and files damaged at random.
 *
 * Every buffer handed to the reader is an allocation of exactly its size, so that the sanitizers
 * see a read past the end.
 */
#ifndef TEST_GGUF_CHECK_H
#define TEST_GGUF_CHECK_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "file/gguf.h"
#include "gguf_walk.h"
#include "gguf_write.h"
#include "rng.h"

#define NEAR_2_64 0xfffffffffffffff0u

static inline uint8_t *exact(const void *data, size_t size) {
    uint8_t *p = malloc(size ? size : 1);
    ck_assert_ptr_nonnull(p);
    if (size) memcpy(p, data, size);
    return p;
}

static inline void expect_fault(const void *data, size_t size, int status, const char *words) {
    struct bnt_gguf *g = (struct bnt_gguf *)&g; /* must become NULL */
    struct bnt_err err = {0};
    uint8_t *copy = exact(data, size);
    int got = bnt_gguf_open_memory(&g, copy, size, &err);
    ck_assert_int_lt(got, 0);
    if (status) ck_assert_int_eq(got, status);
    ck_assert_int_eq(got, err.status);
    ck_assert_ptr_null(g);
    ck_assert_str_ne(err.text, "");
    ck_assert_msg(!strchr(err.text, '\n'), "more than one line: %s", err.text);
    ck_assert_msg(strstr(err.text, words), "'%s' does not say '%s'", err.text, words);
    ck_assert_int_lt(bnt_gguf_open_memory(&g, copy, size, NULL), 0); /* err may be NULL */
    free(copy);
}

/* Takes the writer and the buffer; *data must be freed after the reader is closed. */
static inline struct bnt_gguf *open_written(struct gw *w, uint8_t **data) {
    size_t size;
    uint8_t *memory = gw_memory(w, &size);
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    gw_free(w);
    *data = exact(memory, size);
    free(memory);
    int status = bnt_gguf_open_memory(&g, *data, size, &err);
    ck_assert_msg(status == BNT_OK, "%s", err.text);
    ck_assert_ptr_nonnull(g);
    return g;
}

static inline void expect_written_fault(struct gw *w, int status, const char *words) {
    size_t size;
    uint8_t *memory = gw_memory(w, &size);
    expect_fault(memory, size, status, words);
    free(memory);
    gw_free(w);
}

/* ---- random damage --------------------------------------------------------------------------- */

/* One to four bytes or fields of the first `head` bytes. */
static inline void damage(struct rng *r, uint8_t *data, size_t head) {
    static const uint64_t values[] = {0, 1, UINT64_MAX, NEAR_2_64, 1ull << 63, 1ull << 32, 255};
    for (uint32_t n = 1 + rng_below(r, 4); n; n--) {
        size_t at = rng_below(r, (uint32_t)head);
        uint64_t v = rng_next(r);
        size_t width = 1;
        if (rng_below(r, 3) == 0) { /* a whole field */
            v = values[rng_below(r, 7)];
            width = rng_below(r, 2) ? 8 : 4;
        } else if (rng_below(r, 2)) { /* a bit */
            v = data[at] ^ 1u << (v & 7);
        }
        for (size_t i = 0; i < width && at + i < head; i++) data[at + i] = (uint8_t)(v >> 8 * i);
    }
}

/* A damaged header is read as something or refused with a reason. Takes the writer. */
static inline void survive_damage(struct gw *w, uint64_t seeds) {
    size_t size, head = gw_header_size(w), accepted = 0;
    uint8_t *good = gw_memory(w, &size), *data = exact(good, size);
    for (uint64_t seed = 0; seed < seeds; seed++) {
        struct rng r = rng_stream(seed, 1);
        struct bnt_gguf *g = NULL;
        struct bnt_err err = {0};
        memcpy(data, good, size);
        damage(&r, data, head);
        if (bnt_gguf_open_memory(&g, data, size, &err) == BNT_OK) {
            gguf_walk(g);
            accepted++;
        } else {
            ck_assert_msg(err.text[0] && !g, "seed %llu", (unsigned long long)seed);
        }
        bnt_gguf_close(g);
    }
    /* Values and names may be anything, so some damage is not damage; most is. */
    ck_assert_uint_gt(accepted, seeds / 100);
    ck_assert_uint_lt(accepted, seeds * 9 / 10);
    free(data);
    free(good);
    gw_free(w);
}

#endif
