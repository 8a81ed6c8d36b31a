/*
 * fuzz_gguf_parts.c - a model in several files: whatever its parts say of themselves, they are read
 * to the last byte or refused, and what is read is what a plain look at them finds consistent.
 *
 * The input's bytes choose what up to four parts say and which tensors they have; then one byte of
 * one part may be changed.
 */
#include <stdlib.h>
#include <string.h>

#include "gguf_walk.h"
#include "gguf_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4 };

struct input {
    const uint8_t *at, *end;
};

static uint8_t next(struct input *in) {
    return in->at < in->end ? *in->at++ : 0;
}

/* Mostly `right`. */
static uint32_t nearly(struct input *in, uint32_t right) {
    uint8_t b = next(in);
    return b < 0xf0 ? right : right + b - 0xf8;
}

static struct gw *build(struct input *in, unsigned i, unsigned n, uint32_t tensors, unsigned *has,
                        bool *honest) {
    static const float values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const uint32_t no = nearly(in, i), count = nearly(in, n), all = nearly(in, tensors);
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    uint8_t keys = next(in);
    struct gw *w = gw_new(3, keys & 8 ? 64 : 32);
    gw_key_u16(w, "split.no", (uint16_t)no);
    if (keys & 1)
        gw_key_u16(w, "split.count", (uint16_t)count);
    else
        gw_key_u32(w, "split.count", count);
    gw_key_i32(w, "split.tensors.count", (int32_t)all);
    if (i == 0) gw_key_str(w, "general.name", "x");
    if (i > 0 && keys >= 0xf0) gw_key_str(w, "general.name", keys & 2 ? "x" : "y");
    *has = next(in);
    for (unsigned t = 0; t < 8; t++) {
        if (*has >> t & 1) gw_tensor(w, names[t], 0, 1, (uint64_t[]){t + 1}, values, 4 * (t + 1));
    }
    *honest &= (uint16_t)no == i && (keys & 1 ? (uint16_t)count : count) == n;
    *honest &= !(i > 0 && keys >= 0xf0 && !(keys & 2));
    return w;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, data + size};
    struct bnt_gguf_memory parts[MOST];
    struct bnt_gguf *g = NULL;
    struct bnt_err err = {0};
    unsigned n = 1 + next(&in) % MOST, seen = 0, total = 0;
    uint32_t stated = next(&in) % 16;
    bool honest = true;
    for (unsigned i = 0; i < n; i++) {
        unsigned has;
        struct gw *w = build(&in, i, n, stated, &has, &honest);
        parts[i].data = gw_memory(w, &parts[i].size);
        gw_free(w);
        honest &= (seen & has) == 0;
        seen |= has;
        total += (unsigned)__builtin_popcount(has);
    }
    uint8_t change = next(&in);
    if (change) {
        const struct bnt_gguf_memory *p = &parts[change % n];
        size_t at = (size_t)next(&in) << 8 | next(&in);
        ((uint8_t *)(uintptr_t)p->data)[at % p->size] ^= change;
    }
    int status = bnt_gguf_open_parts(&g, parts, n, &err);
    if ((status == BNT_OK) != (g != NULL)) abort();
    if (status != BNT_OK && (status != err.status || !err.text[0])) abort();
    if (g) gguf_walk(g);
    if (g && !change && n > 1 && (!honest || bnt_gguf_tensor_count(g) != total)) abort();
    if (g && bnt_gguf_parts(g) != n) abort();
    bnt_gguf_close(g);
    for (unsigned i = 0; i < n; i++) free((void *)(uintptr_t)parts[i].data);
    return 0;
}
